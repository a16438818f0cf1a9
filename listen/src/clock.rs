//! The one reading of the monotonic clock: everything else is given a moment, or asks here.

use tokio::time::Instant;

pub(crate) fn now() -> Instant {
    Instant::now()
}
