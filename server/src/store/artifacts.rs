//! Uploads into [`Blobs`]: bounded in number, size and silence, and checked against their name.
//!
//! Whatever keeps the blobs sees only content that is what its name says. It does not know who uploads, nor what
//! for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use gateless_common::limits::ARTIFACT_BYTES;
use gateless_common::share::{Pool, Share};
use sha2::Digest as _;
use tokio::sync::Notify;

use super::blobs::{Blob, Blobs, Digest, Error};
use crate::pace::Pace;

/// How many uploads are written at a time, of one namespace at most as many as are still free; others wait for their
/// turn before their body is read.
const MAX_UPLOADS: u64 = 32;
/// How long an upload may be silent: it holds one of the few turns.
const IDLE: Duration = Duration::from_secs(60);

/// The artifacts of a server. Cheap to clone.
#[derive(Clone)]
pub struct Artifacts {
    blobs: Arc<dyn Blobs>,
    limit_bytes: u64,
    uploads: Turns,
}

/// An upload that was read so far.
struct Upload<S> {
    body: std::pin::Pin<Box<S>>,
    hash: sha2::Sha256,
    pace: Pace,
    ended: bool,
}

/// Who may upload now. Clones are the same.
#[derive(Clone)]
struct Turns {
    pool: Pool<String>,
    over: Arc<Notify>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            pool: Pool::new(MAX_UPLOADS),
            over: Arc::default(),
        }
    }
}

/// Tells those who wait when it is over.
struct Turn {
    share: Option<Share<String>>,
    over: Arc<Notify>,
}

impl Turns {
    /// Waits until the namespace may have one more.
    async fn next(&self, namespace: &str) -> Turn {
        loop {
            let over = self.over.notified();
            tokio::pin!(over);
            // From here on none is missed.
            over.as_mut().enable();
            let share = self.pool.take(vec![(namespace.to_owned(), 1)], 1);
            if share.is_some() {
                let over = Arc::clone(&self.over);
                return Turn { share, over };
            }
            over.await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.share = None;
        self.over.notify_waiters();
    }
}

impl Artifacts {
    /// Kept there.
    pub fn new(blobs: Arc<dyn Blobs>) -> Self {
        Self {
            blobs,
            limit_bytes: ARTIFACT_BYTES,
            uploads: Turns::default(),
        }
    }

    /// Where they are kept.
    pub fn blobs(&self) -> &dyn Blobs {
        &*self.blobs
    }

    /// Stores `body` under `digest`, in the turn of `namespace`, and answers with its length once it is durable. Storing what is
    /// there already is fine, and makes it young again.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::DigestMismatch`], [`Error::Body`], or [`Error::Store`].
    pub async fn put<E: fmt::Display>(
        &self,
        namespace: &str,
        digest: Digest,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<u64, Error> {
        let _turn = self.uploads.next(namespace).await;
        let upload = Upload {
            body: Box::pin(body),
            hash: sha2::Sha256::new(),
            pace: Pace::new(IDLE),
            ended: false,
        };
        let (limit, size) = (self.limit_bytes, std::sync::atomic::AtomicU64::new(0));
        let checked = stream::unfold(upload, |mut upload| async {
            let chunk = upload.next(digest, limit).await?;
            size.store(upload.pace.bytes(), std::sync::atomic::Ordering::Relaxed);
            Some((chunk, upload))
        });
        self.blobs.put(digest, checked.boxed()).await?;
        Ok(size.into_inner())
    }

    /// Opens an artifact; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Store`] when it is there and cannot be read.
    pub async fn get(&self, digest: Digest) -> Result<Option<Blob>, Error> {
        self.blobs.get(digest).await
    }
}

impl<S: Stream<Item = Result<Bytes, E>>, E: fmt::Display> Upload<S> {
    /// The next chunk; an error is the last item.
    async fn next(&mut self, digest: Digest, limit_bytes: u64) -> Option<Result<Bytes, Error>> {
        if self.ended {
            return None;
        }
        let read = self.read(digest, limit_bytes).await.transpose();
        self.ended = !matches!(read, Some(Ok(_)));
        read
    }

