//! The local queue by itself: durability, bounds, idempotency, order, replay, recovery.

use bytes::Bytes;
use gateless_core::call::State;

use gateless_core::time::Time;

use super::*;
use crate::queue::Source;
use crate::queue::clock::Manual;
use crate::queue::types::{CallbackState, Idempotency, Started};

const START: Time = Time::from_millis(1_800_000_000_000);

pub(in crate::queue) struct Fixture {
    pub(in crate::queue) queue: Local,
    pub(in crate::queue) clock: Manual,
    folder: tempfile::TempDir,
}

pub(in crate::queue) fn function() -> FunctionName {
    FunctionName::new("default", "hello").unwrap()
}

pub(in crate::queue) fn record(body: &'static str) -> Record {
    Record {
        function: function(),
        method: "POST".into(),
        path: "/work?x=1".into(),
        headers: vec![("content-type".into(), "text/plain".into())],
        body: body.into(),
        callback: None,
        idempotency: None,
    }
}

pub(in crate::queue) fn answer(status: u16) -> Ended {
    Ended::Answered {
        answer: CallResult {
            status,
            headers: vec![("etag".into(), "x".into())],
            body: "made".into(),
            truncated: false,
        },
        retry_after: None,
    }
}

impl Fixture {
    pub(in crate::queue) fn new(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Manual::new(START);
        let mut config = Config::new(folder.path().join("queue"), NodeId::new("0badcafe"));
        config.clock = Clock::Manual(clock.clone());
        change(&mut config);
        Self {
            queue: Local::open(config).unwrap(),
            clock,
            folder,
        }
    }

    /// Closes and opens it, as a restart does.
    async fn restart(&mut self) {
        let config = self.queue.config().clone();
        self.queue.close().await;
        self.queue = Local::open(config).unwrap();
    }

    async fn accept(&self, record: Record) -> Result<Accepted, Error> {
        self.queue.accept(record, &DEFAULT_POLICY).await
    }

    async fn start(&self) -> CallId {
        let id = self.queue.claim(&function(), 1).pop().unwrap();
        let started = self.queue.start(&id, &DEFAULT_POLICY).await.unwrap();
        assert!(matches!(started, Started::Attempt(_)), "{started:?}");
        id
    }

    async fn state(&self, id: &CallId) -> &'static str {
        self.queue
            .get(id)
            .await
            .map_or("unknown", |v| v.call.state.as_str())
    }

    /// A call that failed for good.
    async fn dead(&self, body: &'static str) -> CallId {
        let accepted = self.accept(record(body)).await.unwrap();
        self.start().await;
        let error = "boom".to_owned();
        let ended = Ended::Failed {
            retryable: false,
            error,
        };
        self.queue
            .finish(&accepted.id, ended, &DEFAULT_POLICY)
            .await
            .unwrap();
        accepted.id
    }
}

#[tokio::test]
async fn accepted_call_is_delivered_and_its_result_kept() {
    let fixture = Fixture::new(|_| {});
    let id = fixture.accept(record("body")).await.unwrap().id;
    let claimed = fixture.queue.claim(&function(), 9);
    assert_eq!(claimed, std::slice::from_ref(&id));
    assert!(
        fixture.queue.claim(&function(), 9).is_empty(),
        "given out once"
    );
    let Started::Attempt(attempt) = fixture.queue.start(&id, &DEFAULT_POLICY).await.unwrap() else {
        panic!("no attempt");
    };
    assert_eq!((attempt.number, attempt.accepted_at), (1, START));
    assert_eq!(attempt.record, record("body"));
    let early = fixture.queue.result(&id).await.unwrap_err();
    assert_eq!(early.code(), "call_not_finished");
    fixture
        .queue
        .finish(&id, answer(201), &DEFAULT_POLICY)
        .await
        .unwrap();
    let result = fixture.queue.result(&id).await.unwrap();
    assert_eq!((result.status, &result.body[..]), (201, &b"made"[..]));
    let late = fixture
        .queue
        .finish(&id, answer(200), &DEFAULT_POLICY)
        .await
        .unwrap_err();
    assert_eq!(late.code(), "call_state_conflict");
}

