//! Which room of the sidecar, and which module of the server, may import which: by the paths in the code, in both
//! directions.
//!
//! Tests and fakes may reach everything, and are left out.

use std::collections::{BTreeMap, BTreeSet};

use super::{none, read, rust_files};

/// A room, and every room it may import. What it does not name is forbidden.
type Rooms = &'static [(&'static str, &'static [&'static str])];

const SIDECAR: &str = "sidecar/src/";

const SIDECAR_ROOMS: Rooms = &[
    ("clock", &[]),
    ("endpoint", &["clock"]),
    ("telemetry", &[]),
    ("runtime", &["clock", "endpoint", "telemetry"]),
    ("call", &["clock", "endpoint", "runtime"]),
    ("cluster", &["clock"]),
    ("catalogue", &["cluster", "endpoint"]),
    ("instance", &["clock", "endpoint"]),
    ("queue", &["call", "clock", "endpoint", "telemetry"]),
    (
        "trigger",
        &[
            "call",
            "catalogue",
            "clock",
            "cluster",
            "endpoint",
            "queue",
            "telemetry",
        ],
    ),
    (
        "edge",
        &[
            "call",
            "catalogue",
            "clock",
            "cluster",
            "endpoint",
            "queue",
            "runtime",
            "telemetry",
            "trigger",
        ],
    ),
    (
        "reconcile",
        &[
            "catalogue",
            "clock",
            "cluster",
            "instance",
            "runtime",
            "telemetry",
        ],
    ),
    (
        "admin",
        &[
            "cluster",
            "instance",
            "queue",
            "runtime",
            "telemetry",
            "trigger",
        ],
    ),
    (
        "start",
        &[
            "admin",
            "call",
            "catalogue",
            "clock",
            "cluster",
            "edge",
            "endpoint",
            "instance",
            "queue",
            "reconcile",
            "runtime",
            "telemetry",
            "trigger",
        ],
    ),
];

const SERVER: &str = "server/src/";

const SERVER_ROOMS: Rooms = &[
    ("changes", &[]),
    ("clock", &[]),
    ("domain", &[]),
    ("pace", &["clock"]),
    ("store", &["clock", "pace"]),
    ("events", &["clock"]),
    ("secrets_key", &["store"]),
    ("etag", &[]),
    ("web", &["etag"]),
    ("openfaas", &["domain"]),
    ("auth", &["clock", "store"]),
    ("audit", &["store"]),
    ("identity", &["sidecars", "store"]),
    ("sidecars", &["changes", "domain", "events"]),
    (
        "service",
        &["changes", "clock", "domain", "events", "sidecars", "store"],
    ),
    ("observer", &["clock", "events", "service", "sidecars"]),
    ("metrics", &["clock", "service", "store"]),
    (
        "grpc",
        &[
            "clock", "events", "identity", "metrics", "service", "sidecars", "store",
        ],
    ),
    (
        "http",
        &[
            "audit",
            "auth",
            "clock",
            "domain",
            "etag",
            "events",
            "identity",
            "metrics",
            "openfaas",
            "pace",
            "secrets_key",
            "service",
            "sidecars",
            "store",
            "web",
        ],
    ),
    ("token_file", &["audit", "auth", "clock", "store"]),
    (
        "recover",
        &[
            "audit",
            "auth",
            "clock",
            "secrets_key",
            "store",
            "token_file",
        ],
    ),
    (
        "run",
        &[
            "audit",
            "auth",
            "changes",
            "clock",
            "grpc",
            "http",
            "identity",
            "metrics",
            "observer",
            "openfaas",
            "secrets_key",
            "service",
            "sidecars",
            "store",
            "token_file",
            "web",
        ],
    ),
];

/// The room a file is in: `sidecar/src/call/send.rs` and `sidecar/src/call.rs` are in `call`.
fn room<'a>(root: &str, file: &'a str) -> Option<&'a str> {
    let inside = file.strip_prefix(root)?;
    let first = inside.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first)).filter(|room| *room != "lib")
}

/// Whether all of a file is for tests.
pub(super) fn is_test(file: &str) -> bool {
    let support = [
        "/tests/",
        "/tests.rs",
        "/fake.rs",
        "/fake/",
        "/contract.rs",
        "/memory.rs",
    ];
    support.iter().any(|part| file.contains(part))
}

/// A file without the unit tests at its end.
pub(super) fn code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text)
}

/// Every name that follows `crate::`, in a path or in a group of them.
fn imports(text: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        let letters = text.trim_start().chars();
        letters
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    let code = code(text);
    let mut found = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        // Not the end of a longer name, such as `some_crate::`.
        if code[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + start.len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split('}').next().unwrap_or(group);
                found.extend(group.split(',').map(word));
            }
            None => drop(found.insert(word(rest))),
        }
    }
    found
}

#[track_caller]
fn check_imports(root: &str, rooms: Rooms) {
    let allowed: BTreeMap<&str, &[&str]> = rooms.iter().copied().collect();
    let mut wrong = Vec::new();
    let mut used: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let files = rust_files();
    for file in files.iter().filter(|file| !is_test(file)) {
        let Some(room) = room(root, file) else {
            continue;
        };
        let Some(may) = allowed.get(room) else {
            wrong.push(format!("{file} is in no known room"));
            continue;
        };
        for import in imports(&read(file)) {
            let known = allowed.contains_key(import.as_str());
            if known && import != room && !may.contains(&import.as_str()) {
                wrong.push(format!("{file} imports {import}"));
            }
            used.entry(room).or_default().insert(import);
        }
    }
    none("a room imports what it must not", wrong);
    let unused = rooms.iter().flat_map(|(room, may)| {
        let used = used.get(room).cloned().unwrap_or_default();
        let unused = may.iter().filter(move |other| !used.contains(**other));
        unused.map(move |other| format!("{room} may import {other}, and does not"))
    });
    none("allowed imports that nobody needs", unused.collect());
}

#[track_caller]
fn check_no_circle(rooms: Rooms) {
    let mut settled = BTreeSet::new();
    let mut left: Vec<_> = rooms.to_vec();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|(room, may)| {
            let ready = may.iter().all(|other| settled.contains(other));
            if ready {
                settled.insert(*room);
            }
            !ready
        });
        let circle = left.iter().map(|(room, _)| (*room).to_owned());
        if left.len() == before {
            none("rooms in a circle", circle.collect());
        }
    }
}

#[test]
fn rooms_of_the_sidecar_import_one_way() {
    check_imports(SIDECAR, SIDECAR_ROOMS);
    check_no_circle(SIDECAR_ROOMS);
}

#[test]
fn modules_of_the_server_import_one_way() {
    check_imports(SERVER, SERVER_ROOMS);
    check_no_circle(SERVER_ROOMS);
}
