//! Whose catalogue counts: a server that lost its own, or was set back, takes nothing away, and a host that has none gets one
//! from its peers.
//!
//! Deliberately black boxes: real processes, and a disk of an earlier day put in the server's place.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use gateless_tests::call::send;
use gateless_tests::process::test_function_bin;
use gateless_tests::wait::when;
use gateless_tests::{Cluster, Spec, eventually};
use http::Method;
use serde_json::{Value, json};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// The catalogue's files as they are now, with the server stopped for it.
fn back_up(cluster: &mut Cluster) {
    cluster.kill_server();
    copy(&cluster.file("server/catalogue"), &cluster.file("backup"));
    cluster.start_server();
}

/// The server goes on with the catalogue of then.
fn set_back(cluster: &mut Cluster) {
    cluster.kill_server();
    let folder = cluster.file("server/catalogue");
    fs::remove_dir_all(&folder).unwrap();
    copy(&cluster.file("backup"), &folder);
    cluster.start_server();
}

/// How the sidecars' condition is, once all are connected and say the same.
async fn until_taken(cluster: &Cluster, status: &str) {
    eventually("the sidecars say whether they take it", async || {
        let list = cluster.api.get("/sidecars").await;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let says = |sidecar: &Value| {
            let conditions = sidecar["conditions"].as_array().unwrap().iter();
            let mut conditions = conditions.filter(|c| c["type"] == "CatalogueTaken");
            sidecar["connected"] == true && conditions.any(|c| c["status"] == status)
        };
        when(
            items.len() == cluster.sidecars.len() && items.iter().all(says),
            list,
        )
    })
    .await;
}

