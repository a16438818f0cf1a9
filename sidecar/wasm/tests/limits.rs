//! Calls that go badly: each limit ends its own call with its own name, while neighbours on the same
//! thread are served.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gateless_wasm::{CallError, Engine, Instance, Limits, LoadError, NoRoutes, Reuse};
use http_body_util::BodyExt;
use support::{engine, get, head, shared_settings, spec, start_with, text, tiny};

const MIB: u64 = 1 << 20;

/// Serves twenty calls beside the bad one, on one thread, and returns how that one ended.
async fn beside_neighbours(engine: &Engine, bad: &Arc<Instance>, path: &str) -> CallError {
    let good = start_with(engine, |_| {});
    let neighbours = join_all((0..20).map(|_| text(&good, "/hello")));
    let (ended, neighbours) = tokio::join!(text(bad, path), neighbours);
    for answer in neighbours {
        assert_eq!(answer.unwrap(), "hello");
    }
    // Nothing is left of the bad call; its outgoing requests end as soon as their tasks are looked at.
    while engine.stats().calls > 0 {
        tokio::task::yield_now().await;
    }
    ended.unwrap_err()
}

fn small() -> Limits {
    Limits {
        memory_bytes: 16 * MIB,
        cpu_time: Duration::from_millis(200),
        response_body_bytes: MIB,
        ..Limits::default()
    }
}

#[tokio::test(flavor = "current_thread")]
async fn each_limit_ends_its_call_alone() {
    let (engine, router) = engine();
    for reuse in [None, Some(Reuse::default())] {
        let bad = start_with(&engine, |spec| {
            spec.limits = small();
            spec.reuse = reuse;
        });
        let functions = &router.functions;
        functions
            .lock()
            .unwrap()
            .insert("bad.default".to_owned(), bad.clone());
        let check = async |path: &str, expected: fn(&CallError) -> bool| {
            let error = beside_neighbours(&engine, &bad, path).await;
            assert!(expected(&error), "{path}: {error:?}");
        };
        check("/spin", |e| matches!(e, CallError::CpuTime { .. })).await;
        check(
            "/grow",
            |e| matches!(e, CallError::Memory { limit, .. } if *limit == 16 * MIB),
        )
        .await;
        check("/trap", |e| matches!(e, CallError::Trap(_))).await;
        check("/late-trap", |e| matches!(e, CallError::Trap(_))).await;
        check("/endless", |e| {
            matches!(e, CallError::ResponseTooLarge { .. })
        })
        .await;
        check("/big?2000000", |e| {
            matches!(e, CallError::ResponseTooLarge { .. })
        })
        .await;
        check("/header-flood", |e| {
            matches!(e, CallError::ResponseHeaders { count: 128, .. })
        })
        .await;
        check("/field-flood", |e| matches!(e, CallError::Trap(_))).await;
        check("/bomb?bad.default/wait", |e| {
            matches!(e, CallError::Outgoing { concurrent: 8, .. })
        })
        .await;
        check("/silent", |e| *e == CallError::NoResponse).await;
        check("/exit", |e| {
            *e == CallError::Exit(1) || *e == CallError::Exit(3)
        })
        .await;
        check("/unfinished", |e| *e == CallError::Unfinished).await;
        assert_eq!(
            text(&bad, "/count").await.unwrap(),
            "1",
            "no bad call left its instance"
        );
        functions.lock().unwrap().clear();
    }
}

#[tokio::test]
async fn outgoing_requests_past_the_limit_are_not_begun() {
    let (engine, router) = engine();
    let guest = start_with(&engine, |spec| spec.limits = small());
    let functions = &router.functions;
    functions
        .lock()
        .unwrap()
        .insert("self.default".to_owned(), guest.clone());
    let begun = text(&guest, "/begun?self.default/wait").await;
    assert_eq!(begun.unwrap(), small().outgoing_concurrent.to_string());
    functions.lock().unwrap().clear();
}

#[tokio::test(flavor = "current_thread")]
async fn calls_of_a_function_that_computes_for_long_let_others_go_first() {
    let (engine, _) = engine();
    let start = || start_with(&engine, |spec| spec.limits = small());
    let (first, second) = (start(), start());
    let order = async || {
        let done = std::cell::RefCell::new(Vec::new());
        let call = async |name, guest| {
            text(guest, "/").await.unwrap();
            done.borrow_mut().push(name);
        };
        tokio::join!(call("first", &first), call("second", &second));
        done.into_inner()
    };
    assert_eq!(order().await, ["first", "second"]);
    text(&first, "/spin").await.unwrap_err();
    assert_eq!(order().await, ["second", "first"]);
}

