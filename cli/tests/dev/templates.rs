//! Every template: made, built, deployed and called.
//!
//! The languages' tools must be there (`make tools` installs them); without one a test fails, it is
//! never passed over.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::session::{Session, get};

/// Kept from one run to the next, so that only the first one builds everything.
fn cache(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("templates")
        .join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn new(template: &str, folder: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_gateless"))
        .args(["new", "shop-7", "-t", template, "--path"])
        .arg(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Makes it, lets `prepare` change its folder, runs it and calls it.
fn check(template: &str, settings: &[(&str, &Path)], prepare: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("shop");
    let printed = new(template, &folder);
    assert!(printed.contains("gateless dev ") && printed.contains("gateless deploy "));
    prepare(&folder);
    let mut dev = Session::start(&folder, settings);
    let url = dev.event("deployed")["url"].as_str().unwrap().to_owned();
    let answer = get(&format!("{url}/a/b?c=d"));
    assert_eq!(
        answer, "hello from shop-7: GET /a/b?c=d, 0 bytes\n",
        "{template}"
    );
    assert_eq!(dev.end(), Some(0));
}

#[test]
fn python_answers() {
    check("python", &[], |_| {});
}

#[test]
fn node_answers() {
    check("node", &[], |_| {});
}

#[test]
fn go_is_built_and_answers() {
    check("go", &[("GOCACHE", &cache("go"))], |_| {});
}

#[test]
fn rust_is_built_and_answers() {
    // The versions the workspace has, so that the test builds what was fetched already.
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let settings = [("CARGO_PROFILE_RELEASE_OPT_LEVEL", Path::new("0"))];
    check("rust", &settings, |folder| {
        fs::copy(lock, folder.join("Cargo.lock")).unwrap();
        std::os::unix::fs::symlink(cache("rust"), folder.join("target")).unwrap();
    });
}

#[test]
fn wasm_rust_is_built_and_answers() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    check("wasm-rust", &[], |folder| {
        fs::copy(lock, folder.join("Cargo.lock")).unwrap();
        std::os::unix::fs::symlink(cache("wasm-rust"), folder.join("target")).unwrap();
    });
}

#[test]
fn wasm_js_is_built_and_answers() {
    check("wasm-js", &[], |_| {});
}

#[test]
fn wasm_python_is_built_and_answers() {
    check("wasm-python", &[], |_| {});
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mine"), "").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gateless"))
        .args(["new", "shop", "-t", "python", "-o", "json", "--path"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
