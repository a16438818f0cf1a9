//! A function's log as it comes, taken up again where it broke off.
//!
//! The server answers with one JSON object a line. After a break the last seconds are asked for
//! again, since sidecars' lines come in no common order, and what was shown is left out.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;

use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::sse::Backoff;

/// Far above what sidecars cut lines at.
const MAX_LINE_BYTES: usize = 1 << 20;
/// Asked for again after a break.
const OVERLAP_MS: i64 = 2_000;
/// Lines remembered to leave them out then; also the most the server repeats.
const REMEMBERED: usize = 10_000;

type Query = Vec<(&'static str, String)>;

/// The log of one function.
pub(crate) struct Tail<'a> {
    client: &'a Client,
    path: String,
    query: Query,
    body: Option<BoxStream<'static, reqwest::Result<bytes::Bytes>>>,
    buffer: Vec<u8>,
    missing: Option<String>,
    last_ms: Option<i64>,
    /// Lines up to this time may be repetitions.
    resumed_ms: Option<i64>,
    shown: VecDeque<u64>,
    backoff: Backoff,
}

impl<'a> Tail<'a> {
    /// Asks for it.
    pub(crate) async fn open(
        client: &'a Client,
        path: String,
        query: Query,
    ) -> Result<Self, Failure> {
        let mut tail = Self {
            client,
            path,
            query,
            body: None,
            buffer: Vec::new(),
            missing: None,
            last_ms: None,
            resumed_ms: None,
            shown: VecDeque::new(),
            backoff: Backoff::new(),
        };
        tail.connect().await?;
        Ok(tail)
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        let mut query = self.query.clone();
        if let Some(last) = self.last_ms {
            query.retain(|(key, _)| !matches!(*key, "tail" | "since_ms"));
            query.push(("tail", REMEMBERED.to_string()));
            query.push(("since_ms", (last - OVERLAP_MS).max(0).to_string()));
            self.resumed_ms = Some(last);
        }
        let request = self.client.request(Method::GET, &self.path).query(&query);
        let response = self.client.stream(request).await?;
        let missing = response.headers().get("x-gateless-unreachable");
        self.missing = missing.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        self.buffer.clear();
        self.body = Some(response.bytes_stream().boxed());
        Ok(())
    }

    /// Says whose lines are missing.
    pub(crate) fn warn(&mut self, out: &mut Output) {
        if let Some(missing) = self.missing.take() {
            out.note(format!("warning: without the lines of sidecars {missing}"));
        }
    }

    /// The next line, or none at the answer's end.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                match self.entry(&line)? {
                    Some(entry) => return Ok(Some(entry)),
                    None => continue,
                }
            }
            let Some(body) = self.body.as_mut() else {
                return Ok(None);
            };
            match body.next().await {
                Some(Ok(bytes)) if self.buffer.len() + bytes.len() > MAX_LINE_BYTES => {
                    return Err(bad_line("it has no end"));
                }
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => {
                    self.body = None;
                    return Err(self.client.failed(&error));
                }
                None => {
                    self.body = None;
                    let rest = std::mem::take(&mut self.buffer);
                    return self.entry(&rest);
                }
            }
        }
    }

    /// The next line, however often the server goes away meanwhile.
    pub(crate) async fn next_following(&mut self, out: &mut Output) -> Result<Value, Failure> {
        loop {
            let found = match self.body {
                Some(_) => self.next().await,
                None => self.connect().await.map(|()| None),
            };
            self.warn(out);
            let why = match found {
                Ok(Some(entry)) => {
                    self.backoff.reset();
                    return Ok(entry);
                }
                Ok(None) if self.body.is_some() => continue,
                Ok(None) => Failure::new(Exit::Unreachable, "ended", "the server ended the log"),
                Err(why) => why,
            };
            self.body = None;
            self.backoff.wait(out, why).await?;
        }
    }

    /// The line, unless it is empty or was there before a break.
    fn entry(&mut self, line: &[u8]) -> Result<Option<Value>, Failure> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(None);
        }
        let entry: Value = serde_json::from_slice(line).map_err(bad_line)?;
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        let hash = hasher.finish();
        let time = entry["time"]
            .as_str()
            .and_then(|t| t.parse::<Timestamp>().ok());
        let millis = time.map(Timestamp::as_millisecond);
        if millis.is_some() && millis <= self.resumed_ms {
            let known = self.shown.iter().position(|shown| *shown == hash);
            if let Some(known) = known {
                self.shown.remove(known);
                return Ok(None);
            }
        }
        if self.shown.len() == REMEMBERED {
            self.shown.pop_front();
        }
        self.shown.push_back(hash);
        self.last_ms = self.last_ms.max(millis);
        Ok(Some(entry))
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
