//! How many instances a load needs: Knative's pod autoscaler (KPA), step by step.
//!
//! Source of the algorithm: Knative serving `pkg/autoscaler/scaling/autoscaler.go` (`New`,
//! `Scale`, `Update`), with the settings resolved as `pkg/reconciler/autoscaling/kpa/resources/
//! decider.go` and `pkg/reconciler/autoscaling/resources/target.go` do it. Deliberately not
//! here: averaging ([`crate::window`]), and minimum, maximum, initial scale and the way to
//! zero ([`bounds`]), which Knative also decides afterwards, elsewhere, without feeding them
//! back. Nor what Gateless adds (held calls as demand, starting instances as supply): that
//! goes into the numbers given to [`Autoscaler::scale`], so this stays comparable.

pub mod bounds;
mod delay;
#[cfg(test)]
mod properties;
mod reason;
pub mod replay;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use delay::TICK;
pub use reason::{Load, Reason};

use crate::config::{Metric, Scaling};
use crate::time::Time;
use crate::window;
use delay::DelayWindow;

/// Least target, whatever the settings say; Knative's `TargetMin`.
pub const TARGET_MIN: f64 = 0.01;

/// What the autoscaler goes by: Knative's `DeciderSpec`, with the bounds beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// What the averages count; only changes the wording of reasons.
    pub metric: Metric,
    /// Load an instance should get: [`Config::total`] times target utilization. Positive.
    pub target: f64,
    /// Load an instance can take.
    pub total: f64,
    /// Burst to take without queueing; 0 none, negative unlimited.
    pub target_burst_capacity: f64,
    /// Most instances after a step, as a multiple of the ready ones. Above 1.
    pub max_scale_up_rate: f64,
    /// Ready instances over the least after a step. Above 1.
    pub max_scale_down_rate: f64,
    /// Wanted over ready instances at which panic begins, for example 2.
    pub panic_threshold: f64,
    /// Also how long panic lasts after the last surge.
    pub stable_window: Duration,
    /// For whoever averages the load; the decision doesn't use it.
    pub panic_window: Duration,
    /// How long a smaller count must be wanted. Read once, when the autoscaler is made, as in
    /// Knative: [`Autoscaler::update`] changes everything but this.
    pub scale_down_delay: Duration,
    /// Least count while there is any load; 0 and 1 are the same.
    pub activation_scale: u32,
    /// Some route leads to the revision. One without goes down at once, and ignores
    /// `min_scale`.
    pub reachable: bool,
    /// Applied by [`Config::clamp`], not by [`Autoscaler::scale`].
    pub min_scale: u32,
    /// Applied by [`Config::clamp`]; 0 means none.
    pub max_scale: u32,
}

impl Config {
    /// Resolves the settings of a revision by Knative's rules.
    ///
    /// With metric concurrency, `target` above the container concurrency counts as the
    /// container concurrency; that is the total, and the target is utilization times total,
    /// at least [`TARGET_MIN`]. With metric rps, container concurrency plays no part.
    #[must_use]
    pub fn from_scaling(
        scaling: &Scaling,
        container_concurrency: Option<u32>,
        reachable: bool,
    ) -> Self {
        let total = match (scaling.metric, container_concurrency) {
            (Metric::Concurrency, Some(limit)) if limit > 0 => scaling.target.min(f64::from(limit)),
            _ => scaling.target,
        };
        Self {
            metric: scaling.metric,
            target: (total * (scaling.target_utilization_percent / 100.0)).max(TARGET_MIN),
            total,
            target_burst_capacity: scaling.target_burst_capacity,
            max_scale_up_rate: scaling.max_scale_up_rate,
            max_scale_down_rate: scaling.max_scale_down_rate,
            panic_threshold: scaling.panic_threshold_percent / 100.0,
            stable_window: scaling.stable_window,
            panic_window: window::panic_window(scaling.stable_window, scaling.panic_window_percent),
            scale_down_delay: scaling.scale_down_delay,
            activation_scale: scaling.activation_scale,
            reachable,
            min_scale: scaling.min_scale,
            max_scale: scaling.max_scale.unwrap_or(0),
        }
    }

    /// A count within `min_scale` (when reachable) and `max_scale`.
    #[must_use]
    pub fn clamp(&self, desired: u32) -> u32 {
        let min = if self.reachable { self.min_scale } else { 0 };
        bounds::clamp(min, self.max_scale, desired)
    }
}

impl Default for Config {
    /// Knative's defaults: total 100, target 70, and so on.
    fn default() -> Self {
        Self::from_scaling(&Scaling::default(), None, true)
    }
}

/// What the autoscaler wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// Instances, before minimum and maximum.
    pub desired: u32,
    /// In panic mode.
    pub panic: bool,
    /// Load the ready instances can take beyond the present one and the target burst.
    /// Negative: a burst would queue.
    pub excess_burst_capacity: i64,
    /// What decided the count.
    pub reason: Reason,
}

