//! Whether a token (RFC 7519) proves what a function asks: a decision, given the issuer's keys and the time.
//!
//! Only signatures by which nobody but the issuer can sign: no secret that a function would share with it, and no `none`
//! (RFC 8725, 3.1 and 3.2). Deliberately no fetching of keys.

use std::sync::Arc;

use gateless_core::access::Issuer;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

/// Clocks of issuers and sidecars may differ by so many seconds.
const LEEWAY: u64 = 60;
/// Bytes of a subject, and of a claim that is sent on.
const MAX_CLAIM_BYTES: usize = 1_024;

/// An issuer's key, and how it signs.
#[derive(Debug)]
pub(super) struct Key {
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// What a good token says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) subject: String,
    /// Those that the function asked for, as text.
    pub(super) forwarded: Vec<(String, String)>,
}

/// Why a token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejected {
    Malformed,
    Signature,
    Issuer,
    Audience,
    Expired,
    Early,
    Claim,
    Subject,
}

impl Rejected {
    /// For its caller: nothing of the token, and nothing that is secret.
    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::Malformed => "it is no signed token (RFC 7519) of a public-key algorithm",
            Self::Signature => "none of the issuer's keys made its signature",
            Self::Issuer => "it is of another issuer",
            Self::Audience => "it is for another audience",
            Self::Expired => "it has expired, or does not say when it does",
            Self::Early => "it is not good yet",
            Self::Claim => "a claim that the function asks for is missing, or has another value",
            Self::Subject => "it names no subject, or one that is too long",
        }
    }
}

impl Key {
    /// A key that signs, of a kind that is known; `None` for others, which are passed over (RFC 7517, 5).
    pub(super) fn of(jwk: &Jwk) -> Option<Self> {
        if matches!(&jwk.common.public_key_use, Some(usage) if *usage != PublicKeyUse::Signature) {
            return None;
        }
        let by_kind = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => vec![
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => vec![Algorithm::ES256],
                EllipticCurve::P384 => vec![Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(_) => vec![Algorithm::EdDSA],
            _ => return None,
        };
        let named = jwk.common.key_algorithm.map(|named| named.to_string());
        let mut algorithms = by_kind;
        if let Some(named) = named {
            algorithms.retain(|known| named.parse() == Ok(*known));
        }
        let key = DecodingKey::from_jwk(jwk).ok()?;
        (!algorithms.is_empty()).then_some(Self { algorithms, key })
    }
}

/// The id of the key that signed a token, as it says.
pub(super) fn key_id(token: &str) -> Result<Option<String>, Rejected> {
    let head = jsonwebtoken::decode_header(token).map_err(|_| Rejected::Malformed)?;
    Ok(head.kid)
}

/// Checks a token, `now` seconds after 1970.
pub(super) fn verify(
    token: &str,
    keys: &[Arc<Key>],
    issuer: &Issuer,
    now: u64,
) -> Result<Claims, Rejected> {
    let head = jsonwebtoken::decode_header(token).map_err(|_| Rejected::Malformed)?;
    // What is said of the time is compared below, with the time that is given.
    let mut validation = Validation::new(head.alg);
    (validation.validate_exp, validation.validate_nbf) = (false, false);
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let able = keys.iter().filter(|key| key.algorithms.contains(&head.alg));
    let claims = able
        .filter_map(|key| {
            jsonwebtoken::decode::<Map<String, Value>>(token, &key.key, &validation).ok()
        })
        .map(|decoded| decoded.claims)
        .next()
        .ok_or(Rejected::Signature)?;
    check(&claims, issuer, now)
}

fn check(claims: &Map<String, Value>, issuer: &Issuer, now: u64) -> Result<Claims, Rejected> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| claims.get(name).map(Value::as_f64);
    if text("iss") != Some(&issuer.issuer) {
        return Err(Rejected::Issuer);
    }
    if !issuer
        .audiences
        .iter()
        .any(|one| has(claims.get("aud"), one))
    {
        return Err(Rejected::Audience);
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds since 1970 are exact for 285 million years"
    )]
    let (earliest, latest) = ((now.saturating_sub(LEEWAY)) as f64, (now + LEEWAY) as f64);
    match time("exp") {
        Some(Some(end)) if end > earliest => {}
        _ => return Err(Rejected::Expired),
    }
    match time("nbf") {
        None => {}
        Some(Some(begin)) if begin <= latest => {}
        Some(_) => return Err(Rejected::Early),
    }
    let asked = issuer.claims.iter();
    for (name, value) in asked {
        let given = claims.get(name);
        let in_scope = name == "scope"
            && given
                .and_then(Value::as_str)
                .is_some_and(|scope| scope.split(' ').any(|one| one == value));
        if !in_scope && !has(given, value) {
            return Err(Rejected::Claim);
        }
    }
    let subject = text("sub").unwrap_or_default();
    let is_name = |text: &str| {
        (1..=MAX_CLAIM_BYTES).contains(&text.len())
            && !text.bytes().any(|byte| byte.is_ascii_control())
    };
    if !is_name(subject) {
        return Err(Rejected::Subject);
    }
    let forwarded = issuer.forwarded_claims.iter();
    let forwarded = forwarded.filter_map(|name| Some((name.clone(), as_text(claims.get(name)?))));
    Ok(Claims {
        subject: subject.to_owned(),
        forwarded: forwarded.filter(|(_, value)| is_name(value)).collect(),
    })
}

/// Whether a claim is this value, or a list in which it is.
fn has(claim: Option<&Value>, value: &str) -> bool {
    match claim {
        None => false,
        Some(Value::Array(list)) => list.iter().any(|one| as_text(one) == value),
        Some(one) => as_text(one) == value,
    }
}

/// Text as it is, anything else as JSON.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
