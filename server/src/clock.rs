//! The one place of the server that reads clocks; a rule of the repository holds the rest to asking here, or to being given a
//! moment.
//!
//! Tests pause tokio's clock, so the monotonic one is tokio's.

use jiff::Timestamp;
use tokio::time::Instant;

/// The wall clock: what is kept, shown, and compared with what other machines say.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// The monotonic clock: how long something takes.
pub(crate) fn instant() -> Instant {
    Instant::now()
}
