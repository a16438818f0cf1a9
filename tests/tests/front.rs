//! What people watch and do from the dashboard, with real sidecars: events, statistics, draining.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::collections::BTreeMap;
use std::time::Duration;

use gateless_tests::wait::when;
use gateless_tests::{Api, Cluster, Events, Load, Spec, eventually};
use http::Method;
use serde_json::{Value, json};

async fn sidecar(api: &Api, node: &str) -> Value {
    let list = api.get("/sidecars").await;
    let items = list["items"].as_array().unwrap().iter();
    let found = items.clone().find(|item| item["id"] == node).cloned();
    found.unwrap_or_else(|| panic!("no sidecar {node} in {list:#}"))
}

fn instances_on(cluster: &Cluster, node: &str) -> usize {
    let all = cluster.instances().into_iter();
    all.filter(|instance| instance.node == node).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_a_sidecar_under_load_loses_no_request() {
    let mut cluster = Cluster::of(2).await;
    let spec = Spec::new().concurrency(2).scale(4, 0);
    cluster
        .deploy("app", spec.with("scaling/initial_scale", 4))
        .await;
    let nodes: Vec<String> = cluster.sidecars.iter().map(|s| s.node()).collect();
    eventually("all instances run", async || {
        let running = cluster.instances().len();
        when(running == 4, running)
    })
    .await;
    // One that knew the function before the other may have got all of them.
    let most = nodes.iter().max_by_key(|node| instances_on(&cluster, node));
    let drained = most.unwrap().clone();
    // POST: nothing is sent twice, so nothing hides a loss.
    let callers: Vec<_> = cluster.sidecars.iter().map(|s| s.public()).collect();
    let load = Load::start(&Method::POST, &callers, "/function/app/sleep?ms=20", 4);
    load.more(100).await;
    let answer = cluster
        .api
        .send(Method::POST, &format!("/sidecars/{drained}/drain"), None)
        .await;
    assert_eq!(answer["draining"], true);
    eventually("nothing runs on the drained sidecar", async || {
        let left = instances_on(&cluster, &drained);
        when(left == 0, left)
    })
    .await;
    load.more(100).await;
    eventually("the sidecar reports it", async || {
        let item = sidecar(&cluster.api, &drained).await;
        when(item["draining"] == true && item["instances"] == 0, item)
    })
    .await;
    let outcomes = load.stop().await;
    for outcome in &outcomes {
        assert!(outcome.is_ok(), "{outcome:?}");
    }
    let mut times = BTreeMap::<String, usize>::new();
    for seen in cluster.seen() {
        *times.entry(seen.id).or_default() += 1;
    }
    for outcome in &outcomes {
        assert_eq!(times.get(&outcome.id), Some(&1), "{}", outcome.id);
    }
    // It stays drained over a restart, is an entrance all the same, and comes back when told.
    let index = cluster.by_node(&drained);
    cluster.sidecars[index].restart();
    cluster.settled().await;
    eventually("it remembers", async || {
        let item = sidecar(&cluster.api, &drained).await;
        when(item["draining"] == true, item)
    })
    .await;
    let entrance = cluster.sidecars[index].public();
    entrance.get("/function/app/").await.expect(200);
    entrance.get("/_gateless/readyz").await.expect(200);
    assert_eq!(instances_on(&cluster, &drained), 0);
    let path = format!("/sidecars/{drained}/resume");
    let answer = cluster.api.send(Method::POST, &path, None).await;
    assert_eq!(answer["draining"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_instance_stays_where_no_other_sidecar_has_room() {
    let cluster = Cluster::small().await;
    let spec = Spec::new().scale(1, 1);
    cluster
        .deploy("app", spec.with("scaling/initial_scale", 1))
        .await;
    let node = cluster.sidecars[0].node();
    let path = format!("/sidecars/{node}/drain");
    cluster.api.send(Method::POST, &path, None).await;
    eventually("the function says where it runs", async || {
        let function = cluster.api.function("app").await;
        let conditions = function["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let ready = conditions
            .into_iter()
            .find(|c| c["type"] == "Ready")
            .unwrap();
        let told = ready["status"] == "true" && ready["reason"] == "draining";
        when(told, ready)
    })
    .await;
    assert_eq!(instances_on(&cluster, &node), 1);
    let public = cluster.sidecars[0].public();
    assert!(!public.get("/function/app/").await.expect(200).was_cold());
}

fn is(kind: &'static str, key: &'static str, value: &'static str) -> impl Fn(&Value) -> bool {
    move |data| data["type"] == kind && data["function"] == "app" && data[key] == value
}

/// A function under load, and everything heard of it until it is idle again.
async fn after_load(cluster: &Cluster) -> Events {
    let mut events = Events::open(&cluster.api, "/events", None).await;
    let hello = events.next().await;
    assert_eq!(hello.data["type"], "hello");
    assert_eq!(hello.data["event_id"], hello.id);
    let spec = Spec::new().with("async/max_attempts", 1);
    cluster.deploy("app", spec).await;
    let applied = is("function", "action", "applied");
    events.until("apply", applied).await;
    let public = cluster.sidecars[0].public();
    let path = "/function/app/sleep?ms=5";
    let load = Load::start(&Method::POST, std::slice::from_ref(&public), path, 2);
    let ready = events.until("instance", is("instance", "state", "ready"));
    assert_eq!(ready.await.data["sidecar"], cluster.sidecars[0].node());
    let busy = |data: &Value| {
        let number = |key: &str| data[key].as_f64().unwrap_or(0.0);
        data["type"] == "sample"
            && number("rps") > 1.0
            && number("p95_ms") >= 5.0
            && number("p50_ms") <= number("p95_ms")
            && number("ready") >= 1.0
            && number("desired") >= 1.0
    };
    events.until("sample under load", busy).await;
    load.stop().await;
    let idle = |data: &Value| data["type"] == "sample" && data["rps"] == 0.0;
    events.until("sample of an idle function", idle).await;
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_what_happens_and_can_be_resumed() {
    let cluster = Cluster::small().await;
    let mut events = after_load(&cluster).await;
    let up = |data: &Value| data["type"] == "decision" && data["desired"] == 1;
    let decided = events.heard.iter().find(|event| up(&event.data));
    let decided = &decided
        .unwrap_or_else(|| panic!("{:#?}", events.heard))
        .data;
    assert_eq!(decided["previous"], 0);
    assert_eq!(decided["revision"], "app-00001");
    let explanation = decided["explanation"].as_str().unwrap();
    assert!(explanation.contains("in flight"), "{explanation}");

    let public = cluster.sidecars[0].public();
    let queued = public.try_post("/async-function/app/fail", "x", vec![]);
    let queued = queued.await.unwrap().expect(202);
    for state in ["queued", "running", "dead"] {
        let told = events.until(state, is("call", "state", state)).await;
        assert_eq!(told.data["id"], queued.header("x-call-id"));
    }
    let metrics = cluster.sidecars[0].metrics().await;
    let series = r#"gateless_async_dead_letters{namespace="default",function="app"} 1"#;
    assert!(metrics.contains(series), "{metrics}");

    // From the first on: everything but samples comes again, in the same order.
    let kept = events.heard.iter().filter(|event| !event.id.is_empty());
    let before: Vec<_> = kept.map(|event| event.id.clone()).collect();
    let path = "/namespaces/default/events";
    let mut again = Events::open(&cluster.api, path, Some(&before[0])).await;
    for id in &before[1..] {
        let event = again.until("kept event", |data| data["type"] != "sample");
        assert_eq!(event.await.id, *id);
    }
    let mut stranger = Events::open(&cluster.api, "/events?types=call", Some("0-1")).await;
    assert_eq!(stranger.next().await.data["type"], "reset");
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_have_a_past_and_sidecars_say_what_they_own() {
    let mut cluster = Cluster::small().await;
    let mut events = after_load(&cluster).await;
    let stats = cluster
        .api
        .get(&format!("{}/stats", Api::path("app")))
        .await;
    let most = |key: &str| {
        let samples = stats["samples"].as_array().unwrap().iter();
        let values = samples.filter_map(|sample| sample[key].as_f64());
        values.fold(0.0, f64::max)
    };
    assert!(most("rps") > 1.0 && most("ready") >= 1.0, "{stats:#}");
    assert!(!stats["decisions"].as_array().unwrap().is_empty());
    let list = cluster.api.get("/namespaces/default/stats").await;
    assert_eq!(list["items"][0]["function"], "app");
    let line = list["items"][0]["sparkline"].as_array().unwrap();
    assert_eq!(line.len(), 60);
    let item = sidecar(&cluster.api, &cluster.sidecars[0].node()).await;
    assert_eq!(item["owns"], json!(["default/app"]));
    // Being watched keeps no sidecar from going.
    let mut process = cluster.sidecars[0].process.take().unwrap();
    assert!(process.terminate(Duration::from_secs(15)).success());
    let left = |data: &Value| data["type"] == "sidecar" && data["action"] == "left";
    events.until("goodbye", left).await;
}
