//! What everything behind [`Blobs`] must do; each implementation runs this very suite.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::*;

/// Without a blob in it, and the folder it lives in.
pub(super) struct Subject {
    pub(super) blobs: Arc<dyn Blobs>,
    #[expect(dead_code, reason = "held so that the folder outlives its blobs")]
    pub(super) dir: Option<tempfile::TempDir>,
}

pub(super) type Made = BoxFuture<'static, Subject>;

/// Runs the suite against what `$make` makes.
macro_rules! blob_tests {
    ($make:path) => {
        $crate::store::blobs::conformance::blob_tests!($make:
            a_blob_is_read_back_whole,
            a_blob_whose_upload_breaks_off_is_not_there,
            pages_name_every_blob_once,
            only_what_was_put_before_is_deleted,
        );
    };
    ($make:path: $($name:ident,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                $crate::store::blobs::conformance::$name(|| Box::pin($make())).await;
            }
        )*
    };
}
pub(super) use blob_tests;

fn body(chunks: &[&'static str]) -> BoxStream<'static, Result<Bytes, Error>> {
    let chunks: Vec<_> = chunks
        .iter()
        .map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())))
        .collect();
    stream::iter(chunks).boxed()
}

async fn content(blobs: &Arc<dyn Blobs>, digest: Digest) -> Option<Vec<u8>> {
    let blob = blobs.get(digest).await.unwrap()?;
    let content: Vec<Bytes> = blob.content.try_collect().await.unwrap();
    let content = content.concat();
    assert_eq!(blob.size_bytes, content.len() as u64);
    Some(content)
}

pub(super) async fn a_blob_is_read_back_whole(make: impl Fn() -> Made) {
    let subject = make().await;
    let blobs = &subject.blobs;
    let digest = Digest::of(b"hello world");
    assert_eq!(content(blobs, digest).await, None);
    for _ in 0..2 {
        blobs.put(digest, body(&["hello", " world"])).await.unwrap();
        assert_eq!(content(blobs, digest).await.unwrap(), b"hello world");
    }
    let large: &'static str = String::leak("x".repeat(300_000));
    blobs.put(digest, body(&[large, large])).await.unwrap();
    assert_eq!(content(blobs, digest).await.unwrap().len(), 600_000);
}

pub(super) async fn a_blob_whose_upload_breaks_off_is_not_there(make: impl Fn() -> Made) {
    let subject = make().await;
    let blobs = &subject.blobs;
    let digest = Digest::of(b"hello");
    let reason = "reset".to_owned();
    let broken = body(&["hel"]).chain(stream::iter([Err(Error::Body { reason })]));
    let error = blobs.put(digest, broken.boxed()).await.unwrap_err();
    assert!(matches!(error, Error::Body { .. }), "{error}");
    assert_eq!(content(blobs, digest).await, None);
    assert_eq!(blobs.list(None, 9).await.unwrap(), []);
}

pub(super) async fn pages_name_every_blob_once(make: impl Fn() -> Made) {
    let subject = make().await;
    let blobs = &subject.blobs;
    let mut expected = Vec::new();
    for text in ["a", "bb", "ccc", "dddd", "eeeee"] {
        let digest = Digest::of(text.as_bytes());
        blobs.put(digest, body(&[text])).await.unwrap();
        expected.push((digest, text.len() as u64));
    }
    expected.sort_unstable();
    let mut found = Vec::new();
    loop {
        let after = found.last().map(|(digest, _)| *digest);
        let page = blobs.list(after, 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        found.extend(page.iter().map(|blob| (blob.digest, blob.size_bytes)));
    }
    assert_eq!(found, expected);
}

pub(super) async fn only_what_was_put_before_is_deleted(make: impl Fn() -> Made) {
    let subject = make().await;
    let blobs = &subject.blobs;
    let digest = Digest::of(b"hello");
    blobs.put(digest, body(&["hello"])).await.unwrap();
    let stored = blobs.list(None, 1).await.unwrap()[0].stored_at;
    assert!(!blobs.delete(digest, stored).await.unwrap());
    assert!(content(blobs, digest).await.is_some());
    let later = stored + Duration::from_secs(1);
    assert!(blobs.delete(digest, later).await.unwrap());
    assert_eq!(content(blobs, digest).await, None);
    assert!(!blobs.delete(digest, later).await.unwrap());
}
