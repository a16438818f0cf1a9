//! Applying a function and watching it get ready, for `deploy` and `dev`.
//!
//! Deliberately no rollback: a revision that never gets ready never gets traffic, so the one
//! before it goes on serving.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::{Output, at};

/// Between looks at the conditions: doubled from the first to the last.
const POLL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));
/// A failing condition may be a crash that the next start survives; after this it is believed.
const FAILING_FOR: Duration = Duration::from_secs(3);

/// Applies on top of the version that is there now, so a concurrent change is a conflict.
pub(crate) async fn apply(
    client: &Client,
    name: &str,
    body: &Value,
    dry_run: bool,
) -> Result<Value, Failure> {
    let path = client.path(&["functions", name]);
    let (condition, value) = match client.send(client.request(Method::GET, &path)).await {
        Ok(reply) => match reply.headers.get("etag") {
            Some(etag) => ("if-match", etag.to_str().unwrap_or("*").to_owned()),
            None => ("if-match", format!("\"{}\"", reply.body["version"])),
        },
        Err(failure) if failure.exit() == Exit::NotFound => ("if-none-match", "*".into()),
        Err(failure) => return Err(failure),
    };
    let mut request = client
        .request(Method::PUT, &path)
        .header(condition, value)
        .json(body);
    if dry_run {
        request = request.query(&[("dry_run", "true")]);
    }
    let reply = client.send(request).await?;
    Ok(reply.body)
}

/// Shows conditions as they change until the newest revision serves, fails or takes too long.
pub(crate) async fn wait_ready(
    client: &Client,
    out: &mut Output,
    name: &str,
    timeout: Duration,
) -> Result<Value, Failure> {
    let path = client.path(&["functions", name]);
    let start = Instant::now();
    let mut pause = POLL.0;
    let mut shown: Vec<String> = Vec::new();
    let mut failing: Option<Instant> = None;
    loop {
        let function = client.get(&path, &[]).await?;
        for condition in conditions(&function) {
            let text = describe(condition);
            if !shown.contains(&text) {
                out.note(format!("  {text}"));
                shown.push(text);
            }
        }
        if is_settled(&function) {
            return Ok(function);
        }
        if is_failing(&function) {
            let since = *failing.get_or_insert_with(Instant::now);
            if since.elapsed() >= FAILING_FOR {
                return Err(not_ready(name, &function, Exit::Failure, "not_ready"));
            }
        } else {
            failing = None;
        }
        if start.elapsed() >= timeout {
            return Err(not_ready(name, &function, Exit::Timeout, "timeout"));
        }
        out.status(format!(
            "waiting for {name}, {}s",
            start.elapsed().as_secs()
        ));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(POLL.1);
    }
}

/// The newest revision is the ready one, and every connected sidecar has heard of it.
fn is_settled(function: &Value) -> bool {
    let status = &function["status"];
    let pushing = |c: &Value| c["status"] == "unknown" && c["reason"] == "pushing";
    status["ready"] == true
        && status["latest_revision"] == status["latest_ready_revision"]
        && !conditions(function).any(pushing)
}

/// The newest revision does not start.
fn is_failing(function: &Value) -> bool {
    conditions(function).any(|c| c["type"] == "Ready" && is_false(c))
}

/// The conditions of a function.
pub(crate) fn conditions(function: &Value) -> impl Iterator<Item = &Value> {
    let list = function["status"]["conditions"].as_array();
    list.into_iter().flatten()
}

fn is_false(condition: &Value) -> bool {
    condition["status"] == "false"
}

/// One condition on one line.
pub(crate) fn describe(condition: &Value) -> String {
    let text = |key: &str| condition[key].as_str().unwrap_or_default();
    let mut line = format!("{}: {}", text("type"), text("status"));
    for part in ["reason", "message"].map(text) {
        if !part.is_empty() {
            line.push_str(", ");
            line.push_str(part);
        }
    }
    line
}

fn not_ready(name: &str, function: &Value, exit: Exit, code: &str) -> Failure {
    let revision = at(function, "/status/latest_revision");
    let culprit = conditions(function)
        .find(|c| is_false(c) && c["type"] == "Ready")
        .or_else(|| conditions(function).find(|c| c["status"] != "true"));
    let mut cause = culprit.map_or_else(|| "no condition says why".into(), describe);
    let lines = culprit.and_then(|c| c["last_log_lines"].as_array());
    for line in lines.into_iter().flatten().filter_map(Value::as_str) {
        cause.push_str("\n| ");
        cause.push_str(line);
    }
    Failure::new(
        exit,
        code,
        format!("{name} is not ready, revision {revision}"),
    )
    .cause(cause)
    .hint(format!(
        "gateless logs {name}; the revision before it keeps its traffic"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ready_means_the_newest_revision_is() {
        let function = |ready, latest, latest_ready: Option<&str>| json!({"status": {"ready": ready, "latest_revision": latest, "latest_ready_revision": latest_ready}});
        assert!(is_settled(&function(true, "f-00001", Some("f-00001"))));
        assert!(!is_settled(&function(true, "f-00002", Some("f-00001"))));
        assert!(!is_settled(&function(false, "f-00001", None)));
        let mut pushing = function(true, "f-00001", Some("f-00001"));
        pushing["status"]["conditions"] =
            json!([{"type": "Accepted", "status": "unknown", "reason": "pushing"}]);
        assert!(!is_settled(&pushing));
    }

    #[test]
    fn a_failed_wait_shows_the_reason_and_the_last_log_lines() {
        let function = json!({"status": {"latest_revision": "f-00002", "conditions": [
            {"type": "Ready", "status": "false", "reason": "crash_loop", "message": "exit code 1",
             "last_log_lines": ["no module named x"]},
        ]}});
        let text = not_ready("f", &function, Exit::Failure, "not_ready").to_string();
        assert!(text.contains("crash_loop, exit code 1"), "{text}");
        assert!(text.contains("| no module named x"), "{text}");
    }
}
