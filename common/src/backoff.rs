//! How long to wait before something is tried again.
//!
//! Deliberately no random source and no clock: both come in as arguments. Whether a failure is worth another
//! attempt, and how many there may be, is the caller's matter.

use std::time::Duration;

/// Exponential back-off with full jitter: a delay is anything from zero to `min(max, base * 2^n)` after the n-th
/// failure, counted from zero.
///
/// Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog (2015); of its three variants
/// full jitter makes the least work for the least delay, and those that failed together don't come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first delay.
    pub base: Duration,
    /// Upper bound of any delay.
    pub max: Duration,
}

impl Backoff {
    /// Upper bound of the delay after `failures` failures, at least 1.
    #[must_use]
    pub fn bound(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(63);
        let base = u64::try_from(self.base.as_nanos()).unwrap_or(u64::MAX);
        let max = u64::try_from(self.max.as_nanos()).unwrap_or(u64::MAX);
        let bound = u128::from(base) << doublings;
        Duration::from_nanos(u64::try_from(bound).unwrap_or(u64::MAX).min(max))
    }

    /// Delay after `failures` failures; `random` is uniform over all of `u64`.
    ///
    /// What the other side asked for (`retry-after`) is a lower bound: asking sooner than that is known to be
    /// useless.
    #[must_use]
    pub fn delay(&self, failures: u32, random: u64, retry_after: Option<Duration>) -> Duration {
        let bound = self.bound(failures).as_nanos();
        // Widening multiplication maps the whole of u64 onto 0..=bound without bias that matters.
        let nanos = (bound.saturating_add(1) * u128::from(random)) >> 64;
        let jittered = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        jittered.max(retry_after.unwrap_or_default())
    }
}

/// A [`Backoff`] with the failures in a row counted: for a connection that is made again for as long as it takes.
#[derive(Debug, Clone)]
pub struct Reconnect {
    backoff: Backoff,
    failures: u32,
}

impl Reconnect {
    /// Nothing has failed yet.
    #[must_use]
    pub const fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            failures: 0,
        }
    }

    /// Counts a failure; how long to wait before the next attempt. `random` is uniform over all of `u64`.
    pub fn failed(&mut self, random: u64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.backoff.delay(self.failures, random, None)
    }

    /// Failures since the last success.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// It works: the next failure is the first again.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff {
        base: Duration::from_secs(1),
        max: Duration::from_secs(60),
    };

    #[test]
    fn bound_doubles_up_to_the_maximum() {
        let secs: Vec<u64> = (1..=8).map(|n| BACKOFF.bound(n).as_secs()).collect();
        assert_eq!(secs, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(BACKOFF.bound(u32::MAX), BACKOFF.max);
    }

    #[test]
    fn jitter_covers_zero_to_the_bound() {
        assert_eq!(BACKOFF.delay(3, 0, None), Duration::ZERO);
        assert_eq!(BACKOFF.delay(3, u64::MAX, None), Duration::from_secs(4));
    }

    #[test]
    fn what_the_other_side_asked_for_is_waited_at_least() {
        let asked = Some(Duration::from_secs(7));
        assert_eq!(BACKOFF.delay(1, u64::MAX, asked), Duration::from_secs(7));
        assert_eq!(BACKOFF.delay(6, u64::MAX, asked), Duration::from_secs(32));
    }

    #[test]
    fn a_success_begins_the_delays_anew() {
        let mut reconnect = Reconnect::new(BACKOFF);
        let longest = |reconnect: &mut Reconnect| reconnect.failed(u64::MAX).as_secs();
        assert_eq!(longest(&mut reconnect), 1);
        assert_eq!(longest(&mut reconnect), 2);
        assert_eq!(reconnect.failures(), 2);
        reconnect.succeeded();
        assert_eq!(longest(&mut reconnect), 1);
    }

    proptest! {
        #[test]
        fn no_delay_is_beyond_its_bound(failures: u32, random: u64) {
            prop_assert!(BACKOFF.delay(failures, random, None) <= BACKOFF.bound(failures));
        }
    }
}
