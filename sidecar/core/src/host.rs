//! The host machine: runs on this host what owners assign, and tells them how it goes.
//!
//! It keeps every revision at its assigned count: starts what is missing, restarts what exits
//! (with a growing delay when it keeps failing), drains what is too much, and drains everything
//! of revisions that are no longer in the configuration. It obeys the highest [`Term`] it has
//! seen per function and refuses lower ones; it never exceeds the host's capacity, whoever
//! asks. Deliberately no scaling decision and no processes: those are actions for the shell.

mod backoff;
mod failure;
mod instances;
mod renew;
mod report;
mod run;
#[cfg(test)]
mod tests;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Function, Revision};
use crate::message::{Assignment, Member, RevisionInstances};
use crate::name::{FunctionName, NodeId, RevisionName};
use crate::ownership::Term;
use crate::resources::{Costs, Resources};
use crate::schedule::Schedule;
use crate::time::Time;
use backoff::Backoff;
pub use failure::End;
use instances::{Instance, Instances};
pub use report::RevisionStatus;
pub use types::{Action, Event, State};

/// A drain of a revision whose calls have no time limit ends after this; otherwise after the
/// calls' own limit.
const LONGEST_DRAIN: Duration = Duration::from_secs(3600);

/// The machine; see the module.
#[derive(Debug)]
pub struct Host {
    node: NodeId,
    capacity: Resources,
    costs: Arc<dyn Costs>,
    id_prefix: String,
    /// Instances ever started or adopted.
    count: u64,
    members: BTreeSet<NodeId>,
    functions: BTreeMap<FunctionName, FunctionState>,
    /// Those with anything to remember: few of ten thousand.
    revisions: BTreeMap<RevisionName, RevisionState>,
    /// Those with something wanted or something there: the only ones time matters to.
    active: BTreeSet<RevisionName>,
    /// Active ones that want more than there is room for.
    full: BTreeSet<RevisionName>,
    /// When each active one must be looked at again.
    schedule: Schedule,
    instances: Instances,
}

#[derive(Debug)]
struct FunctionState {
    term: Term,
    /// First of the live nodes: whom to tell.
    first: Option<NodeId>,
    config: Arc<Function>,
    /// When its candidate became that, or has to hold for another time.
    candidate_since: Time,
    /// Versions of the values of secrets, of revisions that have any.
    secrets: BTreeMap<RevisionName, u64>,
}

impl FunctionState {
    fn is_candidate(&self, name: &RevisionName) -> bool {
        self.config.candidate.as_ref() == Some(name)
    }
}

/// How an instance that had been ready ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Death {
    answered: bool,
    message: Arc<str>,
}

#[derive(Debug, Default)]
struct RevisionState {
    desired: u32,
    backoff: Backoff,
    failure: Option<Arc<str>>,
    /// The kind of the last end that nobody asked for.
    reason: Option<&'static str>,
    /// Instances in a row that ended before they were ready.
    unready: u32,
    /// The capacity bound kept it from starting enough.
    full: bool,
    /// An instance was ready, of a candidate for its settle time; of no interest once the catalogue says so too.
    was_ready: bool,
    /// After that one that was ready ended by itself.
    died: Option<Death>,
    /// Some are missing, and back-off ends then.
    retry_at: Option<Time>,
    reported: Option<Box<RevisionInstances>>,
    report_at: Time,
}

impl RevisionState {
    /// As good as none, for a revision that isn't active.
    fn is_forgettable(&self, candidate: bool) -> bool {
        let proof = self.was_ready && candidate;
        self.desired == 0 && self.failure.is_none() && self.backoff.failures() == 0 && !proof
    }
}

impl Host {
    /// `id_prefix` begins every instance id and must differ from process start to process
    /// start.
    #[must_use]
    pub fn new(node: NodeId, capacity: Resources, costs: Arc<dyn Costs>, id_prefix: &str) -> Self {
        Self {
            members: BTreeSet::from([node.clone()]),
            node,
            capacity,
            costs,
            id_prefix: id_prefix.to_owned(),
            count: 0,
            functions: BTreeMap::new(),
            revisions: BTreeMap::new(),
            active: BTreeSet::new(),
            full: BTreeSet::new(),
            schedule: Schedule::default(),
            instances: Instances::default(),
        }
    }

