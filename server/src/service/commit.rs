//! Records in the catalogue: keys, reading, and changing one with retries when others were faster.
//!
//! Each command is one compare-and-swap ([`Decision`]); nothing else of it decides anything, so it needs no store
//! that can change several keys at once. Where one can, it is spared the garbage of commands that broke off.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, Result, Service};
use crate::store::{self, Check, Entry, Expect, Transaction, Write};

/// How often a change is decided again because the record changed meanwhile.
pub(super) const ATTEMPTS: usize = 32;

/// A record and its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<T> {
    /// The record.
    pub value: T,
    /// The store's revision of it: never the same twice, also when deleted and created again.
    pub version: u64,
}

/// What the caller expects of the record it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Precondition {
    /// `If-Match`: one of these versions.
    pub versions: Option<Vec<u64>>,
    /// `If-Match: *`.
    pub exists: bool,
    /// `If-None-Match: *`.
    pub absent: bool,
}

impl Precondition {
    /// Whether it holds for a record at `actual`.
    ///
    /// # Errors
    /// [`Error::Precondition`].
    pub fn check(&self, kind: &'static str, name: &str, actual: Option<u64>) -> Result<()> {
        let versions = self.versions.as_ref();
        let wrong_version =
            versions.is_some_and(|list| !actual.is_some_and(|version| list.contains(&version)));
        if wrong_version || (self.exists && actual.is_none()) || (self.absent && actual.is_some()) {
            return Err(Error::Precondition {
                kind,
                name: name.to_owned(),
                actual,
            });
        }
        Ok(())
    }
}

/// Keys of the catalogue. Names are DNS labels, so `/` separates.
pub mod keys {
    /// Of functions in a namespace.
    pub fn functions(namespace: &str) -> String {
        format!("functions/{namespace}/")
    }
    /// Of one function.
    pub fn function(namespace: &str, name: &str) -> String {
        format!("functions/{namespace}/{name}")
    }
    /// Of a function's revisions.
    pub fn revisions(namespace: &str, name: &str) -> String {
        format!("revisions/{namespace}/{name}/")
    }
    /// Of one revision, by its uid: no other attempt to make one has the same key.
    pub fn revision(namespace: &str, name: &str, uid: &str) -> String {
        format!("revisions/{namespace}/{name}/{uid}")
    }
    /// Of secrets in a namespace.
    pub fn secrets(namespace: &str) -> String {
        format!("secrets/{namespace}/")
    }
    /// Of one secret.
    pub fn secret(namespace: &str, name: &str) -> String {
        format!("secrets/{namespace}/{name}")
    }
    /// Of a namespace's quota.
    pub fn quota(namespace: &str) -> String {
        format!("quotas/{namespace}")
    }
    /// Of triggers in a namespace.
    pub fn triggers(namespace: &str) -> String {
        format!("triggers/{namespace}/")
    }
    /// Of one trigger.
    pub fn trigger(namespace: &str, name: &str) -> String {
        format!("triggers/{namespace}/{name}")
    }
    /// Of one namespace's claim on an artifact.
    pub fn artifact(namespace: &str, sha256: &str) -> String {
        format!("artifacts/{namespace}/{sha256}")
    }
}

/// Parses a record.
///
/// # Errors
/// [`Error::Record`].
pub fn parse<T: DeserializeOwned>(entry: &Entry) -> Result<Versioned<T>> {
    let value = serde_json::from_slice(&entry.value).map_err(|error| Error::Record {
        key: entry.key.clone(),
        reason: error.to_string(),
    })?;
    Ok(Versioned {
        value,
        version: entry.revision,
    })
}

