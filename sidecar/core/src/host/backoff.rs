//! How long a host waits before it tries a revision again that doesn't stay up.
//!
//! Kubernetes begins at 10 s and doubles to 5 minutes. A function is called by somebody who
//! waits, so here the first retry is immediate (a one-off costs nobody anything), then 100 ms,
//! doubling to 60 s. Deliberately no jitter: one host retries one revision, there is no herd.

use std::time::Duration;

use gateless_common::backoff;

use crate::time::Time;

/// Before the second retry, and at most.
const PAUSE: backoff::Backoff = backoff::Backoff {
    base: Duration::from_millis(100),
    max: Duration::from_secs(60),
};
/// Ready for so long, an instance has shown that the revision works.
pub(super) const STABLE: Duration = Duration::from_secs(10);
/// After so long without a failure the count begins anew; Kubernetes' value.
const FORGET: Duration = Duration::from_secs(600);

/// Failures of one revision on this host.
#[derive(Debug, Clone, Default)]
pub(super) struct Backoff {
    failures: u32,
    failed_at: Option<Time>,
    until: Time,
}

impl Backoff {
    /// Counts an instance's failure; several started before the last one count as that one.
    pub(super) fn failed(&mut self, now: Time, started: Time) {
        if self.failed_at.is_some_and(|at| now >= at + FORGET) {
            *self = Self::default();
        }
        if self.failed_at.is_some_and(|at| started < at) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.failed_at = Some(now);
        self.until = now + delay(self.failures);
    }

    /// An instance started at `started` has been ready for [`STABLE`].
    pub(super) fn worked(&mut self, started: Time) {
        if self.failed_at.is_none_or(|at| started >= at) {
            *self = Self::default();
        }
    }

    /// No start before this.
    pub(super) fn until(&self) -> Time {
        self.until
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether starts go one at a time, until one works.
    pub(super) fn is_probing(&self) -> bool {
        self.failures >= 2
    }
}

fn delay(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        n => PAUSE.bound(n - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_from_nothing_to_a_minute() {
        let millis: Vec<u128> = (1..=13).map(|n| delay(n).as_millis()).collect();
        let expected = [
            0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000,
        ];
        assert_eq!(millis, expected);
        assert_eq!(delay(u32::MAX), PAUSE.max);
    }

    #[test]
    fn one_generation_is_one_failure() {
        let mut backoff = Backoff::default();
        let at = Time::from_millis;
        backoff.failed(at(50), at(0));
        backoff.failed(at(60), at(0));
        assert_eq!(backoff.failures(), 1);
        backoff.failed(at(90), at(60));
        assert_eq!((backoff.failures(), backoff.until()), (2, at(190)));
    }

    #[test]
    fn success_or_a_long_time_forgets() {
        let mut backoff = Backoff::default();
        let at = Time::from_millis;
        backoff.failed(at(50), at(0));
        backoff.failed(at(90), at(60));
        backoff.worked(at(70));
        assert_eq!(backoff.failures(), 2, "it started before the failure");
        backoff.worked(at(95));
        assert_eq!(backoff.failures(), 0);
        backoff.failed(at(200), at(190));
        backoff.failed(at(200) + FORGET, at(300));
        assert_eq!(backoff.failures(), 1);
    }
}
