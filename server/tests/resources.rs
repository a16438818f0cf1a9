//! Secrets, artifacts and tokens over HTTP, and what a spec may name of them.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use common::{Answer, Server};
use gateless_server::auth::Role;
use gateless_server::store::{self, Write};
use http::Request;
use serde_json::{Value, json};

const HELLO: &str = "/v1/namespaces/default/functions/hello";
const SECRET: &str = "/v1/namespaces/default/secrets/s";
/// Of "hello".
const DIGEST: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn artifact(namespace: &str) -> String {
    format!("/v1/namespaces/{namespace}/artifacts/{DIGEST}")
}

async fn upload(server: &Server, namespace: &str, content: &'static str) -> Answer {
    let request = Request::put(artifact(namespace))
        .header("authorization", format!("Bearer {}", server.admin().await))
        .body(content.into())
        .unwrap();
    server.send(request).await
}

#[tokio::test]
async fn what_a_spec_names_must_exist() {
    let server = Server::start().await;
    let body = json!({"spec": {
        "kind": "process",
        "process": {"command": ["./x"], "bundle": {"sha256": DIGEST, "format": "executable"}},
        "secrets": [{"env": "A", "secret": "s", "key": "a"}, {"env": "B", "secret": "s", "key": "b"}],
    }});
    let put = async || server.admin_call("PUT", HELLO, Some(body.clone())).await;
    let expected = [
        "/spec/secrets/0/secret",
        "/spec/secrets/1/secret",
        "/spec/process/bundle/sha256",
    ];
    assert_eq!(put().await.problem(422, "invalid").pointers(), expected);
    let data = json!({"data": {"a": "hunter2"}});
    server
        .admin_call("PUT", SECRET, Some(data))
        .await
        .expect(201);
    let expected = ["/spec/secrets/1/key", "/spec/process/bundle/sha256"];
    assert_eq!(put().await.problem(422, "invalid").pointers(), expected);
    let data = json!({"data": {"a": "hunter2", "b": "x"}});
    server
        .admin_call("PUT", SECRET, Some(data))
        .await
        .expect(200);

    upload(&server, "other", "hello").await.expect(201);
    // The content is there, but this namespace did not show that it has it.
    put().await.problem(422, "invalid");
    upload(&server, "default", "hello").await.expect(201);
    let made = put().await.expect(201);
    assert_eq!(made.body["spec"]["process"]["bundle"]["size"], 5);
}

#[tokio::test]
async fn a_secret_in_use_stays_and_its_values_are_never_shown() {
    let server = Server::start().await;
    let data = json!({"data": {"a": "hunter2"}});
    let put = server
        .admin_call("PUT", SECRET, Some(data))
        .await
        .expect(201);
    assert_eq!(put.body["keys"], json!(["a"]));
    let body = json!({"spec": {
        "kind": "process",
        "process": {"command": ["./x"]},
        "secrets": [{"env": "A", "secret": "s", "key": "a"}],
    }});
    server
        .admin_call("PUT", HELLO, Some(body))
        .await
        .expect(201);
    let used = server
        .admin_call("DELETE", SECRET, None)
        .await
        .problem(409, "secret_in_use");
    assert!(used.body["detail"].as_str().unwrap().contains("hello"));
    for uri in [SECRET, "/v1/namespaces/default/secrets"] {
        let shown = server.admin_call("GET", uri, None).await.expect(200);
        assert!(!String::from_utf8_lossy(&shown.bytes).contains("hunter2"));
    }
    let wrong = json!({"data": {"a b": "x"}});
    let wrong = server
        .admin_call("PUT", SECRET, Some(wrong))
        .await
        .problem(422, "invalid");
    assert_eq!(wrong.pointers(), ["/data/a b"]);
    server.admin_call("DELETE", HELLO, None).await.expect(204);
    server.admin_call("DELETE", SECRET, None).await.expect(204);
}

