//! Several calls in one commit, and keys of calls that were under way first.

use super::*;
use super::{Fixture, answer, function, record};
use crate::queue::Source;
use crate::queue::types::Idempotency;

fn keyed(body: &'static str, key: &str, digest: u8) -> Record {
    let key = key.to_owned();
    let digest = [digest; 32];
    Record {
        idempotency: Some(Idempotency { key, digest }),
        ..record(body)
    }
}

fn of(name: &str, body: &'static str) -> Record {
    Record {
        function: FunctionName::new("default", name).unwrap(),
        ..record(body)
    }
}

fn with_default(records: Vec<Record>) -> Vec<(Record, AsyncPolicy)> {
    records.into_iter().map(|r| (r, DEFAULT_POLICY)).collect()
}

#[tokio::test]
async fn several_calls_are_taken_in_together() {
    let fixture = Fixture::new(|_| {});
    let queue = &fixture.queue;
    assert_eq!(queue.accept_many(Vec::new()).await, Ok(Vec::new()));
    let many = with_default(vec![of("a", "1"), of("b", "2"), of("a", "3")]);
    let accepted = queue.accept_many(many).await.unwrap();
    let ids: Vec<_> = accepted.iter().map(|a| a.id.clone()).collect();
    assert_eq!(ids.len(), 3);
    for (accepted, (name, size)) in accepted.iter().zip([("a", 1), ("b", 1), ("a", 1)]) {
        assert!(!accepted.replayed);
        let view = queue.get(&accepted.id).await.unwrap();
        assert_eq!((view.function.name(), view.body_bytes), (name, size));
    }
    let a = FunctionName::new("default", "a").unwrap();
    let mut claimed = queue.claim(&a, 9);
    claimed.sort();
    let mut expected = vec![ids[0].clone(), ids[2].clone()];
    expected.sort();
    assert_eq!(claimed, expected);
}

#[tokio::test]
async fn of_several_calls_none_is_taken_when_one_is_refused() {
    let check = async |change: fn(&mut Config), many: Vec<(Record, AsyncPolicy)>, code: &str| {
        let fixture = Fixture::new(change);
        let before = fixture.queue.depths();
        let error = fixture.queue.accept_many(many).await.unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!(fixture.queue.depths(), before);
        assert_eq!(fixture.queue.shared.index.lock().stored, 0);
        // What was refused left no key behind.
        let again = fixture.queue.accept(keyed("x", "k", 9), &DEFAULT_POLICY);
        assert!(!again.await.unwrap().replayed);
    };
    let two = AsyncPolicy {
        max_queued: 2,
        ..DEFAULT_POLICY
    };
    let three = ["1", "2", "3"].map(|body| (of("a", body), two));
    let mut many = vec![(keyed("0", "k", 1), DEFAULT_POLICY)];
    many.extend(three.clone());
    check(|_| {}, many, "queue_full").await;
    let many = with_default(vec![keyed("0", "k", 1), of("a", "1"), of("b", "2")]);
    check(|c| c.max_open = 2, many.clone(), "queue_full").await;
    check(|c| c.max_bytes = 1_500, many, "queue_full").await;
    let many = with_default(vec![keyed("0", "k", 1), keyed("1", "k", 2)]);
    check(|_| {}, many, "idempotency_key_reused").await;
    let many = with_default(vec![keyed("0", "k", 1), of("a", "much too long")]);
    check(|c| c.max_body = 5, many, "body_too_large").await;
}

#[tokio::test]
async fn of_several_calls_those_known_are_the_calls_they_were() {
    let fixture = Fixture::new(|_| {});
    let queue = &fixture.queue;
    let first = queue.accept(keyed("0", "k", 1), &DEFAULT_POLICY).await;
    let first = first.unwrap();
    let many = with_default(vec![
        keyed("1", "l", 1),
        keyed("0", "k", 1),
        keyed("1", "l", 1),
        record("2"),
    ]);
    let accepted = queue.accept_many(many).await.unwrap();
    let replayed: Vec<bool> = accepted.iter().map(|a| a.replayed).collect();
    assert_eq!(replayed, [false, true, true, false]);
    assert_eq!(accepted[1].id, first.id);
    assert_eq!(accepted[2].id, accepted[0].id);
    assert_eq!(queue.depths()[0].queued, 3);
}

#[tokio::test]
async fn call_that_was_under_way_first_keeps_its_key() {
    let fixture = Fixture::new(|_| {});
    let queue = &fixture.queue;
    let idempotency = keyed("0", "k", 1).idempotency.unwrap();
    let before = queue.accepted_before(&function(), &idempotency).await;
    assert_eq!(before, Ok(None));
    let begun = queue.begin_running(keyed("0", "k", 1), &DEFAULT_POLICY);
    let (id, _) = begun.await.unwrap();
    let known = queue.accepted_before(&function(), &idempotency).await;
    assert_eq!(known.unwrap().unwrap().id, id);
    let again = queue.accept(keyed("0", "k", 1), &DEFAULT_POLICY).await;
    let again = again.unwrap();
    assert!(again.replayed && again.id == id);
    // Two that were sent at once are two; the second stays its caller's.
    let second = queue.begin_running(keyed("0", "k", 1), &DEFAULT_POLICY);
    let refused = second.await.unwrap_err();
    assert_eq!(refused, Error::IdempotencyTaken(id.to_string()));
    let other = keyed("1", "k", 2).idempotency.unwrap();
    let conflict = queue.accepted_before(&function(), &other).await;
    assert_eq!(conflict, Err(Error::IdempotencyConflict(id.to_string())));
    queue
        .finish(&id, answer(200), &DEFAULT_POLICY)
        .await
        .unwrap();
    let known = queue.accepted_before(&function(), &idempotency).await;
    assert_eq!(known.unwrap().unwrap().id, id);
}
