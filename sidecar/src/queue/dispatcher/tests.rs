//! Delivery over a queue in memory with a scripted function, on a clock that moves when it is set.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::queue::callback::Functions;
use crate::queue::callback::fake::{self, Nowhere};
use crate::queue::contract::fixture::{Fixture, admitted, function, keyed, record};
use crate::queue::invoke::{Answer, Slot};
use crate::queue::types::{CallbackState, View};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use gateless_core::config::AsyncPolicy;
use gateless_core::egress::Egress;
use gateless_core::policy::{Maker, Principal};

fn known(_: &FunctionName) -> Lookup {
    Lookup::Known(AsyncPolicy::DEFAULT)
}

fn reply(status: u16, body: &'static str) -> Result<Answer, InvokeError> {
    let body = Full::new(Bytes::from_static(body.as_bytes()));
    let body = UnsyncBoxBody::new(body.map_err(|never| match never {}));
    Ok(Response::builder()
        .status(status)
        .header("etag", "x")
        .body(body)
        .unwrap())
}

/// A function whose n-th call is answered by `script(n)`, from 1.
fn scripted(script: impl Fn(u32) -> Exchange + Send + Sync + 'static) -> Arc<dyn Invoke> {
    let calls = AtomicU32::new(0);
    Arc::new(move |_: &FunctionName, _: Request<Bytes>, _: Duration| {
        script(calls.fetch_add(1, Ordering::SeqCst) + 1)
    })
}

fn now(result: Result<Answer, InvokeError>) -> Exchange {
    Box::pin(std::future::ready(result))
}

fn dispatch(fixture: &Fixture, invoke: Arc<dyn Invoke>, policies: impl Policies) -> Dispatcher {
    with_functions(fixture, invoke, policies, Arc::new(Nowhere))
}

fn with_functions(
    fixture: &Fixture,
    invoke: Arc<dyn Invoke>,
    policies: impl Policies,
    functions: Arc<dyn Functions>,
) -> Dispatcher {
    let clock = Clock::Manual(fixture.clock.clone());
    let queue = fixture.queue.clone();
    let loopback = "127.0.0.1".parse().unwrap();
    let callbacks = fake::destinations(functions, Egress::new(vec![loopback]));
    Dispatcher::start(queue, clock, invoke, Arc::new(policies), callbacks, None)
}

async fn accept(fixture: &Fixture, record: Record) -> CallId {
    fixture.accept(record).await.unwrap().id
}

