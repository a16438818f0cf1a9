//! What only the local queue promises: durability, recovery, its own bounds, and that nothing is left behind.
//!
//! What every engine must do is in `contract`.

mod history;
mod released;

use gateless_common::problem::Code;
use gateless_core::call::callback::Next;
use gateless_core::config::AsyncPolicy;
use gateless_core::time::Time;

use super::*;
use crate::queue::Queue;
use crate::queue::calls::Calls;
use crate::queue::clock::{Machine, Manual, Reading, Steady};
use crate::queue::contract::fixture::{
    Fixture as Steps, NODE, START, admitted, answer, dead_letters, failed, function, keyed, of,
    record, with_callback, with_default,
};
use crate::queue::filter::Filter;
use crate::queue::lifecycle::{self, Begin};
use crate::queue::types::CallbackState;
use crate::queue::work::{Update, Work};

/// A local queue that can be restarted.
struct Fixture {
    queue: Local,
    steps: Steps,
    folder: tempfile::TempDir,
}

impl std::ops::Deref for Fixture {
    type Target = Steps;

    fn deref(&self) -> &Steps {
        &self.steps
    }
}

impl Fixture {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Manual::new(START);
        let mut config = Config::new(folder.path().join("queue"), NodeId::new(NODE));
        config.clock = Clock::Manual(clock.clone());
        change(&mut config);
        let queue = Local::open(config).unwrap();
        Self {
            steps: Steps::over(Queue::of(&queue), clock),
            queue,
            folder,
        }
    }

    /// Closes and opens it, as a restart does.
    async fn restart(&mut self) {
        let config = self.queue.config().clone();
        self.queue.close().await;
        self.queue = Local::open(config).unwrap();
        self.steps = Steps::over(Queue::of(&self.queue), self.steps.clock.clone());
    }

    /// Bytes of calls and results, finished or not.
    fn stored(&self) -> u64 {
        let index = self.queue.shared.index.lock();
        index.stored + index.kept.history + index.kept.dead_bytes
    }
}

#[tokio::test]
#[allow(
    clippy::await_holding_lock,
    reason = "the writer thread is to wait meanwhile"
)]
async fn nothing_is_answered_or_given_out_before_it_is_on_disk() {
    let fixture = Fixture::new(|_| {});
    let hold = fixture.queue.shared.hold_commits.clone();
    let held = hold.lock();
    let mut accept = std::pin::pin!(fixture.accept(record("a")));
    // The writer has taken it in and waits before the commit.
    while fixture.queue.depths().is_empty() {
        assert!(futures_util::poll!(&mut accept).is_pending());
        tokio::task::yield_now().await;
    }
    assert!(futures_util::poll!(&mut accept).is_pending());
    assert!(fixture.nothing_is_due());
    drop(held);
    let id = accept.await.unwrap().id;
    assert_eq!(fixture.next(1).await[0].lease.id(), &id);
}

#[tokio::test]
async fn restart_keeps_calls_and_retries_those_that_ran() {
    let mut fixture = Fixture::new(|_| {});
    let running = fixture.accept(record("a")).await.unwrap().id;
    let begun = fixture.begin().await;
    let (id, epoch) = (begun.lease.id().clone(), begun.lease.epoch());
    assert_eq!(id, running);
    let dead = fixture.accept(record("c")).await.unwrap().id;
    let calls = &fixture.steps.queue.calls;
    assert_eq!(calls.function_deleted(&function()).await, Ok(1));
    let queued = fixture.accept(record("b")).await.unwrap().id;
    // As in a kill: nobody gives its lease back.
    std::mem::forget(begun);
    fixture.restart().await;
    assert_eq!(fixture.state(&running).await, "retrying");
    assert_eq!(fixture.state(&queued).await, "queued");
    assert_eq!(fixture.state(&dead).await, "dead");
    let depth = fixture.queue.depths().pop().unwrap();
    assert_eq!(
        (depth.queued, depth.retrying, depth.dead, depth.due),
        (1, 1, 1, 2)
    );
    let view = fixture.view(&running).await;
    let call = &view.call;
    assert_eq!(
        (call.tries, call.interruptions),
        (0, 1),
        "nobody knows how it ended"
    );
    let again = fixture.next(9).await;
    let again = again.iter().find(|d| d.lease.id() == &running).unwrap();
    assert!(again.lease.epoch() > epoch, "epochs grow over restarts");
}

#[tokio::test]
async fn attempt_cut_off_by_the_close_is_made_again() {
    let mut fixture = Fixture::new(|_| {});
    let id = fixture.accept(record("a")).await.unwrap().id;
    drop(fixture.begin().await);
    fixture.restart().await;
    assert_eq!(fixture.begin().await.lease.id(), &id);
}

#[tokio::test]
async fn keys_survive_a_restart() {
    let mut fixture = Fixture::new(|_| {});
    let first = fixture.accept(keyed("a", "k", 1)).await.unwrap();
    fixture.restart().await;
    let again = fixture.accept(keyed("a", "k", 1)).await.unwrap();
    assert!(again.replayed && again.id == first.id);
    let other = fixture.accept(keyed("a", "k", 2)).await.unwrap_err();
    assert_eq!(other.code(), Code::IdempotencyKeyReused);
}

