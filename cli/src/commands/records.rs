//! `calls`: those on record, sync ones and attempts of async ones.
//!
//! Through the server, or from the metrics listener of any sidecar, which asks the others: so also while the server is away.

use clap::{Args, Subcommand};
use gateless_common::problem::Code;
use gateless_sdk::Gateless;
use jiff::Timestamp;
use serde_json::Value;

use super::age;
use super::trace::{self, Phase};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::login::{Remote, check_url};
use crate::manifest::units::Millis;
use crate::output::{Output, at};

/// Most calls that a sidecar shows at once.
const MOST_AT_ONCE: usize = 1_000;

/// Calls on record.
#[derive(Debug, Args)]
pub(crate) struct CallsArgs {
    #[command(subcommand)]
    command: CallsCommand,
}

#[derive(Debug, Subcommand)]
enum CallsCommand {
    /// List calls on record, newest first, of one function or of all.
    Ls(Box<LsArgs>),
    /// Show one call, and where its time went.
    Show {
        /// The call's id.
        id: String,
        #[command(flatten)]
        at: At,
    },
}

#[derive(Debug, Args)]
struct LsArgs {
    /// The function.
    function: Option<String>,
    /// answered, failed or refused; several separated by commas.
    #[arg(long)]
    state: Option<String>,
    /// Why they are on record: error, cold, slow or sample; several separated by commas.
    #[arg(long)]
    kept: Option<String>,
    /// Answered so: 503, 5xx.
    #[arg(long)]
    status: Option<String>,
    /// direct, parent, trigger, trigger:NAME or replay.
    #[arg(long)]
    cause: Option<String>,
    /// outside, key, key:NAME, function, function:NAME.NAMESPACE or trigger.
    #[arg(long)]
    caller: Option<String>,
    /// Took so long at least.
    #[arg(long, value_name = "TIME")]
    min_duration: Option<Millis>,
    /// Waited for an instance.
    #[arg(long)]
    cold: bool,
    /// Came since then: a time, or how long ago.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Came before then: a time, or how long ago.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Of this trace.
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
    /// Attempts of this async call.
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    at: At,
}

/// Who is asked.
#[derive(Debug, Args)]
struct At {
    /// Ask this sidecar instead of the server: the address of its metrics listener, http://HOST:7704. It asks the others.
    #[arg(long, value_name = "URL")]
    metrics_of: Option<String>,
}

/// A time, or how long ago it was.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let Millis(ago) = text
        .parse()
        .map_err(|_| "write a time like 2026-01-31T12:00:00Z or 15m".to_owned())?;
    let now = Timestamp::now().as_millisecond();
    let then = now.saturating_sub(i64::try_from(ago).unwrap_or(i64::MAX));
    Timestamp::from_millisecond(then.max(0)).map_err(|error| error.to_string())
}

