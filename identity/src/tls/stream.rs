//! A connection whose other end proved who it is, and which is cut when that end is revoked.

use std::io::{self, IoSlice, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use rustix::net::RecvFlags;
use rustls::{ConnectionCommon, SideData};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;
use tonic::transport::server::Connected;

use super::Io;
use crate::verify::Peer;

/// Cuts a connection from outside.
#[derive(Debug, Default)]
pub(super) struct Cut {
    done: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Cut {
    pub(super) fn cut(&self) {
        self.done.store(true, Ordering::SeqCst);
        self.reader.wake();
        self.writer.wake();
    }

    /// After its waker is known: a cut before that woke nobody.
    fn wait<T>(&self, waker: &AtomicWaker, cx: &Context<'_>) -> Poll<io::Result<T>> {
        waker.register(cx.waker());
        match self.done.load(Ordering::SeqCst) {
            true => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
            false => Poll::Pending,
        }
    }

    fn check(&self) -> io::Result<()> {
        match self.done.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::ConnectionAborted.into()),
            false => Ok(()),
        }
    }
}

/// A connection over TLS.
pub struct Stream<T> {
    // Large: boxed, so that what it is put in stays small.
    pub(super) inner: Box<TlsStream<T>>,
    cut: Arc<Cut>,
    peer: Option<Peer>,
}

impl<T> Stream<T> {
    pub(super) fn new(stream: TlsStream<T>, peer: Option<Peer>) -> Self {
        Self {
            inner: Box::new(stream),
            cut: Arc::default(),
            peer,
        }
    }

    pub(super) fn cut(&self) -> &Arc<Cut> {
        &self.cut
    }

    /// Who is at the other end; nobody proved who joins.
    #[must_use]
    pub fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// What it runs on.
    #[must_use]
    pub fn get_ref(&self) -> &T {
        self.inner.get_ref().0
    }
}

impl Stream<TcpStream> {
    /// Whether the other end has closed it, as far as the kernel knows by now. What else came is kept for who reads: bytes of
    /// TLS itself, such as a new key, are no end.
    pub fn has_ended(&mut self) -> bool {
        if self.cut.check().is_err() {
            return true;
        }
        match &mut *self.inner {
            TlsStream::Client(stream) => {
                let (tcp, session) = stream.get_mut();
                ended(tcp, session)
            }
            TlsStream::Server(stream) => {
                let (tcp, session) = stream.get_mut();
                ended(tcp, session)
            }
        }
    }
}

fn ended<S: SideData>(tcp: &TcpStream, session: &mut ConnectionCommon<S>) -> bool {
    while session.wants_read() {
        match session.read_tls(&mut Now(tcp)) {
            Ok(0) => return true,
            Ok(_) => match session.process_new_packets() {
                Ok(state) if state.peer_has_closed() => return true,
                Ok(_) => {}
                Err(_) => return true,
            },
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
    // Bytes that nobody has read yet are no end, and after the end nothing is wanted any more.
    let state = session.process_new_packets();
    state.is_ok_and(|state| state.peer_has_closed() && state.plaintext_bytes_to_read() == 0)
}

/// The socket itself, whatever tokio knows of it: it has been told of nothing that came just now.
struct Now<'a>(&'a TcpStream);

impl Read for Now<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (read, _) = rustix::net::recv(self.0, buffer, RecvFlags::DONTWAIT)?;
        Ok(read)
    }
}

impl<T> std::fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({:?})", self.peer)
    }
}

impl<T: Io> AsyncRead for Stream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.cut.check()?;
        match Pin::new(&mut self.inner).poll_read(cx, buffer) {
            Poll::Pending => self.cut.wait(&self.cut.reader, cx),
            ready => ready,
        }
    }
}

impl<T: Io> AsyncWrite for Stream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.cut.check()?;
        match Pin::new(&mut self.inner).poll_write(cx, bytes) {
            Poll::Pending => self.cut.wait(&self.cut.writer, cx),
            ready => ready,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.cut.check()?;
        match Pin::new(&mut self.inner).poll_write_vectored(cx, pieces) {
            Poll::Pending => self.cut.wait(&self.cut.writer, cx),
            ready => ready,
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_flush(cx) {
            Poll::Pending => self.cut.wait(&self.cut.writer, cx),
            ready => ready,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_shutdown(cx) {
            Poll::Pending => self.cut.wait(&self.cut.writer, cx),
            ready => ready,
        }
    }
}

impl<T> Connected for Stream<T> {
    type ConnectInfo = Option<Peer>;

    fn connect_info(&self) -> Option<Peer> {
        self.peer.clone()
    }
}