#[tokio::test]
async fn every_bound_is_refused_by_name() {
    let check = async |change: fn(&mut Config), policy: AsyncPolicy, expected: &str| {
        let fixture = Fixture::new(change);
        let inbox = &fixture.queue;
        inbox
            .accept(admitted(record("first")), &policy)
            .await
            .unwrap();
        let error = inbox
            .accept(admitted(record("second")), &policy)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::QueueFull);
        assert!(error.to_string().contains(expected), "{error}");
    };
    let one = AsyncPolicy {
        max_queued: 1,
        ..AsyncPolicy::DEFAULT
    };
    check(|_| {}, one, "async.max_queued").await;
    check(|c| c.max_open = 1, AsyncPolicy::DEFAULT, "queue.max_open").await;
    check(
        |c| c.max_bytes = 1000,
        AsyncPolicy::DEFAULT,
        "queue.max_bytes",
    )
    .await;

    let fixture = Fixture::new(|c| c.max_body = 3);
    let error = fixture.accept(record("four")).await.unwrap_err();
    assert_eq!(error.code(), Code::BodyTooLarge);
    let fixture = Fixture::new(|c| c.min_free_bytes = u64::MAX);
    let error = fixture.accept(record("four")).await.unwrap_err();
    assert_eq!(error.code(), Code::QueueUnavailable);
}

#[tokio::test]
async fn refused_call_under_way_leaves_no_lease_behind() {
    let fixture = Fixture::new(|c| c.max_open = 0);
    let adopted = fixture
        .queue
        .adopt(admitted(record("a")), &AsyncPolicy::DEFAULT)
        .await;
    assert_eq!(adopted.unwrap_err().code(), Code::QueueFull);
    assert!(fixture.queue.shared.index.lock().leases.is_empty());
}

#[tokio::test]
async fn of_several_calls_none_is_taken_when_a_bound_is_reached() {
    let check = async |change: fn(&mut Config), many: Vec<Record>, code: Code| {
        let fixture = Fixture::new(change);
        let error = fixture
            .queue
            .accept_many(with_default(many))
            .await
            .unwrap_err();
        assert_eq!(error.code(), code);
        assert!(fixture.queue.depths().is_empty());
        assert_eq!(fixture.stored(), 0);
        // What was refused left no key behind.
        assert!(!fixture.accept(keyed("x", "k", 9)).await.unwrap().replayed);
    };
    let many = vec![keyed("0", "k", 1), of("a", "1"), of("b", "2")];
    check(|c| c.max_open = 2, many.clone(), Code::QueueFull).await;
    check(|c| c.max_bytes = 1_500, many, Code::QueueFull).await;
    let many = vec![keyed("0", "k", 1), of("a", "much too long")];
    check(|c| c.max_body = 5, many, Code::BodyTooLarge).await;
}

#[tokio::test]
async fn purged_dead_letters_leave_nothing_behind() {
    let mut fixture = Fixture::new(|_| {});
    for body in ["a", "b", "c"] {
        fixture.dead(body).await;
    }
    fixture.restart().await;
    let calls = &fixture.steps.queue.calls;
    assert_eq!(calls.list(dead_letters(9)).await.unwrap().calls.len(), 3);
    assert_eq!(calls.replay_dead(&function()).await, Ok(3));
    for _ in 0..3 {
        let begun = fixture.begin().await;
        begun.end(failed("again"), fixture.now()).await.unwrap();
    }
    fixture.restart().await;
    let calls = &fixture.steps.queue.calls;
    assert_eq!(calls.purge_dead(&function()).await, Ok(3));
    assert!(calls.depths().is_empty());
    assert_eq!(fixture.stored(), 0, "nothing is left");
    let index = fixture.queue.shared.index.lock();
    assert!(index.leases.is_empty() && index.callback_leases.is_empty());
    drop(index);
    drop(fixture.folder);
}

#[tokio::test]
async fn results_are_forgotten_after_their_time_but_not_before_the_callback() {
    let fixture = Fixture::new(|_| {});
    let plain = fixture.accept(record("a")).await.unwrap().id;
    let called = fixture.accept(with_callback("b")).await.unwrap().id;
    for _ in 0..2 {
        let begun = fixture.begin().await;
        begun.end(answer(200), fixture.now()).await.unwrap();
    }
    let next = fixture.queue.sweep().await.unwrap();
    assert_eq!(next, Some(START + AsyncPolicy::DEFAULT.result_ttl));
    fixture.clock.advance(AsyncPolicy::DEFAULT.result_ttl);
    fixture.queue.sweep().await.unwrap();
    assert_eq!(fixture.state(&plain).await, "unknown");
    assert_eq!(fixture.state(&called).await, "succeeded");
    let callback = fixture.queue.next_callbacks(9).await.unwrap().pop();
    let delivered = Update::Callback(Next::Delivered, String::new());
    callback.unwrap().lease.settle(delivered).await.unwrap();
    let view = fixture.view(&called).await;
    assert_eq!(view.callback_state, CallbackState::Delivered);
    fixture.clock.advance(Duration::from_secs(60));
    assert_eq!(fixture.queue.sweep().await, Ok(None));
    assert_eq!(fixture.state(&called).await, "unknown");
    assert_eq!(fixture.stored(), 0);
}