    /// Takes an event; what it means for the world goes to `out`.
    pub fn on_event(&mut self, now: Time, event: &Event, out: &mut Vec<Action>) {
        let touched: Vec<RevisionName> = match event {
            Event::Tick => self.schedule.due(now),
            Event::Config(function) => self.configure(now, function, out),
            Event::ConfigGone(name) => self.forget(now, name, out),
            Event::Members(members) => {
                self.set_members(members);
                self.active.iter().cloned().collect()
            }
            Event::Capacity(capacity) => {
                self.capacity = *capacity;
                self.active.iter().cloned().collect()
            }
            Event::Linked(node) => self.repeat_to(node),
            Event::Assigned { from, assignment } => {
                return self.assigned(now, from, assignment, out);
            }
            Event::Fallback(name) => {
                self.fall_back(name);
                vec![name.clone()]
            }
            Event::Adopted {
                id,
                revision,
                uid,
                ready,
                secrets,
            } => {
                self.adopt(now, (id, revision, uid), *ready, *secrets, out);
                vec![revision.clone()]
            }
            Event::Secrets(name, version) => self.set_secrets(name, *version),
            Event::Ready(id) => self.ready(now, id).into_iter().collect(),
            Event::Exited { id, end, message } => {
                let name = self.exited(now, id, *end, message);
                // Room for others.
                name.into_iter().chain(self.full.iter().cloned()).collect()
            }
            Event::Drained(id) => {
                let name = self.instances.get(id).map(|i| i.revision.clone());
                self.stop(now, id, out);
                name.into_iter().collect()
            }
            Event::Overdue(id) => {
                let ready = self.instances.get(id);
                let ready = ready.filter(|instance| instance.state == State::Ready);
                let name = ready.map(|instance| instance.revision.clone());
                if name.is_some() {
                    self.end(now, id, out);
                }
                name.into_iter().collect()
            }
            Event::Unresponsive {
                id,
                cause,
                answered,
            } => {
                let name = self.unresponsive(now, id, cause, *answered, out);
                name.into_iter().collect()
            }
        };
        for name in touched {
            self.settle(now, &name, out);
        }
    }

    /// Acts and reports on one revision.
    fn settle(&mut self, now: Time, name: &RevisionName, out: &mut Vec<Action>) {
        self.reconcile(now, name, out);
        self.report_if_changed(now, name, out);
        if self.config(name).is_none() && self.instances_of(name).next().is_none() {
            self.revisions.remove(name);
            self.active.remove(name);
        }
        self.tidy(name);
        self.plan(name);
    }

    /// A revision in the configuration.
    fn config(&self, name: &RevisionName) -> Option<&Arc<Revision>> {
        self.functions.get(name.function())?.config.revision(name)
    }

    /// Forgets what isn't worth remembering.
    fn tidy(&mut self, name: &RevisionName) {
        let candidate = self.is_candidate(name);
        let state = self.revisions.get(name);
        if !self.active.contains(name) && state.is_some_and(|s| s.is_forgettable(candidate)) {
            self.revisions.remove(name);
        }
    }

    /// Notes when the revision must be looked at again, and whether it waits for room.
    fn plan(&mut self, name: &RevisionName) {
        let state = self.revisions.get(name);
        let active = state.filter(|_| self.active.contains(name));
        let Some(state) = active else {
            self.full.remove(name);
            self.schedule.forget(name);
            return;
        };
        if state.full {
            self.full.insert(name.clone());
        } else {
            self.full.remove(name);
        }
        let drains = self.instances_of(name);
        let drains = drains.filter(|(_, instance)| instance.state == State::Draining);
        let at = drains.map(|(_, instance)| instance.drain_ends());
        let proof = self.proven_at(name).filter(|_| !state.was_ready);
        let at = at
            .chain(proof)
            .chain(state.retry_at)
            .fold(state.report_at, Time::min);
        self.schedule.set(name, at);
    }

