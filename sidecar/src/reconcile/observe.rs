//! What people are told of this host: samples while somebody watches, ownership when it changes; and
//! what they tell it: to drain.

use std::collections::BTreeMap;

use gateless_core::host::State;
use gateless_core::name::FunctionName;
use gateless_core::time::Time;
use gateless_proto::v1::observation::Kind;

use super::Reconciler;
use crate::clock;
use crate::telemetry::observe::{Level, Sampler};

impl Reconciler {
    /// A sample for whoever watches.
    pub(super) fn observe(&mut self, now: Time) {
        if !self.parts.observer.is_watched() {
            self.sampler = None;
            return;
        }
        let levels = self.levels();
        let registry = &self.parts.registry;
        let called = registry.called().into_iter();
        let busy = levels.iter().filter(|(_, level)| !level.is_zero());
        let busy = busy.filter_map(|(name, _)| registry.function(name));
        let functions: BTreeMap<_, _> = called
            .chain(busy)
            .map(|function| (function.config.name.clone(), function))
            .collect();
        let each = || functions.iter().map(|(name, f)| (name, f.metrics()));
        let sampler = self
            .sampler
            .get_or_insert_with(|| Sampler::new(now, each()));
        let samples = sampler.sample(now, each(), &levels);
        self.parts.observer.publish(Kind::Samples(samples));
    }

    fn levels(&self) -> BTreeMap<FunctionName, Level> {
        let mut levels: BTreeMap<FunctionName, Level> = BTreeMap::new();
        for (name, load) in &self.sampled {
            let level = levels.entry(name.function().clone()).or_default();
            level.in_flight += load.concurrency;
            level.held += u64::from(load.held);
        }
        for (_, name, state, _) in self.machines.host_machine().instances() {
            let level = levels.entry(name.function().clone()).or_default();
            match state {
                State::Starting => level.starting += 1,
                State::Ready => level.ready += 1,
                State::Draining | State::Stopping => {}
            }
        }
        for (revision, desired) in self.machines.desired() {
            let level = levels.entry(revision.function().clone()).or_default();
            level.desired = Some(level.desired.unwrap_or(0) + desired);
        }
        for length in self.parts.backlog.lengths() {
            let level = levels.entry(length.function).or_default();
            (level.queued, level.dead) = (length.queued, length.dead);
        }
        levels
    }

    /// Tells the server which functions are owned here, if that changed.
    pub(super) fn tell_owned(&mut self) {
        if let Some(owned) = self.machines.newly_owned() {
            let owned = owned.map(ToString::to_string).collect();
            self.parts.control.own(owned);
        }
    }

    /// Takes instances, containers among them while there is an engine for those, or gives them up.
    pub(super) fn drain(&mut self) {
        let draining = *self.parts.draining.borrow_and_update();
        let capacity = if draining { 0 } else { self.parts.capacity };
        match draining {
            true => tracing::warn!("draining: instances are moved elsewhere, and none is started"),
            false => tracing::debug!(capacity, "instances this host may run"),
        }
        let has_engine = self.parts.engine.borrow_and_update().is_here();
        self.machines
            .set_capacity(clock::now(), capacity, has_engine);
        self.parts.peers.set_capacity(capacity);
        self.effects.changed();
    }
}
