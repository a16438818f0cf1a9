//! Header rules of the proxy: what a caller wishes, upgrades, and setting headers. Where a call came from is in `origin`.
//!
//! The names and hop-by-hop removal are the ground's, and only passed on from here.

use std::time::Duration;

use bytes::Bytes;
use gateless_common::hop;
use gateless_common::prefer::Preferences;
use gateless_common::time::millis;
use gateless_core::access::Access;
use gateless_core::policy::Identity;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

pub use gateless_common::header::*;
pub use gateless_common::hop::strip as strip_hop_by_hop;

/// Components a call came through, one calling the other; with the request, not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hops(pub u32);

/// A call that came through more components, or through this platform more often, goes round in a loop.
pub const MAX_HOPS: u32 = 32;

/// The protocol of an upgrade request, for example `websocket`. An offer to go on in `h2c`
/// concerns this hop only, and is declined.
#[must_use]
pub fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let wants = hop::has_option(headers, "upgrade");
    let protocol = headers.get(header::UPGRADE).filter(|_| wants)?;
    (!protocol.as_bytes().eq_ignore_ascii_case(b"h2c")).then(|| protocol.clone())
}

/// Sets a header without copying its text; text that is no header value is left out.
pub(super) fn set_bytes(headers: &mut HeaderMap, name: HeaderName, text: Bytes) {
    if let Ok(value) = HeaderValue::from_maybe_shared(text) {
        headers.insert(name, value);
    }
}

/// Sets a header from text; text that is no header value is left out.
pub fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// Tells a function that asks which functions call it which one does.
pub fn set_caller_function(headers: &mut HeaderMap, called: &Access, caller: &Identity) {
    if called.tells_functions_apart()
        && let Some(name) = caller.function()
    {
        let text = format!("{}.{}", name.name(), name.namespace());
        set(headers, CALLER_FUNCTION, &text);
    }
}

/// A header that holds a whole number.
#[must_use]
pub fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// How a caller wants to be served.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Time the call has left.
    pub timeout: Option<Duration>,
    /// `Prefer: respond-async` (RFC 7240), with the seconds of `wait` where there are some.
    pub respond_async: Option<Option<u64>>,
}

/// Reads what a caller wishes; most wish nothing.
#[must_use]
pub fn wishes(headers: &HeaderMap) -> Wishes {
    let wish = |name: &HeaderName| {
        matches!(
            name.as_str(),
            "x-gateless-timeout-ms" | "grpc-timeout" | "prefer"
        )
    };
    if !headers.keys().any(wish) {
        return Wishes::default();
    }
    let preferences = Preferences::of(headers);
    let millis = number(headers, &TIMEOUT_MS).or_else(|| grpc_timeout_ms(headers));
    Wishes {
        timeout: millis.map(Duration::from_millis),
        respond_async: preferences.respond_async.then_some(preferences.wait),
    }
}

/// What is left of a call's time, as whoever gets it now is to know it: in gRPC's header too, where its caller gave one.
pub(super) fn set_time_left(headers: &mut HeaderMap, left: Duration) {
    let millis = millis(left);
    headers.insert(TIMEOUT_MS, HeaderValue::from(millis));
    if headers.contains_key(GRPC_TIMEOUT) {
        // Eight digits at most.
        let text = match millis {
            0..100_000_000 => format!("{millis}m"),
            _ => format!("{}S", left.as_secs().min(99_999_999)),
        };
        set(headers, GRPC_TIMEOUT, &text);
    }
}

/// `grpc-timeout` (gRPC over HTTP/2: up to 8 digits and a unit), in milliseconds.
fn grpc_timeout_ms(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let value: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    match unit {
        "H" => Some(value * 3_600_000),
        "M" => Some(value * 60_000),
        "S" => Some(value * 1_000),
        "m" => Some(value),
        "u" => Some(value.div_ceil(1_000)),
        "n" => Some(value.div_ceil(1_000_000)),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Headers with these lines, of which several may have one name.
    pub(in crate::call) fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn wishes_are_read_from_whichever_header_has_them() {
        let wishes = wishes(&map(&[("prefer", "respond-async"), ("grpc-timeout", "5S")]));
        assert_eq!(wishes.timeout, Some(Duration::from_secs(5)));
        assert_eq!(wishes.respond_async, Some(None));
        let plain = super::wishes(&map(&[("accept", "*/*")]));
        assert_eq!(plain, Wishes::default());
    }

    #[test]
    fn time_left_is_told_in_each_header_that_tells_time() {
        for (left, expected) in [
            (Duration::from_micros(1_500), "1m"),
            (Duration::from_secs(86_400), "86400000m"),
            (Duration::from_secs(100_000), "100000S"),
        ] {
            let mut headers = map(&[("grpc-timeout", "5H")]);
            set_time_left(&mut headers, left);
            assert_eq!(headers[GRPC_TIMEOUT], expected);
            assert_eq!(
                number(&headers, &TIMEOUT_MS)
                    .map(Duration::from_millis)
                    .unwrap()
                    .as_millis(),
                left.as_millis()
            );
        }
        let mut plain = map(&[]);
        set_time_left(&mut plain, Duration::from_secs(1));
        assert!(!plain.contains_key(GRPC_TIMEOUT));
    }

    #[test]
    fn grpc_timeouts_have_units() {
        for (text, expected) in [
            ("1H", Some(3_600_000)),
            ("5S", Some(5_000)),
            ("1u", Some(1)),
            ("5", None),
            ("x", None),
        ] {
            assert_eq!(
                grpc_timeout_ms(&map(&[("grpc-timeout", text)])),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn upgrade_needs_both_headers() {
        assert!(
            upgrade(&map(&[
                ("connection", "keep-alive, Upgrade"),
                ("upgrade", "websocket")
            ]))
            .is_some()
        );
        assert!(upgrade(&map(&[("upgrade", "websocket")])).is_none());
    }
}
