//! Callbacks: deliveries of their own kind, due when their call is finished.

use gateless_core::config::AsyncPolicy;
use std::time::Duration;

use gateless_core::call::callback::{Next, TRIES};

use super::fixture::{Fixture, answer, failed, function, with_callback};
use crate::queue::Error;
use crate::queue::types::{CallId, Callback, CallbackState};
use crate::queue::work::{Delivery, Update};

impl Fixture {
    async fn callback(&self) -> Delivery<Callback> {
        let due = self.queue.work.next_callbacks(9).await.unwrap();
        let mut due = due.into_iter();
        let first = due.next().unwrap();
        assert!(due.next().is_none(), "more than one is due");
        first
    }

    /// Nobody is notified of nothing, so this waits a moment.
    async fn no_callback_is_due(&self) -> bool {
        let next = self.queue.work.next_callbacks(9);
        let moment = Duration::from_millis(50);
        tokio::time::timeout(moment, next).await.is_err()
    }

    /// A call with a callback that succeeded.
    async fn finished(&self) -> CallId {
        let id = self.accept(with_callback("a")).await.unwrap().id;
        self.begin()
            .await
            .end(answer(200), self.now())
            .await
            .unwrap();
        id
    }
}

pub(in crate::queue) async fn callback_is_due_once_its_call_is_finished(queue: Fixture) {
    let id = queue.accept(with_callback("a")).await.unwrap().id;
    let begun = queue.begin().await;
    let mut next = queue.queue.work.next_callbacks(9);
    assert!(futures_util::poll!(&mut next).is_pending());
    begun.end(answer(201), queue.now()).await.unwrap();
    let delivery = next.await.unwrap().pop().unwrap();
    assert!(queue.no_callback_is_due().await, "given out once");
    let callback = &delivery.job;
    assert_eq!((callback.url.as_str(), callback.attempt), ("http://x/", 1));
    assert_eq!((&callback.id, callback.state), (&id, "succeeded"));
    assert_eq!(callback.result.as_ref().unwrap().status, 201);
    // A result isn't forgotten before its callback is through.
    queue.clock.advance(AsyncPolicy::DEFAULT.result_ttl);
    assert_eq!(queue.view(&id).await.callback_state, CallbackState::Pending);
    let delivered = Update::Callback(Next::Delivered, String::new());
    delivery.lease.settle(delivered).await.unwrap();
    queue.clock.advance(Duration::from_secs(120));
    let forgotten = async || queue.state(&id).await == "unknown";
    queue.until(forgotten).await;
}

pub(in crate::queue) async fn callback_that_is_released_or_fails_is_due_again_later(
    queue: Fixture,
) {
    let id = queue.finished().await;
    drop(queue.callback().await);
    let wait = Duration::from_secs(1);
    queue.callback().await.lease.release(wait);
    assert!(queue.no_callback_is_due().await);
    // Nor does one that never got away.
    queue.clock.advance(wait);
    let unmade = Update::Callback(Next::Unmade(queue.now() + wait), "no room".into());
    queue.callback().await.lease.settle(unmade).await.unwrap();
    assert_eq!(queue.view(&id).await.callback_error, "no room");
    assert!(queue.no_callback_is_due().await);
    for number in 1..TRIES {
        queue.clock.advance(wait);
        let delivery = queue.callback().await;
        assert_eq!(delivery.job.attempt, number, "only a failure counts");
        let again = Update::Callback(Next::Again(queue.now() + wait), "no answer".into());
        delivery.lease.settle(again).await.unwrap();
        assert!(queue.no_callback_is_due().await);
    }
    queue.clock.advance(wait);
    let given_up = Update::Callback(Next::GivenUp, "it was answered with 410".into());
    queue.callback().await.lease.settle(given_up).await.unwrap();
    let view = queue.view(&id).await;
    assert_eq!(view.callback_state, CallbackState::Failed);
    assert_eq!(view.callback_error, "it was answered with 410");
    assert!(queue.no_callback_is_due().await);
}

pub(in crate::queue) async fn callback_of_a_replayed_call_is_stale(queue: Fixture) {
    let id = queue.finished().await;
    let old = queue.callback().await;
    queue.queue.calls.replay(&id).await.unwrap();
    let settled = old
        .lease
        .settle(Update::Callback(Next::Delivered, String::new()))
        .await;
    assert!(matches!(settled, Err(Error::Stale { .. })), "{settled:?}");
    let begun = queue.begin().await;
    begun.end(failed("boom"), queue.now()).await.unwrap();
    let new = queue.callback().await;
    assert_eq!((new.job.state, new.job.attempt), ("dead", 1));
    assert!(new.job.result.is_none());
    let delivered = Update::Callback(Next::Delivered, String::new());
    new.lease.settle(delivered).await.unwrap();
    let view = queue.view(&id).await;
    assert_eq!(view.callback_state, CallbackState::Delivered);
    assert_eq!(queue.queue.calls.depths()[0].function, function());
}

pub(in crate::queue) async fn cancelled_call_makes_no_callback(queue: Fixture) {
    let id = queue.accept(with_callback("a")).await.unwrap().id;
    queue.queue.calls.cancel(&id).await.unwrap();
    assert!(queue.no_callback_is_due().await);
    assert_eq!(queue.view(&id).await.callback_state, CallbackState::None);
}