    async fn read(&mut self, expected: Digest, limit_bytes: u64) -> Result<Option<Bytes>, Error> {
        let length = |chunk: &Option<Result<Bytes, E>>| match chunk {
            Some(Ok(chunk)) => chunk.len(),
            Some(Err(_)) | None => 0,
        };
        let chunk = self.pace.next(self.body.next(), length).await;
        let chunk = chunk.map_err(|slow| Error::Body {
            reason: slow.to_string(),
        })?;
        let Some(chunk) = chunk else {
            let actual = Digest::from(self.hash.clone());
            return match actual == expected {
                true => Ok(None),
                false => Err(Error::DigestMismatch { expected, actual }),
            };
        };
        let chunk = chunk.map_err(|error| Error::Body {
            reason: error.to_string(),
        })?;
        if self.pace.bytes() > limit_bytes {
            return Err(Error::TooLarge { limit_bytes });
        }
        self.hash.update(&chunk);
        Ok(Some(chunk))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::time::timeout;

    use super::*;
    use crate::store::blobs::MemoryBlobs;

    fn artifacts() -> Artifacts {
        Artifacts::new(Arc::new(MemoryBlobs::default()))
    }

    fn body(
        chunks: &[&'static str],
    ) -> impl Stream<Item = Result<Bytes, io::Error>> + Send + use<> {
        let chunks: Vec<_> = chunks
            .iter()
            .map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())))
            .collect();
        stream::iter(chunks)
    }

    #[tokio::test]
    async fn an_upload_that_is_what_its_name_says_is_stored() {
        let artifacts = artifacts();
        let digest = Digest::of(b"hello world");
        for _ in 0..2 {
            let stored = artifacts.put("n", digest, body(&["hello", " world"])).await;
            assert_eq!(stored.unwrap(), 11);
        }
        let found = artifacts.get(digest).await.unwrap().unwrap();
        assert_eq!(found.size_bytes, 11);
    }

    #[tokio::test]
    async fn a_refused_upload_leaves_nothing() {
        let mut artifacts = artifacts();
        let digest = Digest::of(b"hello");
        let error = artifacts
            .put("n", digest, body(&["hallo"]))
            .await
            .unwrap_err();
        let actual = Digest::of(b"hallo");
        assert!(matches!(error, Error::DigestMismatch { actual: a, .. } if a == actual));
        let broken = body(&["hel"]).chain(stream::iter([Err(io::Error::other("reset"))]));
        let error = artifacts.put("n", digest, broken).await.unwrap_err();
        assert!(matches!(error, Error::Body { .. }), "{error}");
        artifacts.limit_bytes = 4;
        let error = artifacts.put("n", digest, body(&["hell", "o"])).await;
        let error = error.unwrap_err();
        assert!(
            matches!(error, Error::TooLarge { limit_bytes: 4 }),
            "{error}"
        );
        assert!(artifacts.get(digest).await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_upload_gives_up_its_turn() {
        let artifacts = artifacts();
        let silent = body(&["hel"]).chain(stream::pending());
        let error = artifacts.put("n", Digest::of(b"hello"), silent).await;
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Body { .. }), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickled_upload_gives_up_its_turn() {
        let artifacts = artifacts();
        let trickle = stream::unfold((), |()| async {
            tokio::time::sleep(IDLE / 2).await;
            Some((Ok::<_, io::Error>(Bytes::from_static(b"x")), ()))
        });
        let error = artifacts.put("n", Digest::of(b"hello"), trickle).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("KiB a second"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn uploads_of_one_namespace_leave_turns_to_others() {
        let turns = Turns::default();
        let mut flood = Vec::new();
        for _ in 0..MAX_UPLOADS / 2 {
            flood.push(turns.next("a").await);
        }
        assert!(timeout(IDLE, turns.next("a")).await.is_err());
        let _other = turns.next("b").await;
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.next("a").await }
        });
        tokio::task::yield_now().await;
        flood.truncate(8);
        waiting.await.unwrap();
    }

    #[test]
    fn only_a_sha256_names_an_artifact() {
        let valid = "a".repeat(64);
        assert!(valid.parse::<Digest>().is_ok());
        for bad in [
            "",
            "../../etc/passwd",
            &valid[1..],
            &"A".repeat(64),
            &"g".repeat(64),
        ] {
            assert!(
                matches!(bad.parse::<Digest>(), Err(Error::InvalidDigest)),
                "{bad}"
            );
        }
    }
}
