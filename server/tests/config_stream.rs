//! The config stream as a sidecar sees it, and what its reports make of a function.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use std::sync::Arc;

use common::fake::{Sidecar, function, hello, names, serve_config};
use common::{Server, empty_spec, spec};
use gateless_proto::v1::watch_request::Kind;
use gateless_proto::v1::{RevisionStatus, StatusReport, WatchHello};
use gateless_server::store::blobs::MemoryBlobs;
use gateless_server::store::{LogBounds, MemoryStore};
use serde_json::{Value, json};

const HELLO: &str = "/v1/namespaces/default/functions/hello";

/// Applies and waits for the change on the stream.
async fn apply(server: &Server, command: &str) {
    let status = server
        .admin_call("PUT", HELLO, Some(spec(command)))
        .await
        .status;
    assert!(status.is_success());
}

fn status(revision: &str) -> RevisionStatus {
    RevisionStatus {
        namespace: "default".into(),
        function: "hello".into(),
        revision: revision.into(),
        ..RevisionStatus::default()
    }
}

/// Waits until the server took in what was sent before.
async fn settled(server: &Server, done: impl Fn(&Value) -> bool) -> Value {
    let mut changes = server.service.changes().subscribe();
    loop {
        changes.borrow_and_update();
        let answer = server.admin_call("GET", HELLO, None).await.expect(200);
        if done(&answer.body) {
            return answer.body;
        }
        changes.changed().await.unwrap();
    }
}

fn condition<'a>(function: &'a Value, kind: &str) -> &'a Value {
    let mut all = function["status"]["conditions"].as_array().unwrap().iter();
    all.find(|condition| condition["type"] == kind).unwrap()
}

