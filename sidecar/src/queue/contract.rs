//! What every engine behind [`Inbox`](super::Inbox), [`Work`](super::Work) and [`Calls`](super::Calls) must do;
//! each engine runs this very suite.
//!
//! It does not test durability and an engine's own bounds: those are tested beside it.

mod callbacks;
pub(super) mod fixture;
mod inbox;
mod leases;
mod lists;

use gateless_common::problem::Code;
use gateless_core::config::AsyncPolicy;
use std::collections::HashSet;
use std::time::Duration;

use gateless_core::call::State;
use gateless_core::name::NodeId;

pub(super) use self::callbacks::*;
use self::fixture::{Fixture, NODE, answer, dead_letters, failed, function, of, record};
pub(super) use self::inbox::*;
pub(super) use self::leases::*;
pub(super) use self::lists::*;
use super::calls::Location;
use super::filter::Filter;
use super::types::CallId;

/// Runs the suite against the queues `$make` makes.
macro_rules! contract_tests {
    ($module:ident, $make:path) => {
        mod $module {
            $crate::queue::contract::contract_tests!(@each $make:
                accepted_call_is_delivered_and_its_result_kept,
                calls_are_given_out_in_the_order_they_came,
                waiting_for_work_ends_when_there_is_some,
                functions_with_calls_are_found_unless_they_are_served,
                retry_becomes_due_when_its_time_comes,
                cancelling_stops_the_attempt_under_way,
                dead_letters_are_listed_replayed_and_purged,
                history_is_purged_and_nothing_else,
                calls_are_found_by_what_is_asked_of_them,
                a_list_goes_on_where_a_page_ended,
                a_call_is_shown_as_it_was_made,
                calls_of_a_deleted_function_die_unless_they_are_under_way,
                a_call_is_located_by_its_id,
                finished_calls_are_forgotten_when_their_time_is_over,
                depths_count_each_state,
                delivery_that_is_dropped_or_released_comes_back,
                attempt_whose_lease_is_dropped_is_due_again_and_does_not_count,
                stale_lease_settles_nothing_and_says_so,
                call_under_way_is_adopted_as_a_begun_delivery,
                call_that_was_under_way_first_keeps_its_key,
                several_calls_are_taken_in_together,
                of_several_calls_none_is_taken_when_one_is_refused,
                of_several_calls_those_known_are_the_calls_they_were,
                same_key_is_the_same_call_and_another_body_is_refused,
                full_function_is_refused_by_name,
                callback_is_due_once_its_call_is_finished,
                callback_that_is_released_or_fails_is_due_again_later,
                callback_of_a_replayed_call_is_stale,
                cancelled_call_makes_no_callback,
            );
        }
    };
    (@each $make:path: $($name:ident,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                $crate::queue::contract::$name($make()).await;
            }
        )*
    };
}
pub(super) use contract_tests;

contract_tests!(local, super::Fixture::local);
contract_tests!(memory, super::Fixture::memory);

pub(super) async fn accepted_call_is_delivered_and_its_result_kept(queue: Fixture) {
    let id = queue.accept(record("body")).await.unwrap().id;
    let calls = &queue.queue.calls;
    assert_eq!(queue.state(&id).await, "queued");
    let mut deliveries = queue.next(9).await;
    assert!(queue.nothing_is_due(), "given out once");
    let delivery = deliveries.pop().unwrap();
    assert!(deliveries.is_empty());
    assert_eq!(delivery.lease.id(), &id);
    assert_eq!(delivery.job.record, Ok(record("body")));
    let begun = queue.begin_with(delivery).await.unwrap();
    assert_eq!(begun.number, 1);
    assert_eq!(queue.state(&id).await, "running");
    let early = calls.result(&id).await.unwrap_err();
    assert_eq!(early.code(), Code::CallNotFinished);
    begun.end(answer(201), queue.now()).await.unwrap();
    let result = calls.result(&id).await.unwrap();
    assert_eq!((result.status, &result.body[..]), (201, &b"made"[..]));
    let view = queue.view(&id).await;
    assert_eq!((view.status, view.result_bytes), (Some(201), 4));
    assert!(queue.next(9).await.is_empty(), "every call is finished");
}

