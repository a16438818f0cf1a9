//! Blobs that are forgotten with the process: for tests, and to keep the trait honest. No bound on their sum.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::future::{self, BoxFuture, FutureExt};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use parking_lot::Mutex;

use super::{Blob, Blobs, Digest, Error, Listed};

/// [`Blobs`] in memory.
#[derive(Default)]
pub struct MemoryBlobs {
    /// A short lock, never across `.await`.
    kept: Mutex<BTreeMap<Digest, (Bytes, SystemTime)>>,
}

fn listed((digest, (content, stored_at)): (&Digest, &(Bytes, SystemTime))) -> Listed {
    Listed {
        digest: *digest,
        size_bytes: content.len() as u64,
        stored_at: *stored_at,
    }
}

impl Blobs for MemoryBlobs {
    fn put<'a>(
        &'a self,
        digest: Digest,
        body: BoxStream<'a, Result<Bytes, Error>>,
    ) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let chunks: Vec<Bytes> = body.try_collect().await?;
            let mut content = BytesMut::new();
            for chunk in chunks {
                content.extend_from_slice(&chunk);
            }
            let kept = (content.freeze(), SystemTime::now());
            self.kept.lock().insert(digest, kept);
            Ok(())
        }
        .boxed()
    }

    fn get(&self, digest: Digest) -> BoxFuture<'_, Result<Option<Blob>, Error>> {
        let kept = self.kept.lock();
        let found = kept.get(&digest).map(|(content, _)| Blob {
            size_bytes: content.len() as u64,
            content: stream::iter([Ok(content.clone())]).boxed(),
        });
        future::ready(Ok(found)).boxed()
    }

    fn list(
        &self,
        after: Option<Digest>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Listed>, Error>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let kept = self.kept.lock();
        let range = kept.range((from, Bound::Unbounded));
        let page = range.map(listed).take(limit).collect();
        future::ready(Ok(page)).boxed()
    }

    fn delete(&self, digest: Digest, before: SystemTime) -> BoxFuture<'_, Result<bool, Error>> {
        let mut kept = self.kept.lock();
        let old = kept.get(&digest).is_some_and(|(_, at)| *at < before);
        if old {
            kept.remove(&digest);
        }
        future::ready(Ok(old)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::blobs::conformance::{Subject, blob_tests};

    async fn make() -> Subject {
        Subject {
            blobs: Arc::new(MemoryBlobs::default()),
            dir: None,
        }
    }

    blob_tests!(make);
}