#[tokio::test]
async fn a_new_sidecar_gets_a_snapshot_and_then_changes() {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    apply(&server, "a").await;
    let secret = "/v1/namespaces/default/secrets/s";
    server
        .admin_call("PUT", secret, Some(json!({"data": {"k": "v"}})))
        .await
        .expect(201);

    let mut sidecar = Sidecar::open(&address, hello("aaaa0001", "127.0.0.1:1")).await;
    let snapshot = sidecar.next().await;
    assert!(snapshot.snapshot);
    assert_eq!(
        names(&snapshot),
        [
            ("functions/default/hello", true),
            ("secrets/default/s", true)
        ]
    );
    let pushed = function(&snapshot);
    assert_eq!(pushed.candidate, "hello-00001");
    assert!(pushed.traffic.is_empty());
    let scaling = pushed.revisions[0].scaling.clone().unwrap();
    assert_eq!(
        (scaling.target, scaling.target_burst_capacity),
        (100.0, 211.0)
    );
    assert_eq!(pushed.r#async.unwrap().max_attempts, 5);
    sidecar.ack(snapshot.version, &[]).await;

    server.admin_call("DELETE", secret, None).await.expect(204);
    let change = sidecar.next().await;
    assert!(!change.snapshot && change.version > snapshot.version);
    assert_eq!(names(&change), [("secrets/default/s", false)]);
    server.admin_call("DELETE", HELLO, None).await.expect(204);
    assert_eq!(
        names(&sidecar.next().await),
        [("functions/default/hello", false)]
    );
}

#[tokio::test]
async fn a_sidecar_that_comes_back_gets_only_the_difference() {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    for name in ["a", "b", "c"] {
        let uri = format!("/v1/namespaces/default/functions/{name}");
        server
            .admin_call("PUT", &uri, Some(spec("x")))
            .await
            .expect(201);
    }
    let mut sidecar = Sidecar::open(&address, hello("aaaa0001", "127.0.0.1:1")).await;
    let snapshot = sidecar.next().await;
    assert_eq!(snapshot.changes.len(), 3);
    drop(sidecar);

    server
        .admin_call("DELETE", "/v1/namespaces/default/functions/a", None)
        .await
        .expect(204);
    for command in ["y", "z"] {
        let uri = "/v1/namespaces/default/functions/b";
        server
            .admin_call("PUT", uri, Some(spec(command)))
            .await
            .expect(200);
    }
    let back = |version, id: &str| WatchHello {
        catalogue_id: id.into(),
        catalogue_version: version,
        ..hello("aaaa0001", "127.0.0.1:1")
    };
    let id = snapshot.catalogue_id.as_str();
    let mut sidecar = Sidecar::open(&address, back(snapshot.version, id)).await;
    let difference = sidecar.next().await;
    assert!(!difference.snapshot);
    // Two changes of b are one, with its newest state.
    assert_eq!(
        names(&difference),
        [
            ("functions/default/a", false),
            ("functions/default/b", true)
        ]
    );
    assert_eq!(function(&difference).candidate, "b-00003");

    let mut sidecar = Sidecar::open(&address, back(difference.version, id)).await;
    let nothing = sidecar.next().await;
    assert!(!nothing.snapshot && nothing.changes.is_empty());
    assert!(nothing.version >= difference.version);
    for hello in [
        back(difference.version, "another"),
        back(difference.version + 9999, id),
    ] {
        let mut sidecar = Sidecar::open(&address, hello).await;
        assert!(sidecar.next().await.snapshot);
    }
}

#[tokio::test]
async fn a_stream_behind_the_change_log_goes_on_with_a_snapshot() {
    let bounds = LogBounds {
        events: 10,
        bytes: usize::MAX,
    };
    let store = Arc::new(MemoryStore::new(bounds));
    let server = Server::over(store, Arc::new(MemoryBlobs::default())).await;
    let address = serve_config(&server).await;
    let mut sidecar = Sidecar::open(&address, hello("aaaa0001", "127.0.0.1:1")).await;
    let first = sidecar.next().await;
    sidecar.ack(first.version, &[]).await;
    let how = gateless_server::service::functions::How::default();
    let put = async |name: &str| {
        let data = [("k".to_owned(), "v".to_owned())].into();
        let put = server.service.put_secret(("default", name), &data, &how);
        put.await.unwrap();
    };
    // Nobody else has a turn meanwhile, so the log forgets what the stream has not seen.
    for n in 0..30 {
        put(&format!("s{n:02}")).await;
    }
    let again = sidecar.next().await;
    assert!(again.snapshot);
    assert_eq!(again.changes.len(), 30);
    assert_eq!(again.version, server.store.revision().await.unwrap());
    put("later").await;
    let change = sidecar.next().await;
    assert!(!change.snapshot);
    assert_eq!(names(&change), [("secrets/default/later", true)]);
}

#[tokio::test]
async fn a_slow_sidecar_gets_the_latest_state_and_not_every_one() {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    let mut sidecar = Sidecar::open(&address, hello("aaaa0001", "127.0.0.1:1")).await;
    for n in 0..100 {
        apply(&server, &format!("c{n}")).await;
    }
    let (mut messages, mut last) = (0, String::new());
    while last != "hello-00100" {
        let message = sidecar.next().await;
        messages += 1;
        if !message.changes.is_empty() {
            last = function(&message).candidate;
        }
        sidecar.ack(message.version, &[]).await;
    }
    assert!(messages < 50, "{messages}");
}

#[tokio::test]
async fn a_revision_gets_traffic_when_it_was_ready() {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    apply(&server, "a").await;
    let mut sidecar = Sidecar::open(&address, hello("aaaa0001", "127.0.0.1:1")).await;
    let snapshot = sidecar.next().await;
    let ready = RevisionStatus {
        was_ready: true,
        ready: 1,
        ..status("hello-00001")
    };
    let uri = format!("{HELLO}/wait?condition=ready&timeout_ms=0");
    let timeout = server
        .admin_call("GET", &uri, None)
        .await
        .problem(409, "wait_timeout");
    assert!(
        timeout.body["detail"]
            .as_str()
            .unwrap()
            .contains("aaaa0001")
    );

    let uri = format!("{HELLO}/wait?condition=ready");
    let waits = server.admin_call("GET", &uri, None);
    let rolls_out = async {
        sidecar.ack(snapshot.version, &[]).await;
        sidecar.report(ready.clone()).await;
        let moved = sidecar.next().await;
        let pushed = function(&moved);
        assert_eq!(pushed.candidate, "");
        assert_eq!(
            (
                pushed.traffic[0].revision.as_str(),
                pushed.traffic[0].percent
            ),
            ("hello-00001", 100)
        );
        // The wait goes on until the sidecar has the traffic, too.
        sidecar.ack(moved.version, &[]).await;
    };
    let (waited, ()) = tokio::join!(waits, rolls_out);
    let waited = waited.expect(200);
    assert_eq!(
        waited.body["status"]["latest_ready_revision"],
        "hello-00001"
    );
    assert_eq!(condition(&waited.body, "Accepted")["status"], "true");
}

#[tokio::test]
async fn a_failing_revision_gets_no_traffic_and_says_why() {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    let made = server.admin_call("PUT", HELLO, Some(empty_spec("a"))).await;
    made.expect(201);
    let mut sidecar = Sidecar::open(&address, hello("aaaa0001", "127.0.0.1:1")).await;
    let snapshot = sidecar.next().await;
    sidecar.ack(snapshot.version, &[]).await;
    apply(&server, "b").await;
    let change = sidecar.next().await;
    let pushed = function(&change);
    assert_eq!(
        (pushed.candidate.as_str(), pushed.revisions.len()),
        ("hello-00002", 2)
    );
    assert_eq!(pushed.traffic[0].revision, "hello-00001");
    sidecar.ack(change.version, &[]).await;
    let failing = RevisionStatus {
        reason: "crash_loop".into(),
        message: "exited with 1".into(),
        last_log_lines: vec!["no such file".into()],
        ..status("hello-00002")
    };
    sidecar.report(failing).await;
    let shown = settled(&server, |f| condition(f, "Ready")["status"] == "false").await;
    assert_eq!(condition(&shown, "Ready")["reason"], "crash_loop");
    assert_eq!(
        condition(&shown, "Ready")["last_log_lines"],
        json!(["no such file"])
    );
    assert_eq!(shown["status"]["latest_ready_revision"], "hello-00001");

    let instances = server
        .admin_call("GET", &format!("{HELLO}/instances"), None)
        .await;
    assert_eq!(instances.body["items"][0]["sidecar"], "aaaa0001");
    let sidecars = server
        .admin_call("GET", "/v1/sidecars", None)
        .await
        .expect(200);
    let shown = &sidecars.body["items"][0];
    assert_eq!(
        (&shown["lag"], &shown["connected"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(
        (&shown["held"], &shown["async_queued"]),
        (&json!(2), &json!(3))
    );

    drop(sidecar);
    settled(&server, |f| {
        condition(f, "Accepted")["reason"] == "no_sidecars"
    })
    .await;
}

#[tokio::test]
async fn a_report_from_before_a_revision_does_not_make_it_ready() {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    let mut sidecar = Sidecar::open(&address, hello("aaaa0001", "127.0.0.1:1")).await;
    let empty = sidecar.next().await;
    sidecar.ack(empty.version, &[]).await;
    apply(&server, "a").await;
    let ready = RevisionStatus {
        was_ready: true,
        starting: 7,
        ..status("hello-00001")
    };
    // The sidecar speaks of an earlier function of the same name: it has not applied this one.
    sidecar.report(ready).await;
    let shown = settled(&server, |f| {
        condition(f, "Ready")["message"]
            .as_str()
            .unwrap()
            .contains("7 starting")
    });
    assert_eq!(shown.await["status"]["latest_ready_revision"], Value::Null);
}

#[tokio::test]
async fn a_refused_resource_is_shown_with_the_sidecars_reason() {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    server
        .admin_call("PUT", HELLO, Some(empty_spec("a")))
        .await
        .expect(201);
    let mut sidecar = Sidecar::open(&address, hello("aaaa0001", "127.0.0.1:1")).await;
    let snapshot = sidecar.next().await;
    let refused = [("functions/default/hello", "no such kind")];
    sidecar.ack(snapshot.version, &refused).await;
    let shown = settled(&server, |f| condition(f, "Accepted")["status"] == "false").await;
    assert_eq!(condition(&shown, "Accepted")["reason"], "rejected");
    let message = condition(&shown, "Accepted")["message"].as_str().unwrap();
    assert!(
        message.contains("aaaa0001") && message.contains("no such kind"),
        "{message}"
    );
    let list = async |namespace: &str| {
        let token = server
            .token(namespace, gateless_server::auth::Role::Viewer)
            .await;
        let answer = server
            .call("GET", "/v1/sidecars", Some(&token), None)
            .await
            .expect(200);
        answer.body["items"][0]["rejections"].clone()
    };
    let rejection = json!([{"resource": "functions/default/hello", "reason": "no such kind"}]);
    assert_eq!(list("*").await, rejection);
    assert_eq!(list("default").await, rejection);
    assert_eq!(list("other").await, json!([]));

    server
        .admin_call("PUT", HELLO, Some(empty_spec("b")))
        .await
        .expect(200);
    let change = sidecar.next().await;
    sidecar.ack(change.version, &[]).await;
    settled(&server, |f| condition(f, "Accepted")["status"] == "true").await;
    sidecar.send(Kind::Status(StatusReport::default())).await;
}

#[tokio::test]
async fn a_newer_stream_of_a_sidecar_replaces_the_older() {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    let mut old = Sidecar::open(&address, hello("aaaa0001", "127.0.0.1:1")).await;
    old.next().await;
    let mut new = Sidecar::open(&address, hello("aaaa0001", "127.0.0.1:2")).await;
    let message = new.next().await;
    drop(old);
    new.ack(message.version, &[]).await;
    apply(&server, "a").await;
    let change = new.next().await;
    new.ack(change.version, &[]).await;
    settled(&server, |f| condition(f, "Accepted")["status"] == "true").await;
    let sidecars = server
        .admin_call("GET", "/v1/sidecars", None)
        .await
        .expect(200);
    assert_eq!(sidecars.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(sidecars.body["items"][0]["peer_address"], "127.0.0.1:2");
}

#[tokio::test]
async fn a_large_difference_comes_in_parts_and_one_ack_is_enough() {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    let mut sidecar = Sidecar::open(&address, hello("aaaa0001", "127.0.0.1:1")).await;
    let snapshot = sidecar.next().await;
    drop(sidecar);
    let names: Vec<String> = (0..100).map(|n| format!("s{n:03}")).collect();
    let how = gateless_server::service::functions::How::default();
    for name in &names {
        let data = [("k".to_owned(), "x".repeat(120 * 1024))].into();
        let put = server.service.put_secret(("default", name), &data, &how);
        put.await.unwrap();
    }
    let back = WatchHello {
        catalogue_id: snapshot.catalogue_id,
        catalogue_version: snapshot.version,
        ..hello("aaaa0001", "127.0.0.1:1")
    };
    let mut sidecar = Sidecar::open(&address, back).await;
    let (mut got, mut version) = (Vec::new(), snapshot.version);
    while got.len() < names.len() {
        let part = sidecar.next().await;
        assert!(!part.snapshot && part.changes.len() < 20);
        got.extend(part.changes.iter().map(|change| change.name.clone()));
        // Only the last part says that the difference is whole.
        assert_eq!(part.version > snapshot.version, got.len() == names.len());
        version = part.version;
        // More parts than may be sent ahead of an ack: some are left out, as sidecars do.
        if got.len() % 3 == 0 {
            sidecar.ack(version, &[]).await;
        }
    }
    assert_eq!(version, server.store.revision().await.unwrap());
}
