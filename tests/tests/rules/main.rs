//! The repository's own rules. A rule nobody checks is a wish.
//!
//! Deliberately about files only; what the code does is tested elsewhere.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

mod architecture;
mod clocks;
mod codes;
mod files;
mod rooms;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Hard stop for a source file. About 300 is the aim.
const MAX_LINES: usize = 450;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every file git knows, by its path from the root.
fn tracked() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(listed.status.success(), "git ls-files failed");
    let names = String::from_utf8(listed.stdout).unwrap();
    let files: Vec<String> = names
        .split('\0')
        .filter(|name| !name.is_empty() && root().join(name).is_file())
        .map(String::from)
        .collect();
    assert!(files.len() > 50, "git knows hardly any file: {files:?}");
    files
}

fn rust_files() -> Vec<String> {
    let is_rust = |name: &String| name.ends_with(".rs") && !is_generated(name);
    tracked().into_iter().filter(is_rust).collect()
}

fn is_generated(name: &str) -> bool {
    name == "openapi/openapi.json"
        || name == "sdk/rust/src/generated.rs"
        || name.starts_with("sdk/go/api/")
        || name.contains("/generated/")
}

fn read(name: &str) -> String {
    String::from_utf8_lossy(&fs::read(root().join(name)).unwrap()).into_owned()
}

/// Fails with every offender at once.
#[track_caller]
fn none(rule: &str, offenders: Vec<String>) {
    let list = offenders.join("\n  ");
    assert!(offenders.is_empty(), "{rule}:\n  {list}");
}

#[test]
fn files_are_short_enough_to_read() {
    let long = rust_files().into_iter().filter_map(|name| {
        let lines = read(&name).lines().count();
        (lines > MAX_LINES).then(|| format!("{name}: {lines}"))
    });
    none("files of more than 450 lines", long.collect());
}

#[test]
fn every_file_says_why_it_exists() {
    let silent = rust_files()
        .into_iter()
        .filter(|name| !read(name).starts_with("//!") && !read(name).starts_with("#!["));
    none("files that do not begin with //!", silent.collect());
}

#[test]
fn modules_and_their_tests_have_one_layout() {
    // What several test binaries share must be `NAME/mod.rs`: cargo takes `tests/NAME.rs` for a test of its own.
    let named_mod = rust_files()
        .into_iter()
        .filter(|name| name.ends_with("/mod.rs") && !name.contains("/tests/"));
    none(
        "mod.rs in place of NAME.rs beside NAME/",
        named_mod.collect(),
    );
    let elsewhere = rust_files()
        .into_iter()
        .filter(|name| name.contains("/src/"))
        .filter(|name| {
            name.ends_with("_test.rs") || name.ends_with("_tests.rs") || name.ends_with("/test.rs")
        });
    none(
        "unit tests that are neither in their module's `mod tests` nor in NAME/tests.rs",
        elsewhere.collect(),
    );
}

/// Names of a manifest's dependencies, also those for tests and for building.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut found = BTreeSet::new();
    for line in read(manifest).lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section.ends_with("dependencies");
            if let Some((_, name)) = section.split_once("dependencies.") {
                found.insert(name.to_owned());
            }
        } else if inside && !line.starts_with('#') {
            let name: String = line
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
                .collect();
            if !name.is_empty() {
                found.insert(name);
            }
        }
    }
    found
}

#[track_caller]
fn check_layer(manifest: &str, forbidden: &[&str]) {
    let used = dependencies(manifest);
    let wrong = forbidden.iter().filter(|name| used.contains(**name));
    none(
        &format!("{manifest} must not depend on"),
        wrong.map(|name| (*name).to_owned()).collect(),
    );
}

