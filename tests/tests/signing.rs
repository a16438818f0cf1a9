//! Callbacks that are signed, as whoever gets them checks it, while the key is replaced and when it is gone.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateless_tests::call::send;
use gateless_tests::{Cluster, Spec};
use http::Method;
use ring::hmac;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A callback as it came: its headers and its body.
struct Got {
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// Takes one, and answers with this status.
async fn take(listener: &TcpListener, status: &str) -> Got {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    loop {
        stream.read_buf(&mut bytes).await.unwrap();
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let headers = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        let headers: BTreeMap<_, _> = headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers["content-length"].parse().unwrap();
        while bytes.len() < end + 4 + length {
            stream.read_buf(&mut bytes).await.unwrap();
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        let body = bytes[end + 4..].to_vec();
        return Got { headers, body };
    }
}

impl Got {
    /// The signature that a key makes of it.
    fn signed_by(&self, key: &str) -> String {
        let (id, at) = (
            &self.headers["webhook-id"],
            &self.headers["webhook-timestamp"],
        );
        let mut signed = format!("{id}.{at}.").into_bytes();
        signed.extend(&self.body);
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)))
    }

    fn signatures(&self) -> Vec<&str> {
        self.headers["webhook-signature"].split(' ').collect()
    }
}

async fn put(cluster: &Cluster, value: &str) {
    let body = json!({"data": {"key": value}});
    let path = "/namespaces/default/secrets/hooks";
    cluster.api.send(Method::PUT, path, Some(&body)).await;
    cluster.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callback_is_signed_by_every_key_of_the_secret_that_its_function_names() {
    let mut cluster = Cluster::small().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hook = format!("http://{}/done", listener.local_addr().unwrap());
    let sidecar = &mut cluster.sidecars[0];
    let allow = ["--egress-allow", "127.0.0.1"].map(str::to_owned);
    sidecar.common.extend(allow);
    sidecar.restart();
    cluster.settled().await;

    let spec = Spec::new().with("async/callback_signing", "hooks/key");
    let path = gateless_tests::Api::path("hello");
    let body = json!({"spec": spec.0});
    let sent = cluster.api.try_send(Method::PUT, &path, Some(&body)).await;
    let (status, problem) = sent.unwrap();
    assert_eq!(status, 422, "{problem:#}");
    assert_eq!(
        problem["errors"][0]["pointer"],
        "/spec/async/callback_signing"
    );

    put(&cluster, "first").await;
    cluster.deploy("hello", spec).await;
    let public = cluster.sidecars[0].public();
    let call = async || {
        let call = public.request(Method::POST, "/async-function/hello/echo");
        let call = call.header("x-callback-url", &hook).body("what is signed");
        let accepted = send(call).await.unwrap().expect(202);
        accepted.header("x-call-id").to_owned()
    };
    let id = call().await;
    let got = take(&listener, "503 Service Unavailable").await;
    assert_eq!(got.headers["webhook-id"], id);
    assert_eq!(got.signatures(), [got.signed_by("first")]);
    // Tried again it is the same message.
    let again = take(&listener, "200 OK").await;
    assert_eq!(again.headers["webhook-id"], id);
    assert_eq!(again.signatures(), [again.signed_by("first")]);

    put(&cluster, "second first").await;
    call().await;
    let got = take(&listener, "200 OK").await;
    let both = [got.signed_by("second"), got.signed_by("first")];
    assert_eq!(got.signatures(), both);

    // The secret is there, and is in use.
    let secret = "/namespaces/default/secrets/hooks";
    let removed = cluster.api.try_send(Method::DELETE, secret, None).await;
    assert_eq!(removed.unwrap().0, 409);
}
