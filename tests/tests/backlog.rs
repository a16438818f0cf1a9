//! A queue longer than its function has room for.
//!
//! Deliberately no deaths and no retries of what failed; those are in `durability` and `calls`.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use futures_util::future::join_all;
use gateless_tests::call::send;
use gateless_tests::{Cluster, Spec};
use http::Method;

/// As many wait as `hold.max_requests` lets them, others are refused, and all wait longer than
/// `hold.max_wait_ms` and than the function's timeout: none of that is a failure of theirs.
#[tokio::test(flavor = "multi_thread")]
async fn queued_calls_wait_their_turn_however_long_and_sync_ones_go_first() {
    let cluster = Cluster::small().await;
    let spec = Spec::new()
        .concurrency(1)
        .scale(0, 1)
        .with("limits/timeout_ms", 1_000)
        .with("hold/max_requests", 8)
        .with("hold/max_wait_ms", 300)
        .with("async/max_attempts", 1)
        .with("async/backoff_base_ms", 100);
    cluster.deploy("narrow", spec).await;
    let caller = cluster.sidecars[0].public();
    let accepted = (0..40).map(|n| {
        let request = caller.request(Method::POST, "/async-function/narrow/sleep?ms=50");
        let request = request.header("x-test-id", format!("queued-{n}"));
        async { send(request).await.unwrap().expect(202) }
    });
    let accepted = join_all(accepted).await;
    for n in 0..10 {
        let id = format!("sync-{n}");
        let answer = caller.try_post("/function/narrow/", &id, Vec::new()).await;
        answer.unwrap().expect(200);
    }
    for (n, answer) in accepted.iter().enumerate() {
        let ended = caller.ended(answer.header("x-call-id")).await;
        assert_eq!((n, ended.as_str()), (n, "succeeded"));
        assert_eq!(cluster.times_seen(&format!("queued-{n}")), 1);
    }
    assert!(cluster.seen().iter().all(|seen| seen.in_flight == 1));
}
