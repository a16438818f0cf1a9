//! Delivery over a queue in memory with a scripted function, on a clock that moves when it is set.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::queue::contract::fixture::{Fixture, admitted, function, keyed, record};
use crate::queue::invoke::Answer;
use crate::queue::types::{CallbackState, View};
use bytes::Bytes;
use gateless_core::config::AsyncPolicy;

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

fn dispatch(
    fixture: &Fixture,
    invoke: Arc<dyn Invoke>,
    policies: impl Policies,
    local_url: &str,
) -> Dispatcher {
    let clock = Clock::Manual(fixture.clock.clone());
    let queue = fixture.queue.clone();
    Dispatcher::start(queue, clock, invoke, Arc::new(policies), local_url)
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
    let dispatcher = dispatch(&fixture, Arc::new(invoke), known, "");
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
    let dispatcher = dispatch(&fixture, invoke, known, "");
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
    let dispatcher = dispatch(
        &fixture,
        invoke,
        move |_: &FunctionName| Lookup::Known(policy),
        "",
    );
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
    let dispatcher = dispatch(&fixture, invoke, known, "");
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
    let dispatcher = dispatch(&fixture, invoke, policies, "");
    let first = accept(&fixture, record("a")).await;
    tokio::task::yield_now().await;
    assert_eq!(state(&fixture, &first, "queued").await.call.tries, 0);
    *lookup.lock() = Lookup::Known(AsyncPolicy::DEFAULT);
    dispatcher.config_changed();
    state(&fixture, &first, "succeeded").await;
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
    let dispatcher = dispatch(
        &fixture,
        invoke,
        move |_: &FunctionName| Lookup::Known(policy),
        "",
    );
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
    let dispatcher = dispatch(
        &fixture,
        scripted(|_| now(reply(200, "retried"))),
        known,
        "",
    );
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
    assert_eq!(refused.error.code(), "idempotency_key_taken");
    assert!(refused.exchange.await.is_ok(), "the exchange comes back");
    dispatcher.stop(Duration::from_secs(9)).await;
}

/// Takes POSTs, answers them with these statuses in turn, and tells of each.
async fn receiver(statuses: &'static [u16]) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for status in statuses {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            while !text.contains("\r\n\r\nmade") {
                let mut buffer = [0; 4096];
                let count = socket.read(&mut buffer).await.unwrap();
                assert!(count > 0, "cut off after {text}");
                text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
            let answer =
                format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            socket.write_all(answer.as_bytes()).await.unwrap();
            sender.send(text).unwrap();
        }
    });
    (url, received)
}

#[tokio::test]
async fn callback_is_retried_until_it_is_taken() {
    let fixture = Fixture::memory();
    let (url, mut received) = receiver(&[503, 200]).await;
    let dispatcher = dispatch(&fixture, scripted(|_| now(reply(404, "made"))), known, &url);
    let record = Record {
        callback: Some("/function/next".into()),
        ..record("a")
    };
    let id = accept(&fixture, record).await;
    let first = received.recv().await.unwrap();
    assert!(
        first.starts_with("POST /function/next HTTP/1.1\r\n"),
        "{first}"
    );
    for header in [
        format!("x-call-id: {id}"),
        "x-function-name: hello.default".into(),
        "x-function-status: 404".into(),
        "x-duration-seconds: 0.0".into(),
        "x-gateless-attempt: 1".into(),
    ] {
        assert!(first.contains(&header), "{header} in {first}");
    }
    // Due again within a minute, from whenever the failure was written.
    let second = loop {
        fixture.clock.advance(Duration::from_secs(60));
        let wait = tokio::time::timeout(Duration::from_millis(50), received.recv());
        if let Ok(second) = wait.await {
            break second.unwrap();
        }
    };
    assert!(second.contains("x-gateless-attempt: 2"), "{second}");
    until(&fixture, &id, |v| {
        v.callback_state == CallbackState::Delivered
    })
    .await;
    dispatcher.stop(Duration::from_secs(9)).await;
}

#[tokio::test]
async fn a_triggers_call_succeeds_only_when_the_function_accepts_it() {
    let fixture = Fixture::memory();
    let dispatcher = dispatch(
        &fixture,
        scripted(|_| now(reply(400, "no"))),
        known,
        "http://127.0.0.1:1",
    );
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

#[tokio::test]
async fn refused_callback_is_given_up() {
    let fixture = Fixture::memory();
    let (url, _received) = receiver(&[410]).await;
    let dispatcher = dispatch(&fixture, scripted(|_| now(reply(200, "made"))), known, &url);
    let record = Record {
        callback: Some(url.clone() + "/cb"),
        ..record("a")
    };
    let id = accept(&fixture, record).await;
    let view = until(&fixture, &id, |v| v.callback_state == CallbackState::Failed).await;
    assert_eq!(view.callback_error, "it was answered with 410");
    dispatcher.stop(Duration::from_secs(9)).await;
}

#[tokio::test]
async fn slow_host_does_not_hold_up_callbacks_to_others() {
    let fixture = Fixture::memory();
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow_url = format!("http://{}/cb", slow.local_addr().unwrap());
    let (connected, mut connections) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = slow.accept().await {
            // Kept open, and never answered.
            connected.send(socket).unwrap();
        }
    });
    let (url, mut received) = receiver(&[200]).await;
    let answers = scripted(|_| now(reply(200, "made")));
    let dispatcher = dispatch(&fixture, answers, known, &url);
    let to = |callback: &str| Record {
        callback: Some(callback.to_owned()),
        ..record("a")
    };
    for _ in 0..40 {
        let id = accept(&fixture, to(&slow_url)).await;
        state(&fixture, &id, "succeeded").await;
    }
    for _ in 0..8 {
        connections.recv().await.unwrap();
    }
    let id = accept(&fixture, to("/function/next")).await;
    received.recv().await.unwrap();
    until(&fixture, &id, |v| {
        v.callback_state == CallbackState::Delivered
    })
    .await;
    assert!(connections.try_recv().is_err(), "a ninth at once");
    dispatcher.stop(Duration::ZERO).await;
}

mod line;
mod suspects;
