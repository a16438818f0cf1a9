//! The built binary against a tiny REST server: requests, output and exit codes.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy's allowances leave out"
)]

mod deploy;
mod doctor;
mod fake;
mod follow;
mod invoke;
mod login;
mod resources;
mod start;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use self::fake::{Answer, Fake, answer};

/// Runs `gateless` with nothing of the user's environment but PATH.
pub(crate) fn gateless(server: &str, home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gateless"))
        .args(args)
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        // What a build makes is looked for in the function's folder all the same.
        .env("CARGO_TARGET_DIR", "/nowhere")
        .env("GATELESS_SERVER", server)
        .env("GATELESS_TOKEN", "secret-token")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// [`gateless`] against a fake server.
pub(crate) fn run(fake: &Fake, args: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    gateless(&fake.url(), home.path(), args)
}

/// Its exit code.
pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// What it printed.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it said.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Stdout as the one JSON document it must be.
pub(crate) fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e} in {:?}, stderr {:?}", stdout(output), stderr(output)))
}

/// A problem as the server writes it.
pub(crate) fn problem(status: u16, code: &str) -> Answer {
    let body = json!({"type": format!("urn:gateless:problem:{code}"), "title": format!("it is {code}"), "code": code});
    answer(status, body.to_string()).with("content-type", "application/problem+json")
}

/// A function as the server shows it.
pub(crate) fn function(ready: bool) -> Value {
    json!({
        "namespace": "default", "name": "hello", "version": 7, "created_at": "2026-01-01T00:00:00Z",
        "labels": {}, "spec": {"kind": "process"},
        "traffic": [{"revision": null, "latest": true, "percent": 100, "tag": null}],
        "status": {
            "ready": ready, "url_path": "/function/hello.default",
            "latest_revision": "hello-00002",
            "latest_ready_revision": if ready { "hello-00002" } else { "hello-00001" },
            "rollout": {
                "state": if ready { "serving" } else { "pending" }, "revision": "hello-00002",
                "percent": if ready { 100 } else { 0 },
                "shares": [{"revision": if ready { "hello-00002" } else { "hello-00001" }, "percent": 100}],
                "message": if ready { "hello-00002 answers all calls" } else { "hello-00002 is on its way" },
            },
            "conditions": [{"type": "Ready", "status": if ready { "true" } else { "unknown" },
                "reason": if ready { "ready" } else { "starting" }, "message": "", "last_log_lines": []}],
        },
    })
}

#[test]
fn every_kind_of_failure_has_its_exit_code_and_one_json_document() {
    for (status, problem_code, exit) in [
        (404, "not_found", 3),
        (412, "precondition_failed", 4),
        (504, "timeout", 5),
        (401, "unauthenticated", 6),
        (403, "forbidden", 6),
        (500, "internal", 1),
    ] {
        let fake = Fake::new(move |_| problem(status, problem_code));
        let output = run(&fake, &["status", "hello", "-o", "json"]);
        assert_eq!(code(&output), exit, "{status}");
        let document = document(&output);
        assert_eq!(document["code"], problem_code);
        assert_eq!(document["status"], status);
        assert_eq!(document["exit_code"], exit);
        assert!(stderr(&output).contains(&format!("it is {problem_code}")));
        assert!(!stderr(&output).contains("secret-token"));
        let request = &fake.seen()[0];
        assert_eq!(request.headers["authorization"], "Bearer secret-token");
        assert_eq!(request.line, "GET /v1/namespaces/default/functions/hello");

        let output = run(&fake, &["status", "hello"]);
        assert_eq!((code(&output), stdout(&output).as_str()), (exit, ""));
    }
}

#[test]
fn a_server_that_is_not_there_is_unreachable_and_says_how_to_start_one() {
    // Bound but never accepting is not refused, so take a port and give it back.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let home = tempfile::tempdir().unwrap();
    let output = gateless(
        &format!("http://{address}"),
        home.path(),
        &["ls", "-o", "json"],
    );
    assert_eq!(code(&output), 7);
    assert_eq!(document(&output)["code"], "unreachable");
    assert!(
        stderr(&output).contains("gateless up"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn wrong_arguments_are_a_usage_error_and_still_one_document() {
    let home = tempfile::tempdir().unwrap();
    for args in [
        &["ls", "--bogus", "-o", "json"][..],
        &["-ojson", "nonsense"],
    ] {
        let output = gateless("http://127.0.0.1:1", home.path(), args);
        assert_eq!(code(&output), 2, "{args:?}");
        assert_eq!(document(&output)["exit_code"], 2, "{args:?}");
    }
}

#[test]
fn a_list_follows_its_pages_and_keeps_warnings_off_stdout() {
    let fake = Fake::new(|request| {
        let body = if request.line.contains("page_token=p2") {
            json!({"items": [{"name": "b"}], "next_page_token": null})
        } else {
            json!({"items": [{"name": "a"}], "next_page_token": "p2",
                   "warnings": [{"sidecar": "n1", "detail": "gone"}]})
        };
        answer(200, body.to_string())
    });
    let output = run(&fake, &["ls", "-o", "jsonl"]);
    assert_eq!(stdout(&output), "{\"name\":\"a\"}\n{\"name\":\"b\"}\n");
    assert!(stderr(&output).contains("without sidecar n1: gone"));
    let output = run(&fake, &["ls"]);
    assert!(
        stdout(&output).starts_with("NAME  READY"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_read_is_tried_again_when_the_server_asks_for_it() {
    let tries = AtomicUsize::new(0);
    let fake = Fake::new(move |_| match tries.fetch_add(1, Ordering::Relaxed) {
        0 => problem(503, "busy").with("retry-after", "0"),
        _ => answer(200, r#"{"items":[],"next_page_token":null}"#),
    });
    let output = run(&fake, &["ls", "-o", "json"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(fake.lines().len(), 2);
}

#[test]
fn the_schema_and_completions_need_no_server() {
    let home = tempfile::tempdir().unwrap();
    let output = gateless("http://127.0.0.1:1", home.path(), &["schema"]);
    assert_eq!(document(&output)["title"], "function.toml");
    let output = gateless("http://127.0.0.1:1", home.path(), &["completions", "bash"]);
    assert!(
        stdout(&output).contains("gateless__subcmd__deploy"),
        "{}",
        stdout(&output)
    );
}
