//! Builds the components that tests run, with cargo; those of this crate and of the sidecar's driver.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The component `name` of the crate in `source`. Cargo knows whether there is anything to do.
pub(crate) fn build(source: &Path, target: &Path, name: &str) -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--target=wasm32-wasip2"])
        .arg("--target-dir")
        .arg(target)
        .current_dir(source)
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(
        built.status.success(),
        "the guest does not build (rustup target add wasm32-wasip2?): {said}"
    );
    let release = target.join("wasm32-wasip2/release");
    release.join(name).with_extension("wasm")
}
