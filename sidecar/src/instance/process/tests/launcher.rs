//! Makes the test binary a launcher when a driver starts it as one.
#![allow(unsafe_code, reason = "a test binary has no main to begin with")]

gateless_sandbox::launch_before_main!();
