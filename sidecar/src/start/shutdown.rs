//! Ends a sidecar without losing a call.
//!
//! Others must know that it goes before a connection ends: a request on its way over one that
//! closes is lost, and nobody can tell whether it was seen.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalogue;
use crate::clock;
use crate::edge::Edge;
use crate::instance::{Drivers, Shutdown};
use crate::queue::Local;

/// Connections that do not end by themselves are cut off after this.
const GRACE: Duration = Duration::from_secs(30);
/// The queue's attempts get at least this much of it.
const LEAST_GRACE: Duration = Duration::from_secs(2);
/// No forwarded call for so long: the others know.
const UNUSED_FOR: Duration = Duration::from_millis(250);
/// And they must know by then, or have no way to hear it.
const MOST_LOOKS: u32 = 20;

/// What a shutdown stops.
pub(crate) struct Stop {
    pub(crate) edge: Arc<Edge>,
    pub(crate) queue: Local,
    pub(crate) stop_accepting: CancellationToken,
    pub(crate) stop_reconciling: CancellationToken,
    pub(crate) connections: TaskTracker,
    pub(crate) drivers: Arc<Drivers>,
    pub(crate) catalogue: Arc<catalogue::Handle>,
}

impl Stop {
    /// Leaves the cluster, serves until nobody forwards calls here any more, then closes.
    pub(crate) async fn run(self, stop_instances: bool) {
        // Before anybody takes over: what it has fired is known to them then.
        self.edge.triggers.stop().await;
        let alone = self.edge.cluster.members().borrow().len() <= 1;
        self.edge.cluster.leave().await;
        if !alone {
            self.wait_until_unused().await;
        }
        self.stop_accepting.cancel();
        self.connections.close();
        let closing = clock::now();
        if tokio::time::timeout(GRACE, self.connections.wait())
            .await
            .is_err()
        {
            tracing::warn!("some calls did not finish and are cut off");
        }
        // One grace for all: what a connection still waits for may be the very call that the queue does.
        let left = GRACE.saturating_sub(clock::now().since(closing));
        self.edge.dispatcher.stop(left.max(LEAST_GRACE)).await;
        self.stop_reconciling.cancel();
        let how = if stop_instances {
            Shutdown::Stop
        } else {
            Shutdown::Leave
        };
        self.drivers.shutdown(how).await;
        self.queue.close().await;
        self.catalogue.stop().await;
    }

    async fn wait_until_unused(&self) {
        let mut before = self.edge.from_peers.load(Ordering::Relaxed);
        for _ in 0..MOST_LOOKS {
            tokio::time::sleep(UNUSED_FOR).await;
            let now = self.edge.from_peers.load(Ordering::Relaxed);
            if now == std::mem::replace(&mut before, now) {
                return;
            }
        }
        tracing::warn!("others still forward calls here");
    }
}
