//! What a container writes, from the engine's log into the sidecar's.
//!
//! The engine keeps it in files of bounded size, so a sidecar that is away or slow loses nothing but what is turned over meanwhile.

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use futures_util::StreamExt;
use gateless_core::name::{InstanceId, RevisionName};
use jiff::Timestamp;

use super::engine::Client;
use crate::instance::logs::{Logs, MAX_LINE_BYTES, Spoken};
use crate::instance::{LogQuery, LogStream};

/// Whose output it is.
#[derive(Debug, Clone)]
pub(super) struct Speaker {
    pub id: InstanceId,
    pub revision: RevisionName,
}

impl Speaker {
    /// A line of the platform's own among the container's.
    pub(super) async fn note(&self, logs: &Logs, line: String) {
        self.say(logs, LogStream::Stderr, format!("gateless: {line}"))
            .await;
    }

    async fn say(&self, logs: &Logs, stream: LogStream, line: String) {
        let spoken = Spoken {
            id: self.id.clone(),
            revision: self.revision.clone(),
            stream,
            line,
        };
        logs.say_in_turn(spoken).await;
    }

    /// When the last line that was copied was copied, Unix milliseconds; 0: none was.
    pub(super) async fn copied_until(&self, logs: &Logs) -> u64 {
        let mut lines = logs.query(LogQuery {
            function: self.revision.function().clone(),
            revision: Some(self.revision.clone()),
            instance: Some(self.id.clone()),
            tail: Some(1),
            since_ms: None,
            until_ms: None,
            follow: false,
        });
        lines.recv().await.map_or(0, |line| line.time_ms)
    }
}

/// Copies all that a container wrote after a time, and goes on until it ends or the engine does not answer any more.
pub(super) async fn copy(client: &Client, name: &str, speaker: &Speaker, logs: &Logs, after: u64) {
    let options = LogsOptions {
        follow: true,
        stdout: true,
        stderr: true,
        timestamps: true,
        since: i32::try_from(after / 1_000).unwrap_or(0),
        ..LogsOptions::default()
    };
    let mut output = client.docker.logs(name, Some(options));
    let mut parts = [Part::default(), Part::default()];
    while let Some(Ok(piece)) = output.next().await {
        let (stream, bytes) = match piece {
            LogOutput::StdErr { message } => (LogStream::Stderr, message),
            LogOutput::StdOut { message }
            | LogOutput::Console { message }
            | LogOutput::StdIn { message } => (LogStream::Stdout, message),
        };
        let part = &mut parts[usize::from(stream == LogStream::Stderr)];
        if let Some(line) = part.take(&bytes, after) {
            speaker.say(logs, stream, line).await;
        }
    }
}

/// A line that has not come whole: engines cut long ones in pieces, each with a time of its own.
#[derive(Debug, Default)]
struct Part {
    text: Vec<u8>,
}

impl Part {
    /// The line that a piece completes, unless it was written until `after`.
    fn take(&mut self, piece: &[u8], after: u64) -> Option<String> {
        let (time, text) = stamped(piece);
        if time.is_some_and(|time| time <= after) {
            return None;
        }
        let (text, whole) = match text.strip_suffix(b"\n") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let room = MAX_LINE_BYTES.saturating_sub(self.text.len());
        self.text.extend_from_slice(&text[..text.len().min(room)]);
        if !whole {
            return None;
        }
        let line = std::mem::take(&mut self.text);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        Some(String::from_utf8_lossy(line).into_owned())
    }
}

/// The time that the engine put before a piece, Unix milliseconds, and what is behind it.
fn stamped(piece: &[u8]) -> (Option<u64>, &[u8]) {
    let Some(end) = piece.iter().position(|byte| *byte == b' ') else {
        return (None, piece);
    };
    let time = std::str::from_utf8(&piece[..end]).ok();
    let time = time.and_then(|text| text.parse::<Timestamp>().ok());
    match time {
        Some(time) => (u64::try_from(time.as_millisecond()).ok(), &piece[end + 1..]),
        None => (None, piece),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines_without_their_times() {
        let mut part = Part::default();
        let mut take = |piece: &str| part.take(piece.as_bytes(), 1_000);
        assert_eq!(
            take("1970-01-01T00:00:02.5Z hello\n").as_deref(),
            Some("hello")
        );
        assert_eq!(take("1970-01-01T00:00:03Z a long "), None);
        assert_eq!(
            take("1970-01-01T00:00:03Z line\r\n").as_deref(),
            Some("a long line")
        );
        assert_eq!(take("1970-01-01T00:00:04Z \n").as_deref(), Some(""));
        // Copied before.
        assert_eq!(take("1970-01-01T00:00:01Z old\n"), None);
        assert_eq!(take("no time at all\n").as_deref(), Some("no time at all"));
        let flood = "x".repeat(MAX_LINE_BYTES + 10);
        assert_eq!(take(&format!("{flood}\n")).unwrap().len(), MAX_LINE_BYTES);
    }
}
