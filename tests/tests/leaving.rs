//! Callers that leave: while they wait, while the function works, in the middle of its answer.
//!
//! A place is free when the function is through, and not before; who left keeps no place in the hold, and no function is
//! called for it. Deliberately nothing of callers that stay and stall; those
//! are in `stalls`.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::time::Duration;

use futures_util::future::join_all;
use gateless_tests::call::send;
use gateless_tests::wait::when;
use gateless_tests::{Caller, Cluster, Spec, eventually, eventually_within};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a function works for a caller that does not wait for it.
const WORK: Duration = Duration::from_millis(1_500);
const PATIENCE: Duration = Duration::from_millis(400);

/// One place in all.
fn single() -> Spec {
    Spec::new().concurrency(1).scale(1, 1)
}

/// One way to leave.
#[derive(Debug, Clone, Copy)]
struct Way {
    protocol: &'static str,
    /// Which sidecar is called.
    entrance: usize,
    h2: bool,
    method: &'static str,
    /// The answer has begun.
    begun: bool,
}

fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    for protocol in ["http1", "h2c"] {
        for entrance in 0..2 {
            for h2 in [false, true] {
                for (method, begun) in [("GET", false), ("POST", false), ("POST", true)] {
                    ways.push(Way {
                        protocol,
                        entrance,
                        h2,
                        method,
                        begun,
                    });
                }
            }
        }
    }
    ways
}

impl Way {
    fn name(&self) -> String {
        let Self {
            protocol,
            entrance,
            h2,
            method,
            begun,
        } = self;
        let name = format!("{protocol}-{entrance}-{h2}-{method}-{begun}");
        name.to_lowercase()
    }

    fn caller(&self, cluster: &Cluster) -> Caller {
        let caller = cluster.sidecars[self.entrance].public();
        // A client of its own: to leave is to close the connection, or to reset the stream.
        match self.h2 {
            true => caller.h2c(),
            false => caller.once(Duration::from_secs(60)),
        }
    }

