//! The sidecars the server knows: what they said, and how to reach them.
//!
//! In memory only: a sidecar that connects says everything again. One that is gone is remembered for a
//! day, so that what cannot be asked of it is named instead of silently missing.

pub mod clients;
mod connection;
mod propagation;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use gateless_identity::Identity;
use gateless_proto::v1::{CatalogueMark, InstanceStatus, RevisionStatus, WatchHello};
use jiff::Timestamp;
use parking_lot::Mutex;

use self::clients::{Client, Clients};
pub use self::connection::Connection;
pub use self::propagation::{Group, Propagation};
use crate::changes::Changes;
use crate::domain::conditions::Seen;
use crate::events::{Action, Bus};

/// The most sidecars remembered; past it the one gone longest is forgotten, and if all are connected
/// another is refused.
pub const MAX_SIDECARS: usize = 4096;
/// Parts of its isolation that one may say it lacks.
const PARTS: usize = 32;
/// How long one that is gone is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// A sidecar as the API shows it.
#[derive(Debug, Clone)]
pub struct Sidecar {
    /// Its id, for as long as its data folder lives.
    pub node_id: String,
    /// Whether its config stream is up.
    pub connected: bool,
    /// What it said of itself.
    pub hello: WatchHello,
    /// When it last connected.
    pub connected_at: Timestamp,
    /// When it last said anything.
    pub last_seen_at: Timestamp,
    /// The catalogue version it applied.
    pub applied_version: u64,
    /// The catalogue version last sent to it.
    pub sent_version: u64,
    /// The catalogue it said it has; `None`: none, or it is older and does not say.
    pub holds: Option<CatalogueMark>,
    /// Why it keeps that instead of this server's; `None`: it does not.
    pub refused: Option<String>,
    /// Resource name to reason.
    pub rejections: BTreeMap<String, String>,
    /// Calls it holds.
    pub held: u64,
    /// Calls in its queue.
    pub async_queued: u64,
    /// Instances it runs.
    pub instances: usize,
    /// It gives up its instances and starts none.
    pub draining: bool,
    /// The functions it owns, `NAMESPACE/NAME`; shared, as there may be very many.
    pub owns: Arc<[String]>,
}

#[derive(Debug)]
struct Known {
    /// Of the stream that speaks for it; 0: none does.
    connection: u64,
    sidecar: Sidecar,
    report: Indexed,
}

/// A status report by what is looked up in it.
#[derive(Debug, Default)]
struct Indexed {
    instances: HashMap<String, Vec<InstanceStatus>>,
    revisions: HashMap<String, RevisionStatus>,
    /// The catalogue version it is of; 0: the sidecar does not say.
    version: u64,
}

/// Why a sidecar may not connect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its id is no id.
    #[error("node_id must have 1 to 64 characters of a-z, 0-9 and -")]
    Id,
    /// A text of its hello is too long.
    #[error("{0} must have at most 512 bytes")]
    TooLong(&'static str),
    /// Too many are connected.
    #[error("{MAX_SIDECARS} sidecars are connected, the most there may be")]
    TooMany,
}

/// Every sidecar that is connected or was lately.
pub struct Registry {
    /// A short lock, never across `.await`.
    known: Mutex<Inner>,
    clients: Clients,
    changes: Changes,
    events: Arc<Bus>,
}

#[derive(Default)]
struct Inner {
    sidecars: BTreeMap<String, Known>,
    connections: u64,
}

impl Registry {
    /// With nobody in it. `identity` is who asks sidecars.
    pub fn new(identity: Identity, changes: Changes) -> Self {
        Self {
            known: Mutex::default(),
            clients: Clients::new(identity),
            changes,
            events: Arc::default(),
        }
    }

