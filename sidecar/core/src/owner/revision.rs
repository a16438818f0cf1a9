//! What an owner knows of one revision: who calls it, who runs it, how many should run.
//!
//! Every change here ends in [`Revision::plan`], which compares what every host should have
//! with what it was told, and in [`Revision::push`], which compares what callers should know
//! with what they were told. Deliberately no view of other revisions.

mod reading;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::authority::Authority;
use super::hosts::HostView;
use super::sizing::{Rested, Role, Sizer};
use super::{Action, Decision};
use crate::config;
use crate::few::Few;
use crate::message::{Endpoints, Load, RevisionDemand, RevisionInstances};
use crate::name::{NodeId, RevisionName};
use crate::placement;
use crate::time::Time;

/// A caller that hasn't reported for so long has no demand; callers report each second.
const DEMAND_TTL: Duration = Duration::from_secs(5);
/// And after this it is no longer told of endpoints; callers renew well before.
const SUBSCRIPTION_TTL: Duration = Duration::from_secs(60);
/// A new owner waits so long for the hosts to say what they run.
const SETTLE: Duration = Duration::from_millis(50);
/// One that slept waits longer: what it hears first was said while it did. At least so long,
const RECALL_LEAST: Duration = Duration::from_millis(250);
/// and at most.
const RECALL_MOST: Duration = Duration::from_secs(1);
/// A new owner may not know all members before this.
const JOINING: Duration = Duration::from_secs(3);
/// From this back-off on, callers are told that nothing can start.
const HOPELESS: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Caller {
    load: Load,
    at: Time,
}

/// How far it is with deciding.
#[derive(Debug)]
enum Sizing {
    /// Nothing is decided before the hosts have said what they run.
    Asking,
    Deciding(Box<Sizer>),
    /// Idle, and nothing else is worth remembering.
    Resting(Box<Rested>),
}

#[derive(Debug)]
pub(super) struct Revision {
    config: Arc<config::Revision>,
    role: Role,
    callers: Few<NodeId, Caller>,
    hosts: Few<NodeId, HostView>,
    /// Asked what they run, without an answer yet.
    asked: BTreeSet<NodeId>,
    /// Not before this, although all have answered.
    settle_from: Time,
    settle_by: Time,
    sizing: Sizing,
    desired: u32,
    unplaced: u32,
    reason: Arc<str>,
    decided: Option<Decision>,
    /// What runs is kept until then: this owner may not know why it runs.
    keep_until: Time,
    pushed: Option<Box<Endpoints>>,
}

impl Revision {
    /// Asks every live host what it runs.
    pub(super) fn new(
        now: Time,
        config: Arc<config::Revision>,
        role: Role,
        authority: &Authority,
        out: &mut Vec<Action>,
    ) -> Self {
        let mut revision = Self {
            config,
            role,
            callers: Few::default(),
            hosts: Few::default(),
            asked: BTreeSet::new(),
            settle_from: now,
            settle_by: now + SETTLE,
            sizing: Sizing::Asking,
            desired: 0,
            unplaced: 0,
            reason: Arc::default(),
            decided: None,
            keep_until: now,
            pushed: None,
        };
        for node in authority.members.keys() {
            revision.ask(node, authority, out);
        }
        revision
    }

    /// Answers that come at once may be from before they were asked for.
    pub(super) fn take_time(&mut self, now: Time) {
        self.settle_from = now + RECALL_LEAST;
        self.settle_by = now + RECALL_MOST;
    }

    pub(super) fn ask(&mut self, node: &NodeId, authority: &Authority, out: &mut Vec<Action>) {
        if !self.is_settled() {
            self.asked.insert(node.clone());
        }
        out.push(authority.question(node, &self.config.name));
    }

    pub(super) fn uid(&self) -> &Arc<str> {
        &self.config.uid
    }

    pub(super) fn set_role(&mut self, config: &Arc<config::Revision>, role: Role) {
        self.config = config.clone();
        self.role = role;
        if let Sizing::Deciding(sizer) = &mut self.sizing {
            sizer.update(config, role);
        }
    }

    fn is_settled(&self) -> bool {
        !matches!(self.sizing, Sizing::Asking)
    }

    /// The sizer, once settled.
    fn wake(&mut self, now: Time) -> Option<&mut Sizer> {
        if let Sizing::Resting(rested) = &self.sizing {
            let sizer = Sizer::wake(&self.config, self.role, now, rested);
            self.sizing = Sizing::Deciding(Box::new(sizer));
        }
        match &mut self.sizing {
            Sizing::Deciding(sizer) => Some(sizer),
            Sizing::Asking | Sizing::Resting(_) => None,
        }
    }

