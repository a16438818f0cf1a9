//! Permits and visits as guards: whatever happens to a call, they go back.

use std::sync::Arc;

use gateless_core::balancer::Outcome;
use gateless_core::dispatch::{EndpointKey, Permit};
use gateless_core::time::Time;

use super::{Endpoint, Revision};
use crate::clock;

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
        self.permit.key
    }

    /// Whether it is an instance on this host.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.permit.local
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
        self.revision.release(self.permit.key, self.outcome);
    }
}

/// A call's part in its revision's demand: it arrives here, and from its first permit until
/// this is dropped it counts as running.
pub struct Visit {
    revision: Arc<Revision>,
    entered: Option<Time>,
}

impl Visit {
    /// A call for this revision has come.
    #[must_use]
    pub fn new(revision: Arc<Revision>) -> Self {
        revision.arrive(clock::now());
        Self {
            revision,
            entered: None,
        }
    }

    /// It has a permit.
    pub fn enter(&mut self) {
        if self.entered.is_none() {
            let now = clock::now();
            self.revision.enter(now);
            self.entered = Some(now);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(entered) = self.entered {
            self.revision.leave(entered);
        }
    }
}
