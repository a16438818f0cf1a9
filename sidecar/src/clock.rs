//! The one place that reads the monotonic clock for the core.
//!
//! Tests of the shell pause tokio's clock, so this reads tokio's.

use std::sync::OnceLock;
use std::time::Duration;

use gateless_core::time::Time;
use tokio::time::Instant;

static ORIGIN: OnceLock<Instant> = OnceLock::new();

/// Nanoseconds since the first call in this process.
#[must_use]
pub fn now() -> Time {
    let origin = *ORIGIN.get_or_init(Instant::now);
    Time::from_nanos(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// The same moment on tokio's clock, for its timers.
#[must_use]
pub fn instant(time: Time) -> Instant {
    let origin = *ORIGIN.get_or_init(Instant::now);
    // A century stands for "never": tokio's timers can't go beyond.
    origin + Duration::from_nanos(time.as_nanos()).min(Duration::from_secs(3_153_600_000))
}
