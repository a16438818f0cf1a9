//! How many failed attempts are made again.
//!
//! [`Budget`] bounds the share of requests that are retries (sync calls), so that a failing function doesn't get a
//! multiple of its load on top. Which failures are worth a retry is the caller's matter, and how long to wait
//! (async calls, callbacks) is [`Backoff`]'s.

pub use gateless_common::backoff::Backoff;

use crate::time::Time;

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
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

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
