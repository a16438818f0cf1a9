//! `logs` and `events`: printed as they come, taken up again where they broke off.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::fake::{Fake, answer};
use crate::{code, document, run, stderr, stdout};

/// The first `count` lines of a command that has no end, which is then killed.
fn first_lines(fake: &Fake, args: &[&str], count: usize) -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_gateless"))
        .args(args)
        .env_clear()
        .env("HOME", home.path())
        .env("GATELESS_SERVER", fake.url())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let lines = lines
        .take(count)
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap());
    let lines = lines.collect();
    child.kill().unwrap();
    child.wait().unwrap();
    lines
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
fn a_log_that_breaks_off_goes_on_without_repeating_itself() {
    let line = |text: &str, millis: u32| {
        json!({"time": format!("2026-01-01T00:00:00.{millis:03}Z"), "instance": "i", "stream": "stdout", "line": text}).to_string()
    };
    let parts = [
        format!("{}\n{}\n", line("a", 1), line("b", 2)),
        format!("{}\n{}\n", line("b", 2), line("c", 3)),
    ];
    let looks = AtomicUsize::new(0);
    let fake = Fake::new(move |_| {
        let look = looks.fetch_add(1, Ordering::Relaxed);
        answer(200, parts[look.min(1)].clone())
    });
    let lines = first_lines(&fake, &["logs", "hello", "-f", "-o", "jsonl"], 3);
    let texts: Vec<_> = lines.iter().map(|l| l["line"].as_str().unwrap()).collect();
    assert_eq!(texts, ["a", "b", "c"]);
    let second = &fake.lines()[1];
    assert!(second.contains("since_ms=1767225598002"), "{second}");
}

#[test]
fn events_go_on_after_the_last_one() {
    let looks = AtomicUsize::new(0);
    let fake = Fake::new(move |request| {
        let event = |n: u32| {
            format!("id: b-{n}\nevent: function\ndata: {{\"type\":\"function\",\"n\":{n}}}\n\n")
        };
        match looks.fetch_add(1, Ordering::Relaxed) {
            0 => answer(200, format!(": hi\n\n{}{}", event(1), event(2))),
            _ if request
                .headers
                .get("last-event-id")
                .is_some_and(|id| id == "b-2") =>
            {
                answer(200, event(3))
            }
            _ => answer(200, ""),
        }
    });
    let args = [
        "events",
        "hello",
        "-f",
        "-o",
        "jsonl",
        "--types",
        "function,sample",
    ];
    let lines = first_lines(&fake, &args, 3);
    let numbers: Vec<_> = lines.iter().map(|l| l["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let first = &fake.lines()[0];
    assert!(
        first.starts_with(
            "GET /v1/namespaces/default/events?types=function%2Csample&function=hello"
        ),
        "{first}"
    );
}

#[test]
fn what_has_no_end_is_no_json_document() {
    let fake = Fake::new(|_| answer(200, ""));
    for args in [
        &["events", "-f", "-o", "json"][..],
        &["logs", "hello", "-f", "-o", "json"],
    ] {
        let output = run(&fake, args);
        assert_eq!(code(&output), 2, "{args:?}");
        assert!(stderr(&output).contains("jsonl"));
    }
    assert!(fake.lines().is_empty());
}

#[test]
fn top_shows_every_function_once_when_nobody_looks_on() {
    let fake = Fake::new(|request| {
        if request.line.contains("/events") {
            let sample = json!({"type": "sample", "function": "busy", "rps": 2.0, "ready": 1});
            return answer(200, format!("data: {sample}\n\n"));
        }
        let items = json!([{"name": "busy"}, {"name": "idle"}]);
        answer(200, json!({"items": items}).to_string())
    });
    let output = run(&fake, &["top", "-o", "json"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let mut names: Vec<String> = Vec::new();
    for item in document(&output)["items"].as_array().unwrap() {
        names.push(item["function"].as_str().unwrap().to_owned());
    }
    names.sort();
    assert_eq!(names, ["busy", "idle"]);
}
