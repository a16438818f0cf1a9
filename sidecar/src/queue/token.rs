//! What reads a call's status and result: a token that the 202 carries, for whoever has nothing else to prove that the call is
//! its own.
//!
//! A token is a MAC of the call's id under a key that never leaves the queue: 192 bits that nobody can guess, the same for a
//! call that is sent again with its idempotency key, and nothing to be kept with a call. What is shown travels and is
//! compared as its SHA-256.

use ring::hmac;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::types::CallId;

/// Of a token, in bytes; it is written in twice as many hexadecimal digits.
const TOKEN_BYTES: usize = 24;

/// SHA-256 of a token or a key that a caller showed.
pub type Proof = [u8; 32];

/// The digest of what a caller shows.
#[must_use]
pub fn proof(shown: &[u8]) -> Proof {
    Sha256::digest(shown).into()
}

/// Whether they are of the same token; as long for any other.
#[must_use]
pub fn is_same(proof: &Proof, shown: &Proof) -> bool {
    proof.ct_eq(shown).into()
}

/// Makes and checks the tokens of a queue's calls.
pub struct Tokens(hmac::Key);

impl Tokens {
    /// Those under this secret.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The token of a call.
    #[must_use]
    pub fn of(&self, id: &CallId) -> String {
        let tag = hmac::sign(&self.0, id.to_string().as_bytes());
        hex::encode(&tag.as_ref()[..TOKEN_BYTES])
    }

    /// Whether it was this call's token that was shown; as long for any other.
    #[must_use]
    pub fn fits(&self, id: &CallId, shown: &Proof) -> bool {
        let own = proof(self.of(id).as_bytes());
        own.ct_eq(shown).into()
    }
}

#[cfg(test)]
mod tests {
    use gateless_core::name::NodeId;
    use gateless_core::time::Time;

    use super::*;

    #[test]
    fn token_opens_its_own_call_alone() {
        let id = || CallId::new(Time::from_millis(5), NodeId::new("0badcafe"));
        let (tokens, others) = (Tokens::new(&[1; 32]), Tokens::new(&[2; 32]));
        let (one, two) = (id(), id());
        let token = tokens.of(&one);
        assert_eq!(token.len(), 2 * TOKEN_BYTES);
        assert_eq!(token, tokens.of(&one), "sent again it is the same");
        let shown = proof(token.as_bytes());
        assert!(tokens.fits(&one, &shown));
        assert!(!tokens.fits(&two, &shown) && !others.fits(&one, &shown));
        assert!(!tokens.fits(&one, &proof(token.to_uppercase().as_bytes())));
        assert!(!tokens.fits(&one, &proof(b"")));
    }
}