pub(super) async fn history_is_purged_and_nothing_else(queue: Fixture) {
    let calls = &queue.queue.calls;
    let dead = queue.dead("dead").await;
    let done = queue.accept(record("done")).await.unwrap().id;
    queue
        .begin()
        .await
        .end(answer(200), queue.now())
        .await
        .unwrap();
    let cancelled = queue.accept(record("off")).await.unwrap().id;
    calls.cancel(&cancelled).await.unwrap();
    let other = queue.accept(of("b", "other")).await.unwrap().id;
    calls.cancel(&other).await.unwrap();
    let waits = queue.accept(record("waits")).await.unwrap().id;
    assert_eq!(calls.purge_history(&function()).await, Ok(2));
    for (id, state) in [
        (&dead, "dead"),
        (&done, "unknown"),
        (&cancelled, "unknown"),
        (&other, "cancelled"),
        (&waits, "queued"),
    ] {
        assert_eq!(queue.state(id).await, state);
    }
    assert_eq!(calls.purge_history(&function()).await, Ok(0));
}

pub(super) async fn calls_are_given_out_in_the_order_they_came(queue: Fixture) {
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(queue.accept(record("x")).await.unwrap().id);
        queue.clock.advance(Duration::from_nanos(300));
    }
    let (first, rest) = (queue.next(5).await, queue.next(99).await);
    let given = first.iter().chain(&rest).map(|d| d.lease.id().clone());
    assert_eq!((first.len(), given.collect::<Vec<_>>()), (5, ids));
}

pub(super) async fn waiting_for_work_ends_when_there_is_some(queue: Fixture) {
    // Open, so that there is something to wait for.
    let first = queue.accept(record("a")).await.unwrap().id;
    let begun = queue.begin().await;
    let function = function();
    let mut next = queue.queue.work.next(&function, 9);
    assert!(futures_util::poll!(&mut next).is_pending());
    let second = queue.accept(record("b")).await.unwrap().id;
    let given = next.await.unwrap();
    assert_eq!(given[0].lease.id(), &second);
    drop(given);
    // A retry is waited for as well, by the clock.
    queue.queue.calls.cancel(&second).await.unwrap();
    let mut next = queue.queue.work.next(&function, 9);
    assert!(futures_util::poll!(&mut next).is_pending());
    begun.end(answer(503), queue.now()).await.unwrap();
    assert!(futures_util::poll!(&mut next).is_pending());
    queue.clock.advance(AsyncPolicy::DEFAULT.backoff_max);
    let given = next.await.unwrap();
    assert_eq!(given[0].lease.id(), &first);
    // And that nothing is left to wait for.
    let mut next = queue.queue.work.next(&function, 9);
    assert!(futures_util::poll!(&mut next).is_pending());
    queue.queue.calls.cancel(&first).await.unwrap();
    assert!(next.await.unwrap().is_empty());
    drop(given);
}

pub(super) async fn functions_with_calls_are_found_unless_they_are_served(queue: Fixture) {
    let (work, none) = (&queue.queue.work, HashSet::new());
    let mut found = work.functions(&none);
    assert!(futures_util::poll!(&mut found).is_pending());
    let a = queue.accept(of("a", "1")).await.unwrap().id;
    let a_name = of("a", "").function;
    assert_eq!(found.await, std::slice::from_ref(&a_name));
    let served = HashSet::from([a_name.clone()]);
    let mut found = work.functions(&served);
    assert!(futures_util::poll!(&mut found).is_pending());
    queue.accept(of("a", "2")).await.unwrap();
    queue.accept(of("b", "1")).await.unwrap();
    assert_eq!(found.await, [of("b", "").function]);
    queue.queue.calls.cancel(&a).await.unwrap();
    let mut both = work.functions(&none).await;
    both.sort();
    assert_eq!(both, [a_name, of("b", "").function]);
}

pub(super) async fn retry_becomes_due_when_its_time_comes(queue: Fixture) {
    let id = queue.accept(record("a")).await.unwrap().id;
    let wait = Duration::from_secs(7);
    let mut ended = answer(503);
    if let super::types::Ended::Answered { retry_after, .. } = &mut ended {
        *retry_after = Some(wait);
    }
    queue.begin().await.end(ended, queue.now()).await.unwrap();
    let view = queue.view(&id).await;
    assert_eq!(view.call.next_deadline(), Some(queue.now() + wait));
    assert_eq!(view.status, None, "no result");
    assert!(queue.nothing_is_due());
    queue.clock.advance(wait);
    let begun = queue.begin().await;
    assert_eq!((begun.lease.id(), begun.number), (&id, 2));
}

pub(super) async fn cancelling_stops_the_attempt_under_way(queue: Fixture) {
    let id = queue.accept(record("a")).await.unwrap().id;
    let begun = queue.begin().await;
    let calls = &queue.queue.calls;
    let view = calls.cancel(&id).await.unwrap();
    begun.lease.cancelled().cancelled().await;
    assert!(matches!(view.call.state, State::Cancelled(_)));
    let again = calls.cancel(&id).await.unwrap_err();
    assert_eq!(again.code(), Code::CallStateConflict);
    let result = calls.result(&id).await.unwrap_err();
    assert_eq!(result.code(), Code::CallHasNoResult);
}

