//! Two servers on one store: what one does, the other knows as soon as the store tells it.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use common::fake::{Sidecar, hello, names, serve_config};
use common::{Server, empty_spec, spec};
use gateless_server::auth::Role;
use gateless_server::store::blobs::Digest;
use http::Request;
use http_body_util::BodyExt;
use serde_json::json;

const HELLO: &str = "/v1/namespaces/default/functions/hello";

async fn pair() -> (Server, Server) {
    let one = Server::start().await;
    let other = one.beside().await;
    (one, other)
}

/// Asks until the answer is this: the other server is told, not asked.
async fn eventually(server: &Server, uri: &str, token: &str, status: u16) {
    loop {
        let answer = server.call("GET", uri, Some(token), None).await;
        if answer.status.as_u16() == status {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_token_is_good_and_revoked_on_both() {
    let (one, other) = pair().await;
    let token = one.token("default", Role::Viewer).await;
    let uri = "/v1/session";
    eventually(&other, uri, &token, 200).await;
    let who = other.call("GET", uri, Some(&token), None).await;
    let id = who.body["token_id"].as_str().unwrap().to_owned();

    // What it opened on the other server ends, too.
    let request = Request::get("/v1/events")
        .header("authorization", format!("Bearer {token}"))
        .body(axum::body::Body::empty())
        .unwrap();
    let mut events = other.open(request).await.into_body();
    let hello = events.frame().await.unwrap().unwrap().into_data().unwrap();
    // A browser whose stream ends comes back soon, and learns why.
    assert!(
        String::from_utf8_lossy(&hello).contains("\nretry: 500\n"),
        "{hello:?}"
    );
    one.admin_call("DELETE", &format!("/v1/tokens/{id}"), None)
        .await
        .expect(204);
    while let Some(Ok(frame)) = events.frame().await {
        drop(frame);
    }
    let refused = other.call("GET", uri, Some(&token), None).await;
    refused.problem(401, "token_revoked");
}

#[tokio::test]
async fn keys_rotated_on_one_are_rotated_on_both() {
    let (one, other) = pair().await;
    let token = one.admin().await;
    eventually(&other, "/v1/version", &token, 200).await;
    for _ in 0..2 {
        let rotated = one.admin_call("POST", "/v1/keys/rotate", None).await;
        rotated.expect(200);
    }
    eventually(&other, "/v1/version", &token, 401).await;
}

#[tokio::test]
async fn what_is_waited_for_on_one_may_happen_on_the_other() {
    let (one, other) = pair().await;
    one.admin_call("PUT", HELLO, Some(spec("a")))
        .await
        .expect(201);
    let uri = format!("{HELLO}/wait?condition=deleted");
    let waits = other.admin_call("GET", &uri, None);
    let deletes = one.admin_call("DELETE", HELLO, None);
    let (waited, deleted) = tokio::join!(waits, deletes);
    deleted.expect(204);
    assert!(waited.status.is_success(), "{:#}", waited.body);
}

#[tokio::test]
async fn a_sidecar_goes_on_with_the_other_where_it_was() {
    let (one, other) = pair().await;
    let (first, second) = (serve_config(&one).await, serve_config(&other).await);
    let mut sidecar = Sidecar::open(&first, hello("aaaa0001", "127.0.0.1:1")).await;
    let snapshot = sidecar.next().await;
    other
        .admin_call("PUT", HELLO, Some(empty_spec("a")))
        .await
        .expect(201);
    let pushed = sidecar.next().await;
    assert_eq!(names(&pushed), [("functions/default/hello", true)]);
    drop(sidecar);

    one.admin_call("DELETE", HELLO, None).await.expect(204);
    let mut back = hello("aaaa0001", "127.0.0.1:1");
    back.catalogue_id = snapshot.catalogue_id;
    back.catalogue_version = pushed.version;
    let mut sidecar = Sidecar::open(&second, back).await;
    let difference = sidecar.next().await;
    assert!(!difference.snapshot);
    assert_eq!(names(&difference), [("functions/default/hello", false)]);
}

#[tokio::test]
async fn of_two_deployments_at_once_both_become_revisions() {
    let (one, other) = pair().await;
    let (a, b) = tokio::join!(
        one.admin_call("PUT", HELLO, Some(spec("a"))),
        other.admin_call("PUT", HELLO, Some(spec("b"))),
    );
    assert!(a.status.is_success() && b.status.is_success());
    let uri = format!("{HELLO}/revisions");
    let listed = one.admin_call("GET", &uri, None).await.expect(200);
    let mut commands: Vec<_> = listed.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|revision| revision["spec"]["process"]["command"][0].clone())
        .collect();
    commands.sort_by_key(ToString::to_string);
    assert_eq!(commands, [json!("a"), json!("b")]);
}

#[tokio::test]
async fn an_artifact_uploaded_to_one_is_the_others_too() {
    let (one, other) = pair().await;
    let digest = Digest::of(b"bundle");
    let uri = format!("/v1/namespaces/default/artifacts/{digest}");
    let upload = Request::put(&uri)
        .header("authorization", format!("Bearer {}", one.admin().await))
        .body("bundle".into())
        .unwrap();
    one.send(upload).await.expect(201);
    let found = other.admin_call("GET", &uri, None).await.expect(200);
    assert_eq!(&*found.bytes, b"bundle");
}
