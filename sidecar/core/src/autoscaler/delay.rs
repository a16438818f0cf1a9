//! The largest count wanted within the scale-down delay.
//!
//! Source: Knative serving `pkg/autoscaler/aggregation/max/{timewindow,window}.go`. Its
//! granularity is kept: time is cut into intervals of one autoscaler tick, so what was wanted
//! is remembered for whole intervals, counted from the origin of time.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Time;

/// How often the autoscaler decides; Knative's `tickInterval`.
pub const TICK: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub(super) struct DelayWindow {
    /// Intervals remembered, the current one included.
    intervals: u64,
    /// Falling counts at rising intervals: an entry older and no larger than another can
    /// never be the maximum again. At most `intervals` entries.
    maxima: VecDeque<(u64, u32)>,
}

impl DelayWindow {
    /// `None` without a delay: a window of one interval would still prefer the larger of two
    /// decisions in the same interval to the later.
    pub(super) fn new(delay: Duration) -> Option<Self> {
        (!delay.is_zero()).then(|| Self {
            intervals: u64::try_from(delay.as_nanos().div_ceil(TICK.as_nanos()))
                .unwrap_or(u64::MAX),
            maxima: VecDeque::new(),
        })
    }

    /// Notes what is wanted now, and says the largest count within the window.
    pub(super) fn largest(&mut self, now: Time, wanted: u32) -> u32 {
        let interval = now.as_nanos() / 1_000_000_000 / TICK.as_secs();
        while self
            .maxima
            .back()
            .is_some_and(|&(_, count)| count <= wanted)
        {
            self.maxima.pop_back();
        }
        let outdated = |&(at, _): &(u64, u32)| interval.saturating_sub(at) >= self.intervals;
        while self.maxima.front().is_some_and(outdated) {
            self.maxima.pop_front();
        }
        // A larger count of the same interval stands for it.
        if self.maxima.back().is_none_or(|&(at, _)| at != interval) {
            self.maxima.push_back((interval, wanted));
        }
        // Only time running backwards can get here.
        while self.maxima.len() as u64 > self.intervals {
            self.maxima.pop_front();
        }
        self.maxima.front().map_or(wanted, |&(_, count)| count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(delay_secs: u64, steps: &[(u64, u32, u32)]) {
        let mut window = DelayWindow::new(Duration::from_secs(delay_secs)).unwrap();
        for &(t, wanted, expected) in steps {
            let largest = window.largest(Time::from_millis(t * 1000), wanted);
            assert_eq!(largest, expected, "at {t} s of {steps:?}");
        }
    }

    #[test]
    fn no_delay_has_no_window() {
        assert!(DelayWindow::new(Duration::ZERO).is_none());
    }

    #[test]
    fn largest_is_remembered_for_whole_intervals() {
        check(4, &[(0, 5, 5), (2, 1, 5), (3, 1, 5), (4, 1, 1)]);
        check(4, &[(1, 5, 5), (3, 1, 5), (4, 1, 1)]);
        check(3, &[(0, 5, 5), (3, 1, 5), (4, 1, 1)]);
    }

    #[test]
    fn larger_of_one_interval_stays() {
        check(2, &[(0, 3, 3), (1, 2, 3), (2, 2, 2), (3, 4, 4), (3, 1, 4)]);
    }

    #[test]
    fn falls_step_by_step() {
        check(
            6,
            &[
                (0, 9, 9),
                (2, 7, 9),
                (4, 3, 9),
                (6, 1, 7),
                (8, 1, 3),
                (10, 1, 1),
            ],
        );
    }

    #[test]
    fn time_running_backwards_stays_bounded() {
        let mut window = DelayWindow::new(Duration::from_secs(6)).unwrap();
        for t in (0..100).rev() {
            window.largest(Time::from_millis(t * 2000), u32::try_from(t).unwrap());
        }
        assert!(window.maxima.len() <= 3);
    }
}
