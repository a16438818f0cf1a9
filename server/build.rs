//! Makes the crate rebuild when the dashboard was built anew, and says what to do when it was not built at all; `src/web/files.rs`
//! embeds it. Builds nothing itself: that takes Node.

#![allow(clippy::print_stdout, reason = "how a build script speaks to cargo")]

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_DASHBOARD").is_none() {
        return;
    }
    // With a missing path cargo would come here at every build.
    println!("cargo::rerun-if-changed=../web/dist");
    if !Path::new("../web/dist/index.html").exists() {
        println!(
            "cargo::error=the feature `dashboard` embeds web/dist, which was not built yet: run `make web`, or build without the feature"
        );
    }
}