/// One revision's autoscaler.
#[derive(Debug, Clone)]
pub struct Autoscaler {
    config: Config,
    /// Last time the load was over the panic threshold, while in panic mode.
    panic_since: Option<Time>,
    /// The most wanted since panic mode began, or ready at the start.
    max_panic: u32,
    delay: Option<DelayWindow>,
}

impl Autoscaler {
    /// With more than one instance ready it starts in panic mode: it has no history yet, and
    /// would otherwise scale down for want of it.
    #[must_use]
    pub fn new(config: Config, now: Time, initial_ready: u32) -> Self {
        Self {
            panic_since: (initial_ready > 1).then_some(now),
            max_panic: initial_ready,
            delay: DelayWindow::new(config.scale_down_delay),
            config,
        }
    }

    /// What it goes by.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// From now on goes by `config`, but for [`Config::scale_down_delay`].
    pub fn update(&mut self, config: Config) {
        self.config = config;
    }

    /// Decides, given the ready instances and the averaged load over both windows. To be
    /// called every [`TICK`], and at once on demand at zero; not without data
    /// ([`crate::window::Windows::averages`] answered `None`).
    pub fn scale(&mut self, now: Time, ready: u32, stable: f64, panic: f64) -> Decision {
        let by_stable = self.want(ready, stable);
        let by_panic = self.want(ready, panic);
        let surge = by_panic.unlimited / at_least_one(ready) >= self.config.panic_threshold;
        self.set_panic(now, surge);
        let panicking = self.panic_since.is_some();

        // Even in panic mode the stable average may be the larger.
        let (want, load) = if panicking && by_panic.count > by_stable.count {
            (by_panic, panic)
        } else {
            (by_stable, stable)
        };
        let mut reason = self.explain(want, ready, load, panicking);
        let mut desired = want.count;
        if panicking {
            self.max_panic = self.max_panic.max(desired);
            if desired < self.max_panic {
                let (wanted, held) = (desired, self.max_panic);
                reason = Reason::PanicHold { wanted, held };
                desired = held;
            }
        }
        if let Some(delay) = self.delay.as_mut().filter(|_| self.config.reachable) {
            let (wanted, held) = (desired, delay.largest(now, desired));
            if held != wanted {
                reason = Reason::ScaleDownDelay { wanted, held };
                desired = held;
            }
        }
        Decision {
            desired,
            panic: panicking,
            excess_burst_capacity: self.excess_burst_capacity(ready, panic),
            reason,
        }
    }

    /// What one average asks for, within the rates.
    fn want(&self, ready: u32, load: f64) -> Want {
        let config = &self.config;
        let ready = at_least_one(ready);
        let unlimited = (load / config.target).ceil();
        // Rounded outwards, so that a step of one is always allowed.
        let most = (config.max_scale_up_rate * ready).ceil();
        let least = if config.reachable {
            (ready / config.max_scale_down_rate).floor()
        } else {
            0.0
        };
        let limited = unlimited.max(least).min(most);
        let count = whole(limited);
        let activated = unlimited > 0.0 && config.activation_scale > count.max(1);
        Want {
            unlimited,
            limited,
            count: if activated {
                config.activation_scale
            } else {
                count
            },
            activated,
        }
    }

    fn set_panic(&mut self, now: Time, surge: bool) {
        match self.panic_since {
            _ if surge => self.panic_since = Some(now),
            Some(since) if since + self.config.stable_window < now => {
                self.panic_since = None;
                self.max_panic = 0;
            }
            _ => {}
        }
    }

    /// By the panic average, so that it follows the load quickly; by the instances really
    /// ready, zero included.
    fn excess_burst_capacity(&self, ready: u32, panic: f64) -> i64 {
        let burst = self.config.target_burst_capacity;
        if burst == 0.0 {
            0
        } else if burst > 0.0 {
            (f64::from(ready) * self.config.total - burst - panic).floor() as i64
        } else {
            -1
        }
    }

    fn explain(&self, want: Want, ready: u32, value: f64, panic: bool) -> Reason {
        let load = Load {
            panic,
            metric: self.config.metric,
            per_instance: value / at_least_one(ready),
            target: self.config.target,
        };
        let limit = whole(want.limited);
        if want.activated {
            Reason::ActivationScale { scale: want.count }
        } else if want.limited < want.unlimited {
            Reason::MaxScaleUpRate { load, limit }
        } else if want.limited > want.unlimited {
            Reason::MaxScaleDownRate { load, limit }
        } else if want.count == 0 {
            Reason::Idle
        } else {
            Reason::Load(load)
        }
    }
}

/// What one average asks for.
#[derive(Debug, Clone, Copy)]
struct Want {
    /// By the target alone.
    unlimited: f64,
    /// Within the rates.
    limited: f64,
    /// With activation scale.
    count: u32,
    activated: bool,
}

/// Rates are relative to what is ready, and none counts as one, or it could never start.
fn at_least_one(ready: u32) -> f64 {
    f64::from(ready.max(1))
}

/// Counts are 32-bit and signed in Knative; ours stay in that range.
fn whole(count: f64) -> u32 {
    count.min(f64::from(i32::MAX)) as u32
}
