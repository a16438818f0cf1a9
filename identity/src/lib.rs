//! Who is who between the server and its sidecars: certificates with a SPIFFE id, the authority that issues them, what
//! to trust, and mutual TLS 1.3 on it.
//!
//! One choke point for every connection between parts: [`Identity::accept`], [`Identity::connect`] and what they give,
//! a [`Stream`] whose other end is a proven [`Peer`]. Deliberately nothing of what a peer may do, and no store: the
//! server keeps what must outlive it, a sidecar its own folder.

mod authority;
mod channel;
mod credentials;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
mod folder;
mod handshake;
mod join;
mod recipient;
mod seal;
mod spiffe;
mod tls;
mod trust;
mod verify;

pub use self::authority::{Authority, CERTIFICATE_LIFE, Issued, MIN_CERTIFICATE_LIFE};
pub use self::channel::{channel, join_channel};
pub use self::credentials::{Credentials, NewKey};
pub use self::folder::Folder;
pub use self::handshake::{Mutual, Optional};
pub use self::join::JoinToken;
pub use self::recipient::{OpeningKey, Recipient, wipe};
pub use self::seal::{KEY_BYTES, SEAL_BYTES, SealingKey, Unopened};
pub use self::spiffe::{Id, Role, TrustDomain};
pub use self::tls::{Expect, Identity, Stream};
pub use self::trust::{GRACE, GossipKey, MAX_REMOVED, Trust};
pub use self::verify::{Peer, Refused};

/// What a step of an identity's life can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text or bytes that are not what they should be.
    #[error("{0}")]
    Malformed(&'static str),
    /// A certificate or signing request cannot be made or read.
    #[error("a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The other end is not who it must be.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The connection or the folder failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
