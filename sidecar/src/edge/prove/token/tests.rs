//! Tokens that are good, and every way in which one is not.

use jsonwebtoken::{EncodingKey, Header};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::*;
use crate::edge::prove::fixture::{self, Signer};

const NOW: u64 = 1_800_000_000;

fn issuer() -> Issuer {
    Issuer {
        claims: vec![
            ("scope".to_owned(), "call".to_owned()),
            ("groups".to_owned(), "staff".to_owned()),
        ],
        forwarded_claims: vec!["email".to_owned(), "level".to_owned(), "none".to_owned()],
        ..fixture::issuer("https://login.example")
    }
}

/// A token that is good.
fn good() -> Value {
    json!({
        "iss": "https://login.example", "sub": "ann", "aud": ["other", "hello"], "exp": NOW + 60,
        "scope": "read call", "groups": ["staff", "all"], "email": "ann@example.com", "level": 3,
    })
}

fn with(changes: &Value) -> Value {
    let mut claims = good();
    json_merge(&mut claims, changes);
    claims
}

/// As RFC 7396 has it, for one level.
fn json_merge(claims: &mut Value, changes: &Value) {
    let (Some(claims), Some(changes)) = (claims.as_object_mut(), changes.as_object()) else {
        return;
    };
    for (name, value) in changes {
        match value {
            Value::Null => drop(claims.remove(name)),
            value => drop(claims.insert(name.clone(), value.clone())),
        }
    }
}

fn check_claims(claims: &Value, expected: Result<&str, Rejected>) {
    let signer = Signer::new("a");
    let token = signer.sign(claims);
    let key = Arc::new(Key::of(&signer.jwk()).unwrap());
    let verified = verify(&token, &[key], &issuer(), NOW).map(|claims| claims.subject);
    assert_eq!(verified.as_deref().map_err(|e| *e), expected, "{claims}");
}

#[test]
fn token_says_who_its_caller_is_and_what_the_function_asks_for() {
    let signer = Signer::new("a");
    let token = signer.sign(&good());
    assert_eq!(key_id(&token), Ok(Some("a".to_owned())));
    let key = Arc::new(Key::of(&signer.jwk()).unwrap());
    let forwarded = [("email", "ann@example.com"), ("level", "3")];
    let expected = Claims {
        subject: "ann".to_owned(),
        forwarded: forwarded
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    };
    assert_eq!(verify(&token, &[key], &issuer(), NOW), Ok(expected));
}

#[test]
fn each_claim_is_asked_for() {
    let check = |changes: Value, expected| check_claims(&with(&changes), expected);
    check(json!({}), Ok("ann"));
    check(
        json!({"iss": "https://login.example/"}),
        Err(Rejected::Issuer),
    );
    check(json!({"iss": null}), Err(Rejected::Issuer));
    check(json!({"aud": "hello"}), Ok("ann"));
    check(json!({"aud": "hello2"}), Err(Rejected::Audience));
    check(json!({"aud": ["hello2"]}), Err(Rejected::Audience));
    check(json!({"aud": null}), Err(Rejected::Audience));
    check(json!({"exp": NOW - 59}), Ok("ann"));
    check(json!({"exp": NOW - 60}), Err(Rejected::Expired));
    check(json!({"exp": null}), Err(Rejected::Expired));
    check(json!({"exp": "9999999999"}), Err(Rejected::Expired));
    check(json!({"nbf": NOW + 60}), Ok("ann"));
    check(json!({"nbf": NOW + 61}), Err(Rejected::Early));
    check(json!({"nbf": "soon"}), Err(Rejected::Early));
    check(json!({"scope": "call"}), Ok("ann"));
    check(json!({"scope": "calls"}), Err(Rejected::Claim));
    check(json!({"groups": "staff"}), Ok("ann"));
    check(json!({"groups": "staff all"}), Err(Rejected::Claim));
    check(json!({"groups": null}), Err(Rejected::Claim));
    check(json!({"sub": null}), Err(Rejected::Subject));
    check(json!({"sub": ""}), Err(Rejected::Subject));
    check(json!({"sub": "a\nb"}), Err(Rejected::Subject));
    check(
        json!({"sub": "x".repeat(MAX_CLAIM_BYTES + 1)}),
        Err(Rejected::Subject),
    );
}

#[test]
fn only_the_issuers_own_signature_counts() {
    let (signer, other) = (Signer::new("a"), Signer::new("a"));
    let keys = [Arc::new(Key::of(&signer.jwk()).unwrap())];
    let check = |token: &str, expected| {
        let verified = verify(token, &keys, &issuer(), NOW).map(drop);
        assert_eq!(verified, Err(expected), "{token}");
    };
    check(&other.sign(&good()), Rejected::Signature);
    let token = signer.sign(&good());
    let (head, rest) = token.split_once('.').unwrap();
    check(
        &format!("{head}.{}", rest.replace('.', "x.")),
        Rejected::Signature,
    );
    // Its public key taken for a secret (RFC 8725, 2.1).
    let secret = EncodingKey::from_secret(signer.public());
    let shared = jsonwebtoken::encode(&Header::default(), &good(), &secret).unwrap();
    check(&shared, Rejected::Signature);
    // {"alg":"none"}
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap());
    check(&unsigned, Rejected::Malformed);
    for garbage in ["", ".", "..", "a.b.c", "e30.e30.e30", "\u{0}"] {
        check(garbage, Rejected::Malformed);
    }
}

#[test]
fn keys_that_do_not_sign_are_passed_over() {
    let signer = Signer::new("a");
    let mut jwk = serde_json::to_value(signer.jwk()).unwrap();
    let mut is_key = |name: &str, value: Value| {
        jwk[name] = value;
        serde_json::from_value(jwk.clone())
            .ok()
            .and_then(|jwk| Key::of(&jwk))
            .is_some()
    };
    assert!(is_key("use", json!("sig")));
    assert!(is_key("alg", json!("ES256")));
    assert!(!is_key("alg", json!("RS256")));
    assert!(is_key("alg", json!("ES256")));
    assert!(!is_key("use", json!("enc")));
}

#[test]
fn edwards_curves_sign_too() {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let x = fixture::base64url(pair.public_key().as_ref());
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
    let key = Arc::new(Key::of(&serde_json::from_value(jwk).unwrap()).unwrap());
    let signing = EncodingKey::from_ed_der(pkcs8.as_ref());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &good(), &signing).unwrap();
    assert!(verify(&token, &[key], &issuer(), NOW).is_ok());
}