#[tokio::test]
#[allow(
    clippy::await_holding_lock,
    reason = "the writer thread is to stand still meanwhile"
)]
async fn nothing_is_answered_before_it_is_on_disk() {
    let fixture = Fixture::new(|_| {});
    let hold = fixture.queue.shared.hold_commits.clone();
    let held = hold.lock();
    let mut accept = std::pin::pin!(fixture.accept(record("a")));
    // The writer has taken it in and stands before the commit.
    while fixture.queue.depths().is_empty() {
        assert!(futures_util::poll!(&mut accept).is_pending());
        tokio::task::yield_now().await;
    }
    assert!(futures_util::poll!(&mut accept).is_pending());
    let id = fixture.queue.claim(&function(), 1).pop().unwrap();
    assert_eq!(fixture.state(&id).await, "unknown");
    drop(held);
    assert_eq!(accept.await.unwrap().id, id);
}

#[tokio::test]
async fn calls_are_given_out_in_the_order_they_came() {
    let fixture = Fixture::new(|_| {});
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(fixture.accept(record("x")).await.unwrap().id);
        fixture.clock.advance(Duration::from_nanos(300));
    }
    assert_eq!(fixture.queue.claim(&function(), 5), ids[..5]);
    assert_eq!(fixture.queue.claim(&function(), 99), ids[5..]);
}

#[tokio::test]
async fn restart_keeps_calls_and_retries_those_that_ran() {
    let mut fixture = Fixture::new(|_| {});
    let running = fixture.accept(record("a")).await.unwrap().id;
    assert_eq!(fixture.start().await, running);
    let dead = fixture.accept(record("c")).await.unwrap().id;
    assert_eq!(fixture.queue.function_deleted(&function()).await, Ok(1));
    let queued = fixture.accept(record("b")).await.unwrap().id;
    fixture.restart().await;
    assert_eq!(fixture.state(&running).await, "retrying");
    assert_eq!(fixture.state(&queued).await, "queued");
    assert_eq!(fixture.state(&dead).await, "dead");
    let depth = fixture.queue.depths().pop().unwrap();
    assert_eq!(
        (depth.queued, depth.retrying, depth.dead, depth.due),
        (1, 1, 1, 2)
    );
    assert_eq!(fixture.queue.claim(&function(), 9).len(), 2);
    let view = fixture.queue.get(&running).await.unwrap();
    assert_eq!(view.call.tries, 1, "the lost attempt counts");
}

#[tokio::test]
async fn retry_becomes_due_when_its_time_comes() {
    let fixture = Fixture::new(|_| {});
    let id = fixture.accept(record("a")).await.unwrap().id;
    fixture.start().await;
    let ended = Ended::Answered {
        answer: CallResult {
            status: 503,
            headers: vec![],
            body: Bytes::new(),
            truncated: false,
        },
        retry_after: Some(Duration::from_secs(7)),
    };
    fixture
        .queue
        .finish(&id, ended, &DEFAULT_POLICY)
        .await
        .unwrap();
    let due = fixture.queue.next_due(&function()).unwrap();
    assert_eq!(due, START + Duration::from_secs(7));
    assert!(fixture.queue.claim(&function(), 1).is_empty());
    fixture.clock.advance(Duration::from_secs(7));
    assert_eq!(fixture.queue.claim(&function(), 1), [id]);
}

