//! Connections that end before, under and after a request, over real sockets; and how long one keeps its permit.

mod idle;
mod peer;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use gateless_core::keepalive::LEFT_OPEN;
use http::{Request, header};
use http_body_util::BodyExt;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Error, How, Pool};
use crate::endpoint::body::{Body, Inbound};
use crate::endpoint::permit::Permit;
use crate::endpoint::unprocessed::Unprocessed;
use crate::endpoint::upload::Limited;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

fn listen() -> (TcpListener, Arc<Pool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, Arc::new(Pool::new(address)))
}

fn post(body: Body) -> Request<Body> {
    let request = Request::post("/").header(header::HOST, "x");
    request.body(body).unwrap()
}

/// Reads until the end of a head, at least.
fn read_head(stream: &mut TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap(), 1);
        read.extend(byte);
    }
}

async fn answered(pool: &Arc<Pool>, how: &How) -> Bytes {
    let (answer, conn) = pool.send_h1(post(Body::empty()), how).await.unwrap();
    let body = answer.into_body().collect().await.unwrap();
    conn.finish();
    body.to_bytes()
}

/// One thread: what the other end does is not noticed before the request is written.
#[tokio::test]
async fn nothing_is_sent_into_a_connection_that_was_closed() {
    let (listener, pool) = listen();
    let (close, closes) = mpsc::channel();
    let (closed, is_closed) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        stream.write_all(OK).unwrap();
        closes.recv().unwrap();
        drop(stream);
        closed.send(()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        stream.write_all(OK).unwrap();
    });
    assert_eq!(answered(&pool, &How::default()).await, "hi");
    // Long enough for it to be used again.
    tokio::time::sleep(2 * LEFT_OPEN).await;
    close.send(()).unwrap();
    is_closed.recv().unwrap();
    let sent = pool.send_h1(post(Body::empty()), &How::default()).await;
    assert!(matches!(
        sent,
        Err(Error::Unprocessed(Unprocessed::ConnectionEnded, _))
    ));
    assert_eq!(answered(&pool, &How::default()).await, "hi");
}

#[tokio::test]
async fn program_that_closes_after_each_answer_gets_a_connection_for_each_request() {
    let (listener, pool) = listen();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            read_head(&mut stream);
            stream.write_all(OK).unwrap();
        }
    });
    for _ in 0..200 {
        assert_eq!(answered(&pool, &How::default()).await, "hi");
    }
}

/// Answers each request of each connection with `answer`, and tells when the other end has closed one.
fn keeps_open(listener: TcpListener, answer: &'static [u8]) -> tokio::sync::mpsc::Receiver<()> {
    let (closed, is_closed) = tokio::sync::mpsc::channel(8);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, closed) = (stream.unwrap(), closed.clone());
            std::thread::spawn(move || {
                let mut read = [0; 1_024];
                while stream.read(&mut read).is_ok_and(|bytes| bytes > 0) {
                    stream.write_all(answer).unwrap();
                }
                closed.blocking_send(()).ok();
            });
        }
    });
    is_closed
}

#[tokio::test]
async fn connection_that_this_end_closes_is_not_held_against_its_program() {
    const LAST: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi";
    for (answer, only_once) in [(OK, true), (LAST, false)] {
        let (listener, pool) = listen();
        let mut closed = keeps_open(listener, answer);
        pool.idle.lock().keep_alive.answered_again();
        let how = How::default();
        let sent = pool.send_h1(post(Body::empty()), &how);
        let (answer, mut conn) = sent.await.unwrap();
        answer.into_body().collect().await.unwrap();
        if only_once {
            conn.only_once();
        }
        conn.finish();
        closed.recv().await.unwrap();
        let now = crate::clock::now();
        assert!(pool.idle.lock().keep_alive.may_use(now, now, false));
    }
}

