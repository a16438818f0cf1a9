//! One cron trigger on one sidecar: whose it is, what is settled, who knows.
//!
//! The steps of its owner are here; whether this sidecar is that is the machine's part.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::due::{Due, due};
use super::types::{Action, Level};
use super::{Cron, Uid};
use crate::name::NodeId;
use crate::ownership;
use crate::time::Time;

/// Who does not answer a question within this is gone.
pub(super) const ASK_FOR: Duration = Duration::from_secs(3);
/// Sidecars that are told of each firing, besides the one that fires.
const SUCCESSORS: usize = 2;

#[derive(Debug)]
pub(super) enum Role {
    /// Another sidecar fires it.
    Other,
    /// About to be ours.
    Asking {
        waiting: BTreeSet<NodeId>,
        until: Time,
    },
    Owner,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) cron: Cron,
    pub(super) settled: Time,
    pub(super) role: Role,
    /// Who knows `settled`.
    pub(super) shared_with: BTreeSet<NodeId>,
    pub(super) in_flight: Option<Time>,
    /// After a failed firing.
    pub(super) retry: Option<Time>,
    pub(super) failures: u32,
    pub(super) retell: Option<Time>,
    pub(super) wake: Option<Time>,
}

impl Entry {
    /// Of a trigger that is new here.
    pub(super) fn new(cron: Cron, settled: Time) -> Self {
        Self {
            cron,
            settled,
            role: Role::Other,
            shared_with: BTreeSet::new(),
            in_flight: None,
            retry: None,
            failures: 0,
            retell: None,
            wake: None,
        }
    }

    /// Something not everybody derives from the catalogue.
    pub(super) fn level(&self) -> Option<Time> {
        (self.settled > self.cron.since).then_some(self.settled)
    }

    pub(super) fn settle(&mut self, at: Time) {
        if at > self.settled {
            self.settled = at;
            self.shared_with.clear();
        }
    }
}

/// Messages in the making, so that each sidecar gets one.
#[derive(Default)]
pub(super) struct Post {
    pub(super) asks: BTreeMap<NodeId, Vec<(Uid, Option<Time>)>>,
    pub(super) shares: BTreeMap<NodeId, Vec<Level>>,
}

/// On the way to own a trigger; returns when to look again.
pub(super) fn take_over(
    entry: &mut Entry,
    (this, members): (&NodeId, &BTreeSet<NodeId>),
    begins: Time,
    now: Time,
    post: &mut Post,
) -> Option<Time> {
    if matches!(entry.role, Role::Other) {
        if now < begins {
            return Some(begins);
        }
        let waiting: BTreeSet<_> = members.iter().filter(|n| *n != this).cloned().collect();
        for node in &waiting {
            let asks = post.asks.entry(node.clone()).or_default();
            asks.push((entry.cron.uid.clone(), entry.level()));
        }
        let until = now + ASK_FOR;
        entry.role = Role::Asking { waiting, until };
    }
    if let Role::Asking { waiting, until } = &mut entry.role {
        waiting.retain(|node| members.contains(node));
        if !waiting.is_empty() && now < *until {
            return Some(*until);
        }
        entry.role = Role::Owner;
    }
    None
}

/// Fires what is due, one time after the other; returns when to look again.
pub(super) fn run(entry: &mut Entry, now: Time, out: &mut Vec<Action>) -> Option<Time> {
    if entry.in_flight.is_some() {
        return None;
    }
    if let Some(retry) = entry.retry
        && retry > now
    {
        return Some(retry);
    }
    let uid = &entry.cron.uid;
    loop {
        let cron = &entry.cron;
        match due(&*cron.schedule, cron.catch_up, entry.settled, now) {
            Due::Wait(wake) => return wake,
            Due::Fire(at) => {
                entry.in_flight = Some(at);
                out.push(Action::Fire {
                    uid: uid.clone(),
                    at,
                });
                return None;
            }
            Due::Pass(at) => {
                out.push(Action::Passed {
                    uid: uid.clone(),
                    at,
                });
                (entry.settled, entry.failures, entry.retry) = (at, 0, None);
                entry.shared_with.clear();
            }
        }
    }
}

/// Tells the next in order what is settled; returns when to look again.
pub(super) fn share(
    entry: &mut Entry,
    (this, members): (&NodeId, &BTreeSet<NodeId>),
    now: Time,
    post: &mut Post,
) -> Option<Time> {
    entry.shared_with.retain(|node| members.contains(node));
    let level = entry.level()?;
    if let Some(retell) = entry.retell
        && retell > now
    {
        return Some(retell);
    }
    entry.retell = None;
    let order = ownership::order(entry.cron.name.key(), members);
    for node in order.into_iter().filter(|n| n != this).take(SUCCESSORS) {
        if entry.shared_with.insert(node.clone()) {
            let uid = entry.cron.uid.clone();
            post.shares.entry(node).or_default().push((uid, level));
        }
    }
    None
}
