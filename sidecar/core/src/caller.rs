//! The caller machine: keeps owners informed of this node's calls, and finds the next owner
//! when one is silent.
//!
//! Demand goes to the first live node in rendezvous order, once a second while there is any and
//! at once when a call is held. A node that doesn't answer within [`SILENCE`] is passed over for
//! a while and the next is asked; when none is left the own host starts an instance by itself.
//! So a held call reaches an instance while anything at all is left alive. A node that does not have
//! the revision in its catalogue says so and is passed over at once. As nobody calls a candidate, every
//! node asks for its endpoints: so it finds an owner, though the first in the order is cut off from the
//! server. Deliberately no routing: what it learns of endpoints goes to the shell's registry.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Function;
use crate::message::{Endpoints, Load, Member, RevisionDemand};
use crate::name::{FunctionName, NodeId, RevisionName};
use crate::ownership;
use crate::schedule::Schedule;
use crate::time::Time;

/// An owner answers sooner, or the next is asked.
pub const SILENCE: Duration = Duration::from_millis(250);
/// A silent node is passed over for so long.
const PASS_OVER: Duration = Duration::from_secs(5);
/// When nobody answered, from the top again after this.
const RETRY: Duration = Duration::from_secs(1);
/// Who knows of endpoints asks so often to be told of changes; owners remember for longer.
const RENEW: Duration = Duration::from_secs(15);

/// A candidate's owner is asked after this: a change takes a moment to come everywhere.
const LOOK: Duration = Duration::from_millis(500);
/// Who acts only because somebody asks is asked so often.
const KEEP: Duration = Duration::from_secs(2);

/// What the caller hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// [`Caller::next_deadline`] has come.
    Tick,
    /// A function is new or changed.
    Config(Arc<Function>),
    /// A function was deleted.
    ConfigGone(FunctionName),
    /// Who is alive, this node included.
    Members(Vec<Member>),
    /// The link to a node broke.
    Lost(NodeId),
    /// The link to a node is new: it can be asked, and may have missed what was sent.
    Linked(NodeId),
    /// To be given every second: every revision with load that isn't zero.
    Samples(Vec<(RevisionName, Load)>),
    /// A call is held with nothing in sight.
    Held(RevisionName, Load),
    /// An owner's answer or push.
    Endpoints {
        /// The node that sent it, owner or not.
        from: NodeId,
        /// What it says.
        endpoints: Endpoints,
    },
}

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Tell a node that acts, or then acts, as owner.
    Demand {
        /// May be this node.
        to: NodeId,
        /// What is wanted of one revision here.
        demand: RevisionDemand,
    },
    /// Route by this from now on.
    Use(Endpoints),
    /// No owner answers and calls wait: the own host is to start one.
    Fallback(RevisionName),
}

#[derive(Debug, Default)]
struct Revision {
    load: Load,
    /// Of the last demand sent.
    sequence: u64,
    /// Who got it.
    target: Option<NodeId>,
    /// It must have answered by then.
    answer_by: Option<Time>,
    /// Something newer waits to be sent once it has.
    stale: bool,
    /// Nobody answered: try again then.
    retry_at: Option<Time>,
    renew_at: Time,
    /// Passed over until then. Bounded by the membership.
    silent: BTreeMap<NodeId, Time>,
    known: Option<Endpoints>,
    /// Its function's candidate: an owner must be found for it though nobody calls it.
    candidate: bool,
}

impl Revision {
    fn has_endpoints(&self) -> bool {
        self.known.as_ref().is_some_and(|e| !e.hosts.is_empty())
    }

    fn is_over(&self) -> bool {
        self.is_quiet() && !self.has_endpoints() && !self.candidate
    }

    /// Nothing is asked for, and no answer is missing.
    fn is_quiet(&self) -> bool {
        self.load.is_zero() && self.answer_by.is_none()
    }

    fn next_deadline(&self) -> Option<Time> {
        let is_kept = self.has_endpoints() || self.candidate;
        let renew = (self.is_quiet() && is_kept).then_some(self.renew_at);
        [self.answer_by, self.retry_at, renew]
            .into_iter()
            .flatten()
            .min()
    }
}

/// The machine; see the module.
#[derive(Debug)]
pub struct Caller {
    node: NodeId,
    members: BTreeSet<NodeId>,
    functions: BTreeMap<FunctionName, Arc<Function>>,
    /// Those with load or known endpoints.
    revisions: BTreeMap<RevisionName, Revision>,
    schedule: Schedule,
    sequence: u64,
}

