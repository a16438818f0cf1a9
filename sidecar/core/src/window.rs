//! Averages of a load over the stable and the panic window, in buckets of one second.
//!
//! The algorithm is that of Knative serving `pkg/autoscaler/aggregation/bucketing.go`
//! (`TimedFloat64Buckets`), fed and read as `pkg/autoscaler/metrics/collector.go` does it.
//! Three of its properties surprise people, and are kept because the autoscaler's numbers
//! rest on them:
//!
//! - Values recorded in the same second **add up**: they are taken for the shares of several
//!   reporters. So whoever records must do it once a second and reporter, zeros included.
//! - A second without a record between two with one counts as **zero**, while the time since
//!   the last record isn't counted at all.
//! - A window that isn't full yet is averaged over the seconds since its first record; that
//!   start is forgotten after a whole window without a record.
//!
//! Deliberately no exponentially weighted variant (Knative's `metric-aggregation-algorithm`).

use std::time::Duration;

use gateless_common::limits::AVERAGING_SECONDS;

use crate::time::Time;

/// What one bucket covers; Knative's `BucketSize`.
pub const BUCKET: Duration = Duration::from_secs(1);

/// More than any valid stable window (Knative allows an hour), so memory is bounded.
const MAX_WINDOW: Duration = Duration::from_secs(AVERAGING_SECONDS);

/// Averages are rounded to this many parts of one, as Knative does (6 digits).
const PRECISION: f64 = 1e6;

/// The panic window for a stable window: its share, to the closest whole second, at least one.
///
/// Source: Knative serving `pkg/reconciler/autoscaling/resources/metric.go` (`MakeMetric`).
#[must_use]
pub fn panic_window(stable: Duration, percent: f64) -> Duration {
    let secs = (stable.as_secs_f64() * percent / 100.0).round();
    let window = Duration::try_from_secs_f64(secs).unwrap_or(stable);
    window.max(BUCKET)
}

/// The two windows of one revision's load.
#[derive(Debug, Clone)]
pub struct Windows {
    stable: Buckets,
    panic: Buckets,
}

impl Windows {
    /// Empty windows; lengths are held between one second and a day.
    #[must_use]
    pub fn new(stable: Duration, panic: Duration) -> Self {
        Self {
            stable: Buckets::new(stable),
            panic: Buckets::new(panic),
        }
    }

    /// Adds `value` to the second `now` lies in. A value that isn't finite is dropped, for
    /// it would stay in the running sum for good; so is one from before the window.
    pub fn record(&mut self, now: Time, value: f64) {
        if value.is_finite() {
            self.stable.record(second(now), value);
            self.panic.record(second(now), value);
        }
    }

    /// The stable and the panic average; `None` when nothing was recorded for more than a
    /// stable window, which means "no data", not "no load".
    #[must_use]
    pub fn averages(&self, now: Time) -> Option<(f64, f64)> {
        let now = second(now);
        (!self.stable.is_empty(now)).then(|| (self.stable.average(now), self.panic.average(now)))
    }

    /// From when on there is no data, unless something is recorded; `None` when there is none.
    #[must_use]
    pub fn forgotten_at(&self) -> Option<Time> {
        let last = u64::try_from(self.stable.last?).ok()?;
        let after = self.stable.window.as_secs() + 1;
        Some(Time::from_nanos(
            last.saturating_add(after).saturating_mul(1_000_000_000),
        ))
    }

    /// When zeros were recorded in one second and nothing in any other: all there is to know of it.
    #[must_use]
    pub fn lone_zero(&self) -> Option<Time> {
        let lone = self.stable.first == self.stable.last && self.stable.ring.is_empty();
        let second = u64::try_from(self.stable.last.filter(|_| lone)?).ok()?;
        Some(Time::from_nanos(second.saturating_mul(1_000_000_000)))
    }

    /// Changes the lengths and keeps what is recent. As in Knative a window that wasn't full
    /// counts as full afterwards.
    pub fn resize(&mut self, now: Time, stable: Duration, panic: Duration) {
        self.stable.resize(second(now), stable);
        self.panic.resize(second(now), panic);
    }
}

/// Seconds are signed so that "the window before the first seconds" needs no special case.
fn second(time: Time) -> i64 {
    i64::try_from(time.as_nanos() / 1_000_000_000).unwrap_or(i64::MAX)
}

fn secs(duration: i64) -> Duration {
    Duration::from_secs(u64::try_from(duration).unwrap_or(0))
}

#[derive(Debug, Clone)]
struct Buckets {
    /// A ring: second `s` is at `s mod len`. Empty as long as nothing but zeros was recorded, as
    /// for most of ten thousand functions.
    ring: Vec<f64>,
    /// Slots of the ring.
    len: usize,
    window: Duration,
    /// Second of the first record of the current run.
    first: Option<i64>,
    /// Second of the latest record.
    last: Option<i64>,
    /// Sum of the ring, kept up so that reading is cheap.
    total: f64,
}

