//! The owner machine of one function: brings demand and instances together.
//!
//! Callers tell it their load and hosts their instances; it decides how many instances of each
//! revision there should be, tells hosts, and tells callers who has ready ones. It stores
//! nothing: a new owner asks the hosts, waits a moment for the answers, and goes on from there,
//! keeping what runs for one stable window. Every node has such a machine for every function;
//! it acts while its node is the first of the rendezvous order, or while anybody reports to it.
//! What it knows is bounded by the configuration and the membership: anything else is ignored.
//!
//! Deliberately no agreement between owners. Two that act at once don't scale down, because
//! each takes a new term against the other; the later in the order lets go first.

mod authority;
mod hosts;
mod revision;
mod sizing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use sizing::HORIZON;

use crate::autoscaler::TICK;
use crate::config::Function;
use crate::few::Few;
use crate::message::{Assignment, Endpoints, Members, RevisionDemand, RevisionInstances};
use crate::name::{FunctionName, NodeId, RevisionName};
use crate::ownership::Term;
use crate::time::Time;
use authority::Authority;
use revision::Revision;
use sizing::Role;

/// A deadline missed by so much: the sidecar was stopped meanwhile, or had no processor. Others have taken over.
const SLEPT: Duration = Duration::from_secs(2);
/// Load is sampled so often.
const SECOND: Duration = Duration::from_secs(1);

/// What an owner hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// [`Owner::next_deadline`] has come.
    Tick,
    /// The function is new or changed.
    Config(Arc<Function>),
    /// The function was deleted.
    ConfigGone,
    /// Who is alive, this node included, and how many instances each is willing to run.
    Members(Arc<Members>),
    /// The link to a node broke: what it said no longer counts until it says it again.
    Lost(NodeId),
    /// The link to a node is new: it may have missed anything.
    Linked(NodeId),
    /// A caller's load.
    Demand {
        /// Gets the answer.
        from: NodeId,
        /// What calls at that node want of one revision.
        demand: RevisionDemand,
    },
    /// A host's instances.
    Instances {
        /// The host that reports.
        from: NodeId,
        /// What it has.
        instances: RevisionInstances,
    },
}

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Tell a caller.
    Endpoints {
        /// May be this node.
        to: NodeId,
        /// What there is.
        endpoints: Endpoints,
    },
    /// Tell a host.
    Assign {
        /// May be this node.
        to: NodeId,
        /// What to run.
        assignment: Assignment,
    },
    /// For people: a count or the mode changed.
    Decided(Decision),
}

/// A decision, explained.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The revision it was decided for.
    pub revision: RevisionName,
    /// Instances wanted, on all hosts together.
    pub desired: u32,
    /// Instances wanted by the decision before.
    pub previous: u32,
    /// What decided it, for programs.
    pub cause: &'static str,
    /// In panic mode.
    pub panic: bool,
    /// What decided it, for people.
    pub reason: Arc<str>,
    /// Ready at that moment.
    pub ready: u32,
    /// Starting at that moment.
    pub starting: u32,
    /// In the revision's metric, waiting calls included.
    pub load: f64,
}

/// The machine; see the module.
#[derive(Debug)]
pub struct Owner {
    authority: Authority,
    function: Option<Arc<Function>>,
    /// Empty unless it acts.
    revisions: Few<RevisionName, Revision>,
    acting: bool,
    sample_at: Time,
    decide_at: Time,
    /// Of the last event, against which deadlines are told.
    now: Time,
    /// When it must have been woken after that.
    due: Option<Time>,
}

impl Owner {
    /// Knows nothing yet and doesn't act.
    #[must_use]
    pub fn new(node: NodeId, name: FunctionName) -> Self {
        Self {
            authority: Authority {
                node,
                name,
                members: Arc::default(),
                term: Term::default(),
                seen: Term::default(),
                since: Time::ZERO,
            },
            function: None,
            revisions: Few::default(),
            acting: false,
            sample_at: Time::ZERO,
            decide_at: Time::ZERO,
            now: Time::ZERO,
            due: None,
        }
    }

    /// Takes an event; what it means for the world goes to `out`.
    pub fn on_event(&mut self, now: Time, event: &Event, out: &mut Vec<Action>) {
        self.now = now;
        if self.due.take().is_some_and(|due| now >= due + SLEPT) {
            self.relearn(now, out);
        }
        self.hear(now, event, out);
        self.pass_time(now, out);
        self.due = self.next_deadline();
    }

