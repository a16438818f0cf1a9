//! `login` and `context`: what is saved, and who gets to see it.

use std::process::Command;

use serde_json::json;

use crate::fake::{Fake, answer};
use crate::{code, document, gateless, stderr, stdout};

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
fn a_server_that_is_named_is_called_with_the_login_saved_for_it() {
    let home = tempfile::tempdir().unwrap();
    let first = Fake::new(|_| answer(200, r#"{"items":[]}"#));
    let second = Fake::new(|_| answer(200, r#"{"items":[]}"#));
    for fake in [&first, &second] {
        let output = gateless(&fake.url(), home.path(), &["login"]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
    }
    // The second login left the first one where it was, and either is found by its address.
    for fake in [&first, &second] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateless"));
        command.args(["ls"]).env_clear().env("HOME", home.path());
        let output = command.env("GATELESS_SERVER", fake.url() + "/").output();
        assert_eq!(code(&output.unwrap()), 0);
        let last = fake.seen().pop().unwrap();
        assert_eq!(last.headers["authorization"], "Bearer secret-token");
    }
}

#[test]
fn contexts_are_listed_chosen_and_forgotten_without_their_tokens() {
    let home = tempfile::tempdir().unwrap();
    let first = Fake::new(|_| answer(200, r#"{"items":[]}"#));
    let second = Fake::new(|_| answer(200, r#"{"items":[]}"#));
    for (fake, name) in [(&first, "first"), (&second, "second")] {
        let output = gateless(&fake.url(), home.path(), &["login", "--context", name]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
    }
    let bare = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateless"));
        command.args(args).env_clear().env("HOME", home.path());
        command.output().unwrap()
    };
    let listed = bare(&["context", "ls", "-o", "json"]);
    let items = &document(&listed)["items"];
    assert_eq!(
        items[1],
        json!({"name": "second", "current": true, "server": second.url(),
        "namespace": "default", "has_token": true})
    );
    assert!(!stdout(&listed).contains("secret-token"));

    assert_eq!(code(&bare(&["ls", "--context", "first"])), 0);
    assert_eq!(first.seen().len(), 2, "the login's check, and the list");
    assert_eq!(code(&bare(&["context", "use", "first"])), 0);
    assert_eq!(code(&bare(&["ls"])), 0);
    assert_eq!((first.seen().len(), second.seen().len()), (3, 1));

    assert_eq!(code(&bare(&["context", "rm", "first"])), 0);
    assert_eq!(code(&bare(&["context", "show"])), 3);
    assert_eq!(code(&bare(&["context", "use", "first"])), 3);
}