#[tokio::test]
async fn answer_is_read_although_the_request_cannot_be_written() {
    let (listener, pool) = listen();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            read_head(&mut stream);
            let answer = "HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\nlarge";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    for _ in 0..50 {
        let pieces = (0..1_000).map(|_| Ok::<_, crate::endpoint::body::Error>(vec![b'x'; 10_000]));
        let pieces = pieces.map(|piece| piece.map(|piece| http_body::Frame::data(piece.into())));
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(pieces));
        let (body, _) = Limited::new(Inbound::Boxed(Box::pin(body)), u64::MAX, None);
        let how = How::default();
        let sent = pool.send_h1(post(Body::Limited(body)), &how);
        let (answer, _conn) = sent.await.unwrap();
        assert_eq!(answer.status(), 413);
        let body = answer.into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), "large");
    }
}

/// Tells when it goes back, and whether it was overdue.
struct Told {
    back: Option<oneshot::Sender<bool>>,
    within: Duration,
    overdue: AtomicBool,
}

impl Permit for Told {
    fn overdue_at(&self, _: bool) -> Option<Instant> {
        Some(Instant::now() + self.within)
    }

    fn overdue(&self) {
        self.overdue.store(true, Ordering::SeqCst);
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let overdue = *self.overdue.get_mut();
        self.back.take().unwrap().send(overdue).ok();
    }
}

fn permit(within: Duration) -> (How, oneshot::Receiver<bool>) {
    let (back, told) = oneshot::channel();
    let permit = Told {
        back: Some(back),
        within,
        overdue: AtomicBool::new(false),
    };
    let how = How {
        permit: Some(Arc::new(permit)),
        ..How::default()
    };
    (how, told)
}

const LONG: Duration = Duration::from_secs(60);

/// Sends a request and does not wait for its answer.
async fn give_up(pool: &Arc<Pool>, how: How) {
    let sent = pool.send_h1(post(Body::empty()), &how);
    let answered = tokio::time::timeout(Duration::from_millis(50), sent).await;
    assert!(answered.is_err());
}

#[tokio::test]
async fn permit_goes_back_with_the_whole_answer() {
    let (listener, pool) = listen();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        stream.write_all(OK).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    let (how, mut told) = permit(LONG);
    let (answer, conn) = pool.send_h1(post(Body::empty()), &how).await.unwrap();
    drop(how);
    assert!(told.try_recv().is_err());
    answer.into_body().collect().await.unwrap();
    assert!(told.try_recv().is_err());
    conn.finish();
    assert_eq!(told.await, Ok(false));
}

#[tokio::test]
async fn connection_that_is_given_up_keeps_its_permit_until_the_other_end_closes() {
    let (listener, pool) = listen();
    let (close, closes) = mpsc::channel();
    let (given_up, seen) = oneshot::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        // It sees that nobody waits, and goes on all the same.
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
        given_up.send(()).unwrap();
        closes.recv().unwrap();
        stream.write_all(OK).unwrap();
    });
    let (how, mut told) = permit(LONG);
    give_up(&pool, how).await;
    seen.await.unwrap();
    assert!(told.try_recv().is_err());
    close.send(()).unwrap();
    assert_eq!(told.await, Ok(false));
}

#[tokio::test]
async fn connection_that_is_never_closed_is_overdue() {
    let (listener, pool) = listen();
    let (how, told) = permit(Duration::from_millis(100));
    give_up(&pool, how).await;
    assert_eq!(told.await, Ok(true));
    drop(listener);
}

#[tokio::test]
async fn connection_into_which_the_other_end_writes_on_is_closed() {
    let (listener, pool) = listen();
    let (ended, is_ended) = oneshot::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        // It looks for no end of the other side.
        let head = "HTTP/1.1 200 OK\r\n\r\n";
        let mut written = stream.write_all(head.as_bytes());
        while written.is_ok() {
            std::thread::sleep(Duration::from_millis(50));
            written = stream.write_all(b"more");
        }
        ended.send(()).unwrap();
    });
    let (how, told) = permit(LONG);
    let (answer, conn) = pool.send_h1(post(Body::empty()), &how).await.unwrap();
    drop((how, answer, conn));
    is_ended.await.unwrap();
    assert_eq!(told.await, Ok(false));
}