impl Buckets {
    fn new(window: Duration) -> Self {
        let window = window.clamp(BUCKET, MAX_WINDOW);
        Self {
            ring: Vec::new(),
            len: buckets(window),
            window,
            first: None,
            last: None,
            total: 0.0,
        }
    }

    fn slot(&self, second: i64) -> usize {
        let len = i64::try_from(self.len).unwrap_or(i64::MAX);
        usize::try_from(second.rem_euclid(len)).unwrap_or(0)
    }

    fn value(&self, second: i64) -> f64 {
        self.ring.get(self.slot(second)).copied().unwrap_or(0.0)
    }

    fn add(&mut self, second: i64, value: f64) {
        if value == 0.0 {
            return;
        }
        if self.ring.is_empty() {
            self.ring = vec![0.0; self.len];
        }
        let slot = self.slot(second);
        self.ring[slot] += value;
        self.total += value;
    }

    fn record(&mut self, at: i64, value: f64) {
        match self.last {
            Some(last) if last == at => {}
            Some(last) if last > at => {
                if secs(last - at) >= self.window {
                    return;
                }
                self.first = Some(self.first.map_or(at, |first| first.min(at)));
            }
            Some(last) if secs(at - last) < self.window => {
                // The seconds in between had no record, and their slots hold older ones.
                for gap in last + 1..=at {
                    let slot = self.slot(gap);
                    if let Some(outdated) = self.ring.get_mut(slot) {
                        self.total -= std::mem::take(outdated);
                    }
                }
                self.first = self.first.or(Some(at));
                self.last = Some(at);
            }
            _ => {
                self.ring = Vec::new();
                self.total = 0.0;
                self.first = Some(at);
                self.last = Some(at);
            }
        }
        self.add(at, value);
    }

    fn is_empty(&self, now: i64) -> bool {
        self.last.is_none_or(|last| secs(now - last) > self.window)
    }

    fn average(&self, now: i64) -> f64 {
        let Some(last) = self.last else { return 0.0 };
        let since_last = now - last;
        if since_last > 0 && secs(since_last) >= self.window {
            return 0.0;
        }
        let mut sum = self.total;
        for outdated in last + 1..=now {
            sum -= self.value(outdated);
        }
        // Both ends count, hence the one.
        let written = self.first.map_or(i64::MAX, |first| last - first + 1);
        let len = i64::try_from(self.len).unwrap_or(i64::MAX);
        let valid = written.min(len - since_last.max(0));
        (sum / valid as f64 * PRECISION).round() / PRECISION
    }

    fn resize(&mut self, now: i64, window: Duration) {
        let mut resized = Self::new(window);
        if resized.window == self.window {
            return;
        }
        resized.last = self.last;
        if let Some(last) = self.last.filter(|last| secs(now - last) <= self.window) {
            let kept = self.len.min(resized.len);
            for second in (0..=last).rev().take(kept) {
                resized.add(second, self.value(second));
            }
            let len = i64::try_from(self.len).unwrap_or(i64::MAX);
            resized.first = Some(last - (len - 1));
        }
        *self = resized;
    }
}

