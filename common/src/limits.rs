//! Bounds that several parts must agree on. What happens at each is designed, and stands beside it.
//!
//! A bound that only one file knows stays in that file; what a function's spec sets is in the spec.

/// Largest artifact (bundle or component), in bytes. The command line refuses to pack more, the server answers
/// `body_too_large`, and a sidecar stops fetching.
pub const ARTIFACT_BYTES: u64 = 256 << 20;

/// Largest body of a queued call, in bytes, unless a queue is set up otherwise. The sidecar answers `body_too_large`;
/// what the server passes on for the dashboard is read up to what holds one.
pub const QUEUED_BODY_BYTES: u64 = 6 << 20;

/// Most bytes of one secret's values together. The server refuses more, and the command line reads no more of a file.
pub const SECRET_BYTES: usize = 128 * 1024;

/// Longest time that load is averaged over, in seconds: the memory of an average grows with it. The autoscaler cuts a
/// longer one, and a replay refuses it.
pub const AVERAGING_SECONDS: u64 = 24 * 3600;

/// Most log lines in one answer. A request for more is refused, naming this bound.
pub const LOG_LINES: u32 = 10_000;
