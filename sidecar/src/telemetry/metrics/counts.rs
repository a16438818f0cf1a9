//! What observers read of a function's calls besides the exposed series: a histogram fine enough for
//! percentiles over all sidecars, and all refusals together.
//!
//! Atomics alone, one addition a call; whoever wants a rate takes the difference of two looks.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// Answers faster than this share the first bucket, microseconds.
const FIRST_US: u64 = 64;
/// Parts of each doubling: a bucket is at most a quarter wider than its lower bound.
const PARTS: u64 = 4;
/// Doublings, up to 134 s; slower ones share the last bucket.
const DOUBLINGS: usize = 21;
pub const BUCKETS: usize = 1 + DOUBLINGS * PARTS as usize;

type Buckets = [AtomicU32; BUCKETS];

/// Totals of one function since the sidecar started.
#[derive(Debug, Default)]
pub struct Counts {
    refused: AtomicU64,
    /// Why, each once: a bounded set of words.
    reasons: Mutex<Vec<&'static str>>,
    /// Made at the first answer: most of ten thousand functions never get a call. Each wraps, as
    /// only differences count.
    latencies: OnceLock<Box<Buckets>>,
}

impl Counts {
    pub(super) fn answer(&self, took: Duration) {
        let buckets = self
            .latencies
            .get_or_init(|| Box::new([const { AtomicU32::new(0) }; BUCKETS]));
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        buckets[bucket(us)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refuse(&self, reason: &'static str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut reasons = self.reasons.lock();
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }

    /// Every reason so far.
    pub(super) fn reasons(&self) -> Vec<&'static str> {
        self.reasons.lock().clone()
    }

    /// Refusals until now.
    pub(super) fn refusals(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The histogram now; `None` before the first answer.
    #[must_use]
    pub fn latencies(&self) -> Option<Box<[u32; BUCKETS]>> {
        let buckets = self.latencies.get()?;
        let mut out = Box::new([0; BUCKETS]);
        for (out, bucket) in out.iter_mut().zip(buckets.iter()) {
            *out = bucket.load(Ordering::Relaxed);
        }
        Some(out)
    }
}

fn bucket(us: u64) -> usize {
    if us < FIRST_US {
        return 0;
    }
    let doubling = us.ilog2() - FIRST_US.ilog2();
    // The two bits below the highest one say which part.
    let part = (us >> (us.ilog2() - PARTS.ilog2())) & (PARTS - 1);
    let index = 1 + u64::from(doubling) * PARTS + part;
    usize::try_from(index)
        .unwrap_or(usize::MAX)
        .min(BUCKETS - 1)
}

/// A bucket's bounds in microseconds: from (inclusive), to (exclusive).
#[must_use]
pub fn bounds(bucket: usize) -> (u64, u64) {
    let edge = |bucket: usize| match bucket as u64 {
        0 => 0,
        n => (FIRST_US << ((n - 1) / PARTS)) / PARTS * (PARTS + (n - 1) % PARTS),
    };
    (edge(bucket), edge(bucket + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_its_bucket() {
        let mut times: Vec<u64> = (0..1000).collect();
        times.extend((10..27).flat_map(|n| [(1 << n) - 1, 1 << n, (1 << n) + 1, 3 << (n - 1)]));
        for us in times {
            let (from, to) = bounds(bucket(us));
            assert!((from..to).contains(&us), "{us} is not in {from}..{to}");
            assert!(
                from == 0 || (to - from) * PARTS <= from,
                "{from}..{to} is too wide"
            );
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        for n in 1..BUCKETS {
            assert_eq!(bounds(n - 1).1, bounds(n).0);
        }
    }

    #[test]
    fn answers_are_counted() {
        let counts = Counts::default();
        assert!(counts.latencies().is_none());
        counts.answer(Duration::from_micros(100));
        counts.answer(Duration::from_micros(100));
        counts.refuse("overflow");
        counts.refuse("overflow");
        assert_eq!((counts.refusals(), counts.reasons()), (2, vec!["overflow"]));
        assert_eq!(counts.latencies().unwrap()[bucket(100)], 2);
    }
}
