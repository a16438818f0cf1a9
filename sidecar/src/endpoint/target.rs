//! Where an instance takes calls, as its driver says it.

use std::net::SocketAddr;
use std::sync::Arc;

use super::component::Component;

/// Where an instance takes calls.
#[derive(Clone)]
pub enum Target {
    /// HTTP behind a socket: of this host, or of the instance's own network.
    Http {
        /// Where it listens.
        address: SocketAddr,
    },
    /// In this process.
    InProcess(Arc<dyn Component>),
}

impl Target {
    /// As status reports show it.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Http { address } => Some(*address),
            Self::InProcess(_) => None,
        }
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http { address } => write!(f, "{address}"),
            Self::InProcess(_) => f.write_str("in process"),
        }
    }
}