    fn hear(&mut self, now: Time, event: &Event, out: &mut Vec<Action>) {
        match event {
            Event::Tick => {}
            Event::Config(function) => self.configure(now, function, out),
            Event::ConfigGone => {
                self.function = None;
                self.step_down();
            }
            Event::Members(members) => self.set_members(now, members, out),
            Event::Lost(node) => self.lose(now, node, out),
            Event::Linked(node) => {
                let first = self.authority.is_first();
                for revision in self.revisions.values_mut() {
                    revision.linked(now, node, first, &self.authority, out);
                }
            }
            Event::Demand { from, demand } => {
                if !self.knows(&demand.revision, &demand.uid) {
                    out.extend(unknown(from, demand));
                } else if self.hears(now, from, &demand.revision, out)
                    && let Some(revision) = self.revisions.get_mut(&demand.revision)
                {
                    revision.demand(now, from, demand, &mut self.authority, out);
                }
            }
            Event::Instances { from, instances } => {
                if self.authority.seen < instances.term {
                    self.authority.seen = instances.term.clone();
                }
                // Nothing there and not asked: no reason to take office.
                let idle = !self.acting && instances.alive() == 0;
                if !idle
                    && self.hears(now, from, &instances.revision, out)
                    && let Some(revision) = self.revisions.get_mut(&instances.revision)
                {
                    revision.instances(now, from, instances, &mut self.authority, out);
                }
            }
        }
    }

    /// What it knew is from before it slept, and so is what waits to be heard: it begins as a new owner does, and takes
    /// its time for it. Who needs an owner meanwhile has found another.
    fn relearn(&mut self, now: Time, out: &mut Vec<Action>) {
        if !self.acting {
            return;
        }
        self.step_down();
        self.act(now, out);
        self.revisions.values_mut().for_each(|r| r.take_time(now));
    }

