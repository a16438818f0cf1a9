//! What the hot path reads and the control path writes: functions, revisions, endpoints.
//!
//! Readers take an immutable [`Table`] without a lock; each revision has one short lock
//! round its pure [`gateless_core::dispatch::Dispatch`], never held across an `.await`.
//! It decides nothing itself.

mod endpoint;
mod function;
mod lease;
mod peers;
mod probe;
mod revision;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwap;
use gateless_common::io::unix_now;
use gateless_core::config;
use gateless_core::dispatch::Supply;
use gateless_core::liveness::{Probe, Seen, Standing};
use gateless_core::name::{FunctionName, InstanceId, NodeId, RevisionName};
use gateless_core::usage::Sample;
use gateless_identity::Identity;
use parking_lot::Mutex;
use tokio::sync::mpsc;

pub use endpoint::Endpoint;
pub use function::Function;
pub use lease::Lease;
pub use peers::Relay;
pub use revision::{Ask, Revision, Wait};

use crate::clock;
use crate::endpoint::alarm::Spare;
use crate::endpoint::pool::Pool;
use crate::endpoint::target::Target;
use crate::telemetry::metrics::Metrics;
use peers::Peers;

/// What the hot path tells the control path; bounded, and coalesced per revision.
#[derive(Debug)]
pub enum Signal {
    /// Calls wait for capacity.
    Wanted(RevisionName),
    /// A closed gate is empty.
    Drained(InstanceId),
    /// An instance does not come to an end with a call; its gate is closed.
    Overdue(InstanceId),
    /// These peers were refused and there is room now.
    Room(RevisionName, Vec<NodeId>),
    /// The peer at an address fell silent, or answers again.
    Silent(String, bool),
}

/// Bounds on what all functions together hold on one sidecar.
#[derive(Debug, Clone, Copy)]
pub struct HoldCaps {
    /// Calls; default 20,000.
    pub requests: u64,
    /// Bytes of their bodies and heads; default 256 MiB.
    pub bytes: u64,
}

impl Default for HoldCaps {
    fn default() -> Self {
        Self {
            requests: 20_000,
            bytes: 256 << 20,
        }
    }
}

/// What every revision shares.
pub(crate) struct Shared {
    pub(crate) signals: mpsc::UnboundedSender<Signal>,
    pub(crate) caps: HoldCaps,
    pub(crate) held: AtomicU64,
    pub(crate) held_bytes: AtomicU64,
    pub(crate) metrics: Arc<Metrics>,
}

/// An immutable snapshot of everything callable. Snapshots share what they have in common.
#[derive(Default, Clone)]
struct Table {
    functions: imbl::HashMap<FunctionName, Arc<Function>>,
}

/// A host with ready instances, as the owner tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEndpoint {
    pub node: NodeId,
    /// Its peer listener, host:port.
    pub peer_address: String,
    pub ready: u32,
}

/// Every function, revision, instance and peer connection that a call can reach from this sidecar.
pub struct Registry {
    node: NodeId,
    table: ArcSwap<Table>,
    shared: Arc<Shared>,
    /// Kept apart from the table: instances of a revision that is gone still drain.
    instances: Mutex<HashMap<InstanceId, Arc<Revision>>>,
    peers: Peers,
}

