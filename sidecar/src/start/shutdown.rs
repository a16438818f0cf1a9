//! Ends a sidecar without losing a call.
//!
//! Others must know that it goes before a connection ends: a request on its way over one that
//! closes is lost, and nobody can tell whether it was seen.

use std::sync::Arc;
use std::time::Duration;

use gateless_core::leaving::{Leaving, Verdict};
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
        let mut leaving = Leaving::new(clock::now());
        loop {
            let until = match leaving.look(clock::now()) {
                Verdict::Serve { until } => until,
                Verdict::Unused => return,
                Verdict::StillUsed => {
                    tracing::warn!("others still forward calls here");
                    return;
                }
            };
            tokio::select! {
                biased;
                () = self.edge.forwarded.notified() => leaving.called(clock::now()),
                () = tokio::time::sleep_until(clock::instant(until)) => {}
            }
        }
    }
}
