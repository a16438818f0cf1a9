//! Libraries that are loaded into a process before all others, to stand between it and the kernel.
//!
//! Compiled with the C compiler that links Rust programs anyway. Deliberately no more than that: what one does is
//! its own module's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles a library of C in a folder.
///
/// # Panics
/// When there is no C compiler.
#[must_use]
pub fn compile(folder: &Path, name: &str, source: &str) -> PathBuf {
    let file = folder.join(format!("{name}.c"));
    let library = folder.join(format!("{name}.so"));
    fs::write(&file, source).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &file])
        .arg("-ldl")
        .status()
        .unwrap();
    assert!(compiled.success());
    library
}
