//! Every cron trigger a sidecar knows, and its part in firing them.
//!
//! The first live sidecar in rendezvous order of a trigger's name fires it. Nobody elects it, so a
//! change of owner is a question: who believes to be first asks every other what it knows of the
//! trigger. One that fired it until now stops, finishes what it is at, and answers up to which time
//! everything is settled; one that is dead told the two next in order after every firing. So nothing
//! is fired twice but what a sidecar fired and could not tell any more, and nothing is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gateless_common::backoff::Backoff;

use super::due::CLOCK_SET_BACK;
use super::entry::{self, ASK_FOR, Entry, Post, Role};
use super::types::{Action, Event, Known, Level, Outcome, SetBack, Ticket};
use super::{Cron, Overlap, Uid};
use crate::name::NodeId;
use crate::ownership;
use crate::time::Time;

/// After its start a sidecar fires nothing for so long: it does not know yet who else is there.
pub const SETTLE: Duration = Duration::from_secs(3);
/// One that asked counts as alive for so long, though gossip may not have it yet.
const CLAIM_FOR: Duration = Duration::from_secs(10);
const RETELL: Duration = Duration::from_secs(1);
/// Before a firing that failed is tried again: without jitter, as one sidecar fires a schedule.
const RETRY: Backoff = Backoff {
    base: Duration::from_secs(1),
    max: Duration::from_secs(30),
};
/// Between two looks whether a call is over that another waits for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// What is remembered of triggers the catalogue does not have (yet).
const MAX_STRAYS: usize = 10_000;
/// Clocks are adjusted by less than this all the time.
const STEP_BACK: Duration = Duration::from_secs(1);

struct Waiting {
    ticket: Ticket,
    uids: Vec<Uid>,
}

/// Decides which schedules this sidecar fires, and when.
pub struct Machine {
    this: NodeId,
    members: BTreeSet<NodeId>,
    /// Sidecars that asked and aren't members yet, and until when they count as alive.
    claimants: BTreeMap<NodeId, Time>,
    entries: BTreeMap<Uid, Entry>,
    wakes: BTreeSet<(Time, Uid)>,
    strays: BTreeMap<Uid, Known>,
    waiting: Vec<Waiting>,
    begins: Time,
    before: Time,
}

impl Machine {
    /// Of a sidecar that starts at `now` and knows nothing.
    #[must_use]
    pub fn new(this: NodeId, now: Time) -> Self {
        Self {
            members: BTreeSet::from([this.clone()]),
            this,
            claimants: BTreeMap::new(),
            entries: BTreeMap::new(),
            wakes: BTreeSet::new(),
            strays: BTreeMap::new(),
            waiting: Vec::new(),
            begins: now + SETTLE,
            before: now,
        }
    }

    /// Takes an event.
    pub fn on_event(&mut self, now: Time, event: &Event, out: &mut Vec<Action>) {
        let mut post = Post::default();
        let mut touched = self.clock(now);
        match event {
            Event::Tick => {}
            Event::Set(crons) => touched.extend(self.set(now, crons)),
            Event::Members(members) => {
                self.members = members.iter().cloned().collect();
                self.members.insert(self.this.clone());
                self.claimants
                    .retain(|node, _| !self.members.contains(node));
                touched.extend(self.entries.keys().cloned());
            }
            Event::Learned(levels) => touched.extend(self.learn(now, levels)),
            Event::SetBack(known) => {
                for (uid, set_back) in known {
                    if let Some(entry) = self.entries.get_mut(uid) {
                        entry.set_back = *set_back;
                    }
                }
            }
            Event::Claimed { ticket, by, levels } => {
                touched.extend(self.claimed(now, *ticket, by, levels));
            }
            Event::Answered {
                from,
                asked,
                levels,
            } => {
                self.learn(now, levels);
                for uid in asked {
                    if let Some(entry) = self.entries.get_mut(uid)
                        && let Role::Asking { waiting, .. } = &mut entry.role
                    {
                        waiting.remove(from);
                    }
                }
                touched.extend(asked.iter().cloned());
            }
            Event::ShareFailed { to, uids } => {
                for uid in uids {
                    if let Some(entry) = self.entries.get_mut(uid) {
                        entry.shared_with.remove(to);
                        entry.retell = Some(now + RETELL);
                    }
                }
                touched.extend(uids.iter().cloned());
            }
            Event::Fired { uid, at, outcome } => {
                self.fired(now, (uid, *at), outcome, &mut post, out);
                touched.insert(uid.clone());
            }
        }
        while let Some((wake, uid)) = self.wakes.first()
            && *wake <= now
        {
            let (wake, uid) = (*wake, uid.clone());
            self.wakes.remove(&(wake, uid.clone()));
            touched.insert(uid);
        }
        for uid in touched {
            self.evaluate(now, &uid, &mut post, out);
        }
        self.answer(out);
        let Post { asks, shares } = post;
        out.extend(
            asks.into_iter()
                .map(|(to, levels)| Action::Ask { to, levels }),
        );
        out.extend(
            shares
                .into_iter()
                .map(|(to, levels)| Action::Share { to, levels }),
        );
    }