#[tokio::test]
async fn an_artifact_is_what_its_name_says() {
    let server = Server::start().await;
    let uri = artifact("default");
    server.admin_call("HEAD", &uri, None).await.expect(404);
    upload(&server, "default", "hell")
        .await
        .problem(422, "digest_mismatch");
    server
        .admin_call("GET", &uri, None)
        .await
        .problem(404, "artifact_not_found");
    assert_eq!(
        upload(&server, "default", "hello").await.expect(201).body["size"],
        5
    );
    upload(&server, "default", "hello").await.expect(200);
    assert_eq!(&*server.admin_call("GET", &uri, None).await.bytes, b"hello");
    let head = server.admin_call("HEAD", &uri, None).await.expect(200);
    assert_eq!(head.headers["content-length"], "5");
    let stranger = server.admin_call("GET", &artifact("other"), None).await;
    stranger.problem(404, "artifact_not_found");
}

#[tokio::test]
async fn artifacts_nobody_names_are_removed_after_a_day() {
    let server = Server::start().await;
    let uri = artifact("default");
    upload(&server, "default", "hello").await.expect(201);
    let now = jiff::Timestamp::now();
    server.service.collect_artifacts(now).await.unwrap();
    server.admin_call("HEAD", &uri, None).await.expect(200);
    let later = now + std::time::Duration::from_secs(25 * 3600);
    let collected = server.service.collect_artifacts(later).await.unwrap();
    assert_eq!((collected.artifacts, collected.bytes), (1, 5));
    server.admin_call("HEAD", &uri, None).await.expect(404);
}

#[tokio::test]
async fn an_old_artifact_that_is_named_again_is_not_collected_meanwhile() {
    let server = Server::start().await;
    let uri = artifact("default");
    upload(&server, "default", "hello").await.expect(201);
    let key = uri.rsplit('/').next().unwrap();
    let key = format!("artifacts/default/{key}");
    // As if it had been uploaded 20 hours ago.
    let used_at = jiff::Timestamp::now() - std::time::Duration::from_secs(20 * 3600);
    let claim = json!({"size": 5, "used_at": used_at.to_string()}).to_string();
    let claim = Write::put(&key, claim).unwrap();
    server.store.write(claim).await.unwrap();
    let spec = json!({"spec": {"kind": "process", "process": {
        "command": ["./x"],
        "bundle": {"sha256": key.rsplit('/').next().unwrap(), "format": "executable"},
    }}});
    let function = "/v1/namespaces/default/functions/hello";
    server
        .admin_call("PUT", function, Some(spec))
        .await
        .expect(201);
    server
        .admin_call("DELETE", function, None)
        .await
        .expect(204);
    // Its day began anew when it was about to be named.
    let later = jiff::Timestamp::now() + std::time::Duration::from_secs(5 * 3600);
    let collected = server.service.collect_artifacts(later).await.unwrap();
    assert_eq!(collected.artifacts, 0);
    server.admin_call("HEAD", &uri, None).await.expect(200);
}

#[tokio::test]
async fn a_revision_no_function_names_is_removed_in_the_end() {
    let server = Server::start().await;
    let function = "/v1/namespaces/default/functions/hello";
    for command in ["a", "b"] {
        let spec = json!({"spec": {"kind": "process", "process": {"command": [command]}}});
        let put = server.admin_call("PUT", function, Some(spec)).await;
        assert!(put.status.is_success());
    }
    // What is left when a server dies between a revision's record and the function that names it, and when it dies
    // after it deleted a function.
    let kept = store::list(&*server.store, "revisions/").await.unwrap();
    let kept = kept.entries;
    let [first, _] = &kept[..] else {
        panic!("{kept:?}")
    };
    let mut left: Value = serde_json::from_slice(&first.value).unwrap();
    left["uid"] = json!("left");
    for key in [
        "revisions/default/hello/left",
        "revisions/default/gone/left",
    ] {
        let record = Write::put(key, left.to_string()).unwrap();
        server.store.write(record).await.unwrap();
    }
    let uri = format!("{function}/revisions");
    let listed = server.admin_call("GET", &uri, None).await.expect(200);
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 2);

    let now = jiff::Timestamp::now();
    let young = server.service.collect_revisions(now).await.unwrap();
    assert_eq!(young, 0);
    let later = now + std::time::Duration::from_secs(2 * 3600);
    let removed = server.service.collect_revisions(later).await.unwrap();
    assert_eq!(removed, 2);
    let found = store::list(&*server.store, "revisions/").await.unwrap();
    assert_eq!(found.entries, kept);
}

