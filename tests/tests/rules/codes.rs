//! What is the matter with a request is said in one place a side: codes are `problem::Code`'s, and two files turn errors into
//! answers.
//!
//! By the tokens of the code. Tests may spell a code as it goes over the wire: that is what they are there to hold.

use gateless_common::problem::Code;

use super::{none, read, rust_files};
use crate::rooms::{code, is_test};

/// Where the codes are.
const TABLE: &str = "common/src/problem.rs";

/// The files that turn an error into an answer: one a side, the shape that OpenFaaS's tools want of the server's, and the
/// page that says how to get the dashboard.
const ANSWERS: [&str; 4] = [
    "sidecar/src/call/error.rs",
    "server/src/http/problem.rs",
    "server/src/http/openfaas.rs",
    "server/src/web/absent.rs",
];

/// Words that are spelled like a code and are none: the file, the word, and what it is there.
const OTHER_WORDS: [(&str, &str, &str); 5] = [
    (
        "cli/src/commands/deploy.rs",
        "exists",
        "a field of a dry run",
    ),
    (
        "cli/src/commands/import.rs",
        "exists",
        "a failure of the command's own",
    ),
    (
        "cli/src/import/knative.rs",
        "response_start_timeout",
        "a key of function.toml",
    ),
    (
        "server/src/domain/conditions.rs",
        "no_revision",
        "a condition's reason",
    ),
    (
        "sidecar/core/src/call.rs",
        "function_deleted",
        "a dead letter's reason",
    ),
];

/// Statuses of answers that are no problem.
const FINE: [&str; 7] = [
    "OK",
    "CREATED",
    "ACCEPTED",
    "NO_CONTENT",
    "NOT_MODIFIED",
    "PERMANENT_REDIRECT",
    "SWITCHING_PROTOCOLS",
];

/// The shipped code of the program, without comments and examples of documents.
fn shipped() -> impl Iterator<Item = (String, String)> {
    let parts = ["common/src/", "sidecar/", "server/src/", "cli/src/"];
    let shipped = move |file: &String| {
        parts.iter().any(|part| file.starts_with(part)) && file.contains("/src/") && !is_test(file)
    };
    rust_files().into_iter().filter(shipped).map(|file| {
        let text = read(&file);
        let lines = code(&text).lines().filter(|line| {
            let line = line.trim_start();
            !line.starts_with("//")
                && !line.starts_with("#[schema")
                && !line.starts_with("\"code\":")
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        (file, text)
    })
}

#[test]
fn codes_are_named_and_not_spelled() {
    let mut wrong = Vec::new();
    let mut used = Vec::new();
    for (file, text) in shipped().filter(|(file, _)| file != TABLE) {
        for code in Code::ALL {
            if !text.contains(&format!("\"{code}\"")) {
                continue;
            }
            let known = OTHER_WORDS
                .iter()
                .position(|(other, word, _)| file == *other && code.as_str() == *word);
            match known {
                Some(known) => used.push(known),
                None => wrong.push(format!("{file}: \"{code}\" is Code::{code:?}")),
            }
        }
    }
    none("codes that are spelled out", wrong);
    let unused = OTHER_WORDS.iter().enumerate();
    let unused = unused.filter(|(at, _)| !used.contains(at));
    none(
        "exceptions that nobody needs",
        unused
            .map(|(_, (file, word, _))| format!("{file}: {word}"))
            .collect(),
    );
}

#[test]
fn two_files_turn_errors_into_answers() {
    let mut wrong = Vec::new();
    for (file, text) in shipped().filter(|(file, _)| !ANSWERS.contains(&file.as_str())) {
        for (at, start) in text.match_indices("StatusCode::") {
            let name: String = text[at + start.len()..]
                .chars()
                .take_while(|c| c.is_ascii_uppercase() || *c == '_')
                .collect();
            if name.len() > 1 && !FINE.contains(&name.as_str()) {
                wrong.push(format!("{file}: {name}"));
            }
        }
        if text.contains("from_static(\"application/problem+json\")") {
            wrong.push(format!("{file} makes a problem document"));
        }
    }
    none("answers that are made beside the tables", wrong);
}