/// How many buckets cover a window, rounded up.
fn buckets(window: Duration) -> usize {
    usize::try_from(window.as_nanos().div_ceil(BUCKET.as_nanos())).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds and values in, then the stable average of a 5 s window at `at`.
    #[track_caller]
    fn check(records: &[(f64, f64)], at: f64, expected: Option<f64>) {
        let mut windows = Windows::new(Duration::from_secs(5), BUCKET);
        for &(t, value) in records {
            windows.record(Time::from_secs_f64(t), value);
        }
        let stable = windows.averages(Time::from_secs_f64(at)).map(|a| a.0);
        assert_eq!(stable, expected, "after {records:?} at {at}");
    }

    const FIVE: [(f64, f64); 5] = [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0), (4.0, 5.0)];

    #[test]
    fn nothing_recorded_is_no_data() {
        check(&[], 0.0, None);
        check(&[(0.0, 1.0)], 5.0, Some(0.0));
        check(&[(0.0, 1.0)], 6.0, None);
    }

    #[test]
    fn data_is_forgotten_when_it_says_so() {
        for millis in [1_000, 2_500, 60_000] {
            let mut windows = Windows::new(Duration::from_millis(millis), BUCKET);
            assert_eq!(windows.forgotten_at(), None);
            windows.record(Time::from_millis(7_300), 0.0);
            let at = windows.forgotten_at().unwrap();
            let before = Time::from_nanos(at.as_nanos() - 1);
            assert!(windows.averages(before).is_some(), "{millis}");
            assert!(windows.averages(at).is_none(), "{millis}");
        }
    }

    #[test]
    fn records_of_one_second_add_up() {
        check(&[(0.0, 1.0), (0.1, 10.0), (0.999, 0.5)], 0.999, Some(11.5));
    }

    #[test]
    fn partial_window_is_averaged_over_what_it_has() {
        check(&[(100.0, 1.0)], 100.0, Some(1.0));
        check(&FIVE[..2], 1.0, Some(1.5));
        check(&FIVE, 4.0, Some(3.0));
        check(&FIVE, 3.6, Some(3.0));
    }

    #[test]
    fn time_since_the_last_record_is_not_counted() {
        check(&FIVE, 6.0, Some((3.0 + 4.0 + 5.0) / 3.0));
        check(&FIVE, 8.0, Some(5.0));
        check(&FIVE, 9.0, Some(0.0));
    }

    #[test]
    fn missing_second_between_records_is_zero() {
        check(&[(0.0, 10.0), (2.0, 10.0), (4.0, 10.0)], 4.0, Some(6.0));
        let mut with_hole = FIVE.to_vec();
        with_hole.push((6.0, 91.0));
        check(&with_hole, 6.0, Some((3.0 + 4.0 + 5.0 + 91.0) / 5.0));
    }

    #[test]
    fn whole_window_without_records_starts_afresh() {
        let mut records = FIVE.to_vec();
        records.push((9.0, 10.0));
        check(&records, 9.0, Some(10.0));
    }

    #[test]
    fn late_record_extends_the_run_backwards_unless_too_late() {
        check(&[(60.0, 1984.0), (57.0, 4.0)], 60.0, Some(1988.0 / 4.0));
        check(&[(60.0, 1984.0), (55.0, 4.0)], 60.0, Some(1984.0));
        check(&[(60.0, 1984.0), (54.0, 4.0)], 60.0, Some(1984.0));
        let backwards: Vec<_> = (0..=8).rev().map(|t| (f64::from(t), 5.0)).collect();
        check(&backwards, 5.0, Some(5.0));
    }

    #[test]
    fn averages_have_six_digits() {
        check(&[(0.0, 1.0), (1.0, 0.0), (2.0, 0.0)], 2.0, Some(0.333_333));
    }

    #[test]
    fn not_a_number_cannot_poison_the_sum() {
        check(
            &[(0.0, f64::NAN), (0.0, f64::INFINITY), (0.0, 2.0)],
            0.0,
            Some(2.0),
        );
    }

    #[test]
    fn panic_window_forgets_sooner() {
        let mut windows = Windows::new(Duration::from_secs(60), Duration::from_secs(6));
        for t in 0..30 {
            let load = if t < 20 { 0.0 } else { 12.0 };
            windows.record(Time::from_millis(t * 1000), load);
        }
        assert_eq!(
            windows.averages(Time::from_millis(29_000)),
            Some((4.0, 12.0))
        );
        assert_eq!(
            windows.averages(Time::from_millis(40_000)),
            Some((4.0, 0.0))
        );
    }

    #[test]
    fn resizing_keeps_what_fits() {
        let now = Time::from_millis(4_000);
        let mut windows = Windows::new(Duration::from_secs(5), BUCKET);
        for (t, value) in FIVE {
            windows.record(Time::from_secs_f64(t), value);
        }
        let mut shrunk = windows.clone();
        shrunk.resize(now, Duration::from_secs(2), BUCKET);
        assert_eq!(shrunk.averages(now), Some((4.5, 5.0)));
        let mut grown = windows.clone();
        grown.resize(now, Duration::from_secs(10), BUCKET);
        assert_eq!(grown.averages(now), Some((3.0, 5.0)));
        grown.record(Time::from_millis(5_000), 9.0);
        assert_eq!(grown.averages(Time::from_millis(5_000)), Some((4.0, 9.0)));
        // Stale data is not carried over, and the next record starts a new run.
        windows.resize(Time::from_millis(20_000), Duration::from_secs(60), BUCKET);
        windows.record(Time::from_millis(21_000), 7.0);
        assert_eq!(
            windows.averages(Time::from_millis(21_000)),
            Some((7.0, 7.0))
        );
    }

    #[test]
    fn panic_window_is_rounded_to_seconds() {
        let of = |secs, percent| panic_window(Duration::from_secs(secs), percent).as_secs_f64();
        assert_eq!(of(60, 10.0), 6.0);
        assert_eq!(of(6, 10.0), 1.0);
        assert_eq!(of(25, 10.0), 3.0);
        assert_eq!(of(24, 10.0), 2.0);
        assert_eq!(of(60, 1.0), 1.0);
        assert_eq!(of(60, 100.0), 60.0);
    }

    #[test]
    fn absurd_lengths_are_bounded() {
        let mut windows = Windows::new(Duration::MAX, Duration::ZERO);
        windows.record(Time::MAX, 1.0);
        assert_eq!(windows.averages(Time::MAX), Some((1.0, 1.0)));
    }
}
