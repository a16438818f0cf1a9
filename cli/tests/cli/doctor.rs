//! `doctor`: every finding with its way out, and an exit code.

use serde_json::{Value, json};

use crate::fake::{Fake, answer};
use crate::{code, document, gateless, run, stdout};

/// A healthy server, whose sidecar takes calls at `public`.
fn server(public: Option<String>) -> Fake {
    Fake::new(move |request| {
        let sidecar = |url: &String| {
            json!({"node_id": "n1", "connected": true, "lag": 2, "public_url": url,
                "version": env!("CARGO_PKG_VERSION")})
        };
        let body = if request.line.contains("/v1/version") {
            json!({"version": env!("CARGO_PKG_VERSION")})
        } else if request.line.contains("/v1/sidecars") {
            json!({"items": public.iter().map(sidecar).collect::<Vec<_>>()})
        } else {
            json!({"items": []})
        };
        answer(200, body.to_string())
    })
}

fn result(items: &Value, check: &str) -> (String, bool) {
    let items = items.as_array().unwrap();
    let item = items.iter().find(|item| item["check"] == check).unwrap();
    (
        item["result"].as_str().unwrap().to_owned(),
        item["fix"].is_string(),
    )
}

#[test]
fn each_finding_has_a_way_out_and_a_failed_one_an_exit_code() {
    let sidecar = Fake::new(|_| answer(404, "{}"));
    let healthy = server(Some(sidecar.url()));
    let output = run(&healthy, &["doctor", "-o", "json"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    let items = document(&output)["items"].clone();
    assert_eq!(result(&items, "server"), ("ok".into(), false));
    assert_eq!(result(&items, "lag"), ("warning".into(), true));
    assert_eq!(result(&items, "calls"), ("ok".into(), false));

    let empty = server(None);
    let output = run(&empty, &["doctor", "-o", "json"]);
    assert_eq!(code(&output), 1);
    let items = document(&output)["items"].clone();
    assert_eq!(result(&items, "sidecars"), ("failed".into(), true));
}

#[test]
fn a_server_that_is_not_there_is_the_finding() {
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let home = tempfile::tempdir().unwrap();
    let output = gateless(&format!("http://{address}"), home.path(), &["doctor"]);
    assert_eq!(code(&output), 1);
    assert!(
        stdout(&output).contains("gateless up"),
        "{}",
        stdout(&output)
    );
}
