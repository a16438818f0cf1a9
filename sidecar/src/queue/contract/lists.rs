//! Which calls a list finds.

use std::time::Duration;

use gateless_common::header::TRIGGER;

use super::fixture::{Fixture, START, answer, function, keyed, record};
use crate::queue::filter::{Cause, Filter, Status, Which};
use crate::queue::types::{CallId, Record};

/// One a second: a caller's, one with a key, and two triggers'; each is answered.
async fn made(queue: &Fixture) -> Vec<CallId> {
    let by_trigger = |name: &'static str| {
        let mut record = record("tick");
        let name = bytes::Bytes::from_static(name.as_bytes());
        record.headers.push((TRIGGER.as_str().to_owned(), name));
        record
    };
    let made: [(Record, u16); 4] = [
        (record("a"), 200),
        (keyed("b", "order-7", 1), 404),
        (by_trigger("nightly"), 409),
        (by_trigger("hourly"), 201),
    ];
    let mut ids = Vec::new();
    for (record, status) in made {
        ids.push(queue.accept(record).await.unwrap().id);
        let begun = queue.begin().await;
        begun.end(answer(status), queue.now()).await.unwrap();
        queue.clock.advance(Duration::from_secs(1));
    }
    ids
}

fn all() -> Filter {
    Filter {
        namespace: "default".into(),
        limit: 100,
        ..Filter::default()
    }
}

fn cause(cause: Cause) -> Filter {
    let cause = Some(cause);
    let which = Which {
        cause,
        ..Which::default()
    };
    Filter { which, ..all() }
}

pub(in crate::queue) async fn calls_are_found_by_what_is_asked_of_them(queue: Fixture) {
    let ids = made(&queue).await;
    let calls = &queue.queue.calls;
    let check = async |filter: Filter, expected: &[usize]| {
        let page = calls.list(filter.clone()).await.unwrap();
        let found: Vec<CallId> = page.calls.into_iter().map(|call| call.id).collect();
        let expected: Vec<CallId> = expected.iter().map(|n| ids[*n].clone()).collect();
        assert_eq!(found, expected, "{filter:?}");
        assert_eq!(page.scanned_to, None, "{filter:?}");
    };
    let status = |status| Filter {
        which: Which {
            status: Some(status),
            ..Which::default()
        },
        ..all()
    };
    check(all(), &[3, 2, 1, 0]).await;
    check(status(Status::Class(4)), &[2, 1]).await;
    check(status(Status::Is(409)), &[2]).await;
    check(cause(Cause::Caller), &[1, 0]).await;
    check(cause(Cause::AnyTrigger), &[3, 2]).await;
    check(cause(Cause::Trigger("hourly".into())), &[3]).await;
    let key = Which {
        key: Some("order-7".into()),
        ..Which::default()
    };
    let keyed = Filter {
        which: key,
        ..all()
    };
    check(keyed, &[1]).await;
    let second = |n: u64| START.as_nanos() / 1_000_000 + n * 1000;
    let between = |from, to| Filter {
        since_ms: second(from),
        until_ms: second(to),
        ..all()
    };
    check(between(1, 3), &[2, 1]).await;
    check(between(3, 1), &[]).await;
    let of_function = Filter {
        function: Some(function()),
        states: vec!["succeeded".into()],
        ..between(1, 3)
    };
    check(of_function, &[2, 1]).await;
}

pub(in crate::queue) async fn a_list_goes_on_where_a_page_ended(queue: Fixture) {
    let ids = made(&queue).await;
    let calls = &queue.queue.calls;
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let filter = Filter {
            limit: 1,
            before,
            ..cause(Cause::AnyTrigger)
        };
        let page = calls.list(filter).await.unwrap();
        found.extend(page.calls.into_iter().map(|call| call.id));
        before = page.scanned_to;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(found, [ids[3].clone(), ids[2].clone()]);
}

pub(in crate::queue) async fn a_call_is_shown_as_it_was_made(queue: Fixture) {
    let ids = made(&queue).await;
    let made = queue.queue.calls.request(&ids[1]).await.unwrap();
    assert_eq!((&*made.body, made.method.as_str()), (&b"b"[..], "POST"));
    assert_eq!(made.headers, [("content-type".into(), "text/plain".into())]);
    assert_eq!(queue.view(&ids[3]).await.trigger.as_deref(), Some("hourly"));
}
