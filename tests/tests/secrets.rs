//! New values of secrets, and the instances that have the old ones.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::collections::BTreeSet;

use gateless_tests::wait::when;
use gateless_tests::{Cluster, Load, Spec, eventually};
use http::Method;
use serde_json::json;

async fn put(cluster: &Cluster, value: &str) {
    let body = json!({"data": {"key": value, "other": "same"}});
    let path = "/namespaces/default/secrets/store";
    cluster.api.send(Method::PUT, path, Some(&body)).await;
}

fn spec() -> Spec {
    let secret = json!([{"env": "TOKEN", "secret": "store", "key": "key"}]);
    Spec::new()
        .with("secrets", secret)
        .scale(3, 3)
        .with("scaling/initial_scale", 3)
}

/// What each of many calls sees.
async fn values(cluster: &Cluster) -> BTreeSet<String> {
    let caller = cluster.sidecars[0].public();
    let mut seen = BTreeSet::new();
    for _ in 0..30 {
        let answer = caller.get("/function/uses/env").await.expect(200);
        seen.insert(answer.json()["TOKEN"].as_str().unwrap().to_owned());
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_reaches_every_instance_and_no_call_notices() {
    let cluster = Cluster::of(2).await;
    put(&cluster, "one").await;
    cluster.deploy("uses", spec()).await;
    let before = cluster.instances();
    assert_eq!(values(&cluster).await, BTreeSet::from(["one".to_owned()]));
    let callers: Vec<_> = cluster.sidecars.iter().map(|s| s.public()).collect();
    let load = Load::start(&Method::POST, &callers, "/function/uses/sleep?ms=30", 2);
    load.more(20).await;
    put(&cluster, "two").await;
    // The same again is no new revision, and ready says: with what is there now.
    let function = cluster.deploy("uses", spec()).await;
    assert_eq!(function["status"]["latest_revision"], "uses-00001");
    assert_eq!(values(&cluster).await, BTreeSet::from(["two".to_owned()]));
    eventually("the old ones are gone", async || {
        let running = cluster.instances();
        let old = running.iter().any(|one| before.contains(one));
        when(!old && running.len() == 3, running)
    })
    .await;
    load.more(20).await;
    for outcome in load.stop().await {
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_instance_is_replaced_when_its_values_are_older() {
    let mut cluster = Cluster::small().await;
    put(&cluster, "one").await;
    let single = spec().scale(1, 3).with("scaling/initial_scale", 1);
    cluster.deploy("uses", single).await;
    assert_eq!(values(&cluster).await, BTreeSet::from(["one".to_owned()]));
    let running = cluster.instances();
    cluster.saved("uses-00001").await;
    cluster.sidecars[0].kill();
    cluster.sidecars[0].start();
    cluster.settled().await;
    assert_eq!(values(&cluster).await, BTreeSet::from(["one".to_owned()]));
    assert_eq!(cluster.instances(), running, "its values are those of now");
    // What runs is known before it is decided how many are to.
    assert_eq!(cluster.started(), 1);
    cluster.sidecars[0].kill();
    put(&cluster, "two").await;
    cluster.sidecars[0].start();
    cluster.settled().await;
    eventually("it has the new value", async || {
        let seen = values(&cluster).await;
        when(seen == BTreeSet::from(["two".to_owned()]), seen)
    })
    .await;
}
