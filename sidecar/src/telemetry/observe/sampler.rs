//! One second of every function here: the difference of what was counted, and the level of what there is.
//!
//! Pure: counts are looked at, levels and the time are given.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use gateless_common::time;
use gateless_core::name::FunctionName;
use gateless_core::time::Time;
use gateless_proto::v1;

use crate::telemetry::metrics::counts::{BUCKETS, bounds};
use crate::telemetry::metrics::{FunctionMetrics, Totals};

/// What a function has on this host, or as far as this host knows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Level {
    /// Calls from here at instances anywhere, averaged.
    pub in_flight: f64,
    /// Calls held here.
    pub held: u64,
    /// Instances here that take calls.
    pub ready: u32,
    /// Instances here on their way.
    pub starting: u32,
    /// Wanted, if this host owns the function.
    pub desired: Option<u32>,
    /// Calls in the queue here that are not finished.
    pub queued: u64,
    /// Dead letters here.
    pub dead: u64,
}

impl Level {
    /// Nothing is there, waits or is wanted.
    pub(crate) fn is_zero(&self) -> bool {
        let wanted = self.desired.unwrap_or(0);
        Self {
            desired: None,
            ..*self
        } == Self::default()
            && wanted == 0
    }
}

#[derive(Debug, Default)]
struct Last {
    totals: Totals,
    latencies: Option<Box<[u32; BUCKETS]>>,
}

/// The counts at the last look. Made when somebody begins to watch; what came before counts for nothing.
#[derive(Debug)]
pub struct Sampler {
    at: Time,
    /// Only functions with a call so far.
    last: HashMap<FunctionName, Last>,
}

impl Sampler {
    /// Starts at what is counted now.
    pub fn new<'a>(
        now: Time,
        functions: impl IntoIterator<Item = (&'a FunctionName, &'a FunctionMetrics)>,
    ) -> Self {
        let mut sampler = Self {
            at: now,
            last: HashMap::new(),
        };
        for (name, metrics) in functions {
            sampler.count(name, metrics);
        }
        sampler
    }

    /// Every function of which something is not zero.
    pub fn sample<'a>(
        &mut self,
        now: Time,
        functions: impl IntoIterator<Item = (&'a FunctionName, &'a FunctionMetrics)>,
        levels: &BTreeMap<FunctionName, Level>,
    ) -> v1::Samples {
        let interval = now.since(self.at).max(Duration::from_millis(1));
        self.at = now;
        let mut samples = Vec::new();
        for (name, metrics) in functions {
            let counted = self.count(name, metrics);
            let level = levels.get(name).copied().unwrap_or_default();
            if counted.is_none() && level.is_zero() {
                continue;
            }
            let (totals, latencies) = counted.unwrap_or_default();
            samples.push(v1::FunctionSample {
                namespace: name.namespace().to_owned(),
                function: name.name().to_owned(),
                requests: totals.answered + totals.refused,
                errors: totals.failed + totals.refused,
                latencies,
                in_flight: level.in_flight,
                held: level.held,
                ready: level.ready,
                starting: level.starting,
                desired: level.desired,
                queued: level.queued,
                dead: level.dead,
            });
        }
        v1::Samples {
            interval_ms: time::millis(interval),
            functions: samples,
        }
    }

    /// What was counted since the last look; `None`: nothing.
    fn count(
        &mut self,
        name: &FunctionName,
        metrics: &FunctionMetrics,
    ) -> Option<(Totals, Vec<v1::LatencyBucket>)> {
        let totals = metrics.totals();
        let last = match self.last.get_mut(name) {
            Some(last) if last.totals == totals => return None,
            Some(last) => last,
            None if totals == Totals::default() => return None,
            None => self.last.entry(name.clone()).or_default(),
        };
        if totals.answered < last.totals.answered || totals.refused < last.totals.refused {
            // Deleted and made again: counted from zero.
            *last = Last::default();
        }
        let since = Totals {
            answered: totals.answered - last.totals.answered,
            failed: totals.failed.saturating_sub(last.totals.failed),
            refused: totals.refused - last.totals.refused,
        };
        let latencies = metrics.latencies();
        let buckets = match &latencies {
            Some(now) => difference(last.latencies.as_deref(), now),
            None => Vec::new(),
        };
        *last = Last { totals, latencies };
        Some((since, buckets))
    }
}

