//! What unit tests of several rooms share: files of the data folder as a released version wrote them.
//!
//! They are in `sidecar/tests/released`, and what is committed there stays: this version and every later one reads it.
//! `UPDATE_FIXTURES=1 cargo test -p gateless-sidecar --lib released` makes those of a format that has none yet.

use std::path::{Path, PathBuf};

/// Where the kept file is, and whether the test is to make it first.
pub(crate) fn released(name: &str) -> (PathBuf, bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/released");
    let path = folder.join(name);
    let make = std::env::var_os("UPDATE_FIXTURES").is_some() && !path.exists();
    if make {
        std::fs::create_dir_all(folder).unwrap();
    }
    (path, make)
}
