//! Taking calls in: all or none, and what an idempotency key stands for.

use gateless_common::problem::Code;
use gateless_core::config::AsyncPolicy;
use gateless_core::policy::{Maker, Principal};

use super::fixture::{Fixture, admitted, function, keyed, of, record, with_default};
use crate::queue::types::Record;

pub(in crate::queue) async fn several_calls_are_taken_in_together(queue: Fixture) {
    let inbox = &queue.queue.inbox;
    assert_eq!(inbox.accept_many(Vec::new()).await, Ok(Vec::new()));
    let many = with_default(vec![of("a", "1"), of("b", "2"), of("a", "3")]);
    let accepted = inbox.accept_many(many).await.unwrap();
    let ids: Vec<_> = accepted.iter().map(|a| a.id.clone()).collect();
    assert_eq!(ids.len(), 3);
    for (accepted, (name, size)) in accepted.iter().zip([("a", 1), ("b", 1), ("a", 1)]) {
        assert!(!accepted.replayed);
        let view = queue.view(&accepted.id).await;
        assert_eq!((view.function.name(), view.body_bytes), (name, size));
    }
    let a = of("a", "").function;
    let given = queue.queue.work.next(&a, 9).await.unwrap();
    let mut given: Vec<_> = given.iter().map(|d| d.lease.id().clone()).collect();
    given.sort();
    let mut expected = vec![ids[0].clone(), ids[2].clone()];
    expected.sort();
    assert_eq!(given, expected);
}

pub(in crate::queue) async fn of_several_calls_none_is_taken_when_one_is_refused(queue: Fixture) {
    let two = AsyncPolicy {
        max_queued: 2,
        ..AsyncPolicy::DEFAULT
    };
    let mut full = with_default(vec![keyed("0", "k", 1)]);
    full.extend(["1", "2", "3"].map(|body| (admitted(of("a", body)), two)));
    let reused = with_default(vec![keyed("0", "k", 1), keyed("1", "k", 2)]);
    for (many, code) in [
        (full, Code::QueueFull),
        (reused, Code::IdempotencyKeyReused),
    ] {
        let error = queue.queue.inbox.accept_many(many).await.unwrap_err();
        assert_eq!(error.code(), code);
        assert!(queue.queue.calls.depths().is_empty(), "{code}");
    }
    // What was refused left no key behind.
    assert!(!queue.accept(keyed("x", "k", 9)).await.unwrap().replayed);
}

pub(in crate::queue) async fn of_several_calls_those_known_are_the_calls_they_were(queue: Fixture) {
    let first = queue.accept(keyed("0", "k", 1)).await.unwrap();
    let many = with_default(vec![
        keyed("1", "l", 1),
        keyed("0", "k", 1),
        keyed("1", "l", 1),
        record("2"),
    ]);
    let accepted = queue.queue.inbox.accept_many(many).await.unwrap();
    let replayed: Vec<bool> = accepted.iter().map(|a| a.replayed).collect();
    assert_eq!(replayed, [false, true, true, false]);
    assert_eq!(accepted[1].id, first.id);
    assert_eq!(accepted[2].id, accepted[0].id);
    assert_eq!(queue.queue.calls.depths()[0].queued, 3);
}

pub(in crate::queue) async fn same_key_is_the_same_call_and_another_body_is_refused(
    queue: Fixture,
) {
    let (one, two) = tokio::join!(
        queue.accept(keyed("a", "k", 1)),
        queue.accept(keyed("a", "k", 1))
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.id, two.id);
    assert!(one.replayed != two.replayed);
    let other = queue.accept(keyed("a", "k", 2)).await.unwrap_err();
    assert_eq!(other.code(), Code::IdempotencyKeyReused);
    assert!(!other.to_string().contains(&one.id.to_string()), "{other}");
    assert_eq!(
        (&one.token, &two.token),
        (&queue.queue.calls.token(&one.id), &one.token)
    );
    // Another function's key is another key.
    let elsewhere = Record {
        function: of("b", "").function,
        ..keyed("a", "k", 1)
    };
    assert!(!queue.accept(elsewhere).await.unwrap().replayed);
    // And so is another caller's, whatever it is used for.
    for (key, digest) in [(None, 2), (Some("ann".into()), 3), (Some("bob".into()), 1)] {
        let principal = Principal {
            maker: Maker::Function(None),
            key,
            source: None,
        };
        let another = Record {
            principal,
            ..keyed("a", "k", digest)
        };
        assert!(!queue.accept(another.clone()).await.unwrap().replayed);
        assert!(queue.accept(another).await.unwrap().replayed);
    }
    // Once the result is forgotten the key is free.
    queue.queue.calls.cancel(&one.id).await.unwrap();
    queue.clock.advance(AsyncPolicy::DEFAULT.result_ttl);
    let forgotten = async || queue.state(&one.id).await == "unknown";
    queue.until(forgotten).await;
    assert!(!queue.accept(keyed("a", "k", 2)).await.unwrap().replayed);
}

pub(in crate::queue) async fn full_function_is_refused_by_name(queue: Fixture) {
    let one = AsyncPolicy {
        max_queued: 1,
        ..AsyncPolicy::DEFAULT
    };
    let inbox = &queue.queue.inbox;
    inbox.has_room(&function(), &one).unwrap();
    inbox.accept(admitted(record("first")), &one).await.unwrap();
    let refused = inbox.has_room(&function(), &one).unwrap_err();
    assert_eq!(refused.code(), Code::QueueFull);
    inbox.has_room(&of("b", "").function, &one).unwrap();
    let error = inbox
        .accept(admitted(record("second")), &one)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::QueueFull);
    assert!(error.to_string().contains("async.max_queued"), "{error}");
    let begun = queue.begin().await;
    inbox.accept(admitted(record("third")), &one).await.unwrap();
    assert_eq!(queue.queue.calls.depths()[0].function, function());
    drop(begun);
}
