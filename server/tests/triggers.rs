//! Triggers over HTTP: what is taken, how they are shown, and what sidecars get of them.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use common::fake::{Admin, Sidecar, hello, serve_config};
use common::{Server, empty_spec};
use gateless_proto::v1::resource::Kind;
use gateless_proto::v1::{TriggerStatus, trigger};
use serde_json::{Value, json};

const TRIGGERS: &str = "/v1/namespaces/default/triggers";
const NIGHTLY: &str = "/v1/namespaces/default/triggers/nightly";
const HELLO: &str = "/v1/namespaces/default/functions/hello";

fn cron(schedule: &str) -> Value {
    json!({"spec": {"kind": "cron", "function": "hello", "cron": {"schedule": schedule}}})
}

fn condition(body: &Value, kind: &str) -> (String, String) {
    let conditions = body["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|c| c["type"] == kind).unwrap();
    let text = |field: &str| found[field].as_str().unwrap().to_owned();
    (text("status"), text("reason"))
}

#[tokio::test]
async fn a_trigger_is_put_shown_changed_and_deleted() {
    let server = Server::start().await;
    let made = server
        .admin_call("PUT", NIGHTLY, Some(cron("0 3 * * *")))
        .await
        .expect(201);
    assert_eq!(made.body["spec"]["method"], "POST");
    assert_eq!(made.body["spec"]["cron"]["timezone"], "UTC");
    let same = server
        .admin_call("PUT", NIGHTLY, Some(cron("0 3 * * *")))
        .await
        .expect(200);
    assert_eq!(same.etag(), made.etag());
    assert_eq!(same.body["updated_at"], made.body["updated_at"]);
    let token = server.admin().await;
    let stale = [("if-match", "\"1000000\"")];
    let changed = cron("0 4 * * *");
    server
        .with("PUT", NIGHTLY, Some(&token), &stale, Some(changed.clone()))
        .await
        .problem(412, "precondition_failed");
    let etag = made.etag();
    let right = [("if-match", etag.as_str())];
    let changed = server
        .with("PUT", NIGHTLY, Some(&token), &right, Some(changed))
        .await
        .expect(200);
    assert_eq!(changed.body["uid"], made.body["uid"]);
    assert_ne!(changed.etag(), made.etag());
    let etag = changed.etag();
    let known = [("if-none-match", etag.as_str())];
    server
        .with("GET", NIGHTLY, Some(&token), &known, None)
        .await
        .expect(304);
    let next = changed.body["status"]["next_fire_at"].as_str().unwrap();
    assert!(next.ends_with("T04:00:00Z"), "{next}");

    let dry = format!("{NIGHTLY}?dry_run=true");
    server.admin_call("DELETE", &dry, None).await.expect(204);
    server.admin_call("DELETE", NIGHTLY, None).await.expect(204);
    server
        .admin_call("GET", NIGHTLY, None)
        .await
        .problem(404, "trigger_not_found");
    server
        .admin_call("DELETE", NIGHTLY, None)
        .await
        .problem(404, "trigger_not_found");
    let again = server
        .admin_call("PUT", NIGHTLY, Some(cron("0 3 * * *")))
        .await
        .expect(201);
    assert_ne!(again.body["uid"], made.body["uid"]);
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_faults_are_named() {
    let server = Server::start().await;
    let dry = format!("{NIGHTLY}?dry_run=true");
    server
        .admin_call("PUT", &dry, Some(cron("0 3 * * *")))
        .await
        .expect(201);
    server.admin_call("GET", NIGHTLY, None).await.expect(404);
    let wrong = server
        .admin_call("PUT", NIGHTLY, Some(cron("0 25 * * *")))
        .await
        .problem(422, "invalid");
    assert_eq!(wrong.pointers(), ["/spec/cron/schedule"]);
    let unknown = json!({"spec": {"kind": "cron", "function": "f", "cron": {"every": "1h"}}});
    server
        .admin_call("PUT", NIGHTLY, Some(unknown))
        .await
        .problem(422, "invalid");
    let other = json!({"spec": {"kind": "carrier-pigeon", "function": "f"}});
    let other = server
        .admin_call("PUT", NIGHTLY, Some(other))
        .await
        .problem(422, "invalid");
    assert_eq!(other.pointers(), ["/spec/kind"]);
}

#[tokio::test]
async fn a_trigger_outlives_its_function_and_says_so() {
    let server = Server::start().await;
    let put = server
        .admin_call("PUT", NIGHTLY, Some(cron("* * * * *")))
        .await
        .expect(201);
    let missing = ("true".to_owned(), "function_missing".to_owned());
    assert_eq!(condition(&put.body, "FunctionMissing"), missing);
    assert_eq!(put.body["status"]["ready"], false);
    server
        .admin_call("PUT", HELLO, Some(empty_spec("a")))
        .await
        .expect(201);
    let there = server.admin_call("GET", NIGHTLY, None).await.expect(200);
    assert_eq!(there.body["status"]["ready"], true);
    assert_eq!(condition(&there.body, "FunctionMissing").0, "false");
    server.admin_call("DELETE", HELLO, None).await.expect(204);
    let gone = server.admin_call("GET", NIGHTLY, None).await.expect(200);
    assert_eq!(condition(&gone.body, "FunctionMissing"), missing);
    assert_eq!(condition(&gone.body, "Ready").1, "function_missing");
}

/// A server and two sidecars.
async fn cluster() -> (Server, Vec<Sidecar>, Vec<(&'static str, Admin)>) {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    let mut sidecars = Vec::new();
    let mut admins = Vec::new();
    for node in ["aaaa0001", "bbbb0002"] {
        let admin = Admin::default();
        let peer = admin.clone().serve(&server, node).await;
        let mut sidecar = Sidecar::open(&address, hello(node, &peer.to_string())).await;
        sidecar.next().await;
        sidecars.push(sidecar);
        admins.push((node, admin));
    }
    (server, sidecars, admins)
}

#[tokio::test]
async fn sidecars_get_it_and_their_counts_are_summed() {
    let (server, mut sidecars, admins) = cluster().await;
    let events = json!({"spec": {
        "kind": "cloudevents", "function": "hello",
        "cloudevents": {"attributes": {"type": "a.b"}}, "headers": {"x-team": "media"},
    }});
    let uri = format!("{TRIGGERS}/on-event");
    let put = server.admin_call("PUT", &uri, Some(events)).await;
    let put = put.expect(201);
    let message = sidecars[0].next().await;
    let change = &message.changes[0];
    assert_eq!(change.name, "triggers/default/on-event");
    let Some(Kind::Trigger(pushed)) = change.resource.as_ref().unwrap().kind.clone() else {
        panic!("{change:?}");
    };
    assert_eq!(pushed.uid, put.body["uid"]);
    assert_eq!(pushed.headers["x-team"], "media");
    let Some(trigger::Source::Cloudevents(source)) = pushed.source else {
        panic!("no source");
    };
    assert_eq!(source.attributes["type"], "a.b");
    sidecars[0]
        .ack(message.version, &[("triggers/default/on-event", "no")])
        .await;

    for (number, (node, admin)) in (1..).zip(&admins) {
        admin.triggers.lock().push(TriggerStatus {
            namespace: "default".into(),
            name: "on-event".into(),
            uid: pushed.uid.clone(),
            node_id: (*node).into(),
            owner: number == 2,
            last_fired_at_ms: 1_700_000_000_000 + number,
            last_error: format!("error {number}"),
            last_error_at_ms: 10 - number,
            delivered: number,
            failed: 10 * number,
            missed: 100 * number,
            skipped: 1,
        });
    }
    let mut changes = server.service.changes().subscribe();
    let shown = loop {
        changes.borrow_and_update();
        let shown = server.admin_call("GET", &uri, None).await.expect(200);
        if condition(&shown.body, "Accepted").1 == "rejected" {
            break shown.body;
        }
        changes.changed().await.unwrap();
    };
    let status = &shown["status"];
    assert_eq!(status["delivered"], 3);
    assert_eq!(
        (&status["failed"], &status["missed"]),
        (&json!(30), &json!(300))
    );
    assert_eq!(status["owner"], "bbbb0002");
    assert_eq!(status["last_fired_at"], "2023-11-14T22:13:20.002Z");
    assert_eq!(status["last_error"], "error 1");
    assert_eq!(status["next_fire_at"], Value::Null);
    assert_eq!(shown["warnings"], json!([]));
}

#[tokio::test]
async fn triggers_are_listed_in_pages_and_sidecars_hear_of_a_deletion() {
    let (server, mut sidecars, admins) = cluster().await;
    let uri = format!("{TRIGGERS}/other");
    let put = server
        .admin_call("PUT", &uri, Some(cron("0 3 * * *")))
        .await
        .expect(201);
    admins[1].1.triggers.lock().push(TriggerStatus {
        namespace: "default".into(),
        name: "other".into(),
        uid: put.body["uid"].as_str().unwrap().into(),
        delivered: 3,
        ..TriggerStatus::default()
    });
    server
        .admin_call("PUT", NIGHTLY, Some(cron("0 3 * * *")))
        .await
        .expect(201);
    let list = format!("{TRIGGERS}?limit=1");
    let list = server.admin_call("GET", &list, None).await.expect(200);
    assert_eq!(list.body["items"][0]["name"], "nightly");
    let token = list.body["next_page_token"].as_str().unwrap();
    let rest = format!("{TRIGGERS}?limit=1&page_token={token}");
    let rest = server.admin_call("GET", &rest, None).await.expect(200);
    assert_eq!(rest.body["items"][0]["status"]["delivered"], 3);
    assert_eq!(rest.body["next_page_token"], Value::Null);
    server.admin_call("DELETE", &uri, None).await.expect(204);
    loop {
        let message = sidecars[1].next().await;
        let gone = |c: &&gateless_proto::v1::Change| c.resource.is_none();
        if message.changes.iter().any(|c| gone(&c)) {
            break;
        }
    }
}
