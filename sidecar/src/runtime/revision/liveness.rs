//! What is seen of a revision's instances here, and what becomes of one that falls silent.
//!
//! Deliberately no judgement: that is core's `liveness`.

use std::sync::Arc;

use gateless_core::dispatch::Refusal;
use gateless_core::liveness::{Seen, Standing};
use gateless_core::name::InstanceId;

use super::Revision;
use crate::clock;
use crate::runtime::Lease;

impl Revision {
    /// What its instances here are seen to do.
    pub(in crate::runtime) fn seen(&self, all: &mut Vec<Seen>) {
        let core = self.core.lock();
        all.extend(core.locals().filter_map(|(id, in_flight, endpoint)| {
            let heard = endpoint.signs()?;
            let id = id.clone();
            Some(Seen {
                id,
                in_flight,
                heard,
            })
        }));
    }

    pub(in crate::runtime) fn stand(self: &Arc<Self>, id: &InstanceId, standing: Standing) {
        let mut turned_away = Vec::new();
        self.change(|core, now, random, grants| {
            turned_away = core.stand(now, id, standing, random, grants);
        });
        Self::refuse_all(turned_away, || Refusal::NoInstance);
    }

    /// Takes a place in an instance for a probe, if there is one.
    pub(in crate::runtime) fn probe(self: &Arc<Self>, id: &InstanceId) -> Option<Lease> {
        let permit = self.core.lock().probe(id)?;
        Some(Lease::new(self.clone(), permit, clock::now()))
    }
}
