//! What a token opened ends when the token does: by revocation, by expiry, by rotation.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use axum::body::Body;
use common::fake::{Admin, Sidecar, hello, serve_config};
use common::{Server, empty_spec, spec};
use gateless_proto::v1::LogLine;
use gateless_server::auth::{Grant, Role};
use http::Request;
use http_body_util::BodyExt;
use jiff::Timestamp;

const HELLO: &str = "/v1/namespaces/default/functions/hello";

/// A server with a function that has a line in its log, and a token for an hour.
async fn server() -> (Server, Sidecar, String, String) {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    let made = server.admin_call("PUT", HELLO, Some(empty_spec("a"))).await;
    made.expect(201);
    let line = LogLine {
        time_ms: 1,
        line: "hello".into(),
        ..LogLine::default()
    };
    let lines = vec![line];
    let admin = Admin {
        lines,
        ..Admin::default()
    };
    let peer = admin.serve(&server, "aaaa0001").await;
    let mut sidecar = Sidecar::open(&address, hello("aaaa0001", &peer.to_string())).await;
    sidecar.next().await;
    let (token, id) = token(&server, 3600).await;
    (server, sidecar, token, id)
}

async fn token(server: &Server, ttl_seconds: u64) -> (String, String) {
    let grant = Grant {
        namespace: "default".into(),
        role: Role::Viewer,
        ttl_seconds,
        description: String::new(),
    };
    let issued = server.auth.issue(grant, Timestamp::now()).await.unwrap();
    (issued.0, issued.1.id)
}

/// Everything that goes on for as long as nobody ends it, once it has begun.
async fn open_all(server: &Server, token: &str) -> Vec<Body> {
    let logs = format!("{HELLO}/logs?follow=true");
    let faas = "/system/logs?name=hello&namespace=default&follow=true";
    let events = ["/v1/events", "/v1/namespaces/default/events"];
    open(server, token, &[&events[..], &[&logs, faas]].concat()).await
}

async fn open(server: &Server, token: &str, uris: &[&str]) -> Vec<Body> {
    let mut bodies = Vec::new();
    for uri in uris {
        let request = Request::get(*uri)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        let response = server.open(request).await;
        assert_eq!(response.status(), 200, "{uri}");
        let mut body = response.into_body();
        assert!(body.frame().await.unwrap().is_ok(), "{uri}");
        bodies.push(body);
    }
    bodies
}

/// They end, and not as if that had been all.
async fn all_break_off(bodies: Vec<Body>) {
    for mut body in bodies {
        while body.frame().await.unwrap().is_ok() {}
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test]
async fn streams_end_when_their_token_is_revoked() {
    let (server, _sidecar, token, id) = server().await;
    let bodies = open_all(&server, &token).await;
    server.auth.revoke(&id).await.unwrap();
    all_break_off(bodies).await;
}

// No time passes but the one that is waited for.
#[tokio::test(start_paused = true)]
async fn streams_end_when_their_token_expires() {
    let server = Server::start().await;
    let (token, _) = token(&server, 3600).await;
    let uris = ["/v1/events", "/v1/namespaces/default/events"];
    all_break_off(open(&server, &token, &uris).await).await;
}

#[tokio::test]
async fn streams_end_when_their_tokens_key_is_gone() {
    let (server, _sidecar, token, _) = server().await;
    let bodies = open_all(&server, &token).await;
    server.auth.rotate().await.unwrap();
    server.auth.rotate().await.unwrap();
    all_break_off(bodies).await;
}

#[tokio::test]
async fn streams_of_other_tokens_go_on() {
    let (server, _sidecar, token, _) = server().await;
    let (_, other) = self::token(&server, 3600).await;
    let mut bodies = open_all(&server, &token).await;
    server.auth.revoke(&other).await.unwrap();
    let changed = server.admin_call("PUT", HELLO, Some(spec("b"))).await;
    changed.expect(200);
    assert!(bodies[0].frame().await.unwrap().is_ok());
}

#[tokio::test]
async fn a_request_that_waits_is_refused_when_its_token_is_revoked() {
    let (server, _sidecar, token, id) = server().await;
    let uri = format!("{HELLO}/wait?condition=deleted&timeout_ms=60000");
    let waits = server.call("GET", &uri, Some(&token), None);
    let revokes = async {
        tokio::task::yield_now().await;
        server.auth.revoke(&id).await.unwrap();
    };
    let (refused, ()) = tokio::join!(waits, revokes);
    refused.problem(401, "token_revoked");
}

#[tokio::test]
async fn a_token_may_revoke_itself() {
    let server = Server::start().await;
    let grant = Grant {
        namespace: "*".into(),
        role: Role::Admin,
        ttl_seconds: 3600,
        description: String::new(),
    };
    let issued = server.auth.issue(grant, Timestamp::now()).await.unwrap();
    let uri = format!("/v1/tokens/{}", issued.1.id);
    let gone = server.call("DELETE", &uri, Some(&issued.0), None).await;
    gone.expect(204);
    let refused = server.call("GET", "/v1/version", Some(&issued.0), None);
    refused.await.problem(401, "token_revoked");
}
