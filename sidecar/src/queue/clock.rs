//! The wall clock of the async path, and a fake one that moves when it is advanced.
//!
//! Calls outlive the process, so their times are [`Time`] since the Unix epoch and not the
//! monotonic clock of `crate::clock`. tokio's paused clock is no use in tests here: it jumps
//! ahead while the writer thread is in an fsync.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gateless_core::time::Time;
use tokio::sync::watch;

/// Longest sleep before looking at the clock again, in case it was set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Tells the time and waits for it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    System,
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
    /// Since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> Time {
        match self {
            Self::System => {
                Time::ZERO
                    + SystemTime::now()
                        .duration_since(UNIX_EPOCH)
                        .unwrap_or_default()
            }
            Self::Manual(manual) => *manual.0.borrow(),
        }
    }

    /// Returns once it is `time`; never for `None`.
    pub async fn sleep_until(&self, time: Option<Time>) {
        let Some(time) = time else {
            return std::future::pending().await;
        };
        match self {
            Self::System => loop {
                let left = time.since(self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LOOK_AGAIN)).await;
            },
            Self::Manual(manual) => {
                let mut changes = manual.0.subscribe();
                // The sender lives as long as `self`, so this can't fail.
                let _ = changes.wait_for(|now| *now >= time).await;
            }
        }
    }
}

/// Whole milliseconds since the Unix epoch, as the API spells times.
#[must_use]
pub const fn millis(time: Time) -> u64 {
    time.as_nanos() / 1_000_000
}
