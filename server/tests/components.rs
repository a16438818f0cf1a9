//! Functions of kind `wasm` over HTTP: what is refused with which words, what is kept and pushed.

#![allow(clippy::unwrap_used, reason = "a failed helper fails its test")]

mod common;

use std::time::Duration;

use common::{Answer, HANDLER, Server};
use gateless_server::service::artifacts::GRACE;
use gateless_server::store::blobs::Digest;
use http::Request;
use jiff::Timestamp;
use serde_json::{Value, json};

const HELLO: &str = "/v1/namespaces/default/functions/hello";

fn artifact(content: &[u8]) -> String {
    let digest = Digest::of(content);
    format!("/v1/namespaces/default/artifacts/{digest}")
}

async fn upload(server: &Server, content: &[u8]) -> Answer {
    let request = Request::put(artifact(content))
        .header("authorization", format!("Bearer {}", server.admin().await))
        .body(content.to_vec().into())
        .unwrap();
    server.send(request).await
}

fn function(content: &[u8], wasm: &Value) -> Value {
    let mut body = json!({"spec": {"kind": "wasm", "wasm": wasm}});
    body["spec"]["wasm"]["component"] = json!({"sha256": Digest::of(content).to_string()});
    body
}

#[tokio::test]
async fn a_handler_becomes_a_revision_with_its_size_and_defaults() {
    let server = Server::start().await;
    let content = wat::parse_str(HANDLER).unwrap();
    let body = function(
        &content,
        &json!({"reuse": true, "allowed_hosts": ["*.example.com"]}),
    );
    let missing = server.admin_call("PUT", HELLO, Some(body.clone())).await;
    let missing = missing.problem(422, "invalid");
    assert_eq!(missing.pointers(), ["/spec/wasm/component/sha256"]);

    upload(&server, &content).await.expect(201);
    let dry = format!("{HELLO}?dry_run=true");
    server
        .admin_call("PUT", &dry, Some(body.clone()))
        .await
        .expect(201);
    server.admin_call("GET", HELLO, None).await.expect(404);
    let made = server
        .admin_call("PUT", HELLO, Some(body))
        .await
        .expect(201);
    let wasm = &made.body["spec"]["wasm"];
    assert_eq!(wasm["component"]["size"], content.len());
    assert_eq!(wasm["memory_bytes"], 128 << 20);
    assert_eq!(made.body["spec"]["limits"]["container_concurrency"], 100);

    let pushed = server
        .service
        .resource("functions/default/hello")
        .await
        .unwrap();
    let pushed = format!("{pushed:?}");
    assert!(
        pushed.contains(&Digest::of(&content).to_string()),
        "{pushed}"
    );
    assert!(pushed.contains("container_concurrency: 100"), "{pushed}");
    assert!(pushed.contains("*.example.com"), "{pushed}");
}

#[tokio::test]
async fn what_is_no_handler_is_refused_in_words_also_when_nothing_would_change() {
    let server = Server::start().await;
    let whole = wat::parse_str(HANDLER).unwrap();
    let module = wat::parse_str(r#"(module (func (export "_start")))"#).unwrap();
    let command = r#"(component (instance $i) (export "wasi:cli/run@0.2.3" (instance $i)))"#;
    let command = wat::parse_str(command).unwrap();
    let rows: [(&[u8], &str); 5] = [
        (b"#!/bin/sh\necho hello\n", "not WebAssembly but a script"),
        (b"\x7fELF\x02\x01\x01\0", "not WebAssembly but an ELF file"),
        (
            &whole[..whole.len() - 9],
            "the beginning of a WebAssembly file",
        ),
        (&module, "a core module, not a component; it exports _start"),
        (&command, "a command component"),
    ];
    for (content, expected) in rows {
        upload(&server, content).await.expect(201);
        for uri in [HELLO.to_owned(), format!("{HELLO}?dry_run=true")] {
            // Twice: read, and remembered.
            let body = function(content, &json!({}));
            let refused = server.admin_call("PUT", &uri, Some(body)).await;
            let refused = refused.problem(422, "invalid");
            assert_eq!(refused.pointers(), ["/spec/wasm/component"]);
            let detail = refused.body["errors"][0]["detail"].as_str().unwrap();
            assert!(detail.contains(expected), "{detail}");
        }
    }
}

#[tokio::test]
async fn limits_below_what_a_component_begins_with_are_refused() {
    let server = Server::start().await;
    let content = wat::parse_str(HANDLER).unwrap();
    upload(&server, &content).await.expect(201);
    let tight = json!({"memory_bytes": 65_536, "max_table_elements": 8});
    let refused = server
        .admin_call("PUT", HELLO, Some(function(&content, &tight)))
        .await;
    let refused = refused.problem(422, "invalid");
    assert_eq!(
        refused.pointers(),
        ["/spec/wasm/memory_bytes", "/spec/wasm/max_table_elements"]
    );
    let fitting = json!({"memory_bytes": 4 * 65_536, "max_table_elements": 9});
    server
        .admin_call("PUT", HELLO, Some(function(&content, &fitting)))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_component_a_revision_names_is_not_collected() {
    let server = Server::start().await;
    let used = wat::parse_str(HANDLER).unwrap();
    let unused = b"nobody names this";
    upload(&server, &used).await.expect(201);
    upload(&server, unused).await.expect(201);
    let body = function(&used, &json!({}));
    server
        .admin_call("PUT", HELLO, Some(body))
        .await
        .expect(201);
    let later = Timestamp::now() + GRACE + Duration::from_secs(60);
    server.service.collect_artifacts(later).await.unwrap();
    server
        .admin_call("GET", &artifact(&used), None)
        .await
        .expect(200);
    server
        .admin_call("GET", &artifact(unused), None)
        .await
        .expect(404);
}