#[test]
fn core_is_pure() {
    check_layer(
        "sidecar/core/Cargo.toml",
        &[
            "tokio",
            "tokio-util",
            "hyper",
            "hyper-util",
            "tonic",
            "prost",
            "http",
            "http-body",
            "axum",
            "reqwest",
            "gateless-proto",
            "gateless-sidecar",
            "gateless-server",
        ],
    );
    for crate_ in ["sidecar/core", "common"] {
        let clippy = read(&format!("{crate_}/clippy.toml"));
        for banned in ["Instant::now", "SystemTime::now", "thread::spawn"] {
            assert!(clippy.contains(banned), "{crate_} may call {banned}");
        }
    }
    // Without features common is pure, too.
    let common: Vec<_> = read("sidecar/core/Cargo.toml")
        .lines()
        .filter(|line| line.contains("gateless-common"))
        .map(str::to_owned)
        .collect();
    assert_eq!(common, ["gateless-common.workspace = true"]);
}

/// Every crate of ours by the name in its manifest.
const OURS: [&str; 11] = [
    "gateless",
    "gateless-core",
    "gateless-identity",
    "gateless-listen",
    "gateless-proto",
    "gateless-sandbox",
    "gateless-sdk",
    "gateless-server",
    "gateless-sidecar",
    "gateless-tls",
    "gateless-wasm",
];

#[test]
fn common_is_the_ground() {
    check_layer("common/Cargo.toml", &OURS);
    let shell = ["tokio", "hyper", "tonic", "axum", "reqwest", "prost"];
    check_layer("common/Cargo.toml", &shell);
}

#[test]
fn accepting_connections_knows_nothing_of_what_is_answered() {
    check_layer("listen/Cargo.toml", &OURS);
    check_layer("listen/Cargo.toml", &["tonic", "axum"]);
}

#[test]
fn layers_point_one_way() {
    check_layer("server/Cargo.toml", &["gateless-sidecar", "gateless-core"]);
    check_layer("sidecar/Cargo.toml", &["gateless-server"]);
    check_layer(
        "proto/Cargo.toml",
        &[
            "gateless-core",
            "gateless-identity",
            "gateless-sidecar",
            "gateless-server",
        ],
    );
    check_layer(
        "identity/Cargo.toml",
        &["gateless-core", "gateless-sidecar", "gateless-server"],
    );
    check_layer(
        "tls/Cargo.toml",
        &[
            "gateless-core",
            "gateless-identity",
            "gateless-proto",
            "gateless-sidecar",
            "gateless-server",
        ],
    );
    let mine = &["gateless-core", "gateless-sidecar", "gateless-server"];
    check_layer("tests/Cargo.toml", mine);
    let sdks = tracked()
        .into_iter()
        .filter(|name| name.starts_with("sdk/") && name.ends_with("Cargo.toml"));
    for sdk in sdks {
        check_layer(&sdk, mine);
    }
}

#[test]
fn a_build_without_features_has_no_engine_and_no_dashboard() {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let listed = Command::new(cargo)
        .args(["tree", "--package=gateless", "--no-default-features"])
        .args(["--edges=normal,build", "--prefix=none"])
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&listed.stderr);
    assert!(listed.status.success(), "cargo tree failed: {said}");
    let tree = String::from_utf8(listed.stdout).unwrap();
    assert!(tree.contains("gateless-sidecar "), "no tree: {tree}");
    let heavy = ["wasmtime", "cranelift", "rust-embed"];
    let found = tree
        .lines()
        .filter(|line| heavy.iter().any(|name| line.starts_with(name)));
    none(
        "dependencies only features bring",
        found.map(String::from).collect(),
    );
}

/// Whether `word` stands alone in `text`.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(letter) && !after.is_some_and(letter)
    })
}

/// Files for people and compilers; not locks, which only tools write, nor what isn't text.
fn written() -> impl Iterator<Item = (String, String)> {
    tracked()
        .into_iter()
        .filter(|name| !name.ends_with(".lock") && !name.ends_with("-lock.json"))
        .filter(|name| name != "tests/tests/rules/main.rs")
        .filter_map(|name| {
            let bytes = fs::read(root().join(&name)).unwrap();
            Some((name, String::from_utf8(bytes).ok()?))
        })
}

