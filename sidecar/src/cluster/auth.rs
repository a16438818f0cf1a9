//! The cluster secret: shown to peers and the server, and asked of them.
//!
//! It proves that the other side belongs to this cluster and nothing more: there are no
//! identities and no encryption here. It never reaches a log: `Debug` hides it.

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};

/// Header and gRPC metadata key that carries the secret between sidecars, and from the
/// server to a sidecar.
pub const CLUSTER_HEADER: &str = "x-gateless-cluster";

/// Shortest secret accepted, in characters.
pub const MIN_SECRET_CHARS: usize = 16;

/// Why a text cannot be the cluster secret. Never contains the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cluster secret must be at least {MIN_SECRET_CHARS} visible ASCII characters")]
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
        if text.len() < MIN_SECRET_CHARS || !text.bytes().all(|b| b.is_ascii_graphic()) {
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

    /// Client side, towards sidecars: adds [`CLUSTER_HEADER`].
    #[must_use]
    pub fn attach(&self) -> Attach {
        Attach::new(CLUSTER_HEADER, self.0.to_string())
    }

    /// Client side, towards the server: adds `authorization: Bearer`.
    #[must_use]
    pub fn attach_bearer(&self) -> Attach {
        Attach::new("authorization", format!("Bearer {}", self.0))
    }

    /// Server side of `PeerService` and `SidecarAdmin`: refuses calls without the secret.
    #[must_use]
    pub fn check(&self) -> Check {
        Check(self.clone())
    }

    /// `service` behind [`ClusterSecret::check`].
    pub fn guard<S>(&self, service: S) -> InterceptedService<S, Check> {
        InterceptedService::new(service, self.check())
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret(..)")
    }
}

/// Adds the secret to outgoing gRPC calls.
#[derive(Clone)]
pub struct Attach {
    key: &'static str,
    value: Option<MetadataValue<Ascii>>,
}

impl Attach {
    fn new(key: &'static str, text: String) -> Self {
        // Visible ASCII was checked when the secret was made, so this does not fail.
        let mut value = MetadataValue::try_from(text).ok();
        if let Some(value) = &mut value {
            value.set_sensitive(true);
        }
        Self { key, value }
    }
}

impl Interceptor for Attach {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.value {
            request.metadata_mut().insert(self.key, value.clone());
        }
        Ok(request)
    }
}

/// Refuses incoming gRPC calls without the secret.
#[derive(Clone)]
pub struct Check(ClusterSecret);

impl Interceptor for Check {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        match request.metadata().get(CLUSTER_HEADER) {
            Some(value) if self.0.matches(value.as_bytes()) => Ok(request),
            Some(_) => Err(Status::unauthenticated(
                "the cluster secret is a different one",
            )),
            None => Err(Status::unauthenticated(
                "metadata x-gateless-cluster with the cluster secret is missing",
            )),
        }
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
