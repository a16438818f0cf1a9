//! What can go wrong with an async call, and how each is reported to a caller.
//!
//! `status` and `code` are the queue's rows of the table in `crate::call::error`, which turns them
//! into problems.

use gateless_core::egress::Refused;
use http::StatusCode;

use crate::call::error as call;

/// Why the queue says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A bound is reached.
    #[error("the queue is full: {bound} ({limit}) is reached")]
    Full {
        /// Which.
        bound: &'static str,
        /// Its value.
        limit: u64,
    },
    /// Nothing can be made durable at the moment, or it isn't known whether it was.
    #[error("the queue cannot write to disk: {0}")]
    Unavailable(String),
    /// Larger than this queue takes.
    #[error("the body has {size} bytes, more than the queue's {limit}")]
    BodyTooLarge {
        /// Bytes sent.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Method, path and headers are larger than this queue takes.
    #[error("path and headers have {size} bytes, more than the queue's {limit}")]
    HeadTooLarge {
        /// Bytes sent.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Only plain HTTP can be delivered.
    #[error("callback scheme {0:?} is not supported, only http is")]
    CallbackScheme(String),
    /// Not a place a callback may go to.
    #[error("callback url refused: {0}")]
    Callback(&'static str),
    /// An address that callbacks may not go to.
    #[error("callback url refused: {0}")]
    CallbackAddress(Refused),
    /// Not usable as a key.
    #[error("idempotency-key must be 1 to {limit} visible ASCII characters")]
    IdempotencyKey {
        /// Characters allowed.
        limit: usize,
    },
    /// The key was used for something else.
    #[error("idempotency-key was used for call {0} with another body, method or path")]
    IdempotencyConflict(String),
    /// The key was used for the very same call, and this one is under way as well.
    #[error("idempotency-key was used for call {0}, which is another of the same")]
    IdempotencyTaken(String),
    /// Never accepted here, or forgotten since.
    #[error("there is no call {0}: it never was, or its result has expired")]
    NotFound(String),
    /// Its result is asked for too early.
    #[error("call {id} is {state}: it has no result yet")]
    NotFinished {
        /// The call.
        id: String,
        /// Its state.
        state: &'static str,
    },
    /// It ended without an answer of the function.
    #[error("call {id} is {state} and never got an answer: {reason}")]
    NoResult {
        /// The call.
        id: String,
        /// Its state.
        state: &'static str,
        /// Why.
        reason: String,
    },
    /// What was asked doesn't fit its state.
    #[error("call {id} is {state}")]
    Conflict {
        /// The call.
        id: String,
        /// Its state.
        state: &'static str,
    },
    /// Its delivery was taken from its holder: cancelled, or given out anew.
    #[error("the lease {epoch} of call {id} is over")]
    Stale {
        /// The call.
        id: String,
        /// Of the lease.
        epoch: u32,
    },
    /// As another sidecar put it.
    #[error("{detail}")]
    Remote {
        /// Status.
        status: StatusCode,
        /// Stable code.
        code: &'static str,
        /// For people.
        detail: String,
    },
    /// What is on disk can't be read.
    #[error("the queue holds a record it cannot read: {0}")]
    Damaged(String),
}

impl Error {
    /// Stable, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Full { .. } => "queue_full",
            Self::Unavailable(_) => "queue_unavailable",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::HeadTooLarge { .. } => "head_too_large",
            Self::CallbackScheme(_) => "unsupported_callback_scheme",
            Self::Callback(_) | Self::CallbackAddress(_) => "bad_callback_url",
            Self::IdempotencyKey { .. } => "bad_idempotency_key",
            Self::IdempotencyConflict(_) => "idempotency_key_reused",
            Self::IdempotencyTaken(_) => "idempotency_key_taken",
            Self::NotFound(_) => "call_not_found",
            Self::NotFinished { .. } => "call_not_finished",
            Self::NoResult { .. } => "call_has_no_result",
            Self::Conflict { .. } | Self::Stale { .. } => "call_state_conflict",
            Self::Remote { code, .. } => code,
            Self::Damaged(_) => "queue_damaged",
        }
    }

    /// For an HTTP answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Full { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::CallbackScheme(_)
            | Self::Callback(_)
            | Self::CallbackAddress(_)
            | Self::IdempotencyKey { .. } => StatusCode::BAD_REQUEST,
            Self::IdempotencyConflict(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::NotFinished { .. }
            | Self::Conflict { .. }
            | Self::Stale { .. }
            | Self::IdempotencyTaken(_) => StatusCode::CONFLICT,
            Self::NoResult { .. } => StatusCode::GONE,
            Self::Remote { status, .. } => *status,
            Self::Damaged(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Full { .. } => "retry later, or raise the bound",
            Self::Unavailable(_) => {
                "free space on the sidecar's disk; with an idempotency-key the call can be sent again safely"
            }
            Self::BodyTooLarge { .. } => "store the payload elsewhere and send a reference to it",
            Self::HeadTooLarge { .. } => "send fewer or smaller headers",
            Self::CallbackScheme(_) | Self::Callback(_) => {
                "give an http:// url or a path beginning with /function/"
            }
            Self::CallbackAddress(_) => {
                "give a path beginning with /function/, a public address, or one the sidecar's --egress-allow names"
            }
            Self::IdempotencyKey { .. } => "a uuid does well",
            Self::IdempotencyConflict(_) => "use a new key for a new call",
            Self::IdempotencyTaken(_) => "see that call",
            Self::NotFound(_) => "`gateless invocations` lists calls",
            Self::NotFinished { .. } => "ask again later, or give an x-callback-url",
            Self::NoResult { .. } => "see the call's attempts, and replay it",
            Self::Conflict { .. } | Self::Stale { .. } => "see the call's state",
            Self::Remote { .. } => "see detail",
            Self::Damaged(_) => "see the sidecar's log",
        }
    }
}

impl From<Error> for call::Error {
    fn from(error: Error) -> Self {
        let (status, code, hint) = (error.status(), error.code(), error.hint());
        Self::Queue {
            status,
            code,
            hint,
            detail: error.to_string(),
        }
    }
}
