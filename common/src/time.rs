//! A moment on the wall clock, as the API, the wire and the disk spell it: milliseconds since the Unix epoch.
//!
//! Deliberately no `now()`: `io::unix_now` reads the clock. It is no measure of how long something took, as the
//! clock can be set; that is the monotonic clock's.

use std::fmt;
use std::time::Duration;

/// A length of time in whole milliseconds, as the API and the wire spell it; one beyond the type is the longest there is.
#[must_use]
pub fn millis(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The moment `since` after the epoch, cut to whole milliseconds; one beyond the type is the last there is.
    #[must_use]
    pub fn from_epoch(since: Duration) -> Self {
        Self(millis(since))
    }

    /// How long after the epoch it is.
    #[must_use]
    pub const fn since_epoch(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// How long after `earlier` it is; zero when it is not, as after a clock that was set back.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_makes_no_negative_time() {
        let at = UnixMillis::from_epoch;
        let (early, late) = (
            at(Duration::from_secs(1)),
            at(Duration::from_micros(1_500_900)),
        );
        assert_eq!(late, UnixMillis(1500));
        assert_eq!(late.since(early), Duration::from_millis(500));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(at(Duration::MAX), UnixMillis(u64::MAX));
    }
}
