//! The replay against a second, naive reading of the published algorithm.
//!
//! Everything here is kept in lists and computed anew at every tick, straight down the page:
//! no rings, no running sums, no monotonic queues, and nothing shared with the crate but the
//! settings. Deliberately only for time that doesn't run backwards.

use gateless_core::autoscaler::replay::{Input, PartialConfig, Replay};
use gateless_core::time::Time;
use proptest::prelude::*;
use std::time::Duration;

/// One tick as both are given it; times in whole seconds.
#[derive(Debug, Clone)]
enum Step {
    Averages(u64, u32, f64, f64),
    Sample(u64, u32, f64),
    Config(PartialConfig),
}

#[derive(Default)]
struct Reference {
    settings: PartialConfig,
    first_settings: Option<PartialConfig>,
    started: bool,
    panic_since: Option<u64>,
    most_in_panic: f64,
    samples: Vec<(i64, f64)>,
    wanted: Vec<(u64, f64)>,
}

fn seconds(duration: Option<Duration>, default: u64) -> u64 {
    duration.map_or(default, |d| d.as_secs())
}

impl Reference {
    fn average(&self, now: i64, window: i64) -> f64 {
        let Some(&(last, _)) = self.samples.last() else {
            return 0.0;
        };
        if now - last >= window {
            return 0.0;
        }
        let mut first = last;
        for &(at, _) in self.samples.iter().rev() {
            if first - at >= window {
                break;
            }
            first = at;
        }
        let within = |at: i64| at > now - window && at >= first;
        let sum: f64 = self
            .samples
            .iter()
            .filter(|s| within(s.0))
            .map(|s| s.1)
            .sum();
        let seconds = (last - first + 1).min(window - (now - last));
        (sum / seconds as f64 * 1e6).round() / 1e6
    }

    fn scale(&mut self, now: u64, ready: u32, stable: f64, panic: f64) -> (u32, bool, i64) {
        let s = self.settings;
        let first = *self.first_settings.get_or_insert(s);
        if !self.started {
            self.started = true;
            let initial = first.initial_ready.unwrap_or(0);
            self.most_in_panic = f64::from(initial);
            self.panic_since = if initial > 1 { Some(now) } else { None };
        }
        let reachable = s.reachable.unwrap_or(true);
        let pods = if ready == 0 { 1.0 } else { f64::from(ready) };

        // Step 1: counts by the target, between the rates.
        let target = s.target.unwrap_or(70.0);
        let for_stable = (stable / target).ceil();
        let for_panic = (panic / target).ceil();
        let up = (s.max_scale_up_rate.unwrap_or(1000.0) * pods).ceil();
        let mut down = (pods / s.max_scale_down_rate.unwrap_or(2.0)).floor();
        if !reachable {
            down = 0.0;
        }
        let mut stable_count = for_stable.max(down).min(up);
        let mut panic_count = for_panic.max(down).min(up);

        // Step 2: activation scale.
        let activation = f64::from(s.activation_scale.unwrap_or(0));
        if activation > 1.0 && for_stable > 0.0 && activation > stable_count {
            stable_count = activation;
        }
        if activation > 1.0 && for_panic > 0.0 && activation > panic_count {
            panic_count = activation;
        }

        // Step 3: in and out of panic.
        let over = for_panic / pods >= s.panic_threshold.unwrap_or(2.0);
        if over {
            self.panic_since = Some(now);
        } else if let Some(since) = self.panic_since
            && since + seconds(s.stable_window, 60) < now
        {
            self.panic_since = None;
            self.most_in_panic = 0.0;
        }
        let mut count = stable_count;
        if self.panic_since.is_some() {
            count = count.max(panic_count).max(self.most_in_panic);
            self.most_in_panic = count;
        }

        // Step 4: scale-down delay, in intervals of two seconds.
        let delay = seconds(first.scale_down_delay, 0);
        if reachable && delay > 0 {
            let interval = now / 2;
            self.wanted.push((interval, count));
            let recent = |at: u64| interval - at < delay.div_ceil(2);
            let held = self.wanted.iter().filter(|w| recent(w.0)).map(|w| w.1);
            count = held.fold(count, f64::max);
        }

        // Step 5: excess burst capacity, then the bounds.
        let burst = s.target_burst_capacity.unwrap_or(211.0);
        let excess = if burst < 0.0 {
            -1.0
        } else if burst == 0.0 {
            0.0
        } else {
            (f64::from(ready) * s.total.unwrap_or(100.0) - burst - panic).floor()
        };
        let least = if reachable {
            s.min_scale.unwrap_or(0)
        } else {
            0
        };
        let mut desired = count as u32;
        let most = s.max_scale.unwrap_or(0);
        if most > 0 && desired > most {
            desired = most;
        }
        (
            desired.max(least),
            self.panic_since.is_some(),
            excess as i64,
        )
    }