#[test]
fn nothing_is_left_for_later() {
    let later = written().filter(|(name, text)| {
        !is_generated(name)
            && ["TODO", "FIXME", "XXX"]
                .iter()
                .any(|word| has_word(text, word))
    });
    none(
        "work left for later in",
        later.map(|(name, _)| name).collect(),
    );
    let stubs = rust_files().into_iter().filter(|name| {
        name != "tests/tests/rules/main.rs"
            && ["todo!(", "unimplemented!("]
                .iter()
                .any(|stub| read(name).contains(stub))
    });
    none("stubs in", stubs.collect());
}

#[test]
fn no_registry_or_machine_is_written_down() {
    let hosts = [
        "crates.io/api",
        "index.crates.io",
        "static.crates.io",
        "registry.npmjs.org",
        "pypi.org/simple",
        "files.pythonhosted.org",
        "proxy.golang.org",
        "docker.io/",
        "ghcr.io/",
        "quay.io/",
        "/work/",
        "/root/",
        "/tmp/bash_jobs",
    ];
    let found = written().flat_map(|(name, text)| {
        let in_it: Vec<_> = hosts
            .iter()
            .filter(|host| text.contains(**host))
            .map(|host| format!("{name}: {host}"))
            .collect();
        in_it
    });
    none("registry hosts and machine paths", found.collect());
    let locks = tracked()
        .into_iter()
        .filter(|name| name.ends_with("package-lock.json"));
    let resolved = locks.filter(|name| read(name).contains("\"resolved\""));
    none("locks that name a registry", resolved.collect());
}

#[test]
fn every_promised_folder_exists() {
    let files = tracked();
    let missing = [
        "cli/",
        "common/src/",
        "server/src/domain/",
        "server/src/store/",
        "server/src/http/",
        "sidecar/core/src/",
        "sidecar/core/tests/sim/",
        "sidecar/src/call/",
        "sidecar/src/edge/",
        "sidecar/src/endpoint/",
        "sidecar/src/catalogue/",
        "sidecar/src/cluster/",
        "sidecar/src/reconcile/",
        "sidecar/src/telemetry/",
        "sidecar/src/instance/",
        "sidecar/src/queue/",
        "proto/gateless/v1/",
        "openapi/",
        "sdk/",
        "web/",
        "tests/",
        "deploy/",
        "docs/adr/",
        "examples/",
    ]
    .into_iter()
    .filter(|folder| !files.iter().any(|name| name.starts_with(folder)));
    none(
        "folders without a file",
        missing.map(String::from).collect(),
    );
    let missing = [
        "Cargo.toml",
        "README.md",
        "Makefile",
        ".ci/run",
        "docs/architecture.md",
        "docs/specification.md",
        "CHANGELOG.md",
        "LICENSE",
    ]
    .into_iter()
    .filter(|file| !files.iter().any(|name| name == file));
    none("missing files", missing.map(String::from).collect());
}

#[test]
fn every_invariant_has_a_test() {
    let tests = tracked()
        .into_iter()
        .filter(|name| name.starts_with("tests/tests/") && name.ends_with(".rs"))
        .filter(|name| name != "tests/tests/rules/main.rs")
        .map(|name| read(&name))
        .collect::<String>();
    let document = read("docs/architecture.md");
    let table = document.split("| | invariant |").nth(1).unwrap_or_default();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with("| "));
    let numbers: Vec<u32> = rows
        .filter_map(|row| row.split('|').nth(1)?.trim().parse().ok())
        .collect();
    assert!(
        numbers.len() >= 10,
        "the table of invariants is not where it was"
    );
    let missing = numbers.iter();
    let missing = missing.filter(|n| !tests.contains(&format!("fn invariant_{n:02}_")));
    none(
        "invariants without a test invariant_NN_...",
        missing.map(ToString::to_string).collect(),
    );
}

#[test]
fn secrets_are_not_committed() {
    let keys = written().filter(|(_, text)| {
        text.contains(concat!("-----BEGIN ", "PRIVATE KEY"))
            || text.contains(concat!("-----BEGIN RSA ", "PRIVATE"))
    });
    none("private keys in", keys.map(|(name, _)| name).collect());
}