async fn answers_everywhere(cluster: &Cluster, name: &str) {
    for sidecar in &cluster.sidecars {
        let path = format!("/function/{name}/");
        sidecar.public().get(&path).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_13_no_catalogue_is_replaced_by_its_own_past_without_an_operators_word() {
    let mut cluster = Cluster::of(2).await;
    back_up(&mut cluster);
    cluster.settled().await;
    cluster.deploy("kept", Spec::new()).await;
    let secret = json!({"data": {"k": "v"}});
    cluster
        .api
        .send(Method::PUT, "/namespaces/default/secrets/s", Some(&secret))
        .await;
    cluster.settled().await;
    cluster.saved("kept").await;
    answers_everywhere(&cluster, "kept").await;

    set_back(&mut cluster);
    until_taken(&cluster, "false").await;
    answers_everywhere(&cluster, "kept").await;
    let (status, _) = cluster
        .api
        .try_send(Method::GET, "/namespaces/default/functions/kept", None)
        .await
        .unwrap();
    assert_eq!(status, 404, "the server does not have it");
    // However far the one that was set back comes, and whatever starts anew meanwhile.
    for n in 0..8 {
        let path = format!("/namespaces/default/secrets/other-{n}");
        cluster.api.send(Method::PUT, &path, Some(&secret)).await;
    }
    cluster.sidecars[0].kill();
    cluster.sidecars[0].restart();
    until_taken(&cluster, "false").await;
    answers_everywhere(&cluster, "kept").await;
    let shown = cluster.api.get("/catalogue").await;
    for sidecar in shown["sidecars"].as_array().unwrap() {
        assert_eq!(sidecar["refused"], "older_catalogue", "{shown}");
        assert_eq!(sidecar["lineage"], shown["lineage"], "{shown}");
    }

    let restored = cluster
        .api
        .send(Method::POST, "/catalogue/restore", Some(&json!({})))
        .await;
    assert_eq!(
        (&restored["functions"], &restored["secrets"]),
        (&json!(1), &json!(1)),
        "{restored}"
    );
    until_taken(&cluster, "true").await;
    cluster.api.get("/namespaces/default/functions/kept").await;
    answers_everywhere(&cluster, "kept").await;
    // From here on it is the catalogue that everybody follows.
    cluster.deploy("new", Spec::new()).await;
    cluster.settled().await;
    answers_everywhere(&cluster, "new").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_lets_sidecars_take_an_older_catalogue() {
    let mut cluster = Cluster::of(2).await;
    back_up(&mut cluster);
    cluster.settled().await;
    let one_by_one = Spec::new().with("async/max_in_flight", 1);
    cluster.deploy("gone", one_by_one.clone()).await;
    cluster.settled().await;
    set_back(&mut cluster);
    until_taken(&cluster, "false").await;
    // The second waits for the first, and then for its function.
    let entrance = cluster.sidecars[0].public();
    let mut ids = Vec::new();
    for path in ["sleep?ms=5000", "sleep?ms=1"] {
        let request = entrance.request(Method::POST, &format!("/async-function/gone/{path}"));
        let accepted = send(request).await.unwrap().expect(202);
        ids.push(accepted.header("x-call-id").to_owned());
    }
    let accepted = cluster
        .api
        .send(Method::POST, "/catalogue/accept", None)
        .await;
    assert!(
        !accepted["accepted"].as_array().unwrap().is_empty(),
        "{accepted}"
    );
    until_taken(&cluster, "true").await;
    cluster.deploy("other", Spec::new()).await;
    cluster.settled().await;
    answers_everywhere(&cluster, "other").await;
    for sidecar in &cluster.sidecars {
        let answer = sidecar.public().get("/function/gone/").await;
        answer.problem(404, "function_not_found");
    }
    assert_eq!(entrance.state_of(&ids[1]).await, "queued");
    // It says what for.
    let shown = entrance.get(&format!("/_gateless/calls/{}", ids[1])).await;
    assert_eq!(shown.json()["waits_for"], "function");
    let path = format!("/namespaces/default/invocations/{}", ids[1]);
    let shown = cluster.api.get(&path).await;
    assert_eq!(shown["waits_for"], "function", "{shown}");
    // Nor does a restart forget that nobody deleted it.
    cluster.sidecars[0].kill();
    cluster.sidecars[0].restart();
    cluster.settled().await;
    let entrance = cluster.sidecars[0].public();
    assert_eq!(entrance.state_of(&ids[1]).await, "queued");
    cluster.deploy("gone", one_by_one).await;
    assert_eq!(entrance.ended(&ids[1]).await, "succeeded");
    let audit = cluster.api.get("/audit").await;
    assert!(
        audit.to_string().contains("/v1/catalogue/accept"),
        "{audit}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_a_catalogue_says_so_and_gets_one_from_its_peers() {
    let mut cluster = Cluster::of(2).await;
    cluster.deploy("known", Spec::new()).await;
    cluster.settled().await;
    cluster.saved("known").await;
    cluster.kill_server();
    cluster.sidecars[0].kill();
    cluster.sidecars[1].kill();
    let saved = |index: usize| cluster.sidecars[index].data().join("catalogue");
    fs::remove_file(saved(1)).unwrap();
    cluster.sidecars[1].restart();
    // Nobody there can know.
    let alone = cluster.sidecars[1].public();
    let answer = alone.get("/function/known/").await;
    assert!(!answer.header("retry-after").is_empty());
    answer.problem(503, "catalogue_unknown");
    cluster.sidecars[0].restart();
    eventually("the catalogue comes from the peer", async || {
        let answer = alone.get("/function/known/").await;
        when(answer.status == 200, answer.text())
    })
    .await;
    alone
        .get("/function/unknown/")
        .await
        .problem(404, "function_not_found");
    cluster.start_server();
    cluster.settled().await;
    until_taken(&cluster, "true").await;
}

/// Uploads a program as a bundle; its digest.
async fn upload(cluster: &Cluster, program: &str) -> String {
    let file = cluster.file("bundle");
    fs::write(&file, program).unwrap();
    let summed = Command::new("sha256sum").arg(&file).output().unwrap();
    let summed = String::from_utf8(summed.stdout).unwrap();
    let sha256 = summed.split_whitespace().next().unwrap().to_owned();
    let api = &cluster.api;
    let url = format!("{}/v1/namespaces/default/artifacts/{sha256}", api.base);
    let put = gateless_tests::http::client()
        .build()
        .unwrap()
        .put(url)
        .bearer_auth(&api.token);
    let put = put.body(program.to_owned()).send().await.unwrap();
    assert!(put.status().is_success(), "{put:?}");
    sha256
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_folder_was_emptied_gets_bundles_from_its_peers_while_the_server_is_dead() {
    let mut cluster = Cluster::of(2).await;
    let program = test_function_bin();
    let script = format!("#!/bin/sh\nexec {}\n", program.display());
    let sha256 = upload(&cluster, &script).await;
    // What needs an instance runs on the second.
    let first = cluster.sidecars[0].node();
    let drain = format!("/sidecars/{first}/drain");
    cluster.api.send(Method::POST, &drain, None).await;
    let bundle = json!({"sha256": sha256, "format": "executable"});
    let spec = Spec::new()
        .with("process/command", json!(["./executable"]))
        .with("process/bundle", bundle);
    cluster.deploy("packed", spec).await;
    cluster.saved("packed").await;
    for sidecar in &cluster.sidecars {
        eventually("both have the bundle", async || {
            let file = sidecar.data().join("artifacts").join(&sha256);
            when(file.is_file(), file)
        })
        .await;
    }

    cluster.kill_server();
    let emptied = &mut cluster.sidecars[1];
    emptied.kill();
    // Who it is nobody but the server could give it again.
    for entry in fs::read_dir(emptied.data()).unwrap().map(Result::unwrap) {
        match entry.file_name().to_str().unwrap() {
            "identity" | "node-id" => {}
            _ if entry.file_type().unwrap().is_dir() => fs::remove_dir_all(entry.path()).unwrap(),
            _ => fs::remove_file(entry.path()).unwrap(),
        }
    }
    emptied.start();
    cluster.meshed().await;
    let second = cluster.sidecars[1].node();
    for sidecar in &cluster.sidecars {
        eventually("it runs what it got from its peer", async || {
            let answer = sidecar.public().get("/function/packed/").await;
            when(answer.status == 200 && answer.node() == second, answer)
        })
        .await;
    }
    assert!(
        cluster.sidecars[1]
            .data()
            .join("artifacts")
            .join(&sha256)
            .is_file()
    );
}
