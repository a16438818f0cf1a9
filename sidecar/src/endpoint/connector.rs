//! How connections this sidecar makes begin: in clear to an instance of this host, proven at both ends to a peer.
//!
//! The one place where a socket to a peer is opened for calls. It neither keeps nor watches connections.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use gateless_identity::{Expect, Identity, Stream};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connection::expect_silence;

/// Makes connections to one address.
#[derive(Clone)]
pub(crate) enum Connector {
    /// To who is on this host, or needs no proof.
    Plain,
    /// To a sidecar of this cluster that proves to be the one that is meant.
    Peer(Identity, Expect),
}

impl Connector {
    /// To `host:port`. The caller bounds the time.
    pub(super) async fn connect(&self, address: &str) -> io::Result<Wire> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let Self::Peer(identity, expect) = self else {
            return Ok(Wire::Plain(stream));
        };
        expect_silence(&stream)?;
        let connected = identity.connect(stream, expect).await;
        connected.map(Wire::Proven).map_err(|error| match error {
            gateless_identity::Error::Io(error) => error,
            error => io::Error::new(io::ErrorKind::PermissionDenied, error),
        })
    }
}

/// A connection's bytes.
#[derive(Debug)]
pub(crate) enum Wire {
    /// As they are.
    Plain(TcpStream),
    /// Encrypted, to who proved who it is.
    Proven(Stream<TcpStream>),
}

impl Wire {
    /// The TCP connection below.
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Proven(stream) => stream.get_ref(),
        }
    }

    /// Whether the other end has closed it, as far as the kernel knows by now.
    pub(super) fn has_ended(&mut self) -> bool {
        match self {
            Self::Plain(stream) => {
                let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
                match rustix::net::recv(stream, &mut [0; 1], flags) {
                    Ok((bytes, _)) => bytes == 0,
                    Err(error) => error != Errno::AGAIN,
                }
            }
            Self::Proven(stream) => stream.has_ended(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Proven(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Proven(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Proven(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Proven(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Proven(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Proven(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
