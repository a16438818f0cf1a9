//! Files on disk as a released version wrote them, read by this one.
//!
//! `UPDATE_FIXTURES=1 cargo test -p gateless-server --test on_disk` writes those of the format that is current, which
//! is done once for each: what is committed stays.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::fake::{Sidecar, hello, names, serve_config};
use common::{Server, empty_spec, spec};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use gateless_server::auth::Role;
use gateless_server::store::blobs::MemoryBlobs;
use gateless_server::store::sled::Options;
use gateless_server::store::{MemoryStore, SledStore, Store, list};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const HELLO: &str = "/v1/namespaces/default/functions/hello";
const SECRET: &str = "/v1/namespaces/default/secrets/s";
const TRIGGER: &str = "/v1/namespaces/default/triggers/nightly";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// The folder of a store, and its exports.
async fn make() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(folder.path(), Options::default()).await;
    let store: Arc<dyn Store> = Arc::new(store.unwrap());
    let server = Server::over(Arc::clone(&store), Arc::new(MemoryBlobs::default())).await;
    let admin = server.admin().await;
    let put = async |uri: &str, body| {
        let put = server.call("PUT", uri, Some(&admin), Some(body)).await;
        assert!(put.status.is_success(), "{:#}", put.body);
    };
    put(SECRET, json!({"data": {"k": "v"}})).await;
    put(HELLO, empty_spec("a")).await;
    let mut second = spec("b");
    second["spec"]["secrets"] = json!([{"env": "K", "secret": "s", "key": "k"}]);
    put(HELLO, second).await;
    put(
        TRIGGER,
        json!({"spec": {"kind": "cron", "function": "hello", "cron": {"schedule": "0 3 * * *"}}}),
    )
    .await;
    server.token("default", Role::Viewer).await;
    store.close().await.unwrap();

    let export = folder.path().join("exports/catalogue-0000000001.jsonl");
    std::fs::copy(export, fixture("catalogue-2.jsonl")).unwrap();
    let packed = File::create(fixture("catalogue-2.tar.gz")).unwrap();
    let mut packed = tar::Builder::new(GzEncoder::new(packed, Compression::best()));
    packed
        .append_dir_all("db", folder.path().join("db"))
        .unwrap();
    packed.into_inner().unwrap().finish().unwrap();
}

async fn fixtures() {
    static MADE: OnceCell<()> = OnceCell::const_new();
    let asked = std::env::var_os("UPDATE_FIXTURES").is_some();
    if asked && !fixture("catalogue-2.jsonl").exists() {
        MADE.get_or_init(make).await;
    }
}

async fn imported() -> Arc<dyn Store> {
    let store = MemoryStore::default();
    let export = File::open(fixture("catalogue-2.jsonl")).unwrap();
    let read = store.import(Box::new(BufReader::new(export))).await;
    read.unwrap();
    Arc::new(store)
}

#[tokio::test]
async fn what_a_released_version_exported_is_served() {
    fixtures().await;
    let store = imported().await;
    // Before a server sweeps it: the token lived for an hour.
    let entries = list(&*store, "auth/tokens/").await.unwrap().entries;
    let mut infos = entries.iter().map(|entry| {
        let info = serde_json::from_slice::<gateless_server::auth::TokenInfo>(&entry.value);
        info.unwrap()
    });
    let viewer = infos.find(|info| info.role == Role::Viewer).unwrap();
    assert_eq!(viewer.namespace, "default");
    let server = Server::over(store, Arc::new(MemoryBlobs::default())).await;
    let found = server.admin_call("GET", HELLO, None).await.expect(200);
    assert_eq!(found.body["status"]["latest_revision"], "hello-00002");
    assert_eq!(found.body["status"]["latest_ready_revision"], "hello-00001");
    let revisions = format!("{HELLO}/revisions");
    let revisions = server.admin_call("GET", &revisions, None).await.expect(200);
    assert_eq!(revisions.body["items"].as_array().unwrap().len(), 2);
    for uri in [SECRET, TRIGGER] {
        server.admin_call("GET", uri, None).await.expect(200);
    }
    let mut sidecar = Sidecar::open(
        &serve_config(&server).await,
        hello("aaaa0001", "127.0.0.1:1"),
    )
    .await;
    let expected = [
        ("functions/default/hello", true),
        ("secrets/default/s", true),
        ("triggers/default/nightly", true),
    ];
    assert_eq!(names(&sidecar.next().await), expected);
}

/// Every field of a document, by the way to it.
fn fields(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| {
            let at = format!("{at}/{name}");
            fields(value, &at, found);
            found.insert(at);
        }),
        Value::Array(items) => items.iter().for_each(|item| fields(item, at, found)),
        _ => {}
    }
}

/// The version before refuses a field that it does not know, and a server may go back to it.
#[tokio::test]
async fn function_that_uses_nothing_new_is_written_with_the_fields_of_the_version_before() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let server = Server::over(store.clone(), Arc::new(MemoryBlobs::default())).await;
    let admin = server.admin().await;
    let made = empty_spec("true");
    let put = server.call("PUT", HELLO, Some(&admin), Some(made)).await;
    assert!(put.status.is_success(), "{:#}", put.body);
    let written = list(&*store, "functions/").await.unwrap().entries;
    let written: Value = serde_json::from_slice(&written[0].value).unwrap();
    let before = std::fs::read(fixture("function-1b60580.json")).unwrap();
    let before: Value = serde_json::from_slice(&before).unwrap();
    let (mut ours, mut known) = (BTreeSet::new(), BTreeSet::new());
    fields(&written, "", &mut ours);
    fields(&before, "", &mut known);
    let unknown: Vec<_> = ours.difference(&known).collect();
    assert!(unknown.is_empty() && ours.len() > 50, "{unknown:?}");
}

#[tokio::test]
async fn the_folder_of_a_released_version_is_opened_with_its_history() {
    fixtures().await;
    let folder = tempfile::tempdir().unwrap();
    let packed = File::open(fixture("catalogue-2.tar.gz")).unwrap();
    let mut unpacked = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut unpacked).unwrap();
    let mut archive = tar::Archive::new(&*unpacked);
    archive.unpack(folder.path()).unwrap();
    let store = SledStore::open(folder.path(), Options::default()).await;
    let store = store.unwrap();
    assert_eq!(store.restored(), None);
    let (found, expected) = (list(&store, "").await, list(&*imported().await, "").await);
    assert_eq!(found.unwrap(), expected.unwrap());
    // The change log reaches back to the first change.
    drop(store.watch("", 0).await.unwrap());
    store.close().await.unwrap();
}
