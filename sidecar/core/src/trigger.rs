//! When a cron trigger fires, and which sidecar fires it.
//!
//! Times here are since the Unix epoch, not since process start: a schedule is people's time.
//! [`Machine`] decides; [`due`] is the rule for one trigger. What a schedule *is* comes in behind
//! [`Schedule`], so that calendars and time zones stay outside. Deliberately knows nothing of
//! triggers for events and topics: those decide nothing, whoever gets the message makes the calls.
//!
//! Promised: at least once for every scheduled time while a sidecar lives, exactly once while none
//! dies and none is cut off. A time that was fired twice carries the same idempotency key both times.

mod due;
mod entry;
mod machine;
#[cfg(test)]
mod tests;
mod types;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::due::{CLOCK_SET_BACK, Due, ON_TIME, due};
pub use self::machine::{Machine, SETTLE};
pub use self::types::{Action, CallRef, Event, Known, Level, Outcome, SetBack, Ticket};
use crate::name::{Error, FunctionName};
use crate::time::Time;

/// A trigger, for as long as it exists; a new one of the same name has another.
pub type Uid = Arc<str>;

/// A trigger's namespace and name. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TriggerName(FunctionName);

impl TriggerName {
    /// Parses both labels.
    ///
    /// # Errors
    /// When either is not a DNS label.
    pub fn new(namespace: &str, name: &str) -> Result<Self, Error> {
        FunctionName::new(namespace, name).map(Self)
    }

    /// The part before the slash.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0.namespace()
    }

    /// The name within the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// What rendezvous order goes by: the same names, whatever they are the names of.
    #[must_use]
    pub const fn key(&self) -> &FunctionName {
        &self.0
    }
}

impl fmt::Display for TriggerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TriggerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The times a trigger fires at. The same answers on every sidecar.
pub trait Schedule: Send + Sync + fmt::Debug {
    /// The first one after `after`.
    fn next_after(&self, after: Time) -> Option<Time>;
    /// The last one until `until`, that one included.
    fn latest(&self, until: Time) -> Option<Time>;
    /// Whether its times are fixed times of day, which do not come again when the clock is set back a little. Others are
    /// intervals, and go by the clock whatever it says.
    fn is_fixed(&self) -> bool;
}

/// What to do about times that were missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// No firing that was missed is made up for.
    None,
    /// The last of them is fired, unless it is longer ago than this.
    Last(Duration),
}

/// What of a time that comes while the call of the one before is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// Its call is made all the same.
    #[default]
    Allow,
    /// It is left out.
    Skip,
    /// It waits until that call is over. Of several that wait only the last is made.
    Queue,
}

/// A trigger with a schedule.
#[derive(Debug, Clone)]
pub struct Cron {
    /// Tells it from a former trigger of the same name.
    pub uid: Uid,
    /// The name people know it by.
    pub name: TriggerName,
    /// When it fires.
    pub schedule: Arc<dyn Schedule>,
    /// What of the times that were missed.
    pub catch_up: CatchUp,
    /// What while its last call is not over.
    pub overlap: Overlap,
    /// No time up to this one is ever fired.
    pub since: Time,
    /// It does not fire while it is.
    pub paused: bool,
}

impl Cron {
    /// The key under which one firing is the same wherever it is made. `again` counts how often the clock was set back, where
    /// that made the time come again: its call is another.
    #[must_use]
    pub fn idempotency_key(uid: &str, at: Time, again: Option<u32>) -> String {
        let seconds = at.as_nanos() / 1_000_000_000;
        match again {
            None => format!("cron:{uid}:{seconds}"),
            Some(count) => format!("cron:{uid}:{seconds}:{count}"),
        }
    }

    /// What is settled later than so long from now was so by a clock that was wrong.
    pub(super) fn may_be_ahead(&self) -> Duration {
        match self.schedule.is_fixed() {
            true => CLOCK_SET_BACK,
            false => ON_TIME,
        }
    }
}