#[tokio::test]
async fn pending_callbacks_survive_restarts() {
    let mut fixture = Fixture::new(|_| {});
    let id = fixture.accept(with_callback("b")).await.unwrap().id;
    let begun = fixture.begin().await;
    begun.end(answer(200), fixture.now()).await.unwrap();
    let wait = Duration::from_secs(5);
    for attempt in 1..=3 {
        fixture.restart().await;
        let callback = fixture.queue.next_callbacks(9).await.unwrap().pop();
        let callback = callback.unwrap();
        assert_eq!((&callback.job.id, callback.job.attempt), (&id, attempt));
        let at: Time = fixture.now() + wait;
        let again = Update::Callback(Next::Again(at), format!("attempt {attempt} failed"));
        callback.lease.settle(again).await.unwrap();
        fixture.clock.advance(wait);
    }
    let view = fixture.view(&id).await;
    assert_eq!(view.callback_state, CallbackState::Pending);
    assert_eq!(view.callback_error, "attempt 3 failed");
}

/// A machine whose clocks are set, and the queue on it.
struct Stepped {
    machine: Arc<Mutex<Reading>>,
    folder: tempfile::TempDir,
}

impl Stepped {
    fn open(&self) -> Local {
        let mut config = Config::new(self.folder.path().join("queue"), NodeId::new(NODE));
        config.clock = Clock::Steady(Steady::on(Machine::Fake(self.machine.clone())));
        Local::open(config).unwrap()
    }

    /// Time goes by, and the wall clock is set to another.
    fn step(&self, boot: &str, since_boot: u64, wall: Time) {
        *self.machine.lock() = Reading {
            boot: boot.into(),
            since_boot: Duration::from_secs(since_boot),
            wall,
        };
    }
}

/// Whether an attempt would be made of the one call there is, by its age.
async fn is_young(queue: &Local) -> bool {
    let delivery = queue.next(&function(), 1).await.unwrap().pop().unwrap();
    let now = queue.config().clock.now();
    let begun = lifecycle::begin(&delivery.job.call, now, &AsyncPolicy::DEFAULT).unwrap();
    matches!(begun, Begin::Attempt(..))
}

#[tokio::test]
async fn a_clock_that_is_set_makes_no_call_older_or_younger() {
    const HOUR: Duration = Duration::from_secs(3600);
    let reading = Reading {
        boot: "one".into(),
        since_boot: Duration::from_secs(100),
        wall: START + 3 * HOUR,
    };
    let stepped = Stepped {
        machine: Arc::new(Mutex::new(reading)),
        folder: tempfile::tempdir().unwrap(),
    };
    let queue = stepped.open();
    let policy = AsyncPolicy::DEFAULT;
    assert_eq!(policy.max_age, HOUR);
    let accepted = queue.accept(admitted(record("a")), &policy).await;
    let id = accepted.unwrap().id;
    let shown = async |queue: &Local| {
        let view = queue.get(&id).await.unwrap();
        crate::queue::wire::call(&view, None).accepted_at_ms
    };
    let millis = |time: Time| time.as_nanos() / 1_000_000;
    stepped.step("one", 101, START + 5 * HOUR);
    assert!(is_young(&queue).await, "two hours ahead");
    assert_eq!(shown(&queue).await, millis(START + 5 * HOUR) - 1000);
    let at = shown(&queue).await;
    for (since_ms, until_ms, found) in [(at, at + 1, 1), (at + 1, 0, 0), (0, at, 0), (0, 1, 0)] {
        let filter = Filter {
            namespace: function().namespace().to_owned(),
            limit: 9,
            since_ms,
            until_ms,
            ..Filter::default()
        };
        let page = queue.list(filter).await.unwrap();
        assert_eq!(page.calls.len(), found, "{since_ms} to {until_ms}");
    }
    stepped.step("one", 102, START);
    assert!(is_young(&queue).await, "three hours back: it is due still");
    assert_eq!(shown(&queue).await, millis(START) - 2000);
    queue.close().await;

    stepped.step("one", 200, START + 9 * HOUR);
    let queue = stepped.open();
    assert!(is_young(&queue).await, "another process, the same boot");
    queue.sweep().await.unwrap();
    queue.close().await;

    stepped.step("two", 5, START + 9 * HOUR + HOUR / 2);
    let queue = stepped.open();
    assert!(is_young(&queue).await, "half an hour off");
    queue.close().await;

    stepped.step("two", 5 + 3600, START);
    let queue = stepped.open();
    assert!(!is_young(&queue).await, "it ages all the same");
}
