//! Requests that a function provably did not process, connections that end, and answers that come before the request is
//! through: none of that is a failure that its caller may see.
//!
//! Also calls that may not run twice (POST). Deliberately nothing of callers that leave; those are in `leaving`.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use futures_util::future::join_all;
use gateless_tests::call::send;
use gateless_tests::load::Load;
use gateless_tests::process::built;
use gateless_tests::{Caller, Cluster, Spec, instances};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Stands for the stream of the request; see `raw-function`.
const THE_STREAM: u32 = 0x7fff_ffff;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const REFUSED: u32 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A whole answer: 200 and `hello`.
fn hello() -> Vec<u8> {
    // 0x88 is `:status: 200` of the static table.
    let head = frame(HEADERS, END_HEADERS, THE_STREAM, &[0x88]);
    [head, frame(DATA, END_STREAM, THE_STREAM, b"hello")].concat()
}

fn refused() -> Vec<u8> {
    frame(RST_STREAM, 0, THE_STREAM, &REFUSED.to_be_bytes())
}

/// No request of the connection is processed.
fn going_away() -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[0; 8])
}

/// One instance of a function that speaks its own HTTP, with an answer a turn.
fn raw(cluster: &Cluster, name: &str, turns: &[Vec<u8>]) -> Spec {
    let spec = Spec::new().scale(1, 1).with("scaling/initial_scale", 1);
    let program = built("raw-function").to_string_lossy().into_owned();
    let seen = cluster.file(name).to_string_lossy().into_owned();
    let spec = spec
        .with("process/command", vec![program])
        .env("RAW_SEEN", &seen);
    if turns.is_empty() {
        return spec;
    }
    let files = turns.iter().enumerate().map(|(at, frames)| {
        let file = cluster.file(&format!("{name}-{at}"));
        fs::write(&file, frames).unwrap();
        file.to_string_lossy().into_owned()
    });
    let files: Vec<_> = files.collect();
    spec.env("RAW_FRAMES", &files.join(":"))
        .with("protocol", "h2c")
}

/// Callers of either protocol, at the host of the instance and at another.
fn callers(cluster: &Cluster) -> Vec<Caller> {
    let callers = cluster.sidecars.iter();
    let callers = callers.flat_map(|sidecar| [sidecar.public(), sidecar.public().h2c()]);
    callers.collect()
}

async fn post(caller: &Caller, path: &str, body: reqwest::Body) -> String {
    let request = caller.request(Method::POST, path).body(body);
    match send(request).await {
        Ok(answer) if answer.status == 200 => "200".to_owned(),
        Ok(answer) => format!("{} {}", answer.status, answer.text()),
        Err(error) => error.to_string(),
    }
}

/// A body whose length nobody knows.
fn stream(bytes: &'static [u8]) -> reqwest::Body {
    let pieces = bytes.chunks(1_000).map(Ok::<_, std::io::Error>);
    reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))
}

/// How often each outcome came.
fn counts(outcomes: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry(outcome).or_default() += 1;
    }
    counts
}

