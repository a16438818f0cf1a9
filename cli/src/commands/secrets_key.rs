//! `server secrets-key show|rotate|retire`: what the catalogue's secrets are sealed by.

use reqwest::Method;
use serde_json::Value;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Output, at};

/// What is asked of the server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ask {
    Show,
    Rotate,
    Retire,
}

/// `gateless server secrets-key`
pub(crate) async fn ask(client: &Client, out: &mut Output, what: Ask) -> Result<(), Failure> {
    let (method, path) = match what {
        Ask::Show => (Method::GET, "/v1/secrets-key"),
        Ask::Rotate => (Method::POST, "/v1/secrets-key/rotate"),
        Ask::Retire => (Method::POST, "/v1/secrets-key/retire"),
    };
    let state = client.call(method, path, None).await?;
    out.item(&state, shown)
}

fn shown(state: &Value) -> String {
    let sealed = match state["sealed"].as_bool() {
        Some(true) => "yes".to_owned(),
        _ => format!(
            "no, as an earlier version made the catalogue; a start after {} seals it, gateless server secrets-key seal does now",
            at(state, "/seals_at")
        ),
    };
    let mut lines = vec![
        format!("source  {}", at(state, "/source")),
        format!("sealed  {sealed}"),
    ];
    for (n, key) in state["keys"].as_array().into_iter().flatten().enumerate() {
        let does = if n == 0 { "seals" } else { "is kept" };
        let (id, wraps) = (at(key, "/id"), at(key, "/data_keys"));
        lines.push(format!("key     {id}  {does}, {wraps} data keys"));
    }
    lines.join("\n")
}