/// Looks until it holds; nobody is notified of a call's changes.
async fn until(fixture: &Fixture, id: &CallId, holds: impl Fn(&View) -> bool) -> View {
    let look = async {
        loop {
            let view = fixture.queue.calls.get(id).await.unwrap();
            if holds(&view) {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), look)
        .await
        .expect("never came to hold")
}

async fn state(fixture: &Fixture, id: &CallId, state: &str) -> View {
    until(fixture, id, |view| view.call.state.as_str() == state).await
}

#[tokio::test]
async fn function_gets_the_request_and_its_answer_is_kept() {
    let fixture = Fixture::memory();
    let (sent, mut seen) = mpsc::unbounded_channel();
    let invoke = move |name: &FunctionName, request: Request<Bytes>, within: Duration| {
        sent.send((name.clone(), request, within)).unwrap();
        now(reply(201, "made"))
    };
    let dispatcher = dispatch(&fixture, Arc::new(invoke), known);
    let id = accept(&fixture, record("body")).await;
    let (name, request, within) = seen.recv().await.unwrap();
    assert_eq!(
        (name, within),
        (function(), AsyncPolicy::DEFAULT.attempt_timeout)
    );
    assert_eq!(
        (request.method().as_str(), request.uri().to_string()),
        ("POST", "/work?x=1".into())
    );
    assert_eq!(&request.body()[..], b"body");
    assert_eq!(request.headers()["content-type"], "text/plain");
    assert_eq!(request.headers()["x-call-id"], id.to_string().as_str());
    assert_eq!(request.headers()["x-gateless-attempt"], "1");
    assert_eq!(request.headers()["x-gateless-async"], "true");
    let view = state(&fixture, &id, "succeeded").await;
    assert_eq!((view.status, view.result_bytes), (Some(201), 4));
    dispatcher.stop(Duration::from_secs(9)).await;
}

#[tokio::test]
async fn failing_function_is_retried_until_it_answers() {
    let fixture = Fixture::memory();
    let invoke = scripted(|n| {
        now(if n <= 2 {
            reply(500, "")
        } else {
            reply(200, "ok")
        })
    });
    let dispatcher = dispatch(&fixture, invoke, known);
    let id = accept(&fixture, record("a")).await;
    for attempt in 1..=2 {
        let tried = |v: &View| {
            v.call.tries == attempt && v.call.state.as_str() == "retrying" || v.call.tries > attempt
        };
        until(&fixture, &id, tried).await;
        fixture.clock.advance(AsyncPolicy::DEFAULT.backoff_max);
    }
    let view = state(&fixture, &id, "succeeded").await;
    let statuses: Vec<_> = view.call.attempts.iter().map(|a| a.status).collect();
    assert_eq!(statuses, [Some(500), Some(500), Some(200)]);
    dispatcher.stop(Duration::from_secs(9)).await;
}

#[tokio::test]
async fn attempts_at_once_are_bounded() {
    let fixture = Fixture::memory();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let gate = Arc::new(Semaphore::new(0));
    let (started, mut starts) = mpsc::unbounded_channel();
    let invoke = {
        let (most, gate) = (most.clone(), gate.clone());
        scripted(move |n| {
            let (running, most, gate) = (running.clone(), most.clone(), gate.clone());
            started.send(n).unwrap();
            Box::pin(async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                running.fetch_sub(1, Ordering::SeqCst);
                reply(200, "")
            })
        })
    };
    let policy = AsyncPolicy {
        max_in_flight: 3,
        ..AsyncPolicy::DEFAULT
    };
    let dispatcher = dispatch(&fixture, invoke, move |_: &FunctionName| {
        Lookup::Known(policy)
    });
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(accept(&fixture, record("a")).await);
    }
    for _ in 0..10 {
        starts.recv().await.unwrap();
        gate.add_permits(1);
    }
    for id in ids {
        state(&fixture, &id, "succeeded").await;
    }
    assert!(most.load(Ordering::SeqCst) <= 3);
    dispatcher.stop(Duration::from_secs(9)).await;
}

