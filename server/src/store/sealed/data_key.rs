//! A scope's data key: how it lies wrapped in its record, and how a value lies that it sealed.
//!
//! ```text
//! record:  {"version":1,"id":"<key>","wrapped_by":"<wrapping key>","wrapped":"<base64>"}
//! value:   NUL "GLSEAL" 1, the key's id (8 bytes), nonce (12), ciphertext, tag (16)
//! ```
//!
//! Both name what they are about in what is authenticated: a record its scope, a value its key in the store. So neither
//! opens in another's place. The store's revision is not in it: it is given after the value is sealed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateless_identity::{SealingKey, Unopened};
use serde::{Deserialize, Serialize};

use super::{Keyring, wiped};
use crate::store::{Error, Result};

/// No record of the catalogue begins like this: those are JSON.
const MAGIC: &[u8; 8] = b"\0GLSEAL\x01";
const ID_BYTES: usize = 8;
const VERSION: u32 = 1;

/// Whether a value is sealed.
pub fn is_sealed(value: &[u8]) -> bool {
    value.starts_with(MAGIC)
}

/// As it lies in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    id: String,
    pub(super) wrapped_by: String,
    wrapped: String,
}

impl Record {
    pub(super) fn from_bytes(scope: &str, bytes: &[u8]) -> Result<Self> {
        let unreadable = |reason: String| Error::Sealed {
            what: format!("the data key of {scope}"),
            reason,
        };
        let read = serde_json::from_slice::<Self>(bytes);
        let record = read.map_err(|_| unreadable("its record is not readable".to_owned()))?;
        match record.version {
            VERSION => Ok(record),
            other => Err(unreadable(format!("its record has format {other}"))),
        }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let bytes = serde_json::to_vec(self);
        bytes.map_err(|error| Error::Sealed {
            what: "a data key".to_owned(),
            reason: error.to_string(),
        })
    }
}

/// A data key that is unwrapped.
#[derive(Clone)]
pub(super) struct DataKey(SealingKey);

fn about_key(scope: &str) -> String {
    format!("gateless data key 1\0{scope}")
}

fn about_value(key: &str) -> String {
    format!("gateless sealed value 1\0{key}")
}

impl DataKey {
    pub(super) fn generate() -> Self {
        Self(SealingKey::generate())
    }

    pub(super) fn unwrap(scope: &str, record: &Record, keyring: &Keyring) -> Result<Self> {
        let failed = |reason: String| Error::Sealed {
            what: format!("the data key of {scope}"),
            reason,
        };
        let Some(key) = keyring.find(&record.wrapped_by) else {
            let ids: Vec<_> = keyring.ids().collect();
            return Err(failed(format!(
                "it is wrapped by secrets key {}, and the server has {}",
                record.wrapped_by,
                ids.join(", ")
            )));
        };
        let wrapped = STANDARD.decode(&record.wrapped).unwrap_or_default();
        let opened = key.open(&about_key(scope), &wrapped).ok();
        let opened = opened.and_then(|bytes| SealingKey::from_bytes(&bytes));
        match opened.filter(|key| key.id() == record.id) {
            Some(key) => Ok(Self(key)),
            None => Err(failed("it is damaged".to_owned())),
        }
    }

    pub(super) fn wrap(&self, scope: &str, keyring: &Keyring) -> Result<Record> {
        let by = keyring.current();
        let wrapped = by.seal(&about_key(scope), self.0.expose());
        let wrapped = wrapped.map_err(|error| error_of(scope, error))?;
        Ok(Record {
            version: VERSION,
            id: self.0.id().to_owned(),
            wrapped_by: by.id().to_owned(),
            wrapped: STANDARD.encode(wrapped),
        })
    }

    pub(super) fn seal(&self, key: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let sealed = self.0.seal(&about_value(key), plain);
        let sealed = sealed.map_err(|error| error_of(key, error))?;
        let id = hex::decode(self.0.id()).unwrap_or_default();
        Ok([&MAGIC[..], &id, &sealed].concat())
    }

    pub(super) fn open(&self, key: &str, value: &[u8]) -> Result<Bytes> {
        let rest = value.strip_prefix(MAGIC).unwrap_or_default();
        let (id, sealed) = rest.split_at_checked(ID_BYTES).unwrap_or_default();
        if hex::encode(id) != self.0.id() {
            return Err(Error::Sealed {
                what: key.to_owned(),
                reason: format!("it is sealed under data key {}", hex::encode(id)),
            });
        }
        let opened = self.0.open(&about_value(key), sealed);
        opened.map(wiped).map_err(|error| error_of(key, error))
    }
}

fn error_of(what: &str, error: Unopened) -> Error {
    Error::Sealed {
        what: what.to_owned(),
        reason: error.to_string(),
    }
}
