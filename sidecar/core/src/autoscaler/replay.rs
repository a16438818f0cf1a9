//! What the autoscaler would have done with a recorded load, one decision a line.
//!
//! The same [`Autoscaler`] and [`Windows`] the sidecar runs, so the answers are its answers.
//! A decision is Knative's `Scale` followed by its `applyBounds` with `min_scale` and
//! `max_scale`. Deliberately without the way to zero and initial scale ([`super::bounds`]):
//! those depend on when instances really became ready. No JSON either; the shell parses.

use std::time::Duration;

use super::{Autoscaler, Config};
use crate::time::Time;
use crate::window::{Windows, panic_window};

/// The panic window's share of the stable window, which a replay cannot set.
const PANIC_WINDOW_PERCENT: f64 = 10.0;

/// A config line. Each stands for itself, as Knative's `Update` replaces the whole spec: a
/// key it doesn't have takes Knative's default, not the value of an earlier line.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PartialConfig {
    /// Load an instance should get, utilization already applied. Default 70, which is 70 %
    /// of 100, whatever `total` is.
    pub target: Option<f64>,
    /// Load an instance can take. Default 100.
    pub total: Option<f64>,
    /// Default 211; negative means unlimited.
    pub target_burst_capacity: Option<f64>,
    /// Most times as many instances as are ready, in one step; default 1000.
    pub max_scale_up_rate: Option<f64>,
    /// Most times fewer instances than are ready, in one step; default 2.
    pub max_scale_down_rate: Option<f64>,
    /// A ratio, default 2.
    pub panic_threshold: Option<f64>,
    /// Default 60 s. The panic window is a tenth of it, in whole seconds, at least one.
    pub stable_window: Option<Duration>,
    /// Default 0 s. As in Knative only the first config counts.
    pub scale_down_delay: Option<Duration>,
    /// Fewest instances once there is any load; default 0, which stands for 1.
    pub activation_scale: Option<u32>,
    /// Whether calls can reach the revision; default true.
    pub reachable: Option<bool>,
    /// Fewest instances at all times; default 0.
    pub min_scale: Option<u32>,
    /// Default 0, none.
    pub max_scale: Option<u32>,
    /// Ready when the autoscaler is made, default 0. Only the first config counts.
    pub initial_ready: Option<u32>,
}

/// One line in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Input {
    /// Settings from here on.
    Config(PartialConfig),
    /// A tick, with averages made elsewhere.
    Averages {
        /// When it was measured.
        t: Time,
        /// Instances that took calls then.
        ready: u32,
        /// Average over the stable window.
        stable: f64,
        /// Average over the panic window.
        panic: f64,
    },
    /// A raw sample, averaged here, and a tick. [`crate::window`] says what happens to
    /// samples that aren't a second apart.
    Sample {
        /// When it is decided.
        t: Time,
        /// Instances that take calls then.
        ready: u32,
        /// Load in the second `t` lies in.
        concurrency: f64,
    },
}

/// One line out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// When it was decided.
    pub t: Time,
    /// Instances, within `min_scale` and `max_scale`.
    pub desired: u32,
    /// In panic mode.
    pub panic: bool,
    /// Calls that could come now without being held; see [`super::Decision::excess_burst_capacity`].
    pub excess_burst_capacity: i64,
}

/// A line that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {reason}")]
pub struct Error {
    key: &'static str,
    reason: &'static str,
}

/// A replay in progress.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    /// Of the first line, if it was one: the autoscaler is made with it at the first tick.
    first: Option<PartialConfig>,
    latest: PartialConfig,
    running: Option<Running>,
}

#[derive(Debug, Clone)]
struct Running {
    autoscaler: Autoscaler,
    windows: Windows,
    now: Time,
}

impl Replay {
    /// Before the first line.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one line; a tick has an answer, a config line none. The autoscaler is made at
    /// the time of the first tick.
    ///
    /// # Errors
    /// When a value is out of range. The line then has no effect.
    pub fn line(&mut self, line: &Input) -> Result<Option<Output>, Error> {
        match *line {
            Input::Config(config) => {
                self.configure(config)?;
                Ok(None)
            }
            Input::Averages {
                t,
                ready,
                stable,
                panic,
            } => {
                at_least_zero("stable", stable)?;
                at_least_zero("panic", panic)?;
                let output = self.running(t)?.decide(ready, stable, panic);
                Ok(Some(output))
            }
            Input::Sample {
                t,
                ready,
                concurrency,
            } => {
                at_least_zero("concurrency", concurrency)?;
                let running = self.running(t)?;
                running.windows.record(t, concurrency);
                let averages = running.windows.averages(t);
                Ok(averages.map(|(stable, panic)| running.decide(ready, stable, panic)))
            }
        }
    }

