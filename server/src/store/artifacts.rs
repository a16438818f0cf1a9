//! Uploaded bundles as files named by the sha256 of their content.
//!
//! A file is complete or not there: it is written under another name, synced, then renamed. It does
//! not know who uses an artifact, nor who may read it; the catalogue does, and passes the set of live
//! ones to [`Artifacts::collect`].

mod digest;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sha2::Digest as _;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;
use uuid::Uuid;

pub use self::digest::Digest;
use super::{Error as StoreError, space};

/// The largest artifact, in bytes.
pub const MAX_ARTIFACT_BYTES: u64 = 256 * 1024 * 1024;
/// How many uploads are written at a time; others wait for their turn before their body is read.
const MAX_UPLOADS: usize = 8;
/// What uploads leave free on the disk, for the catalogue beside them.
const RESERVE_BYTES: u64 = 128 * 1024 * 1024;
/// How long an upload may be silent: it holds one of the few turns.
const IDLE: Duration = Duration::from_secs(60);
const PARTIAL: &str = ".partial-";

/// An artifact operation failed; nothing is left of an upload then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a sha256.
    #[error("an artifact is named by its sha256: 64 lowercase hex digits")]
    InvalidDigest,
    /// The content is not what its name says.
    #[error("the content has sha256 {actual}, not {expected}; upload it again")]
    DigestMismatch {
        /// What the name says.
        expected: Digest,
        /// What the content has.
        actual: Digest,
    },
    /// More than [`MAX_ARTIFACT_BYTES`].
    #[error("an artifact has at most {limit_bytes} bytes")]
    TooLarge {
        /// The bound.
        limit_bytes: u64,
    },
    /// The upload broke off.
    #[error("the upload broke off: {reason}")]
    Body {
        /// What the transport said.
        reason: String,
    },
    /// The disk is too full, or an operation failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn failed(what: &str, path: &Path, source: io::Error) -> Error {
    let what = format!("{what} {}", path.display());
    Error::Store(StoreError::Io { what, source })
}

/// An artifact that is open for reading.
#[derive(Debug)]
pub struct Artifact {
    /// Its content.
    pub file: File,
    /// Its length.
    pub size_bytes: u64,
}

/// What a collection removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many artifacts.
    pub artifacts: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// The artifacts in one folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Artifacts {
    dir: Arc<PathBuf>,
    limit_bytes: u64,
    uploads: Arc<Semaphore>,
    /// A lock, so that an upload that completes is not removed as old in the same moment.
    changing: Arc<Mutex<()>>,
}

impl Artifacts {
    /// Opens the folder, creates it if need be, and removes uploads that a crash left unfinished.
    ///
    /// # Errors
    /// [`Error::Store`] when the folder cannot be created or read.
    pub async fn open(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let dir = dir.into();
        space::create_private_dir(&dir)?;
        let artifacts = Self {
            dir: Arc::new(dir),
            limit_bytes: MAX_ARTIFACT_BYTES,
            uploads: Arc::new(Semaphore::new(MAX_UPLOADS)),
            changing: Arc::default(),
        };
        for name in artifacts.names().await? {
            if name.starts_with(PARTIAL) {
                let path = artifacts.dir.join(name);
                let removed = fs::remove_file(&path).await;
                removed.map_err(|source| failed("removing", &path, source))?;
            }
        }
        Ok(artifacts)
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.dir.join(digest.to_string())
    }

    async fn names(&self) -> Result<Vec<String>, Error> {
        let attempt = async {
            let mut names = Vec::new();
            let mut entries = fs::read_dir(&*self.dir).await?;
            while let Some(entry) = entries.next_entry().await? {
                names.extend(entry.file_name().into_string().ok());
            }
            Ok(names)
        };
        let names: io::Result<_> = attempt.await;
        names.map_err(|source| failed("listing", &self.dir, source))
    }

