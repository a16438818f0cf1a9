//! A peer that is there and does not answer, over real connections.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use super::PATH;
use crate::endpoint::body::Body;
use crate::endpoint::connector::Connector;
use crate::endpoint::pool::{Error, How, Pool};

/// A peer that answers questions while `alive`, and calls never.
async fn peer(alive: watch::Receiver<bool>, called: Arc<Notify>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (alive, called) = (alive.clone(), called.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (mut alive, called) = (alive.clone(), called.clone());
                async move {
                    if request.uri().path() == PATH {
                        alive.wait_for(|alive| *alive).await.unwrap();
                    } else {
                        called.notify_one();
                        std::future::pending::<()>().await;
                    }
                    Ok::<_, Infallible>(Response::new(Body::empty()))
                }
            });
            let builder = auto::Builder::new(TokioExecutor::new());
            tokio::spawn(async move {
                let io = TokioIo::new(stream);
                builder.serve_connection(io, service).await.ok();
            });
        }
    });
    address
}

fn request(address: &str, version: Version) -> Request<Body> {
    let uri = match version {
        Version::HTTP_2 => format!("http://{address}/call"),
        _ => "/call".to_owned(),
    };
    let request = Request::get(uri).version(version);
    request.body(Body::empty()).unwrap()
}

async fn falls_silent(version: Version) {
    let (alive, watched) = watch::channel(true);
    let (called, heard) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let address = peer(watched, called.clone()).await;
    let again = heard.clone();
    let on_change = move |silent: bool| {
        if !silent {
            again.notify_one();
        }
    };
    let pool = Pool::of_peer(address.clone(), Connector::Plain, Arc::new(on_change));
    let pool = Arc::new(pool);
    assert!(pool.answers());
    let (sender, sent) = (pool.clone(), request(&address, version));
    let call = tokio::spawn(async move {
        match version {
            Version::HTTP_2 => sender.send_h2(sent).await.map(|_| ()),
            _ => sender.send_h1(sent, &How::default()).await.map(|_| ()),
        }
    });
    called.notified().await;
    alive.send_replace(false);
    let failed = call.await.unwrap();
    assert!(matches!(failed, Err(Error::Sent { .. })), "{failed:?}");
    assert!(pool.is_lost() && !pool.answers());
    assert!(!pool.is_confirmed().await);
    // And what would be sent now is not.
    let next = pool
        .send_h1(request(&address, Version::HTTP_11), &How::default())
        .await;
    assert!(matches!(next, Err(Error::Unsent(..))));
    alive.send_replace(true);
    heard.notified().await;
    assert!(pool.answers() && pool.is_confirmed().await);
}

#[tokio::test]
async fn call_at_a_peer_that_falls_silent_fails_and_it_is_found_again() {
    falls_silent(Version::HTTP_11).await;
}

#[tokio::test]
async fn so_does_one_over_a_shared_connection() {
    falls_silent(Version::HTTP_2).await;
}

#[tokio::test]
async fn peer_that_takes_no_new_connection_keeps_the_calls_it_has() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let pool = Pool::of_peer(address.clone(), Connector::Plain, Arc::new(|_| ()));
    let pool = Arc::new(pool);
    let sender = pool.clone();
    let sent = request(&address, Version::HTTP_11);
    let call = tokio::spawn(async move { sender.send_h1(sent, &How::default()).await.map(|_| ()) });
    let (mut stream, _) = listener.accept().await.unwrap();
    drop(listener);
    assert!(pool.answers());
    // Longer than silence would be believed.
    tokio::time::sleep(2 * gateless_core::pulse::LOST_AFTER).await;
    assert!(pool.answers());
    let mut read = [0; 1_024];
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    assert!(stream.read(&mut read).await.unwrap() > 0);
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    call.await.unwrap().unwrap();
}
