//! The secret that the server and the sidecars of a cluster share: which texts are one, and how it is compared.
//!
//! It proves that the other side belongs to this cluster and nothing more: there are no identities and no encryption
//! here. It never reaches a log: `Debug` hides it.

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq;

/// The header, and the key of gRPC's metadata, that carries it between sidecars and from the server to a sidecar. To the
/// server it goes as `authorization: Bearer`.
pub const HEADER: &str = "x-gateless-cluster";

/// The shortest secret accepted, in characters.
pub const MIN_CHARS: usize = 16;

/// Why a text cannot be the cluster secret. Never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cluster secret must be at least {MIN_CHARS} visible ASCII characters")]
pub struct BadSecret;

/// The secret all members of a cluster share. Cheap to clone.
#[derive(Clone)]
pub struct ClusterSecret(Arc<str>);

impl ClusterSecret {
    /// Takes the text of a secret file; white space around it is dropped.
    ///
    /// # Errors
    /// When it is too short or could not be sent in a header.
    pub fn new(text: &str) -> Result<Self, BadSecret> {
        let text = text.trim();
        if text.len() < MIN_CHARS || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(BadSecret);
        }
        Ok(Self(text.into()))
    }

    /// Whether `candidate` is the secret, in time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(candidate).into()
    }

    /// The text itself, for a header or a key.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_checked_and_never_printed() {
        let secret = ClusterSecret::new(" 0123456789abcdef\n").unwrap();
        assert!(secret.matches(b"0123456789abcdef"));
        assert!(!secret.matches(b"0123456789abcdeF"));
        assert!(!secret.matches(b""));
        assert_eq!(format!("{secret:?}"), "ClusterSecret(..)");
        assert!(ClusterSecret::new("short").is_err());
        assert!(ClusterSecret::new("0123456789 abcdef").is_err());
    }
}
