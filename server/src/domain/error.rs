//! Why a change is refused, in the catalogue's own terms; `http/problem.rs` knows the status codes.

/// One thing wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the request's body, or the name of a query or path parameter.
    #[schema(example = "/spec/scaling/min_scale")]
    pub pointer: String,
    /// What is wrong and what would be right.
    #[schema(example = "must not be above max_scale (3)")]
    pub detail: String,
}

impl FieldError {
    /// From both texts.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}

/// A change the rules refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The document is well-formed but not valid; every fault at once.
    #[error("the request has {} invalid field(s)", .0.len())]
    Invalid(Vec<FieldError>),
    /// No such revision of the function.
    #[error("function {function} has no revision {revision}")]
    UnknownRevision {
        /// The function.
        function: String,
        /// The missing revision.
        revision: String,
    },
    /// A rollback with nothing to go back to.
    #[error("function {function} has no earlier revision that was ready")]
    NothingToRollBackTo {
        /// The function.
        function: String,
    },
    /// A revision that never was ready cannot get traffic.
    #[error("revision {revision} was never ready, so it cannot get traffic")]
    NeverReady {
        /// The revision.
        revision: String,
    },
}
