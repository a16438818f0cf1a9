//! Bytes that flow while a call goes on: HTTP/2, events, upgrades, large bodies, through one
//! sidecar and through two.
//!
//! Deliberately nothing of routing and limits; those are in `calls`.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use gateless_tests::{Cluster, Spec};
use http::Method;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn http2_comes_in_and_goes_out() {
    let cluster = Cluster::of(2).await;
    let h2c = Spec::new().with("protocol", "h2c");
    cluster.deploy("two", h2c).await;
    cluster.deploy("one", Spec::new()).await;
    for sidecar in &cluster.sidecars {
        for caller in [sidecar.public(), sidecar.public().h2c()] {
            let answer = caller.get("/function/two/headers").await.expect(200);
            assert_eq!(answer.json()["version"], "HTTP/2.0");
            let answer = caller.get("/function/one/headers").await.expect(200);
            assert_eq!(answer.json()["version"], "HTTP/1.1");
        }
        let request = http::Request::post(format!(
            "http://{}/function/two/grpc.Test/Unary",
            sidecar.address("public")
        ))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
        let message = Bytes::from_static(b"\0\0\0\0\x03abc");
        let client = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .build_http::<Full<Bytes>>();
        let answered = client.request(request.body(Full::new(message.clone())).unwrap());
        let answer = answered.await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = answer.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(body.to_bytes(), message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_one_by_one() {
    let cluster = Cluster::of(2).await;
    cluster.deploy("feed", Spec::new()).await;
    for sidecar in &cluster.sidecars {
        let request = sidecar.public();
        let request = request.request(Method::GET, "/function/feed/sse?n=3&ms=300");
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = response.bytes_stream();
        let first = stream.next().await.unwrap().unwrap();
        let first_at = Instant::now();
        assert!(!String::from_utf8_lossy(&first).contains("event 2"));
        let mut rest = Vec::new();
        while let Some(chunk) = stream.next().await {
            rest.extend(chunk.unwrap());
        }
        assert!(String::from_utf8_lossy(&rest).contains("event 2"));
        // The function itself pauses twice; were anything collected, it would all come at once.
        assert!(first_at.elapsed() >= Duration::from_millis(400));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upgraded_connections_carry_bytes_both_ways() {
    let cluster = Cluster::of(2).await;
    cluster.deploy("talk", Spec::new()).await;
    for sidecar in &cluster.sidecars {
        let mut stream = TcpStream::connect(sidecar.address("public")).await.unwrap();
        let head = "GET /function/talk/ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap().to_lowercase();
        assert!(answer.starts_with("http/1.1 101"), "{answer}");
        assert!(answer.contains("upgrade: echo"), "{answer}");
        for word in [b"hello".as_slice(), b"again"] {
            stream.write_all(word).await.unwrap();
            let mut back = vec![0; word.len()];
            stream.read_exact(&mut back).await.unwrap();
            assert_eq!(back, word);
        }
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    }
    let refused = cluster.sidecars[0].public().get("/function/talk/ws").await;
    refused.expect(426);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_stream_through_another_sidecar() {
    let cluster = Cluster::of(2).await;
    let spec = Spec::new().scale(1, 1).with("scaling/initial_scale", 1);
    cluster.deploy("far", spec).await;
    let size = 24 * 1024 * 1024;
    for sidecar in &cluster.sidecars {
        let chunk = Bytes::from(vec![7_u8; 64 * 1024]);
        let chunks = futures_util::stream::iter(
            (0..size / chunk.len()).map(move |_| Ok::<_, std::io::Error>(chunk.clone())),
        );
        let caller = sidecar.public();
        let request = caller.request(Method::POST, "/function/far/echo");
        let response = request
            .body(reqwest::Body::wrap_stream(chunks))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let mut back = 0;
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.unwrap();
            assert!(chunk.iter().all(|byte| *byte == 7));
            back += chunk.len();
        }
        assert_eq!(back, size);
    }
    assert_eq!(cluster.instances().len(), 1);
}
