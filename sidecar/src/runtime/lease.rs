//! A permit as a guard: whatever happens to a call, it goes back, and not before the function is done with it.

use std::sync::Arc;

use gateless_core::abandoned::overdue_at;
use gateless_core::balancer::Outcome;
use gateless_core::dispatch::{EndpointKey, Permit};
use gateless_core::name::NodeId;
use gateless_core::time::Time;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Endpoint, Revision};
use crate::clock;
use crate::endpoint::permit;

/// A permit that releases itself when nothing holds it any more: neither its call, nor a connection over which a
/// function has it.
pub struct Lease(Arc<Inner>);

struct Inner {
    revision: Arc<Revision>,
    permit: Permit<Arc<Endpoint>>,
    /// A lock, because a connection may be the last to hold it; a few instructions long.
    state: Mutex<State>,
}

struct State {
    outcome: Outcome,
    /// Since when its time counts.
    since: Time,
}

impl Lease {
    pub(super) fn new(revision: Arc<Revision>, permit: Permit<Arc<Endpoint>>, since: Time) -> Self {
        Self(Arc::new(Inner {
            revision,
            permit,
            state: Mutex::new(State {
                outcome: Outcome::Neutral,
                since,
            }),
        }))
    }

    /// Where it leads.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0.permit.endpoint
    }

    /// The endpoint's identity.
    #[must_use]
    pub fn key(&self) -> EndpointKey {
        self.0.permit.pass.key
    }

    /// Whether it is an instance on this host.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0.permit.local
    }

    /// Whether it leads to a host that does not answer any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(&**self.endpoint(), Endpoint::Remote { pool, .. } if pool.is_lost())
    }

    /// The other host it leads to.
    #[must_use]
    pub fn node(&self) -> Option<&NodeId> {
        match &**self.endpoint() {
            Endpoint::Remote { node, .. } => Some(node),
            Endpoint::Local { .. } | Endpoint::Component { .. } => None,
        }
    }

    /// What the endpoint is to be judged by.
    pub fn set_outcome(&mut self, outcome: Outcome) {
        self.0.state.lock().outcome = outcome;
    }

    /// Its time counts from now on: what it was for had no limit.
    pub fn renew(&self) {
        self.0.state.lock().since = clock::now();
    }

    /// The revision it is for.
    #[must_use]
    pub fn revision(&self) -> &Arc<Revision> {
        &self.0.revision
    }

    /// What whoever has the call on its way must hold, so that the permit goes back when the function is done: of an
    /// instance on this host that takes few calls at once. A component is done when its call is dropped, and another
    /// host has the permits of its own instances.
    #[must_use]
    pub fn kept(&self) -> Option<Arc<dyn permit::Permit>> {
        let few = self
            .revision()
            .config
            .limits
            .container_concurrency
            .is_some();
        let kept = few && matches!(&**self.endpoint(), Endpoint::Local { .. });
        kept.then(|| self.0.clone() as Arc<dyn permit::Permit>)
    }
}

impl permit::Permit for Inner {
    fn overdue_at(&self, answering: bool) -> Option<Instant> {
        let (limits, since) = (&self.revision.config.limits, self.state.lock().since);
        overdue_at(limits, since, clock::now(), answering).map(clock::instant)
    }

    fn overdue(&self) {
        if let Endpoint::Local { id, .. } = &*self.permit.endpoint {
            self.revision.overdue(id);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let outcome = self.state.get_mut().outcome;
        self.revision.release(self.permit.pass, outcome);
    }
}