pub(super) async fn dead_letters_are_listed_replayed_and_purged(queue: Fixture) {
    let calls = &queue.queue.calls;
    let mut ids = Vec::new();
    for body in ["a", "b", "c"] {
        ids.push(queue.dead(body).await);
        queue.clock.advance(Duration::from_millis(1));
    }
    let page = calls.list(dead_letters(2)).await.unwrap();
    assert_eq!(
        page.scanned_to.as_ref(),
        Some(&ids[1]),
        "older ones were not looked at"
    );
    let page: Vec<CallId> = page.calls.into_iter().map(|v| v.id).collect();
    assert_eq!(page, [ids[2].clone(), ids[1].clone()], "newest first");
    let rest = Filter {
        before: page.last().cloned(),
        ..dead_letters(2)
    };
    let rest = calls.list(rest).await.unwrap();
    assert_eq!(rest.scanned_to, None);
    let rest = rest.calls;
    assert_eq!(rest[0].reason(), "not_retryable: boom");
    assert_eq!((rest.len(), &rest[0].id), (1, &ids[0]));

    calls.replay(&ids[0]).await.unwrap();
    assert_eq!(queue.state(&ids[0]).await, "queued");
    assert_eq!(calls.replay_dead(&function()).await, Ok(2));
    assert_eq!(calls.depths()[0].queued, 3);
    for _ in 0..3 {
        let begun = queue.begin().await;
        assert_eq!(begun.number, 2);
        begun.end(failed("again"), queue.now()).await.unwrap();
    }
    assert_eq!(calls.purge_dead(&function()).await, Ok(3));
    assert_eq!(queue.state(&ids[0]).await, "unknown");
    assert!(calls.depths().is_empty());
}

pub(super) async fn calls_of_a_deleted_function_die_unless_they_are_under_way(queue: Fixture) {
    let running = queue.accept(record("a")).await.unwrap().id;
    let begun = queue.begin().await;
    let waiting = queue.accept(record("b")).await.unwrap().id;
    let other = queue.accept(of("other", "c")).await.unwrap().id;
    let calls = &queue.queue.calls;
    assert_eq!(calls.function_deleted(&function()).await, Ok(1));
    assert_eq!(queue.view(&waiting).await.reason(), "function_deleted");
    assert_eq!(queue.state(&running).await, "running");
    assert_eq!(queue.state(&other).await, "queued");
    begun.end(answer(200), queue.now()).await.unwrap();
    assert_eq!(queue.state(&running).await, "succeeded");
}

pub(super) async fn a_call_is_located_by_its_id(queue: Fixture) {
    let here = queue.accept(record("a")).await.unwrap().id;
    let calls = &queue.queue.calls;
    assert_eq!(calls.locate(&here), Location::Here);
    let text = here.to_string().replace(NODE, "deadbeef");
    let there = CallId::parse(&text).unwrap();
    let other = Location::Sidecar(NodeId::new("deadbeef"));
    assert_eq!(calls.locate(&there), other);
    assert_eq!(
        calls.get(&there).await.unwrap_err().code(),
        Code::CallNotFound
    );
}

pub(super) async fn finished_calls_are_forgotten_when_their_time_is_over(queue: Fixture) {
    let id = queue.accept(record("a")).await.unwrap().id;
    let begun = queue.begin().await;
    begun.end(answer(200), queue.now()).await.unwrap();
    queue.clock.advance(AsyncPolicy::DEFAULT.result_ttl / 2);
    assert_eq!(queue.state(&id).await, "succeeded");
    queue.clock.advance(AsyncPolicy::DEFAULT.result_ttl);
    let forgotten = async || queue.state(&id).await == "unknown";
    queue.until(forgotten).await;
}

pub(super) async fn depths_count_each_state(queue: Fixture) {
    queue.dead("a").await;
    queue.accept(record("b")).await.unwrap();
    let retrying = queue.begin().await;
    retrying.end(answer(500), queue.now()).await.unwrap();
    queue.accept(record("c")).await.unwrap();
    let _running = queue.begin().await;
    queue.accept(record("d")).await.unwrap();
    let age = Duration::from_millis(1);
    queue.clock.advance(age);
    let depth = queue.queue.calls.depths().pop().unwrap();
    let states = (depth.queued, depth.running, depth.retrying, depth.dead);
    assert_eq!(states, (1, 1, 1, 1));
    queue.clock.advance(AsyncPolicy::DEFAULT.backoff_max);
    let depth = queue.queue.calls.depths().pop().unwrap();
    assert_eq!(
        (depth.due, depth.oldest),
        (2, age + AsyncPolicy::DEFAULT.backoff_max)
    );
}
