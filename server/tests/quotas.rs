//! Quotas of namespaces: what they refuse, by name, and what they let through.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use common::{Answer, Server, empty_spec};
use gateless_server::auth::Role;
use serde_json::{Value, json};

const QUOTA: &str = "/v1/namespaces/a/quota";

async fn set(server: &Server, quota: Value) -> Answer {
    server.admin_call("PUT", QUOTA, Some(quota)).await
}

async fn apply(server: &Server, namespace: &str, name: &str, more: Value) -> Answer {
    let uri = format!("/v1/namespaces/{namespace}/functions/{name}");
    let mut spec = empty_spec("x");
    for (section, value) in more.as_object().unwrap() {
        spec["spec"][section] = value.clone();
    }
    if more.get("process").is_some() {
        spec["spec"]["process"]["command"] = json!(["x"]);
    }
    server.admin_call("PUT", &uri, Some(spec)).await
}

/// Refused by this bound.
#[track_caller]
fn exceeds(answer: Answer, of: &str) {
    let answer = answer.problem(403, "quota_exceeded");
    assert_eq!(answer.pointers(), [format!("quota/{of}")]);
    assert!(
        answer.body["detail"].as_str().unwrap().contains(of),
        "{:#}",
        answer.body
    );
}

#[tokio::test]
async fn each_bound_of_a_namespace_is_held_and_named() {
    let server = Server::start().await;
    set(&server, json!({"functions": 1, "secrets": 1, "tokens": 1}))
        .await
        .expect(200);
    apply(&server, "a", "one", json!({})).await.expect(201);
    exceeds(apply(&server, "a", "two", json!({})).await, "functions");
    // Changing what is there is no more than before, and others have their own.
    apply(&server, "a", "one", json!({"scaling": {"max_scale": 3}}))
        .await
        .expect(200);
    apply(&server, "b", "two", json!({})).await.expect(201);
    let secret = |name: &str| format!("/v1/namespaces/a/secrets/{name}");
    let data = || Some(json!({"data": {"k": "v"}}));
    server
        .admin_call("PUT", &secret("one"), data())
        .await
        .expect(201);
    exceeds(
        server.admin_call("PUT", &secret("two"), data()).await,
        "secrets",
    );
    server
        .admin_call("PUT", &secret("one"), data())
        .await
        .expect(200);
    let token = |namespace: &str| {
        Some(json!({"namespace": namespace, "role": "viewer", "ttl_seconds": 60}))
    };
    server
        .admin_call("POST", "/v1/tokens", token("a"))
        .await
        .expect(201);
    exceeds(
        server.admin_call("POST", "/v1/tokens", token("a")).await,
        "tokens",
    );
    server
        .admin_call("POST", "/v1/tokens", token("b"))
        .await
        .expect(201);
    // What is gone is free again.
    server
        .admin_call("DELETE", "/v1/namespaces/a/functions/one", None)
        .await
        .expect(204);
    apply(&server, "a", "two", json!({})).await.expect(201);
    server.admin_call("DELETE", QUOTA, None).await.expect(204);
    apply(&server, "a", "three", json!({})).await.expect(201);
}

#[tokio::test]
async fn cpu_is_bounded_as_functions_declare_it() {
    let server = Server::start().await;
    let of = |scale: u32, cpu: u32| json!({"scaling": {"max_scale": scale}, "process": {"cpu_millicores": cpu}});
    set(&server, json!({"cpu_millicores": 2_000}))
        .await
        .expect(200);
    let undeclared = apply(&server, "a", "one", json!({"scaling": {"max_scale": 1}})).await;
    let undeclared = undeclared.problem(422, "invalid");
    assert_eq!(undeclared.pointers(), ["/spec/process/cpu_millicores"]);
    apply(&server, "a", "one", of(3, 500)).await.expect(201);
    exceeds(
        apply(&server, "a", "two", of(1, 501)).await,
        "cpu_millicores",
    );
    apply(&server, "a", "two", of(1, 500)).await.expect(201);
    let used = server.admin_call("GET", QUOTA, None).await.expect(200).body;
    assert_eq!(used["used"]["cpu_millicores"], 2_000);
    assert_eq!(used["quota"]["cpu_millicores"], 2_000);
    // What is not set is not written: a server of the version before refuses a field it does not know.
    let other = set(&server, json!({"functions": 9})).await.expect(200);
    assert_eq!(other.body["quota"].get("cpu_millicores"), None);
}

