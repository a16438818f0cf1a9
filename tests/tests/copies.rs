//! Calls that are on the disks of two sidecars before they are answered 202, and what becomes of them when one is gone, tried on real
//! processes.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::fs;
use std::time::Duration;

use futures_util::future::join_all;
use gateless_tests::wait::{eventually_within, when};
use gateless_tests::{Answer, Caller, Cluster, Spec};
use http::Method;
use rustix::process::Signal;

/// A sidecar that is gone is waited for before its calls are taken on; on a busy machine all takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Calls that wait behind one another at the sidecar that accepts them, so that most are not begun when it is lost.
async fn accepted(cluster: &Cluster, at: &Caller, calls: usize) -> Vec<(String, Answer)> {
    let spec = Spec::new().with("async/max_in_flight", 1);
    cluster.deploy("job", spec).await;
    let ids: Vec<String> = (0..calls).map(|n| format!("call-{n}")).collect();
    let sent = ids.iter().map(async |id| {
        let path = "/async-function/job/sleep?ms=300";
        let answer = at.try_post(path, id, Vec::new()).await.unwrap();
        (id.clone(), answer.expect(202))
    });
    let accepted = join_all(sent).await;
    for (id, answer) in &accepted {
        assert_eq!(answer.header("x-gateless-copies"), "2", "{id}");
        assert_eq!(answer.json()["copies"], 2, "{id}");
    }
    accepted
}

async fn all_are_made(cluster: &Cluster, accepted: &[(String, Answer)]) {
    eventually_within(PATIENCE, "every accepted call is made", async || {
        let ids = accepted.iter().map(|(id, _)| id);
        let missing = ids.filter(|id| cluster.times_seen(id) == 0);
        let missing: Vec<_> = missing.collect();
        when(missing.is_empty(), format!("{missing:?}"))
    })
    .await;
}

async fn state(at: &Caller, answer: &Answer) -> String {
    let path = format!("/_gateless/calls/{}", answer.header("x-call-id"));
    let request = at.request(Method::GET, &path);
    let request = request.header("x-call-token", answer.header("x-call-token"));
    let told = gateless_tests::call::send(request).await;
    let Ok(told) = told else {
        return "no answer".to_owned();
    };
    let state = told.json()["state"].as_str().map(ToOwned::to_owned);
    state.unwrap_or_else(|| told.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_18_calls_with_copies_survive_the_loss_of_a_host_and_its_disk() {
    let mut cluster = Cluster::of(3).await;
    let home = cluster.sidecars[0].public();
    let accepted = accepted(&cluster, &home, 30).await;
    cluster.sidecars[0].kill();
    fs::remove_dir_all(cluster.sidecars[0].data()).unwrap();
    all_are_made(&cluster, &accepted).await;
    // Whoever is asked tells of those that were taken on, to whoever shows what the lost sidecar answered with.
    let alive = [1, 2].map(|at| cluster.sidecars[at].public());
    let taken = accepted.iter().map(async |(id, answer)| {
        let states = join_all(alive.iter().map(|at| state(at, answer)));
        (id, states.await)
    });
    let states = join_all(taken).await;
    let known = states.iter().filter(|(_, states)| {
        let mut states = states.iter();
        states.all(|state| ["queued", "running", "succeeded"].contains(&&**state))
    });
    // Those that were over at the lost sidecar are gone with their results.
    assert!(known.count() > 15, "{states:?}");
    let metrics = join_all([1, 2].map(|at| cluster.sidecars[at].metrics())).await;
    let taken = metrics.iter().filter(|text| {
        let mut lines = text.lines();
        lines.any(|line| {
            line.starts_with("gateless_async_calls_taken_on_total ") && !line.ends_with(" 0")
        })
    });
    assert!(taken.count() > 0, "{metrics:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn home_that_thaws_delivers_nothing_that_others_took_on_meanwhile() {
    let cluster = Cluster::of(3).await;
    let home = cluster.sidecars[0].public();
    let accepted = accepted(&cluster, &home, 30).await;
    let process = cluster.sidecars[0].process.as_ref().unwrap();
    process.signal(Signal::STOP);
    all_are_made(&cluster, &accepted).await;
    process.signal(Signal::CONT);
    eventually_within(
        PATIENCE,
        "every call is over at the home, too",
        async || {
            let states = accepted.iter().map(|(_, answer)| state(&home, answer));
            let states = join_all(states).await;
            when(
                states.iter().all(|state| state == "succeeded"),
                format!("{states:?}"),
            )
        },
    )
    .await;
    let twice = accepted.iter().filter(|(id, _)| cluster.times_seen(id) > 1);
    // The one that was inside when it was frozen is nobody's to take back.
    assert!(twice.count() <= 1);
}
