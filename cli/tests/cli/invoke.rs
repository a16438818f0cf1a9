//! `invoke`: through which sidecar, and what is printed where.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::fake::{Fake, answer};
use crate::{code, document, problem, run, stderr, stdout};

#[test]
fn invoke_prints_the_body_alone_and_fails_with_the_function() {
    let fake = Fake::new(|request| match request.line.as_str() {
        "POST /function/hello.default/x?y=1" => answer(200, request.body.clone())
            .with("server-timing", "run;dur=1")
            .with("x-gateless-cold-start", "true"),
        "GET /function/hello.default/" => answer(500, "broken"),
        _ => problem(404, "function_not_found").with("content-type", "application/problem+json"),
    });
    let url = fake.url();
    let output = run(
        &fake,
        &["invoke", "hello", "x?y=1", "-d", "abc", "--sidecar", &url],
    );
    assert_eq!((code(&output), stdout(&output).as_str()), (0, "abc"));
    assert!(stderr(&output).contains("cold start: true"));
    let output = run(&fake, &["invoke", "hello", "--sidecar", &url]);
    assert_eq!((code(&output), stdout(&output).as_str()), (1, "broken"));
    let output = run(&fake, &["invoke", "gone", "--sidecar", &url, "-o", "json"]);
    assert_eq!(
        (code(&output), &document(&output)["status"]),
        (3, &json!(404))
    );
    // The token is the server's: no sidecar, and so no function, gets to see it.
    assert!(
        fake.seen()
            .iter()
            .all(|r| !r.headers.contains_key("authorization"))
    );
}

#[test]
fn an_async_call_is_waited_for_and_its_result_printed() {
    let looks = AtomicUsize::new(0);
    let fake = Fake::new(move |request| match request.line.as_str() {
        "POST /async-function/hello.default/" => {
            answer(202, json!({"id": "c-1", "token": "t-1"}).to_string())
        }
        "GET /_gateless/calls/c-1" => {
            assert_eq!(request.headers["x-call-token"], "t-1");
            let states = ["queued", "retrying", "succeeded"];
            let look = looks.fetch_add(1, Ordering::Relaxed).min(2);
            answer(
                200,
                json!({"id": "c-1", "state": states[look], "attempts": []}).to_string(),
            )
        }
        "GET /_gateless/calls/c-1/result" => answer(200, "done").with("x-function-status", "201"),
        other => panic!("{other}"),
    });
    let url = fake.url();
    let args = ["invoke", "hello", "-d", "x", "--async", "--sidecar", &url];
    let output = run(&fake, &args);
    assert_eq!((code(&output), stdout(&output).as_str()), (0, "c-1\n"));
    let output = run(&fake, &[&args[..], &["--wait"]].concat());
    assert_eq!((code(&output), stdout(&output).as_str()), (0, "done"));
    assert!(
        stderr(&output).contains("201 Created"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn invoke_tries_the_next_sidecar_when_one_is_gone() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let sidecar = Fake::new(|_| answer(200, "hi"));
    let alive = sidecar.url();
    let server = Fake::new(move |_| {
        let items = json!([
            {"node_id": "a", "connected": true, "public_url": format!("http://{dead}")},
            {"node_id": "b", "connected": true, "public_url": alive},
        ]);
        answer(
            200,
            json!({"items": items, "next_page_token": null}).to_string(),
        )
    });
    let output = run(&server, &["invoke", "hello"]);
    assert_eq!(
        (code(&output), stdout(&output).as_str()),
        (0, "hi"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_trace_shows_the_phases_and_an_async_ones_attempts() {
    let fake = Fake::new(|request| match request.line.as_str() {
        "GET /function/hello.default/" => {
            answer(200, "hi").with("server-timing", "route;dur=0.5, hold;dur=9.5, run;dur=10")
        }
        "POST /async-function/hello.default/" => {
            answer(202, json!({"id": "c-1", "token": "t-1"}).to_string())
        }
        "GET /_gateless/calls/c-1" => {
            let attempts = json!([
                {"number": 1, "started_at": "2026-01-01T00:00:00.010Z", "duration_ms": 5, "status": 503, "error": "busy"},
            ]);
            let call = json!({"id": "c-1", "state": "dead", "reason": "used up",
                "accepted_at": "2026-01-01T00:00:00Z", "attempts": attempts});
            answer(200, call.to_string())
        }
        other => panic!("{other}"),
    });
    let url = fake.url();
    let output = run(&fake, &["invoke", "hello", "--trace", "--sidecar", &url]);
    assert_eq!(stdout(&output), "hi");
    assert!(
        stderr(&output).contains("0 to 20.0 ms"),
        "{}",
        stderr(&output)
    );
    let args = [
        "invoke",
        "hello",
        "--trace",
        "--sidecar",
        &url,
        "-o",
        "json",
    ];
    let trace = document(&run(&fake, &args))["trace"].clone();
    assert_eq!(trace[1]["name"], "hold");
    assert_eq!(trace[2]["start_ms"], 10.0);

    let args = [
        "invoke",
        "hello",
        "-d",
        "x",
        "--async",
        "--trace",
        "--sidecar",
        &url,
    ];
    let output = run(&fake, &args);
    assert_eq!(code(&output), 1);
    for part in [
        "attempt 1",
        "status 503 busy",
        "gateless dlq replay hello c-1",
    ] {
        assert!(
            stderr(&output).contains(part),
            "{part} in {}",
            stderr(&output)
        );
    }
}
