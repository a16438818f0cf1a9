//! Bringing a revision to its count: what to start, and which instances to end.
//!
//! Deliberately without a word on who wants the count and who is told.

use std::sync::Arc;

use super::backoff::STABLE;
use super::{Action, Host, Instance, LONGEST_DRAIN, State};
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
        let free = self.free();
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
            let Some(revision) = state.config.clone() else {
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
        match self.instances.get_mut(id) {
            Some(instance) if instance.state == State::Ready => {
                instance.state = State::Draining;
                instance.since = now;
                out.push(Action::Drain(id.clone()));
            }
            Some(_) => self.stop(now, id, out),
            None => {}
        }
    }

    pub(super) fn stop(&mut self, now: Time, id: &InstanceId, out: &mut Vec<Action>) {
        if let Some(instance) = self.instances.get_mut(id)
            && instance.state != State::Stopping
        {
            instance.state = State::Stopping;
            instance.since = now;
            out.push(Action::Stop(id.clone()));
        }
    }
}
