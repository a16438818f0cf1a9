//! What strangers must not get, tried through the doors of real processes. Addresses beyond loopback are tried in `network`, where no
//! fault of the policy could reach them.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use gateless_tests::call::send;
use gateless_tests::wait::when;
use gateless_tests::{Answer, Api, Caller, Cluster, Spec, eventually};
use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// An async call of `hello` that asks for a callback.
async fn asked(at: &Caller, callback: &str) -> Answer {
    let call = at.request(Method::POST, "/async-function/hello/");
    let call = call.header("x-callback-url", callback);
    send(call.body("x")).await.unwrap()
}

/// What the management API says of a call once its callback was tried.
async fn tried(cluster: &Cluster, accepted: Answer) -> Value {
    let id = accepted.expect(202).header("x-call-id").to_owned();
    let path = format!("/namespaces/default/functions/hello/invocations/{id}");
    eventually("the callback is tried", async || {
        let call = cluster.api.get(&path).await;
        let is_over = call["callback_state"] == "delivered" || call["callback_error"].is_string();
        when(is_over, call.clone()).map(|()| call)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn callback_to_a_function_is_made_with_its_callers_rights() {
    let cluster = Cluster::small().await;
    cluster.deploy("hello", Spec::new()).await;
    let inner = Spec::new().with("visibility", "cluster_only");
    cluster.deploy("inner", inner).await;
    let sidecar = &cluster.sidecars[0];
    for path in ["/function/inner/", "/async-function/inner/?all=1"] {
        let call = tried(&cluster, asked(&sidecar.public(), path).await).await;
        assert_eq!(call["callback_state"], "failed", "{path}: {call:#}");
        assert_eq!(call["callback_error"], "it was answered with 403", "{path}");
        let call = tried(&cluster, asked(&sidecar.local(), path).await).await;
        assert_eq!(call["callback_state"], "delivered", "{path}: {call:#}");
    }
    let call = tried(&cluster, asked(&sidecar.public(), "/function/hello/").await).await;
    assert_eq!(call["callback_state"], "delivered", "{call:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn callback_to_a_function_comes_from_where_its_caller_did() {
    let cluster = Cluster::small().await;
    cluster.deploy("hello", Spec::new()).await;
    for (name, network) in [("host", "127.0.0.1"), ("office", "203.0.113.0/28")] {
        let networks = Spec::new().with("access/networks", vec![network]);
        cluster.deploy(name, networks).await;
    }
    let sidecar = &cluster.sidecars[0];
    // As a proxy of this host passes it on.
    let from = async |door: Caller, address: &str, to: &str| {
        let call = door.request(Method::POST, "/async-function/hello/");
        let call = call.header("x-callback-url", format!("/function/{to}/"));
        let call = call.header("x-forwarded-for", address).body("x");
        let call = tried(&cluster, send(call).await.unwrap()).await;
        call["callback_state"].as_str().unwrap().to_owned()
    };
    for (door, address, to, expected) in [
        (sidecar.public(), "198.51.100.1", "host", "failed"),
        (sidecar.public(), "198.51.100.1", "office", "failed"),
        (sidecar.public(), "203.0.113.9", "office", "delivered"),
        (sidecar.local(), "198.51.100.1", "office", "delivered"),
    ] {
        let state = from(door, address, to).await;
        assert_eq!(state, expected, "from {address} to {to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_takes_nothing_from_what_its_holder_is_besides() {
    let cluster = Cluster::small().await;
    let closed = Spec::new().with("access/auth", "key");
    cluster.deploy("hello", closed).await;
    let inner = Spec::new().with("visibility", "cluster_only");
    cluster.deploy("inner", inner).await;
    let keys = format!("{}/keys", Api::path("hello"));
    let ann = json!({"name": "ann"});
    let made = cluster.api.send(Method::POST, &keys, Some(&ann)).await;
    cluster.settled().await;
    let sidecar = &cluster.sidecars[0];
    for (door, expected) in [(sidecar.public(), "failed"), (sidecar.local(), "delivered")] {
        let call = door.request(Method::POST, "/async-function/hello/");
        let call = call.header("x-callback-url", "/function/inner/");
        let call = call.header("x-api-key", made["key"].as_str().unwrap());
        let call = tried(&cluster, send(call.body("x")).await.unwrap()).await;
        assert_eq!(call["callback_state"], expected, "{call:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn call_that_was_queued_for_anyone_is_refused_once_its_function_is_not_for_anyone() {
    let cluster = Cluster::small().await;
    let slow = Spec::new().concurrency(1).scale(1, 1);
    cluster
        .deploy("hello", slow.clone().with("async/max_in_flight", 1))
        .await;
    let sidecar = &cluster.sidecars[0];
    let queue = async |caller: Caller, path: &str| {
        let call = caller.request(Method::POST, path).body("x");
        send(call).await.unwrap().expect(202)
    };
    let first = queue(sidecar.public(), "/async-function/hello/sleep?ms=50000").await;
    let of_anyone = queue(sidecar.public(), "/async-function/hello/").await;
    let of_function = queue(sidecar.local(), "/async-function/hello/").await;
    let closed = slow.with("visibility", "cluster_only");
    cluster.deploy("hello", closed).await;
    // Until now the first call has kept the others waiting.
    let first = first.header("x-call-id");
    let cancel = format!("/namespaces/default/functions/hello/invocations/{first}/cancel");
    cluster.api.send(Method::POST, &cancel, None).await;
    let public = sidecar.public();
    let ended = async |call: &Answer| public.ended(call.header("x-call-id")).await;
    assert_eq!(ended(&of_anyone).await, "dead");
    assert_eq!(ended(&of_function).await, "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_go_to_no_address_that_the_operator_has_not_named() {
    let mut cluster = Cluster::small().await;
    cluster.deploy("hello", Spec::new()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let public = cluster.sidecars[0].public();
    let (local, peer) = (
        cluster.sidecars[0].address("local"),
        cluster.sidecars[0].address("peer"),
    );
    for near in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://{local}/function/inner.a/admin?all=1"),
        format!("http://{peer}/"),
    ] {
        let refused = asked(&public, &near).await;
        refused.problem(400, "bad_callback_url");
    }
    // A spelling that only the resolver understands is judged by what it means.
    let call = tried(
        &cluster,
        asked(&public, &format!("http://127.1:{port}/")).await,
    )
    .await;
    assert!(
        call["callback_error"]
            .as_str()
            .unwrap()
            .contains("loopback"),
        "{call:#}"
    );
    // Whoever made the call may ask about it, and learns nothing of what could be connected to.
    let id = call["id"].as_str().unwrap();
    let shown = public.get(&format!("/_gateless/calls/{id}")).await;
    let shown = shown.expect(200).json();
    assert_eq!(shown["state"], "succeeded");
    assert!(
        shown.get("callback_state").is_none() && shown.get("callback_error").is_none(),
        "{shown:#}"
    );

    let sidecar = &mut cluster.sidecars[0];
    sidecar
        .common
        .extend(["--egress-allow".to_owned(), "127.0.0.0/8".to_owned()]);
    sidecar.restart();
    cluster.settled().await;
    asked(&public, &format!("http://{local}/function/hello"))
        .await
        .problem(400, "bad_callback_url");
    asked(&public, &format!("http://127.0.0.1:{port}/done"))
        .await
        .expect(202);
    // Nobody but this callback has come here.
    let (_stream, _from) = listener.accept().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn session_of_the_dashboard_reaches_no_function_and_none_can_set_one() {
    let cluster = Cluster::of(2).await;
    cluster.deploy("hello", Spec::new()).await;
    let session = "theirs=1; gateless_session=stolen; __Host-gateless_session=stolen";
    let asks = |request: reqwest::RequestBuilder| {
        let request = request.header("cookie", session);
        let request = request.header("x-test-set-cookie", "gateless_session=planted; Path=/");
        let request = request.header("x-test-set-cookie", "=gateless_session=planted");
        request.header("x-test-set-cookie", "own=1; Path=/")
    };
    let check = |answer: Answer| {
        let set = answer.headers.get_all("set-cookie").iter();
        let set: Vec<_> = set.map(|value| value.to_str().unwrap()).collect();
        assert_eq!(set, ["own=1; Path=/"], "{answer:?}");
        let seen = answer.json()["headers"].to_string();
        assert!(
            seen.contains("theirs=1") && !seen.contains("stolen"),
            "{seen}"
        );
    };
    // Every entrance: its own host's instance or another's, HTTP/1.1 and h2c.
    for sidecar in &cluster.sidecars {
        for caller in [sidecar.public(), sidecar.local(), sidecar.public().h2c()] {
            let call = caller.request(Method::GET, "/function/hello/headers");
            check(send(asks(call)).await.unwrap().expect(200));
        }
        let caller = sidecar.public();
        let call = caller.request(Method::POST, "/async-function/hello/headers");
        let accepted = send(asks(call)).await.unwrap().expect(202);
        let id = accepted.header("x-call-id").to_owned();
        assert_eq!(caller.ended(&id).await, "succeeded");
        check(
            caller
                .get(&format!("/_gateless/calls/{id}/result"))
                .await
                .expect(200),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn management_relay_takes_tokens_and_no_session() {
    let cluster = Cluster::small().await;
    let api = &cluster.api;
    let client = gateless_tests::http::client().build().unwrap();
    let login = client.post(format!("{}/v1/session", api.base));
    let login = login.json(&serde_json::json!({"token": api.token}));
    let login = login.send().await.unwrap();
    assert_eq!(login.status(), 204);
    let cookie = login.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let at = cluster.sidecars[0].public();
    let list = || at.request(Method::GET, "/system/functions");
    send(list().header("cookie", &cookie))
        .await
        .unwrap()
        .problem(401, "token_missing");
    for request in [
        list().bearer_auth(&api.token),
        list().basic_auth("admin", Some(&api.token)),
    ] {
        send(request).await.unwrap().expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_with_every_tenants_names_are_at_no_door_of_calls() {
    let cluster = Cluster::small().await;
    cluster.deploy("confidential", Spec::new()).await;
    let sidecar = &cluster.sidecars[0];
    sidecar
        .public()
        .get("/function/confidential/")
        .await
        .expect(200);
    for door in ["public", "local"] {
        let at = Caller::new(format!("http://{}", sidecar.address(door)));
        for path in [
            "/_gateless/metrics",
            "/metrics",
            "/_gateless/metrics/",
            "//_gateless/metrics",
        ] {
            let answer = at.get(path).await;
            assert!(
                matches!(answer.status, 401 | 403 | 404),
                "{door} {path}: {answer:?}"
            );
            assert!(!answer.text().contains("gateless_held"), "{door} {path}");
        }
    }
    assert!(sidecar.metrics().await.contains("confidential"));
    let metrics = Caller::new(format!("http://{}", sidecar.address("metrics")));
    for path in [
        "/function/confidential/",
        "/system/functions",
        "/_gateless/calls/x",
        "/",
    ] {
        metrics.get(path).await.expect(404);
    }
}