    /// Another sidecar asks to take schedules over; those it asks for are looked at again.
    fn claimed(
        &mut self,
        now: Time,
        ticket: Ticket,
        by: &NodeId,
        levels: &[(Uid, Option<Known>)],
    ) -> Vec<Uid> {
        if !self.members.contains(by) {
            self.claimants.insert(by.clone(), now + CLAIM_FOR);
        }
        let known = levels.iter();
        let known = known.filter_map(|(uid, known)| Some((uid.clone(), known.clone()?)));
        self.learn(now, &known.collect::<Vec<_>>());
        let uids: Vec<Uid> = levels.iter().map(|(uid, _)| uid.clone()).collect();
        self.waiting.push(Waiting {
            ticket,
            uids: uids.clone(),
        });
        uids
    }

    /// When to call with [`Event::Tick`] at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let wake = self.wakes.first().map(|(wake, _)| *wake);
        let claims = self.claimants.values().min().copied();
        wake.into_iter().chain(claims).min()
    }

    /// What must not be forgotten over a restart.
    pub fn levels(&self) -> impl Iterator<Item = Level> {
        let known = self.entries.iter();
        let known = known.filter_map(|(uid, entry)| Some((uid.clone(), entry.level()?)));
        let strays = self.strays.iter();
        let strays = strays.map(|(uid, known)| (uid.clone(), known.clone()));
        known.chain(strays)
    }

    /// And under which triggers the clock was set back.
    pub fn set_back(&self) -> impl Iterator<Item = (Uid, SetBack)> {
        let known = self.entries.iter();
        let known = known.filter(|(_, entry)| entry.set_back.count > 0);
        known.map(|(uid, entry)| (uid.clone(), entry.set_back))
    }

    /// Whether it is this sidecar that fires the trigger.
    #[must_use]
    pub fn owns(&self, uid: &str) -> bool {
        let entry = self.entries.get(uid);
        entry.is_some_and(|entry| matches!(entry.role, Role::Owner))
    }

    /// Looks for a clock that was set back, and for claims that ran out; returns whom it concerns.
    fn clock(&mut self, now: Time) -> BTreeSet<Uid> {
        let back = now + STEP_BACK < self.before;
        self.before = now;
        if back {
            self.begins = self.begins.min(now + SETTLE);
            for until in self.claimants.values_mut() {
                *until = (*until).min(now + CLAIM_FOR);
            }
            for entry in self.entries.values_mut() {
                if let Role::Asking { until, .. } = &mut entry.role {
                    *until = (*until).min(now + ASK_FOR);
                }
                entry.retry = entry.retry.map(|at| at.min(now + RETRY.max));
                entry.retell = entry.retell.map(|at| at.min(now + RETELL));
            }
        }
        let claims = self.claimants.len();
        self.claimants.retain(|_, until| *until > now);
        if back || claims != self.claimants.len() {
            return self.entries.keys().cloned().collect();
        }
        BTreeSet::new()
    }

    fn set(&mut self, now: Time, crons: &[Cron]) -> Vec<Uid> {
        let mut old = std::mem::take(&mut self.entries);
        self.wakes.clear();
        for cron in crons {
            let since = cron.since.min(now);
            let mut entry = old
                .remove(&cron.uid)
                .unwrap_or_else(|| Entry::new(cron.clone(), self.strays.remove(&cron.uid)));
            entry.cron = cron.clone();
            entry.cron.since = since;
            entry.wake = None;
            entry.settle(since);
            self.entries.insert(cron.uid.clone(), entry);
        }
        self.entries.keys().cloned().collect()
    }

    /// Takes what others know; what a clock far ahead led to is not knowledge.
    fn learn(&mut self, now: Time, levels: &[Level]) -> Vec<Uid> {
        let mut learned = Vec::new();
        for (uid, told) in levels {
            let entry = self.entries.get_mut(uid);
            let ahead = entry.as_ref().map(|entry| entry.cron.may_be_ahead());
            if told.settled > now + ahead.unwrap_or(CLOCK_SET_BACK) {
                continue;
            }
            if let Some(entry) = entry {
                entry.learn(told);
                learned.push(uid.clone());
            } else if self.strays.len() < MAX_STRAYS || self.strays.contains_key(uid) {
                let stray = self.strays.entry(uid.clone());
                let stray = stray.or_insert_with(|| told.clone());
                if told.settled > stray.settled {
                    stray.clone_from(told);
                }
            }
        }
        learned
    }

    fn fired(
        &mut self,
        now: Time,
        (uid, at): (&Uid, Time),
        outcome: &Outcome,
        post: &mut Post,
        out: &mut Vec<Action>,
    ) {
        let Some(entry) = self.entries.get_mut(uid) else {
            return;
        };
        if entry.in_flight != Some(at) {
            return;
        }
        entry.in_flight = None;
        match outcome {
            Outcome::Settled(call) => {
                entry.settle(at);
                entry.call = call.clone().or(entry.call.take());
                (entry.failures, entry.retry) = (0, None);
            }
            Outcome::Busy if entry.cron.overlap == Overlap::Queue => {
                entry.wait();
                entry.retry = Some(now + LOOK_AGAIN);
                return;
            }
            Outcome::Busy => {
                entry.settle(at);
                (entry.failures, entry.retry) = (0, None);
                out.push(Action::Skipped {
                    uid: uid.clone(),
                    at,
                });
            }
            Outcome::Failed => {
                entry.failures = entry.failures.saturating_add(1);
                entry.retry = Some(now + RETRY.bound(entry.failures));
                return;
            }
        }
        if !matches!(entry.role, Role::Owner) {
            // Its new owner may not have waited for this.
            let key = entry.cron.name.key();
            if let Some(owner) = ownership::first(key, &self.members).filter(|o| **o != self.this) {
                let known = Known {
                    settled: at,
                    call: entry.call.clone(),
                    waits: false,
                };
                let share = post.shares.entry(owner.clone()).or_default();
                share.push((uid.clone(), known));
            }
        }
    }

    /// What is to be done about one trigger, whatever was before.
    fn evaluate(&mut self, now: Time, uid: &Uid, post: &mut Post, out: &mut Vec<Action>) {
        let Some(entry) = self.entries.get_mut(uid) else {
            return;
        };
        if let Some(wake) = entry.wake.take() {
            self.wakes.remove(&(wake, uid.clone()));
        }
        entry.look_at_clock(now);
        let live = self.members.iter().chain(self.claimants.keys());
        let ours = ownership::first(entry.cron.name.key(), live) == Some(&self.this);
        // What comes while it is paused is left out, and so is what waits.
        entry.waits &= !entry.cron.paused;
        if !ours || entry.cron.paused {
            entry.role = Role::Other;
            return;
        }
        let mut wake = entry::take_over(entry, (&self.this, &self.members), self.begins, now, post);
        if matches!(entry.role, Role::Owner) {
            wake = entry::run(entry, now, out);
            let next = entry::share(entry, (&self.this, &self.members), now, post);
            wake = wake.into_iter().chain(next).min();
        }
        entry.wake = wake;
        self.wakes.extend(wake.map(|wake| (wake, uid.clone())));
    }

    /// Answers questions about triggers that aren't in the middle of being fired.
    fn answer(&mut self, out: &mut Vec<Action>) {
        let entries = &self.entries;
        let busy = |uid: &Uid| entries.get(uid).is_some_and(|e| e.in_flight.is_some());
        let ready = self.waiting.extract_if(.., |w| !w.uids.iter().any(busy));
        for Waiting { ticket, uids } in ready {
            let level = |uid: Uid| match entries.get(&uid) {
                Some(entry) => Some((uid, entry.level()?)),
                None => self.strays.get(&uid).map(|known| (uid, known.clone())),
            };
            let levels = uids.into_iter().filter_map(level).collect();
            out.push(Action::Answer { ticket, levels });
        }
    }
}
