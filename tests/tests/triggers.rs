//! Schedules, events and topics on real sidecars: who fires, what arrives, and what a death changes.
//!
//! Deliberately nothing of time zones and clocks: those are tested where time is invented.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::collections::BTreeSet;

use gateless_tests::call::send;
use gateless_tests::wait::when;
use gateless_tests::{Answer, Api, Caller, Cluster, Events, Spec, eventually};
use http::Method;
use serde_json::{Value, json};

fn every_second(function: &str) -> Value {
    json!({"kind": "cron", "function": function, "cron": {"schedule": "* * * * * *"}})
}

async fn post(caller: &Caller, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = caller.request(Method::POST, path).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request).await.unwrap()
}

/// The scheduled seconds of a trigger's calls that functions saw.
fn seconds(cluster: &Cluster, trigger: &str) -> BTreeSet<u64> {
    let prefix = format!("{trigger}=cron:");
    let seen = cluster.seen();
    let of = seen.iter().filter_map(|s| s.id.strip_prefix(&prefix));
    of.map(|key| key.rsplit(':').next().unwrap().parse().unwrap())
        .collect()
}

async fn fires_again(cluster: &Cluster, trigger: &str, times: usize) {
    let before = seconds(cluster, trigger).len();
    eventually("the trigger fires", async || {
        let now = seconds(cluster, trigger);
        when(now.len() >= before + times, now)
    })
    .await;
}

fn ids(answer: &Answer) -> Vec<String> {
    let answer = answer.json();
    let calls = answer["calls"].as_array().unwrap().clone();
    assert_eq!(answer["accepted"], calls.len());
    calls
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect()
}

/// A trigger of function `hook` for events with these attributes.
fn events(attributes: Value, path: &str) -> Value {
    json!({"kind": "cloudevents", "function": "hook", "path": path,
        "cloudevents": {"attributes": attributes}})
}

/// Waits until every second from the first to all but the last has its call. A take-over of more
/// than 15 s makes up for the last second only.
async fn without_a_gap(cluster: &Cluster, trigger: &str) {
    eventually("every second has its call", async || {
        let seen = seconds(cluster, trigger);
        let (first, last) = (*seen.first().unwrap(), *seen.last().unwrap());
        let missing: Vec<u64> = (first..last).filter(|s| !seen.contains(s)).collect();
        when(missing.is_empty() || missing.len() > 13, missing)
    })
    .await;
}

