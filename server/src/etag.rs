//! Entity tags (RFC 9110, 8.8.3) of what the server answers with: how one is spelled, and whether who asks has it already.
//!
//! Deliberately nothing about changes under a condition: those compare versions, and where a store is, not here
//! (docs/adr/0015-own-code-beside-libraries.md).

use std::fmt::Display;

use http::header::IF_NONE_MATCH;
use http::{HeaderMap, HeaderValue};

/// A strong tag around something that has neither quotes nor spaces; no tag at all around anything else.
pub(crate) fn strong(of: impl Display) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{of}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Whether a GET of what has this tag may be answered with 304, by the weak comparison that `if-none-match` asks for.
pub(crate) fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).iter();
    let lists = lists.filter_map(|list| list.to_str().ok());
    let mut known = lists.flat_map(|list| list.split(',')).map(str::trim);
    known.any(|known| {
        let opaque = known.strip_prefix("W/").unwrap_or(known);
        known == "*" || opaque.as_bytes() == etag.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_in_any_list_weak_or_strong() {
        let check = |lists: &[&'static str], expected: bool| {
            let mut headers = HeaderMap::new();
            for list in lists {
                headers.append(IF_NONE_MATCH, HeaderValue::from_static(list));
            }
            assert_eq!(is_known(&headers, &strong(7)), expected, "{lists:?}");
        };
        check(&["\"7\""], true);
        check(&["\"1\", W/\"7\""], true);
        check(&["\"1\"", "\"7\""], true);
        check(&["*"], true);
        check(&[], false);
        check(&["\"77\"", "7", "W/W/\"7\""], false);
    }
}
