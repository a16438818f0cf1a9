//! What the server does: load, decide (in `domain`), store, publish.
//!
//! It knows no HTTP and no gRPC; both call it. Everything that must survive is in the store, what
//! sidecars say is in the registry.

mod addresses;
pub mod artifacts;
pub mod bulk;
pub mod calls;
pub mod commit;
pub mod components;
pub mod drain;
mod dry_run;
pub mod error;
pub mod fleet;
pub mod functions;
pub mod invoke;
mod keys;
pub mod lineage;
pub mod logs;
pub mod namespaces;
pub mod observe;
mod propagation;
mod pushed;
pub mod quotas;
pub mod reconcile;
pub mod records;
pub mod references;
pub mod resources;
pub mod secrets;
pub mod triggers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;

pub use self::error::{Error, Kind};
use crate::changes::Changes;
use crate::domain::conditions::Transitions;
use crate::events::Bus;
use crate::sidecars::{Registry, Sidecar};
use crate::store::Store;
use crate::store::artifacts::Artifacts;

/// What the service's operations answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The server's operations. Cheap to share as `Arc<Service>`.
pub struct Service {
    api_port: AtomicU16,
    store: Arc<dyn Store>,
    artifacts: Artifacts,
    registry: Arc<Registry>,
    changes: Changes,
    /// A short lock, never across `.await`.
    transitions: Mutex<Transitions>,
    quota_turns: quotas::Turns,
    pushed: pushed::Pushed,
    _follower: AbortOnDropHandle<()>,
    entrances: invoke::Entrances,
    components: components::Components,
}

impl Service {
    /// Where the management API listens; 0 until that is known.
    pub fn api_port(&self) -> u16 {
        self.api_port.load(Ordering::Relaxed)
    }

    /// The management API listens there: sidecars are told with whatever they are told next.
    pub fn set_api_port(&self, port: u16) {
        self.api_port.store(port, Ordering::Relaxed);
    }

    /// Over a store and its artifacts; from now on it follows the store. Called in a runtime.
    pub fn new(
        store: Arc<dyn Store>,
        artifacts: Artifacts,
        registry: Arc<Registry>,
        changes: Changes,
    ) -> Self {
        let pushed = pushed::Pushed::default();
        Self {
            _follower: pushed.follow(Arc::clone(&store), changes.clone()),
            api_port: AtomicU16::new(0),
            store,
            artifacts,
            registry,
            changes,
            transitions: Mutex::default(),
            quota_turns: quotas::Turns::default(),
            pushed,
            entrances: invoke::Entrances::default(),
            components: components::Components::default(),
        }
    }

    /// How many versions a sidecar is behind; 0: it is up to date.
    pub fn lag(&self, sidecar: &Sidecar) -> u64 {
        let unapplied = u64::from(sidecar.sent_version > sidecar.applied_version);
        self.pushed.since(sidecar.applied_version).max(unapplied)
    }

    /// The catalogue.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The artifacts.
    pub fn artifacts(&self) -> &Artifacts {
        &self.artifacts
    }

    /// The sidecars.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// What happens, for whoever listens.
    pub fn events(&self) -> &Arc<Bus> {
        self.registry.events()
    }

    /// To wait for changes.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }
}
