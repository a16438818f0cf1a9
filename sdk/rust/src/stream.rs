//! Answers that do not end: log lines as JSON lines, and server-sent events.
//!
//! Read with `next`, so a caller needs no stream library. Deliberately bounded: a line or an event too large to be one is
//! an error.

use std::fmt;
use std::marker::PhantomData;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use reqwest::header::{ACCEPT, HeaderMap};
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;
use sse_stream::SseByteStream;

use crate::client::{Gateless, segment};
use crate::error::Error;

/// No log line or event comes near it.
const MAX_BYTES: usize = 4 << 20;

/// Which log lines.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Go on with new lines as they come.
    pub follow: bool,
    /// Lines of the past; the server's default if none is given.
    pub tail: Option<u32>,
    /// Only lines after this, in Unix milliseconds.
    pub since_ms: Option<u64>,
    /// Only lines before this, in Unix milliseconds; not together with `follow`.
    pub until_ms: Option<u64>,
    /// Only this revision's.
    pub revision: Option<String>,
    /// Only this instance's.
    pub instance: Option<String>,
}

impl LogQuery {
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![("follow", self.follow.to_string())];
        pairs.extend(self.tail.map(|tail| ("tail", tail.to_string())));
        pairs.extend(self.since_ms.map(|ms| ("since_ms", ms.to_string())));
        pairs.extend(self.until_ms.map(|ms| ("until_ms", ms.to_string())));
        pairs.extend(self.revision.clone().map(|name| ("revision", name)));
        pairs.extend(self.instance.clone().map(|name| ("instance", name)));
        pairs
    }
}

/// Text lines of a body.
#[derive(Debug)]
struct Text {
    response: Response,
    buffer: BytesMut,
    /// How much of the buffer has no line end in it.
    searched: usize,
    ended: bool,
}

impl Text {
    fn new(response: Response) -> Self {
        Self {
            response,
            buffer: BytesMut::new(),
            searched: 0,
            ended: false,
        }
    }

    /// The next line without its end; `None`: there is none.
    async fn next(&mut self) -> Result<Option<BytesMut>, Error> {
        loop {
            let end = self.buffer[self.searched..]
                .iter()
                .position(|b| *b == b'\n');
            if let Some(end) = end {
                let mut line = self.buffer.split_to(self.searched + end + 1);
                self.searched = 0;
                line.truncate(line.trim_ascii_end().len());
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.searched > MAX_BYTES {
                return Err(bad(format!("a line is longer than {MAX_BYTES} bytes")));
            }
            if self.ended {
                let rest = self.buffer.split();
                self.searched = 0;
                return Ok((!rest.is_empty()).then_some(rest));
            }
            let chunk = self.response.chunk().await;
            match chunk.map_err(|error| Error::transport("the server", &error))? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => self.ended = true,
            }
        }
    }
}

fn bad(cause: String) -> Error {
    let whom = "the server".into();
    Error::BadAnswer { whom, cause }
}

/// JSON documents, one a line.
#[derive(Debug)]
pub struct Lines<T> {
    text: Text,
    items: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Lines<T> {
    /// The lines of an answer.
    #[must_use]
    pub fn new(response: Response) -> Self {
        Self {
            text: Text::new(response),
            items: PhantomData,
        }
    }

    /// The answer's headers; `x-gateless-unreachable` names sidecars whose lines are missing.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.text.response.headers()
    }

    /// The next document; `None`: the server ended it.
    ///
    /// # Errors
    /// [`Error::BadAnswer`] for a line that is none, or why the stream broke.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        while let Some(line) = self.text.next().await? {
            if !line.trim_ascii().is_empty() {
                let item = serde_json::from_slice(&line);
                return item.map(Some).map_err(|error| bad(error.to_string()));
            }
        }
        Ok(None)
    }
}

/// Which events are streamed; default all that the token may see.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Of every namespace the token is good for, and not only the client's.
    pub all_namespaces: bool,
    /// Only of these types; none: all.
    pub types: Vec<String>,
    /// Only of this function.
    pub function: Option<String>,
    /// Go on after this one.
    pub last_event_id: Option<String>,
}

/// One event of a stream.
#[derive(Debug, Clone)]
pub struct Event<T> {
    /// Where to go on after it.
    pub id: Option<String>,
    /// The kind of event, as the API's description lists them.
    pub kind: String,
    /// What it says.
    pub data: T,
}

/// The blocks of a body of events.
type Blocks = SseByteStream<BoxStream<'static, Result<Bytes, Error>>>;

/// Reads a body's events; one that does not end is an error, where the reader itself would keep all of it.
fn blocks(response: Response) -> Blocks {
    let mut pending = Pending::default();
    let chunks = response.bytes_stream().map(move |chunk| {
        let chunk = chunk.map_err(|error| Error::transport("the server", &error))?;
        pending.add(&chunk)?;
        Ok(chunk)
    });
    SseByteStream::new(chunks.boxed())
}

/// How much has come since the last blank line, which ends an event.
#[derive(Debug, Default)]
struct Pending {
    bytes: usize,
    in_line: bool,
}

impl Pending {
    fn add(&mut self, chunk: &[u8]) -> Result<(), Error> {
        for byte in chunk {
            match byte {
                b'\r' => {}
                b'\n' if !self.in_line => self.bytes = 0,
                b'\n' => self.in_line = false,
                _ => self.in_line = true,
            }
            self.bytes += 1;
            if self.bytes > MAX_BYTES {
                return Err(bad(format!("an event is longer than {MAX_BYTES} bytes")));
            }
        }
        Ok(())
    }
}

