//! A connection this sidecar made, which can be given up from outside.
//!
//! Who waits for bytes of a host that says nothing must be woken by somebody who knows: the kernel
//! does not. Reading and writing then fail, so every protocol above fails as it does for a reset. It
//! does not decide when.

use std::fmt;
use std::io;
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use gateless_core::time::Time;
use gateless_listen::Transport;
use parking_lot::Mutex;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connector::{Wire, has_ended};
use super::permit::{Permit, keep_until_closed};

/// Unacknowledged bytes, or probes of an idle connection, for so long: the kernel gives it up.
pub(crate) const USER_TIMEOUT: Duration = Duration::from_secs(4);
/// Without a byte for so long, the kernel probes.
const PROBE_AFTER: Duration = Duration::from_secs(2);
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

/// What one HTTP/1 connection has done, for its pool and for itself.
#[derive(Default)]
pub(super) struct Use {
    /// In nanoseconds; zero while a request is in it, and when it is this end that closes it.
    idle_since: AtomicU64,
    answers: AtomicU32,
    /// A byte of the request in it was written.
    written: AtomicBool,
    /// Its answer has begun.
    answering: AtomicBool,
    /// Before that, the other end is looked at once more: it may have closed meanwhile.
    looks: AtomicBool,
    /// Of the request in it. A lock, because the connection may end meanwhile; a few instructions long.
    permit: Mutex<Option<Arc<dyn Permit>>>,
    /// Nobody serves it any more, and what was handed to it since is in nobody's hands.
    over: AtomicBool,
    waits_for_answer: AtomicWaker,
}

impl fmt::Debug for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Use")
    }
}

impl Use {
    /// A request is sent over it, with the permit that it keeps until the answer is through or the connection closed.
    /// `once`: it may not be sent again.
    pub(super) fn begin(&self, once: bool, permit: Option<Arc<dyn Permit>>) {
        self.idle_since.store(0, Ordering::Release);
        self.written.store(false, Ordering::Release);
        self.answering.store(false, Ordering::Release);
        self.looks.store(once, Ordering::Release);
        if permit.is_some() {
            *self.permit.lock() = permit;
        }
    }

    /// The head of its answer is there.
    pub(super) fn answers(&self) {
        self.answering.store(true, Ordering::Release);
    }

    /// An answer is through; whether it was not the first.
    pub(super) fn answered(&self) -> bool {
        self.unsent();
        self.answers.fetch_add(1, Ordering::Relaxed) > 0
    }

    /// No request is in it, and this end leaves it open: its end is the other one's doing.
    pub(super) fn left_open(&self, since: Time) {
        self.idle_since.store(since.as_nanos(), Ordering::Release);
    }

    /// Whether the other end may have seen anything of the request in it.
    pub(super) fn has_written(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }

    /// The request is not in it, after all.
    pub(super) fn unsent(&self) {
        // Not in the condition: it may be the last, and its end takes other locks.
        let permit = self.permit.lock().take();
        drop(permit);
    }

    /// The task that served the connection has ended, and let go of everything.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.waits_for_answer.wake();
    }

    /// Whether that task has ended; wakes whoever asked last when it does.
    pub(super) fn is_over(&self, cx: &Context<'_>) -> bool {
        // After its waker is known: an end before that woke nobody.
        self.waits_for_answer.register(cx.waker());
        self.over.load(Ordering::Acquire)
    }

    /// Since when no request is in it and this end leaves it open, if that is so.
    pub(super) fn idle_since(&self) -> Option<Time> {
        let since = self.idle_since.load(Ordering::Acquire);
        (since > 0).then(|| Time::from_nanos(since))
    }
}

/// A connection to an instance, or to a peer that is watched.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Wire,
    handle: Option<Arc<AbortHandle>>,
    /// Of one that carries a request at a time.
    uses: Option<Arc<Use>>,
    /// The other end takes no more bytes. What it said before is read all the same: an answer that came before its request
    /// was through, or which streams of a connection it has not processed.
    deaf: bool,
    /// The other end has closed it.
    ended: bool,
}

impl Connection {
    pub(super) fn new(stream: Wire, handle: Option<Arc<AbortHandle>>) -> Self {
        Self {
            stream,
            handle,
            uses: None,
            deaf: false,
            ended: false,
        }
    }

    /// For HTTP/1.
    pub(super) fn for_requests(mut self, uses: Arc<Use>) -> Self {
        self.uses = Some(uses);
        self
    }

    fn write(
        &mut self,
        cx: &mut Context<'_>,
        length: usize,
        write: impl FnOnce(Pin<&mut Wire>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(length));
        }
        let first = self.uses.as_ref().is_some_and(|uses| !uses.has_written());
        if first && self.is_closed() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        match (write(Pin::new(&mut self.stream), cx), &self.uses) {
            (Poll::Ready(Ok(written)), Some(uses)) => {
                if first {
                    uses.written.store(true, Ordering::Release);
                }
                Poll::Ready(Ok(written))
            }
            // How it ended is read.
            (Poll::Ready(Err(error)), _) if !first && is_end(&error) => {
                self.deaf = true;
                Poll::Ready(Ok(length))
            }
            (Poll::Pending, _) => match &self.handle {
                Some(handle) => handle.wait(&handle.writer, cx),
                None => Poll::Pending,
            },
            (written, _) => written,
        }
    }

    /// Whether the other end has closed it, as far as the kernel knows by now.
    fn is_closed(&mut self) -> bool {
        let looks = self.uses.as_ref();
        if !looks.is_some_and(|uses| uses.looks.swap(false, Ordering::AcqRel)) {
            return false;
        }
        has_ended(&mut self.stream)
    }
}

/// Whether a connection takes no more bytes.
fn is_end(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
    kinds.contains(&error.kind())
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(uses) = &self.uses else { return };
        let answering = uses.answering.load(Ordering::Acquire);
        let permit = uses.permit.lock().take();
        let Some(permit) = permit.filter(|_| !self.ended) else {
            return;
        };
        // This end has given it up; the function may still be at work.
        let again = self.stream.tcp().as_fd().try_clone_to_owned();
        let again = again.map(std::net::TcpStream::from);
        let runtime = tokio::runtime::Handle::try_current();
        if let (Ok(stream), Ok(runtime)) = (again.and_then(TcpStream::from_std), runtime) {
            runtime.spawn(async move { keep_until_closed(stream, &*permit, answering).await });
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.ended |= match &read {
            Poll::Ready(Ok(())) => buffer.filled().len() == before && buffer.remaining() > 0,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
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
        self.write(cx, bytes.len(), |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        self.write(cx, length, |stream, cx| {
            stream.poll_write_vectored(cx, pieces)
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// A plain one has nothing to flush; an encrypted one may find out only here that the other end takes no more.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        match (Pin::new(&mut self.stream).poll_flush(cx), &self.handle) {
            (Poll::Ready(Err(error)), _) if is_end(&error) => {
                self.deaf = true;
                Poll::Ready(Ok(()))
            }
            (Poll::Pending, Some(handle)) => handle.wait(&handle.writer, cx),
            (flushed, _) => flushed,
        }
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
