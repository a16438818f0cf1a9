//! The two invariants of the design about calls that were accepted: they are on disk, and they end.
//!
//! Deliberately black boxes, as the others in `invariants`.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::time::Duration;

use futures_util::future::join_all;
use gateless_tests::fsync_gate::FsyncGate;
use gateless_tests::{Cluster, Load, Spec, instances};
use http::Method;
use rustix::process::Signal;

#[tokio::test(flavor = "multi_thread")]
async fn invariant_01_accepted_calls_reach_an_end_after_sigkill_of_anything() {
    let mut cluster = Cluster::of(2).await;
    let spec = Spec::new().with("async/max_attempts", 20);
    cluster.deploy("job", spec).await;
    let path = "/async-function/job/sleep?ms=40";
    let callers: Vec<_> = cluster.sidecars.iter().map(|s| s.public()).collect();
    let load = Load::start(&Method::POST, &callers, path, 2);
    load.more(20).await;
    cluster.kill_server();
    load.more(10).await;
    for index in 0..2 {
        cluster.sidecars[index].kill();
        load.more(5).await;
        cluster.sidecars[index].start();
        load.more(20).await;
        for instance in cluster.instances() {
            instances::kill(instance.pid, Signal::KILL);
        }
    }
    load.more(10).await;
    let outcomes = load.stop().await;
    let accepted: Vec<(&str, &str)> = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome.id.as_str(), outcome.answer.as_ref().ok()?)))
        .filter(|(_, answer)| answer.status == 202)
        .map(|(id, answer)| (id, answer.header("x-call-id")))
        .collect();
    assert!(accepted.len() >= 50, "{} accepted", accepted.len());
    // Any sidecar tells of any call.
    let ends = join_all(
        accepted
            .iter()
            .enumerate()
            .map(|(at, (_, call))| callers[at % 2].ended(call)),
    );
    let ends = ends.await;
    let seen = cluster.seen();
    for ((id, call), end) in accepted.iter().zip(&ends) {
        if end == "succeeded" {
            assert!(
                seen.iter().any(|seen| seen.id == *id),
                "{call} was never seen"
            );
        }
    }
    let succeeded = ends.iter().filter(|end| *end == "succeeded").count();
    assert!(
        succeeded * 10 >= ends.len() * 9,
        "only {succeeded} of {}",
        ends.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_02_nothing_answers_202_before_its_fsync() {
    let mut cluster = Cluster::small().await;
    cluster.deploy("job", Spec::new()).await;
    let gate = FsyncGate::before_queue(&mut cluster).await;
    let sidecar = cluster.sidecars[0].public();
    let path = "/async-function/job/";
    let before = sidecar.try_post(path, "before", Vec::new()).await;
    before.unwrap().expect(202);
    gate.close();
    let call = sidecar.try_post(path, "held", Vec::new());
    tokio::pin!(call);
    // Time is in no correct run's way: only an answer that must not come ends this early.
    let early = tokio::time::timeout(Duration::from_millis(700), &mut call).await;
    assert!(early.is_err(), "answered before its fsync: {early:?}");
    assert!(gate.was_hit(), "nothing was synced at all");
    gate.open();
    let accepted = call.await.unwrap().expect(202);
    assert_eq!(
        sidecar.ended(accepted.header("x-call-id")).await,
        "succeeded"
    );
}
