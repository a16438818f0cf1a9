//! Makes the test binary a launcher when a driver starts it as one, as the `gateless` binary makes itself one first thing in `main`.
//!
//! The test harness has a `main` of its own, and threads; what is here runs before both.
#![allow(unsafe_code, reason = "a test binary has no main to begin with")]

extern "C" fn launch() {
    gateless_sandbox::launch_if_asked();
}

// SAFETY: the loader calls what is listed there once, before `main`; the standard library's own entry, which notes the arguments, comes first.
#[used]
#[unsafe(link_section = ".init_array")]
static LAUNCH: extern "C" fn() = launch;
