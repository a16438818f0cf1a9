//! Secrets at rest in a cluster: what every process keeps, searched byte for byte.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::fs;
use std::path::{Path, PathBuf};

use gateless_tests::wait::when;
use gateless_tests::{Cluster, Spec, eventually};
use http::Method;
use serde_json::json;

const VALUE: &str = "correct-horse-battery-staple";

async fn put(cluster: &Cluster, value: &str) {
    let body = json!({"data": {"key": value}});
    let path = "/namespaces/default/secrets/store";
    cluster.api.send(Method::PUT, path, Some(&body)).await;
}

fn spec() -> Spec {
    let secret = json!([{"env": "TOKEN", "secret": "store", "key": "key"}]);
    Spec::new().with("secrets", secret).scale(1, 1)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// The files of a cluster that have the value in them, as it is or in base64 at any place of three.
fn having(cluster: &Cluster) -> Vec<PathBuf> {
    use base64::Engine as _;
    let encode = |skip: usize| {
        let text = base64::engine::general_purpose::STANDARD.encode(&VALUE[skip..]);
        // Its last characters depend on what follows.
        text[..text.len() - 4].to_owned()
    };
    let forms: Vec<String> = [VALUE.to_owned()]
        .into_iter()
        .chain((0..3).map(encode))
        .collect();
    let mut found = Vec::new();
    files(cluster.folder(), &mut found);
    assert!(found.len() > 10, "{found:?}");
    found.retain(|path| {
        // One that was replaced meanwhile has nothing.
        let bytes = fs::read(path).unwrap_or_default();
        let holds = |form: &String| {
            bytes
                .windows(form.len())
                .any(|part| part == form.as_bytes())
        };
        forms.iter().any(holds)
    });
    found
}

async fn sees(cluster: &Cluster, expected: &str) {
    let caller = cluster.sidecars[0].public();
    eventually("the function has the value", async || {
        let answer = caller.get("/function/uses/env").await.expect(200);
        let seen = answer.json()["TOKEN"].clone();
        when(seen == expected, seen)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_keeps_a_secret_in_the_clear_whatever_is_done_with_its_keys() {
    let mut cluster = Cluster::of(2).await;
    put(&cluster, VALUE).await;
    cluster.deploy("uses", spec()).await;
    sees(&cluster, VALUE).await;
    cluster.saved("uses-00001").await;
    assert_eq!(having(&cluster), Vec::<PathBuf>::new());
    // Another key, in the middle of whose use the server is killed.
    let first = cluster.api.send(Method::GET, "/secrets-key", None).await;
    cluster
        .api
        .send(Method::POST, "/secrets-key/rotate", None)
        .await;
    cluster.kill_server();
    assert_eq!(having(&cluster), Vec::<PathBuf>::new());
    cluster.start_server();
    eventually("all is under the new key", async || {
        let state = cluster.api.send(Method::GET, "/secrets-key", None).await;
        when(
            state["rotating"] == false && state["keys"][0]["data_keys"] != 0,
            state,
        )
    })
    .await;
    let retired = cluster
        .api
        .send(Method::POST, "/secrets-key/retire", None)
        .await;
    assert_ne!(retired["keys"][0]["id"], first["keys"][0]["id"]);
    assert_eq!(retired["keys"].as_array().unwrap().len(), 1);
    // A sidecar that starts from what it kept, with no server to ask.
    cluster.kill_server();
    cluster.sidecars[0].kill();
    cluster.sidecars[1].kill();
    cluster.sidecars[0].start();
    sees(&cluster, VALUE).await;
    assert_eq!(having(&cluster), Vec::<PathBuf>::new());
    // One that lost all but its identity gets it from its peer, sealed to its own key.
    let lost = cluster.sidecars[1].data();
    fs::remove_file(lost.join("catalogue")).unwrap();
    cluster.sidecars[1].start();
    cluster.saved("uses-00001").await;
    assert_eq!(having(&cluster), Vec::<PathBuf>::new());
    // The server's database is lost: it is restored from its newest export, under the new key alone.
    fs::remove_dir_all(cluster.file("server").join("catalogue/db")).unwrap();
    cluster.start_server();
    cluster.settled().await;
    put(&cluster, "another").await;
    sees(&cluster, "another").await;
    assert_eq!(having(&cluster), Vec::<PathBuf>::new());
}
