//! Several keys at once, for engines that claim they can.

use futures_util::StreamExt;

use super::{LogBounds, Made, delete, put, value, write};
use crate::store::{
    Check, Error, Event, Expect, MAX_REQUEST_BYTES, MAX_TRANSACTION_OPERATIONS, MAX_VALUE_BYTES,
    Transaction,
};

pub(in crate::store) async fn transactions_are_as_claimed(
    claims: bool,
    make: impl Fn(LogBounds) -> Made,
) {
    let subject = make(LogBounds::default()).await;
    assert_eq!(subject.store.transactions().is_some(), claims);
    if claims {
        all_or_nothing_is_written(&make).await;
        one_revision_is_one_batch(&make).await;
        the_largest_is_accepted(&make).await;
    }
    what_is_past_a_bound_cannot_be_made();
}

async fn all_or_nothing_is_written(make: &impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    let transactions = store.transactions().unwrap();
    let at = write(store, put("a", "1")).await;
    let failing = [
        (Check::new("a", Expect::Absent), "a", Some(at)),
        (Check::new("b", Expect::Present), "b", None),
        (Check::new("a", Expect::At(at + 1)), "a", Some(at)),
    ];
    for (check, key, actual) in failing {
        let both = Transaction::new(vec![check], vec![put("c", "2"), put("d", "2")]).unwrap();
        match transactions.transact(both).await.unwrap_err() {
            Error::Conflict {
                key: found,
                actual: at,
            } => assert_eq!((found.as_str(), at), (key, actual)),
            other => panic!("{other}"),
        }
    }
    let taken = put("a", "2").expecting(Expect::Absent);
    let both = Transaction::new(Vec::new(), vec![put("c", "2"), taken]).unwrap();
    let error = transactions.transact(both).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(value(store, "c").await, None);
    assert_eq!(store.revision().await.unwrap(), at);

    let checks = vec![
        Check::new("a", Expect::At(at)),
        Check::new("b", Expect::Absent),
    ];
    let writes = vec![delete("a"), put("c", "2").expecting(Expect::Absent)];
    let both = Transaction::new(checks, writes).unwrap();
    transactions.transact(both).await.unwrap();
    assert_eq!(value(store, "a").await, None);
    assert_eq!(value(store, "c").await.unwrap(), "2");
}

async fn one_revision_is_one_batch(make: &impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    let before = write(store, put("x/1", "1")).await;
    let mut watch = store.watch("x/", before).await.unwrap();
    let writes = vec![put("x/2", "2"), put("y", "2"), delete("x/1")];
    let both = Transaction::new(Vec::new(), writes).unwrap();
    let at = store.transactions().unwrap().transact(both).await.unwrap();
    let batch = watch.next().await.unwrap().unwrap();
    assert_eq!(batch.revision, at);
    let keys: Vec<_> = batch.events.iter().map(Event::key).collect();
    assert_eq!(keys, ["x/2", "x/1"]);
    assert_eq!(store.get("y").await.unwrap().unwrap().revision, at);
}

async fn the_largest_is_accepted(make: &impl Fn(LogBounds) -> Made) {
    let subject = make(LogBounds::default()).await;
    let store = &subject.store;
    let most = MAX_TRANSACTION_OPERATIONS;
    let checks = (0..most).map(|n| Check::new(format!("c{n}"), Expect::Absent));
    let size = MAX_REQUEST_BYTES / most - 300;
    let writes = (0..most).map(|n| put(format!("w{n}"), vec![1; size]));
    let largest = Transaction::new(checks.collect(), writes.collect()).unwrap();
    let transactions = store.transactions().unwrap();
    transactions.transact(largest).await.unwrap();
    assert_eq!(
        store.scan("w", None, 999).await.unwrap().entries.len(),
        most
    );
}

fn what_is_past_a_bound_cannot_be_made() {
    let many = MAX_TRANSACTION_OPERATIONS + 1;
    let value = |size: usize| vec![0; size];
    let bad = [
        (Vec::new(), Vec::new()),
        (
            Vec::new(),
            (0..many).map(|n| delete(n.to_string())).collect(),
        ),
        (
            (0..many)
                .map(|n| Check::new(n.to_string(), Expect::Absent))
                .collect(),
            vec![delete("a")],
        ),
        (Vec::new(), vec![put("a", "1"), delete("a")]),
        (
            Vec::new(),
            vec![
                put("a", value(MAX_VALUE_BYTES)),
                put("b", value(MAX_REQUEST_BYTES - MAX_VALUE_BYTES)),
            ],
        ),
    ];
    for (checks, writes) in bad {
        let made = Transaction::new(checks, writes);
        assert!(matches!(made, Err(Error::Invalid { .. })), "{made:?}");
    }
}
