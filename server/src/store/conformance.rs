//! What every engine behind [`Store`] must do; each engine runs this very suite, and the part about transactions if
//! it claims to have them.
//!
//! Nothing in it counts revisions: an engine gives them as it likes, as long as they rise. It does not test
//! durability: that is the engine's own, beside it.

mod exports;
mod follow;
mod model;
mod transactions;
mod watches;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;

pub(super) use self::exports::*;
pub(super) use self::follow::*;
pub(super) use self::model::*;
pub(super) use self::transactions::*;
pub(super) use self::watches::*;
use super::{
    Batch, Entry, Error, Expect, LogBounds, MAX_KEY_BYTES, MAX_VALUE_BYTES, Revision, Store, Watch,
    Write,
};

/// A new, empty store and the folder it lives in.
pub(super) struct Subject {
    pub(super) store: Arc<dyn Store>,
    #[expect(dead_code, reason = "held so that the folder outlives the store")]
    pub(super) dir: Option<tempfile::TempDir>,
}

/// Runs the suite against the stores `$make` makes, which claim to have transactions or not.
macro_rules! conformance_tests {
    ($make:path, transactions: $claims:expr) => {
        $crate::store::conformance::conformance_tests!($make:
            an_entry_knows_when_it_was_written,
            a_write_that_does_not_find_what_it_expects_changes_nothing,
            a_deletion_of_nothing_takes_no_revision,
            keys_and_values_of_any_allowed_size_are_kept,
            pages_cover_a_prefix_once_and_in_order,
            random_histories_are_as_the_model_says,
            a_watch_behind_the_log_is_told_so,
            a_slow_watch_sees_no_gap,
            of_conflicting_writes_exactly_one_wins,
            concurrent_increments_all_count,
            a_follower_has_everything_and_starts_over_after_a_gap,
            an_export_imports_into_an_empty_store,
            a_torn_or_altered_export_is_refused,
            an_export_of_another_format_is_refused_by_its_number,
            close_ends_watches_and_refuses_writes,
        );

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn transactions_are_as_the_store_claims() {
            $crate::store::conformance::transactions_are_as_claimed($claims, |bounds| {
                Box::pin($make(bounds))
            })
            .await;
        }
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

fn put(key: impl Into<String>, value: impl Into<Bytes>) -> Write {
    Write::put(key, value).unwrap()
}

fn delete(key: impl Into<String>) -> Write {
    Write::delete(key).unwrap()
}

async fn write(store: &Arc<dyn Store>, write: Write) -> Revision {
    store.write(write).await.unwrap()
}

async fn value(store: &Arc<dyn Store>, key: &str) -> Option<Bytes> {
    store.get(key).await.unwrap().map(|entry| entry.value)
}

/// Everything up to `until`, which must be there to come.
async fn take(watch: &mut Watch, until: Revision) -> Vec<Batch> {
    let mut batches = Vec::new();
    while batches.last().is_none_or(|b: &Batch| b.revision < until) {
        batches.push(watch.next().await.unwrap().unwrap());
    }
    batches
}

pub(super) async fn an_entry_knows_when_it_was_written(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    assert_eq!(store.revision().await.unwrap(), 0);
    assert_eq!(store.get("a").await.unwrap(), None);
    let first = write(store, put("a", "1")).await;
    let other = write(store, put("b", "1")).await;
    let second = write(store, put("a", "2")).await;
    assert!(0 < first && first < other && other < second);
    let expected = Entry {
        key: "a".into(),
        value: "2".into(),
        revision: second,
    };
    assert_eq!(store.get("a").await.unwrap(), Some(expected));
    let gone = write(store, delete("a")).await;
    assert_eq!(store.get("a").await.unwrap(), None);
    let again = write(store, put("a", "3")).await;
    assert!(second < gone && gone < again);
    assert_eq!(store.get("a").await.unwrap().unwrap().revision, again);
    assert_eq!(store.revision().await.unwrap(), again);
}

pub(super) async fn a_write_that_does_not_find_what_it_expects_changes_nothing(
    make: impl Fn(LogBounds) -> Made,
) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    let at = write(store, put("a", "1")).await;
    let failing = [
        (put("a", "2").expecting(Expect::Absent), Some(at)),
        (put("b", "2").expecting(Expect::Present), None),
        (put("a", "2").expecting(Expect::At(at + 1)), Some(at)),
        (put("b", "2").expecting(Expect::At(at)), None),
        (delete("a").expecting(Expect::At(at + 1)), Some(at)),
        (delete("b").expecting(Expect::Present), None),
    ];
    for (write, actual) in failing {
        let key = write.key().to_owned();
        match store.write(write).await.unwrap_err() {
            Error::Conflict {
                key: found,
                actual: at,
            } => assert_eq!((found, at), (key, actual)),
            other => panic!("{other}"),
        }
    }
    assert_eq!(value(store, "a").await.unwrap(), "1");
    assert_eq!(value(store, "b").await, None);
    assert_eq!(store.revision().await.unwrap(), at);
    let at = write(store, put("a", "2").expecting(Expect::At(at))).await;
    write(store, put("b", "1").expecting(Expect::Absent)).await;
    write(store, put("b", "2").expecting(Expect::Present)).await;
    write(store, delete("a").expecting(Expect::At(at))).await;
    assert_eq!(value(store, "a").await, None);
    assert_eq!(value(store, "b").await.unwrap(), "2");
}

pub(super) async fn a_deletion_of_nothing_takes_no_revision(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    let at = write(store, put("a", "1")).await;
    assert_eq!(write(store, delete("b")).await, at);
    let absent = delete("b").expecting(Expect::Absent);
    assert_eq!(write(store, absent).await, at);
    assert_eq!(store.revision().await.unwrap(), at);
}

pub(super) async fn keys_and_values_of_any_allowed_size_are_kept(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    let large = Bytes::from(vec![7; MAX_VALUE_BYTES]);
    let key = "k".repeat(MAX_KEY_BYTES);
    write(store, put(key.clone(), large.clone())).await;
    assert_eq!(value(store, &key).await.unwrap(), large);
    write(store, put("a", "")).await;
    assert_eq!(value(store, "a").await.unwrap(), "");
    for bad in [
        Write::put("", "1"),
        Write::put("k".repeat(MAX_KEY_BYTES + 1), "1"),
        Write::put("a", vec![0; MAX_VALUE_BYTES + 1]),
        Write::delete(""),
    ] {
        assert!(matches!(bad, Err(Error::Invalid { .. })), "{bad:?}");
    }
}

pub(super) async fn pages_cover_a_prefix_once_and_in_order(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    for key in (0..10).map(|i| format!("f/{i}")) {
        write(store, put(key, "1")).await;
    }
    for key in ["e", "f", "g"] {
        write(store, put(key, "1")).await;
    }
    let now = store.revision().await.unwrap();
    let mut keys = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let after = keys.last().cloned();
        let page = store.scan("f/", after.as_deref(), 4).await.unwrap();
        assert_eq!(page.revision, now);
        sizes.push(page.entries.len());
        keys.extend(page.entries.into_iter().map(|entry| entry.key));
        if !page.more {
            break;
        }
    }
    let expected: Vec<_> = (0..10).map(|i| format!("f/{i}")).collect();
    assert_eq!((keys, sizes), (expected, vec![4, 4, 2]));
    let found = async |prefix, after| store.scan(prefix, after, 99).await.unwrap().entries.len();
    assert!(!store.scan("f/", Some("f/9"), 4).await.unwrap().more);
    assert_eq!(found("", None).await, 13);
    assert_eq!(found("f/", Some("z")).await, 0);
    assert_eq!(found("f/", Some("a")).await, 10);
    let all = crate::store::list(&**store, "f/").await.unwrap();
    assert_eq!((all.entries.len(), all.revision), (10, now));
}

