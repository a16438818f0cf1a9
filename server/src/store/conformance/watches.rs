//! Watches: no gap, no duplicate, and an honest end where the log does not reach back.

use super::{Error, LogBounds, Made, StreamExt, put, take, write};

pub(in crate::store) async fn a_watch_behind_the_log_is_told_so(make: impl Fn(LogBounds) -> Made) {
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
        let mut stuck = store.watch("", 0).await.unwrap();
        let mut written = Vec::new();
        for _ in 0..25 {
            written.push(write(store, put("a", "1".repeat(100))).await);
        }
        let (reach, last) = (written[14], written[24]);
        for after in [0, 1, reach - 1] {
            let error = store.watch("", after).await.err().unwrap();
            assert!(
                matches!(error, Error::Compacted { compacted } if compacted == reach),
                "{error}"
            );
        }
        let mut watch = store.watch("", reach).await.unwrap();
        let seen = take(&mut watch, last).await;
        let seen: Vec<_> = seen.iter().map(|batch| batch.revision).collect();
        assert_eq!(seen, written[15..]);
        let error = stuck.next().await.unwrap().unwrap_err();
        assert!(
            matches!(error, Error::Compacted { compacted } if compacted == reach),
            "{error}"
        );
        assert!(stuck.next().await.is_none());
    }
}

pub(in crate::store) async fn a_slow_watch_sees_no_gap(make: impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    let mut slow = store.watch("", 0).await.unwrap();
    let first = write(store, put("k", "0")).await;
    assert_eq!(take(&mut slow, first).await.len(), 1);
    let writes = (1..400).map(|i| store.write(put("k", i.to_string())));
    let written = futures_util::future::join_all(writes).await;
    let mut written: Vec<_> = written.into_iter().map(Result::unwrap).collect();
    written.sort_unstable();
    let last = store.revision().await.unwrap();
    let seen = take(&mut slow, last).await;
    let revisions: Vec<_> = seen.iter().map(|batch| batch.revision).collect();
    assert_eq!(revisions, written);
}
