//! A caller's connection as HTTP reads and writes it: counted, and small answers written in one piece.
//!
//! The HTTP library hands head and body over as two pieces, so that large bodies are not copied. For a
//! small one the copy costs less than what `writev` takes over `send`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::activity::Activity;
use crate::departure::Departure;
use crate::door::Ticket;
use crate::frames::Protocol;
use crate::handshake::Transport;

/// Bytes up to which pieces are put together.
const PIECE: usize = 2 << 10;

/// See the module. Its place among the door's connections is free once it is dropped.
#[derive(Debug)]
pub struct Stream<T: Transport> {
    inner: T,
    protocol: Protocol,
    activity: Arc<Activity>,
    /// `None`: nobody looks.
    departure: Option<Departure>,
    _ticket: Ticket,
}

impl<T: Transport> Stream<T> {
    pub(crate) fn new(inner: T, activity: Arc<Activity>, ticket: Ticket) -> Self {
        Self {
            inner,
            protocol: Protocol::default(),
            activity,
            departure: None,
            _ticket: ticket,
        }
    }

    /// The TCP connection below.
    pub fn tcp(&self) -> &TcpStream {
        self.inner.tcp()
    }

    /// The HTTP library does not see the end of the caller's side behind what it has not read, and none at all while a call
    /// is under way if callers may end theirs before they are answered (not `at_once`).
    pub(crate) fn watch_for_departure(&mut self, at_once: bool) {
        self.departure = Some(Departure::new(at_once));
    }

    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(_)) = &written {
            self.activity.wrote();
            if let Some(departure) = &mut self.departure {
                departure.wrote(self.activity.seen());
            }
        }
        written
    }

    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl<T: Transport> Drop for Stream<T> {
    fn drop(&mut self) {
        if self.activity.is_reset() {
            self.inner.tcp().set_zero_linger().ok();
        }
    }
}

impl<T: Transport> AsyncRead for Stream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buffer);
        let bytes = &buffer.filled()[before..];
        if !bytes.is_empty() {
            this.protocol.read(bytes);
            let (within_head, http2) = (this.protocol.is_within_head(), this.protocol.is_http2());
            this.activity.read(within_head, http2);
        }
        read
    }
}

impl<T: Transport> AsyncWrite for Stream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        if total > PIECE {
            let written = Pin::new(&mut self.inner).poll_write_vectored(cx, pieces);
            return self.wrote(written);
        }
        let mut whole = [0; PIECE];
        let mut rest = &mut whole[..];
        for piece in pieces {
            let (start, end) = rest.split_at_mut(piece.len());
            start.copy_from_slice(piece);
            rest = end;
        }
        self.poll_write(cx, &whole[..total])
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// The HTTP library flushes whenever it is polled, also when it has nothing to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(departure) = &mut this.departure
            && !this.protocol.is_http2()
        {
            let (seen, may_ask) = (this.activity.seen(), this.activity.reads_interim());
            departure.poll(cx, &mut this.inner, seen, may_ask)?;
        }
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
