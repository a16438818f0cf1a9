//! Who joins, who may open the config service, and the artifacts it hands out.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use std::time::Duration;

use common::Server;
use common::fake::{Sidecar, hello, serve_config};
use gateless_identity::{
    Expect, Identity, JoinToken, NewKey, Trust, channel, fixture, join_channel,
};
use gateless_proto::v1::config_service_client::ConfigServiceClient;
use gateless_proto::v1::identity_service_client::IdentityServiceClient;
use gateless_proto::v1::watch_request::Kind;
use gateless_proto::v1::{FetchArtifactRequest, JoinRequest, RenewRequest, WatchAck, WatchRequest};
use gateless_server::auth::Role;
use gateless_server::identity::JoinTokenGrant;
use http::Request;
use serde_json::json;
use tonic::transport::Endpoint;
use tonic::{Code, Status};

async fn join(
    endpoint: &Endpoint,
    token: &JoinToken,
    node: &str,
    key: &NewKey,
) -> Result<Identity, Status> {
    let request = JoinRequest {
        token: token.expose(),
        node_id: node.to_owned(),
        signing_request: key.request().unwrap(),
    };
    let mut client = IdentityServiceClient::new(join_channel(endpoint, &token.fingerprint));
    let joined = client.join(request).await?.into_inner();
    let trust = Trust::pinned(joined.trust.unwrap(), &token.fingerprint).unwrap();
    let credentials = key.certified(joined.chain).unwrap();
    Ok(Identity::new(credentials, trust).unwrap())
}

async fn token(server: &Server, uses: u32) -> JoinToken {
    let grant = JoinTokenGrant {
        uses,
        ttl: Duration::from_secs(60),
        description: String::new(),
    };
    server.identities.create_token(grant).await.unwrap().0
}

fn code<T>(result: Result<T, Status>) -> Code {
    result.err().map_or(Code::Ok, |status| status.code())
}

#[tokio::test]
async fn token_lets_as_many_sidecars_join_as_it_says_and_each_as_itself_alone() {
    let server = Server::start().await;
    let served = serve_config(&server).await;
    let endpoint = served.endpoint();
    let token = token(&server, 1).await;
    let key = NewKey::generate().unwrap();
    let joined = join(&endpoint, &token, "aaaa0001", &key).await.unwrap();
    assert_eq!(joined.id().sidecar(), Some("aaaa0001"));
    // The answer may have been lost: the same sidecar asks again with the same key.
    assert!(join(&endpoint, &token, "aaaa0001", &key).await.is_ok());
    // A replay by somebody else, of whichever name.
    let other = NewKey::generate().unwrap();
    for (node, expected) in [
        ("bbbb0002", Code::Unauthenticated),
        ("aaaa0001", Code::AlreadyExists),
    ] {
        assert_eq!(code(join(&endpoint, &token, node, &other).await), expected);
    }
    // Another good token is none for a place that is taken.
    let fresh = self::token(&server, 5).await;
    let taken = join(&endpoint, &fresh, "aaaa0001", &other).await;
    assert_eq!(code(taken), Code::AlreadyExists);
    let bad = join(&endpoint, &fresh, "UPPER", &other).await;
    assert_eq!(code(bad), Code::InvalidArgument);
    // Revoked, it may come back as another key.
    server.identities.revoke("aaaa0001").await.unwrap();
    let again = join(&endpoint, &fresh, "aaaa0001", &other).await.unwrap();
    assert!(again.credentials().issued > joined.credentials().issued);
    // Unknown, and of another server.
    let foreign = JoinToken::generate(fresh.fingerprint.clone());
    let unknown = join(&endpoint, &foreign, "cccc0003", &other).await;
    assert_eq!(code(unknown), Code::Unauthenticated);
    let elsewhere = JoinToken::generate(fixture::Cluster::new().authority.fingerprint());
    let refused = join(&endpoint, &elsewhere, "cccc0003", &other).await;
    assert_ne!(code(refused), Code::Ok);
}

