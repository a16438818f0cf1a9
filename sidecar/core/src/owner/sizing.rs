//! From the callers' load to a number of instances: Knative's autoscaler, fed with what
//! Gateless adds.
//!
//! Added are the calls that wait. Held ones count as in flight at once, and so does the async
//! backlog, by Little's law: enough calls in flight to work it off within [`HORIZON`]. Knative
//! sees neither, so its averages would take seconds to notice. While calls wait, and for a
//! panic window after, both averages are at least that peak; rates, panic mode and bounds stay
//! Knative's own. Deliberately no placement.

use std::time::Duration;

use crate::autoscaler::{self, Autoscaler, Decision, bounds};
use crate::config::{Metric, Revision};
use crate::message::Load;
use crate::time::Time;
use crate::window::{BUCKET, Windows};

/// In which an async backlog is to be worked off. Shorter starts more instances for a burst
/// that is soon over; longer lets calls wait that nobody awaits.
pub const HORIZON: Duration = Duration::from_secs(10);

/// How many are wanted, and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sized {
    pub(super) desired: u32,
    pub(super) panic: bool,
    /// One word for programs, as events and the API have it.
    pub(super) cause: &'static str,
    pub(super) reason: String,
}

/// A revision's place in its function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Role {
    /// Traffic, a tag, or the candidate's proof lead to it.
    pub(super) reachable: bool,
    /// Never been ready.
    pub(super) candidate: bool,
}

/// What is left of a sizer while its revision is idle, as those of most of ten thousand functions.
#[derive(Debug)]
pub(super) struct Rested {
    bounds: bounds::Bounds,
    /// The only load recorded was zero, in this second.
    zero_at: Option<Time>,
}

/// One revision's autoscaler, windows and bounds.
#[derive(Debug)]
pub(super) struct Sizer {
    metric: Metric,
    autoscaler: Autoscaler,
    bounds: bounds::Bounds,
    windows: Windows,
    /// What the present second has recorded already.
    recorded: (u64, f64),
    /// Peak while calls waited, and how long it counts.
    peak: Option<(Time, f64)>,
}

impl Sizer {
    pub(super) fn new(revision: &Revision, role: Role, now: Time, ready: u32) -> Self {
        let limits = bounds::Config::from_scaling(&revision.scaling, role.reachable);
        let bounds = bounds::Bounds::new(limits, now, ready, !role.candidate);
        Self::with_bounds(revision, role, now, ready, bounds)
    }

    /// One that rested; as if it had not.
    pub(super) fn wake(revision: &Revision, role: Role, now: Time, rested: &Rested) -> Self {
        let mut sizer = Self::with_bounds(revision, role, now, 0, rested.bounds.clone());
        sizer.update(revision, role);
        if let Some(at) = rested.zero_at {
            sizer.sample(at, 0.0);
        }
        sizer
    }

    fn with_bounds(
        revision: &Revision,
        role: Role,
        now: Time,
        ready: u32,
        bounds: bounds::Bounds,
    ) -> Self {
        let config = config(revision, role);
        Self {
            metric: revision.scaling.metric,
            autoscaler: Autoscaler::new(config, now, ready),
            bounds,
            windows: Windows::new(config.stable_window, config.panic_window),
            recorded: (u64::MAX, 0.0),
            peak: None,
        }
    }

    /// From when on an idle one may [`Sizer::rest`].
    pub(super) fn rests_at(&self) -> Time {
        if self.windows.lone_zero().is_some() {
            return Time::ZERO;
        }
        self.windows.forgotten_at().unwrap_or(Time::ZERO)
    }

    /// What an idle one is woken with. Nothing else of it matters: the averages have one zero or
    /// no data, panic is over, and the counts of the delay are outdated.
    pub(super) fn rest(&self) -> Rested {
        Rested {
            bounds: self.bounds.clone(),
            zero_at: self.windows.lone_zero(),
        }
    }

    /// A revision never changes, but its role does.
    pub(super) fn update(&mut self, revision: &Revision, role: Role) {
        self.autoscaler.update(config(revision, role));
        let limits = bounds::Config::from_scaling(&revision.scaling, role.reachable);
        self.bounds.update(limits);
    }

    /// Notes the load of this second: its highest, when asked more than once.
    pub(super) fn sample(&mut self, now: Time, load: f64) {
        let second = now.as_nanos() / BUCKET.as_nanos() as u64;
        let before = if self.recorded.0 == second {
            self.recorded.1
        } else {
            self.windows.record(now, 0.0);
            0.0
        };
        if load > before {
            self.windows.record(now, load - before);
        }
        self.recorded = (second, load.max(before));
    }

    /// Instances for this load alone, without averages, rates and bounds.
    pub(super) fn need(&self, load: f64) -> u32 {
        (load / self.autoscaler.config().target).ceil() as u32
    }

