//! Records in the catalogue: keys, reading, and changing one with retries when others were faster.

use std::sync::atomic::Ordering;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, Result, Service};
use crate::store::{self, Commit, Entry};

/// How often a change is decided again because the record changed meanwhile.
pub(super) const ATTEMPTS: usize = 32;

/// A record and its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<T> {
    /// The record.
    pub value: T,
    /// The store's `mod_revision`: never the same twice, also when deleted and created again.
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
    /// Of one revision.
    pub fn revision(namespace: &str, name: &str, revision: &str) -> String {
        format!("revisions/{namespace}/{name}/{revision}")
    }
    /// Of secrets in a namespace.
    pub fn secrets(namespace: &str) -> String {
        format!("secrets/{namespace}/")
    }
    /// Of one secret.
    pub fn secret(namespace: &str, name: &str) -> String {
        format!("secrets/{namespace}/{name}")
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
        version: entry.mod_revision,
    })
}

/// A record's bytes.
///
/// # Errors
/// [`Error::Record`], which no record of ours causes.
pub fn bytes<T: Serialize>(key: &str, value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::Record {
        key: key.to_owned(),
        reason: error.to_string(),
    })
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

    /// Commits what was decided; `None`: others were faster, decide again. Without writes nothing is
    /// committed, and the version is 0.
    pub(super) async fn try_commit(&self, commit: Commit) -> Result<Option<u64>> {
        if commit.writes.is_empty() {
            return Ok(Some(0));
        }
        match self.store.commit(commit).await {
            Ok(version) => {
                // Only functions, secrets and triggers are changed through here, and all are pushed.
                self.pushed.fetch_max(version, Ordering::AcqRel);
                self.changes.bump();
                Ok(Some(version))
            }
            Err(store::Error::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Decides (to a commit, with its checks in it, and a result) and commits, again when others were
/// faster; yields the commit's version, 0 if there was nothing to write, and the result. A macro, as
/// futures of async closures that borrow are not `Send`.
macro_rules! change {
    ($service:expr, $what:expr, $decide:block) => {
        'changed: {
            for _ in 0..$crate::service::commit::ATTEMPTS {
                let (commit, result) = $decide;
                if let Some(version) = $service.try_commit(commit).await? {
                    break 'changed (version, result);
                }
            }
            return Err($crate::service::Error::Contended($what.to_owned()));
        }
    };
}
pub(super) use change;
