//! What an error of HTTP/2 says of a request: whether its other end provably did not process it (RFC 9113, 6.8 and 8.7).
//!
//! Such a request may be sent again whatever its method. Deliberately no decision where to and how often.

use std::error::Error as _;

/// Why a request that was sent, or was to be, was not processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unprocessed {
    /// The other end has as many streams as it wants: another endpoint, or a moment later.
    Refused,
    /// The connection ended, and not because of the request: another connection.
    ConnectionEnded,
}

/// What a failed exchange over HTTP/2 says.
pub(super) fn of(error: &hyper::Error) -> Option<Unprocessed> {
    // The only error of this kind: its connection ended before it had a stream.
    if error.is_user() {
        return Some(Unprocessed::ConnectionEnded);
    }
    let cause = error.source()?.downcast_ref::<h2::Error>()?;
    if !cause.is_remote() {
        return None;
    }
    // Of a GOAWAY, only streams beyond its last one hear; the others go on.
    if cause.is_go_away() {
        return Some(Unprocessed::ConnectionEnded);
    }
    let refused = cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
    refused.then_some(Unprocessed::Refused)
}

/// Whether the other end of a connection over HTTP/2 ended this one stream itself, so that it lives: what was behind it broke off.
pub(crate) fn is_told(error: &crate::endpoint::body::Error) -> bool {
    let cause = error.downcast_ref::<hyper::Error>();
    let cause = cause.and_then(|error| error.source()?.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| cause.is_remote() && cause.is_reset())
}
