//! How connections this sidecar makes begin: in clear to an instance of this host, proven at both ends to a peer.
//!
//! The one place where a socket to a peer is opened for calls. It neither keeps nor watches connections.

use std::io;

use gateless_identity::{Expect, Identity, Stream};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::net::TcpStream;
use tokio_util::either::Either;

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
            return Ok(Either::Left(stream));
        };
        expect_silence(&stream)?;
        let connected = identity.connect(stream, expect).await;
        connected.map(Either::Right).map_err(|error| match error {
            gateless_identity::Error::Io(error) => error,
            error => io::Error::new(io::ErrorKind::PermissionDenied, error),
        })
    }
}

/// A connection's bytes: as they are, or encrypted, to who proved who it is.
pub(crate) type Wire = Either<TcpStream, Stream<TcpStream>>;

/// Whether the other end has closed it, as far as the kernel knows by now.
pub(super) fn has_ended(wire: &mut Wire) -> bool {
    match wire {
        Either::Left(stream) => {
            let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
            match rustix::net::recv(stream, &mut [0; 1], flags) {
                Ok((bytes, _)) => bytes == 0,
                Err(error) => error != Errno::AGAIN,
            }
        }
        Either::Right(stream) => stream.has_ended(),
    }
}
