//! What a caller proves to the function it calls: that it has one of its keys, or a token of its issuer.
//!
//! A key ends here: neither the function nor a queue ever sees it, and a token goes on only where the function asks for it.
//! What the proof is worth is [`gateless_core::policy`]'s to say.

#[cfg(test)]
mod fixture;
mod issuers;
mod token;

use std::sync::Arc;

use gateless_common::header::{CALL_TOKEN, CLAIM_PREFIX};
use gateless_common::io::unix_now;
use gateless_core::access::{Auth, Issuer};
use gateless_core::config::Function;
use gateless_core::policy::Proof;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

pub use self::issuers::Issuers;
use crate::call::error::Error;
use crate::call::headers::{API_KEY, CALLER, set};
use crate::queue::token as call_token;

/// What a caller proves to a function.
pub(super) enum Proven<'a> {
    /// It is known at once.
    Now(Option<Proof>),
    /// By a token of this issuer, whose keys may have to be fetched: see [`by_token`].
    ByToken(&'a Arc<Issuer>),
}

/// Looks at what a function asks for, which for most calls is nothing and costs nothing.
pub(super) fn prove<'a>(function: &'a Function, headers: &mut HeaderMap) -> Proven<'a> {
    match &function.access.auth {
        Auth::None => Proven::Now(None),
        auth @ Auth::Key(_) => Proven::Now(by_key(auth, headers)),
        Auth::Jwt(issuer) => Proven::ByToken(issuer),
    }
}

/// Takes the key out of a request, and says whose it is; `None` where the function asks for none, or for another.
fn by_key(auth: &Auth, headers: &mut HeaderMap) -> Option<Proof> {
    let own = headers.remove(&API_KEY);
    // What is no key may be meant for the function.
    let (key, name) = match &own {
        Some(key) => (key.as_bytes(), None),
        None => (bearer(headers)?, Some(AUTHORIZATION)),
    };
    let digest: [u8; 32] = Sha256::digest(key).into();
    let caller = auth.by_digest(&digest, unix_now().0)?.name.clone();
    if let Some(name) = name {
        headers.remove(name);
    }
    set(headers, CALLER, &caller);
    Some(Proof {
        key: caller,
        digest: Some(digest),
    })
}

/// Takes the token out of a request, and says whose it is; `None` where there is none.
///
/// # Errors
/// When it does not prove what it has to, or nobody can tell.
pub(super) async fn by_token(
    issuers: &Issuers,
    function: &Function,
    issuer: &Arc<Issuer>,
    headers: &mut HeaderMap,
) -> Result<Option<Proof>, Error> {
    let Some(token) = bearer(headers) else {
        return Ok(None);
    };
    let refused = |rejected: token::Rejected| Error::Token(function.name.clone(), rejected.why());
    let token = std::str::from_utf8(token).map_err(|_| refused(token::Rejected::Malformed))?;
    let verified = issuers.verify(issuer, token, unix_now().0 / 1_000).await;
    let claims = verified.map_err(|failed| match failed {
        issuers::Failed::Rejected(rejected) => refused(rejected),
        issuers::Failed::Unavailable { cause, wait } => Error::Issuer {
            function: function.name.clone(),
            issuer: issuer.issuer.clone(),
            cause,
            wait,
        },
    })?;
    if !issuer.forward_token {
        headers.remove(AUTHORIZATION);
    }
    set(headers, CALLER, &claims.subject);
    for (claim, value) in claims.forwarded {
        let name = HeaderName::try_from(format!("{CLAIM_PREFIX}{claim}"));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    Ok(Some(Proof {
        key: issuer.principal(&claims.subject),
        digest: None,
    }))
}

/// What is shown with a question about a call: its token, or a key of its function.
pub(super) fn shown(headers: &HeaderMap) -> Option<call_token::Proof> {
    let own = headers.get(CALL_TOKEN).or_else(|| headers.get(&API_KEY));
    let shown = own.map(|value| value.as_bytes());
    Some(call_token::proof(shown.or_else(|| bearer(headers))?))
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

    fn auth() -> Auth {
        let key = |name: &str, text: &str, expires_at_ms| Key {
            name: name.into(),
            digest: Sha256::digest(text).into(),
            expires_at_ms,
        };
        let keys = vec![key("ann", "one", None), key("bob", "two", Some(1))];
        Auth::Key(keys)
    }

    #[track_caller]
    fn check(pairs: &[(&'static str, &'static str)], caller: Option<&str>, left: &[&str]) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let proof = by_key(&auth(), &mut headers);
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
}
