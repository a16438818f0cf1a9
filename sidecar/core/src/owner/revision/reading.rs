//! What follows from what a revision's hosts and callers said.
//!
//! Deliberately without a change: reading this file, nobody is told anything.

use std::sync::Arc;

use super::{HOPELESS, JOINING, Revision};
use crate::message::{Endpoints, HostReady};
use crate::name::NodeId;
use crate::owner::authority::Authority;
use crate::owner::hosts::HostView;
use crate::placement;
use crate::time::Time;

impl Revision {
    pub(super) fn spots(&self, now: Time, authority: &Authority) -> Vec<placement::Host> {
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

    pub(super) fn endpoints(&self, now: Time, authority: &Authority) -> Endpoints {
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
            unknown: false,
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

    pub(super) fn ready(&self, authority: &Authority) -> u32 {
        self.live_hosts(authority).map(|(_, v)| v.ready()).sum()
    }

    pub(super) fn alive(&self, authority: &Authority) -> u32 {
        self.live_hosts(authority).map(|(_, v)| v.alive()).sum()
    }

    /// How many run that may have a reason. While instances move off a host there are more than
    /// are wanted, and taking those for wanted would start still more.
    pub(super) fn not_replaced(&self, now: Time, alive: u32, authority: &Authority) -> u32 {
        let leaving = |(node, view): &(&NodeId, &HostView)| {
            let capacity = authority.members.get(*node).copied().unwrap_or(0);
            view.spot(now, node, capacity, false).capacity == 0
        };
        let hosts = self.live_hosts(authority);
        let leaving: u32 = hosts.filter(leaving).map(|(_, view)| view.alive()).sum();
        let staying = alive - leaving;
        staying.max(alive.min(self.desired))
    }
}