/// The write that creates or replaces a record.
///
/// # Errors
/// [`Error::Record`], which no record of ours causes, or the store's when it is too large.
pub fn put<T: Serialize>(key: &str, value: &T, expect: Expect) -> Result<Write> {
    let bytes = serde_json::to_vec(value).map_err(|error| Error::Record {
        key: key.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(Write::put(key, bytes)?.expecting(expect))
}

/// How a record must still be when it is changed that was read at this version, or was not there.
pub fn unchanged(version: Option<u64>) -> Expect {
    version.map_or(Expect::Absent, Expect::At)
}

/// What a command comes to.
#[derive(Debug, Default)]
pub(super) struct Decision {
    /// What it rests on. It was so when it was decided; a store with transactions sees to it that it still is.
    pub(super) rests_on: Vec<Check>,
    /// What must be there before it counts, under keys of its own: garbage if it never does.
    pub(super) before: Vec<Write>,
    /// What makes it so, or finds that others were faster; `None`: there is nothing to change.
    pub(super) swap: Option<Write>,
    /// Keys nothing names any more once it is so.
    pub(super) garbage: Vec<String>,
}

impl Decision {
    /// Only this.
    pub(super) fn swap(write: Write) -> Self {
        Self {
            swap: Some(write),
            ..Self::default()
        }
    }

    /// The same as one transaction, if it fits into one.
    fn transaction(&self, swap: &Write) -> Option<Transaction> {
        let garbage = self.garbage.iter().map(Write::delete);
        let garbage = garbage.collect::<store::Result<Vec<_>>>().ok()?;
        let writes = self.before.iter().chain([swap]).cloned().chain(garbage);
        Transaction::new(self.rests_on.clone(), writes.collect()).ok()
    }
}

impl Service {
    /// One record.
    pub(super) async fn load<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<Versioned<T>>> {
        match self.store.get(key).await? {
            Some(entry) => parse(&entry).map(Some),
            None => Ok(None),
        }
    }

    /// Carries out what was decided and answers with its version, if there was something to change; `None`: others
    /// were faster, decide again.
    pub(super) async fn try_commit(&self, decision: Decision) -> Result<Option<Option<u64>>> {
        let Some(swap) = decision.swap.clone() else {
            return Ok(Some(None));
        };
        let written = match (self.store.transactions(), decision.transaction(&swap)) {
            (Some(transactions), Some(all)) => transactions.transact(all).await,
            _ => self.one_by_one(decision, swap).await,
        };
        match written {
            Ok(version) => Ok(Some(Some(version))),
            Err(store::Error::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn one_by_one(&self, decision: Decision, swap: Write) -> store::Result<u64> {
        let made = decision.before.iter().map(|write| write.key().to_owned());
        let made: Vec<String> = made.collect();
        for write in decision.before {
            self.store.write(write).await?;
        }
        let written = self.store.write(swap).await;
        match &written {
            Ok(_) => self.discard(decision.garbage).await,
            Err(store::Error::Conflict { .. }) => self.discard(made).await,
            // Nobody knows whether it counts: what is garbage is found out later (`reconcile.rs`).
            Err(_) => {}
        }
        written
    }

    /// Removes what nothing names. What cannot be removed now is garbage for [`Service::collect_revisions`].
    async fn discard(&self, keys: Vec<String>) {
        for key in keys {
            let removed = match Write::delete(&key) {
                Ok(write) => self.store.write(write).await,
                Err(error) => Err(error),
            };
            if let Err(error) = removed {
                tracing::warn!(key, %error, "what nothing names any more stays for now");
            }
        }
    }
}

/// Decides (to a [`Decision`] and a result) and carries it out, again when others were faster; yields the version,
/// if there was something to change, and the result. A macro, as futures of async closures that borrow are not
/// `Send`.
macro_rules! change {
    ($service:expr, $what:expr, $decide:block) => {
        'changed: {
            for _ in 0..$crate::service::commit::ATTEMPTS {
                let (decision, result) = $decide;
                if let Some(version) = $service.try_commit(decision).await? {
                    break 'changed (version, result);
                }
            }
            return Err($crate::service::Error::Contended($what.to_owned()));
        }
    };
}
pub(super) use change;
