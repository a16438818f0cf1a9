//! Connections that are silent in every way there is, over loopback, with short times.

mod readers;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::http::Response;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::door::Connections;
use crate::{Bounds, Door, Handshake, Keepalive, Plain, Timeouts};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// HEADERS of stream 1 with END_STREAM | END_HEADERS: GET / over http, from HPACK's static table.
const GET_H2: &[u8] = &[0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84];
/// The bound of the bounds below; what is still open then stays so.
const LONG: Duration = Duration::from_secs(10);

struct Served {
    address: SocketAddr,
    connections: Arc<Connections>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Answers are held back while it is true.
    hold: watch::Sender<bool>,
    /// Calls that came so far.
    called: Arc<AtomicUsize>,
}

async fn serving(timeouts: Timeouts, all: usize, exempt: bool) -> Served {
    serving_after(Plain, timeouts, all, exempt).await
}

async fn serving_after<H: Handshake>(
    handshake: H,
    timeouts: Timeouts,
    all: usize,
    exempt: bool,
) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let bounds = Bounds {
        connections: all,
        timeouts,
        keepalive: Keepalive::default(),
    };
    let door = Door::new("test", bounds, move |_| exempt, tasks.clone());
    let connections = door.connections();
    let (hold, held) = watch::channel(false);
    let called = Arc::<AtomicUsize>::default();
    let counted = called.clone();
    let serve = move |accepted| {
        let (held, counted) = (held.clone(), counted.clone());
        async move {
            let service = service_fn(move |request| {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut held = held.clone();
                async move {
                    held.wait_for(|held| !held).await.ok();
                    // Nobody reads its body until then.
                    drop(request);
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
                }
            });
            serve(accepted, &Settings::USUAL, TokioExecutor::new(), service)
                .await
                .ok();
        }
    };
    tokio::spawn(door.run(listener, Arc::new(handshake), serve, stop.clone()));
    Served {
        address,
        connections,
        stop,
        tasks,
        hold,
        called,
    }
}

fn short() -> Timeouts {
    Timeouts {
        head: Duration::from_millis(200),
        idle: Duration::from_millis(400),
    }
}

/// Nothing on the connection is over by itself.
fn long() -> Timeouts {
    Timeouts {
        head: LONG * 6,
        idle: LONG * 6,
    }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn said(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// So many calls are under way.
    async fn are_called(&self, calls: usize) {
        let all = || self.called.load(Ordering::SeqCst) == calls;
        until("all have called", all).await;
    }

    /// Whoever came last waits for a place.
    async fn is_waited_for(&self) {
        until("somebody waits", || self.connections.is_waited_for()).await;
    }
}

async fn until(what: &str, so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !so() {
        assert!(began.elapsed() < LONG, "not yet: {what}");
        tokio::task::yield_now().await;
    }
}

/// What comes until the other end closes.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match tokio::time::timeout(LONG, stream.read_to_end(&mut all)).await {
        Ok(Ok(_)) => all,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => all,
        Ok(Err(error)) => panic!("{error}"),
        Err(_) => panic!("the connection is still open after {all:?}"),
    }
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 4_096];
    let read = stream.read(&mut answer);
    let read = tokio::time::timeout(LONG, read).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn whoever_sends_no_whole_head_is_closed() {
    let served = serving(short(), 100, true).await;
    let half_h2 = [PREFACE, SETTINGS, &GET_H2[..11]].concat();
    let whole_h2_and_half = [PREFACE, SETTINGS, &GET_H2[..12], &GET_H2[..5]].concat();
    for begin in [
        &b""[..],
        b"P",
        b"PRI * HTTP/2.0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: ",
        &[PREFACE, &SETTINGS[..4]].concat(),
        &[PREFACE, SETTINGS].concat(),
        &half_h2,
        &whole_h2_and_half,
    ] {
        let mut stream = served.said(begin).await;
        rest(&mut stream).await;
    }
}

