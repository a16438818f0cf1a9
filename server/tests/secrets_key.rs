//! Secrets at rest: the folder of a server, searched byte for byte, through everything that is done with its keys.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::Server;
use common::fake::{Sidecar, hello, serve_config};
use flate2::read::GzDecoder;
use gateless_proto::v1::{WatchHello, WatchResponse, resource};
use gateless_server::secrets_key::{self, Source};
use gateless_server::store::sled::Options;
use gateless_server::store::{SledStore, Store, Write};
use serde_json::{Value, json};

const SECRET: &str = "secrets/shop/db";
const VALUE: &str = "correct horse battery staple";
/// Of the keys that sign tokens and seal gossip, as their records have them in the clear.
const OTHERS: [&str; 2] = ["\"seed\":", "\"gossip\":"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// The files that have a text in them, as it is or as exports and sled's blobs write it.
fn having(folder: &Path, text: &str) -> Vec<PathBuf> {
    let holds = |bytes: &[u8]| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    let mut found = files(folder);
    found.retain(|path| {
        let bytes = fs::read(path).unwrap();
        let exported = String::from_utf8_lossy(&bytes).into_owned();
        let lines = exported.lines().filter_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let value = line["value"].as_str()?.to_owned();
            Some(base64(&value))
        });
        holds(&bytes) || lines.into_iter().any(|value| holds(&value))
    });
    found
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD.decode(text);
    decoded.unwrap_or_default()
}

#[track_caller]
fn is_nowhere(folder: &Path) {
    for text in [VALUE].into_iter().chain(OTHERS) {
        assert_eq!(having(folder, text), Vec::<PathBuf>::new(), "{text}");
    }
    assert!(!files(folder).is_empty());
}

/// What a server keeps of a secret, its keys and its trust, in the clear.
async fn write(store: &dyn Store) {
    let record = json!({
        "created_at": "2026-11-30T12:00:00Z", "updated_at": "2026-11-30T12:00:00Z", "data": {"password": VALUE}
    });
    let signing = json!({"current": {"id": "00", "seed": "11"}, "previous": null});
    let trust = json!({"version": 1, "revoked": [], "gossip": []});
    for (key, record) in [
        (SECRET, record),
        ("auth/keys", signing),
        ("identity/trust", trust),
    ] {
        let write = Write::put(key, record.to_string()).unwrap();
        store.write(write).await.unwrap();
    }
    let other = Write::put("functions/shop/web", "{}").unwrap();
    store.write(other).await.unwrap();
}

/// Opened, written to or read, and closed.
async fn reads(data: &Path, source: &Source) -> bool {
    let opened = secrets_key::open(data, source).await.unwrap();
    let entry = opened.store.get(SECRET).await.unwrap().unwrap();
    let read = String::from_utf8_lossy(&entry.value).contains(VALUE);
    let sealed = opened.keys.state().await.unwrap().seals_at.is_none();
    opened.engine.close().await.unwrap();
    assert!(read);
    sealed
}

