//! `logs`: what a function's instances wrote, from every sidecar.
//!
//! The server answers with one JSON object a line. Deliberately no reconnecting: `-f` ends
//! when the server goes away, and says so.

use clap::Args;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;

use crate::client::{Client, transport_failure};
use crate::failure::{Exit, Failure};
use crate::manifest::units::Millis;
use crate::output::{Format, Output, at};

/// Far above what sidecars cut lines at.
const MAX_LINE_BYTES: usize = 1 << 20;

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
    let path = client.path(&["functions", &args.function, "logs"]);
    let request = client.request(Method::GET, &path).query(&args.query());
    let response = client.stream(request).await?;
    if let Some(missing) = response.headers().get("x-gateless-unreachable") {
        let missing = String::from_utf8_lossy(missing.as_bytes());
        out.note(format!("warning: without the lines of sidecars {missing}"));
    }
    let mut stream = response.bytes_stream();
    let mut lines = Vec::new();
    let mut buffer = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|e| transport_failure("the server", &e))?;
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            buffer.extend_from_slice(piece);
            if buffer.len() > MAX_LINE_BYTES {
                return Err(bad_line("it has no end"));
            }
            if buffer.last() == Some(&b'\n') {
                show(out, &buffer, &mut lines)?;
                buffer.clear();
            }
        }
    }
    show(out, &buffer, &mut lines)?;
    if out.format() == Format::Json {
        return out.document(&serde_json::json!({ "items": lines }));
    }
    if args.follow {
        out.note("the server ended the log");
    }
    Ok(())
}

fn show(out: &mut Output, line: &[u8], lines: &mut Vec<Value>) -> Result<(), Failure> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(());
    }
    let entry: Value = serde_json::from_slice(line).map_err(bad_line)?;
    match out.format() {
        Format::Table => out.line(&format!(
            "{} {} {} {}",
            at(&entry, "/time"),
            at(&entry, "/instance"),
            at(&entry, "/stream"),
            entry["line"].as_str().unwrap_or_default()
        )),
        Format::Jsonl => out.document(&entry),
        Format::Json => {
            lines.push(entry);
            Ok(())
        }
    }
}

fn bad_line(cause: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Failure,
        "bad_answer",
        "the server sent a line that is no log line",
    )
    .cause(cause)
}

impl LogsArgs {
    fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = vec![
            ("follow", self.follow.to_string()),
            ("tail", self.tail.to_string()),
        ];
        if let Some(since) = self.since {
            let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
            query.push(("since_ms", now.saturating_sub(since.0).to_string()));
        }
        query.extend(self.revision.clone().map(|r| ("revision", r)));
        query.extend(self.instance.clone().map(|i| ("instance", i)));
        query
    }
}
