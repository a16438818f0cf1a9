//! Calls, queues, dead letters and logs: asked of every sidecar, merged, and honest about who is missing.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use common::fake::{Admin, Sidecar, hello, serve_config};
use common::{Server, empty_spec};
use gateless_proto::v1::{Call, LogLine};
use gateless_server::auth::Role;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};

const HELLO: &str = "/v1/namespaces/default/functions/hello";

fn call(id: &str, state: &str, node: &str) -> Call {
    Call {
        id: id.into(),
        namespace: "default".into(),
        function: "hello".into(),
        state: state.into(),
        method: "POST".into(),
        path: "/x".into(),
        accepted_at_ms: 1_700_000_000_000,
        status: if state == "succeeded" { 201 } else { 0 },
        node_id: node.into(),
        ..Call::default()
    }
}

fn line(time_ms: u64, text: &str, node: &str) -> LogLine {
    LogLine {
        time_ms,
        revision: "hello-00001".into(),
        instance: "i1".into(),
        stream: "stdout".into(),
        line: text.into(),
        node_id: node.into(),
    }
}

/// Two sidecars with calls and lines, one that is connected but not there, one that is gone.
async fn cluster() -> (Server, Vec<Sidecar>) {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    server
        .admin_call("PUT", HELLO, Some(empty_spec("a")))
        .await
        .expect(201);
    let mut sidecars = Vec::new();
    for (node, calls, times) in [
        ("aaaa0001", ["01-aaaa0001", "04-aaaa0001"], [1, 4]),
        ("bbbb0002", ["02-bbbb0002", "03-bbbb0002"], [2, 3]),
    ] {
        let admin = Admin::default();
        let states = ["dead", "succeeded"];
        *admin.calls.lock() = std::iter::zip(calls, states)
            .map(|(id, s)| call(id, s, node))
            .collect();
        let lines = times
            .map(|time| line(time, &format!("line {time}"), node))
            .to_vec();
        let admin = Admin { lines, ..admin };
        let peer = admin.serve(&server, node).await;
        let mut sidecar = Sidecar::open(&address, hello(node, &peer.to_string())).await;
        sidecar.next().await;
        sidecars.push(sidecar);
    }
    // Nothing listens on the discard port's address, and an address that is none.
    for (node, peer) in [("cccc0003", "127.0.0.1:9"), ("dddd0004", "not an address")] {
        let mut sidecar = Sidecar::open(&address, hello(node, peer)).await;
        sidecar.next().await;
        sidecars.push(sidecar);
    }
    sidecars.pop();
    let mut changes = server.service.changes().subscribe();
    while server.service.registry().connected() > 3 {
        changes.changed().await.unwrap();
    }
    (server, sidecars)
}

