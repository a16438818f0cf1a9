//! Bounds that several parts must agree on. What happens at each is designed, and stands beside it.
//!
//! A bound that only one file knows stays in that file; what a function's spec sets is in the spec.

/// Largest artifact (bundle or component), in bytes. The command line refuses to pack more, the server answers
/// `body_too_large`, and a sidecar stops fetching.
pub const ARTIFACT_BYTES: u64 = 256 << 20;

/// Most log lines in one answer. A request for more is refused, naming this bound.
pub const LOG_LINES: u32 = 10_000;
