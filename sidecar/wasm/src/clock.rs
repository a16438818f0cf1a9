//! The one place of the engine that reads the machine's clocks; the wall clock, which file times are of, is read by
//! `gateless_common::io`.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// Now, on the monotonic clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds that this thread has computed.
pub(crate) fn thread_cpu() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    // Both are non-negative on a clock that began with the thread.
    (now.tv_sec.unsigned_abs()) * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
