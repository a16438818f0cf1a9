//! What a caller is shown of a function's limits (draft-ietf-httpapi-ratelimit-headers-10).

use std::time::Duration;

use gateless_core::limit::Left;
use http::HeaderMap;

use super::headers::{RATE_LIMIT, RATE_LIMIT_POLICY, set};

/// Says how many calls may come, and when more may.
pub(crate) fn show(headers: &mut HeaderMap, left: Left) {
    let policy = format!("\"calls\";q={};w={}", left.limit, seconds(left.window));
    let now = format!("\"calls\";r={};t={}", left.calls, seconds(left.reset));
    set(headers, RATE_LIMIT_POLICY, &policy);
    set(headers, RATE_LIMIT, &now);
}

/// Whole seconds, none of them too short, and at least one.
pub(super) fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}
