//! Calls on record, on real processes: which are, what they say, and that any sidecar shows those of all, with the server
//! or without it. How they are picked and kept is tested in core.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use gateless_tests::call::send;
use gateless_tests::wait::{eventually, when};
use gateless_tests::{Answer, Caller, Cluster, Sidecar, Spec};
use http::Method;
use serde_json::Value;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLS: &str = "/namespaces/default/calls";

/// What a sidecar says without the server.
async fn asked(sidecar: &Sidecar, query: &str) -> Answer {
    let at = Caller::new(format!("http://{}", sidecar.address("metrics")));
    at.get(&format!("/calls?{query}")).await
}

fn items(answer: &Value) -> &[Value] {
    answer["items"].as_array().unwrap()
}

fn millis(call: &Value, phase: &str) -> f64 {
    call["phases"][phase].as_f64().unwrap()
}

async fn traced(at: &Caller, path: &str) -> Answer {
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let request = at.request(Method::GET, path).header("traceparent", parent);
    send(request).await.unwrap()
}

/// The newest record that a query finds, once there is one.
async fn newest(cluster: &Cluster, query: &str) -> Value {
    let found = std::sync::Mutex::new(Value::Null);
    eventually("a call is on record", async || {
        let answer = cluster.api.get(&format!("{CALLS}?{query}")).await;
        let newest = items(&answer).first().cloned();
        let is_there = newest.is_some();
        *found.lock().unwrap() = newest.unwrap_or_default();
        when(is_there, answer.to_string())
    })
    .await;
    found.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_call_is_on_record_with_its_trace_and_where_its_time_went_at_every_sidecar() {
    let mut cluster = Cluster::of(2).await;
    cluster
        .deploy(
            "hello",
            Spec::new().scale(0, 1).with("scaling/initial_scale", 0),
        )
        .await;
    let cold = traced(
        &cluster.sidecars[0].public(),
        "/function/hello/echo?secret=s",
    )
    .await;
    assert!(cold.expect(200).was_cold());
    let call = newest(&cluster, &format!("function=hello&cold=true&trace={TRACE}")).await;
    assert_eq!(
        (&call["state"], &call["status"]),
        (&"answered".into(), &200.into()),
        "{call}"
    );
    assert_eq!(
        (&call["kept"], &call["held_for"]),
        (&"cold".into(), &"instance".into())
    );
    assert_eq!(
        (&call["cause"], &call["caller"]),
        (&"parent".into(), &"outside".into())
    );
    assert_eq!(
        (&call["path"], &call["method"]),
        (&"/echo".into(), &"GET".into())
    );
    assert_eq!(call["parent_span_id"], "00f067aa0ba902b7");
    assert_eq!(call["trace_id"], TRACE);
    assert!(millis(&call, "hold_ms") >= millis(&call, "start_ms"));
    assert!(
        millis(&call, "hold_ms") > 0.0 && millis(&call, "run_ms") > 0.0,
        "{call}"
    );
    // The instance says so itself, wherever it runs.
    let instances = cluster
        .api
        .get("/namespaces/default/functions/hello/instances")
        .await;
    let instance = &items(&instances)[0];
    assert_eq!(
        (&call["instance"], &call["host"]),
        (&instance["id"], &instance["sidecar"])
    );
    let id = call["id"].as_str().unwrap();
    assert_eq!(cluster.api.get(&format!("{CALLS}/{id}")).await, call);
    let none = cluster
        .api
        .try_send(Method::GET, &format!("{CALLS}/{id}x"), None)
        .await
        .unwrap();
    assert_eq!(
        (none.0, &none.1["code"]),
        (404, &"call_not_on_record".into())
    );

    cluster.kill_server();
    found_without_the_server(&cluster, &call).await;
    // It came in there.
    cluster.sidecars[0].kill();
    eventually("the sidecar that is gone is named", async || {
        let found = asked(&cluster.sidecars[1], "function=hello")
            .await
            .expect(200)
            .json();
        let warned = items(&found).is_empty() && found["warnings"].as_array().is_some();
        when(warned, found.to_string())
    })
    .await;
}

/// Any sidecar finds it, for its operator and nobody else.
async fn found_without_the_server(cluster: &Cluster, call: &Value) {
    for sidecar in &cluster.sidecars {
        let found = asked(sidecar, &format!("function=hello&trace={TRACE}"))
            .await
            .expect(200)
            .json();
        assert_eq!(items(&found), std::slice::from_ref(call));
        let refused = asked(sidecar, "status=many")
            .await
            .problem(400, "bad_request");
        assert!(
            refused.text().contains("status: must be"),
            "{}",
            refused.text()
        );
    }
    // What names every tenant's calls is at no door but the operator's.
    for door in [cluster.sidecars[0].public(), cluster.sidecars[0].local()] {
        door.get("/calls?function=hello")
            .await
            .problem(404, "no_function_named");
        door.get("/_gateless/calls?function=hello")
            .await
            .problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_and_what_is_refused_is_on_record_with_its_problem() {
    let cluster = Cluster::of(1).await;
    let public = cluster.sidecars[0].public();
    let full = Spec::new()
        .concurrency(1)
        .scale(1, 1)
        .with("hold/max_wait_ms", 200);
    cluster.deploy("one", full).await;
    public
        .get("/function/one/fail?status=500")
        .await
        .expect(500);
    let failed = newest(&cluster, "function=one&state=failed").await;
    assert_eq!(
        (&failed["status"], &failed["kept"]),
        (&500.into(), &"error".into())
    );
    assert_eq!(failed["code"], Value::Null, "the function said so itself");

    let busy = tokio::spawn({
        let public = public.clone();
        async move { public.get("/function/one/sleep?ms=3000").await }
    });
    eventually("a call finds no room", async || {
        let answer = public.get("/function/one/").await;
        when(answer.status != 200, answer.text())
    })
    .await;
    let refused = newest(&cluster, "function=one&state=refused").await;
    assert_eq!(refused["kept"], "error", "{refused}");
    assert_eq!(
        (&refused["sends"], &refused["instance"]),
        (&0.into(), &Value::Null)
    );
    assert_eq!(
        (&refused["code"], &refused["held_for"]),
        (&"deadline_exceeded".into(), &"room".into())
    );
    assert!(millis(&refused, "queue_ms") >= 200.0, "{refused}");
    busy.await.unwrap().expect(200);

    let limited = Spec::new()
        .with("access/rate", 0.001)
        .with("access/burst", 1);
    cluster.deploy("limited", limited).await;
    public.get("/function/limited/").await.expect(200);
    public
        .get("/function/limited/")
        .await
        .problem(429, "rate_limited");
    let refused = newest(&cluster, "function=limited&status=429").await;
    assert_eq!(
        (&refused["code"], &refused["state"]),
        (&"rate_limited".into(), &"refused".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_of_an_async_call_and_its_replay_are_on_record_under_its_id() {
    let mut cluster = Cluster::of(1).await;
    cluster.sidecars[0]
        .env
        .push(("GATELESS_RECORD_SAMPLE".into(), "1".into()));
    cluster.sidecars[0].restart();
    let spec = Spec::new()
        .with("async/backoff_base_ms", 10)
        .with("async/backoff_max_ms", 20);
    cluster.deploy("job", spec).await;
    let public = cluster.sidecars[0].public();
    let path = "/async-function/job/fail?times=1&status=503";
    let sent = send(public.request(Method::POST, path).body("abc"))
        .await
        .unwrap();
    let id = sent.expect(202).header("x-call-id").to_owned();
    assert_eq!(public.ended(&id).await, "succeeded");
    let of = |more: &str| format!("function=job&call={id}{more}");
    let second = newest(&cluster, &of("&state=answered")).await;
    assert_eq!(
        (&second["attempt"], &second["call_id"]),
        (&2.into(), &id.as_str().into())
    );
    assert_eq!(
        (&second["cause"], &second["request_bytes"]),
        (&"direct".into(), &3.into())
    );
    let first = newest(&cluster, &of("&state=failed")).await;
    assert_eq!(
        (&first["attempt"], &first["status"]),
        (&1.into(), &503.into())
    );
    assert_eq!(first["trace_id"], second["trace_id"]);

    let replay = format!("/namespaces/default/functions/job/invocations/{id}/replay");
    cluster.api.send(Method::POST, &replay, None).await;
    let again = newest(&cluster, &of("&cause=replay")).await;
    assert_eq!(
        (&again["attempt"], &again["state"]),
        (&3.into(), &"answered".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_and_a_caller_that_leaves_are_told_from_one_that_came_whole() {
    let mut cluster = Cluster::of(1).await;
    cluster.sidecars[0]
        .env
        .push(("GATELESS_RECORD_SAMPLE".into(), "1".into()));
    cluster.sidecars[0].restart();
    cluster.deploy("hello", Spec::new().scale(1, 1)).await;
    let public = cluster.sidecars[0].public();
    public.get("/function/hello/").await.expect(200);
    let whole = newest(&cluster, "function=hello&state=answered").await;
    assert_eq!(
        (&whole["broken_off"], &whole["response_bytes"]),
        (&false.into(), &6.into())
    );
    let broken = send(public.request(Method::GET, "/function/hello/break")).await;
    assert!(broken.is_err(), "{broken:?}");
    let broken = newest(&cluster, "function=hello&state=failed").await;
    assert_eq!(
        (&broken["broken_off"], &broken["status"]),
        (&true.into(), &200.into())
    );
}