/// The folder of a catalogue that the version before made.
async fn plain(data: &Path) {
    let store = SledStore::open(data.join("catalogue"), Options::default());
    let store = store.await.unwrap();
    write(&store).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_new_catalogue_is_sealed_from_its_first_write() {
    let data = tempfile::tempdir().unwrap();
    let source = Source::own_in(data.path());
    let opened = secrets_key::open(data.path(), &source).await.unwrap();
    write(&*opened.store).await;
    opened.store.back_up().await.unwrap();
    is_nowhere(data.path());
    opened.engine.close().await.unwrap();
    is_nowhere(data.path());
    assert!(reads(data.path(), &source).await);
    is_nowhere(data.path());
}

#[tokio::test]
async fn the_key_is_rotated_and_the_one_before_retired_with_all_of_it_readable() {
    let data = tempfile::tempdir().unwrap();
    let source = Source::own_in(data.path());
    let opened = secrets_key::open(data.path(), &source).await.unwrap();
    write(&*opened.store).await;
    let keys = opened.keys;
    let first = keys.state().await.unwrap().keys[0].id.clone();
    let rotated = keys.rotate().await.unwrap();
    assert_eq!(rotated.keys[1].id, first);
    // Nothing has wrapped the data keys anew: a crash here.
    let refused = keys.retire().await.unwrap_err().to_string();
    assert!(refused.contains("wrapped"), "{refused}");
    opened.engine.close().await.unwrap();
    drop(opened.store);
    assert!(reads(data.path(), &source).await);

    let opened = secrets_key::open(data.path(), &source).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(opened.keys.clone().run(stop.clone()));
    let state = loop {
        let state = opened.keys.state().await.unwrap();
        if state.settled() {
            break state;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(state.keys[0].data_keys, 2);
    let retired = opened.keys.retire().await.unwrap();
    assert_eq!(retired.keys.len(), 1);
    assert_ne!(retired.keys[0].id, first);
    stop.cancel();
    running.await.unwrap();
    opened.engine.close().await.unwrap();
    let file = fs::read_to_string(data.path().join("secrets-key")).unwrap();
    assert!(!file.contains(&first));
    assert!(reads(data.path(), &source).await);
    is_nowhere(data.path());
    // Restored from its newest export, which the key before could not open.
    fs::remove_dir_all(data.path().join("catalogue/db")).unwrap();
    assert!(reads(data.path(), &source).await);
    is_nowhere(data.path());
}

#[tokio::test]
async fn without_the_right_key_nothing_starts_and_nothing_is_lost() {
    let data = tempfile::tempdir().unwrap();
    let own = Source::own_in(data.path());
    let opened = secrets_key::open(data.path(), &own).await.unwrap();
    write(&*opened.store).await;
    let id = opened.keys.state().await.unwrap().keys[0].id.clone();
    opened.engine.close().await.unwrap();
    let file = data.path().join("secrets-key");
    let kept = fs::read(&file).unwrap();
    let fails = async |source: &Source, expected: &str| {
        let error = secrets_key::open(data.path(), source).await.err().unwrap();
        let error = error.to_string();
        assert!(error.contains(&id) && error.contains(expected), "{error}");
    };
    fs::remove_file(&file).unwrap();
    fails(&own, "is not there: put it back").await;
    fs::write(&file, "ab".repeat(32)).unwrap();
    fails(&own, "add the line with that key").await;
    let elsewhere = Source::Command(format!("echo {}", "cd".repeat(32)));
    fails(&elsewhere, "command").await;
    let wrong = secrets_key::unseal(data.path(), &elsewhere).await;
    assert!(wrong.is_err());
    fs::write(&file, kept).unwrap();
    assert!(reads(data.path(), &own).await);
}

#[tokio::test]
async fn a_catalogue_of_the_version_before_can_be_gone_back_to_for_a_week_and_is_sealed_then() {
    let data = tempfile::tempdir().unwrap();
    let source = Source::own_in(data.path());
    plain(data.path()).await;
    assert!(!having(data.path(), VALUE).is_empty());
    assert!(!reads(data.path(), &source).await);
    // The version before finds what it wrote.
    let store = SledStore::open(data.path().join("catalogue"), Options::default());
    let store = store.await.unwrap();
    let entry = store.get(SECRET).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&entry.value).contains(VALUE));
    let (identity, revision) = (store.identity(), store.revision().await.unwrap());
    store.close().await.unwrap();
    // A week later.
    fs::write(
        data.path().join("sealing.json"),
        json!({"plain_since": 1_000}).to_string(),
    )
    .unwrap();
    assert!(reads(data.path(), &source).await);
    is_nowhere(data.path());
    // It is the same catalogue: sidecars need nothing anew.
    let opened = secrets_key::open(data.path(), &source).await.unwrap();
    assert_eq!(opened.store.identity(), identity);
    assert_eq!(opened.store.revision().await.unwrap(), revision);
    assert_eq!(
        opened.store.get(SECRET).await.unwrap().unwrap().revision,
        entry.revision
    );
    drop(opened.store.watch("", revision).await.unwrap());
    opened.engine.close().await.unwrap();
}

#[tokio::test]
async fn it_is_sealed_and_made_plain_when_an_operator_says_so() {
    let data = tempfile::tempdir().unwrap();
    let source = Source::own_in(data.path());
    plain(data.path()).await;
    secrets_key::seal(data.path(), &source).await.unwrap();
    is_nowhere(data.path());
    assert!(reads(data.path(), &source).await);
    secrets_key::unseal(data.path(), &source).await.unwrap();
    assert!(!having(data.path(), VALUE).is_empty());
    assert!(!reads(data.path(), &source).await);
    // A rewrite that broke off after the old store was moved aside, and before the new one was in its place.
    let catalogue = data.path().join("catalogue");
    fs::rename(catalogue.join("db"), catalogue.join("db.replaced")).unwrap();
    assert!(!reads(data.path(), &source).await);
    secrets_key::seal(data.path(), &source).await.unwrap();
    is_nowhere(data.path());
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

#[tokio::test]
async fn what_a_released_version_left_is_read_and_sealed() {
    let data = tempfile::tempdir().unwrap();
    let source = Source::own_in(data.path());
    let catalogue = data.path().join("catalogue");
    // Its folder.
    let packed = GzDecoder::new(fs::File::open(fixture("catalogue-2.tar.gz")).unwrap());
    tar::Archive::new(packed).unpack(&catalogue).unwrap();
    let value = async || {
        let opened = secrets_key::open(data.path(), &source).await.unwrap();
        let entry = opened.store.get("secrets/default/s").await.unwrap();
        let sealed = opened.keys.state().await.unwrap().seals_at.is_none();
        opened.engine.close().await.unwrap();
        let record: Value = serde_json::from_slice(&entry.unwrap().value).unwrap();
        (record["data"]["k"].clone(), sealed)
    };
    assert_eq!(value().await, (json!("v"), false));
    secrets_key::seal(data.path(), &source).await.unwrap();
    assert_eq!(value().await, (json!("v"), true));
    // Its export, restored where everything is sealed.
    fs::remove_dir_all(&catalogue).unwrap();
    fs::create_dir_all(catalogue.join("exports")).unwrap();
    let export = catalogue.join("exports/catalogue-0000000001.jsonl");
    fs::copy(fixture("catalogue-2.jsonl"), export).unwrap();
    assert!(!having(data.path(), OTHERS[0]).is_empty());
    assert_eq!(value().await, (json!("v"), true));
    assert!(having(data.path(), OTHERS[0]).is_empty());
}

#[tokio::test]
async fn an_admin_sees_the_keys_and_rotates_them() {
    const STATE: &str = "/v1/secrets-key";
    let server = Server::start().await;
    let put = json!({"data": {"password": VALUE}});
    let uri = "/v1/namespaces/shop/secrets/db";
    let made = server.admin_call("PUT", uri, Some(put)).await;
    assert!(made.status.is_success(), "{:#}", made.body);
    let raw = server.raw.get(SECRET).await.unwrap().unwrap();
    assert!(!String::from_utf8_lossy(&raw.value).contains(VALUE));
    let before = server.admin_call("GET", STATE, None).await.expect(200).body;
    assert_eq!(before["sealed"], true);
    assert_eq!(before["rotating"], false);
    let refused = server
        .admin_call("POST", &format!("{STATE}/retire"), None)
        .await;
    refused.expect(200);
    let rotate = format!("{STATE}/rotate");
    let rotated = server
        .admin_call("POST", &rotate, None)
        .await
        .expect(200)
        .body;
    assert_eq!(rotated["keys"][1]["id"], before["keys"][0]["id"]);
    let settled = loop {
        let state = server.admin_call("GET", STATE, None).await.expect(200).body;
        if state["rotating"] == false {
            break state;
        }
        tokio::task::yield_now().await;
    };
    assert!(settled["keys"][0]["data_keys"].as_u64().unwrap() >= 2);
    let after = server.raw.get(SECRET).await.unwrap().unwrap();
    assert_eq!(after.revision, raw.revision);
    let retire = format!("{STATE}/retire");
    let retired = server
        .admin_call("POST", &retire, None)
        .await
        .expect(200)
        .body;
    assert_eq!(retired["keys"].as_array().unwrap().len(), 1);
}

/// `UPDATE_FIXTURES=1` makes it of this version, once: what is committed stays, and every later version reads it.
#[tokio::test]
async fn what_a_released_version_sealed_is_opened_with_its_key() {
    let data = tempfile::tempdir().unwrap();
    let source = Source::own_in(data.path());
    let exports = data.path().join("catalogue/exports");
    let (key, export) = (fixture("sealed-1.key"), fixture("sealed-1.jsonl"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() && !export.exists() {
        let opened = secrets_key::open(data.path(), &source).await.unwrap();
        write(&*opened.store).await;
        opened.engine.close().await.unwrap();
        fs::copy(exports.join("catalogue-0000000001.jsonl"), &export).unwrap();
        fs::copy(data.path().join("secrets-key"), &key).unwrap();
        fs::remove_dir_all(data.path().join("catalogue")).unwrap();
    }
    fs::create_dir_all(&exports).unwrap();
    fs::copy(export, exports.join("catalogue-0000000001.jsonl")).unwrap();
    fs::copy(key, data.path().join("secrets-key")).unwrap();
    assert!(reads(data.path(), &source).await);
    is_nowhere(data.path());
}

#[tokio::test]
async fn a_secret_leaves_sealed_to_the_sidecar_that_told_a_key() {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    let secret = "/v1/namespaces/default/secrets/s";
    let put = json!({"data": {"k": "hunter2"}});
    server
        .admin_call("PUT", secret, Some(put))
        .await
        .expect(201);
    let name = "secrets/default/s";
    let key = gateless_identity::OpeningKey::generate();
    let told = WatchHello {
        sealing_key: key.recipient().to_bytes(),
        ..hello("aaaa0001", "127.0.0.1:1")
    };
    let mut sidecar = Sidecar::open(&address, told).await;
    let check = |message: WatchResponse| {
        let sealed = message.changes[0].resource.clone().unwrap();
        assert!(sealed.kind.is_none() && sealed.records.is_empty());
        let opened = key.open(name, &sealed).unwrap().unwrap();
        let Some(resource::Kind::Secret(secret)) = opened.kind else {
            unreachable!("{:?}", opened.kind)
        };
        String::from_utf8(secret.data["k"].clone()).unwrap()
    };
    assert_eq!(check(sidecar.next().await), "hunter2");
    let put = json!({"data": {"k": "swordfish"}});
    server
        .admin_call("PUT", secret, Some(put))
        .await
        .expect(200);
    assert_eq!(check(sidecar.next().await), "swordfish");
    // The version before tells none.
    let before = hello("aaaa0002", "127.0.0.1:2");
    let mut before = Sidecar::open(&address, before).await;
    let plain = before.next().await.changes[0].resource.clone().unwrap();
    assert!(matches!(plain.kind, Some(resource::Kind::Secret(_))) && plain.sealed.is_none());
}
