//! `deploy` and `diff`: what is sent, in which order, and what is shown.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::fake::{Fake, Request, answer};
use crate::{code, document, function, problem, run, stderr, stdout};

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
fn a_revision_that_gets_no_calls_is_a_success_only_when_that_is_asked_for() {
    let fake = Fake::new(|request: &Request| {
        let mut pinned = function(true);
        pinned["status"]["rollout"] = json!({"state": "no_traffic", "revision": "hello-00002", "percent": 0,
            "shares": [{"revision": "hello-00001", "percent": 100}],
            "message": "hello-00002 is ready but gets no calls: traffic is set to others"});
        match request.line.starts_with("HEAD") {
            true => answer(200, ""),
            false => answer(200, pinned.to_string()).with("etag", "\"7\""),
        }
    });
    let project = project();
    let path = project.path().to_str().unwrap();
    let output = run(&fake, &["deploy", path]);
    assert_eq!((code(&output), stdout(&output).as_str()), (4, ""));
    for part in [
        "gets no calls",
        "gateless traffic set hello latest=100",
        "--no-traffic",
    ] {
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    }
    let output = run(&fake, &["deploy", path, "--no-traffic"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(
        stdout(&output).contains("gets no calls"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_first_revision_that_fails_is_not_said_to_have_another_before_it() {
    let fake = Fake::new(|request: &Request| {
        let mut failing = function(false);
        failing["status"]["latest_ready_revision"] = Value::Null;
        failing["status"]["rollout"] = json!({"state": "failing", "revision": "hello-00002", "percent": 0,
            "shares": [], "message": "hello-00002 fails, and no other revision answers calls"});
        match request.line.starts_with("HEAD") {
            true => answer(200, ""),
            false => answer(200, failing.to_string()).with("etag", "\"7\""),
        }
    });
    let project = project();
    let path = project.path().to_str().unwrap();
    let output = run(&fake, &["deploy", path, "--timeout", "0ms"]);
    assert_eq!(code(&output), 5);
    let said = stderr(&output);
    assert!(said.contains("no other revision answers calls"), "{said}");
    assert!(!said.contains("keeps its traffic"), "{said}");
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

/// The function runs already, and applying it for show gives `max_scale = 9`.
fn dry_server() -> Fake {
    Fake::new(|request: &Request| {
        let mut function = function(true);
        let scale = if request.line.starts_with("PUT") {
            9
        } else {
            3
        };
        function["spec"]["scaling"] = json!({"max_scale": scale});
        answer(200, function.to_string()).with("etag", "\"7\"")
    })
}

#[test]
fn a_dry_run_shows_what_would_change_and_changes_nothing() {
    let (fake, project) = (dry_server(), project());
    let path = project.path().to_str().unwrap();
    let output = run(&fake, &["deploy", "--dry-run", path]);
    let shown = (code(&output), stdout(&output));
    assert_eq!(shown, (0, "~ spec.scaling.max_scale: 3 -> 9\n".to_owned()));
    let puts: Vec<String> = fake.lines();
    let puts: Vec<_> = puts
        .iter()
        .filter(|l| l.contains("/functions/") && l.starts_with("PUT"))
        .collect();
    assert!(
        puts.iter().all(|l| l.ends_with("?dry_run=true")),
        "{puts:?}"
    );

    let output = run(&fake, &["diff", path, "--exit-code", "-o", "json"]);
    assert_eq!(code(&output), 1);
    let change = json!({"path": "spec.scaling.max_scale", "from": 3, "to": 9});
    assert_eq!(document(&output)["changes"], json!([change]));
}

#[test]
fn what_the_server_refuses_is_shown_in_the_file() {
    let fake = Fake::new(|request| {
        if request.line.starts_with("PUT") {
            let errors = json!([{"pointer": "/spec/limits/timeout_ms", "detail": "is too short"}]);
            let body = json!({"type": "urn:gateless:problem:invalid", "title": "Unprocessable",
                "detail": "the function is not valid", "code": "invalid", "errors": errors});
            return answer(422, body.to_string()).with("content-type", "application/problem+json");
        }
        answer(200, function(true).to_string()).with("etag", "\"7\"")
    });
    let project = project();
    let path = project.path().to_str().unwrap();
    let output = run(&fake, &["deploy", path]);
    assert_eq!(code(&output), 2);
    for part in ["function.toml:5", "timeout = \"5s\"", "is too short"] {
        assert!(
            stderr(&output).contains(part),
            "{part} in {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_misspelt_key_is_shown_with_what_was_meant() {
    let fake = Fake::new(|_| answer(500, ""));
    let project = project();
    std::fs::write(
        project.path().join("function.toml"),
        "name = \"hello\"\ncomand = [\"x\"]\n",
    )
    .unwrap();
    let output = run(&fake, &["deploy", project.path().to_str().unwrap()]);
    for part in ["function.toml:2:1", "comand = ", "did you mean `command`?"] {
        assert!(
            stderr(&output).contains(part),
            "{part} in {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_build_runs_first_and_a_broken_one_deploys_nothing() {
    let (fake, project) = (deploy_server(false, false), project());
    let path = project.path().to_str().unwrap();
    let manifest = |build: &str| {
        let text = format!(
            "name = \"hello\"\ncommand = [\"./run\"]\nbundle = \"dist\"\n[build]\ncommand = {build:?}\n"
        );
        std::fs::write(project.path().join("function.toml"), text).unwrap();
    };
    manifest("echo what went wrong >&2; exit 3");
    let output = run(&fake, &["deploy", path, "-o", "json"]);
    assert_eq!(code(&output), 1);
    assert_eq!(document(&output)["output"], json!(["what went wrong"]));
    assert!(fake.lines().is_empty());

    manifest("test -z \"$CARGO_TARGET_DIR\" && mkdir -p dist && cp main.py dist/run");
    let output = run(&fake, &["deploy", path, "--no-wait"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(
        fake.seen()
            .iter()
            .any(|r| r.line.contains("/artifacts/") && r.line.starts_with("PUT"))
    );
}
