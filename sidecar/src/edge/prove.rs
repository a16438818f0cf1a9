//! What a caller proves to the function it calls: that it has one of its keys.
//!
//! A key ends here: neither the function nor a queue ever sees it. What the proof is worth is [`gateless_core::policy`]'s to say.

use gateless_common::io::unix_now;
use gateless_core::access::{Access, Auth};
use gateless_core::policy::Proof;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};

use crate::call::headers::{API_KEY, CALLER, set};

/// Takes the key out of a request, and says whose it is; `None` where the function asks for none, or for another.
pub(super) fn prove(access: &Access, headers: &mut HeaderMap) -> Option<Proof> {
    if access.auth == Auth::None {
        return None;
    }
    let own = headers.remove(&API_KEY);
    // What is no key may be meant for the function.
    let (key, name) = match &own {
        Some(key) => (key.as_bytes(), None),
        None => (bearer(headers)?, Some(AUTHORIZATION)),
    };
    let digest: [u8; 32] = Sha256::digest(key).into();
    let caller = access.auth.by_digest(&digest, unix_now().0)?.name.clone();
    if let Some(name) = name {
        headers.remove(name);
    }
    set(headers, CALLER, &caller);
    Some(Proof { key: caller })
}

/// The token of `authorization: Bearer TOKEN` (RFC 6750, 2.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let text = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = text.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use gateless_core::access::Key;
    use http::HeaderValue;

    use super::*;

    fn access() -> Access {
        let key = |name: &str, text: &str, expires_at_ms| Key {
            name: name.into(),
            digest: Sha256::digest(text).into(),
            expires_at_ms,
        };
        let keys = vec![key("ann", "one", None), key("bob", "two", Some(1))];
        let auth = Auth::Key(keys);
        Access {
            auth,
            ..Access::default()
        }
    }

    #[track_caller]
    fn check(pairs: &[(&'static str, &'static str)], caller: Option<&str>, left: &[&str]) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let proof = prove(&access(), &mut headers);
        assert_eq!(proof.as_ref().map(|proof| &*proof.key), caller);
        let names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
        assert_eq!(names, left, "{pairs:?}");
    }

    #[test]
    fn key_is_found_in_either_header_and_goes_no_further() {
        check(
            &[("authorization", "Bearer one")],
            Some("ann"),
            &["x-gateless-caller"],
        );
        check(
            &[("authorization", "bEARER  one ")],
            Some("ann"),
            &["x-gateless-caller"],
        );
        check(&[("x-api-key", "one")], Some("ann"), &["x-gateless-caller"]);
        let both = [("x-api-key", "one"), ("authorization", "Bearer other")];
        check(&both, Some("ann"), &["authorization", "x-gateless-caller"]);
        check(&[("authorization", "Bearer two")], None, &["authorization"]);
        check(&[("authorization", "Basic one")], None, &["authorization"]);
        check(&[("authorization", "Bearer")], None, &["authorization"]);
        check(&[("x-api-key", "two")], None, &[]);
        check(&[], None, &[]);
    }

    #[test]
    fn function_that_asks_for_no_key_gets_what_its_callers_send() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer one"));
        assert_eq!(prove(&Access::default(), &mut headers), None);
        assert!(headers.contains_key(AUTHORIZATION));
    }
}
