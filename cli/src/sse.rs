//! Server-sent events, read as they come and taken up again where they broke off.
//!
//! Deliberately reads only what our server writes: `id`, `event` and `data` lines.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use reqwest::Method;
use serde_json::Value;

use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Far above any event of ours.
const MAX_EVENT_BYTES: usize = 1 << 20;
/// Between attempts to come back: doubled from the first to the last.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// How a stream that can break is begun again.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self(PAUSE.0)
    }

    /// It works again.
    pub(crate) const fn reset(&mut self) {
        self.0 = PAUSE.0;
    }

    /// Says why, the first time, and waits.
    ///
    /// What a server that is there answers (no such function, no right to it) ends it instead.
    pub(crate) async fn wait(&mut self, out: &mut Output, why: Failure) -> Result<(), Failure> {
        if !why.is_passing() {
            return Err(why);
        }
        if self.0 == PAUSE.0 {
            out.note(format!(
                "{why}\nconnecting again until it answers; Ctrl-C ends it"
            ));
        }
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSE.1);
        Ok(())
    }
}

/// The events of a path.
pub(crate) struct EventStream<'a> {
    client: &'a Client,
    path: String,
    query: Vec<(&'static str, String)>,
    last_id: Option<String>,
    body: Option<BoxStream<'static, reqwest::Result<bytes::Bytes>>>,
    parser: Parser,
    backoff: Backoff,
}

impl<'a> EventStream<'a> {
    /// Connects; a server that is not there now is a failure.
    pub(crate) async fn open(
        client: &'a Client,
        path: String,
        query: Vec<(&'static str, String)>,
    ) -> Result<Self, Failure> {
        let mut stream = Self {
            client,
            path,
            query,
            last_id: None,
            body: None,
            parser: Parser::default(),
            backoff: Backoff::new(),
        };
        stream.connect().await?;
        Ok(stream)
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        let mut request = self
            .client
            .request(Method::GET, &self.path)
            .query(&self.query)
            .header("accept", "text/event-stream");
        if let Some(id) = &self.last_id {
            request = request.header("last-event-id", id);
        }
        let response = self.client.stream(request).await?;
        self.parser = Parser::default();
        self.body = Some(response.bytes_stream().boxed());
        Ok(())
    }

    /// The next event's data; waits through broken connections.
    pub(crate) async fn next(&mut self, out: &mut Output) -> Result<Value, Failure> {
        loop {
            if let Some(event) = self.parser.next()? {
                self.backoff.reset();
                self.last_id = event.id.or(self.last_id.take());
                return serde_json::from_str(&event.data).map_err(bad_event);
            }
            let why = match self.body.as_mut() {
                Some(body) => match body.next().await {
                    Some(Ok(bytes)) => {
                        self.parser.feed(&bytes)?;
                        continue;
                    }
                    Some(Err(error)) => self.client.failed(&error),
                    None => Failure::new(Exit::Unreachable, "ended", "the server ended the stream"),
                },
                None => match self.connect().await {
                    Ok(()) => continue,
                    Err(why) => why,
                },
            };
            self.body = None;
            self.backoff.wait(out, why).await?;
        }
    }
}

fn bad_event(cause: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Failure,
        "bad_answer",
        "the server sent an event that is none",
    )
    .cause(cause)
}

#[derive(Debug, Default, PartialEq)]
struct Event {
    id: Option<String>,
    data: String,
}

/// Bytes to events.
#[derive(Default)]
struct Parser {
    buffer: Vec<u8>,
    event: Event,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.buffer.len() + self.event.data.len() + bytes.len() > MAX_EVENT_BYTES {
            return Err(bad_event(format!(
                "it has more than {MAX_EVENT_BYTES} bytes"
            )));
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Event>, Failure> {
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = std::str::from_utf8(&line).map_err(bad_event)?;
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if !event.data.is_empty() {
                    return Ok(Some(event));
                }
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => self.event.id = Some(value.to_owned()),
                "data" => {
                    if !self.event.data.is_empty() {
                        self.event.data.push('\n');
                    }
                    self.event.data.push_str(value);
                }
                // Comments keep the connection open; the type is in the data, too.
                _ => {}
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_the_bytes_are_cut() {
        let text =
            ": hi\n\nid: b-1\nevent: sample\ndata: {\"a\":\ndata: 1}\n\ndata: 2\r\n\r\nid: x\n\n";
        for cut in 0..text.len() {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for part in [&text[..cut], &text[cut..]] {
                parser.feed(part.as_bytes()).unwrap();
                while let Some(event) = parser.next().unwrap() {
                    events.push((event.id, event.data));
                }
            }
            let expected = [
                (Some("b-1".to_owned()), "{\"a\":\n1}".to_owned()),
                (None, "2".to_owned()),
            ];
            assert_eq!(events, expected, "cut at {cut}");
        }
    }

    #[test]
    fn an_event_without_an_end_is_refused() {
        let mut parser = Parser::default();
        let piece = [b'x'; 1 << 16];
        assert!((0..17).any(|_| parser.feed(&piece).is_err()));
    }
}