    /// A sidecar's stream begins. An older stream of the same sidecar no longer speaks for it.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn connect(
        self: &Arc<Self>,
        hello: WatchHello,
        applied_version: u64,
        now: Timestamp,
    ) -> Result<Connection, Refused> {
        check(&hello)?;
        let node_id = hello.node_id.clone();
        let mut inner = self.known.lock();
        forget(&mut inner.sidecars, now);
        if !inner.sidecars.contains_key(&node_id) && inner.sidecars.len() >= MAX_SIDECARS {
            return Err(Refused::TooMany);
        }
        inner.connections += 1;
        let id = inner.connections;
        let known = inner.sidecars.remove(&node_id).map(|known| known.sidecar);
        // What was refused is still refused when only the difference is sent.
        let rejections = known.as_ref().map(|sidecar| sidecar.rejections.clone());
        let rejections = rejections.unwrap_or_default();
        let holds = hello.holds.clone();
        let sidecar = Sidecar {
            holds,
            refused: None,
            node_id: node_id.clone(),
            connected: true,
            hello,
            connected_at: now,
            last_seen_at: now,
            applied_version,
            sent_version: applied_version,
            rejections,
            held: 0,
            async_queued: 0,
            instances: 0,
            draining: known.as_ref().is_some_and(|sidecar| sidecar.draining),
            owns: Arc::default(),
        };
        let known = Known {
            connection: id,
            sidecar,
            report: Indexed::default(),
        };
        inner.sidecars.insert(node_id.clone(), known);
        drop(inner);
        self.changes.bump();
        self.events.sidecar(&node_id, Action::Joined, 0);
        Ok(Connection {
            registry: Arc::clone(self),
            node_id,
            id,
        })
    }

    /// Where what happens is told.
    pub fn events(&self) -> &Arc<Bus> {
        &self.events
    }

    /// One of them.
    pub fn get(&self, node_id: &str) -> Option<Sidecar> {
        let inner = self.known.lock();
        let known = inner.sidecars.get(node_id);
        known.map(|known| known.sidecar.clone())
    }

    /// Whether an operator said that it is gone for good.
    pub fn is_removed(&self, node_id: &str) -> bool {
        self.clients.is_removed(node_id)
    }

    /// One that is gone is not waited for any more: nothing that it has is missing.
    pub fn forget(&self, node_id: &str) {
        let mut inner = self.known.lock();
        if inner
            .sidecars
            .get(node_id)
            .is_some_and(|known| !known.sidecar.connected)
        {
            inner.sidecars.remove(node_id);
        }
        drop(inner);
        self.changes.bump();
    }

    /// All of them, by id.
    pub fn list(&self) -> Vec<Sidecar> {
        let inner = self.known.lock();
        inner
            .sidecars
            .values()
            .map(|known| known.sidecar.clone())
            .collect()
    }

    /// How many are connected.
    pub fn connected(&self) -> usize {
        let inner = self.known.lock();
        inner
            .sidecars
            .values()
            .filter(|known| known.sidecar.connected)
            .count()
    }

    /// What connected sidecars say of a function at `version` and its newest `revision`.
    pub fn seen(&self, function: &str, revision: &str, version: u64) -> Vec<Seen> {
        let resource = format!("functions/{function}");
        self.seen_resource(&resource, &format!("{function}/{revision}"), version)
    }

    /// What connected sidecars say of a resource at `version`, and of a revision if it has one.
    pub fn seen_resource(&self, resource: &str, revision: &str, version: u64) -> Vec<Seen> {
        let inner = self.known.lock();
        let connected = inner
            .sidecars
            .values()
            .filter(|known| known.sidecar.connected);
        let seen = connected.map(|known| {
            let status = known
                .report
                .revisions
                .get(revision)
                .cloned()
                .unwrap_or_default();
            Seen {
                sidecar: known.sidecar.node_id.clone(),
                applied: known.sidecar.applied_version >= version,
                behind: known.report.version > 0 && known.report.version < version,
                outdated: status.outdated,
                rejected: known.sidecar.rejections.get(resource).cloned(),
                ready: status.ready,
                starting: status.starting,
                restarts: status.restarts,
                draining: known.sidecar.draining,
                reason: status.reason,
                message: status.message,
                exit_code: status.exit_code,
                last_log_lines: status.last_log_lines,
            }
        });
        seen.collect()
    }

    /// A function's instances and the sidecars they run on.
    pub fn instances(&self, function: &str) -> Vec<(String, InstanceStatus)> {
        let inner = self.known.lock();
        let connected = inner
            .sidecars
            .values()
            .filter(|known| known.sidecar.connected);
        let instances = connected.flat_map(|known| {
            let node = &known.sidecar.node_id;
            let of = known.report.instances.get(function).into_iter().flatten();
            of.map(|instance| (node.clone(), instance.clone()))
        });
        instances.collect()
    }

    /// Whether a connected sidecar acts as the function's owner.
    pub fn is_owned(&self, function: &str) -> bool {
        let inner = self.known.lock();
        let mut connected = inner
            .sidecars
            .values()
            .filter(|known| known.sidecar.connected);
        connected.any(|known| known.sidecar.owns.iter().any(|owned| owned == function))
    }

    /// What every connected sidecar says of one revision (`NAMESPACE/FUNCTION/REVISION`).
    pub fn revision(&self, revision: &str) -> Vec<(String, RevisionStatus)> {
        let inner = self.known.lock();
        let connected = inner
            .sidecars
            .values()
            .filter(|known| known.sidecar.connected);
        let found = connected.filter_map(|known| {
            let status = known.report.revisions.get(revision)?;
            Some((known.sidecar.node_id.clone(), status.clone()))
        });
        found.collect()
    }

    /// A client for every connected sidecar, and the ids of those that are gone.
    pub fn clients(&self) -> (Vec<Client>, Vec<(String, Timestamp)>) {
        let (mut connected, mut gone) = (Vec::new(), Vec::new());
        for sidecar in self.list() {
            if sidecar.connected {
                connected.push(
                    self.clients
                        .get(&sidecar.node_id, &sidecar.hello.peer_address),
                );
            } else {
                gone.push((sidecar.node_id, sidecar.last_seen_at));
            }
        }
        (connected, gone)
    }

    /// A client for one sidecar, connected or not; `None`: it is not known.
    pub fn client(&self, node_id: &str) -> Option<Client> {
        let address = {
            let inner = self.known.lock();
            let known = inner.sidecars.get(node_id)?;
            known.sidecar.hello.peer_address.clone()
        };
        Some(self.clients.get(node_id, &address))
    }
}

