//! Blobs as files named by their digest, in one folder of this machine.
//!
//! A file is complete or not there: it is written under another name, synced, then renamed. Whatever else lies in
//! the folder is left alone.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{BoxStream, StreamExt};
use gateless_common::io::move_into_place;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::{Blob, Blobs, Digest, Error, Listed, StoreError};
use crate::store::space;

/// What uploads leave free on the disk, for the catalogue beside them.
const RESERVE_BYTES: u64 = 128 * 1024 * 1024;
/// How much is read at a time.
const CHUNK_BYTES: usize = 64 * 1024;
const PARTIAL: &str = ".partial-";

/// [`Blobs`] in one folder; one process has it open at a time.
#[derive(Debug)]
pub struct FileBlobs {
    dir: PathBuf,
    /// A lock, so that a blob that is put again is not removed as old in the same moment.
    changing: Mutex<()>,
}

impl FileBlobs {
    /// Opens the folder, creates it if need be, and removes uploads that a crash left unfinished.
    ///
    /// # Errors
    /// [`Error::Store`] when the folder cannot be created or read.
    pub async fn open(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let dir = dir.into();
        space::create_private_dir(&dir)?;
        let blobs = Self {
            dir,
            changing: Mutex::default(),
        };
        for name in blobs.names().await? {
            if name.starts_with(PARTIAL) {
                let path = blobs.dir.join(name);
                let removed = fs::remove_file(&path).await;
                removed.map_err(|source| failed("removing", &path, source))?;
            }
        }
        Ok(blobs)
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.dir.join(digest.to_string())
    }

    async fn names(&self) -> Result<Vec<String>, Error> {
        let attempt = async {
            let mut names = Vec::new();
            let mut entries = fs::read_dir(&self.dir).await?;
            while let Some(entry) = entries.next_entry().await? {
                names.extend(entry.file_name().into_string().ok());
            }
            Ok(names)
        };
        let names: io::Result<_> = attempt.await;
        names.map_err(|source| failed("listing", &self.dir, source))
    }

    async fn store(
        &self,
        digest: Digest,
        mut body: BoxStream<'_, Result<Bytes, Error>>,
    ) -> Result<(), Error> {
        space::ensure(&self.dir, RESERVE_BYTES)?;
        let partial = Partial(self.dir.join(format!("{PARTIAL}{}", Uuid::new_v4())));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let unwritable = |source| self.unwritable(&partial.0, source);
        let mut file = options.open(&partial.0).await.map_err(unwritable)?;
        while let Some(chunk) = body.next().await {
            file.write_all(&chunk?).await.map_err(unwritable)?;
        }
        file.flush().await.map_err(unwritable)?;
        file.sync_all().await.map_err(unwritable)?;
        let path = self.path(digest);
        let _changing = self.changing.lock().await;
        let (from, to) = (partial.0.clone(), path.clone());
        let moved = tokio::task::spawn_blocking(move || move_into_place(&from, &to)).await;
        let stored = moved.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        stored.map_err(|source| failed("storing", &path, source))
    }

    /// A disk that filled up while we wrote is told as such, not as an I/O error.
    fn unwritable(&self, path: &Path, source: io::Error) -> Error {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        if matches!(source.kind(), StorageFull | QuotaExceeded) {
            return Error::Store(StoreError::NoSpace {
                path: self.dir.clone(),
                available_bytes: 0,
                needed_bytes: RESERVE_BYTES,
            });
        }
        failed("writing", path, source)
    }

    async fn open_blob(&self, digest: Digest) -> Result<Option<Blob>, Error> {
        let path = self.path(digest);
        let attempt = async {
            let file = File::open(&path).await?;
            let size_bytes = file.metadata().await?.len();
            Ok(Blob {
                size_bytes,
                content: ReaderStream::with_capacity(file, CHUNK_BYTES).boxed(),
            })
        };
        found(attempt.await, &path)
    }

    async fn listed(&self, digest: Digest) -> Result<Option<Listed>, Error> {
        let path = self.path(digest);
        let attempt = async {
            let metadata = fs::metadata(&path).await?;
            Ok(Listed {
                digest,
                size_bytes: metadata.len(),
                stored_at: metadata.modified()?,
            })
        };
        found(attempt.await, &path)
    }