fn difference(before: Option<&[u32; BUCKETS]>, now: &[u32; BUCKETS]) -> Vec<v1::LatencyBucket> {
    let counted = now.iter().enumerate().map(|(n, now)| {
        let before = before.map_or(0, |before| before[n]);
        (n, now.wrapping_sub(before))
    });
    let bucket = |(n, count)| {
        let (from_us, to_us) = bounds(n);
        v1::LatencyBucket {
            from_us,
            to_us,
            count: u64::from(count),
        }
    };
    counted
        .filter(|(_, count)| *count > 0)
        .map(bucket)
        .collect()
}

#[cfg(test)]
mod tests {
    use gateless_core::record::pick::Ended;
    use gateless_core::time::Time;

    use super::*;
    use crate::telemetry::metrics::Metrics;

    fn name() -> FunctionName {
        FunctionName::new("n", "f").unwrap()
    }

    fn answer(metrics: &FunctionMetrics, status: u16, ms: u64) {
        let ended = Ended {
            status,
            cold: false,
            took: Duration::from_millis(ms),
            at: Time::ZERO,
        };
        let _ = metrics.answered(&ended, Duration::ZERO);
    }

    #[test]
    fn only_what_happened_since_the_last_look_counts() {
        let name = name();
        let metrics = Metrics::default();
        let function = metrics.function(&name);
        answer(&function, 200, 1);
        let mut sampler = Sampler::new(Time::ZERO, [(&name, &function)]);
        let mut look = |function: &FunctionMetrics, ms| {
            let functions = [(&name, function)];
            sampler.sample(Time::from_millis(ms), functions, &BTreeMap::new())
        };
        assert_eq!(look(&function, 1000).functions, []);
        answer(&function, 200, 5);
        answer(&function, 503, 5);
        function.refused("overflow");
        let samples = look(&function, 2500);
        assert_eq!(samples.interval_ms, 1500);
        let [sample] = samples.functions.try_into().unwrap();
        assert_eq!((sample.requests, sample.errors), (3, 2));
        let [bucket] = sample.latencies.try_into().unwrap();
        assert!(bucket.from_us <= 5000 && bucket.to_us > 5000 && bucket.count == 2);
        // The configuration changed: same counts. Deleted and made again: from zero.
        assert_eq!(look(&metrics.function(&name), 3000).functions, []);
        metrics.forget(&name);
        let again = metrics.function(&name);
        answer(&again, 200, 5);
        assert_eq!(look(&again, 4000).functions[0].requests, 1);
    }

    #[test]
    fn a_level_is_told_without_any_call() {
        let name = name();
        let function = Metrics::default().function(&name);
        let mut sampler = Sampler::new(Time::ZERO, []);
        for (level, told) in [
            (
                Level {
                    ready: 1,
                    ..Level::default()
                },
                true,
            ),
            (
                Level {
                    desired: Some(0),
                    ..Level::default()
                },
                false,
            ),
            (
                Level {
                    desired: Some(2),
                    ..Level::default()
                },
                true,
            ),
            (
                Level {
                    dead: 1,
                    ..Level::default()
                },
                true,
            ),
        ] {
            let levels = BTreeMap::from([(name.clone(), level)]);
            let functions = [(&name, &function)];
            let samples = sampler.sample(Time::from_millis(1), functions, &levels);
            assert_eq!(!samples.functions.is_empty(), told, "{level:?}");
        }
    }
}
