//! An issuer of tokens, for tests: it signs by ES256.
#![allow(clippy::unwrap_used, reason = "for tests")]

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use gateless_core::access::Issuer;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

/// One of its keys.
pub(super) struct Signer {
    id: String,
    signing: EncodingKey,
    public: Vec<u8>,
}

impl Signer {
    pub(super) fn new(id: &str) -> Self {
        let (how, rng) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(how, &rng).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(how, pkcs8.as_ref(), &rng).unwrap();
        Self {
            id: id.to_owned(),
            signing: EncodingKey::from_ec_der(pkcs8.as_ref()),
            public: pair.public_key().as_ref().to_vec(),
        }
    }

    pub(super) fn public(&self) -> &[u8] {
        &self.public
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        let kid = Some(self.id.clone());
        let head = Header {
            kid,
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&head, claims, &self.signing).unwrap()
    }

    pub(super) fn jwk(&self) -> Jwk {
        // Uncompressed: 4, x, y (SEC 1, 2.3.3).
        let (x, y) = self.public[1..].split_at(32);
        let key = json!({
            "kty": "EC", "crv": "P-256", "kid": self.id, "x": base64url(x), "y": base64url(y),
        });
        serde_json::from_value(key).unwrap()
    }
}

pub(super) fn base64url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Who signs tokens for `hello`.
pub(super) fn issuer(url: &str) -> Issuer {
    Issuer {
        issuer: url.to_owned(),
        jwks_uri: None,
        audiences: vec!["hello".to_owned()],
        claims: Vec::new(),
        forwarded_claims: Vec::new(),
        forward_token: false,
    }
}
