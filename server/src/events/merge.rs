//! One picture of every function out of what each sidecar saw in the last second.
//!
//! Pure: time is given. Sidecars sample on their own clocks, so of each the latest sample counts, as a
//! rate, until the next comes or it is too old: a second without one is not a second without calls.

use std::collections::BTreeMap;
use std::time::Duration;

use gateless_proto::v1::{FunctionSample, LatencyBucket, Samples};
use tokio::time::Instant;

use super::event::Sample;

/// A sidecar that says nothing for so long counts as having nothing.
pub const TOO_OLD: Duration = Duration::from_secs(3);

/// Namespace and name.
pub type Function = (String, String);

/// Sums sidecars' samples of the same second.
#[derive(Debug, Default)]
pub struct Merger {
    sidecars: BTreeMap<String, (Instant, Samples)>,
    /// What was told last, of every function that is not empty. Bounded by what the sidecars have.
    told: BTreeMap<Function, Sample>,
}

impl Merger {
    /// What a sidecar saw.
    pub fn sampled(&mut self, now: Instant, sidecar: &str, samples: Samples) {
        self.sidecars.insert(sidecar.to_owned(), (now, samples));
    }

    /// A sidecar is gone.
    pub fn gone(&mut self, sidecar: &str) {
        self.sidecars.remove(sidecar);
    }

    /// Every function that is not empty, and once more those that have just become so; and whether that
    /// is news.
    pub fn tick(&mut self, now: Instant) -> Vec<(Function, Sample, bool)> {
        self.sidecars
            .retain(|_, (at, _)| now.duration_since(*at) < TOO_OLD);
        let mut sums: BTreeMap<Function, Sum> = BTreeMap::new();
        for (_, samples) in self.sidecars.values() {
            for sample in &samples.functions {
                let name = (sample.namespace.clone(), sample.function.clone());
                sums.entry(name)
                    .or_default()
                    .add(sample, samples.interval_ms);
            }
        }
        let mut told = BTreeMap::new();
        let mut out = Vec::new();
        for (name, sum) in sums {
            let sample = sum.sample();
            if sample.is_empty() {
                continue;
            }
            let news = sample.is_active() || self.told.get(&name) != Some(&sample);
            told.insert(name.clone(), sample);
            out.push((name, sample, news));
        }
        for name in std::mem::take(&mut self.told).into_keys() {
            if !told.contains_key(&name) {
                out.push((name, Sample::default(), true));
            }
        }
        self.told = told;
        out
    }
}

#[derive(Default)]
struct Sum {
    sample: Sample,
    /// By upper bound, microseconds: lower bound and count.
    latencies: BTreeMap<u64, (u64, u64)>,
}

impl Sum {
    fn add(&mut self, from: &FunctionSample, interval_ms: u64) {
        let seconds = interval_ms.max(1) as f64 / 1e3;
        let to = &mut self.sample;
        to.rps += from.requests as f64 / seconds;
        to.errors_per_second += from.errors as f64 / seconds;
        to.in_flight += if from.in_flight.is_finite() {
            from.in_flight
        } else {
            0.0
        };
        to.held += from.held;
        to.ready += from.ready;
        to.starting += from.starting;
        // Two may think they own it for a moment: the larger number is what will run.
        to.desired = to.desired.max(from.desired.unwrap_or(0));
        to.queued += from.queued;
        to.dead += from.dead;
        for LatencyBucket {
            from_us,
            to_us,
            count,
        } in &from.latencies
        {
            let bucket = self.latencies.entry(*to_us).or_insert((*from_us, 0));
            bucket.1 += count;
        }
    }

    fn sample(self) -> Sample {
        let round = |value: f64| (value * 1e3).round() / 1e3;
        Sample {
            rps: round(self.sample.rps),
            errors_per_second: round(self.sample.errors_per_second),
            in_flight: round(self.sample.in_flight),
            p50_ms: percentile(&self.latencies, 0.50).map(round),
            p95_ms: percentile(&self.latencies, 0.95).map(round),
            ..self.sample
        }
    }
}

