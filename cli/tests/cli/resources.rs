//! Traffic, tokens, secrets, triggers, calls and sidecars: what the API is sent.

use serde_json::{Value, json};

use crate::fake::{Fake, Request, answer};
use crate::{code, document, function, problem, run, stderr, stdout};

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

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn a_trigger_is_made_paused_and_deleted_on_the_version_that_was_read() {
    let spec = json!({"kind": "cron", "function": "hello", "paused": false, "cron": {"schedule": "*/5 * * * *"}});
    let there = spec.clone();
    let fake = Fake::new(move |request| {
        if request.line.ends_with("/triggers/new") && request.line.starts_with("GET") {
            return problem(404, "not_found");
        }
        answer(200, json!({"name": "tick", "spec": there}).to_string()).with("etag", "\"3\"")
    });
    let last = || fake.seen().pop().unwrap();
    let set = ["trigger", "set", "new", "--function", "hello"];
    let output = run(&fake, &[&set[..], &["--cron", "*/5 * * * *"]].concat());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(last().line, "PUT /v1/namespaces/default/triggers/new");
    assert_eq!(last().headers["if-none-match"], "*");
    assert_eq!(body(&last()), json!({"spec": spec}));

    let args = [
        "--event",
        "type=made",
        "--event",
        "source=/shop",
        "--path",
        "/on",
        "-X",
        "PUT",
    ];
    assert_eq!(code(&run(&fake, &[&set[..], &args].concat())), 0);
    let sent = body(&last())["spec"].clone();
    assert_eq!(
        sent["cloudevents"]["attributes"],
        json!({"type": "made", "source": "/shop"})
    );
    assert_eq!(
        (&sent["kind"], &sent["path"]),
        (&json!("cloudevents"), &json!("/on"))
    );

    assert_eq!(code(&run(&fake, &["trigger", "pause", "tick"])), 0);
    assert_eq!(body(&last())["spec"]["paused"], true);
    assert_eq!(last().headers["if-match"], "\"3\"");
    assert_eq!(code(&run(&fake, &["trigger", "rm", "tick"])), 0);
    assert_eq!(last().headers["if-match"], "\"3\"");

    // A source is needed, and one only.
    for args in [&[][..], &["--cron", "x", "--topic", "t"]] {
        assert_eq!(code(&run(&fake, &[&set[..], args].concat())), 2, "{args:?}");
    }
}

#[test]
fn many_calls_are_one_request_and_those_that_failed_are_told() {
    let fake = Fake::new(|request| {
        let failed = if request.line.ends_with("/cancel") {
            json!([{"id": "b", "code": "wrong_state", "detail": "it is finished"}])
        } else {
            json!([])
        };
        answer(
            200,
            json!({"count": 1, "failed": failed, "more": false, "state": "queued"}).to_string(),
        )
    });
    let last = || fake.seen().pop().unwrap();
    let functions = "POST /v1/namespaces/default/functions/hello";
    let output = run(&fake, &["invocations", "cancel", "hello", "a", "b"]);
    assert_eq!(
        (code(&output), stdout(&output).as_str()),
        (4, "cancelled 1\n")
    );
    assert!(stderr(&output).contains("b: it is finished"));
    assert_eq!(last().line, format!("{functions}/invocations/cancel"));
    assert_eq!(body(&last()), json!({"ids": ["a", "b"]}));

    assert_eq!(
        code(&run(
            &fake,
            &["invocations", "replay", "hello", "--state", "dead"]
        )),
        0
    );
    assert_eq!(body(&last()), json!({"state": "dead"}));
    assert_eq!(
        code(&run(&fake, &["invocations", "replay", "hello", "a"])),
        0
    );
    assert_eq!(last().line, format!("{functions}/invocations/a/replay"));
    assert_eq!(code(&run(&fake, &["dlq", "replay", "hello", "a"])), 0);
    assert_eq!(last().line, format!("{functions}/dead-letters/replay"));
    assert_eq!(body(&last()), json!({"ids": ["a"], "dry_run": false}));
    assert_eq!(
        code(&run(&fake, &["dlq", "replay", "hello", "--dry-run"])),
        0
    );
    assert_eq!(body(&last()), json!({"dry_run": true}));
    assert_eq!(code(&run(&fake, &["invocations", "purge", "hello"])), 0);
    let purge = format!("{functions}/invocations").replace("POST", "DELETE");
    assert_eq!(last().line, purge);
    assert_eq!(code(&run(&fake, &["invocations", "cancel", "hello"])), 2);
}

#[test]
fn a_sidecar_is_drained_and_resumed_by_its_id() {
    let fake = Fake::new(|request| {
        let draining = request.line.ends_with("/drain");
        answer(
            200,
            json!({"id": "n/1", "connected": true, "draining": draining}).to_string(),
        )
    });
    let output = run(&fake, &["sidecars", "drain", "n/1"]);
    assert_eq!(stdout(&output), "n/1 is draining\n");
    assert_eq!(fake.lines(), ["POST /v1/sidecars/n%2F1/drain"]);
    let output = run(&fake, &["sidecars", "resume", "n/1", "-o", "json"]);
    assert_eq!(document(&output)["draining"], false);
}
