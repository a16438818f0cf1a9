//! Who may open the config service, and the artifacts it hands out.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use common::Server;
use common::fake::{authorized, connect, serve_config};
use gateless_proto::v1::watch_request::Kind;
use gateless_proto::v1::{FetchArtifactRequest, WatchAck, WatchRequest};
use http::Request;
use tonic::Code;

#[tokio::test]
async fn only_the_cluster_secret_opens_it() {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    for secret in ["", "Bearer wrong", "Basic a-secret-of-the-cluster"] {
        let mut request = tonic::Request::new(tokio_stream::iter([WatchRequest::default()]));
        let value = secret.parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        let refused = connect(address).await.watch(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    let first = WatchRequest {
        kind: Some(Kind::Ack(WatchAck::default())),
    };
    let request = authorized(tokio_stream::iter([first]));
    let mut stream = connect(address)
        .await
        .watch(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        stream.message().await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn artifacts_are_fetched_in_chunks() {
    let server = Server::start().await;
    let address = serve_config(&server).await;
    let content = vec![7_u8; 200_000];
    let digest = gateless_server::store::blobs::Digest::of(&content).to_string();
    let request = Request::put(format!("/v1/namespaces/default/artifacts/{digest}"))
        .header("authorization", format!("Bearer {}", server.admin().await))
        .body(content.clone().into())
        .unwrap();
    server.send(request).await.expect(201);
    let mut client = connect(address).await;
    let fetch = |sha256: &str| {
        authorized(FetchArtifactRequest {
            sha256: sha256.into(),
        })
    };
    let mut stream = client
        .fetch_artifact(fetch(&digest))
        .await
        .unwrap()
        .into_inner();
    let mut fetched = Vec::new();
    while let Some(chunk) = stream.message().await.unwrap() {
        fetched.extend(chunk.data);
    }
    assert_eq!(fetched, content);
    let missing = client
        .fetch_artifact(fetch(&"0".repeat(64)))
        .await
        .unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    let wrong = client.fetch_artifact(fetch("../x")).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
}
