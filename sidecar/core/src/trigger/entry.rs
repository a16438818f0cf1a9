//! One cron trigger on one sidecar: whose it is, what is settled, who knows.
//!
//! The steps of its owner are here; whether this sidecar is that is the machine's part.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::due::{Due, due};
use super::types::{Action, CallRef, Known, Level, SetBack};
use super::{Cron, Overlap, Uid};
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
    /// The last call it made.
    pub(super) call: Option<CallRef>,
    /// A time after `settled` has come, whose call waits for that one.
    pub(super) waits: bool,
    pub(super) role: Role,
    /// Who knows `settled`.
    pub(super) shared_with: BTreeSet<NodeId>,
    pub(super) set_back: SetBack,
    pub(super) in_flight: Option<Time>,
    /// After a failed firing.
    pub(super) retry: Option<Time>,
    pub(super) failures: u32,
    pub(super) retell: Option<Time>,
    pub(super) wake: Option<Time>,
}

impl Entry {
    /// Of a trigger that is new here.
    pub(super) fn new(cron: Cron, known: Option<Known>) -> Self {
        let Known {
            settled,
            call,
            waits,
        } = known.unwrap_or(Known {
            settled: Time::ZERO,
            call: None,
            waits: false,
        });
        Self {
            cron,
            settled,
            call,
            waits,
            role: Role::Other,
            shared_with: BTreeSet::new(),
            set_back: SetBack::default(),
            in_flight: None,
            retry: None,
            failures: 0,
            retell: None,
            wake: None,
        }
    }

    /// Something not everybody derives from the catalogue.
    pub(super) fn level(&self) -> Option<Known> {
        (self.settled > self.cron.since || self.waits).then(|| Known {
            settled: self.settled,
            call: self.call.clone(),
            waits: self.waits,
        })
    }

    /// Takes what others know.
    pub(super) fn learn(&mut self, known: &Known) {
        if known.settled > self.settled || known.settled == self.settled && self.call.is_none() {
            self.call.clone_from(&known.call);
        }
        self.settle(known.settled);
        self.waits |= known.waits && known.settled == self.settled;
    }

    /// Its time waits for the call before: who would fire it next has to know.
    pub(super) fn wait(&mut self) {
        if !self.waits {
            self.waits = true;
            self.shared_with.clear();
        }
    }

    /// Forgets what a clock that was ahead led to; it is not that time yet.
    pub(super) fn look_at_clock(&mut self, now: Time) {
        if self.settled > now + self.cron.may_be_ahead() {
            self.set_back.count = self.set_back.count.saturating_add(1);
            self.set_back.until = self.set_back.until.max(self.settled);
            (self.settled, self.waits) = (now, false);
        }
    }

    /// What waited for the call before is not too late, and of several it is the last.
    fn due(&self, now: Time) -> Due {
        let Cron {
            schedule, catch_up, ..
        } = &self.cron;
        match due(&**schedule, *catch_up, self.settled, now) {
            Due::Fire(first) | Due::Pass(first) if self.waits => {
                let last = schedule.latest(now).unwrap_or(first);
                Due::Fire(last.clamp(first, now))
            }
            due => due,
        }
    }

    pub(super) fn settle(&mut self, at: Time) {
        if at > self.settled {
            (self.settled, self.waits) = (at, false);
            self.shared_with.clear();
        }
    }
}

/// Messages in the making, so that each sidecar gets one.
#[derive(Default)]
pub(super) struct Post {
    pub(super) asks: BTreeMap<NodeId, Vec<(Uid, Option<Known>)>>,
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
        match entry.due(now) {
            Due::Wait(wake) => return wake,
            Due::Fire(at) => {
                entry.in_flight = Some(at);
                let SetBack { count, until } = entry.set_back;
                let again = (at <= until).then_some(count);
                let uid = uid.clone();
                let after = match entry.cron.overlap {
                    Overlap::Allow => None,
                    Overlap::Skip | Overlap::Queue => entry.call.clone(),
                };
                out.push(Action::Fire {
                    uid,
                    at,
                    again,
                    after,
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
            post.shares
                .entry(node)
                .or_default()
                .push((uid, level.clone()));
        }
    }
    None
}