#[tokio::test]
async fn join_tokens_are_an_administrators_and_shown_once() {
    let server = Server::start().await;
    let deployer = server.token("*", Role::Deployer).await;
    let uri = "/v1/join-tokens";
    let body = json!({"uses": 2, "ttl_seconds": 60, "description": "rack 4"});
    let refused = server
        .call("POST", uri, Some(&deployer), Some(body.clone()))
        .await;
    refused.problem(403, "role_not_enough");
    let made = server.admin_call("POST", uri, Some(body)).await.expect(201);
    let token: JoinToken = made.body["token"].as_str().unwrap().parse().unwrap();
    let list = server.admin_call("GET", uri, None).await.expect(200);
    assert_eq!(list.body["items"][0]["id"], token.id);
    assert_eq!(list.body["items"][0]["uses"], 2);
    // Nowhere is kept what makes it a token.
    let secret = token.expose();
    let secret = secret.split('_').nth(2).unwrap();
    let kept = server.store.scan("", None, 1000).await.unwrap();
    let has = |bytes: &[u8]| {
        bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes())
    };
    assert!(!kept.entries.iter().any(|entry| has(&entry.value)));
    assert!(!has(list.bytes.as_ref()));
    let wrong = json!({"uses": 0, "ttl_seconds": 0, "description": "\n"});
    let wrong = server
        .admin_call("POST", uri, Some(wrong))
        .await
        .expect(422);
    assert_eq!(wrong.pointers(), ["/uses", "/ttl_seconds", "/description"]);
    let long = json!({"uses": 1, "ttl_seconds": 60, "description": "x".repeat(257)});
    let long = server.admin_call("POST", uri, Some(long)).await.expect(422);
    assert_eq!(long.pointers(), ["/description"]);
    let one = format!("{uri}/{}", token.id);
    server.admin_call("DELETE", &one, None).await.expect(204);
    let gone = server.admin_call("DELETE", &one, None).await;
    gone.problem(404, "token_not_found");
    let served = serve_config(&server).await;
    let key = NewKey::generate().unwrap();
    let joined = join(&served.endpoint(), &token, "aaaa0001", &key).await;
    assert_eq!(code(joined), Code::Unauthenticated);
}

#[tokio::test]
async fn only_a_sidecar_that_joined_opens_the_config_stream_and_only_as_itself() {
    let server = Server::start().await;
    let served = serve_config(&server).await;
    let endpoint = served.endpoint();
    let watch = |channel| async move {
        let first = WatchRequest {
            kind: Some(Kind::Hello(hello("aaaa0001", "127.0.0.1:1"))),
        };
        let mut client = ConfigServiceClient::new(channel);
        let mut stream = client
            .watch(tokio_stream::iter([first]))
            .await?
            .into_inner();
        stream.message().await.map(drop)
    };
    // Without a certificate.
    let fingerprint = token(&server, 1).await.fingerprint;
    let stranger = watch(join_channel(&endpoint, &fingerprint)).await;
    assert_eq!(code(stranger), Code::Unauthenticated);
    // With the server's own.
    let own = server.identities.identity();
    let as_server = watch(channel(&endpoint, own, Expect::Server)).await;
    assert_eq!(code(as_server), Code::PermissionDenied);
    // With that of another sidecar.
    let other = server.joined().node("bbbb0002").await;
    let as_other = watch(channel(&endpoint, &other, Expect::Server)).await;
    assert_eq!(code(as_other), Code::PermissionDenied);
    // With one of another authority: not even a request gets through.
    let foreign = fixture::Cluster::new().sidecar("aaaa0001");
    let as_foreign = watch(channel(&endpoint, &foreign, Expect::Server)).await;
    assert_eq!(code(as_foreign), Code::Unavailable);
    let joined = server.joined().node("aaaa0001").await;
    assert!(
        watch(channel(&endpoint, &joined, Expect::Server))
            .await
            .is_ok()
    );
    // What it says must make sense, too.
    let first = WatchRequest {
        kind: Some(Kind::Ack(WatchAck::default())),
    };
    let mut client = served.connect("aaaa0001").await;
    let stream = client.watch(tokio_stream::iter([first])).await;
    let refused = stream.unwrap().into_inner().message().await;
    assert_eq!(code(refused), Code::InvalidArgument);
}

