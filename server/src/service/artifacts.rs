//! Artifacts: who may name which. The files are kept once by content; a namespace may name one only
//! after it uploaded the content itself.

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::Stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::commit::{bytes, keys, parse};
use super::{Error, Result, Service};
use crate::domain::function::Revision;
use crate::store::Commit;
use crate::store::artifacts::{Artifact, Collected, Digest};

/// How long an artifact that no revision names is kept.
pub const GRACE: Duration = Duration::from_secs(24 * 3600);
/// Deletions per commit.
const STEP: usize = 500;

/// A namespace's claim on an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRecord {
    /// Bytes.
    pub size: u64,
    /// When it was last uploaded.
    pub uploaded_at: Timestamp,
}

impl Service {
    /// Stores an upload and answers with its length once it is durable; `true` if it is new to the
    /// namespace.
    ///
    /// # Errors
    /// [`Error::Artifact`] or the store's.
    pub async fn put_artifact<E: fmt::Display>(
        &self,
        namespace: &str,
        sha256: &str,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<(u64, bool)> {
        let digest: Digest = sha256.parse()?;
        let size = self.artifacts.put(digest, body).await?;
        let key = keys::artifact(namespace, sha256);
        let new = self.store.get(&key).await?.is_none();
        let record = ArtifactRecord {
            size,
            uploaded_at: Timestamp::now(),
        };
        let commit = Commit::new().put(&key, bytes(&key, &record)?);
        self.store.commit(commit).await?;
        Ok((size, new))
    }

    /// An artifact of a namespace, open for reading.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Artifact`] or the store's.
    pub async fn artifact(&self, namespace: &str, sha256: &str) -> Result<Artifact> {
        let digest: Digest = sha256.parse()?;
        let missing = || Error::not_found("artifact", format!("{namespace}/{sha256}"));
        let claimed = self.store.get(&keys::artifact(namespace, sha256)).await?;
        claimed.ok_or_else(missing)?;
        self.artifacts.get(digest).await?.ok_or_else(missing)
    }

    /// Removes what no kept revision names and was not uploaded within [`GRACE`].
    ///
    /// # Errors
    /// [`Error::Artifact`] or the store's.
    pub async fn collect_artifacts(&self, now: Timestamp) -> Result<Collected> {
        let mut named: HashSet<String> = HashSet::new();
        for entry in super::scan_all(&*self.store, "revisions/").await? {
            let namespace = entry.key.split('/').nth(1).unwrap_or_default();
            let revision = parse::<Revision>(&entry)?.value;
            if let Some(sha256) = revision.spec.artifact() {
                named.insert(keys::artifact(namespace, sha256));
            }
        }
        let mut live: HashSet<Digest> = HashSet::new();
        let mut stale = Vec::new();
        for entry in super::scan_all(&*self.store, "artifacts/").await? {
            let record = parse::<ArtifactRecord>(&entry)?.value;
            let age = now.duration_since(record.uploaded_at);
            if !named.contains(&entry.key) && age.is_positive() && age.unsigned_abs() > GRACE {
                stale.push(entry);
            } else if let Some(digest) = entry.key.rsplit('/').next() {
                live.extend(digest.parse::<Digest>());
            }
        }
        for entries in stale.chunks(STEP) {
            let forget = |commit: Commit, entry| commit.unchanged(entry).delete(&entry.key);
            // A conflict is an upload in this very moment: leave everything for the next round.
            let commit = entries.iter().fold(Commit::new(), forget);
            self.store.commit(commit).await?;
        }
        let collected = self.artifacts.collect(&live, SystemTime::now(), GRACE);
        Ok(collected.await?)
    }
}
