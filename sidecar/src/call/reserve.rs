//! Permits taken ahead by peers, for bodies that can be sent only once.
//!
//! Bounded in number and time: an unused one goes back by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gateless_core::hold::{Caller, Class, Origin};
use gateless_core::name::RevisionName;
use parking_lot::Mutex;

use crate::clock;
use crate::runtime::{Ask, Lease, Registry};

/// Reservations outstanding at once; past it peers are refused.
pub const MAX: usize = 4_096;
/// Longest a reservation may stand.
pub const MAX_TTL: Duration = Duration::from_secs(10);

/// Permits that peers took ahead, by their ids.
#[derive(Default)]
pub struct Reservations {
    leases: Mutex<HashMap<String, Lease>>,
}

impl Reservations {
    /// Takes a permit of this host's gates if one is free now; returns its id.
    pub fn reserve(
        self: &Arc<Self>,
        registry: &Registry,
        revision: &RevisionName,
        ttl: Duration,
    ) -> Option<String> {
        if self.leases.lock().len() >= MAX {
            return None;
        }
        let ask = Ask {
            now: clock::now(),
            class: Class::Sync,
            origin: Origin::Peer,
            caller: Caller(0),
            peer: None,
            bytes: 0,
            again: false,
            avoid: &[],
        };
        // A wait is no permit: dropping it leaves the queue.
        let lease = registry.revision(revision)?.ask(&ask).ok()?.ok()?;
        let id = uuid::Uuid::new_v4().simple().to_string();
        self.leases.lock().insert(id.clone(), lease);
        let (this, key) = (self.clone(), id.clone());
        tokio::spawn(async move {
            tokio::time::sleep(ttl.min(MAX_TTL)).await;
            drop(this.take(&key));
        });
        Some(id)
    }

    /// The permit, once.
    #[must_use]
    pub fn take(&self, id: &str) -> Option<Lease> {
        self.leases.lock().remove(id)
    }
}