    /// When [`Event::Tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.schedule.next()
    }

    /// Gives back what must be settled.
    fn configure(
        &mut self,
        now: Time,
        function: &Arc<Function>,
        out: &mut Vec<Action>,
    ) -> Vec<RevisionName> {
        let name = &function.name;
        let before = match self.functions.get_mut(name) {
            Some(known) => {
                let before = std::mem::replace(&mut known.config, function.clone());
                let gave_back = before.gave_back_at_ms != function.gave_back_at_ms;
                let same = before.candidate == function.candidate
                    && before.settle == function.settle
                    && !gave_back;
                if !same {
                    known.candidate_since = now;
                }
                // This may come when it has shown elsewhere that it works.
                let newest = function.revisions.last().filter(|_| gave_back);
                if let Some(state) = newest.and_then(|new| self.revisions.get_mut(&new.name)) {
                    state.died = None;
                }
                known
                    .secrets
                    .retain(|name, _| function.revision(name).is_some());
                let again = function.candidate.as_ref().filter(|_| !same);
                if let Some(state) = again.and_then(|name| self.revisions.get_mut(name)) {
                    // It has to show anew that it works.
                    state.was_ready = false;
                    state.died = None;
                }
                Some(before)
            }
            None => {
                let state = FunctionState {
                    term: Term::default(),
                    first: crate::ownership::first(name, &self.members).cloned(),
                    config: function.clone(),
                    candidate_since: now,
                    secrets: BTreeMap::new(),
                };
                self.functions.insert(name.clone(), state);
                None
            }
        };
        let before = before.as_ref().map_or(&[][..], |before| &before.revisions);
        for old in before {
            // Deleted and created again, it is another program under the same name.
            if self.config(&old.name).is_none_or(|new| new.uid != old.uid) {
                self.retire(now, &old.name, out);
            }
            self.tidy(&old.name);
        }
        let all = before.iter().chain(&function.revisions);
        let all: BTreeSet<_> = all.map(|revision| revision.name.clone()).collect();
        all.intersection(&self.active).cloned().collect()
    }

    fn forget(
        &mut self,
        now: Time,
        name: &FunctionName,
        out: &mut Vec<Action>,
    ) -> Vec<RevisionName> {
        let Some(function) = self.functions.remove(name) else {
            return Vec::new();
        };
        let names = function.config.revisions.iter().map(|r| r.name.clone());
        let names: Vec<_> = names.collect();
        names.iter().for_each(|name| self.retire(now, name, out));
        names
    }

    /// Drains everything of a revision and forgets what was wanted of it.
    fn retire(&mut self, now: Time, name: &RevisionName, out: &mut Vec<Action>) {
        self.revisions
            .insert(name.clone(), RevisionState::default());
        self.reduce(now, name, 0, out);
        self.active.insert(name.clone());
    }

    fn set_members(&mut self, members: &[Member]) {
        self.members = members.iter().map(|member| member.node.clone()).collect();
        self.members.insert(self.node.clone());
        for (name, function) in &mut self.functions {
            let first = crate::ownership::first(name, &self.members).cloned();
            if first != function.first {
                function.first = first;
                // Whoever comes next must hear of what runs here.
                for revision in &function.config.revisions {
                    if let Some(state) = self.revisions.get_mut(&revision.name) {
                        state.reported = None;
                    }
                }
            }
        }
    }

    fn assigned(
        &mut self,
        now: Time,
        from: &NodeId,
        assignment: &Assignment,
        out: &mut Vec<Action>,
    ) {
        let name = &assignment.revision;
        let known = self
            .functions
            .get_mut(name.function())
            .filter(|function| function.config.revision(name).is_some());
        if let Some(function) = known
            && !assignment.term.is_none()
            && assignment.term >= function.term
        {
            function.term = assignment.term.clone();
            let state = self.revisions.entry(name.clone()).or_default();
            state.desired = assignment.desired;
            self.active.insert(name.clone());
            self.settle(now, name, out);
        }
        let answered = |action: &Action| {
            matches!(action, Action::Report { to, instances }
                if to == from && instances.revision == *name)
        };
        if !out.iter().any(answered) {
            let instances = self.describe(now, name);
            let to = from.clone();
            out.push(Action::Report { to, instances });
        }
    }

    fn fall_back(&mut self, name: &RevisionName) {
        if self.config(name).is_some() {
            let state = self.revisions.entry(name.clone()).or_default();
            state.desired = state.desired.max(1);
            self.active.insert(name.clone());
        }
    }
}