#[tokio::test]
async fn instances_and_memory_are_bounded_as_functions_declare_them() {
    let server = Server::start().await;
    let of = |scale: u32, memory: Value| json!({"scaling": {"max_scale": scale}, "process": {"memory_bytes": memory}});
    let scaled = |scale: u32| json!({"scaling": {"max_scale": scale}});
    apply(&server, "a", "old", json!({})).await.expect(201);
    set(&server, json!({"instances": 10})).await.expect(200);
    let undeclared = apply(&server, "a", "one", json!({}))
        .await
        .problem(422, "invalid");
    assert_eq!(undeclared.pointers(), ["/spec/scaling/max_scale"]);
    apply(&server, "a", "one", scaled(6)).await.expect(201);
    exceeds(apply(&server, "a", "two", scaled(5)).await, "instances");
    apply(&server, "a", "two", scaled(4)).await.expect(201);
    exceeds(apply(&server, "a", "one", scaled(7)).await, "instances");
    let mib = 1 << 20;
    set(&server, json!({"memory_bytes": 12 * mib}))
        .await
        .expect(200);
    let undeclared = apply(&server, "a", "one", scaled(6))
        .await
        .problem(422, "invalid");
    assert_eq!(undeclared.pointers(), ["/spec/process/memory_bytes"]);
    apply(&server, "a", "one", of(6, json!(mib)))
        .await
        .expect(200);
    exceeds(
        apply(&server, "a", "two", of(4, json!(2 * mib))).await,
        "memory_bytes",
    );
    apply(&server, "a", "two", of(3, json!(2 * mib)))
        .await
        .expect(200);
    // Lowered: what is there stays, and may become less.
    set(&server, json!({"instances": 2})).await.expect(200);
    exceeds(apply(&server, "a", "one", scaled(7)).await, "instances");
    apply(&server, "a", "one", scaled(5)).await.expect(200);
    let used = server.admin_call("GET", QUOTA, None).await.expect(200).body;
    assert_eq!(used["used"]["functions"], 3);
    // One of before has no bound.
    assert_eq!(used["used"]["instances"], Value::Null);
    server
        .admin_call("DELETE", "/v1/namespaces/a/functions/old", None)
        .await
        .expect(204);
    let used = server.admin_call("GET", QUOTA, None).await.expect(200).body;
    assert_eq!(used["used"]["instances"], 8);
}

