//! Printing what a function answered: the body as it is, or one document with everything.
//!
//! Deliberately streams to people and collects for programs: a document needs its whole body.

use std::time::Instant;

use gateless_common::header;
use gateless_sdk::Error;
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::trace::{self, Phase};
use crate::failure::{Exit, Failure};
use crate::output::{Format, Output};

/// How an answer is described.
pub(crate) struct Shown {
    /// For messages.
    pub(crate) what: String,
    /// When it was sent.
    pub(crate) start: Instant,
    /// Status and headers, too.
    pub(crate) include: bool,
    /// A result carries the function's status in `x-function-status`.
    pub(crate) is_result: bool,
    /// Where the time went, when that was asked for and is not in the headers.
    pub(crate) trace: Option<Vec<Phase>>,
}

impl Shown {
    /// The answer kept for an async call.
    pub(crate) fn result_of(id: &str) -> Self {
        Self {
            what: format!("call {id}"),
            start: Instant::now(),
            include: false,
            is_result: true,
            trace: None,
        }
    }

    /// What a trace shows: an async call's attempts, or the phases the sidecar measured.
    fn phases(&self, headers: &HeaderMap) -> Option<Vec<Phase>> {
        let given = self.trace.clone()?;
        if !given.is_empty() {
            return Some(given);
        }
        Some(trace::phases(text(headers, header::SERVER_TIMING)))
    }
}

/// Prints an answer: its body as it is, or one document with everything.
pub(crate) async fn show_answer(
    out: &mut Output,
    mut response: Response,
    shown: &Shown,
) -> Result<(), Failure> {
    let headers = response.headers().clone();
    let status = answer_status(&response, shown);
    let mut body = Vec::new();
    if out.format() == Format::Table && shown.include {
        out.line(&format!("HTTP {status}"))?;
        for (name, value) in &headers {
            out.line(&format!("{name}: {}", value.to_str().unwrap_or("(binary)")))?;
        }
        out.line("")?;
    }
    let broken = |e: reqwest::Error| Failure::from(Error::transport(&shown.what, &e));
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        match out.format() {
            Format::Table => out.raw(&chunk)?,
            Format::Json | Format::Jsonl => body.extend_from_slice(&chunk),
        }
    }
    out.note(summary(status, &headers, shown.start));
    let phases = shown.phases(&headers);
    if out.format() != Format::Table {
        let mut document = answer_document(status, &headers, &body, shown.start);
        if let Some(phases) = &phases {
            document["trace"] = trace::to_json(phases);
        }
        out.document(&document)?;
    } else if let Some(phases) = &phases {
        out.note(trace::timeline(phases).trim_end());
    }
    if status.as_u16() < 400 {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Failure,
        "function_failed",
        format!("{} answered {status}", shown.what),
    ))
}

fn answer_status(response: &Response, shown: &Shown) -> StatusCode {
    let own = shown
        .is_result
        .then(|| response.headers().get(header::FUNCTION_STATUS))
        .flatten()
        .and_then(|value| StatusCode::from_bytes(value.as_bytes()).ok());
    own.unwrap_or_else(|| response.status())
}

fn answer_document(status: StatusCode, headers: &HeaderMap, body: &[u8], start: Instant) -> Value {
    let headers: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                json!(String::from_utf8_lossy(value.as_bytes())),
            )
        })
        .collect();
    let mut document = json!({
        "status": status.as_u16(),
        "headers": headers,
        "duration_ms": millis(start),
    });
    match (
        serde_json::from_slice::<Value>(body),
        std::str::from_utf8(body),
    ) {
        (Ok(value), _) if is_json(&headers) => document["body"] = value,
        (_, Ok(text)) => document["body"] = json!(text),
        _ => document["body_hex"] = json!(hex::encode(body)),
    }
    document
}

fn is_json(headers: &serde_json::Map<String, Value>) -> bool {
    let kind = headers.get("content-type").and_then(Value::as_str);
    kind.is_some_and(|kind| {
        kind.split(';')
            .next()
            .is_some_and(|k| k.trim().ends_with("json"))
    })
}

fn summary(status: StatusCode, headers: &HeaderMap, start: Instant) -> String {
    let mut line = format!("{status} in {}", took(start));
    for (label, name) in [
        ("revision", header::REVISION),
        ("cold start", header::COLD_START),
        ("timing", header::SERVER_TIMING),
    ] {
        let value = text(headers, name);
        if !value.is_empty() {
            line.push_str(&format!("; {label}: {value}"));
        }
    }
    line
}

fn millis(start: Instant) -> f64 {
    (start.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

/// How long it has been.
pub(crate) fn took(start: Instant) -> String {
    format!("{:.1} ms", millis(start))
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}
