//! What can go wrong with an async call, and how each is reported to a caller.
//!
//! `code` and `hint` are the queue's rows of the table in `crate::call::error`, which makes answers of them.

use gateless_common::problem::Code;
use gateless_core::egress::Refused;

use crate::call::error as call;

/// Why the queue says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A bound is reached.
    #[error("the queue is full: {bound} ({limit}) is reached")]
    Full { bound: &'static str, limit: u64 },
    /// Nothing can be made durable at the moment, or it isn't known whether it was.
    #[error("the queue cannot write to disk: {0}")]
    Unavailable(String),
    /// Larger than this queue takes.
    #[error("the body has {size} bytes, more than the queue's {limit}")]
    BodyTooLarge { size: u64, limit: u64 },
    /// Method, path and headers are larger than this queue takes.
    #[error("path and headers have {size} bytes, more than the queue's {limit}")]
    HeadTooLarge { size: u64, limit: u64 },
    /// Only plain HTTP can be delivered.
    #[error("callback scheme {0:?} is not supported, only http and https are")]
    CallbackScheme(String),
    /// Not a place a callback may go to.
    #[error("callback url refused: {0}")]
    Callback(&'static str),
    /// An address that callbacks may not go to.
    #[error("callback url refused: {0}")]
    CallbackAddress(Refused),
    /// Not usable as a key.
    #[error("idempotency-key must be 1 to {limit} visible ASCII characters")]
    IdempotencyKey { limit: usize },
    /// The key was used for something else.
    #[error("idempotency-key was used for another call, with another body, method or path")]
    IdempotencyConflict,
    /// The key was used for the very same call, and this one is under way as well.
    #[error("idempotency-key was used for call {0}, which is another of the same")]
    IdempotencyTaken(String),
    /// Never accepted here, or forgotten since.
    #[error("there is no call {0}: it never was, or its result has expired")]
    NotFound(String),
    /// Its result is asked for too early.
    #[error("call {id} is {state}: it has no result yet")]
    NotFinished { id: String, state: &'static str },
    /// It ended without an answer of the function.
    #[error("call {id} is {state} and never got an answer: {reason}")]
    NoResult {
        id: String,
        state: &'static str,
        reason: String,
    },
    /// Its answer made way for others.
    #[error(
        "call {id} is {state}, and its answer is not kept any more: too many calls were answered since"
    )]
    ResultDropped { id: String, state: &'static str },
    /// What was asked doesn't fit its state.
    #[error("call {id} is {state}")]
    Conflict { id: String, state: &'static str },
    /// Its delivery was taken from its holder: cancelled, or given out anew.
    #[error("the lease {epoch} of call {id} is over")]
    Stale {
        id: String,
        /// Of the lease.
        epoch: u32,
    },
    /// As another sidecar put it.
    #[error("{detail}")]
    Remote {
        /// What is the matter, for programs.
        code: Code,
        detail: String,
    },
    /// What is on disk can't be read.
    #[error("the queue holds a record it cannot read: {0}")]
    Damaged(String),
}

impl Error {
    /// Stable, for programs.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Full { .. } => Code::QueueFull,
            Self::Unavailable(_) => Code::QueueUnavailable,
            Self::BodyTooLarge { .. } => Code::BodyTooLarge,
            Self::HeadTooLarge { .. } => Code::HeadTooLarge,
            Self::CallbackScheme(_) => Code::UnsupportedCallbackScheme,
            Self::Callback(_) | Self::CallbackAddress(_) => Code::BadCallbackUrl,
            Self::IdempotencyKey { .. } => Code::BadIdempotencyKey,
            Self::IdempotencyConflict => Code::IdempotencyKeyReused,
            Self::IdempotencyTaken(_) => Code::IdempotencyKeyTaken,
            Self::NotFound(_) => Code::CallNotFound,
            Self::NotFinished { .. } => Code::CallNotFinished,
            Self::NoResult { .. } | Self::ResultDropped { .. } => Code::CallHasNoResult,
            Self::Conflict { .. } | Self::Stale { .. } => Code::CallStateConflict,
            Self::Remote { code, .. } => *code,
            Self::Damaged(_) => Code::QueueDamaged,
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
            Self::IdempotencyConflict => "use a new key for a new call",
            Self::IdempotencyTaken(_) => "see that call",
            Self::NotFound(_) => "`gateless invocations` lists calls",
            Self::NotFinished { .. } => "ask again later, or give an x-callback-url",
            Self::NoResult { .. } => "see the call's attempts, and replay it",
            Self::ResultDropped { .. } => {
                "fetch results sooner, give an x-callback-url, or let them be smaller"
            }
            Self::Conflict { .. } | Self::Stale { .. } => "see the call's state",
            Self::Remote { .. } => "see detail",
            Self::Damaged(_) => "see the sidecar's log",
        }
    }
}

impl From<Error> for call::Error {
    fn from(error: Error) -> Self {
        Self::Queue {
            code: error.code(),
            hint: error.hint(),
            detail: error.to_string(),
        }
    }
}