    /// Calls and leaves, then calls again; whether the same instance answered, and the most that were ever inside.
    async fn leave(self, cluster: &Cluster) -> (bool, u64) {
        let name = self.name();
        let caller = self.caller(cluster);
        let warm = caller.get(&format!("/function/{name}/")).await;
        let warm = warm.expect(200).pid();
        let (ms, begin) = (WORK.as_millis(), u8::from(self.begun));
        let path = format!("/function/{name}/work?ms={ms}&begin={begin}");
        let request = caller.request(self.method.parse().unwrap(), &path);
        let request = match self.method {
            "POST" => request.body("four"),
            _ => request,
        };
        let answer = tokio::time::timeout(PATIENCE, async {
            let mut answer = request.send().await.unwrap();
            assert!(answer.chunk().await.unwrap().is_some());
            answer.chunk().await
        });
        assert!(answer.await.is_err(), "{name} did not wait");
        let stats = caller.get(&format!("/function/{name}/stats")).await;
        let stats = stats.expect(200);
        (stats.pid() == warm, stats.json()["most"].as_u64().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_15_permit_goes_back_when_the_function_is_done() {
    let cluster = Cluster::of(2).await;
    for way in ways() {
        let spec = single().with("protocol", way.protocol);
        cluster.deploy(&way.name(), spec).await;
    }
    let left = ways().into_iter().map(async |way| {
        let (same, most) = way.leave(&cluster).await;
        // It begins when the first is through, and not when the instance was replaced.
        (way, same, most, same && most == 1)
    });
    let left = join_all(left).await;
    let wrong: Vec<_> = left.iter().filter(|(.., kept)| !kept).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_run_out_of_time_are_inside_until_they_are_done() {
    let cluster = Cluster::of(2).await;
    for (name, protocol) in [("one", "http1"), ("two", "h2c")] {
        let spec = single().with("protocol", protocol);
        let spec = spec.with("async/attempt_timeout_ms", 300);
        cluster
            .deploy(name, spec.with("async/max_attempts", 3))
            .await;
        let caller = cluster.sidecars[0].public();
        let path = format!("/async-function/{name}/work?ms=1000");
        let accepted = caller.try_post(&path, "slow", vec![]).await.unwrap();
        let id = accepted.expect(202).header("x-call-id").to_owned();
        assert_eq!(caller.ended(&id).await, "dead");
        let stats = caller.get(&format!("/function/{name}/stats")).await;
        assert_eq!(stats.expect(200).json()["most"], 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instance_that_does_not_end_a_call_in_time_is_replaced() {
    let cluster = Cluster::of(2).await;
    for (name, protocol) in [("one", "http1"), ("two", "h2c")] {
        let spec = Spec::new().concurrency(2).scale(1, 1);
        let spec = spec
            .with("protocol", protocol)
            .with("limits/timeout_ms", 1_000);
        cluster.deploy(name, spec).await;
        for sidecar in &cluster.sidecars {
            let caller = sidecar.public();
            let root = format!("/function/{name}/");
            let before = caller.get(&root).await.expect(200).pid();
            let stuck = caller.get(&format!("{root}work?ms=60000")).await;
            stuck.problem(504, "deadline_exceeded");
            // Others go on in it until it is replaced, and those that are inside then come to their end.
            let until_replaced = async || {
                let path = format!("{root}work?ms=300");
                let answer = send(caller.request(Method::GET, &path)).await.unwrap();
                when(answer.expect(200).pid() != before, before)
            };
            let what = format!("another instance of {name}");
            eventually_within(Duration::from_secs(20), &what, until_replaced).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upgraded_connection_is_inside_until_the_function_closes_it() {
    let cluster = Cluster::of(2).await;
    cluster.deploy("talk", single()).await;
    for sidecar in &cluster.sidecars {
        let mut stream = TcpStream::connect(sidecar.address("public")).await.unwrap();
        let head = "GET /function/talk/ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer[9..], b"101");
        let busy = sidecar.public().request(Method::GET, "/function/talk/");
        let busy = send(busy.header("x-gateless-timeout-ms", "300")).await;
        busy.unwrap().problem(504, "deadline_exceeded");
        drop(stream);
        sidecar.public().get("/function/talk/").await.expect(200);
    }
}

/// How many may wait.
const HELD: usize = 6;

/// A call with a body of which only a part comes, and that part is not read while the call waits.
async fn held(address: &str, function: &str, size: usize, chunked: bool) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = match chunked {
        false => "content-length: 1000000",
        true => "transfer-encoding: chunked",
    };
    let head = format!(
        "POST /function/{function}/length HTTP/1.1\r\nhost: x\r\nx-test-id: left\r\n{head}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"1000\r\n".as_slice(), &[b'x'; 4096], b"\r\n"].concat();
    for _ in 0..size / chunk.len() {
        stream.write_all(&chunk).await.unwrap();
    }
    stream
}

/// Fills the hold of a function, of which the only place is taken, with calls of which so much has come; they leave.
async fn fill_and_leave(cluster: &Cluster, at: usize, function: &str, size: usize) {
    let sidecar = &cluster.sidecars[at];
    let (caller, root) = (sidecar.public(), format!("/function/{function}/"));
    caller.get(&root).await.expect(200);
    let (work, path) = (format!("{root}work?ms=9000"), format!("{root}length"));
    let id = format!("inside-{function}");
    let inside = caller.try_get(&work, &id);
    let outside = async {
        eventually("it has its place before the others come", async || {
            let seen = cluster.times_seen(&id);
            when(seen == 1, seen)
        })
        .await;
        let (address, mut streams, mut wanted) = (sidecar.address("public"), Vec::new(), HELD);
        let status_of_another = async || {
            let request = caller.request(Method::POST, &path).body("one");
            let request = request.header("x-gateless-timeout-ms", "100");
            send(request).await.unwrap().status
        };
        // One that comes before all others have come takes the place of the last: so more come until it finds none.
        eventually("the hold is full", async || {
            while streams.len() < wanted {
                let chunked = streams.len() % 2 == 1;
                streams.push(held(&address, function, size, chunked).await);
            }
            let status = status_of_another().await;
            wanted += usize::from(status != 503);
            when(status == 503, status)
        })
        .await;
        drop(streams);
        eventually("there is room in the hold", async || {
            let status = status_of_another().await;
            when(status == 504, status)
        })
        .await;
    };
    let (inside, ()) = tokio::join!(inside, outside);
    inside.unwrap().expect(200);
    caller.get(&root).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_keeps_no_place_in_the_hold() {
    let cluster = Cluster::of(2).await;
    let sizes = [0, 20_000, 100_000];
    let all = (0..2).flat_map(|at| sizes.map(|size| (at, size, format!("full-{at}-{size}"))));
    let all: Vec<_> = all.collect();
    for (.., name) in &all {
        cluster
            .deploy(name, single().with("hold/max_requests", HELD))
            .await;
    }
    let left = all.iter();
    let left = left.map(|(at, size, name)| fill_and_leave(&cluster, *at, name, *size));
    join_all(left).await;
    assert_eq!(cluster.times_seen("left"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_a_body_that_waits_is_read_when_its_turn_comes() {
    let cluster = Cluster::of(2).await;
    cluster.deploy("late", single()).await;
    for sidecar in &cluster.sidecars {
        let caller = sidecar.public();
        caller.get("/function/late/").await.expect(200);
        let inside = caller.get("/function/late/work?ms=1200");
        let outside = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let mut stream = TcpStream::connect(sidecar.address("public")).await.unwrap();
            let head = "POST /function/late/length HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\nconnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..20 {
                stream.write_all(&[b'x'; 10_000]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let (inside, answer) = tokio::join!(inside, outside);
        inside.expect(200);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains(r#"{"bytes":200000}"#), "{answer}");
    }
}
