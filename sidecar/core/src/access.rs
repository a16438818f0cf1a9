//! What a function asks of its callers, besides being visible to them.
//!
//! The rules alone, as valid values; [`crate::policy`] applies them. Deliberately no headers and no tokens: what proves an identity is the edge's.

use std::net::IpAddr;
use std::sync::Arc;

use crate::allow::Allowed;
use crate::limit::Rate;
use crate::name::FunctionName;
use crate::network::Network;

/// A function's rules for its callers. The default asks nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Access {
    /// What a caller has to prove that it is.
    pub auth: Auth,
    /// Which functions may call it, where it is for functions alone; empty: every one.
    pub allow: Vec<Allowed>,
    /// Where a call from outside may come from; empty: anywhere.
    pub networks: Vec<Network>,
    /// How many calls all callers together may make at one sidecar.
    pub rate: Option<Rate>,
    /// How many calls each of them may make at one sidecar.
    pub caller_rate: Option<Rate>,
    /// Which pages of other sites browsers let call it.
    pub cors: Option<Cors>,
}

/// How callers prove who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// They need not.
    #[default]
    None,
    /// By one of these keys.
    Key(Vec<Key>),
    /// By a token of this issuer.
    Jwt(Arc<Issuer>),
}

/// Whose tokens (RFC 7519) a function takes, and which of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// What a token's `iss` is.
    pub issuer: String,
    /// Where its keys are (RFC 7517, 5); `None`: where its OpenID configuration says.
    pub jwks_uri: Option<String>,
    /// One of these is in a token's `aud`.
    pub audiences: Vec<String>,
    /// Claims that a token has besides, and their values.
    pub claims: Vec<(String, String)>,
    /// Claims that the function gets as headers.
    pub forwarded_claims: Vec<String>,
    /// Whether the function gets the token, too.
    pub forward_token: bool,
}

impl Issuer {
    /// What is kept of a caller with a call for later: who says so, and the caller's name there.
    #[must_use]
    pub fn principal(&self, subject: &str) -> Arc<str> {
        format!("{} {subject}", self.issuer).into()
    }

    /// The subject of a token of this issuer that made a [`Issuer::principal`].
    fn subject<'a>(&self, principal: &'a str) -> Option<&'a str> {
        principal.strip_prefix(&*self.issuer)?.strip_prefix(' ')
    }
}

/// A caller's key. Who has the digest does not have the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The caller's name.
    pub name: Arc<str>,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// Milliseconds since 1970 from which on it is none any more; `None`: never.
    pub expires_at_ms: Option<u64>,
}

impl Key {
    /// Whether it still is one, `now` milliseconds after 1970.
    #[must_use]
    pub fn is_good(&self, now: u64) -> bool {
        self.expires_at_ms.is_none_or(|end| now < end)
    }
}

impl Auth {
    /// Whose key has this digest, `now` milliseconds after 1970.
    #[must_use]
    pub fn by_digest(&self, digest: &[u8; 32], now: u64) -> Option<&Key> {
        self.keys()
            .iter()
            .find(|key| key.digest == *digest && key.is_good(now))
    }

    /// What the function calls a caller that proved before to be this one, if it would be let in today.
    #[must_use]
    pub fn by_principal<'a>(&self, principal: &'a str, now: u64) -> Option<&'a str> {
        match self {
            Self::None => None,
            Self::Key(keys) => {
                let mut keys = keys.iter();
                let is_good = keys.any(|key| &*key.name == principal && key.is_good(now));
                is_good.then_some(principal)
            }
            Self::Jwt(issuer) => issuer.subject(principal),
        }
    }

    fn keys(&self) -> &[Key] {
        match self {
            Self::None | Self::Jwt(_) => &[],
            Self::Key(keys) => keys,
        }
    }
}

impl Access {
    /// Whether it has to be known which function calls.
    #[must_use]
    pub fn tells_functions_apart(&self) -> bool {
        !self.allow.is_empty()
    }

    /// Whether this function may call; `None`: one of which nobody knows which it is.
    #[must_use]
    pub fn allows_function(&self, caller: Option<&FunctionName>) -> bool {
        let named = |caller| self.allow.iter().any(|known| known.includes(caller));
        self.allow.is_empty() || caller.is_some_and(named)
    }

    /// Whether a call from outside may come from this address. IPv4 within IPv6 counts as IPv4.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.is_empty() || self.networks.iter().any(|known| known.contains(address))
    }
}

