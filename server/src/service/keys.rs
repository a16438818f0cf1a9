//! Callers' keys to a function: made, listed, revoked. A key is shown once, and only its digest is kept.
//!
//! They belong to the function and not to its spec: a new key makes no revision.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rand::RngCore;
use sha2::{Digest, Sha256};

use super::commit::{Decision, Versioned, change, keys, put};
use super::functions::Name;
use super::{Error, Kind, Result, Service};
use crate::domain::function::CallerKey;
use crate::domain::validate::Faults;
use crate::store::Expect;
use gateless_common::name;

/// Keys one function may have.
const MAX_KEYS: usize = 256;
/// What every key begins with, so that whoever finds one knows what it opens.
const PREFIX: &str = "glk_";

impl Service {
    /// A function's keys that open it at `now`, by their callers' names.
    ///
    /// # Errors
    /// [`Error::NotFound`] or the store's.
    pub async fn caller_keys(
        &self,
        name: Name<'_>,
        now: Timestamp,
    ) -> Result<BTreeMap<String, CallerKey>> {
        let mut keys = self.function_record(name).await?.value.keys;
        drop_expired(&mut keys, now);
        Ok(keys)
    }

    /// Makes a key for a caller, who has none yet; the key and what is kept of it.
    ///
    /// # Errors
    /// [`crate::domain::Error::Invalid`], [`Error::Exists`], [`Error::NotFound`], or the store's.
    pub async fn create_key(
        &self,
        function: Name<'_>,
        caller: &str,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(String, CallerKey)> {
        let mut faults = Faults::default();
        faults.check("/name", name::check_label(caller));
        if expires_at.is_some_and(|end| end <= now) {
            faults.add("/expires_at", "must be in the future");
        }
        faults.finish()?;
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let kept = CallerKey {
            sha256: hex::encode(Sha256::digest(&key)),
            created_at: now,
            expires_at,
        };
        self.change_keys(function, now, |keys| {
            if keys.contains_key(caller) {
                return Err(Error::Exists {
                    kind: Kind::Key,
                    name: caller.to_owned(),
                });
            }
            if keys.len() >= MAX_KEYS {
                let mut faults = Faults::default();
                faults.add(
                    "/name",
                    format_args!("the function has {MAX_KEYS} keys, and may have no more"),
                );
                faults.finish()?;
            }
            keys.insert(caller.to_owned(), kept.clone());
            Ok(())
        })
        .await?;
        Ok((key, kept))
    }

    /// Revokes a caller's key: sidecars refuse it as soon as they hear of it.
    ///
    /// # Errors
    /// [`Error::NotFound`] or the store's.
    pub async fn revoke_key(&self, function: Name<'_>, caller: &str, now: Timestamp) -> Result<()> {
        self.change_keys(function, now, |keys| match keys.remove(caller) {
            Some(_) => Ok(()),
            None => Err(Error::not_found(Kind::Key, caller.to_owned())),
        })
        .await
    }

    async fn change_keys(
        &self,
        function: Name<'_>,
        now: Timestamp,
        decide: impl Fn(&mut BTreeMap<String, CallerKey>) -> Result<()>,
    ) -> Result<()> {
        let key = keys::function(function.0, function.1);
        let full = format!("{}/{}", function.0, function.1);
        let (_, ()) = change!(self, full, {
            let Versioned { mut value, version } = self.function_record(function).await?;
            drop_expired(&mut value.keys, now);
            decide(&mut value.keys)?;
            value.updated_at = now;
            (Decision::swap(put(&key, &value, Expect::At(version))?), ())
        });
        Ok(())
    }
}

/// They open nothing any more, so that they keep no name and no place.
fn drop_expired(keys: &mut BTreeMap<String, CallerKey>, now: Timestamp) {
    keys.retain(|_, key| key.expires_at.is_none_or(|end| end > now));
}
