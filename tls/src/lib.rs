//! TLS for whoever comes from outside: to functions at a sidecar, to the API and the dashboard at the server.
//!
//! Which certificate a client sees is decided by the name it asks for ([`Certificates`]); files that change are taken
//! without a connection lost, and refused without the last good ones lost. Deliberately nothing of who calls: outsiders
//! prove nothing by it. Connections between the parts of a cluster are `gateless-identity`'s.

mod certificates;
#[cfg(test)]
mod fixture;
mod handshake;
mod metrics;
mod pair;
mod redirect;
mod source;
mod table;
mod watch;

pub use self::certificates::{Certificates, Shown};
pub use self::handshake::{Stream, Tls};
pub use self::metrics::Numbers;
pub use self::pair::{Fault, MAX_PEM_BYTES, Pair};
pub use self::redirect::location;
pub use self::source::{Error, Files, MAX_CERTIFICATES, Settings};

use std::net::SocketAddr;

/// A listener with TLS beside one without.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where; the port may be 0.
    pub listen: SocketAddr,
    /// What clients are shown there.
    pub certificates: Certificates,
    /// What becomes of who comes without TLS; `None`: they are served as well.
    pub redirect: Option<Redirect>,
}

/// The listener without TLS sends everybody to the one with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redirect {
    /// The port others reach the one with TLS by; `None`: the one it listens at.
    pub port: Option<u16>,
}
