//! A revision that died soon after it took calls: what its sidecars' reports make of it then.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use common::fake::{Sidecar, function, hello, serve_config};
use common::{Server, spec};
use gateless_proto::v1::RevisionStatus;
use serde_json::Value;

const HELLO: &str = "/v1/namespaces/default/functions/hello";

async fn apply(server: &Server, command: &str) {
    let put = server.admin_call("PUT", HELLO, Some(spec(command)));
    assert!(put.await.status.is_success());
}

fn status(revision: &str) -> RevisionStatus {
    RevisionStatus {
        namespace: "default".into(),
        function: "hello".into(),
        revision: revision.into(),
        ..RevisionStatus::default()
    }
}

fn condition<'a>(function: &'a Value, kind: &str) -> &'a Value {
    let mut all = function["status"]["conditions"].as_array().unwrap().iter();
    all.find(|condition| condition["type"] == kind).unwrap()
}

#[tokio::test]
async fn a_report_from_before_its_calls_went_back_does_not_give_them_to_a_revision_again() {
    let server = Server::start().await;
    let served = serve_config(&server).await;
    let mut sidecar = Sidecar::open(&served, hello("aaaa0001", "127.0.0.1:1")).await;
    let mut version = sidecar.next().await.version;
    sidecar.ack(version, &[]).await;
    let candidate = async |sidecar: &mut Sidecar, version: &mut u64| {
        let message = sidecar.next().await;
        *version = message.version;
        let pushed = function(&message);
        (pushed.candidate.clone(), pushed.candidate_settle_ms)
    };
    for (name, revision) in [("a", "hello-00001"), ("b", "hello-00002")] {
        apply(&server, name).await;
        let pushed = candidate(&mut sidecar, &mut version).await;
        assert_eq!(pushed, (revision.to_owned(), 1_000));
        sidecar.ack(version, &[]).await;
        let ready = RevisionStatus {
            was_ready: true,
            ready: 1,
            ..status(revision)
        };
        sidecar.report_of(version, ready).await;
        assert_eq!(candidate(&mut sidecar, &mut version).await.0, "");
        sidecar.ack(version, &[]).await;
    }
    let died = RevisionStatus {
        was_ready: true,
        died: true,
        message: "exited with code 5".into(),
        ..status("hello-00002")
    };
    let before = version;
    sidecar.report_of(before, died.clone()).await;
    let pushed = candidate(&mut sidecar, &mut version).await;
    assert_eq!(pushed, ("hello-00002".to_owned(), 60_000));
    // The acknowledgement makes the server look at the last report again, and the sidecar may repeat it.
    sidecar.ack(version, &[]).await;
    sidecar.report_of(before, died).await;
    let shown = server.admin_call("GET", HELLO, None).await.expect(200).body;
    assert_eq!(condition(&shown, "Ready")["reason"], "gave_back");
    assert_eq!(shown["status"]["rollout"]["percent"], 0);
    let message = condition(&shown, "Ready")["message"].as_str().unwrap();
    assert!(message.contains("exited with code 5"), "{message}");
    // One that speaks of the state of now is believed.
    let ready = RevisionStatus {
        was_ready: true,
        ready: 1,
        ..status("hello-00002")
    };
    sidecar.report_of(version, ready).await;
    assert_eq!(candidate(&mut sidecar, &mut version).await.0, "");
}
