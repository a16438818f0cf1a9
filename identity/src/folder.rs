//! What a sidecar keeps of its identity: `identity.json` (key and certificates), `trust` and `secrets-key` in a private
//! folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateless_common::io::{PRIVATE, create, private_dir, replace};
use prost::Message as _;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::trust::Trust;
use crate::{Credentials, Error, OpeningKey};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    key: String,
    chain: Vec<String>,
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// `DATA/identity`; nothing is made before something is saved.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        Self(data.join("identity"))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What was saved; nothing when nothing was. Blocking.
    ///
    /// # Errors
    /// When there is something, and it is not readable.
    pub fn load(&self) -> Result<Option<(Credentials, Trust)>, Error> {
        let credentials = match fs::read(self.credentials()) {
            Ok(bytes) => read(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(Some((credentials, Trust::saved(&fs::read(self.trust())?)?)))
    }

    /// Saves both, the trust first: without it a key is no use. Blocking.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, credentials: &Credentials, trust: &Trust) -> Result<(), Error> {
        private_dir(&self.0)?;
        self.save_trust(trust)?;
        let stored = Stored {
            version: VERSION,
            key: STANDARD.encode(credentials.key()),
            chain: credentials
                .chain()
                .map(|der| STANDARD.encode(der))
                .collect(),
        };
        let bytes = serde_json::to_vec_pretty(&stored).map_err(io::Error::other)?;
        Ok(replace(&self.credentials(), &bytes, PRIVATE)?)
    }

    /// Saves a newer trust. Blocking.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save_trust(&self, trust: &Trust) -> Result<(), Error> {
        let bytes = trust.signed().encode_to_vec();
        Ok(replace(&self.trust(), &bytes, PRIVATE)?)
    }

    /// What this sidecar's secrets are opened by; made when there is none. What was sealed to one that is lost, the server
    /// seals anew. Blocking.
    ///
    /// # Errors
    /// When it is not readable, or the disk refuses.
    pub fn opening_key(&self) -> Result<OpeningKey, Error> {
        private_dir(&self.0)?;
        let path = self.0.join("secrets-key");
        if !path.try_exists()? {
            create(&path, &OpeningKey::generate().to_bytes(), PRIVATE)?;
        }
        let bytes = Zeroizing::new(fs::read(&path)?);
        let unreadable = Error::Malformed("identity/secrets-key is not readable");
        OpeningKey::from_bytes(&bytes).ok_or(unreadable)
    }

    fn credentials(&self) -> PathBuf {
        self.0.join("identity.json")
    }

    fn trust(&self) -> PathBuf {
        self.0.join("trust")
    }
}

fn read(bytes: &[u8]) -> Result<Credentials, Error> {
    let unreadable = |_| Error::Malformed("identity.json is not readable");
    let stored: Stored = serde_json::from_slice(bytes).map_err(unreadable)?;
    if stored.version != VERSION {
        return Err(Error::Malformed("identity.json is of another version"));
    }
    let decode = |text: &String| {
        let decoded = STANDARD.decode(text);
        decoded.map_err(|_| Error::Malformed("identity.json holds something that is not base64"))
    };
    let chain = stored.chain.iter().map(decode).collect::<Result<_, _>>()?;
    Credentials::new(decode(&stored.key)?, chain)
}