#[tokio::test]
async fn revoked_sidecar_is_cut_off_and_renews_nothing() {
    let server = Server::start().await;
    let served = serve_config(&server).await;
    let mut sidecar = Sidecar::open(&served, hello("aaaa0001", "127.0.0.1:1")).await;
    let mut other = Sidecar::open(&served, hello("bbbb0002", "127.0.0.1:2")).await;
    let first = sidecar.next().await.trust.unwrap();
    assert_eq!(other.next().await.trust.unwrap(), first);
    let identity = server.joined().node("aaaa0001").await;
    let renew = || async {
        let key = NewKey::generate().unwrap();
        let channel = channel(&served.endpoint(), &identity, Expect::Server);
        let signing_request = key.request().unwrap();
        let mut client = IdentityServiceClient::new(channel);
        client.renew(RenewRequest { signing_request }).await
    };
    assert!(renew().await.is_ok());
    let uri = "/v1/sidecars/aaaa0001/revoke";
    server.admin_call("POST", uri, None).await.expect(204);
    assert!(sidecar.responses.message().await.is_err());
    assert_ne!(code(renew().await), Code::Ok);
    // The others hear of it at once, with another key for gossip.
    let trust = other.next().await.trust.unwrap();
    let known = server.joined().node("bbbb0002").await;
    let before = known.trust();
    assert!(known.learn(trust).unwrap());
    let after = known.trust();
    assert!(after.is_revoked("aaaa0001", identity.credentials().issued));
    assert_ne!(before.gossip_keys, after.gossip_keys);
    let gone = server.admin_call("POST", uri, None).await;
    gone.problem(404, "sidecar_not_found");
    let list = server.admin_call("GET", "/v1/sidecars", None).await;
    let ends = &list.body["items"][1]["certificate_expires_at"];
    assert!(ends.is_string(), "{:#}", list.body);
}

#[tokio::test]
async fn authority_is_rotated_and_retired_once_everybody_has_renewed() {
    let server = Server::start().await;
    let served = serve_config(&server).await;
    let mut sidecar = Sidecar::open(&served, hello("aaaa0001", "127.0.0.1:1")).await;
    sidecar.next().await;
    let identity = server.joined().node("aaaa0001").await;
    let early = token(&server, 1).await;
    let shown = server.admin_call("GET", "/v1/identity", None).await;
    assert_eq!(
        shown.expect(200).body["authorities"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    server
        .admin_call("POST", "/v1/identity/retire", None)
        .await
        .problem(409, "wrong_state");
    let rotated = server.admin_call("POST", "/v1/identity/rotate", None).await;
    assert_eq!(
        rotated.expect(200).body["authorities"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    server
        .admin_call("POST", "/v1/identity/rotate", None)
        .await
        .problem(409, "wrong_state");
    // The stream goes on, and brings the news.
    assert!(identity.learn(sidecar.next().await.trust.unwrap()).unwrap());
    assert!(identity.is_of_old_authority());
    server
        .admin_call("POST", "/v1/identity/retire", None)
        .await
        .problem(409, "wrong_state");
    // A token from before is still good, and so is the old certificate.
    let key = NewKey::generate().unwrap();
    assert!(
        join(&served.endpoint(), &early, "bbbb0002", &key)
            .await
            .is_ok()
    );
    let key = NewKey::generate().unwrap();
    let channel = channel(&served.endpoint(), &identity, Expect::Server);
    let signing_request = key.request().unwrap();
    let mut client = IdentityServiceClient::new(channel);
    let renewed = client
        .renew(RenewRequest { signing_request })
        .await
        .unwrap();
    identity.renewed(key.certified(renewed.into_inner().chain).unwrap());
    let retired = server.admin_call("POST", "/v1/identity/retire", None).await;
    assert_eq!(
        retired.expect(200).body["authorities"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert!(identity.learn(sidecar.next().await.trust.unwrap()).unwrap());
    assert!(!identity.is_of_old_authority());
    // A restart finds the same.
    let same = server.beside().await;
    let shown = same
        .admin_call("GET", "/v1/identity", None)
        .await
        .expect(200);
    assert_eq!(
        shown.body["authorities"],
        retired_authorities(&server).await
    );
}

async fn retired_authorities(server: &Server) -> serde_json::Value {
    let shown = server.admin_call("GET", "/v1/identity", None).await;
    shown.expect(200).body["authorities"].clone()
}

#[tokio::test]
async fn artifacts_are_fetched_in_chunks() {
    let server = Server::start().await;
    let served = serve_config(&server).await;
    let content = vec![7_u8; 200_000];
    let digest = gateless_server::store::blobs::Digest::of(&content).to_string();
    let request = Request::put(format!("/v1/namespaces/default/artifacts/{digest}"))
        .header("authorization", format!("Bearer {}", server.admin().await))
        .body(content.clone().into())
        .unwrap();
    server.send(request).await.expect(201);
    let mut client = served.connect("aaaa0001").await;
    let fetch = |sha256: &str| FetchArtifactRequest {
        sha256: sha256.into(),
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
    let missing = client.fetch_artifact(fetch(&"0".repeat(64))).await;
    assert_eq!(code(missing), Code::NotFound);
    let wrong = client.fetch_artifact(fetch("../x")).await;
    assert_eq!(code(wrong), Code::InvalidArgument);
}
