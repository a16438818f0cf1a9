//! What deaths, floods and strangers do to a running cluster: nothing a caller must see.
//!
//! Deliberately no invariant of its own; those are in `invariants`, with their numbers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use gateless_tests::wait::when;
use gateless_tests::{Cluster, Load, Spec, eventually, instances};
use http::Method;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket};

#[tokio::test(flavor = "multi_thread")]
async fn killed_sidecar_adopts_its_instances_and_orphans_none() {
    let mut cluster = Cluster::small().await;
    cluster.deploy("keep", Spec::new()).await;
    // One that does not listen to SIGTERM ends all the same.
    cluster
        .deploy(
            "deaf",
            Spec::new()
                .env("IGNORE_SIGTERM", "1")
                .with("process/stop_grace_ms", 300),
        )
        .await;
    let caller = cluster.sidecars[0].public();
    cluster.saved("keep-00001").await;
    cluster.saved("deaf-00001").await;
    let pid = caller.get("/function/keep/").await.expect(200).pid();
    caller.get("/function/deaf/").await.expect(200);
    for _ in 0..2 {
        cluster.sidecars[0].kill();
        assert!(instances::is_alive(pid));
        cluster.sidecars[0].start();
        let again = cluster.sidecars[0]
            .public()
            .get("/function/keep/")
            .await
            .expect(200);
        assert_eq!(again.pid(), pid, "another instance was started");
    }
    assert_eq!(cluster.started(), 2);
    let status = cluster.sidecars[0]
        .process
        .take()
        .unwrap()
        .terminate(Duration::from_secs(30));
    assert!(status.success(), "{status}");
    assert_eq!(cluster.instances(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn instance_killed_under_load_takes_no_other_call_with_it() {
    let cluster = Cluster::of(2).await;
    let spec = Spec::new()
        .concurrency(2)
        .scale(2, 6)
        .with("scaling/initial_scale", 2);
    cluster
        .deploy("app", spec.with("retries/budget_percent", 100))
        .await;
    let callers: Vec<_> = cluster.sidecars.iter().map(|s| s.public()).collect();
    let path = "/function/app/sleep?ms=20";
    let gets = Load::start(&Method::GET, &callers, path, 2);
    let posts = Load::start(&Method::POST, &callers, path, 2);
    let mut killed = BTreeSet::new();
    for _ in 0..3 {
        gets.more(40).await;
        let victim = cluster
            .instances()
            .into_iter()
            .find(|i| !killed.contains(&i.pid))
            .unwrap();
        instances::kill(victim.pid, Signal::KILL);
        killed.insert(victim.pid);
    }
    gets.more(40).await;
    for outcome in gets.stop().await {
        assert!(outcome.is_ok(), "an idempotent call was lost: {outcome:?}");
    }
    let seen = cluster.seen();
    let mut lost = 0;
    for outcome in posts.stop().await.iter().filter(|outcome| !outcome.is_ok()) {
        let answer = outcome.answer.clone().unwrap();
        let text = answer.problem(502, "instance_failed").text().to_owned();
        // In a killed instance, or in its socket, unread: never in one that lives.
        let elsewhere = seen
            .iter()
            .find(|s| s.id == outcome.id && !killed.contains(&s.pid));
        assert!(elsewhere.is_none(), "{} was lost: {text}", outcome.id);
        lost += 1;
    }
    let inside = 2 * killed.len();
    assert!(lost <= inside, "{lost} calls lost, {inside} were inside");
}

#[tokio::test(flavor = "multi_thread")]
async fn function_goes_to_zero_and_comes_back() {
    let cluster = Cluster::small().await;
    cluster.deploy("nap", Spec::new().short_window()).await;
    let caller = cluster.sidecars[0].public();
    let first = caller.get("/function/nap/").await.expect(200).pid();
    eventually("nothing runs", async || {
        let running = cluster.instances();
        when(running.is_empty(), running)
    })
    .await;
    let again = caller.get("/function/nap/").await.expect(200);
    assert!(again.was_cold());
    assert_ne!(again.pid(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn burst_scales_up_and_scales_down_again_without_a_loss() {
    let cluster = Cluster::of(2).await;
    cluster
        .deploy("app", Spec::new().concurrency(1).short_window())
        .await;
    let callers: Vec<_> = cluster.sidecars.iter().map(|s| s.public()).collect();
    let burst = join_all((0..10).map(|n| {
        let caller = callers[n % 2].clone();
        async move {
            caller
                .get("/function/app/sleep?ms=4000")
                .await
                .expect(200)
                .pid()
        }
    }));
    let pids: BTreeSet<u32> = burst.await.into_iter().collect();
    assert!(
        pids.len() >= 8,
        "10 calls of 4 s shared {} instances",
        pids.len()
    );
    let load = Load::start(&Method::POST, &callers[..1], "/function/app/sleep?ms=5", 1);
    eventually("few are left", async || {
        let running = cluster.instances().len();
        when(running <= 3, running)
    })
    .await;
    load.more(20).await;
    let outcomes = load.stop().await;
    for outcome in &outcomes {
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(cluster.times_seen(&outcome.id), 1);
        if outcomes.len() > 2_000 {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_host_under_load_takes_only_its_own_calls_with_it() {
    let mut cluster = Cluster::of(3).await;
    let spec = Spec::new()
        .concurrency(4)
        .scale(3, 0)
        .with("scaling/initial_scale", 3);
    cluster
        .deploy("app", spec.with("retries/budget_percent", 100))
        .await;
    let callers: Vec<_> = cluster.sidecars[..1].iter().map(|s| s.public()).collect();
    let load = Load::start(&Method::GET, &callers, "/function/app/sleep?ms=10", 8);
    for index in [1, 2] {
        load.more(100).await;
        cluster.sidecars[index].kill();
        load.more(100).await;
        cluster.sidecars[index].start();
        cluster.meshed().await;
    }
    load.more(100).await;
    for outcome in load.stop().await {
        assert!(outcome.is_ok(), "an idempotent call was lost: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_comes_back_is_heard_again() {
    let mut cluster = Cluster::of(2).await;
    cluster.deploy("app", Spec::new().env("V", "1")).await;
    for round in 2..4 {
        cluster.kill_server();
        let caller = cluster.sidecars[0].public();
        caller.get("/function/app/").await.expect(200);
        cluster.start_server();
        let version = round.to_string();
        cluster.deploy("app", Spec::new().env("V", &version)).await;
        for sidecar in &cluster.sidecars {
            let seen = sidecar.public().get("/function/app/env").await.expect(200);
            assert_eq!(seen.json()["V"], version);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_slow_clients_harm_no_listener() {
    let cluster = Cluster::small().await;
    cluster.deploy("app", Spec::new()).await;
    let server = cluster.server.as_ref().unwrap();
    let sidecar = &cluster.sidecars[0];
    let plain = |name: &str| {
        let address = server.address(name);
        address.split("://").last().unwrap().to_owned()
    };
    let mut listeners: Vec<String> = ["public", "local", "peer"]
        .map(|n| sidecar.address(n))
        .into();
    listeners.extend(["api", "grpc"].map(plain));
    let garbage: [Vec<u8>; 6] = [
        (0..=255).cycle().take(100_000).collect(),
        vec![0; 4_096],
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello"
            .to_vec(),
        b"POST /function/app/ HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
            .to_vec(),
        [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'a'; 2_000_000]].concat(),
        [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            vec![0xff; 5_000],
        ]
        .concat(),
    ];
    // Kept open until the end: half a head, and one byte of a body.
    let mut slow = Vec::new();
    for listener in &listeners {
        for bytes in &garbage {
            let mut stream = TcpStream::connect(listener).await.unwrap();
            // It may hang up at any byte.
            stream.write_all(bytes).await.ok();
        }
        for start in [
            "GET /function/app/ HT",
            "POST /function/app/length HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx",
        ] {
            for _ in 0..20 {
                let mut stream = TcpStream::connect(listener).await.unwrap();
                stream.write_all(start.as_bytes()).await.unwrap();
                slow.push(stream);
            }
        }
    }
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for bytes in &garbage {
        let part = &bytes[..bytes.len().min(1_400)];
        udp.send_to(part, sidecar.address("gossip")).await.unwrap();
    }
    for caller in [sidecar.public(), sidecar.local()] {
        caller.get("/function/app/").await.expect(200);
        caller.h2c().get("/function/app/").await.expect(200);
    }
    cluster.deploy("after", Spec::new()).await;
    sidecar.public().get("/function/after/").await.expect(200);
    drop(slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn stranger_of_another_authority_gets_nothing() {
    let cluster = Cluster::of(2).await;
    cluster.deploy("app", Spec::new()).await;
    let stranger = cluster.stranger();
    let id = stranger.node();
    // Served by the cluster as if it were not there, also what it would own.
    for n in 0..4 {
        let name = format!("app-{n}");
        cluster.deploy(&name, Spec::new()).await;
        let caller = cluster.sidecars[n % 2].public();
        caller.get(&format!("/function/{name}/")).await.expect(200);
    }
    let refused = stranger.public().get("/function/app/").await;
    // It cannot know what there is.
    refused.problem(503, "catalogue_unknown");
    let list = cluster.api.get("/sidecars").await;
    let known = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .any(|s| s["node_id"] == id.as_str());
    assert!(!known, "{list:#}");
    assert!(
        cluster
            .instances()
            .iter()
            .all(|instance| instance.node != id)
    );
    let text = cluster.sidecars[0].metrics().await;
    assert!(
        text.contains("gateless_members 2\n"),
        "the stranger is a member"
    );
}

/// Two sidecars, and a function whose one instance is on the second.
async fn there_only(name: &str) -> Cluster {
    let cluster = Cluster::of(2).await;
    let node = cluster.sidecars[0].node();
    let api = &cluster.api;
    let path = format!("/sidecars/{node}");
    api.send(Method::POST, &format!("{path}/drain"), None).await;
    cluster.deploy(name, Spec::new()).await;
    let there = cluster.sidecars[1].public();
    let path_of = format!("/function/{name}/");
    there.get(&path_of).await.expect(200);
    cluster.sidecars[0].public().get(&path_of).await.expect(200);
    api.send(Method::POST, &format!("{path}/resume"), None)
        .await;
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_12_call_at_a_silent_host_is_given_up_and_made_elsewhere_if_it_may_be() {
    let cluster = there_only("app").await;
    let caller = cluster.sidecars[0].public();
    let path = "/function/app/sleep?ms=1500";
    let begin = |method: Method, id: &str| {
        let request = caller.request(method, path).header("x-test-id", id);
        tokio::spawn(gateless_tests::call::send(request))
    };
    let (get, post) = (begin(Method::GET, "get"), begin(Method::POST, "post"));
    eventually("both are there", async || {
        let seen = cluster.times_seen("get") + cluster.times_seen("post");
        when(seen == 2, seen)
    })
    .await;
    // Its kernel goes on, so nothing is reset and everything is acknowledged.
    let silent = cluster.sidecars[1].process.as_ref().unwrap();
    silent.signal(Signal::STOP);
    let (get, post) = (get.await.unwrap(), post.await.unwrap());
    silent.signal(Signal::CONT);
    let get = get.unwrap().expect(200);
    assert_eq!(get.node(), cluster.sidecars[0].node());
    post.unwrap().problem(502, "upstream_lost");
    assert_eq!(cluster.times_seen("post"), 1);
}
