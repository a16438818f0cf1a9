//! How slowly a body may come: the same rule for all that is read at the API, as each that is under way keeps a place that
//! others may need.
//!
//! It does not know what the body is, nor how large it may be.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::clock;

/// Bytes a second that have come of a body on average, once it took longer than it may be silent.
pub(crate) const LEAST_RATE: u64 = 16 << 10;

/// A body that comes.
#[derive(Debug)]
pub(crate) struct Pace {
    silence: Duration,
    began: Instant,
    bytes: u64,
}

/// Why it is not waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooSlow {
    /// Nothing came for so long.
    Silent(Duration),
    /// Less than [`LEAST_RATE`] came.
    Trickle,
}

impl Pace {
    /// One that may be silent for so long.
    pub(crate) fn new(silence: Duration) -> Self {
        Self {
            silence,
            began: clock::instant(),
            bytes: 0,
        }
    }

    /// What has come of it.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Waits for the next part of it; `length` says how many bytes that has.
    ///
    /// # Errors
    /// [`TooSlow`].
    pub(crate) async fn next<T>(
        &mut self,
        part: impl Future<Output = T>,
        length: impl FnOnce(&T) -> usize,
    ) -> Result<T, TooSlow> {
        let part = timeout(self.silence, part).await;
        let part = part.map_err(|_| TooSlow::Silent(self.silence))?;
        self.bytes += length(&part) as u64;
        let took = (clock::instant() - self.began).saturating_sub(self.silence);
        match self.bytes / LEAST_RATE < took.as_secs() {
            true => Err(TooSlow::Trickle),
            false => Ok(part),
        }
    }
}

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(silence) => write!(f, "nothing came for {} s", silence.as_secs()),
            Self::Trickle => write!(f, "less than {} KiB a second came", LEAST_RATE >> 10),
        }
    }
}
