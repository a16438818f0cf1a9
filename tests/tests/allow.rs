//! A function that some functions may call and others not: who calls is what the kernel says of their instances, with a user of
//! its own for each and without.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};

use gateless_tests::wait::{eventually, when};
use gateless_tests::{Answer, Cluster, Spec};
use serde_json::{Value, json};

/// A sidecar that isolates functions as far as `level` says, and what its functions may write to.
async fn cluster(level: &str) -> Cluster {
    let mut cluster = Cluster::small().await;
    let shared = cluster.file("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
    let shared = shared.to_string_lossy().into_owned();
    let sidecar = &mut cluster.sidecars[0];
    sidecar.env = vec![
        ("GATELESS_ISOLATION".into(), level.into()),
        ("GATELESS_SHARED_FOLDER".into(), shared),
    ];
    sidecar.restart();
    cluster.settled().await;
    cluster
}

async fn deploy(cluster: &Cluster, name: &str, spec: Spec) {
    // Each revision may run as another user.
    static DEPLOYED: AtomicU32 = AtomicU32::new(0);
    let number = DEPLOYED.fetch_add(1, Ordering::Relaxed);
    let shared = cluster.file("shared").join(format!("{name}-{number}"));
    let file = |what: &str| format!("{}-{what}", shared.to_string_lossy());
    let spec = cluster.ours(spec);
    let spec = ["SEEN_FILE", "STARTED_FILE", "FAIL_FILE"]
        .into_iter()
        .fold(spec, |spec, what| spec.env(what, &file(what)));
    cluster.api.apply(name, &spec).await;
    cluster.api.wait_ready(name).await;
    cluster.settled().await;
}

/// What a function gets when it calls this.
async fn through(cluster: &Cluster, caller: &str, path: &str) -> Answer {
    let public = cluster.sidecars[0].public();
    public
        .get(&format!("/function/{caller}/call?path={path}"))
        .await
}

/// That what a function passed on is the refusal of one that was called, which it returns.
#[track_caller]
fn refused(answer: Answer) -> Value {
    let problem = answer.expect(403).json();
    assert_eq!(problem["code"], "caller_not_allowed", "{problem:#}");
    problem
}

fn guarded(allow: Value) -> Spec {
    Spec::new()
        .with("visibility", "cluster_only")
        .with("access/allow", allow)
}

async fn only_functions_that_are_named_call(level: &str) {
    let cluster = cluster(level).await;
    for name in ["web", "other"] {
        deploy(&cluster, name, Spec::new()).await;
    }
    deploy(&cluster, "orders", guarded(json!(["web", "*.billing"]))).await;

    let answer = through(&cluster, "web", "/function/orders/headers").await;
    let seen = answer.expect(200).json();
    let seen = seen["headers"].as_array().unwrap().clone();
    let caller = json!(["x-gateless-caller-function", "web.default"]);
    assert!(seen.contains(&caller), "{seen:#?}");

    let problem = refused(through(&cluster, "other", "/function/orders/").await);
    let detail = problem["detail"].to_string();
    assert!(detail.contains("default/other"), "{level}: {detail}");
    // Who is no function is none that is named, also where functions call.
    let sidecar = &cluster.sidecars[0];
    let stranger = sidecar.local().get("/function/orders/").await;
    stranger.problem(403, "caller_not_allowed");
    let outside = sidecar.public().get("/function/orders/").await;
    outside.problem(403, "function_cluster_only");

    // A function that lets in who it was is asked again when a queued call is delivered.
    let path = "/async-function/orders/";
    refused(through(&cluster, "other", path).await);
    through(&cluster, "web", path).await.expect(202);
    eventually("the call that web queued is delivered", async || {
        let path = format!("{}/invocations", gateless_tests::Api::path("orders"));
        let calls = cluster.api.get(&path).await;
        let ended = calls["items"][0]["state"] == "succeeded";
        when(ended, calls)
    })
    .await;

    // It is in force at once, for connections that are there, too.
    let spec = guarded(json!(["other"]));
    deploy(&cluster, "orders", spec).await;
    through(&cluster, "other", "/function/orders/")
        .await
        .expect(200);
    refused(through(&cluster, "web", "/function/orders/").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn function_is_known_by_its_processes_where_all_have_one_user() {
    only_functions_that_are_named_call("none").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn function_is_known_behind_the_walls_that_this_host_can_build() {
    only_functions_that_are_named_call("best-effort").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_a_sidecar_adopted_are_still_known() {
    let mut cluster = cluster("best-effort").await;
    deploy(&cluster, "web", Spec::new().scale(1, 1)).await;
    deploy(&cluster, "orders", guarded(json!(["web"]))).await;
    through(&cluster, "web", "/function/orders/")
        .await
        .expect(200);
    cluster.sidecars[0].restart();
    cluster.settled().await;
    through(&cluster, "web", "/function/orders/")
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn list_of_callers_is_checked_when_it_is_written() {
    let cluster = Cluster::small().await;
    let check = async |spec: Spec, pointer: &str| {
        let path = gateless_tests::Api::path("orders");
        let body = json!({"spec": spec.0});
        let sent = cluster.api.try_send(http::Method::PUT, &path, Some(&body));
        let (status, problem) = sent.await.unwrap();
        assert_eq!(status, 422, "{problem:#}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    };
    check(guarded(json!(["web", "a.b.c"])), "/spec/access/allow/1").await;
    check(guarded(json!(["Web"])), "/spec/access/allow/0").await;
    let open = Spec::new().with("access/allow", json!(["web"]));
    check(open, "/spec/access/allow").await;
}