#[tokio::test]
async fn a_repeated_post_has_one_effect() {
    let server = Server::start().await;
    let token = server.admin().await;
    let grant = |role: &str| json!({"namespace": "default", "role": role, "ttl_seconds": 60});
    let post = async |key: &str, body: Value| {
        let headers = [("idempotency-key", key)];
        server
            .with("POST", "/v1/tokens", Some(&token), &headers, Some(body))
            .await
    };
    let first = post("one", grant("viewer")).await.expect(201);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let again = post("one", grant("viewer")).await.expect(201);
    assert_eq!(again.body, first.body);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    post("one", grant("admin"))
        .await
        .problem(422, "idempotency_key_reused");
    let other = post("two", grant("viewer")).await.expect(201);
    assert_ne!(other.body["id"], first.body["id"]);
    post("", grant("viewer"))
        .await
        .problem(400, "invalid_parameter");
}

#[tokio::test]
async fn tokens_are_limited_to_what_their_issuer_may() {
    let server = Server::start().await;
    let local = server.token("default", Role::Admin).await;
    let grant =
        |namespace: &str| json!({"namespace": namespace, "role": "viewer", "ttl_seconds": 60});
    let post = async |namespace: &str| {
        server
            .call("POST", "/v1/tokens", Some(&local), Some(grant(namespace)))
            .await
    };
    let made = post("default").await.expect(201);
    post("other").await.problem(403, "wrong_namespace");
    post("*").await.problem(403, "wrong_namespace");
    let long = json!({"namespace": "A", "role": "viewer", "ttl_seconds": 0, "description": "\n"});
    let long = server
        .call("POST", "/v1/tokens", Some(&local), Some(long))
        .await
        .problem(422, "invalid");
    assert_eq!(
        long.pointers(),
        ["/namespace", "/ttl_seconds", "/description"]
    );

    let token = made.body["token"].as_str().unwrap();
    let list = "/v1/namespaces/default/functions";
    server
        .call("GET", list, Some(token), None)
        .await
        .expect(200);
    let uri = format!("/v1/tokens/{}", made.body["id"].as_str().unwrap());
    let stranger = server.token("other", Role::Admin).await;
    server
        .call("DELETE", &uri, Some(&stranger), None)
        .await
        .problem(404, "token_not_found");
    server
        .call("DELETE", &uri, Some(&local), None)
        .await
        .expect(204);
    server
        .call("GET", list, Some(token), None)
        .await
        .problem(401, "token_revoked");
    let shown = server
        .call("GET", "/v1/tokens", Some(&local), None)
        .await
        .expect(200);
    assert_eq!(shown.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_secret_is_never_too_large_for_the_environment_it_ends_in() {
    let server = Server::start().await;
    let secret = |n: usize| format!("/v1/namespaces/default/secrets/large-{n}");
    let value = |bytes: usize| Some(json!({"data": {"key": "x".repeat(bytes)}}));
    let refused = server.admin_call("PUT", &secret(0), value(131_072)).await;
    assert_eq!(refused.problem(422, "invalid").pointers(), ["/data/key"]);
    // The longest that fits beside the longest name, its = and its NUL.
    let most = 131_072 - 128 - 2;
    let refused = server.admin_call("PUT", &secret(0), value(most + 1)).await;
    assert_eq!(refused.problem(422, "invalid").pointers(), ["/data/key"]);
    for n in 0..9 {
        let put = server.admin_call("PUT", &secret(n), value(most)).await;
        put.expect(201);
    }
    let function = |secrets: usize| {
        let named =
            |n| json!({"env": format!("SECRET_{n}"), "secret": format!("large-{n}"), "key": "key"});
        let secrets: Vec<Value> = (0..secrets).map(named).collect();
        let process = json!({"command": ["a"]});
        Some(json!({"spec": {"kind": "process", "process": process, "secrets": secrets}}))
    };
    let path = "/v1/namespaces/default/functions/hello";
    let refused = server.admin_call("PUT", path, function(9)).await;
    assert_eq!(
        refused.problem(422, "invalid").pointers(),
        ["/spec/secrets"]
    );
    server
        .admin_call("PUT", path, function(8))
        .await
        .expect(201);
}
