//! When a failed attempt is made again, and how many may be.
//!
//! Two independent parts: [`Backoff`] says how long to wait (async calls, callbacks), and
//! [`Budget`] bounds the share of requests that are retries (sync calls), so that a failing
//! function doesn't get a multiple of its load on top. Deliberately no random source and no
//! clock: both come in as arguments. Which failures are worth a retry is the caller's matter.

use std::time::Duration;

use crate::time::Time;

/// Exponential backoff with full jitter: a delay is anything from zero to
/// `min(max, base * 2^n)` after the n-th failure, counted from zero.
///
/// Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog (2015);
/// of its three variants full jitter makes the least work for the least delay.
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
    /// What the other side asked for (`retry-after`) is a lower bound: asking sooner than
    /// that is known to be useless.
    #[must_use]
    pub fn delay(&self, failures: u32, random: u64, retry_after: Option<Duration>) -> Duration {
        let bound = self.bound(failures).as_nanos();
        // Widening multiplication maps the whole of u64 onto 0..=bound without bias that matters.
        let nanos = (bound.saturating_add(1) * u128::from(random)) >> 64;
        let jittered = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        jittered.max(retry_after.unwrap_or_default())
    }
}

/// Slots in a budget's sliding window, one second each.
const SLOTS: usize = 10;

/// Bounds retries to a share of recent requests plus a small constant rate, so that a
/// function with hardly any traffic can be retried at all.
///
/// In the style of Finagle's `RetryBudget` (and linkerd's): requests of the last 10 seconds
/// deposit, retries of the last 10 seconds withdraw.
#[derive(Debug, Clone)]
pub struct Budget {
    percent: u32,
    min_per_second: u32,
    slots: [Slot; SLOTS],
    /// Second the newest slot stands for.
    second: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    requests: u64,
    retries: u64,
}

impl Budget {
    /// Allows retries of `percent` of requests, and `min_per_second` besides.
    #[must_use]
    pub fn new(percent: u32, min_per_second: u32) -> Self {
        Self {
            percent,
            min_per_second,
            slots: [Slot::default(); SLOTS],
            second: 0,
        }
    }

    /// Follows a change of policy without forgetting what was spent.
    pub fn set_percent(&mut self, percent: u32) {
        self.percent = percent;
    }

    /// Counts a request: a first attempt, not a retry.
    pub fn request(&mut self, now: Time) {
        let slot = self.slot(now);
        slot.requests = slot.requests.saturating_add(1);
    }

    /// Spends a retry if there is one to spend; false means: don't retry.
    pub fn try_retry(&mut self, now: Time) -> bool {
        if self.balance(now) == 0 {
            return false;
        }
        let slot = self.slot(now);
        slot.retries = slot.retries.saturating_add(1);
        true
    }

    /// Retries that could be made right now.
    pub fn balance(&mut self, now: Time) -> u64 {
        self.slot(now);
        let (mut requests, mut retries) = (0_u64, 0_u64);
        for slot in &self.slots {
            requests = requests.saturating_add(slot.requests);
            retries = retries.saturating_add(slot.retries);
        }
        let share = requests.saturating_mul(u64::from(self.percent)) / 100;
        let reserve = u64::from(self.min_per_second) * SLOTS as u64;
        share.saturating_add(reserve).saturating_sub(retries)
    }

    /// The slot of `now`, with the slots of the seconds gone by since emptied.
    fn slot(&mut self, now: Time) -> &mut Slot {
        let second = now.as_nanos() / 1_000_000_000;
        // A clock that steps back keeps adding to the newest slot.
        let passed = second.saturating_sub(self.second);
        for step in 1..=passed.min(SLOTS as u64) {
            self.slots[index(self.second.saturating_add(step))] = Slot::default();
        }
        self.second = self.second.max(second);
        &mut self.slots[index(self.second)]
    }
}

fn index(second: u64) -> usize {
    usize::try_from(second % SLOTS as u64).unwrap_or_default()
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
    fn jitter_reaches_from_zero_to_the_bound() {
        assert_eq!(BACKOFF.delay(3, 0, None), Duration::ZERO);
        assert_eq!(BACKOFF.delay(3, u64::MAX, None), Duration::from_secs(4));
    }

    #[test]
    fn retry_after_is_a_lower_bound() {
        let asked = Some(Duration::from_secs(7));
        assert_eq!(BACKOFF.delay(1, u64::MAX, asked), Duration::from_secs(7));
        assert_eq!(BACKOFF.delay(6, u64::MAX, asked), Duration::from_secs(32));
    }

    #[test]
    fn quiet_function_has_its_small_reserve_and_no_more() {
        let mut budget = Budget::new(20, 1);
        let spent = (0..100).filter(|_| budget.try_retry(Time::ZERO)).count();
        assert_eq!(spent, 10);
        let later = Time::ZERO + Duration::from_secs(11);
        assert!(budget.try_retry(later), "the window has moved on");
    }

    #[test]
    fn requests_older_than_the_window_deposit_nothing() {
        let mut budget = Budget::new(50, 0);
        for _ in 0..10 {
            budget.request(Time::ZERO);
        }
        assert_eq!(budget.balance(Time::from_millis(9_999)), 5);
        assert_eq!(budget.balance(Time::from_millis(10_000)), 0);
    }

    proptest! {
        #[test]
        fn delay_is_never_above_its_bound(failures in 0_u32..200, random: u64) {
            prop_assert!(BACKOFF.delay(failures, random, None) <= BACKOFF.bound(failures));
        }

        #[test]
        fn retries_stay_within_the_budget(
            steps in proptest::collection::vec((0_u64..300, any::<bool>()), 1..400),
        ) {
            let mut budget = Budget::new(20, 1);
            let (mut now, mut requests, mut retries) = (Time::ZERO, 0_u64, 0_u64);
            for (millis, retry) in steps {
                now += Duration::from_millis(millis);
                if retry {
                    retries += u64::from(budget.try_retry(now));
                } else {
                    budget.request(now);
                    requests += 1;
                }
                // Over any run: at most the share, and the reserve once a window.
                let windows = now.as_nanos() / 1_000_000_000 / SLOTS as u64 + 2;
                prop_assert!(retries <= requests / 5 + 10 * windows);
            }
        }
    }
}