    /// Gives up what an idle revision does not need.
    pub(super) fn rest(&mut self, now: Time) {
        if let Sizing::Deciding(sizer) = &self.sizing
            && now >= sizer.rests_at()
        {
            self.sizing = Sizing::Resting(Box::new(sizer.rest()));
        }
        if !matches!(self.sizing, Sizing::Resting(_)) {
            return;
        }
        self.callers
            .retain(|_, caller| now < caller.at + SUBSCRIPTION_TTL);
        // They have nothing and are to have nothing; what they said of their room is outdated soon.
        self.hosts.clear();
        if self.callers.is_empty() {
            self.pushed = None;
        }
    }

    pub(super) fn demand(
        &mut self,
        now: Time,
        from: &NodeId,
        demand: &RevisionDemand,
        authority: &mut Authority,
        out: &mut Vec<Action>,
    ) {
        let (load, at) = (demand.load, now);
        self.callers.insert(from.clone(), Caller { load, at });
        // The usual case is left to the tick.
        let at_zero = self.desired == 0 && !load.is_zero();
        if at_zero || self.lacks(now) {
            self.decide(now, authority, out);
        }
        self.push(now, authority, Some(from), out);
        let mut endpoints = self.endpoints(now, authority);
        endpoints.sequence = demand.sequence;
        let to = from.clone();
        out.push(Action::Endpoints { to, endpoints });
    }

    pub(super) fn instances(
        &mut self,
        now: Time,
        from: &NodeId,
        report: &RevisionInstances,
        authority: &mut Authority,
        out: &mut Vec<Action>,
    ) {
        let settled = self.is_settled();
        let view = self.hosts.entry(from);
        let surplus = view.surplus(now, report);
        if surplus > 0 && settled {
            // Started without this owner's word: by another, or for a caller that can't reach it.
            let most = self.config.scaling.max_scale.unwrap_or(u32::MAX);
            self.keep_until = now + self.config.scaling.stable_window;
            self.desired = self.desired.saturating_add(surplus).min(most);
        }
        view.reported(now, report);
        self.asked.remove(from);
        if settled {
            self.plan(now, false, authority, out);
        } else {
            self.settle(now, authority, out);
        }
        self.push(now, authority, None, out);
    }

    /// Begins to decide once the hosts have answered or had the time to.
    pub(super) fn settle(&mut self, now: Time, authority: &mut Authority, out: &mut Vec<Action>) {
        let answered = self.asked.is_empty() && now >= self.settle_from;
        if !self.is_settled() && (answered || now >= self.settle_by) {
            let ready = self.ready(authority);
            let sizer = Sizer::new(&self.config, self.role, now, ready);
            self.sizing = Sizing::Deciding(Box::new(sizer));
            self.desired = self.alive(authority);
            self.asked.clear();
            self.decide(now, authority, out);
        }
    }

    /// A second has passed.
    pub(super) fn sample(&mut self, now: Time) {
        self.callers
            .retain(|_, caller| now < caller.at + SUBSCRIPTION_TTL);
        let callers = std::mem::take(&mut self.callers);
        if let Some(sizer) = self.wake(now) {
            sizer.sample(now, load(now, &callers, sizer).0);
        }
        self.callers = callers;
    }

    /// Decides how many, and plans who.
    pub(super) fn decide(&mut self, now: Time, authority: &mut Authority, out: &mut Vec<Action>) {
        let (ready, alive) = (self.ready(authority), self.alive(authority));
        let known = self.not_replaced(now, alive, authority);
        let (callers, desired) = (std::mem::take(&mut self.callers), self.desired);
        let sized = self.wake(now).map(|sizer| {
            let (load, waiting) = load(now, &callers, sizer);
            (load, sizer.decide(now, ready, load, waiting, desired))
        });
        self.callers = callers;
        let Some((load, mut sized)) = sized else {
            return;
        };
        let keep_until = self
            .keep_until
            .max(authority.since + self.config.scaling.stable_window);
        if !self.role.reachable && load == 0.0 {
            sized.desired = 0;
            sized.cause = "unreachable";
            sized.reason = "nothing leads to this revision any more".to_owned();
        } else if now < keep_until && known > sized.desired {
            let most = self.config.scaling.max_scale.unwrap_or(u32::MAX);
            sized.desired = known.min(most);
            sized.cause = "new_owner";
            sized.reason = format!("{}; kept, as the owner is new", sized.reason);
        }
        self.desired = sized.desired;
        self.reason = sized.reason.as_str().into();
        let decision = Decision {
            revision: self.config.name.clone(),
            desired: sized.desired,
            previous: self.decided.as_ref().map_or(0, |before| before.desired),
            cause: sized.cause,
            panic: sized.panic,
            reason: self.reason.clone(),
            ready,
            starting: alive - ready,
            load,
        };
        let same = |old: &Decision| old.desired == decision.desired && old.panic == decision.panic;
        if !self.decided.as_ref().is_some_and(same) {
            out.push(Action::Decided(decision.clone()));
        }
        self.decided = Some(decision);
        self.plan(now, false, authority, out);
    }