    async fn page(&self, after: Option<Digest>, limit: usize) -> Result<Vec<Listed>, Error> {
        let names = self.names().await?.into_iter();
        let mut digests: Vec<Digest> = names.filter_map(|name| name.parse().ok()).collect();
        digests.retain(|digest| after.is_none_or(|after| *digest > after));
        digests.sort_unstable();
        let mut page = Vec::new();
        for digest in digests.into_iter().take(limit) {
            page.extend(self.listed(digest).await?);
        }
        Ok(page)
    }

    async fn remove(&self, digest: Digest, before: SystemTime) -> Result<bool, Error> {
        let _changing = self.changing.lock().await;
        let listed = self.listed(digest).await?;
        if listed.is_none_or(|listed| listed.stored_at >= before) {
            return Ok(false);
        }
        let path = self.path(digest);
        let removed = fs::remove_file(&path).await;
        removed.map_err(|source| failed("removing", &path, source))?;
        Ok(true)
    }
}

impl Blobs for FileBlobs {
    fn put<'a>(
        &'a self,
        digest: Digest,
        body: BoxStream<'a, Result<Bytes, Error>>,
    ) -> BoxFuture<'a, Result<(), Error>> {
        self.store(digest, body).boxed()
    }

    fn get(&self, digest: Digest) -> BoxFuture<'_, Result<Option<Blob>, Error>> {
        self.open_blob(digest).boxed()
    }

    fn list(
        &self,
        after: Option<Digest>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Listed>, Error>> {
        self.page(after, limit).boxed()
    }

    fn delete(&self, digest: Digest, before: SystemTime) -> BoxFuture<'_, Result<bool, Error>> {
        self.remove(digest, before).boxed()
    }
}

fn failed(what: &str, path: &Path, source: io::Error) -> Error {
    let what = format!("{what} {}", path.display());
    Error::Store(StoreError::Io { what, source })
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::stream;
    use tempfile::TempDir;

    use super::*;
    use crate::store::blobs::conformance::{Subject, blob_tests};

    async fn make() -> Subject {
        let dir = TempDir::new().unwrap();
        Subject {
            blobs: Arc::new(FileBlobs::open(dir.path()).await.unwrap()),
            dir: Some(dir),
        }
    }

    blob_tests!(make);

    fn files(dir: &TempDir) -> usize {
        std::fs::read_dir(dir.path()).unwrap().count()
    }

    fn hello() -> BoxStream<'static, Result<Bytes, Error>> {
        stream::iter([Ok(Bytes::from_static(b"hello"))]).boxed()
    }

    #[tokio::test]
    async fn a_blob_outlives_a_restart_and_what_is_no_blob_is_left_alone() {
        let dir = TempDir::new().unwrap();
        let digest = Digest::of(b"hello");
        let blobs = FileBlobs::open(dir.path()).await.unwrap();
        blobs.put(digest, hello()).await.unwrap();
        std::fs::write(dir.path().join("README"), "mine").unwrap();
        // What a killed process leaves is removed at the next start.
        std::fs::write(dir.path().join(format!("{PARTIAL}x")), "hel").unwrap();
        let blobs = FileBlobs::open(dir.path()).await.unwrap();
        assert_eq!(blobs.get(digest).await.unwrap().unwrap().size_bytes, 5);
        assert_eq!(blobs.list(None, 10).await.unwrap().len(), 1);
        assert_eq!(files(&dir), 2);
    }

    #[tokio::test]
    async fn an_upload_that_breaks_off_or_is_abandoned_leaves_no_file() {
        let dir = TempDir::new().unwrap();
        let blobs = Arc::new(FileBlobs::open(dir.path()).await.unwrap());
        let reason = "reset".to_owned();
        let broken = hello().chain(stream::iter([Err(Error::Body { reason })]));
        let digest = Digest::of(b"hello");
        blobs.put(digest, broken.boxed()).await.unwrap_err();
        assert_eq!(files(&dir), 0);

        let (started, seen) = tokio::sync::oneshot::channel();
        let first = stream::once(async move {
            started.send(()).unwrap();
            Ok(Bytes::from_static(b"hel"))
        });
        let never = first.chain(stream::pending()).boxed();
        let upload = tokio::spawn({
            let blobs = Arc::clone(&blobs);
            async move { blobs.put(digest, never).await }
        });
        seen.await.unwrap();
        assert_eq!(files(&dir), 1);
        upload.abort();
        assert!(upload.await.unwrap_err().is_cancelled());
        assert_eq!(files(&dir), 0);
    }
}
