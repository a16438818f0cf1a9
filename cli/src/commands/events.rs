//! `gateless events`: what happens in a namespace, as it happens.
//!
//! Deliberately prints, and keeps nothing: `top` is the one that sums up.

use std::time::Duration;

use clap::Args;
use gateless_sdk::EventQuery;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::Client;
use crate::failure::Failure;
use crate::manifest::units::Millis;
use crate::output::{Format, Output, at};
use crate::sse::EventStream;

/// More than one look can hold; the rest is dropped with a warning.
const MAX_COLLECTED: usize = 10_000;
/// Members every event has, shown first or not at all.
const COMMON: [&str; 4] = ["type", "time", "namespace", "function"];

/// What happens, as it happens.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Only of this function.
    function: Option<String>,
    /// Go on until interrupted.
    #[arg(short, long)]
    follow: bool,
    /// Without -f: look for so long.
    #[arg(long = "for", default_value = "3s", value_name = "DURATION")]
    duration: Millis,
    /// function, sample, decision, instance, call, sidecar, trigger.
    #[arg(long, value_delimiter = ',', value_name = "TYPE,...")]
    types: Vec<String>,
    /// Of every namespace.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

impl EventsArgs {
    fn query(&self) -> EventQuery {
        EventQuery {
            all_namespaces: self.all_namespaces,
            types: self.types.clone(),
            function: self.function.clone(),
            last_event_id: None,
        }
    }
}

/// `gateless events`
pub(crate) async fn events(
    client: &Client,
    out: &mut Output,
    args: &EventsArgs,
) -> Result<(), Failure> {
    if args.follow && out.format() == Format::Json {
        return Err(
            Failure::usage("events -f has no end, so it is no JSON document")
                .hint("use -o jsonl, one document a line"),
        );
    }
    let mut stream = EventStream::open(client, args.query())?;
    let end = Instant::now() + Duration::from_millis(args.duration.0);
    let mut collected = Vec::new();
    loop {
        let event = if args.follow {
            stream.next(out).await?
        } else {
            match tokio::time::timeout_at(end, stream.next(out)).await {
                Ok(event) => event?,
                Err(_) => break,
            }
        };
        match out.format() {
            Format::Table if event["type"] != "hello" => out.line(&line(&event))?,
            Format::Table => {}
            Format::Jsonl => out.document(&event)?,
            Format::Json if collected.len() < MAX_COLLECTED => collected.push(event),
            Format::Json => {
                out.note(format!("warning: only the first {MAX_COLLECTED} events"));
                break;
            }
        }
    }
    if out.format() == Format::Json {
        return out.document(&json!({"items": collected}));
    }
    Ok(())
}

/// One event on one line.
fn line(event: &Value) -> String {
    let mut text = format!(
        "{} {:9} {}",
        at(event, "/time"),
        at(event, "/type"),
        at(event, "/function")
    );
    let members = event.as_object().into_iter().flatten();
    for (key, value) in members.filter(|(key, v)| !COMMON.contains(&key.as_str()) && !v.is_null()) {
        match value {
            Value::String(value) if value.contains(' ') => {
                text.push_str(&format!(" {key}={value:?}"));
            }
            Value::String(value) => text.push_str(&format!(" {key}={value}")),
            value => text.push_str(&format!(" {key}={value}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let event = json!({"type": "decision", "time": "T", "namespace": "default", "function": "hello",
            "desired": 3, "explanation": "panic: 12 in flight", "reason": "panic"});
        assert_eq!(
            line(&event),
            "T decision  hello desired=3 explanation=\"panic: 12 in flight\" reason=panic"
        );
    }
}
