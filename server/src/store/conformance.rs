//! What every engine behind [`Store`] must do; each engine runs this very suite.
//!
//! It does not test durability: that is the engine's own, beside it.

mod exports;
mod model;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;

pub(super) use self::exports::*;
pub(super) use self::model::*;
use super::{
    Batch, Commit, Entry, Error, LogBounds, MAX_KEY_BYTES, MAX_VALUE_BYTES, Revision, Store, Watch,
};

/// A new, empty store and the folder it lives in.
pub(super) struct Subject {
    pub(super) store: Arc<dyn Store>,
    #[expect(dead_code, reason = "held so that the folder outlives the store")]
    pub(super) dir: Option<tempfile::TempDir>,
}

/// Runs the suite against the stores `$make` makes.
macro_rules! conformance_tests {
    ($make:path) => {
        $crate::store::conformance::conformance_tests!($make:
            an_entry_knows_its_history,
            a_failed_check_writes_nothing,
            a_commit_that_changes_nothing_takes_no_revision,
            invalid_commits_are_refused,
            pages_cover_a_prefix_once_and_in_order,
            random_histories_are_as_the_model_says,
            a_watch_behind_the_log_is_told_so,
            a_slow_watch_sees_no_gap,
            of_conflicting_commits_exactly_one_wins,
            concurrent_increments_all_count,
            an_export_imports_into_an_empty_store,
            a_torn_or_altered_export_is_refused,
            close_ends_watches_and_refuses_commits,
        );
    };
    ($make:path: $($name:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::store::conformance::$name(|bounds| Box::pin($make(bounds))).await;
            }
        )*
    };
}
pub(super) use conformance_tests;

pub(super) type Made = futures_util::future::BoxFuture<'static, Subject>;

async fn value(store: &Arc<dyn Store>, key: &str) -> Option<Bytes> {
    store.get(key).await.unwrap().map(|entry| entry.value)
}

async fn take(watch: &mut Watch, until: Revision) -> Vec<Batch> {
    let mut batches = Vec::new();
    while batches.last().is_none_or(|b: &Batch| b.revision < until) {
        batches.push(watch.next().await.unwrap().unwrap());
    }
    batches
}

pub(super) async fn an_entry_knows_its_history(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    assert_eq!(store.revision(), 0);
    assert_eq!(store.get("a").await.unwrap(), None);
    assert_eq!(store.commit(Commit::new().put("a", "1")).await.unwrap(), 1);
    assert_eq!(store.commit(Commit::new().put("b", "1")).await.unwrap(), 2);
    assert_eq!(store.commit(Commit::new().put("a", "2")).await.unwrap(), 3);
    let entry = store.get("a").await.unwrap().unwrap();
    let expected = Entry {
        key: "a".into(),
        value: "2".into(),
        create_revision: 1,
        mod_revision: 3,
        version: 2,
    };
    assert_eq!(entry, expected);
    assert_eq!(store.commit(Commit::new().delete("a")).await.unwrap(), 4);
    assert_eq!(store.get("a").await.unwrap(), None);
    store.commit(Commit::new().put("a", "3")).await.unwrap();
    let entry = store.get("a").await.unwrap().unwrap();
    assert_eq!((entry.create_revision, entry.version), (5, 1));
    assert_eq!(store.revision(), 5);
}

pub(super) async fn a_failed_check_writes_nothing(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    store.commit(Commit::new().put("a", "1")).await.unwrap();
    let failing = [
        (Commit::new().absent("a"), "a", Some(1)),
        (Commit::new().present("b"), "b", None),
        (Commit::new().at("a", 7), "a", Some(1)),
        (Commit::new().at("b", 1), "b", None),
        (Commit::new().present("a").absent("a"), "a", Some(1)),
    ];
    for (commit, key, actual) in failing {
        let error = store.commit(commit.put("a", "2").put("c", "2")).await;
        match error.unwrap_err() {
            Error::Conflict {
                key: found,
                actual: at,
            } => assert_eq!((found.as_str(), at), (key, actual)),
            other => panic!("{other}"),
        }
    }
    assert_eq!(value(store, "a").await.unwrap(), "1");
    assert_eq!(value(store, "c").await, None);
    assert_eq!(store.revision(), 1);
    let holding = Commit::new().present("a").at("a", 1).absent("b");
    store
        .commit(holding.put("a", "2").put("c", "2"))
        .await
        .unwrap();
    assert_eq!(value(store, "c").await.unwrap(), "2");
}

pub(super) async fn a_commit_that_changes_nothing_takes_no_revision(
    make: impl Fn(LogBounds) -> Made,
) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    store.commit(Commit::new().put("a", "1")).await.unwrap();
    assert_eq!(store.commit(Commit::new()).await.unwrap(), 1);
    assert_eq!(store.commit(Commit::new().present("a")).await.unwrap(), 1);
    assert_eq!(store.commit(Commit::new().delete("b")).await.unwrap(), 1);
    assert_eq!(store.revision(), 1);
}

pub(super) async fn invalid_commits_are_refused(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    let large = Bytes::from(vec![0; MAX_VALUE_BYTES]);
    let many = (0..9).fold(Commit::new(), |c, i| c.put(format!("k{i}"), large.clone()));
    let invalid = [
        Commit::new().put("", "1"),
        Commit::new().put("k".repeat(MAX_KEY_BYTES + 1), "1"),
        Commit::new().put("a", vec![0; MAX_VALUE_BYTES + 1]),
        Commit::new().put("a", "1").delete("a"),
        (0..2000).fold(Commit::new(), |c, i| c.put(format!("k{i}"), "")),
        many,
    ];
    for commit in invalid {
        let error = store.commit(commit).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error}");
    }
    assert_eq!(store.revision(), 0);
    let key = "k".repeat(MAX_KEY_BYTES);
    let most = Commit::new().put(key.clone(), large.clone());
    store.commit(most).await.unwrap();
    assert_eq!(value(store, &key).await.unwrap(), large);
}

