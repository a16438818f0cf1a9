//! The durable store against the shared suite, and against what only it can suffer.

mod crash;
mod damage;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tempfile::TempDir;

use super::*;
use crate::store::conformance::{Subject, conformance_tests};

async fn make(log: LogBounds) -> Subject {
    let dir = TempDir::new().unwrap();
    let options = Options {
        log,
        ..Options::default()
    };
    let store = SledStore::open(dir.path(), options).await.unwrap();
    Subject {
        store: Arc::new(store),
        dir: Some(dir),
    }
}

conformance_tests!(make, transactions: true);

fn put(key: impl Into<String>, value: impl Into<bytes::Bytes>) -> Write {
    Write::put(key, value).unwrap()
}

async fn open(dir: &Path) -> SledStore {
    SledStore::open(dir, Options::default()).await.unwrap()
}

async fn everything(store: &SledStore) -> Vec<Entry> {
    store.scan("", None, 10_000).await.unwrap().entries
}

fn exports(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir.join("exports")).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn a_reopened_store_is_the_same_one() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    for i in 0..50 {
        // Large values go to sled's blob files.
        let value = vec![i; 40_000 * usize::from(i % 9)];
        let key = format!("k{}", i % 7);
        store.write(put(key, value)).await.unwrap();
    }
    let last = store.write(Write::delete("k3").unwrap()).await.unwrap();
    let (before, identity) = (everything(&store).await, store.identity());
    let history: Vec<_> = store.watch("", 0).await.unwrap().take(51).collect().await;
    drop(store);

    let store = open(dir.path()).await;
    assert_eq!(store.restored(), None);
    assert_eq!(everything(&store).await, before);
    assert_eq!(store.identity(), identity);
    assert_eq!(store.revision().await.unwrap(), last);
    let again: Vec<_> = store.watch("", 0).await.unwrap().take(51).collect().await;
    let batches = |results: Vec<Result<crate::store::Batch>>| -> Vec<_> {
        results.into_iter().map(Result::unwrap).collect()
    };
    assert_eq!(batches(again), batches(history));
    let next = store.write(put("k", "v")).await.unwrap();
    assert!(next > last);
}

#[tokio::test]
async fn the_log_is_bounded_on_the_disk_too() {
    let dir = TempDir::new().unwrap();
    let bounds = LogBounds {
        events: 10,
        bytes: usize::MAX,
    };
    let options = Options {
        log: bounds,
        ..Options::default()
    };
    let store = SledStore::open(dir.path(), options).await.unwrap();
    let mut written = Vec::new();
    for i in 0..100_u8 {
        written.push(store.write(put("k", vec![i])).await.unwrap());
    }
    drop(store);
    let (_, state) = disk::load(&dir.path().join("db"), LogBounds::default())
        .ok()
        .unwrap();
    // One write late: a group removes what the group before it made superfluous.
    assert_eq!(state.compacted(), written[88]);
}

#[tokio::test]
async fn a_folder_is_open_once() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).await;
    let second = SledStore::open(dir.path(), Options::default()).await;
    assert!(matches!(second, Err(Error::Locked { .. })));
    store.close().await.unwrap();
    open(dir.path()).await;
}

#[tokio::test]
async fn closing_exports_what_changed_and_the_last_three_stay() {
    let dir = TempDir::new().unwrap();
    for round in 1..=5 {
        let store = open(dir.path()).await;
        store.write(put("k", vec![round])).await.unwrap();
        store.close().await.unwrap();
        // Nothing changed: no export.
        open(dir.path()).await.close().await.unwrap();
        assert_eq!(exports(dir.path()).len(), usize::from(round.min(3)));
    }
    let names = exports(dir.path());
    assert!(
        names
            .last()
            .unwrap()
            .ends_with("catalogue-0000000005.jsonl")
    );
    for path in names {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn exports_are_written_on_a_schedule() {
    let dir = TempDir::new().unwrap();
    let options = Options {
        export_interval: Duration::from_millis(1),
        ..Options::default()
    };
    let store = SledStore::open(dir.path(), options).await.unwrap();
    store.write(put("k", "v")).await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), async {
        while !exports(dir.path())
            .iter()
            .any(|path| path.ends_with("catalogue-0000000001.jsonl"))
        {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}
