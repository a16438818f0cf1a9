//! The signing keys: Ed25519, two live (current and previous), one record of the catalogue, so that every server on
//! it signs and checks with the same. It does not know where the record is kept.

use std::io;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use rand::RngCore;
use serde::{Deserialize, Serialize};

/// RFC 8410: everything of a PKCS#8 Ed25519 key before its 32 bytes.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// One key.
#[derive(Clone)]
pub struct Key {
    stored: Stored,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Key {
    /// Its id, the `kid` of tokens.
    pub fn id(&self) -> &str {
        &self.stored.id
    }

    /// For signing.
    pub fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }

    /// For checking.
    pub fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    fn new() -> io::Result<Self> {
        let (mut id, mut seed) = ([0; 8], [0; 32]);
        rand::rng().fill_bytes(&mut id);
        rand::rng().fill_bytes(&mut seed);
        Self::from_stored(Stored {
            id: hex::encode(id),
            seed: hex::encode(seed),
        })
    }

    fn from_stored(stored: Stored) -> io::Result<Self> {
        let bad = |_| io::Error::new(io::ErrorKind::InvalidData, "a key is not 32 bytes in hex");
        let mut seed = [0; 32];
        hex::decode_to_slice(&stored.seed, &mut seed).map_err(bad)?;
        let encoding = EncodingKey::from_ed_der(&[&PKCS8_PREFIX[..], &seed].concat());
        let decoding = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA)
            .and_then(|jwk| DecodingKey::from_jwk(&jwk))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Self {
            stored,
            encoding,
            decoding,
        })
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    id: String,
    seed: String,
}

#[derive(Serialize, Deserialize)]
struct StoredRing {
    current: Stored,
    previous: Option<Stored>,
}

/// The live keys.
pub struct Ring {
    current: Key,
    previous: Option<Key>,
}

impl Ring {
    /// With a first key.
    ///
    /// # Errors
    /// None that are known.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            current: Key::new()?,
            previous: None,
        })
    }

    /// As [`Ring::to_bytes`] wrote it.
    ///
    /// # Errors
    /// When it is not understood. The message holds nothing of a key.
    pub fn from_bytes(bytes: &[u8]) -> io::Result<Self> {
        let unreadable =
            |_| io::Error::new(io::ErrorKind::InvalidData, "their record is not readable");
        let stored: StoredRing = serde_json::from_slice(bytes).map_err(unreadable)?;
        Ok(Self {
            current: Key::from_stored(stored.current)?,
            previous: stored.previous.map(Key::from_stored).transpose()?,
        })
    }

    /// For the catalogue, and nobody else.
    ///
    /// # Errors
    /// None that are known.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let stored = StoredRing {
            current: self.current.stored.clone(),
            previous: self.previous.as_ref().map(|key| key.stored.clone()),
        };
        Ok(serde_json::to_vec(&stored)?)
    }

    /// The one that signs.
    pub fn current(&self) -> &Key {
        &self.current
    }

    /// A live key.
    pub fn find(&self, id: &str) -> Option<&Key> {
        let previous = self.previous.iter();
        previous.chain([&self.current]).find(|key| key.id() == id)
    }

    /// With a new current key; the current is the previous then, the previous is gone.
    ///
    /// # Errors
    /// None that are known.
    pub fn rotated(&self) -> io::Result<Self> {
        Ok(Self {
            current: Key::new()?,
            previous: Some(self.current.clone()),
        })
    }
}