#[tokio::test]
async fn same_key_is_the_same_call_and_another_body_is_refused() {
    let mut fixture = Fixture::new(|_| {});
    let keyed = |digest| Record {
        idempotency: Some(Idempotency {
            key: "k".into(),
            digest: [digest; 32],
        }),
        ..record("a")
    };
    let (one, two) = tokio::join!(fixture.accept(keyed(1)), fixture.accept(keyed(1)));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.id, two.id);
    assert!(one.replayed != two.replayed);
    fixture.restart().await;
    assert!(fixture.accept(keyed(1)).await.unwrap().replayed);
    let other = fixture.accept(keyed(2)).await.unwrap_err();
    assert_eq!(other.code(), "idempotency_key_reused");
    // Once the result is forgotten the key is free.
    fixture.queue.claim(&function(), 1);
    fixture.queue.cancel(&one.id).await.unwrap();
    fixture.clock.advance(DEFAULT_POLICY.result_ttl);
    assert_eq!(fixture.queue.sweep().await, Ok(None));
    assert!(!fixture.accept(keyed(2)).await.unwrap().replayed);
}

#[tokio::test]
async fn every_bound_is_refused_by_name() {
    let check = async |change: fn(&mut Config), policy: AsyncPolicy, expected: &str| {
        let fixture = Fixture::new(change);
        fixture
            .queue
            .accept(record("first"), &policy)
            .await
            .unwrap();
        let error = fixture
            .queue
            .accept(record("second"), &policy)
            .await
            .unwrap_err();
        assert_eq!(error.code(), "queue_full");
        assert!(error.to_string().contains(expected), "{error}");
    };
    let one = AsyncPolicy {
        max_queued: 1,
        ..DEFAULT_POLICY
    };
    check(|_| {}, one, "async.max_queued").await;
    check(|c| c.max_open = 1, DEFAULT_POLICY, "queue.max_open").await;
    check(|c| c.max_bytes = 1000, DEFAULT_POLICY, "queue.max_bytes").await;

    let fixture = Fixture::new(|c| c.max_body = 3);
    let error = fixture.accept(record("four")).await.unwrap_err();
    assert_eq!(error.code(), "body_too_large");
    let fixture = Fixture::new(|c| c.min_free_bytes = u64::MAX);
    let error = fixture.accept(record("four")).await.unwrap_err();
    assert_eq!(error.code(), "queue_unavailable");
}

#[tokio::test]
async fn cancelling_stops_the_attempt_under_way() {
    let fixture = Fixture::new(|_| {});
    let id = fixture.accept(record("a")).await.unwrap().id;
    fixture.queue.claim(&function(), 1);
    let Started::Attempt(attempt) = fixture.queue.start(&id, &DEFAULT_POLICY).await.unwrap() else {
        panic!("no attempt");
    };
    let view = fixture.queue.cancel(&id).await.unwrap();
    attempt.cancelled.cancelled().await;
    assert!(matches!(view.call.state, State::Cancelled(_)));
    assert_eq!(
        fixture.queue.cancel(&id).await.unwrap_err().code(),
        "call_state_conflict"
    );
    assert_eq!(
        fixture.queue.result(&id).await.unwrap_err().code(),
        "call_has_no_result"
    );
}

