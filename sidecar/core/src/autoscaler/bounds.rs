//! From what the autoscaler wants to what is to run: minimum, maximum, initial scale, zero.
//!
//! Source: Knative serving `pkg/reconciler/autoscaling/kpa/scaler.go` (`scale`,
//! `applyBounds`, `handleScaleToZero`), `kpa.go` (`computeActiveCondition`, the serverless
//! service's mode) and `pkg/apis/autoscaling/v1alpha1/pa_lifecycle.go` (`ScaleBounds`).
//!
//! The way to zero has Knative's three steps. Once zero is wanted, a revision that has been
//! active for less than a stable window goes down to one at most; after that it becomes
//! inactive, and what runs is left running; an inactive revision goes to zero when it has
//! been inactive for the last-pod retention and the grace period is over.
//!
//! **The grace period.** In Knative it gives the network time to move the activator into the
//! path, counted from when that began: when excess burst capacity became negative, or with
//! inactivity. So with the default target burst capacity of 211 it is usually over already,
//! and the last instance goes as soon as the stable window is empty; with a target burst
//! capacity of 0 it follows the stable window in full. Here every sidecar holds by itself and
//! nothing has to be moved, but the same clock is kept, so that zero comes when a person
//! who knows Knative expects it; what is left of it is a last moment for a call to find the
//! instance still there.
//!
//! Three differences, all because our counts are level-triggered and instances can die with
//! their host: a new reachable revision's initial scale comes from here (in Knative from the
//! Deployment); a count kept for want of data is still held within minimum and maximum, and
//! otherwise never lowered; an initial scale above the maximum is the maximum. Scale to zero cannot be disabled except by a
//! minimum. Deliberately no placement, and no memory of instances: the owner knows those.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::Decision;
use crate::config::Scaling;
use crate::time::Time;

/// How long a revision may fail to become active while nothing calls it, before it is given
/// up: Knative's progress deadline of 600 s and its buffer of 30 s.
pub const ACTIVATION_TIMEOUT: Duration = Duration::from_secs(630);

/// A count within bounds; the minimum wins, and a maximum of 0 means none.
#[must_use]
pub const fn clamp(min_scale: u32, max_scale: u32, count: u32) -> u32 {
    if count < min_scale {
        min_scale
    } else if max_scale != 0 && count > max_scale {
        max_scale
    } else {
        count
    }
}

/// What the bounds go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Ignored while unreachable.
    pub min_scale: u32,
    /// 0 means none.
    pub max_scale: u32,
    /// Held until it was ready once; ignored while unreachable.
    pub initial_scale: u32,
    /// Some route leads to the revision. As in Knative, one that is new and has never been
    /// ready (a candidate) is reachable, or it could never start.
    pub reachable: bool,
    /// How long a revision is active at least.
    pub stable_window: Duration,
    /// The grace period that the module describes: how long routes may take to move before scaling to zero.
    pub grace: Duration,
    /// How long the last instances stay after the revision became inactive; ignored while
    /// unreachable.
    pub retention: Duration,
    /// How long a function counts as just called; default [`ACTIVATION_TIMEOUT`].
    pub activation_timeout: Duration,
}

impl Config {
    /// A revision's settings.
    #[must_use]
    pub fn from_scaling(scaling: &Scaling, reachable: bool) -> Self {
        Self {
            min_scale: scaling.min_scale,
            max_scale: scaling.max_scale.unwrap_or(0),
            initial_scale: scaling.initial_scale,
            reachable,
            stable_window: scaling.stable_window,
            grace: scaling.scale_to_zero_grace,
            retention: scaling.scale_to_zero_retention,
            activation_timeout: ACTIVATION_TIMEOUT,
        }
    }

    fn min(&self) -> u32 {
        if self.reachable { self.min_scale } else { 0 }
    }

    fn initial(&self) -> u32 {
        clamp(0, self.max_scale, self.initial_scale)
    }

    fn retention(&self) -> Duration {
        if self.reachable {
            self.retention
        } else {
            Duration::ZERO
        }
    }
}

/// Whether a revision serves: Knative's `Active` condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Instances are wanted and not ready yet.
    Activating,
    /// Enough are ready.
    Active,
    /// None is wanted.
    Inactive,
}