    fn configure(&mut self, partial: PartialConfig) -> Result<(), Error> {
        let config = partial.resolve()?;
        self.first.get_or_insert(partial);
        self.latest = partial;
        if let Some(running) = &mut self.running {
            let (stable, panic) = (config.stable_window, config.panic_window);
            running.windows.resize(running.now, stable, panic);
            running.autoscaler.update(config);
        }
        Ok(())
    }

    fn running(&mut self, now: Time) -> Result<&mut Running, Error> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => {
                let first = self.first.get_or_insert_default();
                let initial_ready = first.initial_ready.unwrap_or(0);
                let mut autoscaler = Autoscaler::new(first.resolve()?, now, initial_ready);
                let config = self.latest.resolve()?;
                autoscaler.update(config);
                Running {
                    autoscaler,
                    windows: Windows::new(config.stable_window, config.panic_window),
                    now,
                }
            }
        };
        running.now = now;
        Ok(self.running.insert(running))
    }
}

impl Running {
    fn decide(&mut self, ready: u32, stable: f64, panic: f64) -> Output {
        let decision = self.autoscaler.scale(self.now, ready, stable, panic);
        Output {
            t: self.now,
            desired: self.autoscaler.config().clamp(decision.desired),
            panic: decision.panic,
            excess_burst_capacity: decision.excess_burst_capacity,
        }
    }
}

impl PartialConfig {
    /// Fills in the defaults. Only refuses what the algorithm isn't defined for; Knative's
    /// own limits (rates above 1, a stable window of 6 s to an hour) are narrower.
    fn resolve(&self) -> Result<Config, Error> {
        let default = Config::default();
        let stable_window = self.stable_window.unwrap_or(default.stable_window);
        let config = Config {
            metric: default.metric,
            target: self.target.unwrap_or(default.target),
            total: self.total.unwrap_or(default.total),
            target_burst_capacity: self
                .target_burst_capacity
                .unwrap_or(default.target_burst_capacity),
            max_scale_up_rate: self.max_scale_up_rate.unwrap_or(default.max_scale_up_rate),
            max_scale_down_rate: self
                .max_scale_down_rate
                .unwrap_or(default.max_scale_down_rate),
            panic_threshold: self.panic_threshold.unwrap_or(default.panic_threshold),
            stable_window,
            panic_window: panic_window(stable_window, PANIC_WINDOW_PERCENT),
            scale_down_delay: self.scale_down_delay.unwrap_or(default.scale_down_delay),
            activation_scale: self.activation_scale.unwrap_or(0),
            reachable: self.reachable.unwrap_or(true),
            min_scale: self.min_scale.unwrap_or(0),
            max_scale: self.max_scale.unwrap_or(0),
        };
        above_zero("target", config.target)?;
        at_least_zero("total", config.total)?;
        above_zero("max_scale_up_rate", config.max_scale_up_rate)?;
        above_zero("max_scale_down_rate", config.max_scale_down_rate)?;
        above_zero("panic_threshold", config.panic_threshold)?;
        if !config.target_burst_capacity.is_finite() {
            return Err(error("target_burst_capacity", "must be a finite number"));
        }
        if config.max_scale != 0 && config.min_scale > config.max_scale {
            return Err(error("min_scale", "must not be above max_scale"));
        }
        Ok(config)
    }
}

const fn error(key: &'static str, reason: &'static str) -> Error {
    Error { key, reason }
}

fn above_zero(key: &'static str, value: f64) -> Result<(), Error> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(error(key, "must be a number above 0"))
    }
}

