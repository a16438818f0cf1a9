//! Applying a function and waiting for the verdict on it, for `deploy` and `dev`: whether the newest
//! revision answers, with which share of the calls, and if not, what does.
//!
//! The server decides that (`status.rollout`); here is only when a state is final. Deliberately no rollback.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::{Output, at};

/// Between looks at the conditions: doubled from the first to the last.
const POLL: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));

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

/// What a wait is for, and how soon bad news is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// The verdict is final: the newest revision answers and has stayed up, or is ready without calls.
    Settled,
    /// It answers; whether it stays up is watched afterwards.
    Answering,
}

impl Until {
    /// A start that fails is tried again, and may find then what it missed; after this it is believed.
    const fn failing_for(self) -> Duration {
        match self {
            Self::Settled => Duration::from_secs(10),
            Self::Answering => Duration::from_secs(3),
        }
    }
}

/// How a look at a function ends the wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The newest revision answers.
    Answers,
    /// It is ready, and the function's traffic gives it no calls.
    NoTraffic,
    /// It fails, for long enough.
    Fails,
    /// Not yet.
    Wait,
}

/// The verdict on a function as the server shows it, after its newest revision has failed for `failing`.
fn verdict(function: &Value, failing: Duration, until: Until) -> Verdict {
    match (state(function), until) {
        ("serving", _) | ("settling", Until::Answering) if percent(function) > 0 => {
            Verdict::Answers
        }
        ("no_traffic", _) => Verdict::NoTraffic,
        ("failing", _) if failing >= until.failing_for() => Verdict::Fails,
        _ => Verdict::Wait,
    }
}

/// How far the newest revision is: `pending`, `settling`, `failing`, `no_traffic` or `serving`.
pub(crate) fn state(function: &Value) -> &str {
    let state = &function["status"]["rollout"]["state"];
    state.as_str().unwrap_or_default()
}

fn percent(function: &Value) -> u64 {
    let percent = &function["status"]["rollout"]["percent"];
    percent.as_u64().unwrap_or_default()
}

/// Shows conditions as they change until there is a verdict on the newest revision, or it takes too long.
pub(crate) async fn wait(
    client: &Client,
    out: &mut Output,
    name: &str,
    (until, timeout): (Until, Duration),
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
        failing = match state(&function) {
            "failing" => failing.or_else(|| Some(Instant::now())),
            _ => None,
        };
        let failing_for = failing.map_or(Duration::ZERO, |since| since.elapsed());
        match verdict(&function, failing_for, until) {
            Verdict::Answers => return Ok(function),
            Verdict::NoTraffic => return Err(no_traffic(name, &function)),
            Verdict::Fails => return Err(not_ready(name, &function, Exit::Failure)),
            Verdict::Wait if start.elapsed() >= timeout => {
                return Err(not_ready(name, &function, Exit::Timeout));
            }
            Verdict::Wait => {}
        }
        out.status(format!(
            "waiting for {name}, {}s",
            start.elapsed().as_secs()
        ));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(POLL.1);
    }
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

/// What the server says of the rollout, for people.
pub(crate) fn message(function: &Value) -> String {
    at(function, "/status/rollout/message")
}

/// The code of [`no_traffic`].
pub(crate) const NO_TRAFFIC: &str = "no_traffic";

fn no_traffic(name: &str, function: &Value) -> Failure {
    Failure::new(Exit::Conflict, NO_TRAFFIC, message(function)).hint(format!(
        "to give it calls: gateless traffic set {name} latest=100; if that is meant, deploy with --no-traffic"
    ))
}

/// The revisions with a share of the calls but the newest.
fn others(function: &Value) -> Value {
    let rollout = &function["status"]["rollout"];
    let shares = rollout["shares"].as_array().into_iter().flatten();
    let names = shares.map(|share| &share["revision"]);
    names
        .filter(|name| **name != rollout["revision"])
        .cloned()
        .collect()
}

/// The newest revision does not answer; says what does, why, and with which last words.
pub(crate) fn not_ready(name: &str, function: &Value, exit: Exit) -> Failure {
    let code = match exit {
        Exit::Timeout => "timeout",
        _ => "not_ready",
    };
    let culprit = conditions(function)
        .find(|c| is_false(c) && c["type"] == "Ready")
        .or_else(|| conditions(function).find(|c| c["status"] != "true"));
    let mut cause = culprit.map_or_else(|| "no condition says why".into(), describe);
    let lines = culprit.and_then(|c| c["last_log_lines"].as_array());
    for line in lines.into_iter().flatten().filter_map(Value::as_str) {
        cause.push_str("\n| ");
        cause.push_str(line);
    }
    let back = match (state(function), percent(function)) {
        ("failing", 1..) => format!("to go back: gateless rollback {name}"),
        _ => "sidecars go on trying to start it".to_owned(),
    };
    Failure::new(exit, code, message(function))
        .cause(cause)
        .hint(format!("gateless logs {name}; {back}"))
        .with("answers", others(function))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_wait_ends_with_what_is_so_and_not_with_what_may_still_become() {
        let check =
            |state: &str, percent: u32, failing: u64, settled: Verdict, answering: Verdict| {
                let function = json!({"status": {"rollout": {"state": state, "percent": percent}}});
                let failing = Duration::from_secs(failing);
                let found =
                    [Until::Settled, Until::Answering].map(|u| verdict(&function, failing, u));
                assert_eq!(found, [settled, answering], "{state} {percent} {failing:?}");
            };
        use Verdict::{Answers, Fails, NoTraffic, Wait};
        check("pending", 0, 0, Wait, Wait);
        check("pending", 100, 0, Wait, Wait);
        check("settling", 100, 0, Wait, Answers);
        check("settling", 0, 0, Wait, Wait);
        check("serving", 100, 0, Answers, Answers);
        check("serving", 20, 0, Answers, Answers);
        check("no_traffic", 0, 0, NoTraffic, NoTraffic);
        check("failing", 0, 2, Wait, Wait);
        check("failing", 0, 5, Wait, Fails);
        check("failing", 100, 10, Fails, Fails);
        check("", 0, 0, Wait, Wait);
    }

    #[test]
    fn a_failed_wait_shows_what_answers_instead_the_reason_and_the_last_log_lines() {
        let check = |percent: u32, hint: &str| {
            let message = "f-00002 fails; calls go to f-00001 (100 %)";
            let function = json!({"status": {
                "rollout": {"state": "failing", "percent": percent, "message": message},
                "conditions": [
                    {"type": "Ready", "status": "false", "reason": "crash_loop", "message": "exit code 1",
                     "last_log_lines": ["no module named x"]},
                ],
            }});
            let text = not_ready("f", &function, Exit::Failure).to_string();
            for part in [
                message,
                "crash_loop, exit code 1",
                "| no module named x",
                hint,
            ] {
                assert!(text.contains(part), "{part} in {text}");
            }
        };
        check(0, "sidecars go on trying");
        check(100, "gateless rollback f");
    }
}
