//! What the host machine says about itself: to owners, when something changed and now and then,
//! and to whoever asks.
//!
//! Deliberately no decision: reading this file, nothing is started or ended.

use std::sync::Arc;
use std::time::Duration;

use super::{Action, Host, Instance, State};
use crate::config::Revision;
use crate::message::RevisionInstances;
use crate::name::{InstanceId, NodeId, RevisionName};
use crate::ownership::{self, Term};
use crate::resources::{Resources, Room};
use crate::time::Time;

/// A report is repeated after this, for an owner that missed the last one.
pub(super) const REFRESH: Duration = Duration::from_secs(3);
/// An owner ahead of this host's configuration should try again after this.
const UNKNOWN_RETRY: Duration = Duration::from_millis(200);

/// Why a host runs no container.
const NO_ENGINE: &str = "no_container_engine: this host has no container engine, or its sidecar may not use it (--container-engine)";

/// How one revision does on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionStatus {
    /// The revision that it is about.
    pub revision: RevisionName,
    /// How many the owner wants here.
    pub desired: u32,
    /// Instances that take calls.
    pub ready: u32,
    /// On their way.
    pub starting: u32,
    /// An instance was ready here since the revision came, of a candidate for its settle time.
    pub was_ready: bool,
    /// How one that was ready ended by itself after that, the first that did, for people.
    pub died: Option<Arc<str>>,
    /// And it had never answered anything.
    pub never_answered: bool,
    /// Instances that still have older values of secrets.
    pub outdated: u32,
    /// Failures in a row.
    pub failures: u32,
    /// Until when none is started.
    pub backoff_until: Option<Time>,
    /// What the last failure was, while nothing has been ready since: its kind ([`super::End::as_str`]), and its text for people.
    pub failure: Option<(&'static str, Arc<str>)>,
}