pub(super) async fn of_conflicting_writes_exactly_one_wins(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    for round in 0..10 {
        let key = format!("k{round}");
        let tasks = (0..16).map(|i| {
            let (store, key) = (Arc::clone(store), key.clone());
            tokio::spawn(async move {
                let claim = put(key, i.to_string()).expecting(Expect::Absent);
                store.write(claim).await.map(|_| i.to_string())
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
}

pub(super) async fn concurrent_increments_all_count(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    write(&subject.store, put("n", "0")).await;
    let tasks = (0..8).map(|_| {
        let store = Arc::clone(&subject.store);
        tokio::spawn(async move {
            let mut done = 0;
            while done < 20 {
                let entry = store.get("n").await.unwrap().unwrap();
                let n: u32 = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
                let next = put("n", (n + 1).to_string()).expecting(Expect::At(entry.revision));
                match store.write(next).await {
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
}

pub(super) async fn close_ends_watches_and_refuses_writes(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    let mut watch = store.watch("", 0).await.unwrap();
    let at = write(store, put("a", "1")).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(take(&mut watch, at).await.len(), 1);
    assert!(watch.next().await.is_none());
    let error = store.write(put("a", "2")).await.unwrap_err();
    assert!(matches!(error, Error::Closed), "{error}");
    assert_eq!(value(store, "a").await.unwrap(), "1");
}
