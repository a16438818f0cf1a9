//! What an operator gives a new sidecar: `gjt_ID_SECRET_FINGERPRINT`.
//!
//! The secret proves the sidecar to the server, the fingerprint of the authority's certificate the server to the
//! sidecar. The server keeps the secret's digest alone.

use std::fmt;
use std::str::FromStr;

use gateless_common::name::{is_hex, is_sha256};
use rand::RngCore as _;
use ring::digest;

use crate::Error;

const PREFIX: &str = "gjt";

/// A join token. `Debug` hides its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// Names it: no secret.
    pub id: String,
    secret: String,
    /// SHA-256 of the authority's certificate, hex.
    pub fingerprint: String,
}

impl JoinToken {
    /// A new one for whoever trusts the authority with this fingerprint.
    #[must_use]
    pub fn generate(fingerprint: String) -> Self {
        let (mut id, mut secret) = ([0; 8], [0; 32]);
        rand::rng().fill_bytes(&mut id);
        rand::rng().fill_bytes(&mut secret);
        let (id, secret) = (hex::encode(id), hex::encode(secret));
        Self {
            id,
            secret,
            fingerprint,
        }
    }

    /// The text to hand over, and nothing to keep.
    #[must_use]
    pub fn expose(&self) -> String {
        let (id, secret, fingerprint) = (&self.id, &self.secret, &self.fingerprint);
        format!("{PREFIX}_{id}_{secret}_{fingerprint}")
    }

    /// What may be kept of its secret: SHA-256, hex. The secret is 32 random bytes, so nobody guesses it from that.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(digest::digest(&digest::SHA256, self.secret.as_bytes()))
    }

    /// Whether this is the token with that digest, in a time that does not depend on where they differ.
    #[must_use]
    pub fn is(&self, digest: &str) -> bool {
        use subtle::ConstantTimeEq as _;
        self.digest().as_bytes().ct_eq(digest.as_bytes()).into()
    }
}

impl FromStr for JoinToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut parts = text.trim().split('_');
        let parts = [(); 5].map(|()| parts.next());
        let [
            Some(PREFIX),
            Some(id),
            Some(secret),
            Some(fingerprint),
            None,
        ] = parts
        else {
            return Err(Error::Malformed("not a join token"));
        };
        if !is_hex(id, 16) || !is_hex(secret, 64) || !is_sha256(fingerprint) {
            return Err(Error::Malformed("not a join token, or not all of it"));
        }
        Ok(Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            fingerprint: fingerprint.to_owned(),
        })
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({}, ..)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_reads_as_it_is_written_and_hides_its_secret() {
        let token = JoinToken::generate("ab".repeat(32));
        let text = token.expose();
        let read: JoinToken = format!(" {text}\n").parse().unwrap();
        assert_eq!(read, token);
        assert!(read.is(&token.digest()));
        assert!(!JoinToken::generate("ab".repeat(32)).is(&token.digest()));
        assert!(!format!("{token:?}").contains(&token.secret));
        for wrong in [
            "",
            "gjt_a_b_c",
            &text[..text.len() - 1],
            &format!("{text}_"),
        ] {
            assert!(wrong.parse::<JoinToken>().is_err(), "{wrong}");
        }
    }
}
