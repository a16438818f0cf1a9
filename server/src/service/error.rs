//! Why an operation failed, in the service's terms; `http/problem.rs` maps it to a status once.

use std::fmt;

use crate::domain;
use crate::sidecars::clients::CallError;
use crate::store;
use crate::store::blobs;

/// What a name is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the resources themselves")]
pub enum Kind {
    Function,
    Revision,
    Secret,
    Key,
    Trigger,
    Artifact,
    Invocation,
    Record,
    Sidecar,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function => "function",
            Self::Revision => "revision",
            Self::Secret => "secret",
            Self::Key => "key",
            Self::Trigger => "trigger",
            Self::Artifact => "artifact",
            Self::Invocation => "invocation",
            Self::Record => "call on record",
            Self::Sidecar => "sidecar",
        })
    }
}

/// An operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The thing is not there.
    #[error("there is no {kind} {name}")]
    NotFound {
        /// What it would be.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// There is one of this name already.
    #[error("there is a {kind} {name} already")]
    Exists {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
    },
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("{kind} {name} is at version {}, which is not what the request expects",
            .actual.map_or_else(|| "none".to_owned(), |version| version.to_string()))]
    Precondition {
        /// `function`, `secret` or `trigger`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Its version; `None`: it does not exist.
        actual: Option<u64>,
    },
    /// Others changed the same thing again and again.
    #[error("{0} is being changed by others at the same time")]
    Contended(String),
    /// A secret that functions use.
    #[error("secret {name} is used by {}", .functions.join(", "))]
    InUse {
        /// The secret.
        name: String,
        /// Some of the functions.
        functions: Vec<String>,
    },
    /// Something else is called by the same address.
    #[error("{wanted} cannot be: {by} is called as {address} already")]
    AddressTaken {
        /// What is asked for.
        wanted: String,
        /// What has the address.
        by: String,
        /// `NAME` or `TAG-NAME`.
        address: String,
    },
    /// Calls of a function that was deleted cannot be made again.
    #[error("function {0} was deleted, so its calls cannot be made again")]
    FunctionDeleted(String),
    /// A call is not in the state the request is about.
    #[error("invocation {id} is {state}, not {wanted}")]
    WrongState {
        /// The call.
        id: String,
        /// Its state.
        state: String,
        /// The state it would have to be in.
        wanted: &'static str,
    },
    /// A call whose sidecar an operator has removed for good.
    #[error(
        "invocation {id} was on sidecar {sidecar}, which is gone for good with all that was on its disk"
    )]
    CallLost {
        /// The call.
        id: String,
        /// Where it was.
        sidecar: String,
    },
    /// A sidecar that must be told something itself cannot be reached.
    #[error("sidecar {id} cannot be reached: {cause}")]
    SidecarAway {
        /// Which.
        id: String,
        /// Why.
        cause: String,
    },
    /// The namespace may not have that much.
    #[error(transparent)]
    Quota(#[from] domain::quota::Exceeded),
    /// A rule of the domain.
    #[error(transparent)]
    Domain(#[from] domain::Error),
    /// The catalogue.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// An artifact's content.
    #[error(transparent)]
    Artifact(#[from] blobs::Error),
    /// A sidecar that had to be asked.
    #[error(transparent)]
    Sidecar(#[from] CallError),
    /// The catalogue does not come back from the sidecars.
    #[error("{0}")]
    Fleet(&'static str),
    /// A record of the catalogue does not parse.
    #[error("the catalogue's record {key} is not readable: {reason}")]
    Record {
        /// Its key.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// Something is not there.
    pub fn not_found(kind: Kind, name: impl Into<String>) -> Self {
        let name: String = name.into();
        Self::NotFound {
            kind,
            name: name.chars().take(200).collect(),
        }
    }
}
