//! A caller's connection, whose small answers are written in one piece.
//!
//! hyper hands head and body over as two pieces, so that large bodies are not copied. For a
//! small one the copy costs less than what `writev` takes over `send`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::watchdog::Watchdog;

/// Bytes up to which pieces are put together.
const PIECE: usize = 2 << 10;

/// A caller's TCP connection that joins small writes.
pub(crate) struct Stream(TcpStream, Option<Arc<Watchdog>>);

impl Stream {
    /// Of the guarded connection that is polled now.
    pub(crate) fn new(connection: TcpStream) -> Self {
        Self(connection, Watchdog::current())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.1.as_ref().is_some_and(|dog| dog.broke_off()) {
            // Else the kernel keeps what the caller does not read, and goes on asking it.
            self.0.set_zero_linger().ok();
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        if total > PIECE {
            return Pin::new(&mut self.0).poll_write_vectored(cx, pieces);
        }
        let mut whole = [0; PIECE];
        let mut rest = &mut whole[..];
        for piece in pieces {
            let (start, end) = rest.split_at_mut(piece.len());
            start.copy_from_slice(piece);
            rest = end;
        }
        Pin::new(&mut self.0).poll_write(cx, &whole[..total])
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