impl Registry {
    /// Empty. Without an identity, connections to peers are plain: only for who has no peers. Signals go to the receiver; they are at most one per revision and instance
    /// at a time, so the channel is bounded by the catalogue although its type is not.
    #[must_use]
    pub fn new(
        node: NodeId,
        caps: HoldCaps,
        metrics: Arc<Metrics>,
        identity: Option<Identity>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Signal>) {
        let (signals, receiver) = mpsc::unbounded_channel();
        let shared = Shared {
            signals,
            caps,
            held: AtomicU64::new(0),
            held_bytes: AtomicU64::new(0),
            metrics,
        };
        let registry = Self {
            node,
            table: ArcSwap::default(),
            shared: Arc::new(shared),
            instances: Mutex::default(),
            peers: Peers::new(identity),
        };
        (Arc::new(registry), receiver)
    }

    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// Takes in functions that are new or changed, and forgets those that are gone. A revision that
    /// stays keeps its endpoints and its waiters; one that goes turns its waiters away.
    pub fn change(
        &self,
        changed: impl IntoIterator<Item = Arc<config::Function>>,
        gone: impl IntoIterator<Item = FunctionName>,
    ) {
        // Only the control path writes.
        let mut table = Table::clone(&self.table.load());
        let mut retired = Vec::new();
        for config in changed {
            let old = table.functions.get(&config.name).cloned();
            if old
                .as_ref()
                .is_some_and(|old| Arc::ptr_eq(&old.config, &config))
            {
                continue;
            }
            let name = config.name.clone();
            let function = Arc::new(Function::new(config, old.as_deref(), &self.shared));
            table.functions.insert(name, function.clone());
            retired.extend(old.map(|old| (old, Some(function))));
        }
        for name in gone {
            let old = table.functions.remove(&name);
            retired.extend(old.map(|old| (old, None)));
        }
        self.table.store(Arc::new(table));
        for (old, new) in retired {
            if let Some(new) = &new {
                new.is_current();
            }
            old.retire(new.as_deref());
            if new.is_none() {
                self.shared.metrics.forget(&old.config.name);
            }
        }
    }

    #[must_use]
    pub fn function(&self, name: &FunctionName) -> Option<Arc<Function>> {
        self.table.load().functions.get(name).cloned()
    }

    /// The name of the function's key that has this digest.
    #[must_use]
    pub fn key_of(&self, name: &FunctionName, digest: &[u8; 32]) -> Option<Arc<str>> {
        let function = self.function(name)?;
        let key = function
            .config
            .access
            .auth
            .by_digest(digest, unix_now().0)?;
        Some(key.name.clone())
    }

    /// Functions that had a call so far.
    #[must_use]
    pub fn called(&self) -> Vec<Arc<Function>> {
        let table = self.table.load();
        let called = table.functions.values().filter(|f| f.was_called());
        called.cloned().collect()
    }

