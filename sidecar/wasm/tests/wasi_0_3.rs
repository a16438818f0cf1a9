//! Components of WASI 0.3 beside those of 0.2, in an engine of their own: the same calls, the same limits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gateless_wasm::{CallError, Engine, Instance, InstanceSpec, Limits, LoadError, Reuse};
use http_body_util::BodyExt;
use support::{
    Router, echo_in_step, get, guest, guest_0_3, head, shared_settings, spec, start_with, text,
};
use tokio::sync::mpsc;

const MIB: u64 = 1 << 20;

fn engine() -> (Engine, Arc<Router>) {
    let router = Arc::new(Router::default());
    let mut settings = shared_settings();
    settings.wasi_0_3 = true;
    let engine = Engine::open(settings, router.clone()).unwrap();
    (engine, router)
}

fn start(engine: &Engine, change: impl FnOnce(&mut InstanceSpec)) -> Arc<Instance> {
    let (mut spec, _) = spec(&guest_0_3());
    change(&mut spec);
    engine.start(spec).unwrap()
}

#[tokio::test]
async fn both_kinds_are_served_and_counted_together() {
    let (engine, _) = engine();
    let (older, newer) = (start_with(&engine, |_| {}), start(&engine, |_| {}));
    for instance in [&older, &newer] {
        assert_eq!(text(instance, "/hello").await.unwrap(), "hello");
        assert_eq!(text(instance, "/env").await.unwrap(), "COLOUR=green\n");
        assert!(engine.is_compiled(instance.sha256()));
    }
    assert_eq!((engine.stats().modules, engine.stats().loads), (2, 2));
    let refused = text(&newer, "/refuse").await.unwrap_err();
    assert_eq!(
        refused,
        CallError::Answered("ErrorCode::LoopDetected".into())
    );
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let (engine, _) = engine();
    let instance = start(&engine, |_| {});
    let (sender, mut body) = echo_in_step(&instance).await;
    drop(sender);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn instances_are_fresh_or_reused_as_the_function_says() {
    let (engine, _) = engine();
    for (reuse, second) in [(None, "1"), (Some(Reuse::default()), "2")] {
        let instance = start(&engine, |spec| spec.reuse = reuse);
        assert_eq!(text(&instance, "/count").await.unwrap(), "1");
        assert_eq!(text(&instance, "/count").await.unwrap(), second);
    }
}

#[tokio::test]
async fn tasks_may_go_on_after_the_response_and_end_with_a_dropped_one() {
    let (engine, _) = engine();
    let (sender, mut printed) = mpsc::unbounded_channel();
    let instance = start(&engine, |spec| {
        spec.log = Arc::new(move |_, line: &str| sender.send(line.to_owned()).unwrap());
    });
    assert_eq!(text(&instance, "/after").await.unwrap(), "answered");
    assert_eq!(printed.recv().await.unwrap(), "after the response");

    let mut body = head(&instance, "/endless").await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    assert!(engine.stats().calls >= 1);
    drop(body);
    let mut call = Box::pin(instance.call(get("/wait"), None));
    let once = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending()));
    assert!(once.await);
    drop(call);
    while engine.stats().calls > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn functions_of_both_kinds_call_each_other() {
    let (engine, router) = engine();
    let (older, newer) = (start_with(&engine, |_| {}), start(&engine, |_| {}));
    {
        let mut functions = router.functions.lock().unwrap();
        functions.insert("older.default".to_owned(), older.clone());
        functions.insert("newer.default".to_owned(), newer.clone());
    }
    let said = text(&newer, "/call?older.default").await.unwrap();
    assert_eq!(said, "they said: hello");
    let said = text(&older, "/call?newer.default/hello").await.unwrap();
    assert!(said.contains("hello"), "{said}");
    assert_eq!(router.routed.load(Ordering::Relaxed), 2);
    // Outside hosts need to be on the function's list.
    let denied = text(&newer, "/call?example.com").await.unwrap_err();
    assert!(matches!(&denied, CallError::Answered(code) if code.contains("HttpRequestDenied")));
    let refused = text(&newer, "/bomb?older.default").await.unwrap();
    let total = Limits::default().outgoing_total;
    assert_eq!(refused, format!("{} refused", 1_000 - total));
    router.functions.lock().unwrap().clear();
}

#[tokio::test(flavor = "current_thread")]
async fn each_limit_ends_its_call_alone() {
    let (engine, _) = engine();
    let good = start_with(&engine, |_| {});
    let bad = start(&engine, |spec| {
        spec.limits = Limits {
            memory_bytes: 16 * MIB,
            cpu_time: Duration::from_millis(200),
            response_body_bytes: MIB,
            ..Limits::default()
        };
    });
    let check = async |path: &str, expected: fn(&CallError) -> bool| {
        let neighbours = join_all((0..20).map(|_| text(&good, "/hello")));
        let (ended, neighbours) = tokio::join!(text(&bad, path), neighbours);
        for answer in neighbours {
            assert_eq!(answer.unwrap(), "hello");
        }
        let error = ended.unwrap_err();
        assert!(expected(&error), "{path}: {error:?}");
        assert_eq!(engine.stats().calls, 0, "{path}");
    };
    check("/spin", |e| matches!(e, CallError::CpuTime { .. })).await;
    check("/grow", |e| matches!(e, CallError::Memory { .. })).await;
    check("/trap", |e| matches!(e, CallError::Trap(_))).await;
    check("/late-trap", |e| matches!(e, CallError::Trap(_))).await;
    check("/streams", |e| matches!(e, CallError::Trap(_))).await;
    // A hundred thousand waiting tasks: the host's bound on them, or the guest's own memory.
    check("/tasks", |e| {
        matches!(
            e,
            CallError::Trap(_) | CallError::Exit(_) | CallError::Memory { .. }
        )
    })
    .await;
    check("/endless", |e| {
        matches!(e, CallError::ResponseTooLarge { .. })
    })
    .await;
    check("/header-flood", |e| {
        matches!(e, CallError::ResponseHeaders { .. } | CallError::Trap(_))
    })
    .await;
    let soon = Some(Instant::now() + Duration::from_millis(50));
    let late = bad.call(get("/wait"), soon).await.err();
    assert_eq!(late, Some(CallError::Deadline));
    assert_eq!(text(&bad, "/hello").await.unwrap(), "hello");
}

#[tokio::test]
async fn it_is_off_unless_asked_for() {
    let (engine, _) = support::engine();
    let (spec, _) = spec(&guest_0_3());
    assert_eq!(engine.start(spec).unwrap_err(), LoadError::Wasi03);
    let compiled = engine.compile_ahead(
        &guest_0_3(),
        &support::sha256(&std::fs::read(guest_0_3()).unwrap()),
    );
    assert_eq!(compiled.unwrap_err(), LoadError::Wasi03);
    assert_eq!(engine.stats().compiled, 0);
    assert_ne!(guest(), guest_0_3());
}