#[tokio::test]
async fn cancelled_attempt_is_aborted_and_silent_one_times_out() {
    let fixture = Fixture::memory();
    let (dropped, mut drops) = mpsc::unbounded_channel::<u32>();
    let (started, mut starts) = mpsc::unbounded_channel();
    struct Tell(mpsc::UnboundedSender<u32>, u32);
    impl Drop for Tell {
        fn drop(&mut self) {
            let _ = self.0.send(self.1);
        }
    }
    let invoke = scripted(move |n| {
        let guard = Tell(dropped.clone(), n);
        started.send(n).unwrap();
        Box::pin(async move {
            let _guard = guard;
            std::future::pending().await
        })
    });
    let dispatcher = dispatch(&fixture, invoke, known);
    let id = accept(&fixture, record("a")).await;
    starts.recv().await.unwrap();
    fixture.queue.calls.cancel(&id).await.unwrap();
    assert_eq!(drops.recv().await, Some(1));

    let id = accept(&fixture, record("b")).await;
    starts.recv().await.unwrap();
    fixture.clock.advance(AsyncPolicy::DEFAULT.attempt_timeout);
    assert_eq!(drops.recv().await, Some(2));
    let view = until(&fixture, &id, |v| {
        v.call.attempts.iter().any(|a| !a.error.is_empty())
    })
    .await;
    assert_eq!(view.call.attempts[0].error, "no answer within 300000 ms");
    dispatcher.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn calls_wait_for_the_configuration_and_die_with_their_function() {
    let fixture = Fixture::memory();
    let lookup = Arc::new(parking_lot::Mutex::new(Lookup::NotYet));
    let invoke = scripted(|_| now(reply(200, "")));
    let policies = {
        let lookup = lookup.clone();
        move |_: &FunctionName| *lookup.lock()
    };
    let dispatcher = dispatch(&fixture, invoke, policies);
    let first = accept(&fixture, record("a")).await;
    tokio::task::yield_now().await;
    let view = state(&fixture, &first, "queued").await;
    assert_eq!(view.call.tries, 0);
    assert_eq!(dispatcher.shown(&view).waits_for, "function");
    *lookup.lock() = Lookup::Known(AsyncPolicy::DEFAULT);
    dispatcher.config_changed();
    let view = state(&fixture, &first, "succeeded").await;
    assert_eq!(dispatcher.shown(&view).waits_for, "");
    *lookup.lock() = Lookup::Deleted;
    dispatcher.config_changed();
    let second = accept(&fixture, record("b")).await;
    let view = state(&fixture, &second, "dead").await;
    assert_eq!(view.reason(), "function_deleted");
    dispatcher.stop(Duration::from_secs(9)).await;
}

#[tokio::test]
async fn long_answer_is_cut_and_a_panic_is_a_failed_attempt() {
    let fixture = Fixture::memory();
    let invoke = scripted(|n| match n {
        1 => Box::pin(async { panic!("as meant") }),
        _ => now(reply(200, "0123456789")),
    });
    let policy = AsyncPolicy {
        max_result: 4,
        backoff_max: Duration::ZERO,
        ..AsyncPolicy::DEFAULT
    };
    let dispatcher = dispatch(&fixture, invoke, move |_: &FunctionName| {
        Lookup::Known(policy)
    });
    let id = accept(&fixture, record("a")).await;
    let view = state(&fixture, &id, "succeeded").await;
    assert_eq!(view.call.attempts[0].error, "the attempt panicked");
    let result = fixture.queue.calls.result(&id).await.unwrap();
    assert_eq!((&result.body[..], result.truncated), (&b"0123"[..], true));
    dispatcher.stop(Duration::from_secs(9)).await;
}

#[tokio::test]
async fn sync_call_goes_on_as_an_async_one() {
    let fixture = Fixture::memory();
    let dispatcher = dispatch(&fixture, scripted(|_| now(reply(200, "retried"))), known);
    let (answer, waiting) = oneshot::channel();
    let exchange: Exchange = Box::pin(async move { waiting.await.unwrap() });
    let first = keyed("a", "k", 1);
    let idempotency = first.idempotency.clone().unwrap();
    let id = dispatcher
        .adopt(admitted(first), exchange)
        .await
        .ok()
        .unwrap();
    let view = state(&fixture, &id, "running").await;
    assert_eq!(view.call.tries, 1);
    answer.send(reply(200, "first")).unwrap();
    state(&fixture, &id, "succeeded").await;
    assert_eq!(
        &fixture.queue.calls.result(&id).await.unwrap().body[..],
        b"first"
    );
    dispatcher.stop(Duration::from_secs(9)).await;

    let again = Record {
        idempotency: Some(idempotency),
        ..record("a")
    };
    let refused = dispatcher
        .adopt(admitted(again), now(reply(200, "still here")))
        .await;
    let refused = refused.err().unwrap();
    assert_eq!(refused.error.code(), Code::IdempotencyKeyTaken);
    assert!(refused.exchange.await.is_ok(), "the exchange comes back");
    dispatcher.stop(Duration::from_secs(9)).await;
}

#[tokio::test]
async fn a_triggers_call_succeeds_only_when_the_function_accepts_it() {
    let fixture = Fixture::memory();
    let dispatcher = dispatch(&fixture, scripted(|_| now(reply(400, "no"))), known);
    // Somebody reads the answer to an ordinary call, whatever it says.
    let id = accept(&fixture, record("a")).await;
    state(&fixture, &id, "succeeded").await;
    let mut record = record("b");
    record.headers.push((
        gateless_common::header::TRIGGER.as_str().into(),
        "nightly".into(),
    ));
    let id = accept(&fixture, record).await;
    let view = state(&fixture, &id, "dead").await;
    assert_eq!(view.status, Some(400), "the answer is kept");
    assert!(
        view.reason().starts_with("not_retryable"),
        "{}",
        view.reason()
    );
    dispatcher.stop(Duration::from_secs(9)).await;
}

mod callbacks;
mod line;
mod suspects;
