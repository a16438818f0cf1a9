//! What a listener for outsiders begins each connection with: TLS, or, where everybody is to be sent to it, either.
//!
//! How many handshakes there are at once and how long one may take is the door's: a handshake is part of the time for the
//! first head, and has its place among the door's connections from its first byte.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use gateless_listen::{Handshake, Scheme, Transport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificates::{Certificates, Counts};

/// The first byte of a handshake (RFC 8446, 5.1), which no request begins with.
const HANDSHAKE: u8 = 22;

/// TLS with these certificates.
pub struct Tls {
    certificates: Certificates,
    acceptor: TlsAcceptor,
    either: bool,
}

impl Tls {
    /// Nothing but TLS.
    #[must_use]
    pub fn only(certificates: Certificates) -> Self {
        Self {
            acceptor: TlsAcceptor::from(certificates.config()),
            certificates,
            either: false,
        }
    }

    /// TLS for who begins with it, as browsers do that have been told to at any port of the host; HTTP in clear for others, who are
    /// then [`Scheme::Http`].
    #[must_use]
    pub fn or_plain(certificates: Certificates) -> Self {
        Self {
            either: true,
            ..Self::only(certificates)
        }
    }
}

impl Handshake for Tls {
    type Stream = Stream;
    type Identity = Scheme;

    async fn shake(&self, tcp: TcpStream) -> io::Result<(Stream, Scheme)> {
        if self.either && !begins_tls(&tcp).await? {
            return Ok((Stream::Plain(tcp), Scheme::Http));
        }
        let attempt = Attempt::new(&self.certificates);
        let stream = self.acceptor.accept(tcp).await?;
        attempt.completed();
        Ok((Stream::Tls(Box::new(stream)), Scheme::Https))
    }

    fn is_exempt(&self, _: &Scheme) -> bool {
        false
    }
}

async fn begins_tls(tcp: &TcpStream) -> io::Result<bool> {
    let mut first = [0; 1];
    let read = tcp.peek(&mut first).await?;
    Ok(read == 1 && first[0] == HANDSHAKE)
}

/// A handshake that is counted as failed, also when it is dropped because its time is over.
struct Attempt<'a> {
    counts: &'a Counts,
    completed: bool,
}

impl<'a> Attempt<'a> {
    fn new(certificates: &'a Certificates) -> Self {
        Self {
            counts: certificates.counts(),
            completed: false,
        }
    }

    fn completed(mut self) {
        self.completed = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let count = match self.completed {
            true => &self.counts.completed,
            false => &self.counts.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection of an outsider.
#[derive(Debug)]
pub enum Stream {
    /// In clear.
    Plain(TcpStream),
    /// Over TLS; boxed, as it is large.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport for Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, pieces),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
