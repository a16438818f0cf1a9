//! Bringing a revision to its count: what to start, and which instances to end.
//!
//! Deliberately without a word on who wants the count and who is told.

use std::sync::Arc;

use super::backoff::STABLE;
use super::{Action, End, Host, Instance, LONGEST_DRAIN, Reason, State};
use crate::config::Revision;
use crate::name::{InstanceId, RevisionName};
use crate::time::Time;

impl Host {
    /// Brings one revision to its count, as far as back-off and capacity let it.
    pub(super) fn reconcile(&mut self, now: Time, name: &RevisionName, out: &mut Vec<Action>) {
        let overdue: Vec<_> = self
            .instances_of(name)
            .filter(|(_, i)| i.state == State::Draining && now >= i.drain_ends())
            .map(|(id, _)| id.clone())
            .collect();
        for id in overdue {
            self.stop(now, &id, out);
        }
        let proof = self
            .instances_of(name)
            .find(|(_, i)| i.state == State::Ready && now >= i.since + STABLE)
            .map(|(_, instance)| instance.started);
        let (alive, starting) = (self.alive(name), self.in_state(name, State::Starting));
        let free = self.room(name).free();
        let config = self.config(name).cloned();
        let Some(state) = self.revisions.get_mut(name) else {
            return;
        };
        if let Some(started) = proof {
            state.backoff.worked(started);
        }
        state.full = false;
        state.retry_at = None;
        let missing = state.desired.saturating_sub(alive);
        if alive > state.desired {
            let desired = state.desired;
            self.reduce(now, name, desired, out);
        } else if missing > 0 && now < state.backoff.until() {
            state.retry_at = Some(state.backoff.until());
        } else if missing > 0 {
            let Some(revision) = config else {
                return;
            };
            let at_once = if state.backoff.is_probing() {
                1_u32.saturating_sub(starting)
            } else {
                missing
            };
            state.full = free < missing.min(at_once);
            for _ in 0..missing.min(at_once).min(free) {
                self.start(now, &revision, out);
            }
        }
    }

    fn start(&mut self, now: Time, revision: &Arc<Revision>, out: &mut Vec<Action>) {
        self.count += 1;
        let id = InstanceId::new(&format!("{}-{}", self.id_prefix, self.count));
        let instance = Instance {
            revision: revision.name.clone(),
            cost: self.costs.cost(revision),
            state: State::Starting,
            order: self.count,
            started: now,
            since: now,
            longest_drain: revision.limits.timeout.unwrap_or(LONGEST_DRAIN),
        };
        self.instances.insert(id.clone(), instance);
        let revision = revision.clone();
        out.push(Action::Start { id, revision });
    }

    /// Takes the newest away first, and those that serve nobody yet before those that do.
    pub(super) fn reduce(
        &mut self,
        now: Time,
        name: &RevisionName,
        keep: u32,
        out: &mut Vec<Action>,
    ) {
        let mut alive: Vec<_> = self
            .instances_of(name)
            .filter(|(_, instance)| instance.state.is_alive())
            .map(|(id, i)| (i.state == State::Starting, i.order, id.clone()))
            .collect();
        alive.sort();
        for (_, _, id) in alive.into_iter().skip(keep as usize) {
            self.end(now, &id, out);
        }
    }

    /// Drains what may have calls, stops what can't.
    pub(super) fn end(&mut self, now: Time, id: &InstanceId, out: &mut Vec<Action>) {
        match self.instances.get(id).map(|instance| instance.state) {
            Some(State::Ready) => {
                self.instances.enter(now, id, State::Draining);
                out.push(Action::Drain(id.clone()));
            }
            Some(_) => self.stop(now, id, out),
            None => {}
        }
    }

    pub(super) fn stop(&mut self, now: Time, id: &InstanceId, out: &mut Vec<Action>) {
        let state = self.instances.get(id).map(|instance| instance.state);
        if state.is_some_and(|state| state != State::Stopping) {
            self.instances.enter(now, id, State::Stopping);
            out.push(Action::Stop(id.clone()));
        }
    }

    pub(super) fn adopt(
        &mut self,
        now: Time,
        id: &InstanceId,
        name: &RevisionName,
        uid: &Arc<str>,
        ready: bool,
        out: &mut Vec<Action>,
    ) {
        self.count += 1;
        let config = self.config(name).filter(|config| config.uid == *uid);
        let known = config.is_some();
        let limit = config.and_then(|config| config.limits.timeout);
        let state = self.revisions.entry(name.clone()).or_default();
        if known {
            // Somebody wanted it; the owner will say what it wants now.
            state.desired += 1;
            state.was_ready |= ready;
        }
        let instance = Instance {
            revision: name.clone(),
            cost: self.cost(name),
            state: if ready { State::Ready } else { State::Starting },
            order: self.count,
            started: now,
            since: now,
            longest_drain: limit.unwrap_or(LONGEST_DRAIN),
        };
        self.instances.insert(id.clone(), instance);
        self.active.insert(name.clone());
        if !known {
            self.end(now, id, out);
        }
    }

    pub(super) fn ready(&mut self, now: Time, id: &InstanceId) -> Option<RevisionName> {
        let instance = self.instances.get(id)?;
        let name = instance.revision.clone();
        if instance.state == State::Starting {
            self.instances.enter(now, id, State::Ready);
            if let Some(state) = self.revisions.get_mut(&name) {
                state.was_ready = true;
                state.failure = None;
            }
        }
        Some(name)
    }

    pub(super) fn exited(
        &mut self,
        now: Time,
        id: &InstanceId,
        end: End,
        message: &Arc<str>,
    ) -> Option<RevisionName> {
        let instance = self.instances.remove(id)?;
        if let Some(state) = self.revisions.get_mut(&instance.revision)
            && instance.state.is_alive()
        {
            if instance.state == State::Ready && now >= instance.since + STABLE {
                state.backoff.worked(instance.started);
            }
            state.backoff.failed(now, instance.started);
            state.failure = Some(message.clone());
            let was_ready = instance.state == State::Ready;
            state.unready = if was_ready { 0 } else { state.unready + 1 };
            state.reason = Some(Reason::of(end, state.unready));
        }
        Some(instance.revision)
    }
}
