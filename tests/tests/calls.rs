//! What a caller sees of one sidecar and of two, from cold to warm to every refusal.
//!
//! Deliberately no streaming and no deaths; those are in `streams`, `faults` and `invariants`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::time::Duration;

use futures_util::future::join_all;
use gateless_tests::call::send;
use gateless_tests::process::up_args;
use gateless_tests::{Api, Caller, Cluster, Process, Spec, eventually, instances};
use http::Method;
use serde_json::{Value, json};

/// The phases of `server-timing`, in milliseconds.
fn phase(timing: &str, name: &str) -> f64 {
    let found = timing.split(", ").find_map(|part| {
        let (key, took) = part.split_once(";dur=")?;
        (key == name).then(|| took.parse().ok())?
    });
    found.unwrap_or_else(|| panic!("no {name} in {timing:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn first_call_is_cold_and_the_next_one_warm() {
    let cluster = Cluster::small().await;
    let spec = Spec::new().env("START_DELAY_MS", "150");
    let function = cluster.deploy("hello", spec).await;
    assert_eq!(function["status"]["latest_ready_revision"], "hello-00001");
    assert_eq!(function["spec"]["limits"]["timeout_ms"], 300_000);
    assert!(cluster.instances().is_empty());

    let sidecar = cluster.sidecars[0].public();
    let cold = sidecar.get("/function/hello/").await.expect(200);
    assert!(cold.was_cold());
    assert_eq!(cold.header("x-gateless-revision"), "hello-00001");
    let timing = cold.header("server-timing");
    assert!(phase(timing, "hold") >= 150.0, "{timing}");
    assert!(phase(timing, "start") >= 150.0, "{timing}");

    let warm = sidecar.get("/function/hello/").await.expect(200);
    assert!(!warm.was_cold());
    assert!(phase(warm.header("server-timing"), "hold") < 1.0);
    assert_eq!(warm.pid(), cold.pid());
    assert_eq!(cluster.started(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_come_by_path_and_by_host() {
    let cluster = Cluster::small().await;
    for name in ["hello", "hello.team"] {
        let spec = Spec::new().env("WHO", name);
        cluster.deploy(name, spec).await;
    }
    let sidecar = cluster.sidecars[0].public();
    for (path, host, who) in [
        ("/function/hello/env", None, "hello"),
        ("/function/hello.default/env", None, "hello"),
        ("/function/hello.team/env", None, "hello.team"),
        ("/env", Some("hello.default.gateless.local"), "hello"),
        ("/env", Some("hello.team.gateless.local"), "hello.team"),
    ] {
        let mut request = sidecar.request(Method::GET, path);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let answer = send(request).await.unwrap().expect(200);
        assert_eq!(answer.json()["WHO"], who, "{path} {host:?}");
    }
    let headers = sidecar.get("/function/hello/headers?a=b%20c&d").await;
    assert_eq!(headers.expect(200).json()["uri"], "/headers?a=b%20c&d");
    for unknown in ["/function/nobody/", "/function/hello.nowhere/"] {
        let answer = sidecar.get(unknown).await;
        assert!(
            answer
                .problem(404, "function_not_found")
                .text()
                .contains("no")
        );
    }
    sidecar
        .get("/function/Not_A_Name/")
        .await
        .problem(404, "bad_function_name");
    sidecar.get("/").await.problem(404, "no_function_named");
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_only_functions_are_called_by_functions_only() {
    let cluster = Cluster::of(2).await;
    let spec = Spec::new().with("visibility", "cluster_only");
    cluster.deploy("inner", spec).await;
    cluster.deploy("outer", Spec::new()).await;
    for sidecar in &cluster.sidecars {
        let refused = sidecar.public().get("/function/inner/").await;
        refused.problem(403, "function_cluster_only");
        sidecar.local().get("/function/inner/").await.expect(200);
        let through = "/function/outer/call?path=/function/inner/env";
        let answer = sidecar.public().get(through).await.expect(200);
        assert_eq!(answer.json()["K_SERVICE"], "inner");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_on_size_and_time_answer_with_problems() {
    let cluster = Cluster::small().await;
    let spec = Spec::new()
        .with("limits/max_request_body_bytes", 1_000)
        .with("limits/timeout_ms", 1_500)
        .with("limits/response_start_timeout_ms", 500);
    cluster.deploy("strict", spec).await;
    let slow = Spec::new()
        .env("START_DELAY_MS", "20000")
        .with("limits/timeout_ms", 400);
    cluster.deploy("slow", slow).await;
    let sidecar = cluster.sidecars[0].public();
    sidecar.get("/function/strict/").await.expect(200);

    let big = sidecar
        .request(Method::POST, "/function/strict/length")
        .body(vec![0; 1_001]);
    send(big).await.unwrap().problem(413, "body_too_large");
    let chunked = futures_util::stream::iter((0..9).map(|_| Ok::<_, std::io::Error>(vec![0; 200])));
    let big = sidecar.request(Method::POST, "/function/strict/length");
    let big = big.body(reqwest::Body::wrap_stream(chunked));
    send(big).await.unwrap().problem(413, "body_too_large");
    let fits = sidecar
        .request(Method::POST, "/function/strict/length")
        .body(vec![0; 1_000]);
    assert_eq!(send(fits).await.unwrap().expect(200).json()["bytes"], 1_000);

    let late = sidecar.get("/function/strict/sleep?ms=5000").await;
    late.problem(504, "response_start_timeout");
    let wished = sidecar.request(Method::GET, "/function/strict/sleep?ms=5000");
    let wished = send(wished.header("x-gateless-timeout-ms", "100"))
        .await
        .unwrap();
    wished.problem(504, "deadline_exceeded");
    sidecar
        .get("/function/slow/")
        .await
        .problem(504, "deadline_exceeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_gets_through_to_a_caller_that_still_sends() {
    let cluster = Cluster::small().await;
    let spec = Spec::new().with("limits/max_request_body_bytes", 1_000);
    cluster.deploy("strict", spec).await;
    let sidecar = cluster.sidecars[0].public();
    for path in ["/function/strict/length", "/function/nobody/length"] {
        let calls = (0..10).map(|_| {
            let request = sidecar.request(Method::POST, path);
            send(request.body(vec![0; 700_000]))
        });
        for answer in join_all(calls).await {
            let status = answer.unwrap().status;
            assert!([413, 404].contains(&status), "{path}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn up_is_a_cluster_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let args = up_args(&folder.path().join("data"));
    let log = folder.path().join("up.log");
    let mut up = Process::start("up", &log, &args, &[]).unwrap();
    let api = Api::new(up.address("api"), up.admin_token());
    api.apply("hello", &Spec::new().with("scaling/initial_scale", 1))
        .await;
    api.wait_ready("hello").await;
    let pid = Caller::new(up.address("public"))
        .get("/function/hello/")
        .await
        .expect(200)
        .pid();
    // An open stream is no reason to stay until all that remains is cut off.
    let path = "/v1/namespaces/default/functions/hello/logs?follow=true";
    let followed = gateless_tests::http::client()
        .build()
        .unwrap()
        .get(format!("{}{path}", up.address("api")))
        .bearer_auth(up.admin_token())
        .send()
        .await
        .unwrap();
    assert_eq!(followed.status(), 200);
    let status = up.terminate(Duration::from_secs(30));
    assert!(status.success(), "{status}");
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(!said.contains("cut off"), "{said}");
    assert!(
        !instances::is_alive(pid),
        "an instance outlived `gateless up`"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_an_intermediarys() {
    let cluster = Cluster::of(2).await;
    cluster.deploy("show", Spec::new()).await;
    for sidecar in &cluster.sidecars {
        let caller = sidecar.public();
        let request = caller
            .request(Method::GET, "/function/show/headers")
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("x-kept", "1")
            .header("x-gateless-node", "forged")
            .header("x-gateless-cluster", "forged")
            .header("x-forwarded-for", "192.0.2.1");
        let answer = send(request).await.unwrap().expect(200);
        let seen: Vec<(String, String)> =
            serde_json::from_value(answer.json()["headers"].clone()).unwrap();
        let of = |name: &str| -> Vec<&str> {
            let found = seen.iter().filter(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str()).collect()
        };
        assert_eq!(of("x-kept"), ["1"]);
        for gone in [
            "x-hop",
            "x-gateless-node",
            "x-gateless-cluster",
            "x-gateless-permit",
        ] {
            assert!(of(gone).is_empty(), "{gone} came through: {seen:?}");
        }
        assert_eq!(of("x-forwarded-for"), ["192.0.2.1, 127.0.0.1"]);
        assert_eq!(of("x-forwarded-proto"), ["http"]);
        assert_eq!(of("forwarded").len(), 1);
        assert!(of("forwarded")[0].starts_with("for=127.0.0.1;"));
        let trace = of("traceparent");
        assert!(
            trace.len() == 1 && trace[0].len() == 55 && trace[0].starts_with("00-"),
            "{trace:?}"
        );
        assert_eq!(answer.header("x-private"), "");
        assert_eq!(answer.header("x-public"), "1");
    }
    let own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let caller = cluster.sidecars[0].public();
    let inner = caller
        .request(
            Method::GET,
            "/function/show/call?path=/function/show/headers",
        )
        .header("traceparent", own);
    assert!(send(inner).await.unwrap().expect(200).text().contains(own));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_past_the_hold_limit_are_turned_away() {
    let cluster = Cluster::small().await;
    let spec = Spec::new()
        .concurrency(1)
        .scale(1, 1)
        .with("hold/max_requests", 10);
    cluster.deploy("narrow", spec).await;
    let sidecar = cluster.sidecars[0].public();
    sidecar.get("/function/narrow/").await.expect(200);
    let calls = (0..16).map(|n| {
        let sidecar = sidecar.clone();
        async move {
            let id = format!("call-{n}");
            let answer = sidecar.try_get("/function/narrow/sleep?ms=300", &id).await;
            (id, answer.unwrap())
        }
    });
    let (served, refused): (Vec<_>, Vec<_>) = join_all(calls)
        .await
        .into_iter()
        .partition(|(_, answer)| answer.status == 200);
    assert_eq!((served.len(), refused.len()), (11, 5));
    for (id, answer) in refused {
        let answer = answer.problem(503, "overflow");
        assert_eq!(answer.header("retry-after"), "1");
        assert!(
            answer.json()["detail"]
                .as_str()
                .unwrap()
                .contains("hold.max_requests")
        );
        assert_eq!(cluster.times_seen(&id), 0);
    }
    assert_eq!(
        cluster.seen().iter().map(|seen| seen.in_flight).max(),
        Some(1)
    );
}

async fn revisions_of(cluster: &Cluster, path: &str, calls: usize) -> Vec<String> {
    let sidecar = cluster.sidecars[0].public();
    let answers = join_all((0..calls).map(|_| sidecar.get(path))).await;
    let revisions = answers.into_iter().map(|answer| answer.expect(200).json());
    let name = |value: Value| value["K_REVISION"].as_str().unwrap_or_default().to_owned();
    revisions.map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_splits_tags_and_rolls_back() {
    let cluster = Cluster::small().await;
    cluster.deploy("app", Spec::new().env("V", "1")).await;
    cluster.deploy("app", Spec::new().env("V", "2")).await;
    let all = revisions_of(&cluster, "/function/app/env", 4).await;
    assert!(all.iter().all(|name| name == "app-00002"), "{all:?}");

    let targets = json!({"targets": [
        {"revision": "app-00001", "percent": 50, "tag": "old"},
        {"revision": "app-00002", "percent": 50},
    ]});
    cluster
        .api
        .send(
            Method::PUT,
            "/namespaces/default/functions/app/traffic",
            Some(&targets),
        )
        .await;
    cluster.settled().await;
    let all = revisions_of(&cluster, "/function/app/env", 100).await;
    let old = all.iter().filter(|name| *name == "app-00001").count();
    assert!((20..=80).contains(&old), "{old} of 100 at 50 %");
    let all = revisions_of(&cluster, "/function/old-app/env", 5).await;
    assert!(all.iter().all(|name| name == "app-00001"), "{all:?}");
    let sticky = |key: usize| {
        let caller = cluster.sidecars[0].public();
        let request = caller.request(Method::GET, "/function/app/env");
        request.header("x-gateless-sticky", format!("user-{key}"))
    };
    for key in 0..5 {
        let first = send(sticky(key)).await.unwrap().json()["K_REVISION"].clone();
        let again = send(sticky(key)).await.unwrap().json()["K_REVISION"].clone();
        assert_eq!(first, again);
    }

    let back = json!({"revision": "app-00001"});
    cluster
        .api
        .send(
            Method::POST,
            "/namespaces/default/functions/app/rollback",
            Some(&back),
        )
        .await;
    cluster.settled().await;
    let all = revisions_of(&cluster, "/function/app/env", 10).await;
    assert!(all.iter().all(|name| name == "app-00001"), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_revision_gets_no_traffic_and_says_why() {
    let cluster = Cluster::small().await;
    let spec = Spec::new().with("scaling/initial_scale", 1);
    cluster.deploy("app", spec.clone()).await;
    let bad = cluster.ours(spec.env("CRASH_AT_START", "1"));
    cluster.api.apply("app", &bad).await;
    let function = eventually("its condition shows the last log lines", async || {
        let function = cluster.api.function("app").await;
        let shown = function["status"]
            .to_string()
            .contains("boom: crash at start");
        if shown { Ok(function) } else { Err(function) }
    })
    .await;
    let status = &function["status"];
    assert_eq!(status["latest_revision"], "app-00002");
    assert_eq!(status["latest_ready_revision"], "app-00001");
    let failed = status["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["status"] == "false");
    assert!(
        failed.is_some_and(|c| c["reason"].as_str().is_some_and(|r| !r.is_empty())),
        "{status:#}"
    );
    let all = revisions_of(&cluster, "/function/app/env", 20).await;
    assert!(all.iter().all(|name| name == "app-00001"), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn call_that_went_on_as_an_async_one_is_the_same_call_when_sent_again() {
    let cluster = Cluster::small().await;
    cluster.deploy("slow", Spec::new()).await;
    let sidecar = cluster.sidecars[0].public();
    let call = async |id: &str, body: &'static str| {
        let request = sidecar.request(Method::POST, "/function/slow/sleep?ms=300");
        let request = request.header("prefer", "respond-async, wait=0");
        let request = request.header("idempotency-key", "k").body(body);
        send(request.header("x-test-id", id)).await.unwrap()
    };
    let first = call("first", "a").await.expect(202);
    let id = first.header("x-call-id");
    let again = call("again", "a").await.expect(202);
    assert_eq!(again.header("x-call-id"), id);
    assert_eq!(again.header("idempotent-replayed"), "true");
    call("other", "b")
        .await
        .problem(422, "idempotency_key_reused");
    assert_eq!(sidecar.ended(id).await, "succeeded");
    assert_eq!(cluster.times_seen("first"), 1);
    assert_eq!(cluster.times_seen("again"), 0);
}
