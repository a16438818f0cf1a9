//! A connection this sidecar made, which can be given up from outside.
//!
//! Who waits for bytes of a host that says nothing must be woken by somebody who knows: the kernel
//! does not. Reading and writing then fail, so every protocol above fails as it does for a reset. It
//! does not decide when.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Unacknowledged bytes, or probes of an idle connection, for so long: the kernel gives it up.
pub(crate) const USER_TIMEOUT: Duration = Duration::from_secs(4);
/// Without a byte for so long, the kernel probes.
const PROBE_AFTER: Duration = Duration::from_secs(2);
/// And again.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Lets the kernel find out by itself that the other end of a connection between hosts is gone: a
/// socket as it comes waits a quarter of an hour for a host that was powered off.
///
/// # Errors
/// When the connection is gone already.
pub(crate) fn expect_silence(stream: &TcpStream) -> io::Result<()> {
    let timeout = u32::try_from(USER_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(stream, timeout)?;
    sockopt::set_tcp_keepidle(stream, PROBE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, PROBE_EVERY)?;
    sockopt::set_socket_keepalive(stream, true)?;
    Ok(())
}

/// Gives a [`Connection`] up, from outside.
#[derive(Debug, Default)]
pub(super) struct AbortHandle {
    aborted: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl AbortHandle {
    /// Whoever reads or writes gets an error, now or when they next do.
    pub(super) fn abort(&self) {
        self.aborted.store(true, Ordering::SeqCst);
        self.reader.wake();
        self.writer.wake();
    }

    fn error(&self) -> Option<io::Error> {
        let aborted = self.aborted.load(Ordering::SeqCst);
        aborted
            .then(|| io::Error::new(io::ErrorKind::TimedOut, "the host does not answer any more"))
    }

    /// After its waker is known: an abort before that woke nobody.
    fn wait<T>(&self, waker: &AtomicWaker, cx: &Context<'_>) -> Poll<io::Result<T>> {
        waker.register(cx.waker());
        self.error()
            .map_or(Poll::Pending, |error| Poll::Ready(Err(error)))
    }
}

/// A connection to an instance, or to a peer that is watched.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    handle: Option<Arc<AbortHandle>>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, handle: Option<Arc<AbortHandle>>) -> Self {
        Self { stream, handle }
    }

    fn write(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let written = write(Pin::new(&mut self.stream), cx);
        match (&self.handle, written) {
            (Some(handle), Poll::Pending) => handle.wait(&handle.writer, cx),
            (_, written) => written,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match (&self.handle, read) {
            (Some(handle), Poll::Pending) => handle.wait(&handle.reader, cx),
            (_, read) => read,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn sockets_between_hosts_do_not_wait_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap());
        let stream = stream.await.unwrap();
        expect_silence(&stream).unwrap();
        let timeout = sockopt::tcp_user_timeout(&stream).unwrap();
        assert_eq!(u128::from(timeout), USER_TIMEOUT.as_millis());
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), PROBE_AFTER);
        assert_eq!(sockopt::tcp_keepintvl(&stream).unwrap(), PROBE_EVERY);
    }
}