impl Caller {
    /// Alone until told of members.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self {
            members: BTreeSet::from([node.clone()]),
            node,
            functions: BTreeMap::new(),
            revisions: BTreeMap::new(),
            schedule: Schedule::default(),
            sequence: 0,
        }
    }

    /// Takes an event; what it means for the world goes to `out`.
    pub fn on_event(&mut self, now: Time, event: &Event, out: &mut Vec<Action>) {
        match event {
            Event::Tick => {}
            Event::Config(function) => {
                let before = self
                    .functions
                    .insert(function.name.clone(), function.clone());
                self.forget_revisions(before.as_deref(), Some(function));
                self.set_candidate(now, function);
            }
            Event::ConfigGone(name) => {
                let before = self.functions.remove(name);
                self.forget_revisions(before.as_deref(), None);
            }
            Event::Members(members) => self.set_members(now, members, out),
            Event::Lost(node) => self.lose(now, node, out),
            Event::Linked(node) => self.linked(now, node, out),
            Event::Samples(samples) => self.sampled(now, samples, out),
            Event::Held(name, load) => self.set_load(now, name, *load, out),
            Event::Endpoints { from, endpoints } => self.learn(now, from, endpoints, out),
        }
        self.pass_time(now, out);
    }

    /// When [`Event::Tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.schedule.next()
    }

    /// Notes when the revision must be looked at again, or forgets one of no interest.
    fn plan(&mut self, name: &RevisionName) {
        if self.revisions.get(name).is_some_and(Revision::is_over) {
            self.revisions.remove(name);
        }
        let revision = self.revisions.get(name);
        match revision.and_then(Revision::next_deadline) {
            Some(at) => self.schedule.set(name, at),
            None => self.schedule.forget(name),
        }
    }

    fn plan_all(&mut self) {
        for name in self.revisions.keys().cloned().collect::<Vec<_>>() {
            self.plan(&name);
        }
    }

    fn forget_revisions(&mut self, before: Option<&Function>, after: Option<&Function>) {
        let kept = |name| after.is_some_and(|after| after.revision(name).is_some());
        let before = before.map_or(&[][..], |before| &before.revisions);
        for gone in before.iter().filter(|revision| !kept(&revision.name)) {
            self.revisions.remove(&gone.name);
            self.plan(&gone.name);
        }
    }

    fn set_candidate(&mut self, now: Time, function: &Function) {
        for config in &function.revisions {
            let candidate = function.candidate.as_ref() == Some(&config.name);
            if candidate && !self.revisions.contains_key(&config.name) {
                let renew_at = now + LOOK;
                let revision = Revision {
                    renew_at,
                    ..Revision::default()
                };
                self.revisions.insert(config.name.clone(), revision);
            }
            if let Some(revision) = self.revisions.get_mut(&config.name) {
                revision.candidate = candidate;
                self.plan(&config.name);
            }
        }
    }

    fn set_members(&mut self, now: Time, members: &[Member], out: &mut Vec<Action>) {
        self.members = members.iter().map(|member| member.node.clone()).collect();
        self.members.insert(self.node.clone());
        let names: Vec<_> = self.revisions.keys().cloned().collect();
        for name in names {
            let Some(revision) = self.revisions.get_mut(&name) else {
                continue;
            };
            revision
                .silent
                .retain(|node, _| self.members.contains(node));
            if let Some(known) = &mut revision.known {
                let before = known.hosts.len();
                known.hosts.retain(|host| self.members.contains(&host.node));
                if known.hosts.len() != before {
                    out.push(Action::Use(known.clone()));
                }
            }
            let best = self.best(now, &name);
            if self.revisions.get(&name).is_some_and(|r| r.target != best) {
                self.send(now, &name, out);
            }
        }
        self.plan_all();
    }

    fn lose(&mut self, now: Time, node: &NodeId, out: &mut Vec<Action>) {
        let hit: Vec<_> = self
            .revisions
            .iter()
            .filter(|(_, revision)| revision.target.as_ref() == Some(node))
            .map(|(name, _)| name.clone())
            .collect();
        for name in hit {
            self.pass_over_target(now, &name);
            self.send(now, &name, out);
            self.plan(&name);
        }
    }

    fn linked(&mut self, now: Time, node: &NodeId, out: &mut Vec<Action>) {
        let names: Vec<_> = self.revisions.keys().cloned().collect();
        for name in names {
            if let Some(revision) = self.revisions.get_mut(&name) {
                revision.silent.remove(node);
            }
            if self.best(now, &name).as_ref() == Some(node) {
                self.send(now, &name, out);
            }
        }
        self.plan_all();
    }

    fn sampled(&mut self, now: Time, samples: &[(RevisionName, Load)], out: &mut Vec<Action>) {
        let given: BTreeMap<_, _> = samples.iter().map(|(name, load)| (name, *load)).collect();
        let over: Vec<_> = self
            .revisions
            .iter()
            .filter(|(name, r)| !r.load.is_zero() && !given.contains_key(*name))
            .map(|(name, _)| name.clone())
            .collect();
        // One last report says that it is over.
        for name in over {
            self.set_load(now, &name, Load::default(), out);
        }
        for (name, load) in given {
            self.set_load(now, name, load, out);
        }
    }

    fn set_load(&mut self, now: Time, name: &RevisionName, load: Load, out: &mut Vec<Action>) {
        let function = self.functions.get(name.function());
        if function.is_none_or(|function| function.revision(name).is_none()) {
            return;
        }
        let revision = self.revisions.entry(name.clone()).or_default();
        revision.load = load;
        if revision.answer_by.is_some() {
            // One question at a time, however many calls are held at once.
            revision.stale = true;
        } else {
            self.send(now, name, out);
        }
        self.plan(name);
    }

    fn learn(&mut self, now: Time, from: &NodeId, endpoints: &Endpoints, out: &mut Vec<Action>) {
        let name = &endpoints.revision;
        let Some(revision) = self.revisions.get_mut(name) else {
            return;
        };
        let asked = revision.target.as_ref() == Some(from);
        let newer = |known: &Endpoints| endpoints.term >= known.term;
        if endpoints.unknown {
            if asked && endpoints.sequence == revision.sequence {
                self.pass_over_target(now, name);
                self.send(now, name, out);
                self.plan(name);
            }
            return;
        }
        if !self.members.contains(from) || !asked && !revision.known.as_ref().is_none_or(newer) {
            return;
        }
        let mut known = endpoints.clone();
        known.hosts.retain(|host| self.members.contains(&host.node));
        known.sequence = 0;
        if revision.known.as_ref() != Some(&known) {
            out.push(Action::Use(known.clone()));
        }
        revision.known = Some(known);
        if asked && endpoints.sequence == revision.sequence {
            revision.answer_by = None;
            if std::mem::take(&mut revision.stale) {
                self.send(now, name, out);
            }
        }
        self.plan(name);
    }

    fn pass_time(&mut self, now: Time, out: &mut Vec<Action>) {
        for name in self.schedule.due(now) {
            let revision = self.revisions.get(&name);
            if revision.is_some_and(|revision| revision.answer_by.is_some()) {
                self.pass_over_target(now, &name);
            }
            self.send(now, &name, out);
            self.plan(&name);
        }
    }

    fn pass_over_target(&mut self, now: Time, name: &RevisionName) {
        if let Some(revision) = self.revisions.get_mut(name)
            && let Some(target) = revision.target.take()
        {
            revision.silent.insert(target, now + PASS_OVER);
        }
    }

    fn best(&self, now: Time, name: &RevisionName) -> Option<NodeId> {
        let silent = &self.revisions.get(name)?.silent;
        let asked = self
            .members
            .iter()
            .filter(|node| silent.get(*node).is_none_or(|until| *until <= now));
        ownership::first(name.function(), asked).cloned()
    }

    /// Sends the present load to the node to ask, or gives up asking for now.
    fn send(&mut self, now: Time, name: &RevisionName, out: &mut Vec<Action>) {
        let best = self.best(now, name);
        let function = self.functions.get(name.function());
        let config = function.and_then(|function| function.revision(name));
        let uid = config.map(|config| config.uid.clone()).unwrap_or_default();
        let Some(revision) = self.revisions.get_mut(name) else {
            return;
        };
        revision.stale = false;
        revision.retry_at = None;
        let acts_as_asked = revision.candidate && !revision.silent.is_empty();
        revision.renew_at = now + if acts_as_asked { KEEP } else { RENEW };
        if let Some(to) = best {
            self.sequence += 1;
            revision.sequence = self.sequence;
            revision.target = Some(to.clone());
            revision.answer_by = Some(now + SILENCE);
            let demand = RevisionDemand {
                revision: name.clone(),
                uid,
                load: revision.load,
                sequence: self.sequence,
                subscribe: revision.load.is_zero(),
            };
            out.push(Action::Demand { to, demand });
        } else {
            revision.target = None;
            revision.answer_by = None;
            revision.silent.clear();
            let asks_again = !revision.load.is_zero() || revision.candidate;
            revision.retry_at = asks_again.then_some(now + RETRY);
            if revision.load.is_waiting() && !revision.has_endpoints() {
                out.push(Action::Fallback(name.clone()));
            }
        }
    }
}
