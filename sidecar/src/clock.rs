//! The one place of the sidecar that reads the machine's monotonic clocks; the wall clock is read by `gateless_common::io`.
//!
//! Everything else is given a moment, or asks here; a rule of the repository holds it to that.
//! Tests of the shell pause tokio's clock, so this reads tokio's.

use std::sync::OnceLock;
use std::time::Duration;

use gateless_core::time::Time;
use nix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

static ORIGIN: OnceLock<Instant> = OnceLock::new();

/// Nanoseconds since the first call in this process.
#[must_use]
pub fn now() -> Time {
    let origin = *ORIGIN.get_or_init(Instant::now);
    Time::from_nanos(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// As [`now`], on tokio's clock: for what only sets timers by it.
#[must_use]
pub fn instant_now() -> Instant {
    Instant::now()
}

/// Since the machine's boot, the time it slept included: goes on over a restart of the sidecar.
#[must_use]
pub fn since_boot() -> Duration {
    // It fails on no kernel this runs on; a clock that stands still there is the least harm.
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map(Duration::from)
        .unwrap_or_default()
}

/// The same moment on tokio's clock, for its timers.
#[must_use]
pub fn instant(time: Time) -> Instant {
    let origin = *ORIGIN.get_or_init(Instant::now);
    // A century stands for "never": tokio's timers can't go beyond.
    origin + Duration::from_nanos(time.as_nanos()).min(Duration::from_secs(3_153_600_000))
}
