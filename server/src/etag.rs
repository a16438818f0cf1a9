//! Entity tags (RFC 9110, 8.8.3) of what the server answers with: how one is spelled, and whether who asks has it already.
//!
//! Deliberately nothing about changes under a condition: those compare versions, and where a store is, not here
//! (docs/adr/0015-own-code-beside-libraries.md).

use std::convert::Infallible;
use std::fmt::Display;

use axum::response::{IntoResponseParts, ResponseParts};
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue};

/// An answer's tag; none at all where what it is of cannot stand in one.
pub(crate) struct Tag(Option<HeaderValue>);

/// A strong tag around something that has neither quotes nor spaces.
pub(crate) fn strong(of: impl Display) -> Tag {
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"')
    };
    let text = Some(of.to_string()).filter(|text| plain(text));
    Tag(text.and_then(|text| HeaderValue::from_str(&format!("\"{text}\"")).ok()))
}

impl Tag {
    /// Whether a GET of what has this tag may be answered with 304, by the weak comparison that `if-none-match` asks for.
    pub(crate) fn is_known(&self, headers: &HeaderMap) -> bool {
        let Some(etag) = &self.0 else {
            return false;
        };
        let lists = headers.get_all(IF_NONE_MATCH).iter();
        let lists = lists.filter_map(|list| list.to_str().ok());
        let mut known = lists.flat_map(|list| list.split(',')).map(str::trim);
        known.any(|known| {
            let opaque = known.strip_prefix("W/").unwrap_or(known);
            known == "*" || opaque.as_bytes() == etag.as_bytes()
        })
    }

    /// Puts it into an answer.
    pub(crate) fn put(self, headers: &mut HeaderMap) {
        if let Some(etag) = self.0 {
            headers.insert(ETAG, etag);
        }
    }
}

impl IntoResponseParts for Tag {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        self.put(parts.headers_mut());
        Ok(parts)
    }
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
            assert_eq!(strong(7).is_known(&headers), expected, "{lists:?}");
        };
        check(&["\"7\""], true);
        check(&["\"1\", W/\"7\""], true);
        check(&["\"1\"", "\"7\""], true);
        check(&["*"], true);
        check(&[], false);
        check(&["\"77\"", "7", "W/W/\"7\""], false);
    }

    #[test]
    fn what_cannot_stand_in_a_tag_has_none_and_matches_nothing() {
        for text in ["a b", "a\"b", "\n", "ä"] {
            let mut headers = HeaderMap::new();
            for list in ["*", "\"\"", "\"a b\""] {
                headers.append(IF_NONE_MATCH, HeaderValue::from_static(list));
            }
            assert!(!strong(text).is_known(&headers), "{text}");
            strong(text).put(&mut headers);
            assert!(!headers.contains_key(ETAG), "{text}");
        }
    }
}
