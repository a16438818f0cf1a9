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

/// Deploys two revisions, each of which the sidecar sees ready.
async fn two_revisions(server: &Server, sidecar: &mut Sidecar) -> u64 {
    let mut version = sidecar.next().await.version;
    sidecar.ack(version, &[]).await;
    for (name, revision) in [("a", "hello-00001"), ("b", "hello-00002")] {
        apply(server, name).await;
        let pushed = candidate(sidecar, &mut version).await;
        assert_eq!(pushed, (revision.to_owned(), 1_000));
        sidecar.ack(version, &[]).await;
        sidecar.report_of(version, ready(revision)).await;
        assert_eq!(candidate(sidecar, &mut version).await.0, "");
        sidecar.ack(version, &[]).await;
    }
    version
}

async fn candidate(sidecar: &mut Sidecar, version: &mut u64) -> (String, u64) {
    let message = sidecar.next().await;
    *version = message.version;
    let pushed = function(&message);
    (pushed.candidate.clone(), pushed.candidate_settle_ms)
}

fn ready(revision: &str) -> RevisionStatus {
    RevisionStatus {
        was_ready: true,
        ready: 1,
        ..status(revision)
    }
}

fn died() -> RevisionStatus {
    RevisionStatus {
        was_ready: true,
        died: true,
        message: "exited with code 5".into(),
        ..status("hello-00002")
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
    let mut version = two_revisions(&server, &mut sidecar).await;
    let before = version;
    sidecar.report_of(before, died()).await;
    let pushed = candidate(&mut sidecar, &mut version).await;
    assert_eq!(pushed, ("hello-00002".to_owned(), 60_000));
    // The acknowledgement makes the server look at the last report again, and the sidecar may repeat it.
    sidecar.ack(version, &[]).await;
    sidecar.report_of(before, died()).await;
    let shown = server.admin_call("GET", HELLO, None).await.expect(200).body;
    assert_eq!(condition(&shown, "Ready")["reason"], "gave_back");
    assert_eq!(shown["status"]["rollout"]["percent"], 0);
    let message = condition(&shown, "Ready")["message"].as_str().unwrap();
    assert!(message.contains("exited with code 5"), "{message}");
    // One that speaks of the state of now is believed.
    sidecar.report_of(version, ready("hello-00002")).await;
    assert_eq!(candidate(&mut sidecar, &mut version).await.0, "");
}

#[tokio::test]
async fn a_death_from_before_it_showed_anew_that_it_works_gives_nothing_back() {
    let server = Server::start().await;
    let served = serve_config(&server).await;
    let mut here = Sidecar::open(&served, hello("aaaa0001", "127.0.0.1:1")).await;
    let mut version = two_revisions(&server, &mut here).await;
    // Another host sees it die, and is cut off before it hears what comes of that.
    let mut other = Sidecar::open(&served, hello("bbbb0001", "127.0.0.1:2")).await;
    let before = other.next().await.version;
    other.ack(before, &[]).await;
    other.report_of(before, died()).await;
    let pushed = candidate(&mut here, &mut version).await;
    assert_eq!(pushed, ("hello-00002".to_owned(), 60_000));
    drop(other);
    here.ack(version, &[]).await;
    here.report_of(version, ready("hello-00002")).await;
    assert_eq!(candidate(&mut here, &mut version).await.0, "");
    here.ack(version, &[]).await;
    // It comes back and says first what it said last.
    let mut other = Sidecar::open(&served, hello("bbbb0001", "127.0.0.1:2")).await;
    other.report_of(before, died()).await;
    let message = other.next().await;
    // So that it forgets what it saw before.
    assert!(function(&message).gave_back_at_ms > 0);
    other.ack(message.version, &[]).await;
    other.report_of(message.version, ready("hello-00002")).await;
    // Reports are looked at one after the other.
    let reports = async || {
        let sidecars = server.admin_call("GET", "/v1/sidecars", None).await;
        sidecars.expect(200).body["items"][1].clone()
    };
    while reports().await["catalogue_version"] != message.version {
        tokio::task::yield_now().await;
    }
    let shown = server.admin_call("GET", HELLO, None).await.expect(200).body;
    assert_eq!(shown["status"]["rollout"]["percent"], 100, "{shown:#}");
    // A death since then counts.
    other.report_of(message.version, died()).await;
    let pushed = candidate(&mut other, &mut version).await;
    assert_eq!(pushed, ("hello-00002".to_owned(), 60_000));
}