    /// When [`Event::Tick`] is due; `None` while there is nothing to watch over.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        if !self.acting {
            return None;
        }
        let now = self.now;
        let own = self.revisions.values().filter_map(|r| r.next_deadline(now));
        let busy = self.revisions.values().any(|r| !r.is_idle(now));
        let tick = (busy || !self.authority.is_first()).then_some(self.sample_at);
        own.chain(tick).min()
    }

    /// It speaks for the function at present.
    #[must_use]
    pub fn is_acting(&self) -> bool {
        self.acting
    }

    /// The term it speaks with; number 0 while it hasn't had to.
    #[must_use]
    pub fn term(&self) -> &Term {
        &self.authority.term
    }

    /// The latest decision on every revision.
    pub fn decisions(&self) -> impl Iterator<Item = &Decision> {
        self.revisions.values().filter_map(Revision::decision)
    }

    /// Whether a message counts; a first one makes this node act.
    fn hears(
        &mut self,
        now: Time,
        from: &NodeId,
        revision: &RevisionName,
        out: &mut Vec<Action>,
    ) -> bool {
        if !self.knows(revision, "") || !self.authority.members.contains_key(from) {
            return false;
        }
        self.act(now, out);
        true
    }

    /// Whether it is in this node's catalogue; with a uid, whether it is that very one.
    fn knows(&self, revision: &RevisionName, uid: &str) -> bool {
        let known = self.function.as_ref().and_then(|f| f.revision(revision));
        known.is_some_and(|known| uid.is_empty() || *known.uid == *uid)
    }

    fn act(&mut self, now: Time, out: &mut Vec<Action>) {
        if self.acting {
            return;
        }
        self.acting = true;
        self.authority.since = now;
        self.sample_at = next_multiple(now, SECOND);
        self.decide_at = next_multiple(now, TICK);
        self.take_in_revisions(now, out);
    }

    fn step_down(&mut self) {
        self.acting = false;
        self.revisions.clear();
    }

    fn configure(&mut self, now: Time, function: &Arc<Function>, out: &mut Vec<Action>) {
        self.function = Some(function.clone());
        if self.acting {
            self.take_in_revisions(now, out);
        } else if self.authority.is_first() {
            self.act(now, out);
        }
    }

    /// Makes the revisions those of the configuration.
    fn take_in_revisions(&mut self, now: Time, out: &mut Vec<Action>) {
        let Some(function) = self.function.clone() else {
            return;
        };
        let configs = &function.revisions;
        self.revisions.retain(|_, known| {
            let same =
                |c: &Arc<crate::config::Revision>| c.name == *known.name() && c.uid == *known.uid();
            configs.iter().any(same)
        });
        for (index, config) in configs.iter().enumerate() {
            let role = role(&function, index);
            if let Some(revision) = self.revisions.get_mut(&config.name) {
                revision.set_role(config, role);
                revision.decide(now, &mut self.authority, out);
                revision.push(now, &self.authority, None, out);
            } else {
                let revision = Revision::new(now, config.clone(), role, &self.authority, out);
                self.revisions.insert(config.name.clone(), revision);
            }
        }
    }

    fn set_members(&mut self, now: Time, members: &Arc<Members>, out: &mut Vec<Action>) {
        let before = std::mem::replace(&mut self.authority.members, members.clone());
        let gone: Vec<_> = before
            .keys()
            .filter(|n| !members.contains_key(*n))
            .collect();
        let new: Vec<_> = members
            .keys()
            .filter(|n| !before.contains_key(*n))
            .cloned()
            .collect();
        for revision in self.revisions.values_mut() {
            for node in &gone {
                revision.lose(node);
            }
            new.iter()
                .for_each(|node| revision.ask(node, &self.authority, out));
            revision.settle(now, &mut self.authority, out);
            revision.plan(now, false, &mut self.authority, out);
            revision.push(now, &self.authority, None, out);
        }
        if self.function.is_some() && self.authority.is_first() {
            self.act(now, out);
        }
    }

    fn lose(&mut self, now: Time, node: &NodeId, out: &mut Vec<Action>) {
        for revision in self.revisions.values_mut() {
            let known = revision.lose(node);
            if known && self.authority.members.contains_key(node) {
                revision.ask(node, &self.authority, out);
            }
            revision.plan(now, false, &mut self.authority, out);
            revision.push(now, &self.authority, None, out);
        }
    }

    fn pass_time(&mut self, now: Time, out: &mut Vec<Action>) {
        if !self.acting {
            return;
        }
        let sample = now >= self.sample_at;
        let decide = now >= self.decide_at;
        if sample {
            self.sample_at = next_multiple(now, SECOND);
            let unused = || !self.revisions.values().any(|r| r.is_used(now));
            if !self.authority.is_first() && unused() {
                return self.step_down();
            }
        }
        if decide {
            self.decide_at = next_multiple(now, TICK);
        }
        for revision in self.revisions.values_mut() {
            revision.settle(now, &mut self.authority, out);
            if revision.is_idle(now) {
                revision.rest(now);
                continue;
            }
            if sample {
                revision.sample(now);
            }
            if decide {
                revision.decide(now, &mut self.authority, out);
            }
            revision.plan(now, decide, &mut self.authority, out);
            revision.push(now, &self.authority, None, out);
        }
    }
}

/// The answer of a node that cannot own a revision, as its catalogue does not have it: it may be cut off from the server.
/// A caller of an earlier version gets none, and takes the silence for it.
#[must_use]
pub fn unknown(to: &NodeId, demand: &RevisionDemand) -> Option<Action> {
    let endpoints = Endpoints {
        revision: demand.revision.clone(),
        term: Term::default(),
        hosts: Vec::new(),
        starting: 0,
        desired: 0,
        sequence: demand.sequence,
        unknown: true,
        failure: None,
    };
    let to = to.clone();
    (!demand.uid.is_empty()).then_some(Action::Endpoints { to, endpoints })
}

/// What leads to the function's `index`th revision.
fn role(function: &Function, index: usize) -> Role {
    let candidate = function.candidate.as_ref() == Some(&function.revisions[index].name);
    let reached = function
        .traffic
        .iter()
        .any(|t| t.revision == index && (t.percent > 0 || t.tag.is_some()));
    Role {
        reachable: reached || candidate,
        candidate,
    }
}

/// The first multiple of `step` after `now`: all samples of a second fall into one bucket.
fn next_multiple(now: Time, step: Duration) -> Time {
    let step = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX).max(1);
    Time::from_nanos((now.as_nanos() / step + 1).saturating_mul(step))
}
