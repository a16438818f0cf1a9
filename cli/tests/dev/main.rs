//! `gateless dev` with real edits: server, sidecar, queue and function, all of them real.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy's allowances leave out"
)]

mod session;
mod templates;

use std::fs;
use std::path::Path;
use std::process::Command;

use self::session::{Session, get};

/// A function that is built by copying, after Python found it well-formed.
fn project(folder: &Path) {
    fs::create_dir(folder.join("src")).unwrap();
    let manifest = r#"
name = "hello"
command = ["python3", "main.py"]
bundle = "dist"
[build]
command = "python3 -c 'import ast; ast.parse(open(\"src/main.py\").read())' && mkdir -p dist && cp src/main.py dist/"
watch = ["src"]
"#;
    fs::write(folder.join("function.toml"), manifest).unwrap();
    write_program(folder, "one");
}

fn write_program(folder: &Path, answer: &str) {
    let program = format!(
        r#"
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "{}")
        self.end_headers()
        self.wfile.write(b"{answer}")
print("version {answer} starts", flush=True)
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#,
        answer.len()
    );
    fs::write(folder.join("src/main.py"), program).unwrap();
}

#[test]
fn an_edit_is_served_and_a_broken_one_leaves_the_old_answer() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    project(folder);
    let mut dev = Session::start(folder, &[]);
    assert!(dev.event("ready")["api"].is_string());
    let url = dev.event("deployed")["url"].as_str().unwrap().to_owned();
    assert_eq!(get(&url), "one");
    assert_eq!(dev.event("log")["line"], "version one starts");

    write_program(folder, "two");
    assert_eq!(dev.event("deployed")["revision"], "hello-00002");
    assert_eq!(get(&url), "two");

    // The build refuses it.
    fs::write(folder.join("src/main.py"), "this is no Python").unwrap();
    let failed = dev.event("failed");
    assert_eq!(failed["problem"]["code"], "build_failed");
    let output = failed["problem"]["output"].to_string();
    assert!(output.contains("SyntaxError"), "{output}");
    assert_eq!(failed["serving"], "hello-00002");
    assert_eq!(get(&url), "two");

    // The manifest is refused.
    let manifest = folder.join("function.toml");
    let good = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, format!("{good}[limit]\n")).unwrap();
    let failed = dev.event("failed");
    assert_eq!(failed["problem"]["code"], "bad_manifest");
    let hint = failed["problem"]["hint"].as_str().unwrap();
    assert!(hint.contains("did you mean `limits`"), "{hint}");
    assert_eq!(get(&url), "two");

    // Both in order again; a file out of [build] watch changes nothing.
    fs::write(folder.join("notes.txt"), "x").unwrap();
    fs::write(&manifest, good).unwrap();
    write_program(folder, "three");
    while get(&url) != "three" {
        dev.event("deployed");
    }

    let children = children_of(dev.pid());
    assert!(!children.is_empty());
    assert_eq!(dev.end(), Some(0));
    for child in children {
        assert!(
            !Path::new(&format!("/proc/{child}")).exists(),
            "{child} is left"
        );
    }
}

fn children_of(pid: u32) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let children = threads.map(|thread| {
        let file = thread.unwrap().path().join("children");
        fs::read_to_string(file).unwrap_or_default()
    });
    let text = children.collect::<Vec<_>>().join(" ");
    text.split_whitespace().map(ToOwned::to_owned).collect()
}

#[test]
fn dev_has_no_end_so_it_is_no_json_document() {
    let output = Command::new(env!("CARGO_BIN_EXE_gateless"))
        .args(["dev", "-o", "json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}