impl Host {
    /// Every instance: id, revision, state, and since when it is in it.
    pub fn instances(
        &self,
    ) -> impl Iterator<Item = (&InstanceId, &RevisionName, State, Time)> + '_ {
        self.instances
            .iter()
            .map(|(id, i)| (id, &i.revision, i.state, i.since))
    }

    /// One instance: its revision and state.
    #[must_use]
    pub fn instance(&self, id: &InstanceId) -> Option<(&RevisionName, State)> {
        let instance = self.instances.get(id)?;
        Some((&instance.revision, instance.state))
    }

    /// The configuration of the revision of an instance that takes calls.
    #[must_use]
    pub fn config_of(&self, id: &InstanceId) -> Option<&Arc<Revision>> {
        let instance = self.instances.get(id)?;
        let ready = instance.state == State::Ready;
        ready.then(|| self.config(&instance.revision)).flatten()
    }

    /// Every revision in the configuration with something to tell: wanted, there, failing, or proven
    /// to start while the catalogue does not say so yet.
    pub fn statuses(&self, now: Time) -> impl Iterator<Item = RevisionStatus> + '_ {
        self.revisions
            .iter()
            .filter(|(name, _)| self.config(name).is_some())
            .map(move |(name, state)| RevisionStatus {
                revision: name.clone(),
                desired: state.desired,
                ready: self.in_state(name, State::Ready),
                starting: self.in_state(name, State::Starting),
                was_ready: state.was_ready,
                died: state.died.as_ref().map(|death| death.message.clone()),
                outdated: self.outdated(name),
                never_answered: state.died.as_ref().is_some_and(|death| !death.answered),
                failures: state.backoff.failures(),
                backoff_until: Some(state.backoff.until()).filter(|&until| until > now),
                failure: state.reason.zip(state.failure.clone()),
            })
    }

    /// Highest term obeyed for the revision's function.
    #[must_use]
    pub fn term(&self, revision: &RevisionName) -> Term {
        self.functions
            .get(revision.function())
            .map(|function| function.term.clone())
            .unwrap_or_default()
    }

    /// The level, to be told to an owner.
    pub(super) fn describe(&self, now: Time, name: &RevisionName) -> RevisionInstances {
        let known = self.config(name).is_some();
        let state = self.revisions.get(name).filter(|_| known);
        let backoff = match state {
            None if !known => UNKNOWN_RETRY,
            state => state.map_or(Duration::ZERO, |s| s.backoff.until().since(now)),
        };
        let room = self.room(name);
        let failure = match state {
            None if !known => {
                Some(format!("revision_unknown: {name} has not come to this host yet").into())
            }
            _ if self.lacks_engine(name) => Some(NO_ENGINE.into()),
            Some(state) if state.full => Some(
                format!(
                    "host_full: {} of {} instances run",
                    room.taken, room.capacity
                )
                .into(),
            ),
            Some(state) if !backoff.is_zero() => state.failure.clone(),
            _ => None,
        };
        let draining = self.in_state(name, State::Draining);
        let starting = self.in_state(name, State::Starting);
        RevisionInstances {
            revision: name.clone(),
            ready: self.in_state(name, State::Ready),
            starting: starting.saturating_sub(self.surplus(name)),
            draining: draining + self.in_state(name, State::Stopping),
            term: self.term(name),
            backoff,
            host_instances: room.taken,
            host_capacity: room.capacity,
            failure,
        }
    }

    pub(super) fn report_if_changed(
        &mut self,
        now: Time,
        name: &RevisionName,
        out: &mut Vec<Action>,
    ) {
        let report = self.describe(now, name);
        let known = self.config(name).is_some();
        let Some(state) = self.revisions.get_mut(name) else {
            return;
        };
        let same = state.reported.as_deref().is_some_and(|old| {
            let mut old = old.clone();
            // These move by themselves; the next report brings them along.
            old.backoff = report.backoff;
            old.host_instances = report.host_instances;
            old == report
        });
        if !same || now >= state.report_at {
            state.reported = Some(Box::new(report.clone()));
            state.report_at = now + REFRESH;
            let idle = state.desired == 0 && known;
            for to in self.listeners(name) {
                let instances = report.clone();
                out.push(Action::Report { to, instances });
            }
            if idle && self.instances_of(name).next().is_none() {
                // Nothing wanted and nothing here, and the owner has just been told so.
                self.active.remove(name);
            }
        }
    }

    /// Lets everything that concerns `node` be reported again.
    pub(super) fn repeat_to(&mut self, node: &NodeId) -> Vec<RevisionName> {
        let concerned: Vec<_> = self
            .active
            .iter()
            .filter(|name| self.listeners(name).contains(node))
            .cloned()
            .collect();
        for name in &concerned {
            if let Some(state) = self.revisions.get_mut(name) {
                state.reported = None;
            }
        }
        concerned
    }

    /// The node to own the function, and the one whose word is obeyed at present.
    fn listeners(&self, name: &RevisionName) -> Vec<NodeId> {
        let Some(function) = self.functions.get(name.function()) else {
            return ownership::first(name.function(), &self.members)
                .cloned()
                .into_iter()
                .collect();
        };
        let obeyed = Some(&function.term.owner).filter(|owner| {
            self.members.contains(*owner) && Some(*owner) != function.first.as_ref()
        });
        function.first.iter().chain(obeyed).cloned().collect()
    }

    pub(super) fn instances_of<'a>(
        &'a self,
        name: &'a RevisionName,
    ) -> impl Iterator<Item = (&'a InstanceId, &'a Instance)> + 'a {
        self.instances.of(name)
    }

    pub(super) fn in_state(&self, name: &RevisionName, state: State) -> u32 {
        let count = self.instances_of(name).filter(|(_, i)| i.state == state);
        u32::try_from(count.count()).unwrap_or(u32::MAX)
    }

    pub(super) fn alive(&self, name: &RevisionName) -> u32 {
        self.in_state(name, State::Starting) + self.in_state(name, State::Ready)
    }

    /// What an instance of the revision costs. One that is not in the configuration has no driver to ask.
    pub(super) fn cost(&self, name: &RevisionName) -> Resources {
        let config = self.config(name);
        config.map_or(Resources::SLOT, |config| self.costs.cost(config))
    }

    /// Whether it would have room but for a container engine.
    fn lacks_engine(&self, name: &RevisionName) -> bool {
        let (has, cost) = (self.capacity, self.cost(name));
        has.slots > 0 && has.containers == 0 && cost.containers > 0
    }

    /// The host's room, in instances of the revision.
    pub(super) fn room(&self, name: &RevisionName) -> Room {
        let used = self.instances.used();
        self.capacity.room(used, self.cost(name))
    }
}