#[tokio::test]
async fn dead_letters_are_listed_replayed_and_purged() {
    let mut fixture = Fixture::new(|_| {});
    let mut ids = Vec::new();
    for body in ["a", "b", "c"] {
        ids.push(fixture.dead(body).await);
        fixture.clock.advance(Duration::from_millis(1));
    }
    let filter = Filter {
        namespace: "default".into(),
        function: None,
        states: vec!["dead".into()],
        limit: 2,
        before: None,
    };
    let page = fixture.queue.list(filter.clone()).await.unwrap();
    let page: Vec<_> = page.into_iter().map(|v| v.id).collect();
    assert_eq!(page, [ids[2].clone(), ids[1].clone()], "newest first");
    let before = page.last().cloned();
    let rest = fixture
        .queue
        .list(Filter {
            before,
            ..filter.clone()
        })
        .await
        .unwrap();
    assert_eq!(rest[0].reason(), "not_retryable: boom");
    assert_eq!(rest.len(), 1);

    fixture.queue.replay(&ids[0]).await.unwrap();
    assert_eq!(fixture.state(&ids[0]).await, "queued");
    assert_eq!(fixture.queue.replay_dead(&function()).await, Ok(2));
    assert_eq!(fixture.queue.depths()[0].queued, 3);
    for _ in 0..3 {
        let id = fixture.start().await;
        let ended = Ended::Failed {
            retryable: false,
            error: "again".into(),
        };
        fixture
            .queue
            .finish(&id, ended, &DEFAULT_POLICY)
            .await
            .unwrap();
    }
    fixture.restart().await;
    assert_eq!(fixture.queue.purge_dead(&function()).await, Ok(3));
    assert_eq!(fixture.state(&ids[0]).await, "unknown");
    assert!(fixture.queue.depths().is_empty());
    assert_eq!(
        fixture.queue.shared.index.lock().stored,
        0,
        "nothing is left"
    );
    drop(fixture.folder);
}

#[tokio::test]
async fn results_are_forgotten_after_their_time_but_not_before_the_callback() {
    let fixture = Fixture::new(|_| {});
    let plain = fixture.accept(record("a")).await.unwrap().id;
    let called = Record {
        callback: Some("http://x/".into()),
        ..record("b")
    };
    let called = fixture.accept(called).await.unwrap().id;
    for _ in 0..2 {
        let id = fixture.start().await;
        fixture
            .queue
            .finish(&id, answer(200), &DEFAULT_POLICY)
            .await
            .unwrap();
    }
    let next = fixture.queue.sweep().await.unwrap();
    assert_eq!(next, Some(START + DEFAULT_POLICY.result_ttl));
    fixture.clock.advance(DEFAULT_POLICY.result_ttl);
    fixture.queue.sweep().await.unwrap();
    assert_eq!(fixture.state(&plain).await, "unknown");
    assert_eq!(fixture.state(&called).await, "succeeded");
    let id = fixture.queue.claim_callbacks(9).pop().unwrap();
    let callback = fixture.queue.callback(&id).await.unwrap();
    assert_eq!((callback.url.as_str(), callback.attempt), ("http://x/", 1));
    fixture
        .queue
        .callback_done(&callback, true, true)
        .await
        .unwrap();
    let view = fixture.queue.get(&called).await.unwrap();
    assert_eq!(view.callback_state, CallbackState::Delivered);
    fixture.clock.advance(Duration::from_secs(60));
    assert_eq!(fixture.queue.sweep().await, Ok(None));
    assert_eq!(fixture.state(&called).await, "unknown");
    assert_eq!(fixture.queue.shared.index.lock().stored, 0);
}

#[tokio::test]
async fn pending_callbacks_survive_a_restart_and_are_given_up_in_the_end() {
    let mut fixture = Fixture::new(|_| {});
    let record = Record {
        callback: Some("http://x/".into()),
        ..record("b")
    };
    let id = fixture.accept(record).await.unwrap().id;
    fixture.start().await;
    fixture
        .queue
        .finish(&id, answer(200), &DEFAULT_POLICY)
        .await
        .unwrap();
    for attempt in 1..=10 {
        fixture.restart().await;
        let due = fixture.queue.next_callback().unwrap();
        let now = fixture.queue.clock().now();
        fixture.clock.advance(due.since(now));
        assert_eq!(fixture.queue.claim_callbacks(9), std::slice::from_ref(&id));
        let callback = fixture.queue.callback(&id).await.unwrap();
        assert_eq!(callback.attempt, attempt);
        fixture
            .queue
            .callback_done(&callback, false, true)
            .await
            .unwrap();
    }
    let view = fixture.queue.get(&id).await.unwrap();
    assert_eq!(view.callback_state, CallbackState::Failed);
    assert_eq!(fixture.queue.next_callback(), None);
}
mod many;
