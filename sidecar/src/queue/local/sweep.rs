//! Removes from the local queue what has expired, in a task of its own.
//!
//! Deliberately only says when: what has expired is found and removed by the writer, like every other change.

use std::sync::Arc;
use std::time::Duration;

use super::batch::Op;
use super::{Shared, Writes};

/// The longest an expired result is kept beyond its time.
const EVERY: Duration = Duration::from_secs(30);

/// Sweeps until the queue is closed.
pub(super) fn start(shared: &Arc<Shared>, writes: &Writes) {
    let (clock, closed) = (shared.config.clock.clone(), shared.closed.clone());
    let writes = writes.clone();
    tokio::spawn(async move {
        loop {
            let latest = clock.now() + EVERY;
            let next = match writes.submit(0, Op::Sweep).await {
                Ok(Some(next)) => next.min(latest),
                Ok(None) | Err(_) => latest,
            };
            tokio::select! {
                () = closed.cancelled() => return,
                () = clock.sleep_until(Some(next)) => {}
            }
        }
    });
}