#[tokio::test]
async fn trickled_heads_are_closed_too() {
    let served = serving(short(), 100, true).await;
    let endless_headers = |n: u32| format!("x-{n}: y\r\n").into_bytes();
    let endless_settings = |_| [0, 0, 0, 4, 1, 0, 0, 0, 0].to_vec();
    let again = [GET, b"GET / HTTP/1.1\r\n"].concat();
    type Next<'a> = &'a dyn Fn(u32) -> Vec<u8>;
    for (begin, next) in [
        (&b"GET / HTTP/1.1\r\n"[..], &endless_headers as Next),
        (&again, &endless_headers),
        (&[PREFACE, SETTINGS].concat(), &endless_settings),
    ] {
        let mut stream = served.said(begin).await;
        let until = tokio::time::Instant::now() + LONG;
        for n in 0.. {
            assert!(tokio::time::Instant::now() < until, "still open");
            if stream.write_all(&next(n)).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn idle_connections_are_closed_and_a_call_is_not_idle() {
    let served = serving(short(), 100, true).await;
    let mut h1 = served.said(GET).await;
    assert!(answer(&mut h1).await.starts_with("HTTP/1.1 200"));
    assert!(rest(&mut h1).await.is_empty());
    let mut h2 = served
        .said(&[PREFACE, SETTINGS, &GET_H2[..12]].concat())
        .await;
    let said = rest(&mut h2).await;
    // GOAWAY, so that nothing is sent any more.
    assert!(
        said.windows(6).any(|frame| frame[..4] == [0, 0, 8, 7]),
        "{said:?}"
    );
    served.hold.send_replace(true);
    let mut slow = served.said(GET).await;
    tokio::time::sleep(short().idle * 3).await;
    served.hold.send_replace(false);
    assert!(answer(&mut slow).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn flood_of_silence_leaves_room_for_others() {
    let served = serving(long(), 8, true).await;
    let mut used = served.said(GET).await;
    assert!(answer(&mut used).await.starts_with("HTTP/1.1 200"));
    served.hold.send_replace(true);
    used.write_all(GET).await.unwrap();
    let mut flood = Vec::new();
    for _ in 0..100 {
        flood.push(served.connect().await);
    }
    let mut other = served.said(GET).await;
    served.hold.send_replace(false);
    assert!(answer(&mut other).await.starts_with("HTTP/1.1 200"));
    assert!(answer(&mut used).await.starts_with("HTTP/1.1 200"));
    assert!(served.connections.open() <= 8);
    drop(flood);
}

#[tokio::test]
async fn a_full_door_goes_on_as_soon_as_a_connection_is_idle() {
    let served = serving(long(), 2, true).await;
    served.hold.send_replace(true);
    let mut busy = [served.said(GET).await, served.said(GET).await];
    served.are_called(2).await;
    let mut other = served.said(GET).await;
    served.is_waited_for().await;
    served.hold.send_replace(false);
    // None of the two ends by itself.
    assert!(answer(&mut other).await.starts_with("HTTP/1.1 200"));
    for busy in &mut busy {
        assert!(answer(busy).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_full_door_that_is_to_end_says_so() {
    let served = serving(long(), 1, true).await;
    served.hold.send_replace(true);
    let mut h2 = served
        .said(&[PREFACE, SETTINGS, &GET_H2[..12]].concat())
        .await;
    served.are_called(1).await;
    let mut other = served.said(GET).await;
    served.is_waited_for().await;
    served.stop.cancel();
    let mut said: Vec<u8> = Vec::new();
    while !said.windows(4).any(|frame| frame == [0, 0, 8, 7]) {
        let mut more = [0; 256];
        let read = tokio::time::timeout(LONG, h2.read(&mut more)).await;
        said.extend(&more[..read.expect("no GOAWAY").unwrap()]);
    }
    served.hold.send_replace(false);
    let said = rest(&mut other).await;
    assert!(said.starts_with(b"HTTP/1.1 200"), "{said:?}");
}

#[tokio::test]
async fn one_client_does_not_take_the_door() {
    let served = serving(long(), 8, false).await;
    served.hold.send_replace(true);
    let mut calls = Vec::new();
    for _ in 0..20 {
        calls.push(served.said(GET).await);
    }
    for refused in &mut calls[4..] {
        assert!(rest(refused).await.is_empty());
    }
    served.hold.send_replace(false);
    for call in &mut calls[..4] {
        assert!(answer(call).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn at_the_end_calls_are_answered_and_callers_told() {
    let served = serving(long(), 100, true).await;
    served.hold.send_replace(true);
    let mut busy = served.said(GET).await;
    let mut h2 = served
        .said(&[PREFACE, SETTINGS, &GET_H2[..12]].concat())
        .await;
    let silent = served.connect().await;
    let mut late = served.connect().await;
    while served.connections.open() < 4 {
        tokio::task::yield_now().await;
    }
    served.stop.cancel();
    served.tasks.close();
    late.write_all(GET).await.unwrap();
    // All have been told once the listener is closed.
    while TcpStream::connect(served.address).await.is_ok() {}
    served.hold.send_replace(false);
    for stream in [&mut busy, &mut late] {
        let said = String::from_utf8(rest(stream).await).unwrap();
        assert!(
            said.starts_with("HTTP/1.1 200") && said.contains("connection: close"),
            "{said}"
        );
    }
    let said = rest(&mut h2).await;
    assert!(
        said.windows(4).any(|frame| frame == [0, 0, 8, 7]),
        "{said:?}"
    );
    assert!(said.windows(2).any(|two| two == b"ok"));
    tokio::time::timeout(LONG, served.tasks.wait())
        .await
        .unwrap();
    drop(silent);
}

/// A caller that ends its side after its request; its answer is held back until told otherwise.
async fn half_closed(served: &Served) -> TcpStream {
    served.hold.send_replace(true);
    let mut caller = served.said(GET).await;
    caller.shutdown().await.unwrap();
    caller
}

#[tokio::test]
async fn caller_that_ends_its_side_gets_its_answer() {
    let served = serving(long(), 8, true).await;
    let mut soon = half_closed(&served).await;
    served.hold.send_replace(false);
    let said = String::from_utf8(rest(&mut soon).await).unwrap();
    assert!(
        said.starts_with("HTTP/1.1 200") && said.ends_with("ok"),
        "{said}"
    );

    let mut late = half_closed(&served).await;
    let interim = answer(&mut late).await;
    assert_eq!(interim, "HTTP/1.1 102 Processing\r\n\r\n");
    // Long after it was looked for.
    tokio::time::sleep(Duration::from_secs(3)).await;
    served.hold.send_replace(false);
    let said = String::from_utf8(rest(&mut late).await).unwrap();
    assert!(
        said.starts_with("HTTP/1.1 200") && said.ends_with("ok"),
        "{said}"
    );
}

#[tokio::test]
async fn caller_that_leaves_is_noticed_while_it_waits() {
    let served = serving(long(), 8, true).await;
    drop(half_closed(&served).await);
    let (began, patience) = (std::time::Instant::now(), LONG);
    while served.connections.open() > 0 {
        assert!(began.elapsed() < patience, "it is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn caller_that_leaves_is_noticed_although_nobody_reads_what_it_said() {
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
    for unread in [0, 10, 100_000] {
        let served = serving(long(), 8, true).await;
        served.hold.send_replace(true);
        let mut caller = served.said(head.as_bytes()).await;
        caller.write_all(&vec![b'x'; unread]).await.unwrap();
        let began = std::time::Instant::now();
        while served.connections.open() == 0 {
            assert!(began.elapsed() < LONG, "it is not there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(caller);
        while served.connections.open() > 0 {
            assert!(began.elapsed() < LONG, "it is still there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Takes as long as the other end says nothing.
struct Patient;

impl Handshake for Patient {
    type Stream = TcpStream;
    type Identity = ();

    async fn shake(&self, tcp: TcpStream) -> io::Result<(TcpStream, ())> {
        tcp.readable().await?;
        Ok((tcp, ()))
    }

    fn is_exempt(&self, (): &()) -> bool {
        true
    }
}

#[tokio::test]
async fn handshakes_that_do_not_end_are_bounded_like_heads() {
    let served = serving_after(Patient, short(), 100, false).await;
    rest(&mut served.connect().await).await;
    let served = serving_after(Patient, long(), 8, false).await;
    let mut flood = Vec::new();
    for _ in 0..200 {
        flood.push(served.connect().await);
    }
    let mut other = served.said(GET).await;
    assert!(answer(&mut other).await.starts_with("HTTP/1.1 200"));
    assert!(served.connections.open() <= 8);
}
