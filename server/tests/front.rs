//! What the dashboard lives from: its own files, the console, many calls at once, draining.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use axum::Router;
use axum::body::Body;
use axum::extract::Request as Incoming;
use common::fake::{Admin, Sidecar, hello, serve_config};
use common::{Answer, Server, empty_spec};
use gateless_proto::v1::Call;
use gateless_server::auth::Role;
use http::Request;
use serde_json::{Value, json};

const HELLO: &str = "/v1/namespaces/default/functions/hello";

#[tokio::test]
async fn pages_need_no_token_and_the_api_is_no_page() {
    let server = Server::start().await;
    // A server without its dashboard says on the same paths how to get it.
    let status = if cfg!(feature = "dashboard") {
        200
    } else {
        404
    };
    for path in ["/", "/n/default/functions/hello"] {
        let page = server.call("GET", path, None, None).await.expect(status);
        assert!(
            page.headers["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("frame-ancestors 'none'")
        );
        assert!(
            page.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html")
        );
    }
    server
        .call("GET", "/v1/nothing", None, None)
        .await
        .problem(401, "token_missing");
    for (method, path) in [
        ("GET", "/assets/none.js"),
        ("GET", "/v2/nope"),
        ("GET", "/functions/default/hello"),
        ("GET", "/n/default"),
        ("POST", "/"),
        ("POST", "/n/default/functions"),
    ] {
        server
            .call(method, path, None, None)
            .await
            .problem(404, "route_not_found");
    }
}

fn call(id: &str, state: &str) -> Call {
    Call {
        id: id.into(),
        namespace: "default".into(),
        function: "hello".into(),
        state: state.into(),
        ..Call::default()
    }
}

/// One sidecar with calls; `public` is where it says that it takes calls.
async fn one_sidecar(public: &str) -> (Server, Sidecar) {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    server
        .admin_call("PUT", HELLO, Some(empty_spec("a")))
        .await
        .expect(201);
    let admin = Admin::default();
    *admin.calls.lock() = [
        ("01", "dead"),
        ("02", "queued"),
        ("03", "dead"),
        ("04", "succeeded"),
    ]
    .map(|(id, state)| call(&format!("{id}-aaaa0001"), state))
    .to_vec();
    let peer = admin.serve(&server, "aaaa0001").await;
    let mut hello = hello("aaaa0001", &peer.to_string());
    public.clone_into(&mut hello.public_url);
    let mut sidecar = Sidecar::open(&address, hello).await;
    sidecar.next().await;
    (server, sidecar)
}

#[tokio::test]
async fn many_calls_are_cancelled_and_replayed_and_failures_named() {
    let (server, _sidecar) = one_sidecar("").await;
    let post = async |path: &str, body: Value| {
        server
            .admin_call("POST", &format!("{HELLO}/{path}"), Some(body))
            .await
    };
    let cancelled = post("invocations/cancel", json!({"state": "queued,retrying"}))
        .await
        .expect(200);
    assert_eq!(
        cancelled.body,
        json!({"count": 1, "failed": [], "more": false})
    );
    let ids = json!({"ids": ["02-aaaa0001", "02-aaaa0001", "09-aaaa0001", "01-bbbb0002"]});
    let replayed = post("invocations/replay", ids).await.expect(200);
    assert_eq!(replayed.body["count"], 1);
    let failed: Vec<_> = replayed.body["failed"].as_array().unwrap().iter().collect();
    let named: Vec<_> = failed
        .iter()
        .map(|f| (f["id"].as_str().unwrap(), f["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        named,
        [
            ("01-bbbb0002", "invocation_not_found"),
            ("09-aaaa0001", "invocation_not_found")
        ]
    );
    let dead = post(
        "dead-letters/replay",
        json!({"ids": ["01-aaaa0001", "04-aaaa0001"]}),
    )
    .await
    .expect(200);
    assert_eq!(
        (&dead.body["count"], &dead.body["failed"][0]["code"]),
        (&json!(1), &json!("wrong_state"))
    );
    for wrong in [
        json!({}),
        json!({"ids": [], "state": "dead"}),
        json!({"state": "x"}),
        json!({"ids": vec!["x"; 1001]}),
    ] {
        post("invocations/cancel", wrong)
            .await
            .problem(422, "invalid");
    }
    let none = "/v1/namespaces/default/functions/none/invocations/cancel";
    let none = server
        .admin_call("POST", none, Some(json!({"state": "dead"})))
        .await;
    none.problem(404, "function_not_found");
}

/// A public listener that tells what it was sent.
async fn entrance() -> String {
    let answer = |request: Incoming| async move {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let text = format!(
            "{} {} {} {}",
            parts.method,
            parts.uri,
            parts.headers["x-own"].to_str().unwrap(),
            String::from_utf8_lossy(&body)
        );
        let body = match parts.uri.query() {
            Some("large") => vec![b'x'; (1 << 20) + 1],
            Some("binary") => vec![0xff, 0xfe],
            _ => text.into_bytes(),
        };
        http::Response::builder()
            .status(418)
            .header("server-timing", "route;dur=0.5, hold;dur=2.0, run;dur=7.25")
            .header("x-gateless-cold-start", "true")
            .header("x-twice", "a")
            .header("x-twice", "b")
            .body(Body::from(body))
            .unwrap()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    format!("http://{address}")
}

#[tokio::test]
async fn the_console_calls_through_a_sidecar_and_tells_where_the_time_went() {
    let public = entrance().await;
    let (server, _sidecar) = one_sidecar(&public).await;
    let invoke = async |body: Value| -> Answer {
        server
            .admin_call("POST", &format!("{HELLO}/invoke"), Some(body))
            .await
    };
    let headers = json!({"x-own": "1"});
    let body = json!({"method": "PUT", "path": "/a?b", "headers": headers, "body": "text"});
    let told = invoke(body).await.expect(200).body;
    assert_eq!(told["status"], 418);
    assert_eq!(told["body"], "PUT /function/hello.default/a?b 1 text");
    assert_eq!(told["headers"]["x-twice"], "a, b");
    assert_eq!(told["cold_start"], true);
    assert_eq!(
        told["phases"][2],
        json!({"name": "run", "duration_ms": 7.25})
    );
    assert_eq!(told["sidecar"], "aaaa0001");
    assert_eq!(told["url"], format!("{public}/function/hello.default/a?b"));
    let told = invoke(json!({"async": true, "headers": headers, "body_base64": "aGk="}))
        .await
        .expect(200)
        .body;
    assert_eq!(told["body"], "POST /async-function/hello.default/ 1 hi");
    let told = invoke(json!({"path": "/?large", "headers": headers}))
        .await
        .expect(200)
        .body;
    assert_eq!(
        (
            told["truncated"].clone(),
            told["body"].as_str().unwrap().len()
        ),
        (json!(true), 1 << 20)
    );
    let told = invoke(json!({"path": "/?binary", "headers": headers}))
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&told["body"], &told["body_base64"]),
        (&Value::Null, &json!("//4="))
    );
    invoke(json!({"headers": {"x-gateless-node": "x"}}))
        .await
        .problem(422, "invalid");
}

#[tokio::test]
async fn the_console_says_when_no_sidecar_can_be_reached() {
    let (server, _sidecar) = one_sidecar("http://127.0.0.1:9").await;
    let uri = format!("{HELLO}/invoke");
    let answer = server.admin_call("POST", &uri, Some(json!({}))).await;
    answer.problem(503, "sidecar_unreachable");
    let server = Server::start().await;
    server
        .admin_call("PUT", HELLO, Some(empty_spec("a")))
        .await
        .expect(201);
    server
        .admin_call("POST", &uri, Some(json!({})))
        .await
        .problem(503, "no_sidecar");
}

#[tokio::test]
async fn a_sidecar_is_told_to_drain_and_to_resume() {
    let (server, _sidecar) = one_sidecar("").await;
    let post = async |verb: &str| {
        let uri = format!("/v1/sidecars/aaaa0001/{verb}");
        server.admin_call("POST", &uri, None).await
    };
    let drained = post("drain").await.expect(200).body;
    assert_eq!(
        (&drained["id"], &drained["draining"], &drained["instances"]),
        (&json!("aaaa0001"), &json!(true), &json!(1))
    );
    assert_eq!(post("resume").await.expect(200).body["draining"], false);
    let none = server
        .admin_call("POST", "/v1/sidecars/bbbb0002/drain", None)
        .await;
    none.problem(404, "sidecar_not_found");
    let deployer = server.token("*", Role::Deployer).await;
    let denied = server
        .call("POST", "/v1/sidecars/aaaa0001/drain", Some(&deployer), None)
        .await;
    denied.problem(403, "role_not_enough");
}

#[tokio::test]
async fn listeners_are_bounded() {
    let server = Server::start().await;
    let token = server.admin().await;
    let request = || {
        let request = Request::get("/v1/events").header("authorization", format!("Bearer {token}"));
        request.body(Body::empty()).unwrap()
    };
    // Half of the places; the others are for others.
    let mut open = Vec::new();
    for _ in 0..32 {
        open.push(server.open(request()).await);
    }
    server
        .send(request())
        .await
        .problem(503, "too_many_listeners");
    let other = server.token("other", Role::Invoker).await;
    let others = Request::get("/v1/events").header("authorization", format!("Bearer {other}"));
    let others = others.body(Body::empty()).unwrap();
    let others = server.open(others).await;
    assert_eq!(others.status(), 200);
    drop(others);
    open.truncate(30);
    assert_eq!(server.open(request()).await.status(), 200);
}