/// Cross-origin resource sharing, as the Fetch standard has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cors {
    /// `https://example.com`, `https://*.example.com` or `*`.
    pub origins: Vec<String>,
    /// Methods besides those that need no leave; empty: every one that is asked for.
    pub methods: Vec<String>,
    /// Request headers besides those that need no leave; empty: every one that is asked for.
    pub headers: Vec<String>,
    /// Answer headers that a page may read besides those it always may.
    pub exposed: Vec<String>,
    /// Whether cookies and credentials may come with a call. Not with the origin `*`.
    pub credentials: bool,
    /// Seconds for which a browser need not ask again.
    pub max_age_seconds: u32,
}

impl Cors {
    /// Whether pages of this origin may call.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        self.origins
            .iter()
            .any(|pattern| match pattern.split_once("*.") {
                _ if pattern == "*" || pattern == origin => true,
                Some((scheme, domain)) => {
                    let host = origin.strip_prefix(scheme);
                    let below = host.and_then(|host| host.strip_suffix(domain));
                    below
                        .and_then(|below| below.strip_suffix('.'))
                        .is_some_and(|label| {
                            !label.is_empty()
                                && label.bytes().all(|byte| {
                                    byte.is_ascii_alphanumeric() || b"-.".contains(&byte)
                                })
                        })
                }
                None => false,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_whole_and_patterns_by_whole_labels() {
        let check = |pattern: &str, origin: &str, expected: bool| {
            let origins = vec![pattern.to_owned()];
            let cors = Cors {
                origins,
                ..Cors::default()
            };
            assert_eq!(cors.allows(origin), expected, "{origin} by {pattern}");
        };
        check("*", "https://a.example", true);
        check("https://a.example", "https://a.example", true);
        check("https://a.example", "http://a.example", false);
        check("https://a.example", "https://a.example:8443", false);
        check("https://*.example.com", "https://a.example.com", true);
        check("https://*.example.com", "https://a.b.example.com", true);
        check("https://*.example.com", "https://example.com", false);
        check("https://*.example.com", "https://evilexample.com", false);
        check(
            "https://*.example.com",
            "https://evil.net/.example.com",
            false,
        );
        check("https://*.example.com", "https://a@b.example.com", false);
        check("https://*.example.com", "http://a.example.com", false);
        check(
            "https://*.example.com:8443",
            "https://a.example.com:8443",
            true,
        );
        check("https://*.example.com:8443", "https://a.example.com", false);
        check("https://a.example", "null", false);
    }

    #[test]
    fn addresses_are_judged_as_the_family_they_are_of() {
        let networks = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let access = Access {
            networks,
            ..Access::default()
        };
        for (address, expected) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("fd00::1", true),
            ("::1", false),
        ] {
            assert_eq!(
                access.allows(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
        assert!(Access::default().allows("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn keys_are_good_until_they_expire() {
        let key = |name: &str, byte, expires_at_ms| Key {
            name: name.into(),
            digest: [byte; 32],
            expires_at_ms,
        };
        let auth = Auth::Key(vec![key("ann", 1, None), key("bob", 2, Some(1_000))]);
        let found = |byte, now| auth.by_digest(&[byte; 32], now).map(|key| &*key.name);
        assert_eq!(found(1, u64::MAX), Some("ann"));
        assert_eq!(found(2, 999), Some("bob"));
        assert_eq!(found(2, 1_000), None);
        assert_eq!(found(3, 0), None);
        assert_eq!(auth.by_principal("bob", 999), Some("bob"));
        assert_eq!(auth.by_principal("bob", 1_000), None);
        assert_eq!(Auth::None.by_digest(&[1; 32], 0), None);
    }

    #[test]
    fn subject_counts_as_long_as_its_issuer_does() {
        let issuer = |issuer: &str| {
            Arc::new(Issuer {
                issuer: issuer.to_owned(),
                jwks_uri: None,
                audiences: vec!["hello".to_owned()],
                claims: Vec::new(),
                forwarded_claims: Vec::new(),
                forward_token: false,
            })
        };
        let kept = issuer("https://a.example").principal("ann b");
        let known = |auth: &Auth| auth.by_principal(&kept, 0).map(str::to_owned);
        assert_eq!(
            known(&Auth::Jwt(issuer("https://a.example"))).as_deref(),
            Some("ann b")
        );
        assert_eq!(known(&Auth::Jwt(issuer("https://a.example.org"))), None);
        assert_eq!(known(&Auth::Key(Vec::new())), None);
        assert_eq!(known(&Auth::None), None);
    }
}