pub(super) async fn pages_cover_a_prefix_once_and_in_order(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    let commit = (0..10).fold(Commit::new(), |c, i| c.put(format!("f/{i}"), "1"));
    store
        .commit(commit.put("e", "1").put("f", "1").put("g", "1"))
        .await
        .unwrap();
    let mut keys = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let after = keys.last().cloned();
        let page = store.scan("f/", after.as_deref(), 4).await.unwrap();
        assert_eq!(page.revision, 1);
        sizes.push(page.entries.len());
        keys.extend(page.entries.into_iter().map(|entry| entry.key));
        if !page.more {
            break;
        }
    }
    let expected: Vec<_> = (0..10).map(|i| format!("f/{i}")).collect();
    assert_eq!((keys, sizes), (expected, vec![4, 4, 2]));
    assert!(!store.scan("f/", Some("f/9"), 4).await.unwrap().more);
    assert_eq!(store.scan("", None, 99).await.unwrap().entries.len(), 13);
    assert!(
        store
            .scan("f/", Some("z"), 4)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
    assert_eq!(
        store.scan("f/", Some("a"), 4).await.unwrap().entries.len(),
        4
    );
}

pub(super) async fn a_watch_behind_the_log_is_told_so(make: impl Fn(LogBounds) -> Made) {
    let by_events = LogBounds {
        events: 10,
        bytes: usize::MAX,
    };
    let by_bytes = LogBounds {
        events: usize::MAX,
        bytes: 10 * 101,
    };
    for bounds in [by_events, by_bytes] {
        let subject = make(bounds).await;
        let store = &subject.store;
        let mut stuck = store.watch("", 1).await.unwrap();
        for _ in 0..25 {
            store
                .commit(Commit::new().put("a", "1".repeat(100)))
                .await
                .unwrap();
        }
        for from in [0, 1, 15] {
            let error = store.watch("", from).await.err().unwrap();
            assert!(matches!(error, Error::Compacted { oldest: 16 }), "{error}");
        }
        let mut watch = store.watch("", 16).await.unwrap();
        assert_eq!(take(&mut watch, 25).await.len(), 10);
        let error = stuck.next().await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Compacted { oldest: 16 }), "{error}");
        assert!(stuck.next().await.is_none());
    }
}

pub(super) async fn a_slow_watch_sees_no_gap(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    let mut slow = store.watch("", 1).await.unwrap();
    store.commit(Commit::new().put("k", "0")).await.unwrap();
    assert_eq!(take(&mut slow, 1).await.len(), 1);
    let commits = (1..400).map(|i| store.commit(Commit::new().put("k", i.to_string())));
    for revision in futures_util::future::join_all(commits).await {
        revision.unwrap();
    }
    let seen = take(&mut slow, 400).await;
    let revisions: Vec<_> = seen.iter().map(|batch| batch.revision).collect();
    assert_eq!(revisions, (2..=400).collect::<Vec<_>>());
}

pub(super) async fn of_conflicting_commits_exactly_one_wins(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    for round in 0..10 {
        let key = format!("k{round}");
        let tasks = (0..16).map(|i| {
            let (store, key) = (Arc::clone(store), key.clone());
            tokio::spawn(async move {
                let commit = Commit::new().absent(key.clone()).put(key, i.to_string());
                store.commit(commit).await.map(|_| i.to_string())
            })
        });
        let outcomes = futures_util::future::join_all(tasks).await;
        let (won, lost): (Vec<_>, Vec<_>) = outcomes
            .into_iter()
            .map(Result::unwrap)
            .partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 15));
        let conflicts = lost
            .iter()
            .all(|e| matches!(e, Err(Error::Conflict { .. })));
        assert!(conflicts);
        let winner = won.into_iter().next().unwrap().unwrap();
        assert_eq!(value(store, &key).await.unwrap(), winner);
    }
    assert_eq!(store.revision(), 10);
}

pub(super) async fn concurrent_increments_all_count(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    subject
        .store
        .commit(Commit::new().put("n", "0"))
        .await
        .unwrap();
    let tasks = (0..8).map(|_| {
        let store = Arc::clone(&subject.store);
        tokio::spawn(async move {
            let mut done = 0;
            while done < 20 {
                let entry = store.get("n").await.unwrap().unwrap();
                let n: u32 = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
                let commit = Commit::new()
                    .unchanged(&entry)
                    .put("n", (n + 1).to_string());
                match store.commit(commit).await {
                    Ok(_) => done += 1,
                    Err(Error::Conflict { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    for task in futures_util::future::join_all(tasks).await {
        task.unwrap();
    }
    assert_eq!(value(&subject.store, "n").await.unwrap(), "160");
    assert_eq!(subject.store.revision(), 161);
}

pub(super) async fn close_ends_watches_and_refuses_commits(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    let mut watch = store.watch("", 1).await.unwrap();
    store.commit(Commit::new().put("a", "1")).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(take(&mut watch, 1).await.len(), 1);
    assert!(watch.next().await.is_none());
    let error = store.commit(Commit::new().put("a", "2")).await.unwrap_err();
    assert!(matches!(error, Error::Closed), "{error}");
    assert_eq!(value(store, "a").await.unwrap(), "1");
}