/// In milliseconds: the answer at that share, as if those of a bucket were spread evenly over it.
fn percentile(buckets: &BTreeMap<u64, (u64, u64)>, share: f64) -> Option<f64> {
    let total: u64 = buckets.values().map(|(_, count)| count).sum();
    let rank = share * total as f64;
    let mut before = 0.0;
    for (to, (from, count)) in buckets {
        let count = *count as f64;
        if count > 0.0 && before + count >= rank {
            let part = ((rank - before) / count).clamp(0.0, 1.0);
            let from = *from as f64;
            return Some((from + (*to as f64 - from) * part) / 1e3);
        }
        before += count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(requests: u64, buckets: &[(u64, u64, u64)]) -> FunctionSample {
        let bucket = |&(from_us, to_us, count): &(u64, u64, u64)| LatencyBucket {
            from_us,
            to_us,
            count,
        };
        FunctionSample {
            namespace: "n".into(),
            function: "f".into(),
            requests,
            latencies: buckets.iter().map(bucket).collect(),
            ready: 1,
            ..FunctionSample::default()
        }
    }

    fn samples(functions: Vec<FunctionSample>) -> Samples {
        Samples {
            interval_ms: 1000,
            functions,
        }
    }

    #[test]
    fn percentiles_are_of_all_answers_wherever_they_came_from() {
        let mut merger = Merger::default();
        let now = Instant::now();
        // 90 answers of about 1 ms here, 10 of about 100 ms there.
        merger.sampled(now, "a", samples(vec![sample(90, &[(1000, 2000, 90)])]));
        merger.sampled(
            now,
            "b",
            samples(vec![sample(10, &[(100_000, 200_000, 10)])]),
        );
        let [(_, sample, news)] = merger.tick(now).try_into().unwrap();
        assert!(news);
        assert_eq!((sample.rps, sample.ready), (100.0, 2));
        assert_eq!(sample.p50_ms, Some(1.556));
        assert_eq!(sample.p95_ms, Some(150.0));
    }

    #[test]
    fn a_late_sample_makes_no_gap_and_a_dead_sidecar_no_ghost() {
        let mut merger = Merger::default();
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        merger.sampled(start, "a", samples(vec![sample(50, &[])]));
        for ms in [100, 1100, 2100] {
            let [(_, sample, _)] = merger.tick(after(ms)).try_into().unwrap();
            assert_eq!(sample.rps, 50.0, "after {ms} ms");
        }
        // Once more with zeros, then nothing.
        let [(name, sample, news)] = merger.tick(after(3100)).try_into().unwrap();
        assert_eq!(
            (name.1.as_str(), sample, news),
            ("f", Sample::default(), true)
        );
        assert!(merger.tick(after(4100)).is_empty());
    }

    #[test]
    fn what_stays_the_same_is_news_once() {
        let mut merger = Merger::default();
        let now = Instant::now();
        merger.sampled(now, "a", samples(vec![sample(0, &[])]));
        let news = |merger: &mut Merger| {
            merger
                .tick(now)
                .into_iter()
                .map(|t| t.2)
                .collect::<Vec<_>>()
        };
        assert_eq!(news(&mut merger), [true]);
        assert_eq!(news(&mut merger), [false]);
        merger.gone("a");
        assert_eq!(news(&mut merger), [true]);
        assert!(news(&mut merger).is_empty());
    }

    #[test]
    fn two_owners_do_not_double_what_is_wanted() {
        let mut merger = Merger::default();
        let now = Instant::now();
        for (node, desired) in [("a", Some(3)), ("b", Some(2)), ("c", None)] {
            let mut one = sample(1, &[]);
            one.desired = desired;
            merger.sampled(now, node, samples(vec![one]));
        }
        assert_eq!(merger.tick(now)[0].1.desired, 3);
    }
}