/// One revision's bounds.
#[derive(Debug, Clone)]
pub struct Bounds {
    config: Config,
    activity: Activity,
    /// When that began.
    since: Time,
    /// The initial scale was ready once.
    initialized: bool,
    /// Since when a burst would have to be held.
    holding_since: Option<Time>,
    deadline: Option<Time>,
}

impl Bounds {
    /// For a revision with so many instances ready; `initialized` when its initial scale was
    /// ready at any time before, under whatever owner.
    #[must_use]
    pub fn new(config: Config, now: Time, ready: u32, initialized: bool) -> Self {
        let idle = initialized && ready == 0;
        Self {
            config,
            activity: if idle {
                Activity::Inactive
            } else {
                Activity::Activating
            },
            since: now,
            initialized,
            holding_since: Some(now),
            deadline: None,
        }
    }

    /// From now on goes by `config`.
    pub fn update(&mut self, config: Config) {
        self.config = config;
    }

    /// Whether the revision serves.
    #[must_use]
    pub fn activity(&self) -> Activity {
        self.activity
    }

    /// The initial scale was ready once.
    #[must_use]
    pub fn initialized(&self) -> bool {
        self.initialized
    }

    /// When [`Bounds::apply`] may answer less with nothing else changed; it may be past.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// How many instances are to run, given what the autoscaler wants (`None` without data),
    /// how many are ready, and the count that applies at present.
    pub fn apply(
        &mut self,
        now: Time,
        decision: Option<&Decision>,
        ready: u32,
        current: u32,
    ) -> u32 {
        let keep = clamp(self.config.min(), self.config.max_scale, current);
        let wanted = match decision {
            Some(decision) => Some(self.clamp(decision.desired)),
            None if self.activity == Activity::Activating => match self.clamp(0) {
                0 => Some(0),
                least => Some(least.max(keep)),
            },
            None => None,
        };
        // `want` is what is reported as wanted, which may be less than what is left running.
        let (want, count) = match wanted {
            None => (None, keep),
            Some(0) => self.toward_zero(now, keep),
            Some(wanted) => (Some(wanted), wanted),
        };
        let excess = decision.map_or(-1, |decision| decision.excess_burst_capacity);
        if want.is_some_and(|want| want > 0) && excess >= 0 {
            self.holding_since = None;
        } else {
            self.holding_since.get_or_insert(now);
        }
        self.observe(now, want, ready);
        self.deadline = (wanted == Some(0) && count > 0).then(|| self.leaves_at());
        count
    }

    fn clamp(&self, desired: u32) -> u32 {
        let config = &self.config;
        let initial = if !self.initialized && config.reachable && config.initial_scale > 1 {
            config.initial()
        } else {
            0
        };
        clamp(config.min().max(initial), config.max_scale, desired)
    }

    /// What is wanted and what is to run when the answer within bounds is zero.
    fn toward_zero(&self, now: Time, keep: u32) -> (Option<u32>, u32) {
        let over = now >= self.leaves_at();
        match self.activity {
            Activity::Activating if over => (Some(0), 0),
            Activity::Activating if !self.initialized && self.config.reachable => {
                (None, keep.max(self.config.initial()))
            }
            Activity::Activating => (None, keep),
            Activity::Active if over => (Some(0), keep),
            Activity::Active => (Some(1), 1),
            Activity::Inactive if over => (Some(0), 0),
            Activity::Inactive => (Some(0), keep),
        }
    }

    /// When the present activity may be left for the next one down.
    fn leaves_at(&self) -> Time {
        let config = &self.config;
        match self.activity {
            Activity::Activating => self.since + config.activation_timeout,
            Activity::Active => self.since + config.stable_window,
            Activity::Inactive => {
                let retained = self.since + config.retention();
                let grace = self.since + config.grace;
                let held = self.holding_since.map_or(grace, |at| at + config.grace);
                retained.max(held.min(grace))
            }
        }
    }

    fn observe(&mut self, now: Time, want: Option<u32>, ready: u32) {
        let config = &self.config;
        let enough = if self.initialized {
            config.min().max(1)
        } else {
            config.min().max(config.initial())
        };
        self.initialized |= ready >= enough;
        let wanted = want.is_some_and(|want| want > 0) || self.activity != Activity::Inactive;
        let activity = if want == Some(0) || enough == 0 || !wanted {
            Activity::Inactive
        } else if ready < enough {
            Activity::Activating
        } else {
            Activity::Active
        };
        if activity != self.activity {
            self.activity = activity;
            self.since = now;
        }
    }
}
