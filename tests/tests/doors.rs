//! Connections without a call, at every port of a sidecar and of the server: silent, cut off in the middle of a head, idle,
//! too many, and those there are when a process ends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gateless_tests::wait::{eventually, when};
use gateless_tests::{Cluster, Spec};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// `GET /` as stream 1, and a block of headers that goes on in frames that do not come.
const GET: &[u8] = &[0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84];
const UNFINISHED: &[u8] = &[0, 0, 3, 1, 1, 0, 0, 0, 1, 0x82, 0x86, 0x84];
/// Above the 10 s that a head has.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

/// Every port of both, by its name.
fn ports(cluster: &Cluster) -> Vec<(&'static str, String)> {
    let sidecar = &cluster.sidecars[0];
    let server = cluster.server.as_ref().unwrap();
    let plain = |name| {
        let address = server.address(name);
        address.split("://").last().unwrap().to_owned()
    };
    let mut ports: Vec<_> = ["public", "local", "peer", "metrics"]
        .into_iter()
        .map(|name| (name, sidecar.address(name)))
        .collect();
    ports.extend([("api", plain("api")), ("grpc", plain("grpc"))]);
    ports
}

/// Connections of this process need descriptors, too.
fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
}

async fn said(address: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// What came until the other end closed the connection, however it did.
async fn until_closed(mut stream: TcpStream) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let read = async {
        let mut piece = [0; 4_096];
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            all.extend_from_slice(&piece[..count]);
        }
    };
    let closed = tokio::time::timeout(CLOSED_WITHIN, read).await;
    closed.ok().map(|()| all)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_port_waits_for_a_head_that_does_not_come() {
    let cluster = Cluster::small().await;
    let again = b"GET /_gateless/livez HTTP/1.1\r\nhost: x\r\n\r\n";
    let beginnings: [(&str, Vec<u8>); 9] = [
        ("nothing", Vec::new()),
        ("one letter", b"P".to_vec()),
        ("half a preface", b"PRI * HTTP/2.0".to_vec()),
        ("a preface", PREFACE.to_vec()),
        ("settings", [PREFACE, SETTINGS].concat()),
        ("half of settings", [PREFACE, &SETTINGS[..5]].concat()),
        (
            "half a block of headers",
            [PREFACE, SETTINGS, UNFINISHED].concat(),
        ),
        ("half a head", b"GET / HTTP/1.1\r\nhost: ".to_vec()),
        (
            "a call and half of another",
            [PREFACE, SETTINGS, GET, &GET[..4]].concat(),
        ),
    ];
    let mut closed = JoinSet::new();
    for (port, address) in ports(&cluster) {
        for (what, bytes) in beginnings.clone() {
            let address = address.clone();
            closed.spawn(async move {
                let stream = said(&address, &bytes).await;
                (port, what, until_closed(stream).await.is_some())
            });
        }
        // And one that never stops.
        closed.spawn(async move {
            let mut stream = said(&address, again).await;
            let writing = async {
                stream.write_all(b"GET / HTTP/1.1\r\n").await?;
                for n in 0.. {
                    stream.write_all(format!("x-{n}: y\r\n").as_bytes()).await?;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Ok::<_, io::Error>(())
            };
            let closed = tokio::time::timeout(CLOSED_WITHIN, writing).await.is_ok();
            (port, "a trickle", closed)
        });
    }
    let all = closed.join_all().await;
    let open: Vec<_> = all.iter().filter(|(_, _, closed)| !closed).collect();
    assert!(
        open.is_empty(),
        "still open after {CLOSED_WITHIN:?}: {open:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_at_one_port_takes_no_port() {
    raise_limit();
    let mut cluster = Cluster::small().await;
    let most = ("GATELESS_MAX_CONNECTIONS".to_owned(), "200".to_owned());
    let sidecar = &mut cluster.sidecars[0];
    sidecar.env.push(most);
    sidecar.restart();
    cluster.settled().await;
    cluster.deploy("calm", Spec::new().scale(1, 1)).await;
    let pid = cluster.sidecars[0].process.as_ref().unwrap().pid();
    let of_sidecar = || {
        std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .count()
    };
    let before = of_sidecar();
    let mut silent = Vec::new();
    for (_, address) in ports(&cluster)
        .into_iter()
        .filter(|(name, _)| *name == "public")
    {
        for _ in 0..1_000 {
            silent.push(said(&address, b"GET / HT").await);
        }
    }
    let during = of_sidecar();
    assert!(during < before + 400, "{before} descriptors, then {during}");
    for caller in [cluster.sidecars[0].public(), cluster.sidecars[0].local()] {
        caller.get("/function/calm/").await.expect(200);
    }
    cluster.api.get("/sidecars").await;
    for (port, address) in ports(&cluster) {
        let mut stream = said(
            &address,
            b"GET /_gateless/livez HTTP/1.1\r\nhost: x\r\n\r\n",
        )
        .await;
        // Where TLS is spoken, what is said in clear is answered with an alert (RFC 8446, 5.1 and 6).
        let expected: &[u8] = match port {
            "peer" | "grpc" => &[21],
            _ => b"HTTP/1.1",
        };
        let mut answer = vec![0; expected.len()];
        let read = stream.read_exact(&mut answer);
        let read = tokio::time::timeout(CLOSED_WITHIN, read).await;
        read.unwrap_or_else(|_| panic!("{port} answers nothing"))
            .unwrap();
        assert_eq!(answer, expected, "{port}");
    }
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_that_was_accepted_is_lost_at_the_end() {
    let mut cluster = Cluster::small().await;
    cluster.deploy("last", Spec::new().scale(1, 2)).await;
    cluster.sidecars[0]
        .public()
        .get("/function/last/")
        .await
        .expect(200);
    let address = cluster.sidecars[0].address("public");
    // A connection that carries another protocol, and lives until it is done.
    let upgrade = b"GET /function/last/ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let mut upgraded = said(&address, upgrade).await;
    let mut head = vec![0; 4_096];
    let length = upgraded.read(&mut head).await.unwrap();
    assert!(head[..length].starts_with(b"HTTP/1.1 101"));
    let mut callers = JoinSet::new();
    let all_answered = Arc::new(AtomicUsize::new(0));
    for _ in 0..8 {
        let (address, all_answered) = (address.clone(), all_answered.clone());
        callers.spawn(async move {
            let mut answered = 0;
            loop {
                let mut stream = match TcpStream::connect(&address).await {
                    Ok(stream) => stream,
                    Err(refused) => {
                        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
                        return;
                    }
                };
                let call = b"GET /function/last/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
                let mut answer = Vec::new();
                let exchange = async {
                    stream.write_all(call).await?;
                    stream.read_to_end(&mut answer).await
                };
                exchange.await.unwrap();
                let text = String::from_utf8_lossy(&answer);
                assert!(text.starts_with("HTTP/1.1 200"), "after {answered}: {text}");
                answered += 1;
                all_answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    eventually("calls are answered", async || {
        let answered = all_answered.load(Ordering::Relaxed);
        when(answered > 50, answered)
    })
    .await;
    let process = cluster.sidecars[0].process.as_mut().unwrap();
    process.signal(Signal::TERM);
    callers.join_all().await;
    upgraded.write_all(b"still here").await.unwrap();
    let mut echo = [0; 10];
    upgraded.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"still here");
    drop(upgraded);
    let status = process.wait_for_end(Duration::from_secs(20));
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_bodies_cost_what_their_function_may_have_and_no_other() {
    raise_limit();
    let cluster = Cluster::small().await;
    for name in ["flooded", "other", "waiting"] {
        cluster.deploy(name, Spec::new()).await;
    }
    let trigger = serde_json::json!({
        "kind": "queue",
        "function": "waiting",
        "queue": {"topic": "wanted"},
    });
    cluster.trigger("wanted", trigger).await;
    let sidecar = &cluster.sidecars[0];
    let caller = sidecar.public();
    eventually("the topic is known", async || {
        let path = "/_gateless/topics/wanted";
        let answer = caller.try_post(path, "probe", b"x".to_vec()).await.unwrap();
        when(answer.json()["accepted"] == 1, answer.text())
    })
    .await;
    let pid = sidecar.process.as_ref().unwrap().pid();
    let before = resident(pid);
    let half = vec![b'x'; 3 << 20];
    let mut stalled = JoinSet::new();
    for path in [
        "/async-function/flooded/",
        "/async-function/unknown/",
        "/_gateless/topics/wanted",
        "/_gateless/topics/unknown",
        "/_gateless/events/unknown",
    ] {
        for _ in 0..200 {
            let (address, half) = (sidecar.address("public"), half.clone());
            stalled.spawn(async move {
                let head = format!(
                    "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
                    6 << 20
                );
                let mut stream = said(&address, head.as_bytes()).await;
                // Who is refused is told so, and need not send on.
                stream.write_all(&half).await.ok();
                stream
            });
        }
    }
    // Whoever is not admitted is answered before its body has come.
    let streams = stalled.join_all().await;
    let grown = resident(pid).saturating_sub(before);
    assert!(grown < 400 << 20, "{} MiB more", grown >> 20);
    for path in ["/async-function/other/", "/async-function/waiting/"] {
        let body = vec![b'y'; 1 << 20];
        let answer = caller.try_post(path, "other", body).await.unwrap();
        answer.expect(202);
    }
    drop(streams);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_16_what_is_not_admitted_is_refused_by_its_head_alone() {
    let cluster = Cluster::small().await;
    let hidden = Spec::new().with("visibility", "cluster_only");
    cluster.deploy("hidden", hidden).await;
    let full = Spec::new()
        .concurrency(1)
        .scale(1, 1)
        .with("async/max_queued", 1)
        .with("async/max_in_flight", 1);
    cluster.deploy("full", full).await;
    let caller = cluster.sidecars[0].public();
    let path = "/async-function/full/sleep?ms=60000";
    eventually("its queue is full", async || {
        let answer = caller.try_post(path, "filler", Vec::new()).await.unwrap();
        when(answer.status == 429, answer.text())
    })
    .await;
    let before = cluster.seen().len();
    for (path, status) in [
        ("/function/hidden/", "403"),
        ("/async-function/hidden/", "403"),
        ("/function/unknown/", "404"),
        ("/async-function/unknown/", "404"),
        ("/async-function/full/", "429"),
        ("/_gateless/topics/unknown", "202"),
    ] {
        // Not a byte of the body comes, now or later.
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 6000000\r\n\r\n");
        let mut stream = said(&cluster.sidecars[0].address("public"), head.as_bytes()).await;
        let mut answer = [0; 12];
        let read = stream.read_exact(&mut answer);
        let read = tokio::time::timeout(Duration::from_secs(10), read).await;
        read.unwrap_or_else(|_| panic!("{path} waits for its body"))
            .unwrap();
        assert_eq!(answer, *format!("HTTP/1.1 {status}").as_bytes(), "{path}");
    }
    assert_eq!(
        cluster.seen().len(),
        before,
        "a function saw what was refused"
    );
}

/// Bytes of memory a process has.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib << 10
}
