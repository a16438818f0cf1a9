//! Which endpoint a call goes to. It changes counts only through gates; who waits is decided
//! in the parent.

use super::types::Taken;
use super::{Dispatch, EndpointKey, Pass, Permit};
use crate::balancer::{Health, pick};
use crate::gate::Gate;
use crate::hold::Origin;
use crate::liveness::Standing;
use crate::name::{InstanceId, NodeId};
use crate::time::Time;

#[derive(Debug)]
pub(super) struct Local<E> {
    pub(super) id: InstanceId,
    pub(super) key: EndpointKey,
    pub(super) gate: Gate,
    /// Of those inside.
    pub(super) probes: u32,
    /// Could not be reached; tried again then.
    pub(super) rests_until: Time,
    /// What its silence makes of it.
    pub(super) standing: Standing,
    pub(super) health: Health,
    pub(super) endpoint: E,
}

#[derive(Debug)]
pub(super) struct Remote<E> {
    pub(super) node: NodeId,
    pub(super) key: EndpointKey,
    pub(super) ready: u32,
    pub(super) in_flight: u32,
    pub(super) full_until: Time,
    /// It does not answer: taken only when nothing else can be.
    pub(super) silent: bool,
    pub(super) health: Health,
    pub(super) endpoint: E,
}

impl<E> Local<E> {
    pub(super) fn has_room(&self, now: Time) -> bool {
        self.is_open() && self.gate.has_room() && now >= self.rests_until
    }

    /// Calls inside.
    pub(super) fn calls(&self) -> u32 {
        self.gate.in_flight().saturating_sub(self.probes)
    }

    /// Takes calls, if not at this moment.
    pub(super) fn is_open(&self) -> bool {
        !self.gate.is_closed() && self.standing != Standing::Shut
    }
}

impl<W, E: Clone> Dispatch<W, E> {
    /// A place for a probe: it takes one as a call does, so that the concurrency limit holds for both. `None` when
    /// there is none, or no such instance.
    pub fn probe(&mut self, id: &InstanceId) -> Option<Permit<E>> {
        let local = self.locals.iter_mut().find(|local| local.id == *id)?;
        if !local.gate.enter() {
            return None;
        }
        local.probes += 1;
        Some(Permit {
            endpoint: local.endpoint.clone(),
            pass: Pass {
                key: local.key,
                taken: Taken::Probe,
            },
            local: true,
        })
    }

    pub(super) fn enter(&mut self, now: Time, origin: Origin, chosen: Chosen) -> Permit<E> {
        let taken = match origin {
            Origin::Here => {
                self.usage.enter(now);
                Taken::Call(now)
            }
            Origin::Peer => Taken::Forwarded,
        };
        let pass = |key| Pass { key, taken };
        match chosen {
            Chosen::Local(at) => {
                let local = &mut self.locals[at];
                let inside = local.gate.enter();
                debug_assert!(inside, "chosen without room");
                Permit {
                    endpoint: local.endpoint.clone(),
                    pass: pass(local.key),
                    local: true,
                }
            }
            Chosen::Remote(at) => {
                let remote = &mut self.remotes[at];
                remote.in_flight += 1;
                Permit {
                    endpoint: remote.endpoint.clone(),
                    pass: pass(remote.key),
                    local: false,
                }
            }
        }
    }

    /// Own host first while it is below the scaling target, then the cheaper of two.
    pub(super) fn choose(
        &self,
        now: Time,
        origin: Origin,
        avoid: &[EndpointKey],
        random: u64,
        ejected_too: bool,
    ) -> Option<Chosen> {
        let usable = |key: EndpointKey, health: &Health| {
            !avoid.contains(&key) && (ejected_too || !health.is_ejected(now))
        };
        // One that may do nothing any more is better waited for, unless there is no other.
        let suspects_too = ejected_too && !self.has_trusted(origin);
        let local = pick(
            &self.locals,
            random,
            |local| {
                let trusted = suspects_too || local.standing == Standing::Serving;
                trusted && local.has_room(now) && usable(local.key, &local.health)
            },
            |local| local.health.cost(local.gate.in_flight(), 1),
        );
        let comfortable =
            local.is_some_and(|at| self.locals[at].gate.in_flight() < self.soft_target);
        if origin == Origin::Peer || comfortable || self.remotes.is_empty() {
            return local.map(Chosen::Local);
        }
        let remote = pick(
            &self.remotes,
            random,
            |remote| {
                let heard = ejected_too || !remote.silent;
                heard && self.presumed_room(now, remote) && usable(remote.key, &remote.health)
            },
            |remote| remote.health.cost(remote.in_flight, remote.ready),
        );
        match (local, remote) {
            (Some(local), Some(remote)) => {
                let (here, there) = (&self.locals[local], &self.remotes[remote]);
                let here = here.health.cost(here.gate.in_flight(), 1);
                let there = there.health.cost(there.in_flight, there.ready);
                Some(if there < here {
                    Chosen::Remote(remote)
                } else {
                    Chosen::Local(local)
                })
            }
            (local, remote) => local.map(Chosen::Local).or(remote.map(Chosen::Remote)),
        }
    }

    /// Whether any endpoint that a call may take answers, full or not.
    fn has_trusted(&self, origin: Origin) -> bool {
        let serves = |local: &Local<E>| local.is_open() && local.standing == Standing::Serving;
        let answers = |remote: &Remote<E>| remote.ready > 0 && !remote.silent;
        let elsewhere = origin == Origin::Here && self.remotes.iter().any(answers);
        elsewhere || self.locals.iter().any(serves)
    }

    fn presumed_room(&self, now: Time, remote: &Remote<E>) -> bool {
        let limit = self
            .concurrency
            .map(|limit| limit.saturating_mul(remote.ready));
        remote.ready > 0
            && now >= remote.full_until
            && limit.is_none_or(|limit| remote.in_flight < limit)
    }
}

#[derive(Clone, Copy)]
pub(super) enum Chosen {
    Local(usize),
    Remote(usize),
}
