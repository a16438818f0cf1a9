//! Artifacts: who may name which. The content is kept once; a namespace may name it only after it uploaded it
//! itself: that is its claim. What nobody names any more is removed in the end.

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::Stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::commit::{keys, parse, put};
use super::{Error, Kind, Result, Service};
use crate::clock;
use crate::domain::function::Revision;
use crate::store::blobs::{Blob, Digest};
use crate::store::{self, Expect, Write};

/// How long an artifact that no revision names is kept: a client may take so long from upload to deploy.
pub const GRACE: Duration = Duration::from_secs(24 * 3600);
/// Blobs looked at together.
const PAGE: usize = 500;

/// A namespace's claim on an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRecord {
    /// Bytes.
    pub size: u64,
    /// When it was last uploaded, or about to be named.
    pub used_at: Timestamp,
}

/// What a collection removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many artifacts.
    pub artifacts: u64,
    /// How many bytes.
    pub bytes: u64,
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
        let size = self.artifacts.put(namespace, digest, body).await?;
        let key = keys::artifact(namespace, sha256);
        let new = self.store.get(&key).await?.is_none();
        let record = ArtifactRecord {
            size,
            used_at: clock::now(),
        };
        let claim = put(&key, &record, Expect::Anything)?;
        self.store.write(claim).await?;
        Ok((size, new))
    }

    /// An artifact of a namespace, open for reading.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Artifact`] or the store's.
    pub async fn artifact(&self, namespace: &str, sha256: &str) -> Result<Blob> {
        let digest: Digest = sha256.parse()?;
        let missing = || Error::not_found(Kind::Artifact, format!("{namespace}/{sha256}"));
        let claimed = self.store.get(&keys::artifact(namespace, sha256)).await?;
        claimed.ok_or_else(missing)?;
        self.artifacts.get(digest).await?.ok_or_else(missing)
    }

    /// Removes what no kept revision names and was not used within [`GRACE`]: claims first, then the content that
    /// nobody claims. Several servers may do it at once.
    ///
    /// # Errors
    /// [`Error::Artifact`] or the store's.
    pub async fn collect_artifacts(&self, now: Timestamp) -> Result<Collected> {
        let named = self.named_artifacts().await?;
        let mut claimed: HashSet<Digest> = HashSet::new();
        for entry in store::list(&*self.store, "artifacts/").await?.entries {
            let record = parse::<ArtifactRecord>(&entry)?.value;
            let age = now.duration_since(record.used_at);
            let stale = age.is_positive() && age.unsigned_abs() > GRACE;
            if stale && !named.contains(&entry.key) && self.forget(&entry).await? {
                continue;
            }
            let digest = entry.key.rsplit('/').next().unwrap_or_default();
            claimed.extend(digest.parse::<Digest>());
        }
        self.collect_blobs(&claimed, SystemTime::from(now) - GRACE)
            .await
    }

    /// The claims that revisions rest on.
    async fn named_artifacts(&self) -> Result<HashSet<String>> {
        let mut named = HashSet::new();
        for entry in store::list(&*self.store, "revisions/").await?.entries {
            let namespace = entry.key.split('/').nth(1).unwrap_or_default();
            let revision = parse::<Revision>(&entry)?.value;
            if let Some(sha256) = revision.spec.artifact() {
                named.insert(keys::artifact(namespace, sha256));
            }
        }
        Ok(named)
    }

    /// Removes a record unless it changed since it was read.
    pub(super) async fn forget(&self, entry: &store::Entry) -> Result<bool> {
        let removal = Write::delete(&entry.key)?.expecting(Expect::At(entry.revision));
        match self.store.write(removal).await {
            Ok(_) => Ok(true),
            Err(store::Error::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn collect_blobs(
        &self,
        claimed: &HashSet<Digest>,
        before: SystemTime,
    ) -> Result<Collected> {
        let blobs = self.artifacts.blobs();
        let mut collected = Collected::default();
        let mut after = None;
        loop {
            let page = blobs.list(after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(collected);
            };
            after = Some(last.digest);
            for blob in page {
                let dead = !claimed.contains(&blob.digest) && blob.stored_at < before;
                if dead && blobs.delete(blob.digest, before).await? {
                    collected.artifacts += 1;
                    collected.bytes += blob.size_bytes;
                }
            }
        }
    }
}
