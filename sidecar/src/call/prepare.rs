//! The head of a call, made ready for whoever gets it: once, before its first attempt.
//!
//! Deliberately nothing that differs from one attempt to the next: that is `forward`'s.

use http::header::{self, HeaderValue};

use super::headers;
use super::origin;
use super::request::Call;
use super::trail::Trail;
use crate::call::error::Error;

/// Cleans the head once, for every attempt.
///
/// # Errors
/// When it goes round in a loop.
pub(super) fn prepare(call: &mut Call, trail: &mut Trail, domain: &str) -> Result<(), Error> {
    let asked = headers::upgrade(&call.parts.headers);
    let map = &mut call.parts.headers;
    headers::strip_hop_by_hop(map);
    headers::strip_internal(map);
    if let Some(protocol) = asked.filter(|_| call.upgrade.is_some()) {
        map.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        map.insert(header::UPGRADE, protocol);
    }
    // A caller of HTTP/1.0 may name no host, and a delivery has none: the function's own.
    if map.get(header::HOST).is_none_or(HeaderValue::is_empty) {
        let name = &call.function.config.name;
        let host = format!("{}.{}.{domain}", name.name(), name.namespace());
        headers::set(map, header::HOST, &host);
    }
    let Some(client) = call.client else {
        // Of the queue it has one since it was taken; what came from another sidecar is on record there.
        if call.delivered.is_some() {
            trail.trace = map.get(headers::TRACEPARENT).cloned();
        }
        return Ok(());
    };
    let trace = origin::add(map, call.parts.version, client)?;
    (trail.trace, trail.has_parent) = (Some(trace.text), trace.came_with_it);
    Ok(())
}