    /// Stores `body` under `digest` and answers with its length once it is durable. Storing what is
    /// there already is fine, and makes it young again for [`Artifacts::collect`].
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::DigestMismatch`], [`Error::Body`], or [`Error::Store`].
    pub async fn put<E: fmt::Display>(
        &self,
        digest: Digest,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<u64, Error> {
        // The semaphore is never closed.
        let _turn = self.uploads.acquire().await;
        space::ensure(&self.dir, RESERVE_BYTES)?;
        let partial = Partial(self.dir.join(format!("{PARTIAL}{}", Uuid::new_v4())));
        let (size, actual) = self.write(&partial.0, body).await?;
        if actual != digest {
            return Err(Error::DigestMismatch {
                expected: digest,
                actual,
            });
        }
        let path = self.path(digest);
        let _changing = self.changing.lock().await;
        let attempt = async {
            fs::rename(&partial.0, &path).await?;
            File::open(&*self.dir).await?.sync_all().await
        };
        let stored: io::Result<()> = attempt.await;
        stored.map_err(|source| failed("storing", &path, source))?;
        Ok(size)
    }

    async fn write<E: fmt::Display>(
        &self,
        path: &Path,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<(u64, Digest), Error> {
        let mut body = std::pin::pin!(body);
        let mut hash = sha2::Sha256::new();
        let mut size = 0_u64;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(path).await;
        let mut file = file.map_err(|source| self.unwritable(path, source))?;
        let silent = |_| Error::Body {
            reason: format!("nothing came for {} s", IDLE.as_secs()),
        };
        while let Some(chunk) = timeout(IDLE, body.next()).await.map_err(silent)? {
            let chunk = chunk.map_err(|error| Error::Body {
                reason: error.to_string(),
            })?;
            size += chunk.len() as u64;
            if size > self.limit_bytes {
                return Err(Error::TooLarge {
                    limit_bytes: self.limit_bytes,
                });
            }
            hash.update(&chunk);
            let written = file.write_all(&chunk).await;
            written.map_err(|source| self.unwritable(path, source))?;
        }
        let synced = async {
            file.flush().await?;
            file.sync_all().await
        };
        let synced: io::Result<()> = synced.await;
        synced.map_err(|source| self.unwritable(path, source))?;
        Ok((size, Digest(hash.finalize().into())))
    }

    /// A disk that filled up while we wrote is told as such, not as an I/O error.
    fn unwritable(&self, path: &Path, source: io::Error) -> Error {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        if matches!(source.kind(), StorageFull | QuotaExceeded) {
            return Error::Store(StoreError::NoSpace {
                path: self.dir.to_path_buf(),
                available_bytes: 0,
                needed_bytes: RESERVE_BYTES,
            });
        }
        failed("writing", path, source)
    }

    /// Opens an artifact; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Store`] when it is there and cannot be read.
    pub async fn get(&self, digest: Digest) -> Result<Option<Artifact>, Error> {
        let path = self.path(digest);
        let attempt = async {
            let file = File::open(&path).await?;
            let size_bytes = file.metadata().await?.len();
            Ok(Artifact { file, size_bytes })
        };
        found(attempt.await, &path)
    }

    /// The length of an artifact; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Store`] when the folder cannot be read.
    pub async fn size(&self, digest: Digest) -> Result<Option<u64>, Error> {
        let path = self.path(digest);
        let metadata = fs::metadata(&path).await;
        found(metadata.map(|metadata| metadata.len()), &path)
    }

    /// Removes what is not `live` and was stored before `now - grace`: a bundle is uploaded before
    /// the function that names it, so the grace is how long a client may take between the two.
    ///
    /// # Errors
    /// [`Error::Store`]; what was removed until then stays removed.
    pub async fn collect(
        &self,
        live: &HashSet<Digest>,
        now: SystemTime,
        grace: Duration,
    ) -> Result<Collected, Error> {
        let mut collected = Collected::default();
        for name in self.names().await? {
            // Whatever else is in the folder is not ours to remove.
            let Ok(digest) = name.parse::<Digest>() else {
                continue;
            };
            if live.contains(&digest) {
                continue;
            }
            let path = self.path(digest);
            let _changing = self.changing.lock().await;
            let metadata = fs::metadata(&path).await;
            let metadata = metadata.map_err(|source| failed("reading", &path, source))?;
            let stored = metadata.modified().unwrap_or(now);
            if now.duration_since(stored).is_ok_and(|age| age >= grace) {
                let removed = fs::remove_file(&path).await;
                removed.map_err(|source| failed("removing", &path, source))?;
                collected.artifacts += 1;
                collected.bytes += metadata.len();
            }
        }
        Ok(collected)
    }
}

fn found<T>(result: io::Result<T>, path: &Path) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("reading", path, source)),
    }
}

/// An upload's file until it is renamed; removed however the upload ends.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // After the rename there is nothing; else the next start removes what this cannot.
        drop(std::fs::remove_file(&self.0));
    }
}
