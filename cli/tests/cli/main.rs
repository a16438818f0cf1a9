//! The built binary against a tiny REST server: requests, output and exit codes.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy's allowances leave out"
)]

mod fake;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use self::fake::{Answer, Fake, Request, answer};

/// Runs `gateless` with nothing of the user's environment but PATH.
fn gateless(server: &str, home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gateless"))
        .args(args)
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GATELESS_SERVER", server)
        .env("GATELESS_TOKEN", "secret-token")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn run(fake: &Fake, args: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    gateless(&fake.url(), home.path(), args)
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Stdout as the one JSON document it must be.
fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e} in {:?}, stderr {:?}", stdout(output), stderr(output)))
}

fn problem(status: u16, code: &str) -> Answer {
    let body = json!({"type": format!("urn:gateless:problem:{code}"), "title": format!("it is {code}"), "code": code});
    answer(status, body.to_string()).with("content-type", "application/problem+json")
}

fn function(ready: bool) -> Value {
    json!({
        "namespace": "default", "name": "hello", "version": 7, "created_at": "2026-01-01T00:00:00Z",
        "labels": {}, "spec": {"kind": "process"},
        "traffic": [{"revision": null, "latest": true, "percent": 100, "tag": null}],
        "status": {
            "ready": ready, "url_path": "/function/hello.default",
            "latest_revision": "hello-00002",
            "latest_ready_revision": if ready { "hello-00002" } else { "hello-00001" },
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

/// A server for `deploy`: the bundle and the function are there or not, and get ready on the second look.
fn deploy_server(has_bundle: bool, exists: bool) -> Fake {
    let looks = AtomicUsize::new(0);
    let applied = Mutex::new(false);
    Fake::new(move |request: &Request| {
        let method = request.line.split(' ').next().unwrap();
        match (method, request.line.contains("/artifacts/")) {
            ("HEAD", true) => answer(if has_bundle { 200 } else { 404 }, ""),
            ("PUT", true) => answer(201, "{}"),
            ("PUT", false) => {
                *applied.lock().unwrap() = true;
                answer(200, function(false).to_string())
            }
            _ if !*applied.lock().unwrap() && !exists => problem(404, "not_found"),
            _ if !*applied.lock().unwrap() => {
                answer(200, function(true).to_string()).with("etag", "\"7\"")
            }
            _ => {
                let ready = looks.fetch_add(1, Ordering::Relaxed) > 0;
                answer(200, function(ready).to_string()).with("etag", "\"8\"")
            }
        }
    })
}

fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("main.py"), "print()\n").unwrap();
    let manifest = "name = \"hello\"\ncommand = [\"python3\", \"main.py\"]\nbundle = \".\"\n[limits]\ntimeout = \"5s\"\n";
    std::fs::write(dir.path().join("function.toml"), manifest).unwrap();
    dir
}

#[test]
fn deploy_uploads_applies_and_waits_showing_conditions() {
    let (fake, project) = (deploy_server(false, false), project());
    let path = project.path().to_str().unwrap();
    let output = run(&fake, &["deploy", path, "-o", "json"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(
        document(&output)["status"]["latest_ready_revision"],
        "hello-00002"
    );
    let progress = stderr(&output);
    for part in [
        "uploading bundle",
        "Ready: unknown, starting",
        "Ready: true, ready",
    ] {
        assert!(progress.contains(part), "{part} in {progress}");
    }
    let seen = fake.seen();
    let find = |start: &str| seen.iter().find(|r| r.line.starts_with(start)).unwrap();
    let upload = find("PUT /v1/namespaces/default/artifacts/");
    let apply = find("PUT /v1/namespaces/default/functions/hello");
    assert_eq!(apply.headers["if-none-match"], "*");
    let body: Value = serde_json::from_slice(&apply.body).unwrap();
    let bundle = &body["spec"]["process"]["bundle"];
    assert_eq!(bundle["size"], upload.body.len());
    assert!(upload.line.ends_with(bundle["sha256"].as_str().unwrap()));
    assert_eq!(body["spec"]["limits"]["timeout_ms"], 5000);
}

#[test]
fn deploy_skips_a_bundle_the_server_has_and_applies_on_the_version_it_read() {
    let (fake, project) = (deploy_server(true, true), project());
    let path = project.path().to_str().unwrap();
    let output = run(&fake, &["deploy", path, "--no-wait"]);
    assert_eq!(
        (code(&output), stdout(&output).as_str()),
        (0, "hello-00002\n")
    );
    let seen = fake.seen();
    assert!(
        !seen
            .iter()
            .any(|r| r.line.starts_with("PUT") && r.line.contains("/artifacts/"))
    );
    assert_eq!(seen.last().unwrap().headers["if-match"], "\"7\"");
}

#[test]
fn deploy_names_the_line_of_a_wrong_manifest_and_sends_nothing() {
    let fake = Fake::new(|_| answer(500, ""));
    let project = project();
    let path = project.path().join("function.toml");
    std::fs::write(&path, "name = \"hello\"\ncomand = [\"x\"]\n").unwrap();
    let output = run(&fake, &["deploy", path.to_str().unwrap(), "-o", "json"]);
    assert_eq!(code(&output), 2);
    let pointer = document(&output)["errors"][0]["pointer"].clone();
    assert!(
        pointer.as_str().unwrap().ends_with("function.toml:2:1"),
        "{pointer}"
    );
    assert!(fake.lines().is_empty());
}

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
        "POST /async-function/hello.default/" => answer(202, json!({"id": "c-1"}).to_string()),
        "GET /_gateless/calls/c-1" => {
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
fn traffic_rollback_and_tokens_send_what_the_api_expects() {
    let fake = Fake::new(|request| {
        if request.line.contains("/tokens") {
            return answer(201, json!({"id": "t1", "token": "the-token"}).to_string());
        }
        answer(200, function(true).to_string()).with("etag", "\"7\"")
    });
    let output = run(&fake, &["traffic", "set", "hello", "r1=90", "latest=10"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let put = fake
        .seen()
        .into_iter()
        .find(|r| r.line.starts_with("PUT"))
        .unwrap();
    assert_eq!(
        put.line,
        "PUT /v1/namespaces/default/functions/hello/traffic"
    );
    assert_eq!(put.headers["if-match"], "\"7\"");
    let body: Value = serde_json::from_slice(&put.body).unwrap();
    assert_eq!(body["targets"][0]["revision"], "hello-00001");

    assert_eq!(code(&run(&fake, &["rollback", "hello", "--to", "1"])), 0);
    let post = fake
        .seen()
        .into_iter()
        .find(|r| r.line.ends_with("/rollback"))
        .unwrap();
    assert_eq!(post.body, br#"{"revision":"hello-00001"}"#);

    let output = run(
        &fake,
        &["token", "create", "--role", "invoker", "--ttl", "1h"],
    );
    assert_eq!(stdout(&output), "the-token\n");
    let post = fake
        .seen()
        .into_iter()
        .find(|r| r.line.ends_with("/tokens"))
        .unwrap();
    let body: Value = serde_json::from_slice(&post.body).unwrap();
    assert_eq!(
        body,
        json!({"namespace": "default", "role": "invoker", "ttl_seconds": 3600})
    );
}

#[test]
fn logs_print_lines_as_they_come_and_as_one_document() {
    let fake = Fake::new(|_| {
        let line = json!({"time": "2026-01-01T00:00:00Z", "instance": "i", "stream": "stdout", "line": "hi"});
        answer(200, format!("{line}\n{line}"))
    });
    let output = run(&fake, &["logs", "hello", "--tail", "5"]);
    assert_eq!(
        stdout(&output),
        "2026-01-01T00:00:00Z i stdout hi\n".repeat(2)
    );
    assert!(fake.lines()[0].contains("tail=5"));
    let output = run(&fake, &["logs", "hello", "-o", "json"]);
    assert_eq!(document(&output)["items"].as_array().unwrap().len(), 2);
}

#[test]
fn a_login_is_used_afterwards_but_never_for_another_server() {
    let fake = Fake::new(|_| answer(200, r#"{"items":[],"next_page_token":null}"#));
    let home = tempfile::tempdir().unwrap();
    let output = gateless(&fake.url(), home.path(), &["login", "-n", "prod"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let bare = |server: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateless"));
        command.args(["ls"]).env_clear().env("HOME", home.path());
        command.args(server.map(|url| format!("--server={url}")));
        command.output().unwrap()
    };
    assert_eq!(code(&bare(None)), 0);
    let last = fake.seen().pop().unwrap();
    assert!(
        last.line.starts_with("GET /v1/namespaces/prod/functions"),
        "{}",
        last.line
    );
    assert_eq!(last.headers["authorization"], "Bearer secret-token");
    let other = Fake::new(|_| answer(200, r#"{"items":[]}"#));
    assert_eq!(code(&bare(Some(&other.url()))), 0);
    assert!(!other.seen()[0].headers.contains_key("authorization"));
}

#[test]
fn a_secret_from_a_file_reaches_the_server_and_nothing_else() {
    let fake = Fake::new(|_| answer(200, "{}"));
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("key");
    std::fs::write(&file, "hush").unwrap();
    let value = format!("api=@{}", file.display());
    let output = run(&fake, &["secret", "set", "store", &value, "-o", "json"]);
    assert_eq!(document(&output), json!({"name": "store", "keys": ["api"]}));
    assert_eq!(fake.seen()[0].body, br#"{"data":{"api":"hush"}}"#);
    assert!(!stderr(&output).contains("hush"));
}