#[tokio::test]
async fn a_deadline_ends_a_guest_that_waits() {
    let (engine, _) = engine();
    let instance = start_with(&engine, |_| {});
    let deadline = Instant::now() + Duration::from_millis(20);
    let ended = instance.call(get("/wait"), Some(deadline)).await;
    assert_eq!(ended.err(), Some(CallError::Deadline));
    let response = instance.call(get("/endless"), Some(deadline)).await;
    assert_eq!(response.err(), Some(CallError::Deadline));
}

#[tokio::test]
async fn a_full_pool_refuses_after_a_bounded_wait() {
    let mut settings = shared_settings();
    settings.max_concurrent = 2;
    settings.slot_wait = Duration::from_millis(10);
    let engine = Engine::open(settings, Arc::new(NoRoutes)).unwrap();
    let instance = start_with(&engine, |_| {});
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(head(&instance, "/endless").await.unwrap());
    }
    let refused = text(&instance, "/hello").await;
    assert_eq!(refused, Err(CallError::Busy { slots: 2 }));
    held.pop();
    assert_eq!(text(&instance, "/hello").await.unwrap(), "hello");
}

#[tokio::test]
async fn an_idle_guest_takes_no_slot_of_a_call() {
    let mut settings = shared_settings();
    settings.max_concurrent = 1;
    settings.max_idle = 1;
    let engine = Engine::open(settings, Arc::new(NoRoutes)).unwrap();
    let reused = start_with(&engine, |spec| spec.reuse = Some(Reuse::default()));
    let fresh = start_with(&engine, |_| {});
    for call in 1..4 {
        assert_eq!(text(&reused, "/count").await.unwrap(), call.to_string());
        assert_eq!(text(&fresh, "/count").await.unwrap(), "1");
    }
}

/// Starts a component of a few lines and calls it once.
async fn run_tiny(fields: &str, body: &str, limits: Limits) -> Result<CallError, LoadError> {
    let (engine, _) = engine();
    let dir = tempfile::tempdir().unwrap();
    let component = dir.path().join("c.wasm");
    std::fs::write(&component, tiny(fields, body)).unwrap();
    let (mut spec, _) = spec(&component);
    spec.limits = limits;
    let instance = engine.start(spec)?;
    let ended = head(&instance, "/").await;
    Ok(match ended {
        Ok(response) => panic!("answered {:?}", response.into_body().collect().await),
        Err(error) => error,
    })
}

#[tokio::test]
async fn what_a_component_begins_with_counts_too() {
    let limits = Limits {
        table_elements: 100,
        ..small()
    };
    // 4 GiB at once.
    let refused = run_tiny("(memory 65536)", "", limits).await.unwrap_err();
    let needs = 65_536 << 16;
    let limit = 16 * MIB;
    assert_eq!(refused, LoadError::Memory { needs, limit });
    let refused = run_tiny("(table 101 funcref)", "", limits)
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        LoadError::Tables {
            needs: 101,
            limit: 100
        }
    );
    // Two memories of 10 MiB are more than 16.
    let two = "(memory 160) (memory 160)";
    let ended = run_tiny(two, "", limits).await.unwrap();
    assert!(matches!(ended, CallError::Memory { .. }), "{ended:?}");
    let grow = "(if (i32.eq (table.grow 0 (ref.null func) (i32.const 200)) (i32.const -1)) (then unreachable))";
    let ended = run_tiny("(table 1 funcref)", grow, limits).await.unwrap();
    assert!(
        matches!(ended, CallError::Tables { limit: 100, .. }),
        "{ended:?}"
    );
    let none = Limits {
        core_instances: 0,
        ..limits
    };
    let ended = run_tiny("", "", none).await.unwrap();
    assert_eq!(ended, CallError::Instances { limit: 0 });
    let recursion = "(call $r)";
    let ended = run_tiny("(func $r (call $r))", recursion, limits)
        .await
        .unwrap();
    assert!(
        matches!(&ended, CallError::Trap(why) if why.contains("stack")),
        "{ended:?}"
    );
}
