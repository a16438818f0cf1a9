//! Secrets: values go in and to the sidecars, and never come out of the API.
//!
//! Changing one reaches sidecars at once; instances that run with the old value are replaced one after the other.

use std::collections::BTreeMap;
use std::fmt;

use gateless_common::limits::SECRET_BYTES;
use gateless_common::name;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::commit::{Decision, Versioned, change, keys, parse, put, unchanged};
use super::functions::How;
use super::{Error, Kind, Result, Service};
use crate::clock;
use crate::domain::document::pointer_segment;
use crate::domain::function::{Function, Revision};
use crate::domain::rollout;
use crate::domain::spec::Spec;
use crate::domain::validate::{Faults, MAX_SECRET_VALUE_BYTES};
use crate::store::{self, Expect, Write};

/// The most keys of one secret.
pub const MAX_KEYS: usize = 64;

/// A secret as the catalogue keeps it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRecord {
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Key to value.
    pub data: BTreeMap<String, String>,
}

impl fmt::Debug for SecretRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.data.keys().collect();
        f.debug_struct("SecretRecord")
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}

fn check(data: &BTreeMap<String, String>) -> Result<(), crate::domain::Error> {
    let mut faults = Faults::default();
    if data.is_empty() || data.len() > MAX_KEYS {
        faults.add("/data", format_args!("must have 1 to {MAX_KEYS} keys"));
    }
    for (key, value) in data {
        let pointer = format!("/data/{}", pointer_segment(key));
        faults.check(&pointer, name::check_secret_key(key));
        if value.len() > MAX_SECRET_VALUE_BYTES {
            let most = MAX_SECRET_VALUE_BYTES;
            let why = "it becomes an environment variable, and Linux takes no longer ones";
            faults.add(
                &pointer,
                format_args!("must have at most {most} bytes: {why}"),
            );
        }
        if value.contains('\0') {
            faults.add(
                &pointer,
                "must not have a NUL: it becomes an environment variable",
            );
        }
    }
    if data.values().map(String::len).sum::<usize>() > SECRET_BYTES {
        faults.add(
            "/data",
            format_args!("values must have at most {SECRET_BYTES} bytes together"),
        );
    }
    faults.finish()
}

impl Service {
    /// Creates or replaces a secret; `true` if it was created.
    ///
    /// # Errors
    /// [`crate::domain::Error::Invalid`], [`Error::Precondition`], or the store's.
    pub async fn put_secret(
        &self,
        (ns, name): (&str, &str),
        data: &BTreeMap<String, String>,
        how: &How,
    ) -> Result<(Versioned<SecretRecord>, bool)> {
        check(data)?;
        let key = keys::secret(ns, name);
        let full = format!("{ns}/{name}");
        let turn = self.quota_turn(ns).await?;
        let (committed, (value, before)) = change!(self, full, {
            let current: Option<Versioned<SecretRecord>> = self.load(&key).await?;
            let version = current.as_ref().map(|c| c.version);
            how.precondition.check("secret", &full, version)?;
            if version.is_none() {
                self.check_secret_quota(&turn.quota, ns).await?;
            }
            let now = clock::now();
            let old = current.map(|c| c.value);
            let same = old.as_ref().is_some_and(|old| old.data == *data);
            let record = match old {
                Some(old) if same => old,
                old => SecretRecord {
                    created_at: old.map_or(now, |old| old.created_at),
                    updated_at: now,
                    data: data.clone(),
                },
            };
            let mut decision = Decision::default();
            if !same && !how.dry_run {
                decision = Decision::swap(put(&key, &record, unchanged(version))?);
            }
            (decision, (record, version))
        });
        drop(turn);
        if let Some(version) = committed {
            self.pushed.secret_changed(&key, version);
        }
        let version = committed.or(before).unwrap_or(0);
        Ok((Versioned { value, version }, before.is_none()))
    }

    /// One secret.
    ///
    /// # Errors
    /// [`Error::NotFound`] or the store's.
    pub async fn secret(&self, (ns, name): (&str, &str)) -> Result<Versioned<SecretRecord>> {
        let found = self.load(&keys::secret(ns, name)).await?;
        found.ok_or_else(|| Error::not_found(Kind::Secret, format!("{ns}/{name}")))
    }

    /// Secrets of a namespace after `after`, by name, and whether there are more.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_secrets(
        &self,
        namespace: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<(String, Versioned<SecretRecord>)>, bool)> {
        let prefix = keys::secrets(namespace);
        let after = after.map(|name| keys::secret(namespace, name));
        let page = self.store.scan(&prefix, after.as_deref(), limit).await?;
        let named = page.entries.iter().map(|entry| {
            let name = entry.key.strip_prefix(&prefix).unwrap_or_default();
            Ok((name.to_owned(), parse(entry)?))
        });
        Ok((named.collect::<Result<_>>()?, page.more))
    }

    /// Deletes a secret that neither a function's spec nor a revision with traffic names.
    ///
    /// A function that is applied in the same moment may end up naming a secret that is gone: its instances do not
    /// start then and say why, until the secret is put again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Precondition`], [`Error::InUse`], or the store's.
    pub async fn delete_secret(&self, (ns, name): (&str, &str), how: &How) -> Result<()> {
        let key = keys::secret(ns, name);
        let full = format!("{ns}/{name}");
        change!(self, full, {
            let current = self.secret((ns, name)).await?;
            how.precondition
                .check("secret", &full, Some(current.version))?;
            let functions = self.users_of(ns, name).await?;
            if !functions.is_empty() {
                let name = full.clone();
                return Err(Error::InUse { name, functions });
            }
            let expected = Expect::At(current.version);
            let decision = match how.dry_run {
                true => Decision::default(),
                false => Decision::swap(Write::delete(&key)?.expecting(expected)),
            };
            (decision, ())
        });
        Ok(())
    }

    async fn users_of(&self, namespace: &str, secret: &str) -> Result<Vec<String>> {
        let mut users = Vec::new();
        for entry in store::list(&*self.store, &keys::functions(namespace))
            .await?
            .entries
        {
            let function = parse::<Function>(&entry)?.value;
            let mut specs = vec![function.spec.clone()];
            let pushed = rollout::pushed(&function);
            let heads = function.revisions.iter();
            for head in heads.filter(|head| pushed.contains(&head.name)) {
                let key = keys::revision(namespace, &function.name, &head.uid);
                let found = self.load::<Revision>(&key).await?;
                specs.extend(found.map(|revision| revision.value.spec));
            }
            let named = |spec: &Spec| spec.secret_names().any(|name| name == secret);
            if specs.iter().any(named) {
                users.push(function.name);
            }
            if users.len() == 5 {
                break;
            }
        }
        Ok(users)
    }
}