fn check(hello: &WatchHello) -> Result<(), Refused> {
    let id = &hello.node_id;
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if id.is_empty() || id.len() > 64 || !id.bytes().all(allowed) {
        return Err(Refused::Id);
    }
    for (field, text) in [
        ("version", &hello.version),
        ("public_url", &hello.public_url),
        ("domain", &hello.domain),
        ("peer_address", &hello.peer_address),
        ("gossip_address", &hello.gossip_address),
    ] {
        if text.len() > 512 {
            return Err(Refused::TooLong(field));
        }
    }
    if !hello.holds.as_ref().is_none_or(is_short) {
        return Err(Refused::TooLong("holds"));
    }
    let isolation = hello.isolation.as_ref();
    let mut parts = isolation.map_or(&[][..], |told| &told.missing[..]).iter();
    let level = isolation.map_or(0, |told| told.level.len());
    if level > 512 || parts.len() > PARTS || parts.any(|part| part.len() > 512) {
        return Err(Refused::TooLong("isolation"));
    }
    Ok(())
}

fn is_short(mark: &CatalogueMark) -> bool {
    mark.catalogue_id.len() <= 64 && mark.lineage.len() <= 64
}

fn forget(sidecars: &mut BTreeMap<String, Known>, now: Timestamp) {
    sidecars.retain(|_, known| {
        let gone = now.duration_since(known.sidecar.last_seen_at);
        known.sidecar.connected || gone.unsigned_abs() < REMEMBERED
    });
    if sidecars.len() >= MAX_SIDECARS {
        let gone = sidecars.values().filter(|known| !known.sidecar.connected);
        let oldest = gone.min_by_key(|known| known.sidecar.last_seen_at);
        if let Some(id) = oldest.map(|known| known.sidecar.node_id.clone()) {
            sidecars.remove(&id);
        }
    }
}
