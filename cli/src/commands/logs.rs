//! `logs`: what a function's instances wrote, from every sidecar.
//!
//! With `-f` it goes on when the server was away; see `tail`. Deliberately no filters but the
//! server's: `grep` is there.

pub(crate) mod tail;

use clap::Args;
use gateless_sdk::LogQuery;
use jiff::Timestamp;
use serde_json::Value;

use self::tail::Tail;
use crate::client::Client;
use crate::failure::Failure;
use crate::manifest::units::Millis;
use crate::output::{Format, Output, at};

/// Print what a function's instances wrote.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The function.
    function: String,
    /// Go on with new lines until interrupted.
    #[arg(short, long)]
    follow: bool,
    /// Lines of the past.
    #[arg(long, default_value_t = 100)]
    tail: u32,
    /// Only lines since so long ago.
    #[arg(long, value_name = "DURATION")]
    since: Option<Millis>,
    /// Only this revision.
    #[arg(long)]
    revision: Option<String>,
    /// Only this instance.
    #[arg(long)]
    instance: Option<String>,
}

/// `gateless logs`
pub(crate) async fn logs(
    client: &Client,
    out: &mut Output,
    args: &LogsArgs,
) -> Result<(), Failure> {
    if args.follow && out.format() == Format::Json {
        return Err(
            Failure::usage("logs -f has no end, so it is no JSON document")
                .hint("use -o jsonl, one document a line"),
        );
    }
    let mut tail = Tail::open(client, &args.function, args.query()).await?;
    tail.warn(out);
    if args.follow {
        loop {
            let entry = tail.next_following(out).await?;
            show(out, &entry)?;
        }
    }
    let mut lines = Vec::new();
    while let Some(entry) = tail.next().await? {
        match out.format() {
            Format::Json => lines.push(entry),
            Format::Table | Format::Jsonl => show(out, &entry)?,
        }
    }
    if out.format() == Format::Json {
        return out.document(&serde_json::json!({ "items": lines }));
    }
    Ok(())
}

fn show(out: &mut Output, entry: &Value) -> Result<(), Failure> {
    match out.format() {
        Format::Table => out.line(&text(entry)),
        Format::Json | Format::Jsonl => out.document(entry),
    }
}

/// A line of the log, with when and where.
pub(crate) fn text(entry: &Value) -> String {
    format!(
        "{} {} {} {}",
        at(entry, "/time"),
        at(entry, "/instance"),
        at(entry, "/stream"),
        entry["line"].as_str().unwrap_or_default()
    )
}

impl LogsArgs {
    fn query(&self) -> LogQuery {
        let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
        LogQuery {
            follow: self.follow,
            tail: Some(self.tail),
            until_ms: None,
            since_ms: self.since.map(|since| now.saturating_sub(since.0)),
            revision: self.revision.clone(),
            instance: self.instance.clone(),
        }
    }
}
