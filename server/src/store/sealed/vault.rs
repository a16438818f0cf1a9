//! The data keys of a store, by scope: read from it, made when one is needed, and wrapped anew when the key that wraps
//! them is another.
//!
//! Several servers may be on the store: of two that make a scope's key at the same time, one does, and the other uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::Keyring;
use super::data_key::{DataKey, Record};
use crate::store::{Entry, Error, Expect, Result, Store, Write, list};

/// Where the data keys lie, by scope.
pub const KEYS: &str = "sealing/keys/";
/// How often a key is wrapped again because another server changed it, too.
const ATTEMPTS: usize = 8;

/// How many data keys a key wraps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// The key that wraps.
    pub id: String,
    /// How many it does.
    pub data_keys: usize,
}

/// The data keys of a store.
pub struct Vault {
    below: Arc<dyn Store>,
    keyring: RwLock<Arc<Keyring>>,
    /// Only what is read from the store; never across `.await`.
    known: RwLock<BTreeMap<String, DataKey>>,
}

fn record_key(scope: &str) -> String {
    format!("{KEYS}{scope}")
}

/// A data key's scope and record.
pub(super) fn record(entry: &Entry) -> Result<(&str, Record)> {
    let scope = entry.key.strip_prefix(KEYS).unwrap_or_default();
    Ok((scope, Record::from_bytes(scope, &entry.value)?))
}

/// The ids of the keys that the data keys of a store are wrapped by.
///
/// # Errors
/// [`Error::Sealed`] when a record is not readable, or the store's.
pub async fn wrapping_keys(below: &dyn Store) -> Result<BTreeSet<String>> {
    let entries = list(below, KEYS).await?.entries;
    let ids = entries.iter().map(|entry| Ok(record(entry)?.1.wrapped_by));
    ids.collect()
}

impl Vault {
    /// With the data keys that are there.
    ///
    /// # Errors
    /// [`Error::Sealed`] when one of them cannot be unwrapped by any of these keys, or the store's.
    pub async fn open(below: Arc<dyn Store>, keyring: Keyring) -> Result<Arc<Self>> {
        let mut known = BTreeMap::new();
        for entry in list(&*below, KEYS).await?.entries {
            let (scope, record) = record(&entry)?;
            let key = DataKey::unwrap(scope, &record, &keyring)?;
            known.insert(scope.to_owned(), key);
        }
        Ok(Arc::new(Self {
            below,
            keyring: RwLock::new(Arc::new(keyring)),
            known: RwLock::new(known),
        }))
    }

    /// The keys that wrap.
    pub fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring.read())
    }

    /// From now on these wrap.
    pub fn use_keyring(&self, keyring: Keyring) {
        *self.keyring.write() = Arc::new(keyring);
    }

    /// How many data keys each key wraps; the one that wraps first, the others in the order of their ids.
    ///
    /// # Errors
    /// [`Error::Sealed`] when a record is not readable, or the store's.
    pub async fn wrapped(&self) -> Result<Vec<Wrapped>> {
        let keyring = self.keyring();
        let mut counts: BTreeMap<String, usize> =
            keyring.ids().map(|id| (id.to_owned(), 0)).collect();
        for entry in list(&*self.below, KEYS).await?.entries {
            let (_, record) = record(&entry)?;
            *counts.entry(record.wrapped_by).or_default() += 1;
        }
        let current = keyring.current().id();
        let mut counts: Vec<_> = counts
            .into_iter()
            .map(|(id, data_keys)| Wrapped { id, data_keys })
            .collect();
        counts.sort_by_key(|wrapped| wrapped.id != current);
        Ok(counts)
    }

    /// Wraps every data key by the current key that another one wraps, and answers how many there were. What is sealed
    /// stays as it is. Breaking off in the middle leaves nothing half: each key is wrapped by the one or the other.
    ///
    /// # Errors
    /// [`Error::Sealed`] or the store's; the rest is done by the next try.
    pub async fn wrap_anew(&self) -> Result<usize> {
        let mut done = 0;
        for entry in list(&*self.below, KEYS).await?.entries {
            if self.wrap_one(entry).await? {
                done += 1;
            }
        }
        Ok(done)
    }

    async fn wrap_one(&self, mut entry: Entry) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let keyring = self.keyring();
            let (scope, record) = record(&entry)?;
            if record.wrapped_by == keyring.current().id() {
                return Ok(false);
            }
            let anew = DataKey::unwrap(scope, &record, &keyring)?.wrap(scope, &keyring)?;
            let write = Write::put(entry.key.as_str(), anew.to_bytes()?)?;
            match self
                .below
                .write(write.expecting(Expect::At(entry.revision)))
                .await
            {
                Ok(_) => return Ok(true),
                Err(Error::Conflict { key, .. }) => match self.below.get(&key).await? {
                    Some(changed) => entry = changed,
                    None => return Ok(false),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Seals a value under its scope's key.
    ///
    /// # Errors
    /// [`Error::Sealed`], or the store's when the scope has no key yet.
    pub async fn seal(&self, scope: &str, key: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let known = self.known.read().get(scope).cloned();
        let data_key = match known {
            Some(known) => known,
            None => self.make(scope).await?,
        };
        data_key.seal(key, plain)
    }

    /// Opens a value.
    ///
    /// # Errors
    /// [`Error::Sealed`], or the store's.
    pub async fn open_value(&self, scope: &str, key: &str, value: &[u8]) -> Result<Bytes> {
        let known = self.known.read().get(scope).cloned();
        let opened = known.map(|known| known.open(key, value));
        if let Some(Ok(plain)) = opened {
            return Ok(plain);
        }
        // Another server of the store may have made the scope's key.
        match self.load(scope).await? {
            Some(read) => read.open(key, value),
            None => Err(Error::Sealed {
                what: key.to_owned(),
                reason: format!("{scope} has no data key"),
            }),
        }
    }

    async fn load(&self, scope: &str) -> Result<Option<DataKey>> {
        let Some(entry) = self.below.get(&record_key(scope)).await? else {
            return Ok(None);
        };
        let (_, record) = record(&entry)?;
        let key = DataKey::unwrap(scope, &record, &self.keyring())?;
        self.known.write().insert(scope.to_owned(), key.clone());
        Ok(Some(key))
    }

    async fn make(&self, scope: &str) -> Result<DataKey> {
        if let Some(there) = self.load(scope).await? {
            return Ok(there);
        }
        let record = DataKey::generate().wrap(scope, &self.keyring())?;
        let write = Write::put(record_key(scope), record.to_bytes()?)?;
        match self.below.write(write.expecting(Expect::Absent)).await {
            Ok(_) | Err(Error::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
        // Whoever was first: nothing is sealed under a key that is not in the store.
        let there = self.load(scope).await?;
        there.ok_or_else(|| Error::Sealed {
            what: format!("the data key of {scope}"),
            reason: "it was removed as soon as it was made".to_owned(),
        })
    }
}
