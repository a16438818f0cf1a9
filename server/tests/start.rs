//! A whole server on free ports: what it keeps over a restart, and that it ends.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

use std::path::Path;

use gateless_server::{Config, Error, Running, run};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

fn config(data: &Path, secret: &str) -> Config {
    let any = "127.0.0.1:0".parse().unwrap();
    Config {
        listen: any,
        grpc_listen: any,
        data: data.to_owned(),
        images: None,
        cluster_secret: secret.into(),
    }
}

async fn status(server: &Running, path: &str, token: &str) -> u16 {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let request = http::Request::get(format!("http://{}{path}", server.api))
        .header("authorization", format!("Bearer {token}"))
        .body(Empty::new())
        .unwrap();
    let response = client.request(request).await.unwrap();
    let status = response.status().as_u16();
    response.into_body().collect().await.unwrap();
    status
}

#[tokio::test]
async fn the_first_token_is_made_once_and_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "a-secret-of-the-cluster");
    let server = run(config.clone()).await.unwrap();
    assert_ne!(server.api.port(), 0);
    assert_ne!(server.grpc.port(), 0);
    let token = server.first_admin_token.clone().unwrap();
    assert_eq!(status(&server, "/v1/version", &token).await, 200);
    assert!(matches!(run(config.clone()).await, Err(Error::Store(_))));
    server.shutdown().await;

    let again = run(config).await.unwrap();
    assert_eq!(again.first_admin_token, None);
    assert_eq!(status(&again, "/v1/version", &token).await, 200);
    assert_eq!(status(&again, "/v1/version", "x").await, 401);
    again.shutdown().await;
}

#[tokio::test]
async fn a_server_that_does_not_start_leaves_its_folder_free() {
    let folder = tempfile::tempdir().unwrap();
    let weak = run(config(folder.path(), "short")).await;
    assert!(matches!(weak, Err(Error::Secret)));
    let good = config(folder.path(), "a-secret-of-the-cluster");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = Config {
        listen: taken.local_addr().unwrap(),
        ..good.clone()
    };
    assert!(matches!(run(busy).await, Err(Error::Listen { .. })));
    run(good).await.unwrap().shutdown().await;
}
