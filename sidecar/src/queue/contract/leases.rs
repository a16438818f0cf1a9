//! Leases: who holds a call, and what a lease that is over can still do.

use gateless_core::config::AsyncPolicy;
use std::time::Duration;

use super::fixture::{Fixture, admitted, answer, failed, keyed, record};
use crate::queue::Error;

pub(in crate::queue) async fn delivery_that_is_dropped_or_released_comes_back(queue: Fixture) {
    let id = queue.accept(record("a")).await.unwrap().id;
    let first = queue.next(1).await.pop().unwrap();
    let epoch = first.lease.epoch();
    drop(first);
    let second = queue.next(1).await.pop().unwrap();
    assert_eq!(second.lease.id(), &id);
    assert!(second.lease.epoch() > epoch);
    let wait = Duration::from_secs(3);
    second.lease.release(wait);
    assert!(queue.nothing_is_due());
    queue.clock.advance(wait);
    let third = queue.next(1).await.pop().unwrap();
    assert!(third.job.call.attempts.is_empty(), "none was begun");
    third.lease.release(wait);
    // Released or not, it can be cancelled, and then nothing is left of it.
    queue.queue.calls.cancel(&id).await.unwrap();
    assert!(queue.next(9).await.is_empty());
}

pub(in crate::queue) async fn attempt_whose_lease_is_dropped_is_due_again_and_does_not_count(
    queue: Fixture,
) {
    let id = queue.accept(record("a")).await.unwrap().id;
    drop(queue.begin().await);
    let begun = queue.begin().await;
    assert_eq!((begun.lease.id(), begun.number), (&id, 2));
    let view = queue.view(&id).await;
    assert_eq!((view.call.tries, view.call.attempts.len()), (1, 2));
    assert!(view.call.attempts[0].error.starts_with("interrupted"));
    begun.end(answer(200), queue.now()).await.unwrap();
    assert_eq!(queue.state(&id).await, "succeeded");
}

pub(in crate::queue) async fn stale_lease_settles_nothing_and_says_so(queue: Fixture) {
    let id = queue.accept(record("a")).await.unwrap().id;
    let calls = &queue.queue.calls;
    let stale = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::Stale { .. })), "{result:?}");
    };
    // Cancelled under way.
    let cancelled = queue.begin().await;
    calls.cancel(&id).await.unwrap();
    stale(cancelled.end(answer(200), queue.now()).await);
    assert_eq!(queue.state(&id).await, "cancelled");
    // Replayed, and given to another.
    calls.replay(&id).await.unwrap();
    let old = queue.begin().await;
    calls.cancel(&id).await.unwrap();
    calls.replay(&id).await.unwrap();
    let new = queue.begin().await;
    assert!(new.lease.epoch() > old.lease.epoch());
    stale(old.end(failed("late"), queue.now()).await);
    assert_eq!(queue.state(&id).await, "running");
    // One that isn't begun yet, too.
    calls.cancel(&id).await.unwrap();
    stale(new.end(answer(200), queue.now()).await);
    calls.replay(&id).await.unwrap();
    let waiting = queue.next(1).await.pop().unwrap();
    calls.cancel(&id).await.unwrap();
    stale(queue.begin_with(waiting).await.map(drop));
    assert_eq!(queue.state(&id).await, "cancelled");
    assert!(queue.next(9).await.is_empty());
}

pub(in crate::queue) async fn call_under_way_is_adopted_as_a_begun_delivery(queue: Fixture) {
    let (work, calls) = (&queue.queue.work, &queue.queue.calls);
    let adopted = work
        .adopt(admitted(record("a")), &AsyncPolicy::DEFAULT)
        .await
        .unwrap();
    let id = adopted.lease.id().clone();
    assert_eq!(queue.state(&id).await, "running");
    assert_eq!(queue.view(&id).await.call, adopted.job.call);
    assert!(queue.nothing_is_due());
    let begun = super::fixture::Begun {
        lease: adopted.lease,
        call: adopted.job.call,
        number: 1,
    };
    begun.end(answer(200), queue.now()).await.unwrap();
    assert_eq!(calls.result(&id).await.unwrap().status, 200);
    // One whose exchange is lost is attempted again.
    let lost = work
        .adopt(admitted(record("b")), &AsyncPolicy::DEFAULT)
        .await
        .unwrap();
    let id = lost.lease.id().clone();
    drop(lost);
    let begun = queue.begin().await;
    assert_eq!((begun.lease.id(), begun.number), (&id, 2));
}

pub(in crate::queue) async fn call_that_was_under_way_first_keeps_its_key(queue: Fixture) {
    let (inbox, work) = (&queue.queue.inbox, &queue.queue.work);
    let name = keyed("0", "k", 1).key_name().unwrap();
    assert_eq!(inbox.find(&name).await, Ok(None));
    let adopted = work
        .adopt(admitted(keyed("0", "k", 1)), &AsyncPolicy::DEFAULT)
        .await;
    let adopted = adopted.unwrap();
    let id = adopted.lease.id().clone();
    let known = inbox.find(&name).await.unwrap().unwrap();
    assert_eq!((known.digest, known.begun), ([1; 32], true));
    assert_eq!(known.accepted.id, id);
    let again = queue.accept(keyed("0", "k", 1)).await.unwrap();
    assert!(again.replayed && again.id == id);
    // Two that were sent at once are two; the second stays its caller's.
    let second = work
        .adopt(admitted(keyed("0", "k", 1)), &AsyncPolicy::DEFAULT)
        .await;
    assert_eq!(second.unwrap_err(), Error::IdempotencyTaken(id.to_string()));
    let conflict = known.for_same(&[2; 32]);
    assert_eq!(conflict, Err(Error::IdempotencyConflict));
    let begun = super::fixture::Begun {
        lease: adopted.lease,
        call: adopted.job.call,
        number: 1,
    };
    begun.end(answer(200), queue.now()).await.unwrap();
    let known = inbox.find(&name).await.unwrap().unwrap();
    assert_eq!(known.accepted.id, id);
}
