//! What a door of a part begins each connection with: TLS whose other end proves who it is, or may do so.

use std::io;

use gateless_listen::{Handshake, Transport};
use tokio::net::TcpStream;

use crate::Error;
use crate::tls::{Identity, Stream};
use crate::verify::Peer;

impl Transport for Stream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref()
    }
}

/// The other end must prove who it is.
pub struct Mutual(pub Identity);

/// The other end may prove who it is: who joins cannot yet.
pub struct Optional(pub Identity);

impl Handshake for Mutual {
    type Stream = Stream<TcpStream>;
    type Identity = Peer;

    async fn shake(&self, tcp: TcpStream) -> io::Result<(Self::Stream, Peer)> {
        self.0.accept(tcp).await.map_err(refused)
    }

    fn is_exempt(&self, _: &Peer) -> bool {
        true
    }
}

impl Handshake for Optional {
    type Stream = Stream<TcpStream>;
    type Identity = Option<Peer>;

    async fn shake(&self, tcp: TcpStream) -> io::Result<(Self::Stream, Option<Peer>)> {
        let stream = self.0.accept_any(tcp).await.map_err(refused)?;
        let peer = stream.peer().cloned();
        Ok((stream, peer))
    }

    fn is_exempt(&self, peer: &Option<Peer>) -> bool {
        peer.is_some()
    }
}

fn refused(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::new(io::ErrorKind::PermissionDenied, error),
    }
}
