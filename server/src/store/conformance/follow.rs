//! A follower of a prefix, over watches as the engine gives them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{LogBounds, Made, delete, put, write};
use crate::store::{Event, Follow, Update};

/// What a follower knows after an update.
fn apply(known: &mut BTreeMap<String, Bytes>, update: Update) -> bool {
    match update {
        Update::Reset(listing) => {
            let entries = listing.entries.into_iter();
            *known = entries.map(|entry| (entry.key, entry.value)).collect();
            true
        }
        Update::Changed(batch) => {
            for event in batch.events {
                match event {
                    Event::Put(entry) => known.insert(entry.key, entry.value),
                    Event::Delete { key, .. } => known.remove(&key),
                };
            }
            false
        }
    }
}

pub(in crate::store) async fn a_follower_has_everything_and_starts_over_after_a_gap(
    make: impl Fn(LogBounds) -> Made,
) {
    let bounds = LogBounds {
        events: 10,
        bytes: usize::MAX,
    };
    let subject = make(bounds).await;
    let store = &subject.store;
    write(store, put("a/1", "1")).await;
    write(store, put("b/1", "1")).await;
    let mut follow = Follow::entries(Arc::clone(store), "a/");
    let mut known = BTreeMap::new();
    assert!(apply(&mut known, follow.next().await.unwrap()));
    assert_eq!(known.len(), 1);
    write(store, put("a/2", "2")).await;
    write(store, delete("a/1")).await;
    for _ in 0..2 {
        assert!(!apply(&mut known, follow.next().await.unwrap()));
    }
    assert_eq!(known.keys().collect::<Vec<_>>(), ["a/2"]);
    // More than the log holds: what was deleted meanwhile is gone from the new listing, too.
    write(store, delete("a/2")).await;
    for n in 0..20 {
        write(store, put("a/3", n.to_string())).await;
    }
    while !apply(&mut known, follow.next().await.unwrap()) {}
    let expected = BTreeMap::from([("a/3".to_owned(), Bytes::from("19"))]);
    assert_eq!(known, expected);

    let mut changes = Follow::changes(Arc::clone(store), "a/");
    assert!(apply(&mut BTreeMap::new(), changes.next().await.unwrap()));
    write(store, put("a/4", "4")).await;
    assert!(!apply(&mut known, changes.next().await.unwrap()));
    assert_eq!(known["a/4"], "4");
    store.close().await.unwrap();
    assert!(changes.next().await.is_none());
}
