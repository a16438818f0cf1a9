//! Sealing what lies on a disk or passes through others' hands: AES-256-GCM under keys of 32 bytes.
//!
//! What is sealed says what it is about, which is not kept with it: so it opens in no other's place. It does not
//! know where keys are kept, nor who may have one.

use std::fmt;

use rand::RngCore as _;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// How much longer sealed is than plain.
pub const SEAL_BYTES: usize = NONCE_LEN + 16;
/// Keeps a key's id apart from any other digest of it.
const ID: &[u8] = b"gateless sealing key id 1\0";
/// Bytes of a key's id.
const ID_BYTES: usize = 8;

/// What does not open: another key sealed it, it was altered, or it is about something else. Which, nobody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not open: another key sealed it, it was altered, or it belongs elsewhere")]
pub struct Unopened;

/// A key; its memory is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: String,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({}, ..)", self.id)
    }
}

impl SealingKey {
    /// A new key.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rand::rng().fill_bytes(&mut *bytes);
        Self::new(bytes)
    }

    /// Of its bytes; `None`: they are not 32.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        (bytes.len() == KEY_BYTES).then(|| key.copy_from_slice(bytes))?;
        Some(Self::new(key))
    }

    fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let named = Zeroizing::new([ID, &bytes[..]].concat());
        let id = hex::encode(&digest(&SHA256, &named).as_ref()[..ID_BYTES]);
        Self { bytes, id }
    }

    /// Names it, and tells nothing of it: 16 hex digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its bytes, to be kept or sealed under another key.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    /// Seals: a random nonce, the ciphertext and its tag. Of one key at most 2^32 times, or two nonces may be the same.
    ///
    /// # Errors
    /// [`Unopened`] past the 64 GiB of one message, which nothing here has.
    pub fn seal(&self, about: &str, plain: &[u8]) -> Result<Vec<u8>, Unopened> {
        let mut nonce = [0; NONCE_LEN];
        rand::rng().fill_bytes(&mut nonce);
        let mut sealed = Vec::with_capacity(plain.len() + SEAL_BYTES);
        sealed.extend(nonce);
        sealed.extend(plain);
        let (key, about) = (self.cipher()?, Aad::from(about.as_bytes()));
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, about, &mut sealed[NONCE_LEN..]);
        sealed.extend(tag.map_err(|_| Unopened)?.as_ref());
        Ok(sealed)
    }

    /// Opens what this key sealed about the same.
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn open(&self, about: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Unopened)?;
        let mut plain = Zeroizing::new(rest.to_vec());
        let (key, about) = (self.cipher()?, Aad::from(about.as_bytes()));
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = key.open_in_place(nonce, about, &mut plain);
        let length = opened.map_err(|_| Unopened)?.len();
        plain.truncate(length);
        Ok(plain)
    }

    fn cipher(&self) -> Result<LessSafeKey, Unopened> {
        let key = UnboundKey::new(&AES_256_GCM, &self.bytes[..]);
        key.map(LessSafeKey::new).map_err(|_| Unopened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_and_in_its_place_only() {
        let (key, other) = (SealingKey::generate(), SealingKey::generate());
        let sealed = key.seal("a", b"hunter2").unwrap();
        assert_eq!(sealed.len(), 7 + SEAL_BYTES);
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
        assert_ne!(sealed, key.seal("a", b"hunter2").unwrap());
        assert_eq!(**key.open("a", &sealed).unwrap(), *b"hunter2");
        assert_eq!(key.open("b", &sealed), Err(Unopened));
        assert_eq!(other.open("a", &sealed), Err(Unopened));
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(key.open("a", &altered), Err(Unopened), "{at}");
            assert_eq!(key.open("a", &sealed[..at]), Err(Unopened), "{at}");
        }
    }

    #[test]
    fn a_key_is_named_and_not_shown() {
        let key = SealingKey::from_bytes(&[7; KEY_BYTES]).unwrap();
        assert_eq!(key, SealingKey::from_bytes(key.expose()).unwrap());
        assert_eq!(format!("{key:?}"), format!("SealingKey({}, ..)", key.id()));
        assert_eq!(key.id().len(), 16);
        assert_ne!(key.id(), SealingKey::generate().id());
        assert_eq!(SealingKey::from_bytes(&[7; 31]), None);
    }
}
