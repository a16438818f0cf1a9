//! A permit as a guard: whatever happens to a call, it goes back.

use std::sync::Arc;

use gateless_core::balancer::Outcome;
use gateless_core::dispatch::{EndpointKey, Permit};
use gateless_core::name::NodeId;

use super::{Endpoint, Revision};

/// A permit that releases itself when dropped.
pub struct Lease {
    revision: Arc<Revision>,
    permit: Permit<Arc<Endpoint>>,
    outcome: Outcome,
}

impl Lease {
    pub(super) fn new(revision: Arc<Revision>, permit: Permit<Arc<Endpoint>>) -> Self {
        Self {
            revision,
            permit,
            outcome: Outcome::Neutral,
        }
    }

    /// Where it leads.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.permit.endpoint
    }

    /// The endpoint's identity.
    #[must_use]
    pub fn key(&self) -> EndpointKey {
        self.permit.pass.key
    }

    /// Whether it is an instance on this host.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.permit.local
    }

    /// Whether it leads to a host that does not answer any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(&*self.permit.endpoint, Endpoint::Remote { pool, .. } if pool.is_lost())
    }

    /// The other host it leads to.
    #[must_use]
    pub fn node(&self) -> Option<&NodeId> {
        match &*self.permit.endpoint {
            Endpoint::Remote { node, .. } => Some(node),
            Endpoint::Local { .. } | Endpoint::Component { .. } => None,
        }
    }

    /// What the endpoint is to be judged by.
    pub fn set_outcome(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    /// The revision it is for.
    #[must_use]
    pub fn revision(&self) -> &Arc<Revision> {
        &self.revision
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.revision.release(self.permit.pass, self.outcome);
    }
}
