//! A function's log as it comes, taken up again where it broke off.
//!
//! The server answers with one JSON object a line. After a break the last seconds are asked for
//! again, since sidecars' lines come in no common order, and what was shown is left out.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use gateless_common::header;
use gateless_sdk::{Gateless, Lines, LogQuery};
use jiff::Timestamp;
use serde_json::Value;

use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::sse::Backoff;

/// Asked for again after a break.
const OVERLAP_MS: i64 = 2_000;
/// Lines remembered to leave them out then; also the most the server repeats.
const REMEMBERED: u16 = 10_000;

/// The log of one function.
pub(crate) struct Tail<'a> {
    client: &'a Client,
    sdk: Gateless,
    function: String,
    query: LogQuery,
    lines: Option<Lines<Value>>,
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
        function: &str,
        query: LogQuery,
    ) -> Result<Self, Failure> {
        let mut tail = Self {
            client,
            sdk: client.sdk(None)?,
            function: function.to_owned(),
            query,
            lines: None,
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
            query.tail = Some(REMEMBERED.into());
            query.since_ms = u64::try_from(last - OVERLAP_MS).ok();
            self.resumed_ms = Some(last);
        }
        let lines = self.sdk.logs(&self.function, &query).await;
        self.lines = Some(lines.map_err(|error| self.client.failure(error))?);
        Ok(())
    }

    /// Says whose lines are missing.
    pub(crate) fn warn(&self, out: &mut Output) {
        let headers = self.lines.as_ref().map(Lines::headers);
        if let Some(missing) = headers.and_then(|h| h.get(header::UNREACHABLE)) {
            let missing = String::from_utf8_lossy(missing.as_bytes());
            out.note(format!("warning: without the lines of sidecars {missing}"));
        }
    }

    /// The next line, or none at the answer's end.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, Failure> {
        loop {
            let Some(lines) = self.lines.as_mut() else {
                return Ok(None);
            };
            match lines.next().await {
                Ok(Some(entry)) if self.is_repeated(&entry) => {}
                Ok(Some(entry)) => return Ok(Some(entry)),
                Ok(None) => {
                    self.lines = None;
                    return Ok(None);
                }
                Err(error) => {
                    self.lines = None;
                    return Err(self.client.failure(error));
                }
            }
        }
    }

    /// The next line, however often the server goes away meanwhile.
    pub(crate) async fn next_following(&mut self, out: &mut Output) -> Result<Value, Failure> {
        loop {
            let found = if self.lines.is_some() {
                self.next().await
            } else {
                match self.connect().await {
                    Ok(()) => {
                        self.warn(out);
                        continue;
                    }
                    Err(why) => Err(why),
                }
            };
            let why = match found {
                Ok(Some(entry)) => {
                    self.backoff.reset();
                    return Ok(entry);
                }
                Ok(None) => Failure::new(Exit::Unreachable, "ended", "the server ended the log"),
                Err(why) => why,
            };
            self.backoff.wait(out, why).await?;
        }
    }

    /// Whether the line was there before a break; remembers it if not.
    fn is_repeated(&mut self, entry: &Value) -> bool {
        let mut hasher = DefaultHasher::new();
        entry.to_string().hash(&mut hasher);
        let hash = hasher.finish();
        let time = entry["time"]
            .as_str()
            .and_then(|t| t.parse::<Timestamp>().ok());
        let millis = time.map(Timestamp::as_millisecond);
        if millis.is_some() && millis <= self.resumed_ms {
            let known = self.shown.iter().position(|shown| *shown == hash);
            if let Some(known) = known {
                self.shown.remove(known);
                return true;
            }
        }
        if self.shown.len() == usize::from(REMEMBERED) {
            self.shown.pop_front();
        }
        self.shown.push_back(hash);
        self.last_ms = self.last_ms.max(millis);
        false
    }
}