#[tokio::test]
async fn older_revisions_count_as_soon_as_they_get_calls_or_a_tag() {
    let server = Server::start().await;
    let scaled = |scale: u32| json!({"scaling": {"initial_scale": 0, "max_scale": scale}});
    let traffic = |targets: Value| {
        let uri = "/v1/namespaces/a/functions/one/traffic";
        let server = &server;
        async move {
            let body = json!({"targets": targets});
            server.admin_call("PUT", uri, Some(body)).await
        }
    };
    let used = || async {
        let answer = server.admin_call("GET", QUOTA, None).await.expect(200);
        answer.body["used"]["instances"].clone()
    };
    apply(&server, "a", "one", json!({})).await.expect(201);
    apply(&server, "a", "one", scaled(8)).await.expect(200);
    set(&server, json!({"instances": 10})).await.expect(200);
    apply(&server, "a", "one", scaled(1)).await.expect(200);
    assert_eq!(used().await, 1);
    apply(&server, "a", "two", scaled(8)).await.expect(201);
    let (first, second) = (json!("one-00001"), json!("one-00002"));
    let to = |revision: &Value, percent: u32, tag: Option<&str>| json!({"revision": revision, "percent": percent, "tag": tag});
    let latest = |percent: u32| json!({"latest": true, "percent": percent});
    exceeds(
        traffic(json!([to(&second, 50, None), latest(50)])).await,
        "instances",
    );
    exceeds(
        traffic(json!([latest(100), to(&second, 0, Some("old"))])).await,
        "instances",
    );
    let back = "/v1/namespaces/a/functions/one/rollback";
    let back_to = |revision: &Value| Some(json!({"revision": revision}));
    exceeds(
        server.admin_call("POST", back, back_to(&second)).await,
        "instances",
    );
    // One without a bound cannot be counted.
    let unbounded = server.admin_call("POST", back, back_to(&first)).await;
    let unbounded = unbounded.problem(422, "invalid");
    assert_eq!(unbounded.pointers(), ["/targets"]);
    assert_eq!(used().await, 9);
    // Where there is room it counts with the newest, and pinned there instead of it.
    set(&server, json!({"instances": 17})).await.expect(200);
    traffic(json!([to(&second, 50, None), latest(50)]))
        .await
        .expect(200);
    assert_eq!(used().await, 17);
    exceeds(apply(&server, "a", "two", scaled(9)).await, "instances");
    server
        .admin_call("POST", back, back_to(&second))
        .await
        .expect(200);
    assert_eq!(used().await, 16);
    // What replaces it does not need the room of both.
    let not_ready = json!({"scaling": {"initial_scale": 1, "max_scale": 9}});
    apply(&server, "a", "one", not_ready).await.expect(200);
    assert_eq!(used().await, 17);
}

#[tokio::test]
async fn nothing_slips_between_two_who_make_something_at_once() {
    let server = Server::start().await;
    set(&server, json!({"functions": 3})).await.expect(200);
    let all = (0..12).map(|n| {
        let server = &server;
        async move {
            apply(server, "a", &format!("f{n}"), json!({}))
                .await
                .status
                .as_u16()
        }
    });
    let statuses = futures_util::future::join_all(all).await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        3,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 403).count(),
        9,
        "{statuses:?}"
    );
}

#[tokio::test]
async fn nobody_bounds_themselves_and_all_see_their_bounds() {
    let server = Server::start().await;
    let own = server.token("a", Role::Admin).await;
    let viewer = server.token("a", Role::Viewer).await;
    let change = |body: Value| server.call("PUT", QUOTA, Some(&own), Some(body));
    change(json!({})).await.problem(403, "wrong_namespace");
    server
        .call("DELETE", QUOTA, Some(&own), None)
        .await
        .problem(403, "wrong_namespace");
    set(&server, json!({"functions": 1})).await.expect(200);
    let seen = server
        .call("GET", QUOTA, Some(&viewer), None)
        .await
        .expect(200);
    assert_eq!(
        (
            &seen.body["quota"]["functions"],
            &seen.body["used"]["tokens"]
        ),
        (&json!(1), &json!(2))
    );
    for (wrong, pointer) in [
        (json!({"functions": -1}), "/functions"),
        (json!({"functions": 1.5}), "/functions"),
        (json!({"instances": 1_u64 << 60}), "/instances"),
        (json!({"queues": 1}), "/queues"),
    ] {
        let answer = set(&server, wrong).await.problem(422, "invalid");
        assert_eq!(answer.pointers(), [pointer]);
    }
    // Changed on what it was.
    let etag = seen.etag();
    let with = async |etag: &str| {
        let admin = server.admin().await;
        server
            .with(
                "PUT",
                QUOTA,
                Some(&admin),
                &[("if-match", etag)],
                Some(json!({"functions": 2})),
            )
            .await
    };
    with(&etag).await.expect(200);
    with(&etag).await.problem(412, "precondition_failed");
}
