//! Makes the crate rebuild when the dashboard was built anew; `src/web.rs` embeds it.

#![allow(clippy::print_stdout, reason = "how a build script speaks to cargo")]

fn main() {
    // Cargo takes a missing path for changed at every build, so an empty folder stands in for it.
    std::fs::create_dir_all("../web/dist").ok();
    println!("cargo::rerun-if-changed=../web/dist");
    println!("cargo::rerun-if-changed=build.rs");
}
