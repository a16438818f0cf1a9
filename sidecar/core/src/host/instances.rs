//! The instances of a host, found by id and by revision, and counted by what they cost.
//!
//! Only keeps them; what they should be is for the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::State;
use crate::config::Runtime;
use crate::name::{InstanceId, RevisionName};
use crate::time::Time;

/// Loaded components a host runs for each process it could run: one is a small struct beside
/// code that is shared and evicted, the other a program with memory of its own.
pub const COMPONENTS_PER_PROCESS: u32 = 128;

/// What an instance costs its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Process,
    Component,
}

impl Weight {
    pub(super) const fn of(runtime: &Runtime) -> Self {
        match runtime {
            Runtime::Process(_) => Self::Process,
            Runtime::Wasm(_) => Self::Component,
        }
    }

    /// How many of these a host has room for that has room for `processes`.
    pub(super) const fn capacity(self, processes: u32) -> u32 {
        match self {
            Self::Process => processes,
            Self::Component => processes.saturating_mul(COMPONENTS_PER_PROCESS),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) revision: RevisionName,
    pub(super) weight: Weight,
    pub(super) state: State,
    /// Order of starting, for choosing the newest.
    pub(super) order: u64,
    pub(super) started: Time,
    /// When the present state began.
    pub(super) since: Time,
    pub(super) longest_drain: Duration,
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
    processes: u32,
    components: u32,
}

impl Instances {
    pub(super) fn insert(&mut self, id: InstanceId, instance: Instance) {
        let ids = self.of.entry(instance.revision.clone()).or_default();
        if ids.insert(id.clone()) {
            *self.counter(instance.weight) += 1;
        }
        self.all.insert(id, instance);
    }

    pub(super) fn remove(&mut self, id: &InstanceId) -> Option<Instance> {
        let instance = self.all.remove(id)?;
        *self.counter(instance.weight) -= 1;
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

    pub(super) const fn count(&self, weight: Weight) -> u32 {
        match weight {
            Weight::Process => self.processes,
            Weight::Component => self.components,
        }
    }

    const fn counter(&mut self, weight: Weight) -> &mut u32 {
        match weight {
            Weight::Process => &mut self.processes,
            Weight::Component => &mut self.components,
        }
    }
}
