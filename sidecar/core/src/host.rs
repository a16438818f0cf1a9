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
mod report;
mod run;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Function, Revision};
use crate::message::{Assignment, Member, RevisionInstances};
use crate::name::{FunctionName, InstanceId, NodeId, RevisionName};
use crate::ownership::Term;
use crate::resources::{Costs, Resources};
use crate::schedule::Schedule;
use crate::time::Time;
use backoff::Backoff;
pub use failure::{End, Reason};
use instances::{Instance, Instances};
pub use report::RevisionStatus;

/// A drain of a revision whose calls have no time limit ends after this; otherwise after the
/// calls' own limit.
const LONGEST_DRAIN: Duration = Duration::from_secs(3600);

/// What happens to the host.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// [`Host::next_deadline`] has come.
    Tick,
    /// A function is new or changed.
    Config(Arc<Function>),
    /// A function was deleted.
    ConfigGone(FunctionName),
    /// Who is alive; the host itself is always counted in.
    Members(Vec<Member>),
    /// From now on the host has room for so much; what runs stays until an owner moves it.
    Capacity(Resources),
    /// The link to a node is new: it may have missed anything.
    Linked(NodeId),
    /// An owner's word.
    Assigned {
        /// Gets the answer, whether it is obeyed or not.
        from: NodeId,
        /// What it wants.
        assignment: Assignment,
    },
    /// No owner answers and a call waits: run at least one.
    Fallback(RevisionName),
    /// An instance found running when the sidecar started. Its function's configuration must
    /// have come before, or the instance is taken for a deleted function's and drained.
    Adopted {
        /// As in the manifest.
        id: InstanceId,
        /// As in the manifest.
        revision: RevisionName,
        /// The revision's uid when the instance was started.
        uid: Arc<str>,
        /// It already takes calls.
        ready: bool,
    },
    /// An instance takes calls now.
    Ready(InstanceId),
    /// An instance is gone, wanted or not.
    Exited {
        /// The one that ended.
        id: InstanceId,
        /// What kind of end it was.
        end: End,
        /// Why, for people; of use only when it wasn't wanted.
        message: Arc<str>,
    },
    /// A draining instance has finished its last call.
    Drained(InstanceId),
    /// An instance does not come to an end with a call: it takes no more, and another is started in its place.
    Overdue(InstanceId),
}

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Start an instance under this id; [`Event::Ready`] or [`Event::Exited`] follows.
    Start {
        /// New, never used before.
        id: InstanceId,
        /// What to start.
        revision: Arc<Revision>,
    },
    /// Close the gate; [`Event::Drained`] follows when no call is in flight.
    Drain(InstanceId),
    /// End the instance; [`Event::Exited`] follows.
    Stop(InstanceId),
    /// Tell an owner.
    Report {
        /// The owner; may be this node.
        to: NodeId,
        /// What this host runs of the revision, as a level.
        instances: RevisionInstances,
    },
}

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not taking calls yet.
    Starting,
    /// It takes calls.
    Ready,
    /// Finishing its calls.
    Draining,
    /// Told to end.
    Stopping,
}

impl State {
    fn is_alive(self) -> bool {
        matches!(self, Self::Starting | Self::Ready)
    }
}

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
}

#[derive(Debug, Default)]
struct RevisionState {
    desired: u32,
    backoff: Backoff,
    failure: Option<Arc<str>>,
    /// The kind of the last end that nobody asked for.
    reason: Option<Reason>,
    /// Instances in a row that ended before they were ready.
    unready: u32,
    /// The capacity bound kept it from starting enough.
    full: bool,
    /// An instance was ready; of no interest once the catalogue says so too.
    was_ready: bool,
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
            } => {
                self.adopt(now, id, revision, uid, *ready, out);
                vec![revision.clone()]
            }
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
        let function = self.functions.get(name.function());
        let candidate = function.is_some_and(|f| f.config.candidate.as_ref() == Some(name));
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
        let at = at.chain(state.retry_at).fold(state.report_at, Time::min);
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
            Some(known) => Some(std::mem::replace(&mut known.config, function.clone())),
            None => {
                let state = FunctionState {
                    term: Term::default(),
                    first: crate::ownership::first(name, &self.members).cloned(),
                    config: function.clone(),
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
