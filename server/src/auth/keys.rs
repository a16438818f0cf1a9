//! The signing keys: Ed25519, two live (current and previous), in one file only the owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use rand::RngCore;
use serde::{Deserialize, Serialize};

/// RFC 8410: everything of a PKCS#8 Ed25519 key before its 32 bytes.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// One key.
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
struct KeyFile {
    current: Stored,
    previous: Option<Stored>,
}

/// The live keys.
pub struct Keys {
    /// `None`: in memory only.
    path: Option<PathBuf>,
    current: Key,
    previous: Option<Key>,
}

impl Keys {
    /// Keys that die with the process, for tests.
    ///
    /// # Errors
    /// None that are known.
    pub fn ephemeral() -> io::Result<Self> {
        Ok(Self {
            path: None,
            current: Key::new()?,
            previous: None,
        })
    }

    /// Those in the folder; a first one is made if there is none.
    ///
    /// # Errors
    /// When the file cannot be read, written or understood.
    pub fn open(dir: &Path) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)?;
        let path = dir.join("signing.json");
        match fs::read(&path) {
            Ok(bytes) => {
                let file: KeyFile = serde_json::from_slice(&bytes)?;
                Ok(Self {
                    path: Some(path),
                    current: Key::from_stored(file.current)?,
                    previous: file.previous.map(Key::from_stored).transpose()?,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keys = Self {
                    path: Some(path),
                    ..Self::ephemeral()?
                };
                keys.save(&keys.current, None)?;
                Ok(keys)
            }
            Err(error) => Err(error),
        }
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

    /// Whether tokens signed with it are still good.
    pub fn is_live(&self, id: &str) -> bool {
        self.find(id).is_some()
    }

    /// A new current key; the current becomes the previous, the previous is gone.
    ///
    /// # Errors
    /// When the file cannot be written; nothing changed then.
    pub fn rotate(&mut self) -> io::Result<()> {
        let new = Key::new()?;
        self.save(&new, Some(&self.current))?;
        self.previous = Some(std::mem::replace(&mut self.current, new));
        Ok(())
    }

    fn save(&self, current: &Key, previous: Option<&Key>) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let file = KeyFile {
            current: current.stored.clone(),
            previous: previous.map(|key| key.stored.clone()),
        };
        let partial = path.with_extension("partial");
        let mut options = OpenOptions::new();
        let mut out = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)?;
        out.write_all(&serde_json::to_vec(&file)?)?;
        out.sync_all()?;
        fs::rename(&partial, path)?;
        path.parent()
            .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    }
}
