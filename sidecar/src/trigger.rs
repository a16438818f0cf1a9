//! Triggers: schedules, events and topics that make async calls.
//!
//! All three end in the durable queue, and from there a call is like any other.
//! Events and messages are taken by whichever sidecar they are sent to (`ingress`, `event`); a
//! schedule is fired by one sidecar at a time (`cron`), as `gateless_core::trigger` decides.
//! Deliberately delivers nothing itself and asks no server for anything.

mod call;
mod cron;
mod event;
pub mod ingress;
mod saved;
mod stats;
mod table;
#[cfg(test)]
mod tests;
mod under_way;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use gateless_core::name::NodeId;
use gateless_core::policy::Policy;
use gateless_core::trigger::{Level, Machine};
use gateless_proto::v1;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use self::cron::Command;
use self::stats::Stats;
use self::table::Table;
use crate::call::bodies::Bodies;
use crate::catalogue::Catalogue;
use crate::cluster::Member;
use crate::queue::clock::{Clock, millis};
use crate::queue::types::CallId;
use crate::queue::{Calls, Homes, Inbox};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::observe::Observer;

/// Questions of others that wait for the machine; past it they are refused.
const COMMANDS: usize = 256;

/// The other sidecars, as far as triggers go.
pub trait Peers: Send + Sync + 'static {
    /// Asks or tells one of them.
    fn share(
        &self,
        to: &NodeId,
        levels: v1::TriggerLevels,
    ) -> BoxFuture<'static, Result<v1::TriggerLevels, Status>>;

    /// Whether a call that is at one of them is neither done nor given up.
    fn is_open(&self, at: &NodeId, id: &CallId) -> BoxFuture<'static, Result<bool, Status>>;
}

/// What triggers need.
pub struct Parts {
    pub node: NodeId,
    /// Triggers and their functions.
    pub catalogue: watch::Receiver<Arc<Catalogue>>,
    pub members: watch::Receiver<Vec<Member>>,
    /// How to reach them.
    pub others: Arc<dyn Peers>,
    /// What their calls have to pass, like any other.
    pub policy: Arc<Policy>,
    /// Memory for what is sent here.
    pub bodies: Bodies,
    /// Where calls go.
    pub queue: Arc<dyn Inbox>,
    /// Where those of events and messages go.
    pub homes: Arc<Homes>,
    /// Whether they are over.
    pub calls: Arc<dyn Calls>,
    /// Largest body the queue takes.
    pub max_body: u64,
    /// Schedules go by it.
    pub clock: Clock,
    /// Where counters are shown.
    pub metrics: Arc<Metrics>,
    /// Told of what they do.
    pub observer: Arc<Observer>,
    /// `triggers.json` lives in it.
    pub data: PathBuf,
}

/// What handles and the task share.
struct Inner {
    node: NodeId,
    table: ArcSwap<Table>,
    policy: Arc<Policy>,
    bodies: Bodies,
    queue: Arc<dyn Inbox>,
    homes: Arc<Homes>,
    calls: Arc<dyn Calls>,
    max_body: u64,
    clock: Clock,
    stats: Stats,
}

/// Handle to a sidecar's triggers. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    inner: Arc<Inner>,
    commands: mpsc::Sender<Command>,
    stop: CancellationToken,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// Begins to fire.
pub async fn spawn(parts: Parts) -> Handle {
    let path = parts.data.join("triggers.json");
    let from = path.clone();
    let saved = tokio::task::spawn_blocking(move || saved::load(&from)).await;
    let saved = saved.unwrap_or_default();
    let (levels, set_back) = (saved.levels(), saved.set_back());
    let table = Table::new(parts.catalogue.borrow().clone());
    let inner = Arc::new(Inner {
        node: parts.node,
        table: ArcSwap::from_pointee(table),
        policy: parts.policy,
        bodies: parts.bodies,
        queue: parts.queue,
        homes: parts.homes,
        calls: parts.calls,
        max_body: parts.max_body,
        clock: parts.clock,
        stats: Stats::new(&parts.metrics, parts.observer, saved.counts),
    });
    let (commands, receiver) = mpsc::channel(COMMANDS);
    let stop = CancellationToken::new();
    let task = cron::Task {
        inner: inner.clone(),
        catalogue: parts.catalogue,
        members: parts.members,
        others: parts.others,
        commands: receiver,
        path,
        stop: stop.clone(),
    };
    let machine = Machine::new(inner.node.clone(), inner.clock.now());
    let task = tokio::spawn(task.run(machine, levels, set_back));
    Handle {
        inner,
        commands,
        stop,
        task: Arc::new(Mutex::new(Some(task))),
    }
}

impl Handle {
    /// Fires nothing more, and returns when what was fired is known to others and saved.
    pub async fn stop(&self) {
        self.stop.cancel();
        let task = self.task.lock().take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the task of triggers failed");
        }
    }

    /// What this sidecar did for triggers of a namespace, or for the one of this name.
    pub async fn statuses(&self, namespace: &str, name: &str) -> Vec<v1::TriggerStatus> {
        let table = self.inner.table.load_full();
        let triggers = table.catalogue.triggers.values();
        let triggers = triggers.filter(|t| {
            t.name.namespace() == namespace && (name.is_empty() || t.name.name() == name)
        });
        let triggers: Vec<_> = triggers.cloned().collect();
        let uids: Vec<_> = triggers.iter().map(|t| t.uid.clone()).collect();
        let (reply, owned) = oneshot::channel();
        let asked = self.commands.send(Command::Owned { uids, reply }).await;
        let owned = match asked {
            Ok(()) => owned.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let status = |(index, trigger): (usize, &Arc<crate::catalogue::config::Trigger>)| {
            let counts = self.inner.stats.of(&trigger.uid);
            v1::TriggerStatus {
                namespace: trigger.name.namespace().to_owned(),
                name: trigger.name.name().to_owned(),
                uid: trigger.uid.to_string(),
                owner: owned.get(index).copied().unwrap_or(false),
                last_fired_at_ms: counts.last_fired_ms,
                last_error: counts.last_error,
                last_error_at_ms: counts.last_error_ms,
                delivered: counts.delivered,
                failed: counts.failed,
                missed: counts.missed,
                skipped: counts.skipped,
                node_id: self.inner.node.to_string(),
            }
        };
        triggers.iter().enumerate().map(status).collect()
    }

    /// Another sidecar tells what is settled, or asks because it is about to fire.
    ///
    /// # Errors
    /// When this sidecar is busy or about to end: then it knows nothing that others don't.
    pub async fn shared(&self, message: v1::TriggerLevels) -> Result<v1::TriggerLevels, Status> {
        let gone = |_| Status::unavailable("this sidecar fires no triggers any more");
        if !message.claim {
            let command = Command::Told(wire::levels(message));
            self.commands.send(command).await.map_err(|_| gone(()))?;
            return Ok(v1::TriggerLevels::default());
        }
        let (reply, answer) = oneshot::channel();
        let by = NodeId::new(&message.node_id);
        let levels = wire::claimed(message);
        let command = Command::Claim { by, levels, reply };
        self.commands.send(command).await.map_err(|_| gone(()))?;
        let levels: Vec<Level> = answer.await.map_err(|_| gone(()))?;
        let node = &self.inner.node;
        Ok(wire::message(
            node,
            false,
            levels.into_iter().map(|(uid, known)| (uid, Some(known))),
        ))
    }
}

/// Since the epoch, as files and the wire have it.
fn now_ms(clock: &Clock) -> u64 {
    millis(clock.now())
}