fn ids(body: &Value) -> Vec<&str> {
    let items = body["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap()).collect()
}

fn missing(body: &Value) -> Vec<&str> {
    let warnings = body["warnings"].as_array().unwrap().iter();
    let mut missing: Vec<_> = warnings.map(|w| w["sidecar"].as_str().unwrap()).collect();
    missing.sort_unstable();
    missing
}

#[tokio::test]
async fn records_are_merged_and_paged_and_their_sidecar_is_asked_for_one() {
    let (server, _sidecars) = cluster().await;
    let calls = "/v1/namespaces/default/calls";
    let uri = format!("{calls}?function=hello&limit=3");
    let page = server.admin_call("GET", &uri, None).await.expect(200);
    assert_eq!(
        ids(&page.body),
        ["04-aaaa0001", "03-bbbb0002", "02-bbbb0002"]
    );
    assert_eq!(missing(&page.body), ["cccc0003", "dddd0004"]);
    let token = page.body["next_page_token"].as_str().unwrap();
    let uri = format!("{uri}&page_token={token}");
    let rest = server.admin_call("GET", &uri, None).await;
    assert_eq!(ids(&rest.body), ["01-aaaa0001"]);
    assert_eq!(rest.body["next_page_token"], Value::Null);
    let one = format!("{calls}/02-bbbb0002");
    let one = server.admin_call("GET", &one, None).await.expect(200);
    assert_eq!(one.body["function"], "hello");
    for gone in ["02-aaaa0001", "nobody", "02-eeee0005"] {
        let uri = format!("{calls}/{gone}");
        let none = server.admin_call("GET", &uri, None).await;
        none.problem(404, "call_not_on_record");
    }
    // An id opens nothing: it is the namespace that one may read.
    let other = "/v1/namespaces/other/calls/02-bbbb0002";
    let other = server.admin_call("GET", other, None).await;
    other.problem(404, "call_not_on_record");
    let wrong = server
        .admin_call("GET", &format!("{calls}?state=x"), None)
        .await;
    wrong.problem(400, "invalid_parameter");
}

#[tokio::test]
async fn calls_are_merged_paged_and_filtered() {
    let (server, _sidecars) = cluster().await;
    let uri = format!("{HELLO}/invocations?limit=3");
    let page = server.admin_call("GET", &uri, None).await.expect(200);
    assert_eq!(
        ids(&page.body),
        ["04-aaaa0001", "03-bbbb0002", "02-bbbb0002"]
    );
    assert_eq!(missing(&page.body), ["cccc0003", "dddd0004"]);
    assert_eq!(page.body["items"][0]["accepted_at"], "2023-11-14T22:13:20Z");
    assert_eq!(page.body["items"][0]["finished_at"], Value::Null);
    let token = page.body["next_page_token"].as_str().unwrap();
    let rest = server
        .admin_call("GET", &format!("{uri}&page_token={token}"), None)
        .await;
    assert_eq!(ids(&rest.body), ["01-aaaa0001"]);
    assert_eq!(rest.body["next_page_token"], Value::Null);

    let dead = server
        .admin_call("GET", &format!("{HELLO}/dead-letters"), None)
        .await;
    assert_eq!(ids(&dead.body), ["02-bbbb0002", "01-aaaa0001"]);
    let uri = "/v1/namespaces/default/invocations?state=succeeded,queued";
    let all = server.admin_call("GET", uri, None).await.expect(200);
    assert_eq!(ids(&all.body), ["04-aaaa0001", "03-bbbb0002"]);
    let wrong = server
        .admin_call("GET", &format!("{HELLO}/invocations?state=x"), None)
        .await;
    wrong.problem(400, "invalid_parameter");
    let none = "/v1/namespaces/default/functions/none/invocations";
    // A sidecar that cannot be asked may have calls of a function that was deleted.
    let none = server.admin_call("GET", none, None).await.expect(200);
    assert_eq!(ids(&none.body), [""; 0]);
    assert_eq!(missing(&none.body), ["cccc0003", "dddd0004"]);
}

#[tokio::test]
async fn a_calls_id_leads_to_its_sidecar() {
    let (server, _sidecars) = cluster().await;
    let at = |id: &str| format!("{HELLO}/invocations/{id}");
    let got = server
        .admin_call("GET", &at("02-bbbb0002"), None)
        .await
        .expect(200);
    assert_eq!(
        (&got.body["sidecar"], &got.body["state"]),
        (&json!("bbbb0002"), &json!("dead"))
    );
    for id in ["09-bbbb0002", "02-eeee0005", "nonsense"] {
        server
            .admin_call("GET", &at(id), None)
            .await
            .problem(404, "invocation_not_found");
    }
    // Its function need not be known.
    let found = "/v1/namespaces/default/invocations/02-bbbb0002";
    let found = server.admin_call("GET", found, None).await.expect(200);
    assert_eq!(found.body["function"], "hello");
    let stranger = server.token("other", Role::Admin).await;
    let theirs = "/v1/namespaces/other/invocations/02-bbbb0002";
    let theirs = server.call("GET", theirs, Some(&stranger), None).await;
    theirs.problem(404, "invocation_not_found");
    let unreachable = server.admin_call("GET", &at("01-cccc0003"), None).await;
    unreachable.problem(503, "sidecar_unreachable");
    // Another function's name, or another namespace's, does not lead to it.
    let other = "/v1/namespaces/default/functions/other/invocations/02-bbbb0002";
    server
        .admin_call("GET", other, None)
        .await
        .problem(404, "invocation_not_found");
    let other = "/v1/namespaces/other/functions/hello/invocations/02-bbbb0002/cancel";
    let stranger = server.token("other", Role::Admin).await;
    let stranger = server.call("POST", other, Some(&stranger), None).await;
    stranger.problem(404, "invocation_not_found");

    let invoker = server.token("default", Role::Invoker).await;
    let act = async |verb: &str| {
        let uri = format!("{}/{verb}", at("02-bbbb0002"));
        server.call("POST", &uri, Some(&invoker), None).await
    };
    assert_eq!(act("replay").await.expect(200).body["state"], "queued");
    act("replay").await.problem(409, "wrong_state");
    assert_eq!(act("cancel").await.expect(200).body["state"], "cancelled");
}

#[tokio::test]
async fn a_result_is_the_functions_own_answer_and_harmless() {
    let (server, _sidecars) = cluster().await;
    let uri = format!("{HELLO}/invocations/04-aaaa0001/result");
    let result = server.admin_call("GET", &uri, None).await.expect(200);
    assert_eq!(&*result.bytes, b"hello");
    for (name, value) in [
        ("x-function-status", "201"),
        ("content-type", "text/html"),
        ("x-function-header-x-own", "1"),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", "attachment"),
    ] {
        assert_eq!(result.headers[name], value);
    }
    let uri = format!("{HELLO}/invocations/01-aaaa0001/result");
    server
        .admin_call("GET", &uri, None)
        .await
        .problem(409, "wrong_state");
}

#[tokio::test]
async fn what_a_call_was_made_with_is_shown_but_for_credentials() {
    let (server, _sidecars) = cluster().await;
    let uri = format!("{HELLO}/invocations/04-aaaa0001/request");
    let made = server.admin_call("GET", &uri, None).await.expect(200);
    let expected = json!({
        "method": "POST",
        "path": "/x",
        "headers": {"content-type": "text/plain"},
        "withheld": ["authorization"],
        "body": "an order",
        "body_base64": null,
        "truncated": false,
    });
    assert_eq!(made.body, expected);
}

#[tokio::test]
async fn queues_are_summed_and_dead_letters_purged_and_replayed_everywhere() {
    let (server, _sidecars) = cluster().await;
    let queues = server
        .admin_call("GET", "/v1/namespaces/default/queues?limit=10", None)
        .await;
    assert_eq!(queues.body["items"][0]["queued"], 4);
    assert_eq!(queues.body["items"][0]["oldest_age_ms"], 5);
    // First only counted, as often as one likes: nothing changes by it.
    let replay = format!("{HELLO}/dead-letters/replay");
    let ask = async |body: Value| server.admin_call("POST", &replay, Some(body)).await;
    for _ in 0..2 {
        let counted = ask(json!({"dry_run": true})).await.expect(200);
        assert_eq!(counted.body["count"], 2);
        assert_eq!(missing(&counted.body), ["cccc0003", "dddd0004"]);
    }
    let named = json!({"ids": ["01-aaaa0001", "04-aaaa0001", "09-aaaa0001"], "dry_run": true});
    let counted = ask(named).await.expect(200);
    assert_eq!(counted.body["count"], 1);
    assert_eq!(counted.body["failed"][0]["code"], "wrong_state");
    assert_eq!(counted.body["failed"][1]["code"], "invocation_not_found");
    let misspelt = ask(json!({"dryrun": true})).await;
    assert_eq!(misspelt.status, 422);
    let replayed = server
        .admin_call("POST", &format!("{HELLO}/dead-letters/replay"), None)
        .await;
    assert_eq!(replayed.body["count"], 2);
    assert_eq!(missing(&replayed.body), ["cccc0003", "dddd0004"]);
    let purged = server
        .admin_call("DELETE", &format!("{HELLO}/dead-letters"), None)
        .await;
    assert_eq!(purged.expect(200).body["count"], 0);
    let invocations = format!("{HELLO}/invocations");
    let kept = async || {
        let listed = server
            .admin_call("GET", &invocations, None)
            .await
            .expect(200);
        let items = listed.body["items"].as_array().unwrap().clone();
        let over = |call: &&Value| call["state"] == "succeeded" || call["state"] == "cancelled";
        (items.len(), items.iter().filter(over).count())
    };
    let (all, over) = kept().await;
    let purged = server.admin_call("DELETE", &invocations, None).await;
    let purged = purged.expect(200);
    assert_eq!(purged.body["count"], over);
    assert_eq!(missing(&purged.body), ["cccc0003", "dddd0004"]);
    assert_eq!(kept().await, (all - over, 0));
}

#[tokio::test]
async fn dead_letters_outlive_their_function_and_can_be_listed_and_purged_by_its_name() {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    let admin = Admin::default();
    *admin.calls.lock() = vec![call("01-aaaa0001", "dead", "aaaa0001")];
    let peer = admin.serve(&server, "aaaa0001").await;
    let mut sidecar = Sidecar::open(&address, hello("aaaa0001", &peer.to_string())).await;
    sidecar.next().await;
    // The function never was, as far as the catalogue knows now.
    let letters = format!("{HELLO}/dead-letters");
    let listed = server.admin_call("GET", &letters, None).await.expect(200);
    assert_eq!(listed.body["items"][0]["id"], "01-aaaa0001");
    // What could not be delivered is not put back where it would die again.
    for (path, body) in [
        (format!("{letters}/replay"), None),
        (format!("{letters}/replay"), Some(json!({"dry_run": true}))),
        (format!("{HELLO}/invocations/01-aaaa0001/replay"), None),
    ] {
        let refused = server.admin_call("POST", &path, body).await;
        refused.problem(409, "function_deleted");
    }
    for dry_run in [true, false] {
        let named = json!({"ids": ["01-aaaa0001"], "dry_run": dry_run});
        let replayed = server
            .admin_call("POST", &format!("{letters}/replay"), Some(named))
            .await
            .expect(200);
        assert_eq!(replayed.body["count"], 0, "{dry_run}");
        assert_eq!(replayed.body["failed"][0]["code"], "function_deleted");
    }
    server
        .admin_call("PUT", HELLO, Some(empty_spec("a")))
        .await
        .expect(201);
    let replay = format!("{HELLO}/invocations/01-aaaa0001/replay");
    server.admin_call("POST", &replay, None).await.expect(200);
    server
        .admin_call(
            "POST",
            &format!("{HELLO}/invocations/01-aaaa0001/cancel"),
            None,
        )
        .await
        .expect(200);
    server.admin_call("DELETE", HELLO, None).await.expect(204);
    let purged = server.admin_call("DELETE", &letters, None).await;
    assert_eq!(purged.expect(200).body["count"], 0);
}

#[tokio::test]
async fn a_name_that_neither_a_function_nor_a_call_has_is_not_found() {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    let peer = Admin::default().serve(&server, "aaaa0001").await;
    let mut sidecar = Sidecar::open(&address, hello("aaaa0001", &peer.to_string())).await;
    sidecar.next().await;
    for (method, path) in [
        ("GET", "dead-letters"),
        ("DELETE", "dead-letters"),
        ("POST", "dead-letters/replay"),
        ("GET", "invocations"),
    ] {
        server
            .admin_call(method, &format!("{HELLO}/{path}"), None)
            .await
            .problem(404, "function_not_found");
    }
}

#[tokio::test]
async fn log_lines_of_all_sidecars_are_one_stream() {
    let (server, _sidecars) = cluster().await;
    let logs = server
        .admin_call("GET", &format!("{HELLO}/logs?tail=3"), None)
        .await
        .expect(200);
    assert_eq!(logs.headers["content-type"], "application/x-ndjson");
    assert_eq!(logs.headers["x-gateless-unreachable"], "dddd0004,cccc0003");
    let lines: Vec<Value> = logs
        .bytes
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let texts: Vec<_> = lines
        .iter()
        .map(|line| line["line"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["line 2", "line 3", "line 4"]);
    assert_eq!(lines[0]["sidecar"], "bbbb0002");
    let uri = format!("{HELLO}/logs?follow=true&until_ms=5");
    let both = server.admin_call("GET", &uri, None).await;
    both.problem(400, "invalid_parameter");
    let uri = format!("{HELLO}/logs?tail=99999");
    server
        .admin_call("GET", &uri, None)
        .await
        .problem(400, "invalid_parameter");
}

#[tokio::test]
async fn a_followed_log_ends_when_the_server_does() {
    let (server, _sidecars) = cluster().await;
    let request = Request::get(format!("{HELLO}/logs?follow=true"))
        .header("authorization", format!("Bearer {}", server.admin().await))
        .body(axum::body::Body::empty())
        .unwrap();
    let mut body = server.open(request).await.into_body();
    for _ in 0..4 {
        assert!(body.frame().await.unwrap().is_ok());
    }
    server.shutdown.cancel();
    while let Some(frame) = body.frame().await {
        drop(frame);
    }
}
