//! Which headers belong to one connection and end with it, as RFC 9110 says (7.6.1): one list for whoever passes a
//! message on, keeps it for later, or makes one from what people wrote.
//!
//! Names of our own are in [`crate::header`].

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Hop-by-hop by name. Those that a message's `connection` names besides are known with the message only.
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Passed on with a message, but made anew for another one: its length, its trailers' names, what the sender waits for,
/// and what is between it and a proxy.
const OF_ONE_MESSAGE: [HeaderName; 5] = [
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TRAILER,
];

/// Whether a header is made by whoever sends the message, so that nobody can ask for it to be sent.
#[must_use]
pub fn is_set_by_sender(name: &HeaderName) -> bool {
    *name == header::HOST || HOP_BY_HOP.contains(name) || OF_ONE_MESSAGE.contains(name)
}

/// Removes what concerns one hop only. Of `te` the wish for trailers stays: gRPC needs it end to end.
pub fn strip(headers: &mut HeaderMap) {
    // One pass over the few there are is cheaper than a look-up for each there may be.
    if !headers.keys().any(concerns_one_hop) {
        return;
    }
    let trailers = tokens(headers, &header::TE).any(|token| {
        let name = token.split(';').next().unwrap_or_default();
        name.trim_end().eq_ignore_ascii_case("trailers")
    });
    if headers.contains_key(header::CONNECTION) {
        for name in named(headers) {
            // A caller must not have headers removed that others rely on.
            if name != header::HOST && name != header::CONTENT_LENGTH {
                headers.remove(name);
            }
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// What of a message is worth keeping for another one, in order: neither hop-by-hop nor made anew for each.
pub fn end_to_end(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    let named = named(headers);
    headers.iter().filter(move |(name, _)| {
        !HOP_BY_HOP.contains(name) && !OF_ONE_MESSAGE.contains(name) && !named.contains(name)
    })
}

/// The headers that a message's `connection` names, which are hop-by-hop in this message.
fn named(headers: &HeaderMap) -> Vec<HeaderName> {
    let names = tokens(headers, &header::CONNECTION);
    names.filter_map(|name| name.parse().ok()).collect()
}

/// Whether `connection` has this option.
#[must_use]
pub fn has_option(headers: &HeaderMap, option: &str) -> bool {
    tokens(headers, &header::CONNECTION).any(|token| token.eq_ignore_ascii_case(option))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter();
    let lists = values.filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

fn concerns_one_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" | "te"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        pairs.iter().map(pair).collect()
    }

    #[track_caller]
    fn check_stripped(
        before: &[(&'static str, &'static str)],
        after: &[(&'static str, &'static str)],
    ) {
        let mut headers = map(before);
        strip(&mut headers);
        assert_eq!(headers, map(after));
    }

    #[test]
    fn hop_by_hop_headers_end_here() {
        check_stripped(
            &[
                ("connection", "close, x-private, host"),
                ("x-private", "1"),
                ("keep-alive", "timeout=5"),
                ("transfer-encoding", "chunked"),
                ("proxy-connection", "close"),
                ("te", "gzip"),
                ("host", "a"),
                ("x-kept", "1"),
            ],
            &[("host", "a"), ("x-kept", "1")],
        );
    }

    #[test]
    fn the_wish_for_trailers_goes_on_alone() {
        check_stripped(&[("te", "trailers")], &[("te", "trailers")]);
        check_stripped(
            &[("connection", "TE"), ("te", "deflate;q=0.5, Trailers")],
            &[("te", "trailers")],
        );
    }

    #[test]
    fn a_message_without_any_is_left_alone() {
        let headers = &[("host", "a"), ("trailer", "grpc-status"), ("accept", "b")];
        check_stripped(headers, headers);
    }

    #[test]
    fn what_is_kept_belongs_to_no_connection_and_no_single_message() {
        let mut headers = map(&[
            ("connection", "x-mine, close"),
            ("x-mine", "1"),
            ("te", "trailers"),
            ("content-length", "3"),
            ("trailer", "x-sum"),
            ("proxy-authorization", "secret"),
            ("host", "a"),
            ("accept", "a"),
        ]);
        headers.append(header::ACCEPT, HeaderValue::from_static("b"));
        let names: Vec<_> = end_to_end(&headers)
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(names, [("host", "a"), ("accept", "a"), ("accept", "b")]);
    }

    #[test]
    fn both_lists_of_hop_by_hop_headers_are_the_same() {
        assert!(HOP_BY_HOP.iter().all(concerns_one_hop));
        assert!(!OF_ONE_MESSAGE.iter().any(concerns_one_hop));
    }
}