impl LsArgs {
    fn query(&self) -> Vec<(&'static str, String)> {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let all = [
            ("function", self.function.clone()),
            ("state", self.state.clone()),
            ("kept", self.kept.clone()),
            ("status", self.status.clone()),
            ("cause", self.cause.clone()),
            ("caller", self.caller.clone()),
            (
                "min_duration_ms",
                self.min_duration.as_ref().map(|Millis(ms)| ms.to_string()),
            ),
            ("cold", self.cold.then(|| true.to_string())),
            ("since", time(self.since)),
            ("until", time(self.until)),
            ("trace", self.trace.clone()),
            ("call", self.call.clone()),
        ];
        let given = all.into_iter();
        given
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

/// `gateless calls`
pub(crate) async fn calls(
    remote: &Remote,
    out: &mut Output,
    args: &CallsArgs,
) -> Result<(), Failure> {
    match &args.command {
        CallsCommand::Ls(args) => ls(remote, out, args).await,
        CallsCommand::Show { id, at } => {
            let found = match &at.metrics_of {
                None => {
                    let client = Client::new(remote).await?;
                    client.get(&client.path(&["calls", id]), &[]).await?
                }
                Some(sidecar) => {
                    let body = ask(remote, sidecar, vec![("id", id.clone())]).await?;
                    let warnings = body["warnings"].as_array();
                    out.warnings(warnings.map_or(&[], Vec::as_slice));
                    let found = body["items"].get(0).cloned();
                    found.ok_or_else(|| {
                        let what = format!("call {id} is not on record");
                        Failure::new(Exit::NotFound, Code::CallNotOnRecord.as_str(), what)
                    })?
                }
            };
            out.item(&found, people)
        }
    }
}

async fn ls(remote: &Remote, out: &mut Output, args: &LsArgs) -> Result<(), Failure> {
    let mut query = args.query();
    let headers = [
        "ID", "FUNCTION", "STATE", "STATUS", "TOOK", "KEPT", "CALLER", "AGE", "REQUEST",
    ];
    let row = |call: &Value| {
        vec![
            at(call, "/id"),
            at(call, "/function"),
            at(call, "/state"),
            at(call, "/status"),
            took(call, "/duration_ms"),
            at(call, "/kept"),
            at(call, "/caller"),
            age(call, "/arrived_at"),
            format!("{} {}", at(call, "/method"), at(call, "/path")),
        ]
    };
    let Some(sidecar) = &args.at.metrics_of else {
        let client = Client::new(remote).await?;
        let items = client
            .list(&client.path(&["calls"]), &query, args.limit)
            .await?;
        return out.list(items, &headers, row);
    };
    query.push(("limit", args.limit.clamp(1, MOST_AT_ONCE).to_string()));
    let body = ask(remote, sidecar, query).await?;
    let some = |name: &str| body[name].as_array().cloned().unwrap_or_default();
    let listing = crate::client::Listing {
        items: some("items"),
        warnings: some("warnings"),
    };
    out.list(listing, &headers, row)
}

/// What the metrics listener of a sidecar says. It asks for no token, and gets none.
async fn ask(
    remote: &Remote,
    sidecar: &str,
    mut query: Vec<(&'static str, String)>,
) -> Result<Value, Failure> {
    let address = check_url(sidecar)?;
    query.push(("namespace", remote.resolve()?.namespace));
    let http = Gateless::builder(&address).build()?;
    Ok(http.get("/calls", &query).await?)
}

fn took(call: &Value, pointer: &str) -> String {
    let millis = call.pointer(pointer).and_then(Value::as_f64);
    millis.map_or_else(|| "-".to_owned(), trace::took)
}

fn people(call: &Value) -> String {
    let mut text = format!(
        "{} {} {}\n{} {} on {}/{}, {} ago, from {}",
        at(call, "/id"),
        at(call, "/state"),
        at(call, "/status"),
        at(call, "/method"),
        at(call, "/path"),
        at(call, "/namespace"),
        at(call, "/function"),
        age(call, "/arrived_at"),
        at(call, "/caller"),
    );
    for (label, pointer) in [
        ("cause", "/cause"),
        ("problem", "/code"),
        ("held for", "/held_for"),
        ("revision", "/revision"),
        ("instance", "/instance"),
        ("host", "/host"),
        ("sidecar", "/sidecar"),
        ("trace", "/trace_id"),
        ("async call", "/call_id"),
        ("attempt", "/attempt"),
        ("on record as", "/kept"),
        ("request bytes", "/request_bytes"),
        ("answer bytes", "/response_bytes"),
    ] {
        if at(call, pointer) != "-" {
            text.push_str(&format!("\n{label}: {}", at(call, pointer)));
        }
    }
    if call["broken_off"] == true {
        text.push_str("\nits answer did not come to its end");
    }
    format!("{text}\n{}", trace::timeline(&phases(call)))
}

/// Where the time went, one phase after the other.
fn phases(call: &Value) -> Vec<Phase> {
    let millis = |name: &str| call["phases"][name].as_f64().unwrap_or(0.0);
    let held_for = call["held_for"].as_str();
    let mut begin = 0.0;
    let mut out = Vec::new();
    for (name, field) in [
        ("route", "route_ms"),
        ("hold", "hold_ms"),
        ("queue", "queue_ms"),
        ("run", "run_ms"),
        ("answer", "answer_ms"),
    ] {
        let took = millis(field);
        let note = match (name, held_for) {
            ("hold", _) if took > 0.0 => "no instance was ready",
            ("queue", _) if took > 0.0 => "every instance was full",
            _ => "",
        };
        if took > 0.0 {
            out.push(Phase::new(name, begin, took, note));
        }
        begin += took;
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_shown_with_what_it_was_held_for_and_where_its_time_went() {
        let call = json!({
            "id": "1-a", "state": "answered", "status": 200, "method": "GET", "path": "/", "namespace": "default",
            "function": "hello", "caller": "outside", "cause": "direct", "held_for": "instance", "kept": "cold",
            "phases": {"route_ms": 1.0, "hold_ms": 8.0, "queue_ms": 0.0, "run_ms": 1.0, "answer_ms": 0.0},
        });
        let text = people(&call);
        for part in [
            "held for: instance",
            "no instance was ready",
            "0 to 10.0 ms",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("full"), "{text}");
    }

    #[test]
    fn a_moment_is_a_time_or_how_long_ago_it_was() {
        assert_eq!(
            moment("1970-01-01T00:00:01Z").map(Timestamp::as_millisecond),
            Ok(1_000)
        );
        let ago = moment("15m").map(|then| Timestamp::now().as_second() - then.as_second());
        assert!(ago.is_ok_and(|ago| (899..=902).contains(&ago)));
        assert!(moment("yesterday").is_err());
    }
}
