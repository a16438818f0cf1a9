//! Functions that take the tokens of an issuer: who gets in, what the function learns, and what becomes of it when the issuer is away.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use gateless_tests::call::send;
use gateless_tests::{Answer, Api, Caller, Cluster, Spec};
use http::{Method, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// An issuer on loopback, as OpenID Connect Discovery 1.0 has one.
struct Issuer {
    url: String,
    signing: EncodingKey,
    serving: AbortHandle,
}

impl Issuer {
    async fn start() -> Self {
        let (how, rng) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(how, &rng).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(how, pkcs8.as_ref(), &rng).unwrap();
        // Uncompressed: 4, x, y (SEC 1, 2.3.3).
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let known = json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string();
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "a", "x": x, "y": y}]});
        let answers = Arc::new((known, keys.to_string()));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answers = answers.clone();
                let service = service_fn(move |request: http::Request<_>| {
                    let body = match request.uri().path() {
                        "/.well-known/openid-configuration" => answers.0.clone(),
                        _ => answers.1.clone(),
                    };
                    async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body)))) }
                });
                let serving = hyper::server::conn::http1::Builder::new();
                tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            url,
            signing: EncodingKey::from_ec_der(pkcs8.as_ref()),
            serving: serving.abort_handle(),
        }
    }

    fn token(&self, subject: &str, changes: &Value) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let mut claims = json!({
            "iss": self.url, "sub": subject, "aud": "hello", "exp": now + 300, "scope": "call", "email": "ann@example.com",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let kid = Some("a".to_owned());
        let head = Header {
            kid,
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&head, &claims, &self.signing).unwrap()
    }
}

async fn call(at: &Caller, path: &str, token: &str) -> Answer {
    let call = at.request(Method::POST, path);
    let call = call.header("authorization", format!("Bearer {token}"));
    let forged = call.header("x-gateless-claim-email", "root@example.com");
    send(forged.header("x-gateless-caller", "root").body("x"))
        .await
        .unwrap()
}

fn takes_tokens(issuer: &Issuer) -> Spec {
    Spec::new()
        .with("access/auth", "jwt")
        .with("access/jwt", json!({
            "issuer": issuer.url, "audiences": ["hello"], "claims": {"scope": "call"}, "forwarded_claims": ["email"],
        }))
        .with("async/max_attempts", 1)
        .scale(1, 1)
}

async fn cluster() -> Cluster {
    let mut cluster = Cluster::of(2).await;
    for sidecar in &mut cluster.sidecars {
        let allow = ["--egress-allow", "127.0.0.1"].map(str::to_owned);
        sidecar.common.extend(allow);
        sidecar.restart();
    }
    cluster.settled().await;
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_an_issuer_open_a_function_at_every_door() {
    let cluster = cluster().await;
    let issuer = Issuer::start().await;
    cluster.deploy("hello", takes_tokens(&issuer)).await;
    let (good, past) = (
        issuer.token("ann", &json!({})),
        json!({"exp": 1_000_000_000}),
    );
    let stranger = Issuer::start().await;
    let stranger = stranger.token("ann", &json!({"iss": issuer.url}));
    for sidecar in &cluster.sidecars {
        for door in [sidecar.public(), sidecar.local()] {
            for path in ["/function/hello/headers", "/async-function/hello/"] {
                let open = call(&door, path, &good).await;
                assert!(matches!(open.status, 200 | 202), "{open:?}");
                // Nobody but the sidecar says who the caller is, and the token goes no further.
                let seen = open.text().to_lowercase();
                if open.status == 200 {
                    assert!(seen.contains("[\"x-gateless-caller\",\"ann\"]"), "{seen}");
                    assert!(
                        seen.contains("[\"x-gateless-claim-email\",\"ann@example.com\"]"),
                        "{seen}"
                    );
                    assert!(!seen.contains("root") && !seen.contains("bearer"), "{seen}");
                }
                for bad in [
                    &issuer.token("ann", &past),
                    &issuer.token("ann", &json!({"scope": "read"})),
                    &issuer.token("ann", &json!({"aud": "other"})),
                    &stranger,
                    "glk_no",
                ] {
                    let refused = call(&door, path, bad).await;
                    let challenge = refused.header("www-authenticate");
                    assert_eq!(challenge, "Bearer error=\"invalid_token\"");
                    refused.problem(401, "caller_unproven");
                }
                let without = send(door.request(Method::POST, path).body("x"))
                    .await
                    .unwrap();
                assert_eq!(without.header("www-authenticate"), "Bearer");
                without.problem(401, "caller_unproven");
            }
        }
    }
    // A queued call keeps what was proved when it was taken, and is judged by today's rules when it is delivered.
    let public = cluster.sidecars[0].public();
    let taken = call(&public, "/async-function/hello/headers", &good)
        .await
        .expect(202);
    let id = taken.header("x-call-id");
    assert_eq!(public.ended(id).await, "succeeded");
    let result = public
        .get(&format!("/_gateless/calls/{id}/result"))
        .await
        .expect(200);
    let seen = result.text().to_lowercase();
    assert!(
        seen.contains("[\"x-gateless-claim-email\",\"ann@example.com\"]"),
        "{seen}"
    );
    assert!(seen.contains("[\"x-gateless-caller\",\"ann\"]"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn issuer_that_is_away_stops_only_who_was_never_asked_about() {
    let cluster = cluster().await;
    let issuer = Issuer::start().await;
    cluster.deploy("hello", takes_tokens(&issuer)).await;
    let [first, second] = [0, 1].map(|at: usize| cluster.sidecars[at].public());
    let token = issuer.token("ann", &json!({}));
    call(&first, "/function/hello/", &token).await.expect(200);
    issuer.serving.abort();
    call(&first, "/function/hello/", &issuer.token("bob", &json!({})))
        .await
        .expect(200);
    let refused = call(&second, "/function/hello/", &token).await;
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    refused.problem(503, "issuer_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_for_tokens_that_cannot_hold_are_refused_by_field() {
    let cluster = Cluster::small().await;
    let jwt = |changes: Value| {
        let mut jwt = json!({"issuer": "https://login.example", "audiences": ["hello"]});
        for (name, value) in changes.as_object().unwrap() {
            jwt[name] = value.clone();
        }
        jwt
    };
    for (auth, rules, pointer) in [
        ("jwt", None, "/spec/access/jwt"),
        ("key", Some(jwt(json!({}))), "/spec/access/jwt"),
        (
            "jwt",
            Some(jwt(json!({"issuer": "http://login.example"}))),
            "/spec/access/jwt/issuer",
        ),
        (
            "jwt",
            Some(jwt(json!({"jwks_uri": "keys"}))),
            "/spec/access/jwt/jwks_uri",
        ),
        (
            "jwt",
            Some(jwt(json!({"audiences": []}))),
            "/spec/access/jwt/audiences",
        ),
        (
            "jwt",
            Some(jwt(json!({"forwarded_claims": ["a b"]}))),
            "/spec/access/jwt/forwarded_claims/0",
        ),
        (
            "jwt",
            Some(jwt(json!({"claims": {"a": ""}}))),
            "/spec/access/jwt/claims/a",
        ),
    ] {
        let mut spec = Spec::new().with("access/auth", auth);
        if let Some(rules) = rules {
            spec = spec.with("access/jwt", rules);
        }
        let body = json!({"spec": spec.0});
        let path = Api::path("hello");
        let sent = cluster.api.try_send(Method::PUT, &path, Some(&body));
        let (status, refused) = sent.await.unwrap();
        assert_eq!(status, 422, "{refused:#}");
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused:#}");
    }
}
