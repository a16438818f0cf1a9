//! Callers that stop in the middle: that read nothing, send half a body, or send so little that it never ends.
//!
//! What they took is free again when the bounds of their own call say so, whoever waits for it. Deliberately
//! nothing of connections without a call; those are in `doors`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::time::Duration;

use gateless_tests::call::send;
use gateless_tests::fsync_gate::FsyncGate;
use gateless_tests::{Caller, Cluster, Load, Spec};
use http::Method;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// More than every buffer on the way takes.
const ENDLESS: &str = "/chunks?n=3200&size=65536";

/// Far above every deadline here.
const WITHIN: Duration = Duration::from_secs(15);

/// One place in all.
fn single() -> Spec {
    Spec::new().concurrency(1).scale(1, 1)
}

/// Asks for an answer it does not read, through as small a window as there is.
async fn deaf(address: &str, path: &str, header: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{header}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Everything that still comes, until the connection ends however it does.
async fn drain(stream: &mut TcpStream) -> usize {
    let (mut all, mut piece) = (0, vec![0; 64 << 10]);
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        all += count;
    }
    all
}

async fn expect_free(caller: &Caller, function: &str) {
    let path = format!("/function/{function}/");
    caller.get(&path).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn caller_that_reads_nothing_is_broken_off_at_the_deadline() {
    let cluster = Cluster::of(2).await;
    cluster.deploy("timed", single()).await;
    let silent = single()
        .with("limits/timeout_ms", 0)
        .with("limits/idle_timeout_ms", 1_000);
    cluster.deploy("silent", silent).await;
    // Those who wait for the place have more time than who has it.
    for (function, name) in [("timed", "x-gateless-timeout-ms"), ("silent", "x-other")] {
        for entrance in &cluster.sidecars {
            let path = format!("/function/{function}{ENDLESS}");
            let header = format!("{name}: 1500");
            let mut stream = deaf(&entrance.address("public"), &path, &header).await;
            // It has begun: whoever comes now waits for the place.
            assert!(stream.read_u8().await.is_ok());
            expect_free(&entrance.public(), function).await;
            assert!(drain(&mut stream).await < 100 << 20);

            let h2 = entrance.public().h2c();
            let unread = h2.request(Method::GET, &path).header(name, "1500");
            let unread = unread.send().await.unwrap();
            expect_free(&entrance.public(), function).await;
            assert!(unread.bytes().await.is_err());
            // The connection is as good as before for others on it.
            expect_free(&h2, function).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_is_idle_when_neither_side_sends() {
    let cluster = Cluster::small().await;
    let spec = Spec::new().with("limits/idle_timeout_ms", 2_000);
    cluster.deploy("talk", spec).await;
    let caller = cluster.sidecars[0].public();

    // Bytes go up, none come down: not idle.
    let pieces = futures_util::stream::unfold(0, |at| async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        (at < 6).then_some((Ok::<_, std::io::Error>(vec![b'x'; 10]), at + 1))
    });
    let upload = caller.request(Method::POST, "/function/talk/drain");
    let upload = upload.body(reqwest::Body::wrap_stream(pieces));
    let answer = send(upload).await.unwrap().expect(200);
    assert_eq!(answer.text(), "begun\n60 bytes\n");

    let silent = caller.request(Method::GET, "/function/talk/sse?n=2&ms=60000");
    let silent = silent.send().await.unwrap();
    assert_eq!(silent.status(), 200);
    assert!(silent.bytes().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_small_body_takes_no_place() {
    let cluster = Cluster::of(2).await;
    cluster.deploy("one", single()).await;
    for entrance in &cluster.sidecars {
        let mut stalled = TcpStream::connect(entrance.address("public"))
            .await
            .unwrap();
        let head =
            "POST /function/one/length HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf";
        stalled.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..3 {
            expect_free(&entrance.public(), "one").await;
        }
        // What comes late is a call like any other.
        stalled.write_all(&[b'x'; 96]).await.unwrap();
        let mut answer = [0; 12];
        stalled.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_11_a_deadline_holds_whoever_stalls() {
    let cluster = Cluster::of(2).await;
    cluster.deploy("slow", single()).await;
    let host = {
        let answer = cluster.sidecars[0].public().get("/function/slow/").await;
        let host = cluster
            .sidecars
            .iter()
            .position(|s| s.node() == answer.node());
        host.unwrap()
    };
    // The function stalls, seen from both sides of the way to it.
    for entrance in &cluster.sidecars {
        let call = entrance
            .public()
            .request(Method::POST, "/function/slow/sleep?ms=60000")
            .header("x-gateless-timeout-ms", "1000");
        let answer = tokio::time::timeout(WITHIN, send(call)).await.unwrap();
        answer.unwrap().problem(504, "deadline_exceeded");
    }
    // The caller stalls, in the middle of its body.
    let mut caller = TcpStream::connect(cluster.sidecars[0].address("public"))
        .await
        .unwrap();
    let head = "POST /function/slow/length HTTP/1.1\r\nhost: x\r\nx-gateless-timeout-ms: 1000\r\ncontent-length: 100\r\n\r\nhalf";
    caller.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    let read = caller.read_exact(&mut answer);
    tokio::time::timeout(WITHIN, read).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 504");
    // The host stalls, with the call inside.
    let frozen = cluster.sidecars[host].process.as_ref().unwrap();
    let other = cluster.sidecars[1 - host].public();
    frozen.signal(Signal::STOP);
    let call = other
        .request(Method::POST, "/function/slow/")
        .header("x-gateless-timeout-ms", "3000");
    let answer = tokio::time::timeout(WITHIN, send(call)).await;
    frozen.signal(Signal::CONT);
    let answer = answer.unwrap().unwrap();
    // Another host may have taken over in time.
    let another = answer.status == 200 && answer.node() != cluster.sidecars[host].node();
    assert!(
        another || [502, 503, 504].contains(&answer.status),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_that_stalls_takes_no_call_to_keep_and_stops_no_other() {
    let mut cluster = Cluster::small().await;
    cluster.deploy("job", Spec::new()).await;
    let gate = FsyncGate::before_queue(&mut cluster).await;
    let caller = cluster.sidecars[0].public();
    let path = "/async-function/job/";
    let before = caller.try_post(path, "before", Vec::new()).await;
    let before = before.unwrap().expect(202);
    assert_eq!(caller.ended(before.header("x-call-id")).await, "succeeded");
    gate.close();
    let kept = (0..5).map(|n| {
        let (caller, id) = (caller.clone(), format!("stalled-{n}"));
        tokio::spawn(async move { caller.try_post(path, &id, Vec::new()).await })
    });
    let kept: Vec<_> = kept.collect();
    let others = std::slice::from_ref(&caller);
    let sync = Load::start(&Method::POST, others, "/function/job/", 2);
    // Its bound is its own: the client here waits for twice as long.
    for call in kept {
        let answer = call.await.unwrap().unwrap();
        let refused = answer.problem(503, "queue_unavailable");
        assert!(refused.text().contains("disk"), "{}", refused.text());
        assert_eq!(refused.header("x-call-id"), "");
    }
    assert!(gate.was_hit(), "nothing was synced at all");
    // Calls that need no disk went on all the while, and do.
    sync.more(50).await;
    for outcome in sync.stop().await {
        assert!(outcome.is_ok(), "{outcome:?}");
    }
    gate.open();
    let after = gateless_tests::eventually("the queue takes calls again", async || {
        let answer = caller.try_post(path, "after", Vec::new()).await;
        answer.ok().filter(|a| a.status == 202).ok_or("none")
    });
    let after = after.await;
    assert_eq!(caller.ended(after.header("x-call-id")).await, "succeeded");
}
