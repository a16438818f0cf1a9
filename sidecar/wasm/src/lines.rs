//! Stdout and stderr of guests, cut into lines. Bounded by cutting long lines; how many lines a function
//! may log a second is for the sink to decide. A guest is never made to wait for its log.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Longer lines come in pieces of this many bytes.
const MAX_LINE: usize = 8 << 10;

/// What a guest may hand over in one write.
const MAX_WRITE: usize = 64 << 10;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Takes one line without its end. Called from the guest's own task, so it must not block.
pub type LogSink = Arc<dyn Fn(Stream, &str) + Send + Sync>;

/// One stream of one instance; clones write to the same line.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Inner>);

struct Inner {
    stream: Stream,
    sink: LogSink,
    /// A lock because the stream's handles are values of their own; only one guest ever uses it.
    partial: Mutex<Vec<u8>>,
}

impl Lines {
    pub(crate) fn new(stream: Stream, sink: LogSink) -> Self {
        Self(Arc::new(Inner {
            stream,
            sink,
            partial: Mutex::new(Vec::new()),
        }))
    }

    /// Hands over a line that has no end yet.
    pub(crate) fn flush(&self) {
        self.0.flush();
    }
}

impl Inner {
    fn write(&self, mut bytes: &[u8]) {
        let mut partial = self.partial.lock();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            self.push(&mut partial, line);
            self.emit(&mut partial);
        }
        self.push(&mut partial, bytes);
    }

    fn push(&self, partial: &mut Vec<u8>, mut bytes: &[u8]) {
        while partial.len() + bytes.len() > MAX_LINE {
            let (fits, rest) = bytes.split_at(MAX_LINE - partial.len());
            partial.extend_from_slice(fits);
            self.emit(partial);
            bytes = rest;
        }
        partial.extend_from_slice(bytes);
    }

    fn emit(&self, partial: &mut Vec<u8>) {
        let line = partial.strip_suffix(b"\r").unwrap_or(partial);
        (self.sink)(self.stream, &String::from_utf8_lossy(line));
        partial.clear();
    }

    fn flush(&self) {
        let mut partial = self.partial.lock();
        if !partial.is_empty() {
            self.emit(&mut partial);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.flush();
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Lines {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = bytes.get(..MAX_WRITE).unwrap_or(bytes);
        self.0.write(taken);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(writes: &[&str], expected: &[&str]) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let lines = Lines::new(
            Stream::Stdout,
            Arc::new(move |_, line: &str| sink.lock().push(line.to_owned())),
        );
        for write in writes {
            lines.0.write(write.as_bytes());
        }
        drop(lines);
        assert_eq!(*seen.lock(), expected);
    }

    #[test]
    fn writes_are_cut_into_lines() {
        check(&["a\nb", "c\r\n", "\nd"], &["a", "bc", "", "d"]);
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let piece = "x".repeat(MAX_LINE);
        let long = format!("{piece}{piece}y\n");
        check(&[&long], &[&piece, &piece, "y"]);
    }
}
