//! Why the autoscaler wants what it wants, as people read it in logs and on the dashboard.
//!
//! Deliberately not used to decide anything.

use std::fmt;

use crate::config::Metric;

/// The load a decision was made on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// In panic mode.
    pub panic: bool,
    /// What is counted.
    pub metric: Metric,
    /// Averaged load over ready instances, at least one.
    pub per_instance: f64,
    /// What an instance should get.
    pub target: f64,
}

/// What decided the count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    /// No load at all in the stable window.
    Idle,
    /// Load over target.
    Load(Load),
    /// Load over target, held back.
    MaxScaleUpRate {
        /// What the decision was made on.
        load: Load,
        /// The most allowed in one step.
        limit: u32,
    },
    /// Load over target, held up.
    MaxScaleDownRate {
        /// What the decision was made on.
        load: Load,
        /// The least allowed in one step.
        limit: u32,
    },
    /// Any load at all starts this many.
    ActivationScale {
        /// The configured count.
        scale: u32,
    },
    /// Panic mode never scales down.
    PanicHold {
        /// What the load alone asks for.
        wanted: u32,
        /// The most wanted since panic mode began.
        held: u32,
    },
    /// A smaller count has not been wanted for long enough.
    ScaleDownDelay {
        /// What is wanted now.
        wanted: u32,
        /// The most wanted within the delay.
        held: u32,
    },
}

impl Reason {
    /// For programs; stable.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Load(Load { panic: true, .. }) => "panic",
            Self::Load(_) => "load",
            Self::MaxScaleUpRate { .. } => "max_scale_up_rate",
            Self::MaxScaleDownRate { .. } => "max_scale_down_rate",
            Self::ActivationScale { .. } => "activation_scale",
            Self::PanicHold { .. } => "panic_hold",
            Self::ScaleDownDelay { .. } => "scale_down_delay",
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.panic { "panic" } else { "stable" };
        let unit = match self.metric {
            Metric::Concurrency => "in flight",
            Metric::Rps => "calls a second",
        };
        let Self {
            per_instance,
            target,
            ..
        } = self;
        // A window's sum may end a rounding error below zero.
        let per_instance = per_instance.max(0.0) + 0.0;
        write!(
            f,
            "{mode}: {per_instance:.1} {unit} per instance, target {target:.1}"
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("idle: no load in the stable window"),
            Self::Load(load) => load.fmt(f),
            Self::MaxScaleUpRate { load, limit } => {
                write!(f, "{load}; max_scale_up_rate allows {limit} in this step")
            }
            Self::MaxScaleDownRate { load, limit } => {
                write!(f, "{load}; max_scale_down_rate keeps {limit} in this step")
            }
            Self::ActivationScale { scale } => {
                write!(f, "activation_scale: any load starts {scale}")
            }
            Self::PanicHold { wanted, held } => write!(
                f,
                "panic: holding {held} though {wanted} would do, panic mode never scales down"
            ),
            Self::ScaleDownDelay { wanted, held } => write!(
                f,
                "scale_down_delay: holding {held} though {wanted} would do"
            ),
        }
    }
}
