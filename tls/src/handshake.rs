//! What a listener for outsiders begins each connection with: TLS, or, where everybody is to be sent to it, either.
//!
//! How many handshakes there are at once and how long one may take is the door's: a handshake is part of the time for the
//! first head, and has its place among the door's connections from its first byte.

use std::io;
use std::sync::atomic::Ordering;

use gateless_listen::{Handshake, Scheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use crate::certificates::{Certificates, Counts};

/// The first byte of a handshake (RFC 8446, 5.1), which no request begins with.
const HANDSHAKE: u8 = 22;

/// A connection of an outsider: in clear, or over TLS; boxed, as that is large.
pub type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

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
            return Ok((Either::Left(tcp), Scheme::Http));
        }
        let attempt = Attempt::new(&self.certificates);
        let stream = self.acceptor.accept(tcp).await?;
        attempt.completed();
        Ok((Either::Right(Box::new(stream)), Scheme::Https))
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
