//! A gateway's management paths at a sidecar: how many, and what it is without them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use futures_util::StreamExt;
use gateless_tests::fake_server::{self, FakeServer};
use gateless_tests::wait::when;
use gateless_tests::{Cluster, Setup, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// As many requests may be under way.
const AT_ONCE: usize = 256;

/// Begins every answer and ends none.
async fn endless_api() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 4096];
                assert!(stream.read(&mut head).await.unwrap() > 0);
                let begun = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nlog\r\n";
                stream.write_all(begun.as_bytes()).await.unwrap();
                // Until the other side ends it.
                while stream.read(&mut head).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    port
}

async fn small(server: &FakeServer) -> Cluster {
    let setup = Setup {
        sidecars: 0,
        ..Setup::default()
    };
    let mut cluster = Cluster::start(setup).await;
    let function = fake_server::function("app", "app-00001", &[("TEST_CLUSTER", cluster.mark())]);
    server.push(&[function]);
    let sidecar = cluster.sidecar_of(server);
    cluster.sidecars.push(sidecar);
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn management_requests_are_bounded_and_take_nothing_from_calls() {
    let server = FakeServer::start().await;
    server.set_api_port(endless_api().await);
    let cluster = small(&server).await;
    let base = cluster.sidecars[0].public().base.clone();
    let client = gateless_tests::http::client().build().unwrap();
    let follow = async || {
        let url = format!("{base}/system/logs?name=app&follow=true");
        client.get(url).send().await.unwrap()
    };
    eventually("the sidecar knows its server", async || {
        let status = follow().await.status();
        when(status == 200, status)
    })
    .await;
    let mut followed = Vec::new();
    while followed.len() < AT_ONCE {
        let answer = follow().await;
        // Those above, dropped just now, may still be under way.
        if answer.status() == 200 {
            let mut body = answer.bytes_stream().boxed();
            assert_eq!(body.next().await.unwrap().unwrap(), "log");
            followed.push(body);
        }
    }
    let refused = follow().await;
    assert_eq!(refused.status(), 503);
    let problem: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "too_many_management_requests");
    let caller = cluster.sidecars[0].public();
    caller.get("/function/app/").await.expect(200);
    caller.get("/healthz").await.expect(200);
    followed.pop();
    eventually("a place is free again", async || {
        let status = follow().await.status();
        when(status == 200, status)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_without_the_relay_serves_calls_only() {
    let server = FakeServer::start().await;
    server.set_api_port(endless_api().await);
    let mut cluster = small(&server).await;
    let sidecar = &mut cluster.sidecars[0];
    let off = ("GATELESS_NO_MANAGEMENT_RELAY".to_owned(), "true".to_owned());
    sidecar.env.push(off);
    sidecar.restart();
    let caller = sidecar.public();
    caller.get("/function/app/").await.expect(200);
    caller.get("/healthz").await.expect(200);
    caller
        .get("/system/functions")
        .await
        .problem(404, "no_management_here");
}
