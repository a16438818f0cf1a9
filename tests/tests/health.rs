//! Instances that hang, stop, or die soon: they are replaced, and callers hardly notice.
//!
//! Deliberately on loopback: what whole hosts do is in `network` and the scenarios of `chaos`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::time::Duration;

use futures_util::future::join_all;
use gateless_tests::wait::when;
use gateless_tests::{Cluster, Load, Spec, eventually, instances};
use http::Method;
use rustix::process::Signal;

/// With probes so often that a test need not wait long.
fn probed() -> Spec {
    Spec::new()
        .with("scaling/initial_scale", 1)
        .with("liveness/period_ms", 500)
        .with("liveness/timeout_ms", 300)
        .with("liveness/failure_threshold", 2)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_that_is_stopped_fails_nobody_and_is_replaced() {
    let cluster = Cluster::of(2).await;
    // As most people have it: what is not written is the default.
    let spec = Spec::new()
        .concurrency(4)
        .scale(3, 3)
        .with("scaling/initial_scale", 3)
        .with("retries/budget_percent", 100);
    cluster.deploy("three", spec).await;
    let callers: Vec<_> = cluster.sidecars.iter().map(|s| s.public()).collect();
    let load = Load::start(&Method::GET, &callers, "/function/three/sleep?ms=20", 3);
    load.more(60).await;
    let stopped = cluster.instances()[0].pid;
    instances::kill(stopped, Signal::STOP);
    eventually("it is replaced", async || {
        let running = cluster.instances();
        let others = running.iter().filter(|i| i.pid != stopped).count();
        when(others == 3 && others == running.len(), running)
    })
    .await;
    load.more(60).await;
    for outcome in load.stop().await {
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_instance_that_is_stopped_is_replaced_idle_or_called() {
    let cluster = Cluster::small().await;
    cluster.deploy("one", probed().scale(1, 1)).await;
    let caller = cluster.sidecars[0].public();
    let pid = caller.get("/function/one/").await.expect(200).pid();
    instances::kill(pid, Signal::STOP);
    let next = caller.get("/function/one/").await.expect(200).pid();
    assert_ne!(next, pid);
    // Nobody calls the next one.
    instances::kill(next, Signal::STOP);
    eventually("another runs", async || {
        let running = cluster.instances();
        let other = running.iter().any(|i| i.pid != next);
        when(other && running.len() == 1, running)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_hangs_is_passed_over_and_replaced() {
    let cluster = Cluster::small().await;
    let spec = probed().scale(2, 2).with("scaling/initial_scale", 2);
    let spec = spec.with("limits/timeout_ms", 1_500);
    cluster.deploy("hangs", spec).await;
    let caller = cluster.sidecars[0].public();
    let before = cluster.instances();
    // A POST is made once, so only one of them hangs.
    let hung = caller.try_post("/function/hangs/hang", "hang", Vec::new());
    hung.await.unwrap().problem(504, "deadline_exceeded");
    eventually("one is replaced", async || {
        let running = cluster.instances();
        let old = running.iter().filter(|i| before.contains(i)).count();
        when((old, running.len()) == (1, 2), running)
    })
    .await;
    let calls = (0..20).map(|_| caller.get("/function/hangs/"));
    for answer in join_all(calls).await {
        answer.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_instance_that_takes_one_call_at_a_time_is_let_work() {
    let cluster = Cluster::small().await;
    let single = probed().env("ONE_AT_A_TIME", "1").scale(1, 1);
    cluster.deploy("open", single.clone()).await;
    cluster.deploy("gated", single.concurrency(1)).await;
    let caller = cluster.sidecars[0].public();
    for function in ["open", "gated"] {
        let pid = caller
            .get(&format!("/function/{function}/"))
            .await
            .expect(200)
            .pid();
        // Many times longer than probes may go unanswered.
        let path = format!("/function/{function}/sleep?ms=4000");
        let calls = (0..2).map(|_| caller.get(&path));
        for answer in join_all(calls).await {
            assert_eq!(answer.expect(200).pid(), pid, "{function} was replaced");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_servers_answer_probes_and_hung_ones_do_not() {
    let cluster = Cluster::small().await;
    let spec = probed().with("protocol", "h2c").scale(1, 1);
    cluster
        .deploy("rpc", spec.with("limits/timeout_ms", 1_000))
        .await;
    let caller = cluster.sidecars[0].public();
    let pid = caller.get("/function/rpc/").await.expect(200).pid();
    // Three periods: each probe was answered.
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    assert_eq!(caller.get("/function/rpc/").await.expect(200).pid(), pid);
    let hung = caller.try_post("/function/rpc/hang", "hang", Vec::new());
    hung.await.unwrap().problem(504, "deadline_exceeded");
    eventually("it is replaced", async || {
        let running = cluster.instances();
        when(
            running.iter().all(|i| i.pid != pid) && !running.is_empty(),
            running,
        )
    })
    .await;
}

fn version(version: u32) -> Spec {
    let spec = Spec::new().env("V", &version.to_string());
    spec.with("scaling/initial_scale", 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_listens_and_ends_gets_no_call() {
    let cluster = Cluster::small().await;
    cluster.deploy("soon", version(1)).await;
    let caller = cluster.sidecars[0].public();
    for (n, ready) in [(2, "answer"), (3, "tcp")] {
        let ends = version(n).env("EXIT_AFTER_LISTEN_MS", "200");
        let ends = ends.with("process/ready/kind", ready);
        cluster.api.apply("soon", &cluster.ours(ends)).await;
        eventually("its failure is told", async || {
            let function = cluster.api.function("soon").await;
            let rollout = function["status"]["rollout"].clone();
            when(rollout["state"] == "failing", rollout)
        })
        .await;
        for _ in 0..20 {
            let answer = caller.get("/function/soon/").await.expect(200);
            assert_eq!(answer.header("x-gateless-revision"), "soon-00001");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_listens_and_never_answers_gets_no_call() {
    let cluster = Cluster::small().await;
    cluster.deploy("mute", version(1)).await;
    let caller = cluster.sidecars[0].public();
    let mute = version(2).env("NEVER_ANSWERS", "1");
    let mute = mute.with("process/start_timeout_ms", 1_000);
    cluster.api.apply("mute", &cluster.ours(mute)).await;
    let told = eventually("its failure is told", async || {
        let answer = caller.get("/function/mute/").await.expect(200);
        assert_eq!(answer.header("x-gateless-revision"), "mute-00001");
        let rollout = cluster.api.function("mute").await["status"]["rollout"].clone();
        if rollout["state"] == "failing" {
            Ok(rollout["message"].as_str().unwrap().to_owned())
        } else {
            Err(rollout)
        }
    })
    .await;
    assert!(
        told.contains("it listens, and OPTIONS * has no answer"),
        "{told}"
    );
    assert_eq!(
        cluster.api.function("mute").await["status"]["latest_ready_revision"],
        "mute-00001"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_dies_soon_after_gives_its_calls_back() {
    let cluster = Cluster::small().await;
    cluster.deploy("brief", version(1)).await;
    cluster.deploy("brief", version(2)).await;
    let caller = cluster.sidecars[0].public();
    let revision = async || {
        let answer = caller.get("/function/brief/").await.expect(200);
        answer.header("x-gateless-revision").to_owned()
    };
    assert_eq!(revision().await, "brief-00002");
    let death = caller.request(Method::POST, "/function/brief/exit?code=5");
    assert_eq!(death.send().await.unwrap().status(), 502);
    eventually("the one before answers again", async || {
        let revision = revision().await;
        when(revision == "brief-00001", revision)
    })
    .await;
    let rollout = cluster.api.function("brief").await["status"]["rollout"].clone();
    assert_eq!(
        (&rollout["state"], &rollout["percent"]),
        (&"failing".into(), &0.into()),
        "{rollout:#}"
    );
    assert!(
        rollout["message"]
            .as_str()
            .unwrap()
            .contains("exited with code 5"),
        "{rollout:#}"
    );
}
