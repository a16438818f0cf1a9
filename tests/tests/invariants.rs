//! The invariants of the design about sync calls, each as a test that can fail.
//!
//! Deliberately black boxes: real processes, killed with SIGKILL where the invariant says so,
//! and judged by what callers got and functions saw.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use gateless_tests::fake_server::{self, FakeServer};
use gateless_tests::wait::when;
use gateless_tests::{Answer, Caller, Cluster, Load, Setup, Spec, eventually, eventually_within};
use http::Method;

#[tokio::test(flavor = "multi_thread")]
async fn invariant_03_in_flight_never_exceeds_container_concurrency() {
    let cluster = Cluster::of(2).await;
    let spec = Spec::new().concurrency(2).scale(0, 3);
    cluster.deploy("narrow", spec).await;
    let callers: Vec<_> = cluster.sidecars.iter().map(|s| s.public()).collect();
    let path = "/function/narrow/sleep?ms=15";
    let sync = Load::start(&Method::POST, &callers, path, 12);
    let queued = Load::start(
        &Method::PUT,
        &callers,
        &path.replace("/function", "/async-function"),
        1,
    );
    sync.more(300).await;
    let queued = queued.stop().await;
    let sync = sync.stop().await;
    let failed: Vec<_> = sync.iter().filter(|outcome| !outcome.is_ok()).collect();
    assert!(failed.is_empty(), "{failed:?}");
    for outcome in &queued {
        let accepted = outcome.answer.as_ref().unwrap();
        assert_eq!(accepted.status, 202, "{}", accepted.text());
        callers[0].ended(accepted.header("x-call-id")).await;
    }
    let seen = cluster.seen();
    let most = seen.iter().map(|seen| seen.in_flight).max();
    assert_eq!(most, Some(2), "over {} calls", seen.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_04_refused_request_was_never_seen() {
    let cluster = Cluster::of(2).await;
    let spec = Spec::new()
        .concurrency(1)
        .scale(0, 1)
        .with("hold/max_requests", 5);
    cluster.deploy("tight", spec).await;
    let calls = (0..60).map(|n| {
        let caller = cluster.sidecars[n % 2].public();
        async move {
            let id = format!("call-{n}");
            let body = vec![b'x'; n * 4_000];
            let answer = caller
                .try_post("/function/tight/sleep?ms=50", &id, body)
                .await;
            (id, answer.unwrap())
        }
    });
    let answers: Vec<(String, Answer)> = join_all(calls).await;
    let refused = answers.iter().filter(|(_, answer)| answer.status != 200);
    assert!(refused.clone().count() > 0, "none was refused");
    for (id, answer) in &answers {
        let expected = usize::from(answer.status == 200);
        assert_eq!(
            cluster.times_seen(id),
            expected,
            "{id}: {} {}",
            answer.status,
            answer.text()
        );
    }
    for (_, answer) in refused {
        answer.clone().problem(503, "overflow");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_05_scale_down_rollout_and_drain_lose_no_request() {
    let mut cluster = Cluster::of(3).await;
    let spec = |version: &str| {
        let spec = Spec::new().env("V", version).concurrency(2).scale(2, 0);
        spec.with("scaling/initial_scale", 2).short_window()
    };
    cluster.deploy("app", spec("1")).await;
    // POST: nothing is sent twice, so nothing hides a loss.
    let callers: Vec<_> = cluster.sidecars[..2].iter().map(|s| s.public()).collect();
    let load = Load::start(&Method::POST, &callers, "/function/app/sleep?ms=20", 6);
    load.more(100).await;
    cluster.deploy("app", spec("2")).await;
    eventually("the old revision is gone", async || {
        let old: Vec<_> = cluster
            .instances()
            .into_iter()
            .filter(|i| i.revision == "app-00001")
            .collect();
        when(old.is_empty(), old)
    })
    .await;
    let drained = cluster.sidecars[2].node();
    let status = cluster.sidecars[2]
        .process
        .take()
        .unwrap()
        .terminate(Duration::from_secs(40));
    assert!(status.success(), "{status}");
    assert!(
        cluster.instances().iter().all(|i| i.node != drained),
        "instances outlived their sidecar"
    );
    load.more(100).await;
    let outcomes = load.stop().await;
    for outcome in &outcomes {
        assert!(outcome.is_ok(), "{outcome:?}");
    }
    let mut times = BTreeMap::<String, usize>::new();
    for seen in cluster.seen() {
        *times.entry(seen.id).or_default() += 1;
    }
    assert!(
        outcomes
            .iter()
            .all(|outcome| times.get(&outcome.id) == Some(&1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_06_simultaneous_cold_requests_start_the_computed_number() {
    let cluster = Cluster::of(3).await;
    // 60 calls: one instance for 100 calls each; 60 / (10 x 70 %) for 10 each.
    for (name, concurrency, fewest, most) in [("wide", 0, 1, 1), ("ten", 10, 6, 9)] {
        let spec = Spec::new()
            .concurrency(concurrency)
            .env("START_DELAY_MS", "300");
        cluster.deploy(name, spec).await;
        let before = cluster.started();
        let path = format!("/function/{name}/sleep?ms=300");
        let calls = (0..60).map(|n| {
            let (caller, path) = (cluster.sidecars[n % 3].public(), path.clone());
            async move { caller.get(&path).await }
        });
        for answer in join_all(calls).await {
            answer.expect(200);
        }
        let started = cluster.started() - before;
        assert!(
            (fewest..=most).contains(&started),
            "{name}: {started} started"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_07_server_dead_everything_but_the_catalogue_works() {
    let mut cluster = Cluster::of(2).await;
    cluster.deploy("warm", Spec::new()).await;
    cluster.deploy("cold", Spec::new()).await;
    let caller = cluster.sidecars[0].public();
    let warm = caller.get("/function/warm/").await.expect(200).pid();
    cluster.saved("cold-00001").await;
    cluster.kill_server();
    assert_eq!(caller.get("/function/warm/").await.expect(200).pid(), warm);
    assert!(caller.get("/function/cold/").await.expect(200).was_cold());
    let accepted = caller
        .try_post("/async-function/cold/", "queued", Vec::new())
        .await;
    let call = accepted.unwrap().expect(202).header("x-call-id").to_owned();
    assert_eq!(caller.ended(&call).await, "succeeded");
    for index in 0..2 {
        cluster.sidecars[index].restart();
        let caller = cluster.sidecars[index].public();
        for name in ["warm", "cold"] {
            caller.get(&format!("/function/{name}/")).await.expect(200);
        }
        assert_eq!(caller.ended(&call).await, "succeeded");
    }
    let path = "/namespaces/default/functions/warm";
    assert!(cluster.api.try_send(Method::GET, path, None).await.is_err());
    cluster.start_server();
    cluster.deploy("new", Spec::new()).await;
    for sidecar in &cluster.sidecars {
        sidecar.public().get("/function/new/").await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_08_held_requests_survive_their_owner() {
    let mut cluster = Cluster::of(3).await;
    let names: Vec<String> = (0..6).map(|n| format!("cold-{n}")).collect();
    for name in &names {
        cluster
            .deploy(name, Spec::new().env("START_DELAY_MS", "1200"))
            .await;
    }
    let caller = cluster.sidecars[0].public();
    let calls = names.iter().map(|name| {
        let (caller, name) = (caller.clone(), name.clone());
        tokio::spawn(async move {
            let path = format!("/function/{name}/");
            caller.try_post(&path, &name, Vec::new()).await
        })
    });
    let calls: Vec<_> = calls.collect();
    eventually("a start is under way for each", async || {
        when(cluster.started() >= names.len(), cluster.started())
    })
    .await;
    // Every owner but the callers' own sidecar, at any rate.
    cluster.sidecars[1].kill();
    cluster.sidecars[2].kill();
    for call in calls {
        let answer = call.await.unwrap().unwrap().expect(200);
        assert!(answer.was_cold());
    }
    for name in &names {
        assert_eq!(cluster.times_seen(name), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_09_one_functions_flood_does_not_starve_anothers_holds() {
    let cluster = Cluster::small().await;
    let flood = Spec::new()
        .env("START_DELAY_MS", "25000")
        .with("hold/max_requests", 800)
        .with("limits/timeout_ms", 8_000);
    cluster.deploy("flood", flood).await;
    let calm = Spec::new()
        .env("START_DELAY_MS", "200")
        .with("hold/max_requests", 5);
    cluster.deploy("calm", calm).await;
    let sidecar = cluster.sidecars[0].public();
    let callers = [sidecar.h2c(), sidecar.h2c()];
    let flood = (0..1_600).map(|n| {
        let caller = callers[n % 2].clone();
        tokio::spawn(async move { caller.get("/function/flood/").await })
    });
    let flood: Vec<_> = flood.collect();
    let held = async || {
        let text = cluster.sidecars[0].metrics().await;
        let held = text
            .lines()
            .find_map(|line| line.strip_prefix("gateless_held "));
        held.and_then(|held| held.parse::<u64>().ok())
            .unwrap_or_default()
    };
    eventually_within(
        Duration::from_secs(10),
        "the flood's room is full",
        async || {
            let held = held().await;
            when(held >= 800, held)
        },
    )
    .await;
    let calm = join_all((0..5).map(|_| sidecar.get("/function/calm/"))).await;
    for answer in calm {
        assert!(answer.expect(200).was_cold());
    }
    assert!(
        held().await >= 700,
        "the flood was over before the calm call"
    );
    let mut codes = BTreeMap::<String, usize>::new();
    for answer in flood {
        let answer = answer.await.unwrap();
        let code = answer.json()["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        *codes.entry(code).or_default() += 1;
    }
    let expected = [
        ("deadline_exceeded".to_owned(), 800),
        ("overflow".to_owned(), 800),
    ];
    assert_eq!(codes, BTreeMap::from(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_10_bad_resource_is_refused_by_itself_and_the_last_good_one_stays() {
    let setup = Setup {
        sidecars: 0,
        ..Setup::default()
    };
    let mut cluster = Cluster::start(setup).await;
    let server = FakeServer::start().await;
    let sidecar = cluster.sidecar_of(&server);
    cluster.sidecars.push(sidecar);
    let mark = cluster.mark().to_owned();
    let function = |name: &str, revision: &str| {
        fake_server::function(name, revision, &[("TEST_CLUSTER", &mark)])
    };
    let acked = async |version: u64| {
        eventually("the sidecar acknowledges", async || {
            let (acked, rejections) = server.acked();
            if acked >= version {
                Ok(rejections)
            } else {
                Err(acked)
            }
        })
        .await
    };
    let version = server.push(&[
        function("good", "good-00001"),
        function("other", "other-00001"),
    ]);
    assert_eq!(acked(version).await, []);
    let caller = cluster.sidecars[0].public();
    caller.get("/function/good/").await.expect(200);

    let mut bad = function("good", "good-00002");
    bad.revisions[0].scaling.as_mut().unwrap().target = -1.0;
    let version = server.push(&[bad, function("other", "other-00002")]);
    let rejections = acked(version).await;
    assert_eq!(rejections.len(), 1, "{rejections:?}");
    assert_eq!(rejections[0].resource, "functions/default/good");
    assert!(rejections[0].reason.contains("target"), "{rejections:?}");
    let revision = async |name: &str| {
        let answer = Caller::new(caller.base.clone())
            .get(&format!("/function/{name}/env"))
            .await
            .expect(200);
        answer.json()["K_REVISION"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(revision("good").await, "good-00001");
    assert_eq!(revision("other").await, "other-00002");
    // Also over a restart, when all comes in one snapshot.
    cluster.saved("good-00001").await;
    cluster.sidecars[0].restart();
    assert_eq!(revision("good").await, "good-00001");
    let again = eventually("it has the snapshot", async || {
        let name = revision("other").await;
        if name == "other-00002" {
            Ok(name)
        } else {
            Err(name)
        }
    });
    again.await;
    assert_eq!(revision("good").await, "good-00001");
}