#[track_caller]
fn expect_all(outcomes: Vec<String>) {
    let all = outcomes.len();
    let counts = counts(outcomes);
    assert_eq!(counts.get("200"), Some(&all), "{counts:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_were_refused_are_sent_again() {
    let cluster = Cluster::of(2).await;
    let refusing = raw(&cluster, "refusing", &[refused(), refused(), hello()]);
    cluster.deploy("refusing", refusing).await;
    let leaving = raw(&cluster, "going", &[going_away(), hello()]);
    cluster.deploy("going", leaving).await;
    for function in ["refusing", "going"] {
        let path = format!("/function/{function}/");
        for caller in callers(&cluster) {
            let mut outcomes = Vec::new();
            for _ in 0..4 {
                outcomes.push(post(&caller, &path, "four".into()).await);
                outcomes.push(post(&caller, &path, stream(b"four")).await);
                outcomes.push(post(&caller, &path, stream(&[b'x'; 20_000])).await);
            }
            expect_all(outcomes);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cold_burst_at_a_server_of_few_streams_loses_no_call() {
    let cluster = Cluster::of(2).await;
    for (at, streams) in ["100", "10"].into_iter().enumerate() {
        for (from, sidecar) in cluster.sidecars.iter().enumerate() {
            let name = format!("few-{at}-{from}");
            let spec = Spec::new().scale(0, 1).with("protocol", "h2c");
            cluster
                .deploy(&name, spec.env("MAX_STREAMS", streams))
                .await;
            let path = format!("/function/{name}/sleep?ms=20");
            let caller = sidecar.public();
            let calls = (0..150).map(|_| post(&caller, &path, "four".into()));
            expect_all(join_all(calls).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_end_with_age_lose_no_call() {
    let cluster = Cluster::of(2).await;
    // Over HTTP/1.1 a request may be on its way into the end of its connection: one that may not run twice is lost then.
    for (protocol, method) in [("h2c", Method::POST), ("http1", Method::GET)] {
        let spec = Spec::new().scale(1, 1).with("protocol", protocol);
        cluster
            .deploy(protocol, spec.env("CONNECTION_AGE_MS", "30"))
            .await;
        let path = format!("/function/{protocol}/echo");
        let load = Load::start(&method, &callers(&cluster), &path, 2);
        load.more(1_500).await;
        let outcomes = load
            .stop()
            .await
            .into_iter()
            .map(|outcome| match outcome.answer {
                Ok(answer) if answer.status == 200 => "200".to_owned(),
                Ok(answer) => format!("{} {}", answer.status, answer.text()),
                Err(error) => error,
            });
        expect_all(outcomes.collect());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn function_that_closes_after_each_answer_loses_no_call() {
    let cluster = Cluster::of(2).await;
    cluster
        .deploy("closing", raw(&cluster, "closing", &[]))
        .await;
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
    let hex: String = answer.bytes().map(|byte| format!("{byte:02x}")).collect();
    for caller in callers(&cluster) {
        let one_after_another = async || {
            let mut outcomes = Vec::new();
            for _ in 0..60 {
                let request = caller.request(Method::POST, "/function/closing/");
                let request = request.header("x-close", "1").header("x-answer", &hex);
                outcomes.push(match send(request.body("four")).await {
                    Ok(answer) => answer.status.to_string(),
                    Err(error) => error.to_string(),
                });
            }
            outcomes
        };
        let outcomes = join_all((0..6).map(|_| one_after_another())).await;
        expect_all(outcomes.concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn early_answer_gets_through_although_the_body_does_not() {
    let cluster = Cluster::of(2).await;
    cluster.deploy("early", raw(&cluster, "early", &[])).await;
    let answer =
        "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 5\r\n\r\nlarge";
    let hex: String = answer.bytes().map(|byte| format!("{byte:02x}")).collect();
    for caller in callers(&cluster) {
        let mut outcomes = Vec::new();
        for at in 0..20 {
            let body = match at % 2 {
                0 => vec![b'x'; 1 << 20].into(),
                _ => stream(&[b'x'; 1 << 20]),
            };
            let request = caller.request(Method::POST, "/function/early/");
            let request = request.header("x-early", "1").header("x-answer", &hex);
            outcomes.push(match send(request.body(body)).await {
                Ok(answer) => format!("{} {}", answer.status, answer.text()),
                Err(error) => format!("{error:?}"),
            });
        }
        let counts = counts(outcomes);
        assert_eq!(counts.get("413 large"), Some(&20), "{counts:#?}");
    }
}

/// The status of a request to become another protocol.
async fn upgraded(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    match stream.read_exact(&mut answer).await {
        Ok(_) => String::from_utf8_lossy(&answer[9..]).into_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upgrades_right_after_a_kill_go_to_the_next_instance() {
    let cluster = Cluster::of(2).await;
    cluster.deploy("talk", Spec::new().scale(1, 1)).await;
    for sidecar in &cluster.sidecars {
        let address = sidecar.address("public");
        let pid = sidecar
            .public()
            .get("/function/talk/")
            .await
            .expect(200)
            .pid();
        instances::kill_dead(pid).unwrap();
        let upgrades = (0..8).map(|_| upgraded(&address, "/function/talk/ws"));
        let counts = counts(join_all(upgrades).await);
        assert_eq!(counts.get("101"), Some(&8), "{counts:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_may_wait_for_a_function_without_a_limit() {
    let cluster = Cluster::small().await;
    let spec = Spec::new()
        .scale(1, 1)
        .with("process/start_timeout_ms", 20_000);
    cluster.deploy("one", spec).await;
    let caller = cluster.sidecars[0].public();
    for _ in 0..3 {
        let pid = caller.get("/function/one/").await.expect(200).pid();
        instances::kill_dead(pid).unwrap();
        // Nothing may grow, and the only instance cannot be reached: whoever comes waits for the next.
        let calls = (0..100).map(|_| post(&caller, "/function/one/echo", "four".into()));
        let outcomes = tokio::time::timeout(Duration::from_secs(30), join_all(calls)).await;
        expect_all(outcomes.unwrap());
    }
}
