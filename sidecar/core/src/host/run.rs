//! Bringing a revision to its count: what to start, and which instances to end.
//!
//! Deliberately without a word on who wants the count and who is told.

use std::sync::Arc;

use super::backoff::STABLE;
use super::{Action, Death, End, Host, Instance, LONGEST_DRAIN, State};
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
        self.prove(now, name, out);
        let proof = self
            .instances_of(name)
            .find(|(_, i)| i.state == State::Ready && now >= i.since + STABLE)
            .map(|(_, instance)| instance.started);
        self.stop_outdated_starts(now, name, out);
        let (alive, starting) = (self.alive(name), self.in_state(name, State::Starting));
        let (free, surplus) = (self.room(name).free(), self.surplus(name));
        let config = self.config(name).cloned();
        let Some(state) = self.revisions.get_mut(name) else {
            return;
        };
        if let Some(started) = proof {
            state.backoff.worked(started);
        }
        state.full = false;
        state.retry_at = None;
        let desired = state.desired;
        if alive >= desired {
            if alive > desired + surplus {
                self.reduce(now, name, desired + surplus, out);
            }
            if desired > 0 && surplus == 0 && self.outdated(name) > 0 {
                self.renew(now, name, config.as_ref(), out);
            }
            return;
        }
        if now < state.backoff.until() {
            state.retry_at = Some(state.backoff.until());
            return;
        }
        let Some(revision) = config else {
            return;
        };
        let missing = desired - alive;
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

    pub(super) fn start(&mut self, now: Time, revision: &Arc<Revision>, out: &mut Vec<Action>) {
        self.count += 1;
        let id = InstanceId::new(&format!("{}-{}", self.id_prefix, self.count));
        let secrets = self.secrets(&revision.name);
        let instance = Instance {
            revision: revision.name.clone(),
            cost: self.costs.cost(revision),
            state: State::Starting,
            order: self.count,
            started: now,
            since: now,
            longest_drain: revision.limits.timeout.unwrap_or(LONGEST_DRAIN),
            secrets,
        };
        self.instances.insert(id.clone(), instance);
        let revision = revision.clone();
        out.push(Action::Start {
            id,
            revision,
            secrets,
        });
    }

    /// Takes those with older values of secrets away first and then the newest, and those that serve nobody yet before all.
    pub(super) fn reduce(
        &mut self,
        now: Time,
        name: &RevisionName,
        keep: u32,
        out: &mut Vec<Action>,
    ) {
        let secrets = self.secrets(name);
        let mut alive: Vec<_> = self
            .instances_of(name)
            .filter(|(_, instance)| instance.state.is_alive())
            .map(|(id, i)| {
                let starts = i.state == State::Starting;
                ((starts, i.secrets != secrets, i.order), id.clone())
            })
            .collect();
        alive.sort();
        for (_, id) in alive.into_iter().skip(keep as usize) {
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
        (id, name, uid): (&InstanceId, &RevisionName, &Arc<str>),
        ready: bool,
        secrets: u64,
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
        }
        let instance = Instance {
            revision: name.clone(),
            cost: self.cost(name),
            state: if ready { State::Ready } else { State::Starting },
            order: self.count,
            started: now,
            since: now,
            longest_drain: limit.unwrap_or(LONGEST_DRAIN),
            secrets,
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
                state.failure = None;
            }
        }
        Some(name)
    }

    /// Notes that the revision works, once an instance of it has been ready for as long as it has to.
    fn prove(&mut self, now: Time, name: &RevisionName, out: &mut Vec<Action>) {
        if self.proven_at(name).is_some_and(|at| at <= now)
            && let Some(state) = self.revisions.get_mut(name)
            && !state.was_ready
        {
            state.was_ready = true;
            out.push(Action::Changed(name.clone()));
        }
    }

    /// When the longest ready instance will have shown that the revision works.
    pub(super) fn proven_at(&self, name: &RevisionName) -> Option<Time> {
        let ready = self.instances_of(name);
        let ready = ready.filter(|(_, instance)| instance.state == State::Ready);
        let since = ready.map(|(_, instance)| instance.since).min()?;
        let function = self.functions.get(name.function())?;
        Some(match function.is_candidate(name) {
            true => since.max(function.candidate_since) + function.config.settle,
            false => since,
        })
    }

    pub(super) fn is_candidate(&self, name: &RevisionName) -> bool {
        let function = self.functions.get(name.function());
        function.is_some_and(|function| function.is_candidate(name))
    }

    /// It counts as failed from now on, so that another is started while it is still ended.
    pub(super) fn unresponsive(
        &mut self,
        now: Time,
        id: &InstanceId,
        cause: &Arc<str>,
        answered: bool,
        out: &mut Vec<Action>,
    ) -> Option<RevisionName> {
        let instance = self.instances.get(id).cloned()?;
        if instance.state == State::Stopping {
            return None;
        }
        self.failed(now, &instance, End::Unresponsive, cause, answered);
        self.instances.enter(now, id, State::Stopping);
        let (id, cause) = (id.clone(), cause.clone());
        out.push(Action::Kill { id, cause });
        Some(instance.revision)
    }

    fn failed(
        &mut self,
        now: Time,
        instance: &Instance,
        end: End,
        message: &Arc<str>,
        answered: bool,
    ) {
        let state = self.revisions.get_mut(&instance.revision);
        if let Some(state) = state.filter(|_| instance.state.is_alive()) {
            let was_ready = instance.state == State::Ready;
            if was_ready && now >= instance.since + STABLE {
                state.backoff.worked(instance.started);
            }
            state.backoff.failed(now, instance.started);
            state.failure = Some(message.clone());
            state.unready = if was_ready { 0 } else { state.unready + 1 };
            state.reason = Some(end.as_str(state.unready));
            if was_ready && state.was_ready && end != End::Stopped {
                let message = message.clone();
                state.died.get_or_insert(Death { answered, message });
            }
        }
    }

    pub(super) fn exited(
        &mut self,
        now: Time,
        id: &InstanceId,
        end: End,
        message: &Arc<str>,
    ) -> Option<RevisionName> {
        let instance = self.instances.remove(id)?;
        self.failed(now, &instance, end, message, true);
        Some(instance.revision)
    }
}
