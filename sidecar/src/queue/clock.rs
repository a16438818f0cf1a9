//! The clocks of the async path: the wall's, one that nobody can set, and a fake one that moves when it is advanced.
//!
//! Calls outlive the process, so their times are [`Time`] since the Unix epoch and not the
//! monotonic clock of `crate::clock`. But how old a call is must not hang on the wall clock, which is set: so a
//! queue goes by [`Clock::Steady`], and only what people see is of the wall ([`Skew`]). Schedules are people's
//! time and go by [`Clock::Wall`]. tokio's paused clock is no use in tests here: it jumps
//! ahead while the writer thread is in an fsync.

mod steady;

use std::sync::Arc;
use std::time::Duration;

use gateless_common::io::since_epoch;
use gateless_core::time::Time;
use tokio::sync::watch;

#[cfg(test)]
pub(super) use self::steady::Machine;
pub(super) use self::steady::{Anchor, Reading};
pub use self::steady::{Skew, Steady};

/// Longest sleep before looking at the clock again, in case it was set meanwhile or the machine slept.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Tells the time and waits for it. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's, which jumps when it is set.
    Wall,
    /// Goes on at its pace whatever the machine's clock is set to.
    Steady(Steady),
    /// Moves only when it is advanced.
    Manual(Manual),
}

/// A clock for tests.
#[derive(Debug, Clone)]
pub struct Manual(Arc<watch::Sender<Time>>);

impl Manual {
    /// Stands at `now`.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self(Arc::new(watch::Sender::new(now)))
    }

    /// Moves ahead and wakes whoever's time has come.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now += by);
    }
}

impl Clock {
    /// A steady one that begins with the wall clock's time.
    #[must_use]
    pub fn steady() -> Self {
        Self::Steady(Steady::default())
    }

    /// Since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> Time {
        match self {
            Self::Wall => wall(),
            Self::Steady(steady) => steady.now(),
            Self::Manual(manual) => *manual.0.borrow(),
        }
    }

    /// How far the wall clock is from this one.
    #[must_use]
    pub fn skew(&self) -> Skew {
        match self {
            Self::Steady(steady) => steady.skew(),
            Self::Wall | Self::Manual(_) => Skew::default(),
        }
    }

    /// Returns once it is `time`; never for `None`.
    pub async fn sleep_until(&self, time: Option<Time>) {
        let Some(time) = time else {
            return std::future::pending().await;
        };
        if let Self::Manual(manual) = self {
            let mut changes = manual.0.subscribe();
            // The sender lives as long as `self`, so this can't fail.
            let _ = changes.wait_for(|now| *now >= time).await;
            return;
        }
        loop {
            let left = time.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        }
    }
}

/// What the machine's clock says.
fn wall() -> Time {
    Time::ZERO + since_epoch()
}

/// Whole milliseconds since the Unix epoch, as the API spells times.
#[must_use]
pub const fn millis(time: Time) -> u64 {
    time.as_nanos() / 1_000_000
}
