//! What an owner knows of one revision: who calls it, who runs it, how many should run.
//!
//! Every change here ends in [`Revision::plan`], which compares what every host should have
//! with what it was told, and in [`Revision::push`], which compares what callers should know
//! with what they were told. Deliberately no view of other revisions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::authority::Authority;
use super::hosts::HostView;
use super::sizing::{Role, Sizer};
use super::{Action, Decision};
use crate::config;
use crate::control::{Endpoints, HostReady, Load, RevisionDemand, RevisionInstances};
use crate::name::{NodeId, RevisionName};
use crate::placement;
use crate::time::Time;

/// A caller that hasn't reported for so long has no demand; callers report each second.
const DEMAND_TTL: Duration = Duration::from_secs(5);
/// And after this it is no longer told of endpoints; callers renew well before.
const SUBSCRIPTION_TTL: Duration = Duration::from_secs(60);
/// A new owner waits so long for the hosts to say what they run.
const SETTLE: Duration = Duration::from_millis(50);
/// A new owner may not know all members before this.
const JOINING: Duration = Duration::from_secs(3);
/// From this back-off on, callers are told that nothing can start.
const HOPELESS: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Caller {
    load: Load,
    at: Time,
}

#[derive(Debug)]
pub(super) struct Revision {
    config: Arc<config::Revision>,
    role: Role,
    callers: BTreeMap<NodeId, Caller>,
    hosts: BTreeMap<NodeId, HostView>,
    /// Asked what they run, without an answer yet.
    asked: BTreeSet<NodeId>,
    settle_by: Time,
    /// Made when settled; nothing is decided before.
    sizer: Option<Sizer>,
    desired: u32,
    unplaced: u32,
    reason: Arc<str>,
    decided: Option<Decision>,
    /// What runs is kept until then: this owner may not know why it runs.
    keep_until: Time,
    pushed: Option<Endpoints>,
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
            callers: BTreeMap::new(),
            hosts: BTreeMap::new(),
            asked: BTreeSet::new(),
            settle_by: now + SETTLE,
            sizer: None,
            desired: 0,
            unplaced: 0,
            reason: "".into(),
            decided: None,
            keep_until: now,
            pushed: None,
        };
        for node in authority.members.keys() {
            revision.ask(node, authority, out);
        }
        revision
    }

    pub(super) fn ask(&mut self, node: &NodeId, authority: &Authority, out: &mut Vec<Action>) {
        if self.sizer.is_none() {
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
        if let Some(sizer) = &mut self.sizer {
            sizer.update(config, role);
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
        if let Some(sizer) = &self.sizer {
            let (total, waiting) = self.load(now, sizer);
            // The usual case is left to the tick.
            let at_zero = self.desired == 0 && !load.is_zero();
            if at_zero || waiting && sizer.need(total) > self.desired {
                self.decide(now, authority, out);
            }
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
        let view = self.hosts.entry(from.clone()).or_default();
        let surplus = view.surplus(now, report);
        if surplus > 0 && self.sizer.is_some() {
            // Started without this owner's word: by another, or for a caller that can't reach it.
            let most = self.config.scaling.max_scale.unwrap_or(u32::MAX);
            self.keep_until = now + self.config.scaling.stable_window;
            self.desired = self.desired.saturating_add(surplus).min(most);
        }
        view.reported(now, report);
        self.asked.remove(from);
        if self.sizer.is_none() {
            self.settle(now, authority, out);
        } else {
            self.plan(now, false, authority, out);
        }
        self.push(now, authority, None, out);
    }

    /// Begins to decide once the hosts have answered or had the time to.
    pub(super) fn settle(&mut self, now: Time, authority: &mut Authority, out: &mut Vec<Action>) {
        if self.sizer.is_none() && (self.asked.is_empty() || now >= self.settle_by) {
            let ready = self.ready(authority);
            self.sizer = Some(Sizer::new(&self.config, self.role, now, ready));
            self.desired = self.alive(authority);
            self.asked.clear();
            self.decide(now, authority, out);
        }
    }

    /// A second has passed.
    pub(super) fn sample(&mut self, now: Time) {
        self.callers
            .retain(|_, caller| now < caller.at + SUBSCRIPTION_TTL);
        if let Some(mut sizer) = self.sizer.take() {
            sizer.sample(now, self.load(now, &sizer).0);
            self.sizer = Some(sizer);
        }
    }

    /// Decides how many, and plans who.
    pub(super) fn decide(&mut self, now: Time, authority: &mut Authority, out: &mut Vec<Action>) {
        let Some(mut sizer) = self.sizer.take() else {
            return;
        };
        let (load, waiting) = self.load(now, &sizer);
        let (ready, alive) = (self.ready(authority), self.alive(authority));
        let known = self.not_replaced(now, alive, authority);
        let mut sized = sizer.decide(now, ready, load, waiting, self.desired);
        self.sizer = Some(sizer);
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
        let told = |old: &Decision| old.desired == decision.desired && old.panic == decision.panic;
        if !self.decided.as_ref().is_some_and(told) {
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
        if self.sizer.is_none() {
            return;
        }
        let spots = self.spots(now, authority);
        let placement = placement::place(self.desired, &spots);
        self.unplaced = placement.unplaced;
        for (node, count) in placement.per_host {
            let view = self.hosts.entry(node.clone()).or_default();
            if refresh && view.must_ask(now) {
                out.push(authority.question(&node, &self.config.name));
            }
            if view.must_tell(now, count, refresh, authority) {
                authority.claim(now);
                view.told(now, count, &authority.term);
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
        let endpoints = self.endpoints(now, authority);
        if self.pushed.as_ref() == Some(&endpoints) {
            return;
        }
        for to in self.callers.keys().filter(|node| Some(*node) != except) {
            let (to, endpoints) = (to.clone(), endpoints.clone());
            out.push(Action::Endpoints { to, endpoints });
        }
        self.pushed = Some(endpoints);
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
        self.sizer.is_some()
            && self.desired == 0
            && self.hosts.values().all(HostView::is_empty)
            && !self.callers.values().any(|caller| caller.demands(now))
    }

    /// Besides the tick.
    pub(super) fn next_deadline(&self, now: Time) -> Option<Time> {
        if self.sizer.is_none() {
            return Some(self.settle_by);
        }
        let hosts = self.hosts.values();
        hosts.filter_map(|host| host.next_deadline(now)).min()
    }

    pub(super) fn decision(&self) -> Option<&Decision> {
        self.decided.as_ref()
    }

    pub(super) fn name(&self) -> &RevisionName {
        &self.config.name
    }

    fn spots(&self, now: Time, authority: &Authority) -> Vec<placement::Host> {
        let spot = |(node, &capacity): (&NodeId, &u32)| {
            let view = self.hosts.get(node);
            let demanding = self.callers.get(node).is_some_and(|c| c.demands(now));
            match view {
                Some(view) => view.spot(now, node, capacity, demanding),
                None => HostView::default().spot(now, node, capacity, demanding),
            }
        };
        authority.members.iter().map(spot).collect()
    }

    fn endpoints(&self, now: Time, authority: &Authority) -> Endpoints {
        let mut hosts = Vec::new();
        let mut starting = 0;
        for (node, view) in self.live_hosts(authority) {
            let ready = view.ready();
            if ready > 0 {
                let node = node.clone();
                hosts.push(HostReady { node, ready });
            }
            starting += view.count(now).saturating_sub(ready);
        }
        let stuck = hosts.is_empty() && starting == 0 && self.unplaced > 0;
        let failure = stuck.then(|| self.failure(now, authority)).flatten();
        Endpoints {
            revision: self.config.name.clone(),
            term: authority.term.clone(),
            hosts,
            starting,
            desired: self.desired,
            sequence: 0,
            failure,
        }
    }

    /// Why no host can start one, if none can for a while.
    fn failure(&self, now: Time, authority: &Authority) -> Option<Arc<str>> {
        if authority.members.values().all(|&capacity| capacity == 0) {
            // A sidecar that has just started knows nobody else yet.
            if now < authority.since + JOINING {
                return None;
            }
            return Some("no_host: no sidecar runs instances (capacity 0)".into());
        }
        let mut text = None;
        for (node, &capacity) in authority.members.iter().filter(|(_, c)| **c > 0) {
            let view = self.hosts.get(node)?;
            let spot = view.spot(now, node, capacity, false);
            let full = spot.instances >= spot.capacity;
            if !full && !view.backs_off(now, HOPELESS) {
                return None;
            }
            text = text.or(view.failure());
        }
        text.or_else(|| Some("host_full: no sidecar has room for an instance".into()))
    }

    fn live_hosts<'a>(
        &'a self,
        authority: &'a Authority,
    ) -> impl Iterator<Item = (&'a NodeId, &'a HostView)> + 'a {
        self.hosts
            .iter()
            .filter(|(node, _)| authority.members.contains_key(*node))
    }

    fn ready(&self, authority: &Authority) -> u32 {
        self.live_hosts(authority).map(|(_, v)| v.ready()).sum()
    }

    fn alive(&self, authority: &Authority) -> u32 {
        self.live_hosts(authority).map(|(_, v)| v.alive()).sum()
    }

    /// How many run that may have a reason. While instances move off a host there are more than
    /// are wanted, and taking those for wanted would start still more.
    fn not_replaced(&self, now: Time, alive: u32, authority: &Authority) -> u32 {
        let leaving = |(node, view): &(&NodeId, &HostView)| {
            let capacity = authority.members.get(*node).copied().unwrap_or(0);
            view.spot(now, node, capacity, false).capacity == 0
        };
        let hosts = self.live_hosts(authority);
        let leaving: u32 = hosts.filter(leaving).map(|(_, view)| view.alive()).sum();
        let staying = alive - leaving;
        staying.max(alive.min(self.desired))
    }

    /// All callers' load in the revision's metric, and whether some of it waits.
    fn load(&self, now: Time, sizer: &Sizer) -> (f64, bool) {
        let current = || self.callers.values().filter(|c| c.demands(now));
        let total = current().fold(0.0, |sum, caller| sum + sizer.measure(&caller.load));
        (total, current().any(|caller| caller.load.is_waiting()))
    }
}

impl Caller {
    fn demands(&self, now: Time) -> bool {
        now < self.at + DEMAND_TTL && !self.load.is_zero()
    }
}