/// Events as they come.
pub struct Events<T> {
    client: Gateless,
    query: EventQuery,
    blocks: Option<Blocks>,
    /// Connections since the last event.
    failures: u32,
    items: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Events<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Events");
        debug
            .field("query", &self.query)
            .field("failures", &self.failures);
        debug.finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned> Events<T> {
    async fn connect(&self) -> Result<Blocks, Error> {
        let path = if self.query.all_namespaces {
            "/v1/events".to_owned()
        } else {
            format!("/v1/namespaces/{}/events", segment(self.client.namespace()))
        };
        let mut request = self.client.request(Method::GET, &path);
        request = request.header(ACCEPT, "text/event-stream");
        if !self.query.types.is_empty() {
            request = request.query(&[("types", self.query.types.join(","))]);
        }
        if let Some(function) = &self.query.function {
            request = request.query(&[("function", function)]);
        }
        if let Some(id) = &self.query.last_event_id {
            request = request.header("last-event-id", id);
        }
        self.client.send(request).await.map(blocks)
    }

    /// The next event. A connection that breaks is taken up again after the last event, as often as the retry
    /// policy allows without an event in between; `reset` says that events were missed.
    ///
    /// # Errors
    /// A problem, or why the last connection broke; [`Error::BadAnswer`] when it ended without a reason.
    pub async fn next(&mut self) -> Result<Event<T>, Error> {
        loop {
            let failed = match self.read().await {
                Ok(Some(event)) => {
                    self.failures = 0;
                    return Ok(event);
                }
                Ok(None) => bad("the stream ended".into()),
                Err(error @ (Error::Transport { .. } | Error::Timeout { .. })) => error,
                Err(error) => return Err(error),
            };
            self.blocks = None;
            self.failures += 1;
            let policy = self.client.policy();
            let Some(pause) = policy.pause(self.failures, None, rand::random()) else {
                return Err(failed);
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn read(&mut self) -> Result<Option<Event<T>>, Error> {
        let blocks = match &mut self.blocks {
            Some(blocks) => blocks,
            None => {
                let blocks = self.connect().await?;
                self.blocks.insert(blocks)
            }
        };
        while let Some(block) = blocks.next().await {
            let block = block.map_err(broken)?;
            if let Some(id) = block.id {
                self.query.last_event_id = Some(id);
            }
            if let Some(data) = block.data {
                return Ok(Some(Event {
                    id: self.query.last_event_id.clone(),
                    kind: block.event.unwrap_or_else(|| "message".into()),
                    data: serde_json::from_str(&data).map_err(|error| bad(error.to_string()))?,
                }));
            }
        }
        Ok(None)
    }
}

fn broken(error: sse_stream::Error) -> Error {
    match error {
        sse_stream::Error::Body(cause) => match cause.downcast::<Error>() {
            Ok(own) => *own,
            Err(other) => bad(other.to_string()),
        },
        other => bad(other.to_string()),
    }
}

impl Gateless {
    /// A function's log lines; with `follow` they end when the server does.
    ///
    /// # Errors
    /// A problem, or why there is no answer.
    pub async fn logs<T: DeserializeOwned>(
        &self,
        name: &str,
        query: &LogQuery,
    ) -> Result<Lines<T>, Error> {
        let path = self.path(&["functions", name, "logs"]);
        let request = self.request(Method::GET, &path).query(&query.pairs());
        self.send(request).await.map(Lines::new)
    }

    /// What happens, as it happens. Connects at the first [`Events::next`].
    #[must_use]
    pub fn events<T: DeserializeOwned>(&self, query: EventQuery) -> Events<T> {
        Events {
            client: self.clone(),
            query,
            blocks: None,
            failures: 0,
            items: PhantomData,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_events_fields_are_read_as_the_standard_says() {
        let body = ": alive\n\nid: b-7\r\n: alive\r\nevent:call\r\ndata: {\"a\":\r\ndata:1}\r\nretry: 5\r\n\r\n";
        let block = blocks(response(body)).next().await.unwrap().unwrap();
        assert_eq!(block.id.as_deref(), Some("b-7"));
        assert_eq!(block.event.as_deref(), Some("call"));
        assert_eq!(block.data.as_deref(), Some("{\"a\":\n1}"));
    }

    #[test]
    fn comments_do_not_count_and_an_endless_event_is_an_error() {
        let mut pending = Pending::default();
        for _ in 0..MAX_BYTES / 8 {
            pending.add(b": alive\r\n\r\n").unwrap();
        }
        pending.add(&vec![b'x'; MAX_BYTES - 2]).unwrap();
        assert_eq!(pending.add(b"xxx").unwrap_err().code(), "bad_answer");
    }

    fn response(body: &'static str) -> Response {
        http::Response::new(body).into()
    }

    #[tokio::test]
    async fn lines_are_documents_and_blank_ones_are_none() {
        let mut lines = Lines::<u32>::new(response("1\n\r\n2\r\n3"));
        for expected in [Some(1), Some(2), Some(3), None] {
            assert_eq!(lines.next().await.unwrap(), expected);
        }
        let mut wrong = Lines::<u32>::new(response("x\n"));
        assert_eq!(wrong.next().await.unwrap_err().code(), "bad_answer");
    }
}
