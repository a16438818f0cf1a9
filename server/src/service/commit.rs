//! Records in the catalogue: keys, reading, and changing one with retries when others were faster.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, Result, Service};
use crate::store::{self, Commit, Entry};

/// How often a change is decided again because the record changed meanwhile.
const ATTEMPTS: usize = 32;

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
    pub(super) async fn load<T: DeserializeOwned>(&self, key: &str) -> Result<Option<Versioned<T>>> {
        match self.store.get(key).await? {
            Some(entry) => parse(&entry).map(Some),
            None => Ok(None),
        }
    }

    /// Decides and commits, again when others were faster. The decision makes its own checks part of
    /// the commit; without writes nothing is committed, and the version is 0.
    pub(super) async fn change<R>(
        &self,
        what: &str,
        mut decide: impl AsyncFnMut() -> Result<(Commit, R)>,
    ) -> Result<(u64, R)> {
        for _ in 0..ATTEMPTS {
            let (commit, result) = decide().await?;
            if commit.writes.is_empty() {
                return Ok((0, result));
            }
            match self.store.commit(commit).await {
                Ok(version) => {
                    self.changes.bump();
                    return Ok((version, result));
                }
                Err(store::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended(what.to_owned()))
    }
}