    fn step(&mut self, step: &Step) -> Option<(u32, bool, i64)> {
        match *step {
            Step::Config(settings) => {
                self.first_settings.get_or_insert(settings);
                self.settings = settings;
                None
            }
            Step::Averages(t, ready, stable, panic) => Some(self.scale(t, ready, stable, panic)),
            Step::Sample(t, ready, concurrency) => {
                let now = i64::try_from(t).unwrap_or(i64::MAX);
                self.samples.push((now, concurrency));
                let stable = seconds(self.settings.stable_window, 60);
                let window = i64::try_from(stable).unwrap_or(i64::MAX);
                let panic_window = ((stable as f64 / 10.0).round() as i64).max(1);
                let stable = self.average(now, window);
                let panic = self.average(now, panic_window);
                Some(self.scale(t, ready, stable, panic))
            }
        }
    }
}

fn input(step: &Step) -> Input {
    let at = |secs: u64| Time::from_millis(secs * 1000);
    match *step {
        Step::Config(config) => Input::Config(config),
        Step::Averages(t, ready, stable, panic) => Input::Averages {
            t: at(t),
            ready,
            stable,
            panic,
        },
        Step::Sample(t, ready, concurrency) => Input::Sample {
            t: at(t),
            ready,
            concurrency,
        },
    }
}

fn compare(steps: &[Step]) -> Result<(), TestCaseError> {
    let (mut replay, mut reference) = (Replay::new(), Reference::default());
    for (index, step) in steps.iter().enumerate() {
        let expected = reference.step(step);
        let got = replay
            .line(&input(step))
            .map_err(|e| TestCaseError::fail(e.to_string()))?
            .map(|o| (o.desired, o.panic, o.excess_burst_capacity));
        prop_assert_eq!(got, expected, "at step {} of {:?}", index, steps);
    }
    Ok(())
}

/// Each key present or not, as in a file somebody wrote.
fn settings() -> impl Strategy<Value = PartialConfig> {
    use proptest::option::of;
    let numbers = (
        of(prop_oneof![Just(1.0), Just(7.0), 0.3..100.0f64]),
        of(1.0..150.0f64),
        of(prop_oneof![Just(-1.0), Just(0.0), 0.0..300.0f64]),
        of(prop_oneof![Just(1.1), Just(2.0), Just(10.0)]),
        of(prop_oneof![Just(1.1), Just(2.0), Just(10.0)]),
        of(1.1..10.0f64),
    );
    let times = (of(6..90u64), of(0..40u64));
    let counts = (
        of(0..5u32),
        of(any::<bool>()),
        of(0..4u32),
        of(5..60u32),
        of(0..9u32),
    );
    (numbers, times, counts).prop_map(|(numbers, times, counts)| PartialConfig {
        target: numbers.0,
        total: numbers.1,
        target_burst_capacity: numbers.2,
        max_scale_up_rate: numbers.3,
        max_scale_down_rate: numbers.4,
        panic_threshold: numbers.5,
        stable_window: times.0.map(Duration::from_secs),
        scale_down_delay: times.1.map(Duration::from_secs),
        activation_scale: counts.0,
        reachable: counts.1,
        min_scale: counts.2,
        max_scale: counts.3,
        initial_ready: counts.4,
    })
}

/// Loads in quarters add up exactly in any order; mostly low, with surges and silences.
fn load() -> impl Strategy<Value = f64> {
    prop_oneof![3 => 0..80u32, 1 => 0..4000u32, 1 => Just(0)].prop_map(|n| f64::from(n) / 4.0)
}

fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..4u64, 1 => 0..200u64]
}

proptest! {
    #[test]
    fn averages_decide_as_the_reference_does(
        first in settings(),
        later in settings(),
        ticks in proptest::collection::vec((gap(), 0..40u32, load(), load()), 1..150),
        start in 0..1000u64,
    ) {
        let mut steps = vec![Step::Config(first)];
        let mut now = start;
        for (index, (gap, ready, stable, panic)) in ticks.into_iter().enumerate() {
            now += gap;
            if index == 70 {
                steps.push(Step::Config(later));
            }
            steps.push(Step::Averages(now, ready, stable, panic));
        }
        compare(&steps)?;
    }

    #[test]
    fn samples_decide_as_the_reference_does(
        config in settings(),
        samples in proptest::collection::vec((gap(), 0..40u32, load()), 1..150),
        start in 0..1000u64,
    ) {
        let mut steps = vec![Step::Config(config)];
        let mut now = start;
        for (gap, ready, load) in samples {
            now += gap;
            steps.push(Step::Sample(now, ready, load));
        }
        compare(&steps)?;
    }
}
