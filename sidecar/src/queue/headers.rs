//! Which headers of a request or an answer are kept with a call.
//!
//! Hop-by-hop headers belong to one connection and ours to one delivery: the ground knows both lists.

use std::time::Duration;

use bytes::Bytes;
use gateless_common::header::{CALLER, CALLER_FUNCTION, is_for_sidecar, is_proof};
use gateless_common::hop;
use gateless_common::time::UnixMillis;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::types::Header;

/// Those to keep, in order. Who made the call is kept with its rights, and said again when it is delivered.
pub(super) fn kept(headers: &HeaderMap) -> Vec<Header> {
    hop::end_to_end(headers)
        .filter(|(name, _)| !is_for_sidecar(name) || (is_proof(name) && !is_said_again(name)))
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                Bytes::copy_from_slice(value.as_bytes()),
            )
        })
        .collect()
}

/// Whether it is made anew from what is kept of the call's maker.
fn is_said_again(name: &HeaderName) -> bool {
    [CALLER, CALLER_FUNCTION].contains(name)
}

/// How long after `now` to try again: seconds, or an HTTP date (RFC 9110, 10.2.3).
pub(super) fn retry_after(value: &HeaderValue, now: UnixMillis) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(text)
        .ok()?;
    // A moment gone by asks for nothing.
    let at = u64::try_from(at.as_millisecond()).unwrap_or_default();
    Some(UnixMillis(at).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_one_hop_is_not_kept() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "x-mine, close"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("x-gateless-async", "true"),
            ("x-gateless-caller", "ann"),
            ("x-gateless-caller-function", "orders.shop"),
            ("x-gateless-claim-email", "ann@example.com"),
            ("accept", "a"),
            ("accept", "b"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let names: Vec<_> = kept(&headers).into_iter().collect();
        assert_eq!(
            names,
            [
                ("x-gateless-claim-email".into(), "ann@example.com".into()),
                ("accept".into(), "a".into()),
                ("accept".into(), "b".into())
            ]
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        // The last second but one of 1999.
        const NOW: UnixMillis = UnixMillis(946_684_799_000);
        let parse = |text| retry_after(&HeaderValue::from_static(text), NOW);
        assert_eq!(parse("120"), Some(Duration::from_secs(120)));
        assert_eq!(parse("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
        let late = Some(Duration::from_secs(90));
        assert_eq!(parse("Sat, 01 Jan 2000 00:01:29 GMT"), late);
        assert_eq!(parse("soon"), None);
    }
}
