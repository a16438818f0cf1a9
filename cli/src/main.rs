//! placeholder
#[allow(dead_code, reason = "the command line is not there yet")]
mod replay;

fn main() {}
