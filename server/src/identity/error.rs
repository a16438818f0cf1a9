//! Why something about an identity is refused, or failed.

use std::fmt;
use std::path::PathBuf;

use super::nodes::MAX_NODES;
use super::tokens::MAX_JOIN_TOKENS;
use crate::store;

/// Why something about an identity is refused, or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The join token is none of this server's, was used up, or its time is over: which, nobody is told.
    #[error("the join token is not valid: unknown, used up or expired")]
    BadToken,
    /// A sidecar of this id has a certificate for another key.
    #[error("sidecar {0} has joined already, with another key")]
    Taken(String),
    /// An operator said that this sidecar is gone for good.
    #[error("sidecar {0} was removed for good, and all that was on its disk was given up")]
    Removed(String),
    /// Too many join tokens.
    #[error("there are {MAX_JOIN_TOKENS} join tokens, the most there may be")]
    TooManyTokens,
    /// Too many sidecars.
    #[error("{} sidecars have certificates, the most there may be", MAX_NODES)]
    TooManyNodes,
    /// No such join token.
    #[error("there is no join token {0}")]
    UnknownToken(String),
    /// No such sidecar.
    #[error("no sidecar {0} has joined")]
    UnknownNode(String),
    /// It cannot be done now.
    #[error("{0}")]
    State(&'static str),
    /// What was sent is not what it must be.
    #[error("{0}")]
    Request(String),
    /// A setting is out of its bounds.
    #[error("{0}")]
    Settings(&'static str),
    /// Others changed the same again and again.
    #[error("others change the same at the same time")]
    Contended,
    /// The catalogue failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A record or the authority's file is not what it must be.
    #[error("identity: {0}")]
    Record(String),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What failed.
        source: std::io::Error,
    },
}

impl Error {
    pub(super) fn record(error: impl fmt::Display) -> Self {
        Self::Record(error.to_string())
    }
}
