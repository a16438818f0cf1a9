//! The cookie of a browser's session with the server: its names, and how it is kept from everybody else.
//!
//! Browsers send a cookie to every port of a host, so functions on the server's host would be sent it, and could set it. What
//! passes a sidecar loses it in both directions. Whose session it is, only the server knows.

use std::net::IpAddr;

use http::header::{COOKIE, Entry, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

/// Over http, which is for loopback only.
pub const NAME: &str = "gateless_session";
/// Over https: browsers take a cookie of that prefix only from the host itself, for all of it, and secure (RFC 6265bis, 4.1.3.2).
pub const HOST_NAME: &str = "__Host-gateless_session";

/// Whether a browser takes a host for its own machine (W3C Secure Contexts, 3.1): over http a session
/// begins at no other.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        || name == "localhost"
        || name.ends_with(".localhost")
}

/// Every value that a request has of the cookie `name`.
pub fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let named = pairs.filter_map(split);
    named.filter_map(move |(has, value)| (has == name.as_bytes()).then_some(value))
}

/// Takes the session out of a request; its other cookies stay as they are.
pub fn strip_request(headers: &mut HeaderMap) {
    let has_ours = |line: &HeaderValue| line.as_bytes().split(|byte| *byte == b';').any(is_ours);
    // Mostly there is none.
    if !headers.get_all(COOKIE).iter().any(has_ours) {
        return;
    }
    let Entry::Occupied(lines) = headers.entry(COOKIE) else {
        return;
    };
    let (name, lines) = lines.remove_entry_mult();
    let kept: Vec<HeaderValue> = lines.filter_map(|line| without(&line)).collect();
    for line in kept {
        headers.append(name.clone(), line);
    }
}

/// Takes what would set the session out of an answer.
pub fn strip_answer(headers: &mut HeaderMap) {
    let sets_ours = |line: &HeaderValue| {
        let cookie = line.as_bytes().split(|byte| *byte == b';').next();
        cookie.is_some_and(is_ours)
    };
    if !headers.get_all(SET_COOKIE).iter().any(sets_ours) {
        return;
    }
    let Entry::Occupied(lines) = headers.entry(SET_COOKIE) else {
        return;
    };
    let (name, lines) = lines.remove_entry_mult();
    let kept: Vec<HeaderValue> = lines.filter(|line| !sets_ours(line)).collect();
    for line in kept {
        headers.append(name.clone(), line);
    }
}

/// A line of cookies without the session's; `None`: nothing is left.
fn without(line: &HeaderValue) -> Option<HeaderValue> {
    let pairs = line.as_bytes().split(|byte| *byte == b';');
    let kept: Vec<&[u8]> = pairs.filter(|pair| !is_ours(pair)).collect();
    let joined = kept.join(&b';');
    let joined = joined.trim_ascii();
    if joined.is_empty() {
        return None;
    }
    HeaderValue::from_bytes(joined).ok()
}

/// Name and value of `name=value`.
fn split(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = pair.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (pair.get(..at)?, pair.get(at + 1..)?);
    Some((name.trim_ascii(), value.trim_ascii()))
}

/// Whether a cookie has one of the session's names. One without a name, `=gateless_session=x`, comes back from browsers as if
/// it had.
fn is_ours(pair: &[u8]) -> bool {
    let start = pair
        .iter()
        .position(|byte| *byte != b'=' && !byte.is_ascii_whitespace());
    let pair = start.and_then(|start| pair.get(start..)).unwrap_or(&[]);
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or(&[]);
    let name = name.trim_ascii();
    name == NAME.as_bytes() || name.eq_ignore_ascii_case(HOST_NAME.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(name: &'static str, lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_static(line));
        }
        headers
    }

    fn check(
        name: &'static str,
        strip: fn(&mut HeaderMap),
        lines: &[&'static str],
        expected: &[&str],
    ) {
        let mut headers = map(name, lines);
        strip(&mut headers);
        let left: Vec<&str> = headers
            .get_all(name)
            .iter()
            .map(|v| v.to_str().unwrap())
            .collect();
        assert_eq!(left, expected, "{lines:?}");
    }

    #[test]
    fn a_request_passes_on_every_cookie_but_the_session() {
        for (lines, expected) in [
            (&["a=1; b=2"][..], &["a=1; b=2"][..]),
            (&["gateless_session=x"], &[]),
            (&["__Host-gateless_session=x"], &[]),
            (&["__host-gateless_session=x"], &[]),
            (&["a=1; gateless_session=x; b=2"], &["a=1; b=2"]),
            (&["gateless_session=x;b=2"], &["b=2"]),
            (&["a=1", "gateless_session=x", "b=2"], &["a=1", "b=2"]),
            (&["gateless_session = x; a=1; gateless_session=y"], &["a=1"]),
            (&["\tgateless_session=x"], &[]),
            (&["=gateless_session=x"], &[]),
            (
                &["gateless_session2=x; a=gateless_session=y"],
                &["gateless_session2=x; a=gateless_session=y"],
            ),
            (&["; ;"], &["; ;"]),
        ] {
            check("cookie", strip_request, lines, expected);
        }
    }

    #[test]
    fn an_answer_sets_every_cookie_but_the_session() {
        for (lines, expected) in [
            (&["a=1; Path=/", "b=2"][..], &["a=1; Path=/", "b=2"][..]),
            (
                &["a=1", "gateless_session=x; Path=/", "b=2"],
                &["a=1", "b=2"],
            ),
            (&[" gateless_session =x"], &[]),
            (&["=gateless_session=x"], &[]),
            (&["__HOST-gateless_session=x; Secure; Path=/"], &[]),
            (&["gateless_session"], &[]),
            (&["a=gateless_session=x"], &["a=gateless_session=x"]),
        ] {
            check("set-cookie", strip_answer, lines, expected);
        }
    }

    #[test]
    fn loopback_is_what_browsers_take_for_it() {
        for (host, expected) in [
            ("localhost:7780", true),
            ("LocalHost", true),
            ("a.localhost:1", true),
            ("127.0.0.1:7780", true),
            ("127.9.9.9", true),
            ("[::1]:7780", true),
            ("[::1]", true),
            ("10.0.0.1:7780", false),
            ("gateless:7780", false),
            ("localhost.example", false),
            ("notlocalhost", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }

    #[test]
    fn every_value_is_found_among_other_cookies() {
        let headers = map(
            "cookie",
            &[
                "a=b; gateless_session=x.y=z",
                "gateless_session=2; gateless_session3=3",
            ],
        );
        let found: Vec<&[u8]> = values(&headers, NAME).collect();
        assert_eq!(found, [&b"x.y=z"[..], b"2"]);
        assert_eq!(values(&headers, HOST_NAME).count(), 0);
    }
}