    /// Decides. `waiting`: some of the load waits for an instance; `current`: the count that
    /// applies until now.
    pub(super) fn decide(
        &mut self,
        now: Time,
        ready: u32,
        load: f64,
        waiting: bool,
        current: u32,
    ) -> Sized {
        self.sample(now, load);
        let past = self.peak.filter(|(until, _)| now < *until);
        self.peak = if waiting {
            let until = now + self.autoscaler.config().panic_window;
            Some((until, past.map_or(load, |(_, peak)| peak.max(load))))
        } else {
            past
        };
        let floor = self.peak.map_or(0.0, |(_, peak)| peak);
        let averages = self.windows.averages(now);
        let decision = averages.map(|(stable, panic)| {
            self.autoscaler
                .scale(now, ready, stable.max(floor), panic.max(floor))
        });
        let desired = self.bounds.apply(now, decision.as_ref(), ready, current);
        let (cause, reason) = match decision {
            Some(Decision { reason, .. }) if decision.is_some_and(|d| d.desired == desired) => {
                (reason.word(), reason.to_string())
            }
            Some(Decision { reason, .. }) => {
                ("bounds", format!("{reason}; {desired} by the bounds"))
            }
            None => ("no_data", "no data yet".to_owned()),
        };
        Sized {
            desired,
            panic: decision.is_some_and(|decision| decision.panic),
            cause,
            reason,
        }
    }

    /// What a caller's load counts as, in the revision's metric.
    pub(super) fn measure(&self, load: &Load) -> f64 {
        let held = f64::from(load.held);
        let queued = f64::from(load.async_queued);
        let value = match self.metric {
            // Unknown service time: one call tells it.
            Metric::Concurrency => {
                let in_flight = queued * load.service_time.as_secs_f64() / HORIZON.as_secs_f64();
                load.concurrency + held + in_flight.max(queued.min(1.0)).min(queued)
            }
            Metric::Rps => load.rps + held + queued / HORIZON.as_secs_f64(),
        };
        if value.is_finite() {
            value.max(0.0)
        } else {
            0.0
        }
    }
}

fn config(revision: &Revision, role: Role) -> autoscaler::Config {
    let limit = revision.limits.container_concurrency;
    autoscaler::Config::from_scaling(&revision.scaling, limit, role.reachable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// Loads by second until both are idle, how long they are, and the loads afterwards.
    #[track_caller]
    fn check(stable_secs: u64, before: &[f64], idle_secs: u64, after: &[f64]) {
        let scaling = crate::config::Scaling {
            initial_scale: 0,
            stable_window: Duration::from_secs(stable_secs),
            scale_down_delay: Duration::from_secs(4),
            ..crate::config::Scaling::default()
        };
        let revision = fixture::revision("f", 1, scaling);
        let role = Role {
            reachable: true,
            candidate: false,
        };
        let new = || Sizer::new(&revision, role, Time::ZERO, 0);
        let (mut awake, mut rested) = (new(), new());
        let (mut second, mut desired, mut ready) = (0, 0, 0);
        let mut both = |awake: &mut Sizer, rested: &mut Sizer, second: u64, load: f64| {
            let now = Time::from_millis(second * 1000 + 300);
            let sized = awake.decide(now, ready, load, ready == 0 && load > 0.0, desired);
            let same = rested.decide(now, ready, load, ready == 0 && load > 0.0, desired);
            assert_eq!(sized, same, "second {second} with load {load}");
            (desired, ready) = (sized.desired, sized.desired);
            desired
        };
        for &load in before {
            both(&mut awake, &mut rested, second, load);
            second += 1;
        }
        let idle = both(&mut awake, &mut rested, second, 0.0);
        assert_eq!(idle, 0, "the test means to rest at zero");
        second += idle_secs;
        let now = Time::from_millis(second * 1000);
        assert!(now >= rested.rests_at(), "{:?}", rested.rests_at());
        rested = Sizer::wake(&revision, role, now, &rested.rest());
        for &load in after {
            second += 1;
            both(&mut awake, &mut rested, second, load);
        }
    }

    #[test]
    fn a_sizer_that_rested_decides_as_if_it_had_not() {
        let burst = [1.0, 30.0, 0.0, 250.0, 80.0, 0.0, 0.0, 2.0];
        let minute = [0.0; 75];
        for idle in [0, 1, 20, 59, 60, 61, 1_000] {
            check(60, &[], idle, &burst);
            check(6, &[], idle, &burst);
        }
        let load_and_silence = [&burst[..], &minute].concat();
        for idle in [62, 100, 10_000] {
            check(60, &load_and_silence, idle, &burst);
            check(6, &load_and_silence, idle, &burst);
        }
    }
}
