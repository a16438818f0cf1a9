//! All entries of a catalogue sealed, or all of them plain again, with the revisions they have: for a store that no
//! server has open, so that nothing of what was there before stays behind in it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::data_key::{DataKey, is_sealed};
use super::vault::record;
use super::{KEYS, Keyring, ScopeOf};
use crate::store::{Entry, Error, Result, Revision};

fn data_keys(entries: &[Entry], keyring: &Keyring) -> Result<BTreeMap<String, DataKey>> {
    let records = entries.iter().filter(|entry| entry.key.starts_with(KEYS));
    let unwrapped = records.map(|entry| {
        let (scope, record) = record(entry)?;
        let key = DataKey::unwrap(scope, &record, keyring)?;
        Ok((scope.to_owned(), key))
    });
    unwrapped.collect()
}

/// Seals what is plain and secret, in a store that is at `revision`.
///
/// # Errors
/// [`Error::Sealed`] when a data key that is there cannot be unwrapped.
pub fn seal_all(
    entries: Vec<Entry>,
    revision: Revision,
    keyring: &Keyring,
    scope: ScopeOf,
) -> Result<Vec<Entry>> {
    let mut keys = data_keys(&entries, keyring)?;
    let mut made = Vec::new();
    let mut all = Vec::with_capacity(entries.len());
    for mut entry in entries {
        if let Some(scope) = scope(&entry.key).filter(|_| !is_sealed(&entry.value)) {
            let key = keys.entry(scope.to_owned()).or_insert_with(|| {
                made.push(scope.to_owned());
                DataKey::generate()
            });
            entry.value = Bytes::from(key.seal(&entry.key, &entry.value)?);
        }
        all.push(entry);
    }
    for scope in made {
        if let Some(key) = keys.get(&scope) {
            all.push(Entry {
                key: format!("{KEYS}{scope}"),
                value: Bytes::from(key.wrap(&scope, keyring)?.to_bytes()?),
                revision,
            });
        }
    }
    all.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(all)
}

/// Opens everything and forgets the data keys: what the version before reads.
///
/// # Errors
/// [`Error::Sealed`] when something does not open; nothing is lost then.
pub fn unseal_all(entries: Vec<Entry>, keyring: &Keyring, scope: ScopeOf) -> Result<Vec<Entry>> {
    let keys = data_keys(&entries, keyring)?;
    let kept = entries
        .into_iter()
        .filter(|entry| !entry.key.starts_with(KEYS));
    let opened = kept.map(|mut entry| {
        if let Some(scope) = scope(&entry.key).filter(|_| is_sealed(&entry.value)) {
            let key = keys.get(scope).ok_or_else(|| Error::Sealed {
                what: entry.key.clone(),
                reason: format!("{scope} has no data key"),
            })?;
            entry.value = key.open(&entry.key, &entry.value)?;
        }
        Ok(entry)
    });
    opened.collect()
}