fn at_least_zero(key: &'static str, value: f64) -> Result<(), Error> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(error(key, "must be a number of at least 0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(t: f64, ready: u32, load: f64) -> Input {
        Input::Averages {
            t: Time::from_secs_f64(t),
            ready,
            stable: load,
            panic: load,
        }
    }

    fn sample(t: f64, ready: u32, concurrency: f64) -> Input {
        Input::Sample {
            t: Time::from_secs_f64(t),
            ready,
            concurrency,
        }
    }

    /// The answers as (desired, panic, excess burst capacity).
    #[track_caller]
    fn check(lines: &[Input], expected: &[(u32, bool, i64)]) {
        let mut replay = Replay::new();
        let answers: Vec<_> = lines
            .iter()
            .filter_map(|line| replay.line(line).unwrap())
            .map(|o| (o.desired, o.panic, o.excess_burst_capacity))
            .collect();
        assert_eq!(answers, expected);
    }

    #[test]
    fn without_config_knatives_defaults_apply() {
        check(
            &[tick(0.0, 0, 0.0), tick(2.0, 1, 70.1), tick(4.0, 1, 140.1)],
            &[(0, false, -211), (2, true, -182), (3, true, -252)],
        );
    }

    #[test]
    fn bounds_apply_to_the_answer_and_not_to_panic() {
        let bounded = Input::Config(PartialConfig {
            target: Some(10.0),
            min_scale: Some(2),
            max_scale: Some(5),
            ..PartialConfig::default()
        });
        check(
            &[bounded, tick(0.0, 2, 0.0), tick(2.0, 2, 80.0)],
            &[(2, false, -11), (5, true, -91)],
        );
        let free = Input::Config(PartialConfig {
            target: Some(10.0),
            ..PartialConfig::default()
        });
        check(
            &[bounded, tick(0.0, 2, 80.0), free, tick(2.0, 5, 1.0)],
            &[(5, true, -91), (8, true, 288)],
        );
    }

    #[test]
    fn initial_ready_starts_in_panic_at_the_first_tick() {
        let config = Input::Config(PartialConfig {
            initial_ready: Some(4),
            ..PartialConfig::default()
        });
        check(
            &[
                config,
                tick(1000.0, 4, 0.0),
                tick(1060.0, 4, 0.0),
                tick(1061.0, 4, 0.0),
            ],
            &[(4, true, 189), (4, true, 189), (2, false, 189)],
        );
    }

    #[test]
    fn later_config_replaces_the_whole() {
        let target = |target| {
            Input::Config(PartialConfig {
                target,
                ..PartialConfig::default()
            })
        };
        check(
            &[
                target(Some(10.0)),
                tick(0.0, 5, 50.0),
                target(None),
                tick(2.0, 5, 50.0),
            ],
            &[(5, false, 239), (2, false, 239)],
        );
    }

    #[test]
    fn samples_are_averaged_as_the_collector_does() {
        let config = Input::Config(PartialConfig {
            target: Some(1.0),
            target_burst_capacity: Some(0.0),
            ..PartialConfig::default()
        });
        let mut lines = vec![config];
        lines.extend((0..10).map(|t| sample(f64::from(t), 10, 10.0)));
        lines.push(sample(10.0, 10, 32.0));
        // Of 11 s: (100 + 32) / 11. Then the second sample of the last second adds to it.
        lines.push(sample(10.5, 10, 110.0));
        let mut expected = vec![(10, false, 0); 10];
        expected.extend([(12, false, 0), (32, true, 0)]);
        check(&lines, &expected);
    }

    #[test]
    fn impossible_values_are_refused_by_name_and_change_nothing() {
        let refused = |line: Input, expected: &str| {
            let mut replay = Replay::new();
            let error = replay.line(&line).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
            assert!(replay.line(&tick(0.0, 1, 0.0)).unwrap().is_some());
        };
        let config = PartialConfig::default();
        let with = |change: fn(&mut PartialConfig)| {
            let mut config = config;
            change(&mut config);
            Input::Config(config)
        };
        refused(with(|c| c.target = Some(0.0)), "target ");
        refused(with(|c| c.total = Some(-1.0)), "total ");
        refused(
            with(|c| c.max_scale_up_rate = Some(0.0)),
            "max_scale_up_rate ",
        );
        refused(
            with(|c| c.max_scale_down_rate = Some(f64::NAN)),
            "max_scale_down_rate ",
        );
        refused(
            with(|c| (c.min_scale, c.max_scale) = (Some(3), Some(2))),
            "min_scale ",
        );
        refused(tick(0.0, 1, -1.0), "stable ");
        refused(sample(0.0, 1, -1.0), "concurrency ");
    }
}
