//! Connections that nobody uses any more are closed in time.

use http_body_util::BodyExt;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::clock;
use crate::endpoint::body::Body;
use crate::endpoint::pool::*;

async fn pool() -> (Arc<Pool>, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (Arc::new(Pool::new(address)), listener)
}

fn request(version: http::Version) -> Request<Body> {
    let request = Request::get("http://x/")
        .version(version)
        .header("host", "x");
    request.body(Body::empty()).unwrap()
}

/// Answers one request, and says how long the connection stays open after it.
async fn answers_and_waits(listener: TcpListener) -> Duration {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = [0; 1_024];
    assert!(stream.read(&mut read).await.unwrap() > 0);
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    let began = clock::now();
    assert_eq!(stream.read(&mut read).await.unwrap(), 0);
    clock::now().since(began)
}

#[tokio::test(start_paused = true)]
async fn idle_connection_is_closed_when_its_time_is_over_and_not_at_the_next_call() {
    let (pool, listener) = pool().await;
    let open = tokio::spawn(answers_and_waits(listener));
    let (answer, conn) = pool
        .send_h1(request(http::Version::HTTP_11), &How::default())
        .await
        .unwrap();
    answer.into_body().collect().await.unwrap();
    conn.finish();
    let open = open.await.unwrap();
    assert!(open >= MAX_IDLE_FOR && open < MAX_IDLE_FOR * 2, "{open:?}");
    assert!(!pool.sweeping.load(Ordering::Acquire));
}

#[tokio::test(start_paused = true)]
async fn shared_connection_is_closed_when_nobody_uses_it() {
    let (pool, listener) = pool().await;
    let closed = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = hyper::service::service_fn(async |_| {
            Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
        });
        let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        serving
            .serve_connection(TokioIo::new(stream), service)
            .await
    });
    for _ in 0..3 {
        let answer = pool.send_h2(request(http::Version::HTTP_2)).await.unwrap();
        answer.into_body().collect().await.unwrap();
        tokio::time::sleep(MAX_IDLE_FOR / 2).await;
    }
    closed.await.unwrap().unwrap();
    assert!(pool.h2.lock().await.is_none());
    assert!(!pool.sweeping.load(Ordering::Acquire));
}

/// A request that came into it too late is given back only when nobody holds it any more.
#[tokio::test]
async fn shared_connection_that_ended_is_let_go_of_without_another_call() {
    let (pool, listener) = pool().await;
    let preface = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = [0; 24];
        stream.read_exact(&mut read).await.unwrap();
    });
    let sent = pool.send_h2(request(http::Version::HTTP_2)).await;
    preface.await.unwrap();
    assert!(sent.is_err());
    while pool.h2.lock().await.is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn request_whose_connection_ended_is_sent_again_over_a_new_one() {
    let (pool, listener) = pool().await;
    let serving = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = [0; 1_024];
            assert!(stream.read(&mut read).await.unwrap() > 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            tokio::spawn(async move { stream.read(&mut read).await });
        }
    });
    for fresh in [false, true] {
        let repeatable = true;
        let how = How {
            repeatable,
            fresh,
            ..How::default()
        };
        let (answer, conn) = pool
            .send_h1(request(http::Version::HTTP_11), &how)
            .await
            .unwrap();
        answer.into_body().collect().await.unwrap();
        conn.finish();
    }
    serving.await.unwrap();
}