    /// Tells hosts what changed for them; with `refresh` also those that don't do as told.
    pub(super) fn plan(
        &mut self,
        now: Time,
        refresh: bool,
        authority: &mut Authority,
        out: &mut Vec<Action>,
    ) {
        if !self.is_settled() {
            return;
        }
        let spots = self.spots(now, authority);
        let placement = placement::place(self.desired, &spots);
        self.unplaced = placement.unplaced;
        for (node, count) in placement.per_host {
            if count == 0 && !self.hosts.contains_key(&node) {
                continue;
            }
            let view = self.hosts.entry(&node);
            if refresh && view.must_ask(now) {
                out.push(authority.question(&node, &self.config.name));
            }
            if view.must_assign(now, count, refresh, authority) {
                authority.claim(now);
                view.assigned(now, count, &authority.term);
                let reason = self.reason.clone();
                out.push(authority.assign(&node, &self.config.name, count, reason));
            }
        }
    }

    /// Tells callers when something changed for them, all but the one about to be answered.
    pub(super) fn push(
        &mut self,
        now: Time,
        authority: &Authority,
        except: Option<&NodeId>,
        out: &mut Vec<Action>,
    ) {
        if self.callers.is_empty() {
            self.pushed = None;
            return;
        }
        let endpoints = self.endpoints(now, authority);
        if self.pushed.as_deref() == Some(&endpoints) {
            return;
        }
        for to in self.callers.keys().filter(|node| Some(*node) != except) {
            let (to, endpoints) = (to.clone(), endpoints.clone());
            out.push(Action::Endpoints { to, endpoints });
        }
        self.pushed = Some(Box::new(endpoints));
    }

    /// A node is gone, or the link to it: what it said no longer counts. Whether it said anything.
    pub(super) fn lose(&mut self, node: &NodeId) -> bool {
        self.asked.remove(node);
        let caller = self.callers.remove(node).is_some();
        self.hosts.remove(node).is_some() || caller
    }

    /// A link is new. Hosts report by themselves, but only to the first of the order.
    pub(super) fn linked(
        &mut self,
        now: Time,
        node: &NodeId,
        first: bool,
        authority: &Authority,
        out: &mut Vec<Action>,
    ) {
        if !first {
            self.ask(node, authority, out);
        }
        if self.callers.contains_key(node) {
            let endpoints = self.endpoints(now, authority);
            let to = node.clone();
            out.push(Action::Endpoints { to, endpoints });
        }
    }

    /// A caller relies on this owner. Hosts don't: they report to the first of the order too.
    pub(super) fn is_used(&self, now: Time) -> bool {
        let mut callers = self.callers.values();
        callers.any(|caller| now < caller.at + DEMAND_TTL)
    }

    /// Nothing to watch over.
    pub(super) fn is_idle(&self, now: Time) -> bool {
        self.is_settled()
            && self.desired == 0
            && self.hosts.values().all(HostView::is_empty)
            && !self.callers.values().any(|caller| caller.demands(now))
    }

    #[cfg(test)]
    pub(super) fn rests(&self) -> bool {
        matches!(self.sizing, Sizing::Resting(_))
    }

    /// Besides the tick.
    pub(super) fn next_deadline(&self, now: Time) -> Option<Time> {
        let rest = match &self.sizing {
            Sizing::Asking if self.asked.is_empty() => return Some(self.settle_from),
            Sizing::Asking => return Some(self.settle_by),
            Sizing::Deciding(sizer) => self.is_idle(now).then(|| sizer.rests_at()),
            Sizing::Resting(_) => None,
        };
        let hosts = self.hosts.values();
        let hosts = hosts.filter_map(|host| host.next_deadline(now));
        hosts.chain(rest).min()
    }

    pub(super) fn decision(&self) -> Option<&Decision> {
        self.decided.as_ref()
    }

    pub(super) fn name(&self) -> &RevisionName {
        &self.config.name
    }

    /// Some calls wait that as many instances as are wanted won't take.
    fn lacks(&self, now: Time) -> bool {
        let Sizing::Deciding(sizer) = &self.sizing else {
            return false;
        };
        let (total, waiting) = load(now, &self.callers, sizer);
        waiting && sizer.need(total) > self.desired
    }
}

/// All callers' load in the revision's metric, and whether some of it waits.
fn load(now: Time, callers: &Few<NodeId, Caller>, sizer: &Sizer) -> (f64, bool) {
    let current = || callers.values().filter(|c| c.demands(now));
    let total = current().fold(0.0, |sum, caller| sum + sizer.measure(&caller.load));
    (total, current().any(|caller| caller.load.is_waiting()))
}

impl Caller {
    fn demands(&self, now: Time) -> bool {
        now < self.at + DEMAND_TTL && !self.load.is_zero()
    }
}
