//! What a connection begins with before HTTP: nothing, or a handshake that proves who is there.
//!
//! The seam for TLS. The time for it is part of the time for the first head, and is counted by the door.

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// A connection's bytes, in clear on this side.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The TCP connection below.
    fn tcp(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Transport for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

impl<T: Transport> Transport for Box<T> {
    fn tcp(&self) -> &TcpStream {
        (**self).tcp()
    }
}

impl<L: Transport, R: Transport> Transport for Either<L, R> {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Left(stream) => stream.tcp(),
            Self::Right(stream) => stream.tcp(),
        }
    }
}

/// How somebody from outside came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// In clear, or over TLS that ended before it came here.
    #[default]
    Http,
    /// Over TLS that ends here.
    Https,
}

impl Scheme {
    /// As it stands before a URL's colon.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Turns a TCP connection into one that carries HTTP.
pub trait Handshake: Send + Sync + 'static {
    /// What HTTP is spoken over.
    type Stream: Transport;
    /// What the other end proved; [`Scheme`] where nothing is asked for.
    type Identity: Send + 'static;

    /// Need not watch the time: who takes too long is dropped.
    ///
    /// # Errors
    /// When the other end does not do its part; the connection is closed.
    fn shake(
        &self,
        tcp: TcpStream,
    ) -> impl Future<Output = io::Result<(Self::Stream, Self::Identity)>> + Send;

    /// Whether who proved this may have as many connections as there is room for, as peers may.
    fn is_exempt(&self, identity: &Self::Identity) -> bool;
}

/// No handshake: the network below is trusted, or the door is open to anyone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Handshake for Plain {
    type Stream = TcpStream;
    type Identity = Scheme;

    async fn shake(&self, tcp: TcpStream) -> io::Result<(TcpStream, Scheme)> {
        Ok((tcp, Scheme::Http))
    }

    fn is_exempt(&self, _: &Scheme) -> bool {
        false
    }
}
