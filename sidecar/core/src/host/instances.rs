//! The instances of a host, found by id and by revision, and counted by what they cost.
//!
//! Only keeps them; what they should be is for the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::State;
use crate::name::{InstanceId, RevisionName};
use crate::resources::Resources;
use crate::time::Time;

#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) revision: RevisionName,
    /// Taken from the host until it is gone.
    pub(super) cost: Resources,
    pub(super) state: State,
    /// Order of starting, for choosing the newest.
    pub(super) order: u64,
    pub(super) started: Time,
    /// When the present state began.
    pub(super) since: Time,
    pub(super) longest_drain: Duration,
    /// Of the values of secrets it was started with.
    pub(super) secrets: u64,
}

impl Instance {
    pub(super) fn drain_ends(&self) -> Time {
        self.since + self.longest_drain
    }
}

/// This host's instances, with counts by revision and state.
#[derive(Debug, Default)]
pub(super) struct Instances {
    all: BTreeMap<InstanceId, Instance>,
    of: BTreeMap<RevisionName, BTreeSet<InstanceId>>,
    used: Resources,
}

impl Instances {
    pub(super) fn insert(&mut self, id: InstanceId, instance: Instance) {
        let ids = self.of.entry(instance.revision.clone()).or_default();
        if ids.insert(id.clone()) {
            self.used = self.used.plus(instance.cost);
        }
        self.all.insert(id, instance);
    }

    pub(super) fn remove(&mut self, id: &InstanceId) -> Option<Instance> {
        let instance = self.all.remove(id)?;
        self.used = self.used.minus(instance.cost);
        if let Some(ids) = self.of.get_mut(&instance.revision) {
            ids.remove(id);
            if ids.is_empty() {
                self.of.remove(&instance.revision);
            }
        }
        Some(instance)
    }

    pub(super) fn get(&self, id: &InstanceId) -> Option<&Instance> {
        self.all.get(id)
    }

    /// Moves an instance on.
    pub(super) fn enter(&mut self, now: Time, id: &InstanceId, state: State) {
        let Some(instance) = self.all.get_mut(id) else {
            return;
        };
        instance.state = state;
        instance.since = now;
    }

    pub(super) fn of<'a>(
        &'a self,
        name: &RevisionName,
    ) -> impl Iterator<Item = (&'a InstanceId, &'a Instance)> + 'a {
        let ids = self.of.get(name).into_iter().flatten();
        ids.filter_map(|id| self.all.get_key_value(id))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&InstanceId, &Instance)> {
        self.all.iter()
    }

    /// What all of them cost together.
    pub(super) const fn used(&self) -> Resources {
        self.used
    }
}