/// Waits until functions saw `count` calls of a trigger.
async fn arrive(cluster: &Cluster, trigger: &str, count: usize) {
    let prefix = format!("{trigger}=");
    eventually("the calls arrive", async || {
        let seen = cluster.seen();
        let of: Vec<_> = seen.iter().filter(|s| s.id.starts_with(&prefix)).collect();
        when(of.len() >= count, format!("{of:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schedule_goes_on_when_the_sidecar_that_fires_it_is_killed() {
    let mut cluster = Cluster::of(3).await;
    cluster.deploy("tick", Spec::new()).await;
    let put = cluster.trigger("clock", every_second("tick")).await;
    assert_eq!(put["status"]["ready"], true, "{put:#}");
    fires_again(&cluster, "clock", 3).await;
    let shown = cluster.api.get("/namespaces/default/triggers/clock").await;
    let status = &shown["status"];
    assert!(status["delivered"].as_u64().unwrap() >= 3, "{status:#}");
    assert!(status["next_fire_at"].is_string() && status["last_fired_at"].is_string());
    let owner = status["owner"].as_str().unwrap().to_owned();
    let owner = cluster.by_node(&owner);
    cluster.sidecars[owner].kill();
    let died = seconds(&cluster, "clock").last().copied().unwrap();
    eventually("another fires it", async || {
        let last = seconds(&cluster, "clock").last().copied().unwrap();
        when(last >= died + 5, last)
    })
    .await;
    // What it had accepted is on its disk.
    cluster.sidecars[owner].start();
    fires_again(&cluster, "clock", 5).await;
    without_a_gap(&cluster, "clock").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_become_calls_of_those_who_want_them() {
    let cluster = Cluster::small().await;
    let hidden = Spec::new().with("visibility", "cluster_only");
    cluster.deploy("hook", hidden).await;
    cluster
        .trigger("on-order", events(json!({"type": "order"}), "/"))
        .await;
    cluster
        .trigger("on-all", events(json!({}), "/headers?x=1"))
        .await;
    let caller = cluster.sidecars[0].public();
    caller
        .get("/function/hook/")
        .await
        .problem(403, "function_cluster_only");

    let order = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/shop"),
        ("ce-type", "order"),
        ("ce-subject", "caf%C3%A9"),
        ("content-type", "text/plain"),
    ];
    let answer = post(&caller, "/_gateless/events", &order, "data").await;
    let told = answer.expect(202).json();
    assert_eq!(
        told,
        json!({"accepted": 2, "calls": []}),
        "not by its sender"
    );
    let local = cluster.sidecars[0].local();
    let answer = post(&local, "/_gateless/events", &order, "data")
        .await
        .expect(202);
    assert_eq!(ids(&answer).len(), 2);
    arrive(&cluster, "on-order", 1).await;
    arrive(&cluster, "on-all", 1).await;
    let mut headers = Value::Null;
    for id in ids(&answer) {
        // No sender may read what became of it.
        let path = format!("/_gateless/calls/{id}");
        caller.get(&path).await.problem(404, "call_not_found");
        let call = format!("{}/invocations/{id}", Api::path("hook"));
        eventually("the call succeeds", async || {
            let call = cluster.api.get(&call).await;
            when(call["state"] == "succeeded", call)
        })
        .await;
        let result = cluster.api.get(&format!("{call}/result")).await;
        if result.is_object() {
            headers = result;
        }
    }
    assert_eq!(
        (&headers["method"], &headers["uri"]),
        (&json!("POST"), &json!("/headers?x=1"))
    );
    let has = |name: &str, value: &str| {
        let all = headers["headers"].as_array().unwrap();
        all.contains(&json!([name, value]))
    };
    assert!(
        has("ce-id", "1") && has("ce-subject", "caf%C3%A9"),
        "{headers:#}"
    );
    assert!(has("content-type", "text/plain") && has("x-gateless-trigger", "on-all"));
    let again = post(&local, "/_gateless/events", &order, "data")
        .await
        .expect(202);
    assert_eq!(
        ids(&again),
        ids(&answer),
        "the same event is the same calls"
    );

    let nobody = post(&caller, "/_gateless/events/elsewhere", &order, "").await;
    assert_eq!(ids(&nobody.expect(202)).len(), 0);
    let metrics = cluster.sidecars[0].metrics().await;
    let fires = "gateless_trigger_fires_total";
    let of = r#"namespace="default",trigger="on-order",outcome="delivered""#;
    assert!(metrics.contains(&format!("{fires}{{{of}}} 1")), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_triggers_do_is_told_to_who_listens() {
    let cluster = Cluster::small().await;
    let mut told = Events::open(&cluster.api, "/namespaces/default/events", None).await;
    cluster.deploy("hook", Spec::new()).await;
    let caller = cluster.sidecars[0].public();
    caller.get("/function/hook/").await.expect(200);
    // From the first sample on the sidecar is listened to.
    told.until("sample", |data| data["type"] == "sample").await;
    let is = |action: &'static str| {
        move |data: &Value| {
            let (trigger, function) = (&data["trigger"], &data["function"]);
            data["type"] == "trigger"
                && data["action"] == action
                && (trigger, function) == (&json!("on-order"), &json!("hook"))
        }
    };
    cluster
        .trigger("on-order", events(json!({"type": "order"}), "/"))
        .await;
    told.until("applied", is("applied")).await;
    let order = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/shop"),
        ("ce-type", "order"),
    ];
    let answer = post(&caller, "/_gateless/events", &order, "data").await;
    let [id] = &ids(&answer.expect(202))[..] else {
        panic!("not one call")
    };
    let fired = told.until("fired", is("fired")).await;
    assert_eq!(fired.data["message"], json!(id));
    post(&caller, "/_gateless/events", &order, "data").await;
    let again = told.until("duplicate", is("duplicate")).await;
    assert_eq!(again.data["message"], json!(id));
    let path = "/namespaces/default/triggers/on-order";
    cluster.api.send(Method::DELETE, path, None).await;
    told.until("deleted", is("deleted")).await;
}

/// CloudEvents' HTTP 1.1 Web Hooks for Event Delivery 1.0, 4.
#[tokio::test(flavor = "multi_thread")]
async fn who_would_send_events_is_told_that_it_may() {
    let cluster = Cluster::small().await;
    let public = cluster.sidecars[0].public();
    for (path, origin) in [
        ("/_gateless/events", Some("events.example")),
        ("/_gateless/events/team", Some("events.example")),
        ("/_gateless/events", None),
        ("/_gateless/topics/orders", Some("events.example")),
    ] {
        let mut asked = public.request(Method::OPTIONS, path);
        if let Some(origin) = origin {
            asked = asked.header("webhook-request-origin", origin);
        }
        let answer = send(asked).await.unwrap().expect(200);
        assert_eq!(answer.header("allow"), "OPTIONS, POST");
        let is_hook = path.starts_with("/_gateless/events") && origin.is_some();
        let expected = if is_hook {
            ("events.example", "*")
        } else {
            ("", "")
        };
        let told = ["webhook-allowed-origin", "webhook-allowed-rate"];
        let [origin, rate] = told.map(|name| answer.header(name));
        assert_eq!((origin, rate), expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_is_taken_whole_and_bad_events_are_refused() {
    let cluster = Cluster::small().await;
    cluster.deploy("hook", Spec::new()).await;
    cluster
        .trigger("on-order", events(json!({"type": "order"}), "/"))
        .await;
    cluster.trigger("on-all", events(json!({}), "/")).await;
    let caller = cluster.sidecars[0].public();
    let batch = json!([
        {"specversion": "1.0", "id": "2", "source": "/shop", "type": "order", "data": {"n": 1}},
        {"specversion": "1.0", "id": "3", "source": "/shop", "type": "invoice"},
    ]);
    let kind = [("content-type", "application/cloudevents-batch+json")];
    let local = cluster.sidecars[0].local();
    let answer = post(&local, "/_gateless/events", &kind, &batch.to_string()).await;
    assert_eq!(ids(&answer.expect(202)).len(), 3);
    arrive(&cluster, "on-order", 1).await;
    arrive(&cluster, "on-all", 2).await;
    let half = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/shop"),
    ];
    let bad = post(&caller, "/_gateless/events", &half, "").await;
    let bad = bad.problem(400, "bad_event");
    assert!(
        bad.text().contains("attribute type is missing"),
        "{}",
        bad.text()
    );
    caller
        .get("/_gateless/events")
        .await
        .problem(405, "method_not_allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_go_on_without_the_server_and_over_a_restart() {
    let mut cluster = Cluster::small().await;
    for name in ["stock", "mail"] {
        cluster.deploy(name, Spec::new()).await;
        let spec = json!({"kind": "queue", "function": name, "queue": {"topic": "orders"}});
        cluster.trigger(&format!("{name}-orders"), spec).await;
    }
    cluster.trigger("clock", every_second("stock")).await;
    cluster.saved("triggers/default/clock").await;
    fires_again(&cluster, "clock", 1).await;
    cluster.kill_server();
    fires_again(&cluster, "clock", 2).await;
    for round in 1..=2 {
        let caller = cluster.sidecars[0].public();
        let message = post(&caller, "/_gateless/topics/orders", &[], "m").await;
        assert_eq!(ids(&message.expect(202)).len(), 2);
        arrive(&cluster, "stock-orders", round).await;
        arrive(&cluster, "mail-orders", round).await;
        cluster.sidecars[0].restart();
        fires_again(&cluster, "clock", 2).await;
    }
    without_a_gap(&cluster, "clock").await;
}
