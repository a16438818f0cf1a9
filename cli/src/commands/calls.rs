//! `invocations`, `dlq` and `queue`: the async side.
//!
//! Everything goes through the server, which asks the sidecar that has the call. Deliberately
//! no way to cancel or replay everything at once without naming a state.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::answer::{Shown, show_answer};
use super::{age, millis};
use crate::client::{Client, segment};
use crate::failure::{Exit, Failure};
use crate::output::{Output, at};

/// Async calls.
#[derive(Debug, Args)]
pub(crate) struct InvocationsArgs {
    #[command(subcommand)]
    command: InvocationsCommand,
}

#[derive(Debug, Subcommand)]
enum InvocationsCommand {
    /// List calls, newest first, of one function or of all.
    Ls {
        /// The function.
        function: Option<String>,
        /// queued, running, retrying, succeeded, dead or cancelled.
        #[arg(long)]
        state: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one call with its attempts.
    Get(CallArg),
    /// Print a finished call's answer.
    Result(CallArg),
    /// Cancel calls that are not finished.
    Cancel(CallsArg),
    /// Queue finished or dead calls again.
    Replay(CallsArg),
    /// Forget the calls that succeeded or were cancelled, with their results.
    Purge {
        /// The function.
        function: String,
    },
}

#[derive(Debug, Args)]
struct CallsArg {
    /// The function.
    function: String,
    /// The calls' ids.
    #[arg(required_unless_present = "state", conflicts_with = "state")]
    ids: Vec<String>,
    /// All calls in this state instead.
    #[arg(long)]
    state: Option<String>,
}

#[derive(Debug, Args)]
struct CallArg {
    /// The function.
    function: String,
    /// The call's id.
    id: String,
}

/// Dead letters: calls that used up their attempts.
#[derive(Debug, Args)]
pub(crate) struct DlqArgs {
    #[command(subcommand)]
    command: DlqCommand,
}

#[derive(Debug, Subcommand)]
enum DlqCommand {
    /// List a function's dead letters.
    Ls {
        /// The function.
        function: String,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Queue them again, all or the named ones.
    Replay {
        /// The function.
        function: String,
        /// Ids [default: all].
        ids: Vec<String>,
        /// Only say how many could be, and which not.
        #[arg(long)]
        dry_run: bool,
    },
    /// Delete them all.
    Purge {
        /// The function.
        function: String,
    },
}

/// `gateless invocations`
pub(crate) async fn invocations(
    client: &Client,
    out: &mut Output,
    args: &InvocationsArgs,
) -> Result<(), Failure> {
    match &args.command {
        InvocationsCommand::Ls {
            function,
            state,
            limit,
        } => {
            let path = match function {
                Some(name) => client.path(&["functions", name, "invocations"]),
                None => client.path(&["invocations"]),
            };
            let query: Vec<_> = state.clone().map(|s| ("state", s)).into_iter().collect();
            list_calls(client, out, &path, &query, *limit).await
        }
        InvocationsCommand::Get(call) => {
            let body = client.get(&call.path(client), &[]).await?;
            out.item(&body, people_call)
        }
        InvocationsCommand::Result(call) => {
            let path = format!("{}/result", call.path(client));
            let response = client.stream(client.request(Method::GET, &path)).await?;
            show_answer(out, response, &Shown::result_of(&call.id)).await
        }
        InvocationsCommand::Cancel(calls) => act(client, out, calls, "cancel").await,
        InvocationsCommand::Replay(calls) => act(client, out, calls, "replay").await,
        InvocationsCommand::Purge { function } => {
            let path = client.path(&["functions", function, "invocations"]);
            let body = client.call(Method::DELETE, &path, None).await?;
            counted(out, &body, "purged")
        }
    }
}

impl CallArg {
    fn path(&self, client: &Client) -> String {
        client.path(&["functions", &self.function, "invocations", &self.id])
    }
}

async fn act(
    client: &Client,
    out: &mut Output,
    calls: &CallsArg,
    verb: &str,
) -> Result<(), Failure> {
    let invocations = client.path(&["functions", &calls.function, "invocations"]);
    if let [id] = calls.ids.as_slice() {
        let path = format!("{invocations}/{}/{verb}", segment(id));
        let body = client.call(Method::POST, &path, None).await?;
        return out.item(&body, |v| format!("{id} {}", at(v, "/state")));
    }
    let which = match &calls.state {
        Some(state) => json!({"state": state}),
        None => json!({"ids": calls.ids}),
    };
    let path = format!("{invocations}/{verb}");
    let body = client.call(Method::POST, &path, Some(&which)).await?;
    counted(
        out,
        &body,
        if verb == "cancel" {
            "cancelled"
        } else {
            "replayed"
        },
    )
}

async fn list_calls(
    client: &Client,
    out: &mut Output,
    path: &str,
    query: &[(&str, String)],
    limit: usize,
) -> Result<(), Failure> {
    let items = client.list(path, query, limit).await?;
    let headers = [
        "ID", "FUNCTION", "STATE", "ATTEMPTS", "STATUS", "AGE", "REASON",
    ];
    out.list(items, &headers, |call| {
        let attempts = call["attempts"].as_array().map(Vec::len);
        vec![
            at(call, "/id"),
            at(call, "/function"),
            state(call),
            attempts.map_or_else(|| at(call, "/attempts"), |n| n.to_string()),
            at(call, "/status"),
            age(call, "/accepted_at"),
            at(call, "/reason"),
        ]
    })
}

/// The state; of a call without a function, that it waits for one, as neither time nor room will help it.
fn state(call: &Value) -> String {
    let state = at(call, "/state");
    match call["waits_for"].as_str() {
        Some("function") => format!("{state}, waits for its function"),
        _ => state,
    }
}

fn people_call(call: &Value) -> String {
    let mut text = format!(
        "{} {}\n{} {} on {}, accepted {} ago",
        at(call, "/id"),
        state(call),
        at(call, "/method"),
        at(call, "/path"),
        at(call, "/function"),
        age(call, "/accepted_at"),
    );
    for attempt in call["attempts"].as_array().into_iter().flatten() {
        text.push_str(&format!(
            "\n  attempt {}: status {}, {} {}",
            at(attempt, "/number"),
            at(attempt, "/status"),
            millis(attempt, "/duration_ms"),
            attempt["error"].as_str().unwrap_or_default(),
        ));
    }
    for (label, pointer) in [
        ("reason", "/reason"),
        ("callback", "/callback_state"),
        ("callback failed", "/callback_error"),
    ] {
        if at(call, pointer) != "-" {
            text.push_str(&format!("\n{label}: {}", at(call, pointer)));
        }
    }
    text
}

/// `gateless dlq`
pub(crate) async fn dlq(client: &Client, out: &mut Output, args: &DlqArgs) -> Result<(), Failure> {
    match &args.command {
        DlqCommand::Ls { function, limit } => {
            let path = client.path(&["functions", function, "dead-letters"]);
            list_calls(client, out, &path, &[], *limit).await
        }
        DlqCommand::Replay {
            function,
            ids,
            dry_run,
        } => {
            let path = client.path(&["functions", function, "dead-letters", "replay"]);
            let mut which = json!({"dry_run": dry_run});
            if !ids.is_empty() {
                which["ids"] = json!(ids);
            }
            let body = client.call(Method::POST, &path, Some(&which)).await?;
            let verb = if *dry_run { "replayable" } else { "replayed" };
            counted(out, &body, verb)
        }
        DlqCommand::Purge { function } => {
            let path = client.path(&["functions", function, "dead-letters"]);
            let body = client.call(Method::DELETE, &path, None).await?;
            counted(out, &body, "purged")
        }
    }
}

/// How many, and where it could not be done.
fn counted(out: &mut Output, body: &Value, verb: &str) -> Result<(), Failure> {
    let warnings = body["warnings"].as_array();
    out.warnings(warnings.map_or(&[], Vec::as_slice));
    let failed = body["failed"].as_array().map_or(0, Vec::len);
    for one in body["failed"].as_array().into_iter().flatten() {
        out.note(format!(
            "not {verb}: {}: {}",
            at(one, "/id"),
            at(one, "/detail")
        ));
    }
    if body["more"] == true {
        out.note("more calls are in this state: run it again");
    }
    out.item(body, |v| format!("{verb} {}", at(v, "/count")))?;
    match failed {
        0 => Ok(()),
        n => Err(Failure::new(
            Exit::Conflict,
            "some_failed",
            format!("{n} calls were not {verb}"),
        )),
    }
}

/// `gateless queue`
pub(crate) async fn queue(client: &Client, out: &mut Output) -> Result<(), Failure> {
    let items = client.list(&client.path(&["queues"]), &[], 1000).await?;
    let headers = [
        "FUNCTION", "QUEUED", "RUNNING", "RETRYING", "DEAD", "OLDEST",
    ];
    out.list(items, &headers, |queue| {
        let mut row: Vec<String> = ["/function", "/queued", "/running", "/retrying", "/dead"]
            .iter()
            .map(|pointer| at(queue, pointer))
            .collect();
        row.push(millis(queue, "/oldest_age_ms"));
        row
    })
}
