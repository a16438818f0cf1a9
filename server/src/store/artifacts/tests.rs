//! Artifacts are whole or absent, whatever becomes of an upload.

use futures_util::stream;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use super::*;

fn body(chunks: &[&'static str]) -> impl Stream<Item = Result<Bytes, io::Error>> + Send + use<> {
    let chunks: Vec<_> = chunks
        .iter()
        .map(|c| Ok(Bytes::from_static(c.as_bytes())))
        .collect();
    stream::iter(chunks)
}

async fn content(artifacts: &Artifacts, digest: Digest) -> Option<String> {
    let mut artifact = artifacts.get(digest).await.unwrap()?;
    let mut text = String::new();
    artifact.file.read_to_string(&mut text).await.unwrap();
    assert_eq!(artifact.size_bytes, text.len() as u64);
    assert_eq!(
        artifacts.size(digest).await.unwrap(),
        Some(artifact.size_bytes)
    );
    Some(text)
}

async fn files(dir: &TempDir) -> usize {
    std::fs::read_dir(dir.path()).unwrap().count()
}

#[tokio::test]
async fn a_stored_artifact_is_read_back_also_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let artifacts = Artifacts::open(dir.path()).await.unwrap();
    let digest = Digest::of(b"hello world");
    assert_eq!(content(&artifacts, digest).await, None);
    for _ in 0..2 {
        let size = artifacts
            .put(digest, body(&["hello", " world"]))
            .await
            .unwrap();
        assert_eq!(size, 11);
    }
    let artifacts = Artifacts::open(dir.path()).await.unwrap();
    assert_eq!(content(&artifacts, digest).await.unwrap(), "hello world");
    assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
    assert_eq!(files(&dir).await, 1);
}

#[tokio::test]
async fn a_refused_upload_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let mut artifacts = Artifacts::open(dir.path()).await.unwrap();
    let digest = Digest::of(b"hello");
    let error = artifacts.put(digest, body(&["hallo"])).await.unwrap_err();
    let actual = Digest::of(b"hallo");
    assert!(matches!(error, Error::DigestMismatch { actual: a, .. } if a == actual));
    let broken = body(&["hel"]).chain(stream::iter([Err(io::Error::other("reset"))]));
    let error = artifacts.put(digest, broken).await.unwrap_err();
    assert!(matches!(error, Error::Body { .. }), "{error}");
    artifacts.limit_bytes = 4;
    let error = artifacts
        .put(digest, body(&["hell", "o"]))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit_bytes: 4 }),
        "{error}"
    );
    assert_eq!(content(&artifacts, digest).await, None);
    assert_eq!(files(&dir).await, 0);
}

#[tokio::test]
async fn an_abandoned_upload_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let artifacts = Artifacts::open(dir.path()).await.unwrap();
    let (started, seen) = tokio::sync::oneshot::channel();
    let first = stream::once(async move {
        started.send(()).unwrap();
        Ok::<_, io::Error>(Bytes::from_static(b"hel"))
    });
    let upload = tokio::spawn({
        let artifacts = artifacts.clone();
        async move {
            let never = first.chain(stream::pending());
            artifacts.put(Digest::of(b"hello"), never).await
        }
    });
    seen.await.unwrap();
    assert_eq!(files(&dir).await, 1);
    upload.abort();
    assert!(upload.await.unwrap_err().is_cancelled());
    assert_eq!(files(&dir).await, 0);
    // And what a killed process leaves is removed at the next start.
    std::fs::write(dir.path().join(format!("{PARTIAL}x")), "hel").unwrap();
    Artifacts::open(dir.path()).await.unwrap();
    assert_eq!(files(&dir).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_upload_gives_up_its_turn() {
    let dir = TempDir::new().unwrap();
    let artifacts = Artifacts::open(dir.path()).await.unwrap();
    let silent = body(&["hel"]).chain(stream::pending());
    let error = artifacts
        .put(Digest::of(b"hello"), silent)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Body { .. }), "{error}");
    assert_eq!(files(&dir).await, 0);
}

#[tokio::test]
async fn collection_spares_the_live_the_young_and_the_foreign() {
    let dir = TempDir::new().unwrap();
    let artifacts = Artifacts::open(dir.path()).await.unwrap();
    let (live, dead) = (Digest::of(b"live"), Digest::of(b"dead"));
    artifacts.put(live, body(&["live"])).await.unwrap();
    artifacts.put(dead, body(&["dead"])).await.unwrap();
    std::fs::write(dir.path().join("README"), "mine").unwrap();
    let (live_set, grace) = (HashSet::from([live]), Duration::from_secs(3600));
    let now = SystemTime::now();
    let none = artifacts.collect(&live_set, now, grace).await.unwrap();
    assert_eq!(none, Collected::default());
    let later = now + Duration::from_secs(3700);
    let collected = artifacts.collect(&live_set, later, grace).await.unwrap();
    let expected = Collected {
        artifacts: 1,
        bytes: 4,
    };
    assert_eq!(collected, expected);
    assert_eq!(content(&artifacts, live).await.unwrap(), "live");
    assert_eq!(content(&artifacts, dead).await, None);
    assert!(dir.path().join("README").exists());
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