    /// Instances here that take calls or finish them.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.instances.lock().len()
    }

    #[must_use]
    pub fn revision(&self, name: &RevisionName) -> Option<Arc<Revision>> {
        let table = self.table.load();
        table.functions.get(name.function())?.named(name).cloned()
    }

    /// Revisions that were of interest so far.
    #[must_use]
    pub fn known(&self) -> Vec<Arc<Revision>> {
        let table = self.table.load();
        let known = table
            .functions
            .values()
            .flat_map(|function| function.known());
        known.cloned().collect()
    }

    /// An instance on this host is ready. False when its revision is gone.
    pub fn add_local(
        &self,
        name: &RevisionName,
        id: &InstanceId,
        target: Target,
        started_in: Duration,
    ) -> bool {
        let Some(revision) = self.revision(name) else {
            return false;
        };
        self.instances.lock().insert(id.clone(), revision.clone());
        let endpoint = match target {
            Target::Http { address } => Endpoint::Local {
                id: id.clone(),
                pool: Arc::new(Pool::new(address.to_string())),
            },
            Target::InProcess(component) => Endpoint::Component {
                id: id.clone(),
                component,
                alarms: Spare::default(),
            },
        };
        revision.add_local(id.clone(), endpoint, started_in);
        true
    }

    /// Closes an instance's gate; [`Signal::Drained`] follows when it is empty, maybe at once.
    pub fn close_local(&self, id: &InstanceId) {
        let revision = self.instances.lock().get(id).cloned();
        let drained = revision.is_none_or(|revision| revision.close_local(id));
        if drained {
            self.shared.signals.send(Signal::Drained(id.clone())).ok();
        }
    }

    /// What the instances here are seen to do that answer over a connection.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        let mut revisions: Vec<_> = self.instances.lock().values().cloned().collect();
        revisions.sort_unstable_by_key(Arc::as_ptr);
        revisions.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let mut all = Vec::new();
        revisions
            .iter()
            .for_each(|revision| revision.seen(&mut all));
        all
    }

    /// What an instance's silence makes of it for calls.
    pub fn stand(&self, id: &InstanceId, standing: Standing) {
        let revision = self.instances.lock().get(id).cloned();
        if let Some(revision) = revision {
            revision.stand(id, standing);
        }
    }

    /// Asks an instance whether it is alive, as its revision says, in a place that calls do not have meanwhile.
    pub fn probe(&self, id: &InstanceId) -> impl Future<Output = Probe> + Send + 'static {
        let revision = self.instances.lock().get(id).cloned();
        let lease = revision.and_then(|revision| revision.probe(id));
        async move {
            match lease {
                Some(lease) => probe::ask(lease).await,
                None => Probe::NoPlace,
            }
        }
    }

    /// Forgets an instance that is gone.
    pub fn remove_local(&self, id: &InstanceId) {
        if let Some(revision) = self.instances.lock().remove(id) {
            revision.remove_local(id);
        }
    }

    /// Calls inside each instance on this host.
    #[must_use]
    pub fn in_flight(&self, id: &InstanceId) -> u32 {
        let revision = self.instances.lock().get(id).cloned();
        revision.map_or(0, |revision| revision.in_flight(id))
    }

    /// What the owner says of a revision: the other hosts that run it, and what is coming.
    pub fn set_endpoints(&self, name: &RevisionName, hosts: Vec<HostEndpoint>, supply: Supply) {
        let Some(revision) = self.revision(name) else {
            return;
        };
        let remotes = hosts.into_iter().filter(|host| host.node != self.node);
        let remotes = remotes.map(|host| {
            let pool = self
                .peers
                .pool(&host.node, &host.peer_address, &self.shared.signals);
            let (node, ready) = (host.node, host.ready);
            let remote = Endpoint::Remote {
                node: node.clone(),
                pool,
            };
            (node, ready, Arc::new(remote))
        });
        revision.set_endpoints(remotes.collect(), supply);
    }

    /// The peer at an address fell silent, or answers again.
    pub fn silence(&self, address: &str, silent: bool) {
        let Some(node) = self.peers.at(address) else {
            return;
        };
        let known = self.known();
        known
            .iter()
            .for_each(|revision| revision.silence(&node, silent));
    }

    /// Connections to a peer, if it is a member.
    #[must_use]
    pub fn peer(&self, node: &NodeId) -> Option<Arc<Pool>> {
        let address = self.peers.address(node)?;
        Some(self.peers.pool(node, &address, &self.shared.signals))
    }

    /// Another peer that may reach `node`, which does not answer this one.
    #[must_use]
    pub fn relay_to(&self, node: &NodeId) -> Option<Relay> {
        self.peers.relay_to(node, &self.shared.signals)
    }

    /// A peer said that it cannot reach `node` either.
    pub fn no_way(&self, relay: &NodeId, node: &NodeId) {
        self.peers.no_way(relay, node);
    }

    /// A peer that refused a call of ours has room again.
    pub fn room(&self, name: &RevisionName, node: &NodeId) {
        if let Some(revision) = self.revision(name) {
            revision.room(node);
        }
    }

    /// Who lives now, with their peer listeners (host:port). Of others, connections are no longer kept.
    pub fn set_peers(&self, members: Vec<(NodeId, String)>) {
        let others = members.into_iter().filter(|(node, _)| *node != self.node);
        self.peers.set(others.collect());
    }

    /// Demand for each revision somebody here wants or wanted since the last sample.
    #[must_use]
    pub fn demand(&self) -> Vec<(RevisionName, Demand)> {
        let now = clock::now();
        self.known()
            .iter()
            .map(|revision| (revision.name().clone(), revision.demand(now)))
            .collect()
    }

    /// Who waits for one revision at this moment; its sample is empty, so the one under way goes on.
    #[must_use]
    pub fn waiting(&self, name: &RevisionName) -> Option<Demand> {
        let now = clock::now();
        self.revision(name).map(|revision| revision.waiting(now))
    }

    /// [`Signal::Wanted`] may come again; comes at once when calls wait.
    pub fn signal_handled(&self, name: &RevisionName) {
        if let Some(revision) = self.revision(name) {
            revision.signal_handled();
        }
    }

    /// Calls held now, over all functions.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.shared.held.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// One revision's demand at this sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Demand {
    /// Averages since the last sample.
    pub sample: Sample,
    /// Waiting at this moment.
    pub held: u64,
    /// For how long the oldest has.
    pub oldest: std::time::Duration,
}
