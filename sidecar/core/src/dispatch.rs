//! One revision at one sidecar: its gates, the hosts that run it elsewhere, and who waits.
//!
//! The shell keeps it behind one short lock. Asking for a permit and queueing happen under
//! the same lock as every change of supply, so no wake-up is lost: capacity that comes free
//! is handed to waiters before anyone else can see it. It forwards nothing, and it knows
//! neither deadlines nor sockets: `E` is the shell's endpoint, `W` its way to wake a waiter.

mod choose;
mod types;

use std::time::Duration;

use crate::balancer::{Health, Outcome};
use crate::config::{HoldLimits, Revision};
use crate::gate::Gate;
use crate::hold::{self, Admitted, Bounds, Class, Hold, Origin, Waiter, WaiterId};
use crate::liveness::Standing;
use crate::name::{InstanceId, NodeId};
use crate::retry::Budget;
use crate::time::Time;
use crate::usage::Usage;
use choose::{Local, Remote};
use types::Taken;

pub use types::{Call, EndpointKey, Pass, Permit, Refusal, Released, Supply};

/// How many calls may queue per unit of container concurrency; Knative's queue-proxy.
pub const QUEUE_PER_CONCURRENCY: u64 = 10;
/// Retries a second that even a function with hardly any calls may make.
pub const RETRIES_PER_SECOND: u32 = 1;
/// How long a host that refused is believed to be full unless it says otherwise.
pub const FULL_FOR: Duration = Duration::from_millis(50);

/// Grants made: whom to wake, and with what.
pub type Grants<W, E> = Vec<(Waiter<W>, Permit<E>)>;

/// The endpoints, gates and waiting calls of one revision on one sidecar.
#[derive(Debug)]
pub struct Dispatch<W, E> {
    concurrency: Option<u32>,
    soft_target: u32,
    max_scale: Option<u32>,
    hold_limits: HoldLimits,
    locals: Vec<Local<E>>,
    remotes: Vec<Remote<E>>,
    hold: Hold<W>,
    supply: Supply,
    refused_peer: bool,
    next_key: u64,
    /// Retries of calls from here.
    pub budget: Budget,
    /// Demand of calls from here.
    pub usage: Usage,
}

impl<W, E: Clone> Dispatch<W, E> {
    /// Nothing ready, nobody waiting.
    #[must_use]
    pub fn new(revision: &Revision) -> Self {
        let scaling = &revision.scaling;
        let soft = scaling.target * scaling.target_utilization_percent / 100.0;
        Self {
            concurrency: revision
                .limits
                .container_concurrency
                .filter(|limit| *limit > 0),
            soft_target: (soft as u32).max(1),
            max_scale: scaling.max_scale,
            hold_limits: revision.hold,
            locals: Vec::new(),
            remotes: Vec::new(),
            hold: Hold::default(),
            supply: Supply::default(),
            refused_peer: false,
            next_key: 0,
            budget: Budget::new(revision.retries.budget_percent, RETRIES_PER_SECOND),
            usage: Usage::default(),
        }
    }

    /// A permit if any allowed endpoint has room now.
    pub fn acquire(&mut self, now: Time, call: &Call<'_>, random: u64) -> Option<Permit<E>> {
        if call.origin == Origin::Here && !call.again {
            self.usage.arrive();
            self.budget.request(now);
        }
        let chosen = self
            .choose(now, call.origin, call.avoid, random, false)
            .or_else(|| self.choose(now, call.origin, call.avoid, random, true))?;
        Some(self.enter(now, call.origin, chosen))
    }

    /// Queues a call that [`Dispatch::acquire`] had no permit for.
    ///
    /// Calls from here wait for capacity that may come: up to the hold limits while the
    /// revision can grow, sync ones up to 10 x container concurrency of what is there once it
    /// can't: beyond that their callers would rather know. Forwarded calls wait only in the own
    /// gates' queue, so that their sidecar can try elsewhere.
    ///
    /// # Errors
    /// Gives `wake` back with the reason.
    pub fn wait(
        &mut self,
        now: Time,
        call: &Call<'_>,
        wake: W,
    ) -> Result<Admitted<W>, (W, Refusal)> {
        if let Some(refusal) = self.refuse(call.class, call.origin) {
            return Err((wake, refusal));
        }
        let (requests, sync) = match call.origin {
            Origin::Peer => (u64::MAX, u64::MAX),
            Origin::Here => (
                u64::from(self.hold_limits.max_requests),
                if self.can_grow() {
                    u64::MAX
                } else {
                    self.queue_depth(self.ready())
                },
            ),
        };
        let bounds = Bounds {
            requests,
            sync,
            bytes: self.hold_limits.max_bytes,
        };
        let waiter = Waiter {
            class: call.class,
            origin: call.origin,
            caller: call.caller,
            bytes: call.bytes,
            since: now,
            wake,
        };
        self.hold
            .push(waiter, bounds)
            .map_err(|(waiter, full)| (waiter.wake, Refusal::Full(full)))
    }

    fn refuse(&mut self, class: Class, origin: Origin) -> Option<Refusal> {
        if origin == Origin::Here {
            let failure = self.supply.failure.clone()?;
            return (self.ready() == 0).then_some(Refusal::Failing(failure));
        }
        let open = self.open_locals();
        if open == 0 {
            return Some(Refusal::NoInstance);
        }
        let ahead = match class {
            Class::Sync => self.hold.waiting(Class::Sync, Origin::Peer),
            Class::Async => self.hold.from_peers(),
        };
        let full = ahead >= self.queue_depth(open);
        self.refused_peer |= full;
        full.then_some(Refusal::Full(hold::Full::Requests))
    }

    /// Takes a waiting call out; `None` when it was granted or evicted meanwhile.
    pub fn cancel(&mut self, id: WaiterId) -> Option<Waiter<W>> {
        self.hold.remove(id)
    }

    /// Gives a permit back and hands freed room to waiters.
    pub fn release(
        &mut self,
        now: Time,
        pass: Pass,
        outcome: Outcome,
        random: u64,
        grants: &mut Grants<W, E>,
    ) -> Released {
        let mut released = Released::default();
        let Pass { key, taken } = pass;
        if let Taken::Call(entered) = taken {
            self.usage.leave(now, entered);
        }
        if let Some(local) = self.locals.iter_mut().find(|local| local.key == key) {
            local.gate.leave();
            local.probes -= u32::from(taken == Taken::Probe);
            local.health.record(now, outcome);
            released.drained = local.gate.is_drained().then(|| local.id.clone());
        } else if let Some(remote) = self.remotes.iter_mut().find(|remote| remote.key == key) {
            remote.in_flight = remote.in_flight.saturating_sub(1);
            remote.health.record(now, outcome);
        }
        if !self.hold.is_empty() {
            self.grant(now, random, grants);
        }
        released.room_for_peers = self.refused_peer && self.local_room(now);
        self.refused_peer &= !released.room_for_peers;
        released
    }

    /// The endpoint's own gate refused the call, or nobody was there: no call for [`FULL_FOR`].
    pub fn refused(&mut self, now: Time, key: EndpointKey) {
        if let Some(remote) = self.remotes.iter_mut().find(|remote| remote.key == key) {
            remote.full_until = now + FULL_FOR;
        } else if let Some(local) = self.locals.iter_mut().find(|local| local.key == key) {
            local.rests_until = now + FULL_FOR;
        }
    }

    /// A host that refused says that it has room again.
    pub fn room(&mut self, now: Time, node: &NodeId, random: u64, grants: &mut Grants<W, E>) {
        for remote in self
            .remotes
            .iter_mut()
            .filter(|remote| remote.node == *node)
        {
            remote.full_until = Time::ZERO;
        }
        self.grant(now, random, grants);
    }

    /// A host does not answer this one, or does again. Its instances count for nothing meanwhile.
    pub fn silence(
        &mut self,
        now: Time,
        node: &NodeId,
        silent: bool,
        random: u64,
        grants: &mut Grants<W, E>,
    ) {
        let changed = |remote: &&mut Remote<E>| remote.node == *node && remote.silent != silent;
        for remote in self.remotes.iter_mut().filter(changed) {
            remote.silent = silent;
            remote.full_until = Time::ZERO;
        }
        self.grant(now, random, grants);
    }

    /// An instance on this host is ready.
    pub fn add_local(
        &mut self,
        now: Time,
        id: InstanceId,
        endpoint: E,
        random: u64,
        grants: &mut Grants<W, E>,
    ) {
        if self.locals.iter().any(|local| local.id == id) {
            return;
        }
        let key = self.new_key();
        let gate = Gate::new(self.concurrency);
        self.locals.push(Local {
            id,
            key,
            gate,
            probes: 0,
            rests_until: Time::ZERO,
            standing: Standing::Serving,
            health: Health::default(),
            endpoint,
        });
        self.grant(now, random, grants);
    }

    /// What an instance's silence makes of it, from now on. Says whom to turn away.
    pub fn stand(
        &mut self,
        now: Time,
        id: &InstanceId,
        standing: Standing,
        random: u64,
        grants: &mut Grants<W, E>,
    ) -> Vec<Waiter<W>> {
        let Some(local) = self.locals.iter_mut().find(|local| local.id == *id) else {
            return Vec::new();
        };
        local.standing = standing;
        self.grant(now, random, grants);
        self.strand_peers()
    }

    /// Closes an instance's gate. Says whether no call is inside any more, and whom to turn away.
    pub fn close_local(&mut self, id: &InstanceId) -> (bool, Vec<Waiter<W>>) {
        let local = self.locals.iter_mut().find(|local| local.id == *id);
        let drained = local.is_none_or(|local| {
            local.gate.close();
            local.gate.is_drained()
        });
        (drained, self.strand_peers())
    }

    /// Forgets an instance that is gone. Says whom to turn away.
    pub fn remove_local(&mut self, id: &InstanceId) -> Vec<Waiter<W>> {
        self.locals.retain(|local| local.id != *id);
        self.strand_peers()
    }

    /// Forwarded calls wait for this host's gates alone: with none open their sidecars must try elsewhere.
    fn strand_peers(&mut self) -> Vec<Waiter<W>> {
        match self.open_locals() {
            0 => self.hold.drain_peers(),
            _ => Vec::new(),
        }
    }

    /// Replaces the list of other hosts; what is known of one that stays, stays.
    pub fn set_remotes(
        &mut self,
        now: Time,
        hosts: Vec<(NodeId, u32, E)>,
        random: u64,
        grants: &mut Grants<W, E>,
    ) {
        let mut old = std::mem::take(&mut self.remotes);
        for (node, ready, endpoint) in hosts {
            let known = old.iter().position(|remote| remote.node == node);
            let remote = match known.map(|at| old.swap_remove(at)) {
                Some(known) => {
                    let more = ready > known.ready;
                    let full_until = if more { Time::ZERO } else { known.full_until };
                    Remote {
                        ready,
                        endpoint,
                        full_until,
                        ..known
                    }
                }
                None => Remote {
                    node,
                    key: self.new_key(),
                    ready,
                    in_flight: 0,
                    full_until: Time::ZERO,
                    silent: false,
                    health: Health::default(),
                    endpoint,
                },
            };
            self.remotes.push(remote);
        }
        self.grant(now, random, grants);
    }

    /// Learns what is coming. Returns whom to turn away, because nothing is.
    pub fn set_supply(&mut self, supply: Supply) -> Vec<Waiter<W>> {
        self.supply = supply;
        let hopeless = self.supply.failure.is_some() && self.ready() == 0;
        if hopeless {
            self.hold.drain()
        } else {
            Vec::new()
        }
    }

    /// Takes every waiting call out, because the revision is gone.
    pub fn turn_away(&mut self) -> Vec<Waiter<W>> {
        self.hold.drain()
    }

    /// Looks again for waiters, as after [`FULL_FOR`] or an ejection ran out.
    pub fn grant(&mut self, now: Time, random: u64, grants: &mut Grants<W, E>) {
        let mut random = random;
        while !self.hold.is_empty() {
            let local = self.local_room(now);
            let origin = if local { Origin::Peer } else { Origin::Here };
            let possible = self.choose(now, origin, &[], random, true).is_some();
            let Some(waiter) = possible.then(|| self.hold.pop(local)).flatten() else {
                break;
            };
            let chosen = self
                .choose(now, waiter.origin, &[], random, false)
                .or_else(|| self.choose(now, waiter.origin, &[], random, true));
            let Some(chosen) = chosen else { break };
            random = random.rotate_left(17).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let permit = self.enter(now, waiter.origin, chosen);
            grants.push((waiter, permit));
        }
    }

    /// Ready instances anywhere that a call from here can reach.
    #[must_use]
    pub fn ready(&self) -> u32 {
        let remotes = self.remotes.iter().filter(|remote| !remote.silent);
        self.open_locals() + remotes.map(|remote| remote.ready).sum::<u32>()
    }

    /// Calls waiting, both classes.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.hold.len()
    }

    /// Calls waiting that no other sidecar counts: demand. A forwarded call is in flight
    /// where it came in, also while it waits at this host's gates.
    #[must_use]
    pub fn held_here(&self) -> u64 {
        self.hold.len().saturating_sub(self.hold.from_peers())
    }

    /// Calls that ever came to wait.
    #[must_use]
    pub fn waited(&self) -> u64 {
        self.hold.total()
    }

    /// Bytes kept by waiting calls.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.hold.bytes()
    }

    /// When the oldest waiting call came.
    #[must_use]
    pub fn oldest_held(&self) -> Option<Time> {
        self.hold.oldest()
    }

    /// Each instance on this host, and the calls inside.
    pub fn locals(&self) -> impl Iterator<Item = (&InstanceId, u32, &E)> {
        let locals = self.locals.iter();
        locals.map(|local| (&local.id, local.calls(), &local.endpoint))
    }

    fn new_key(&mut self) -> EndpointKey {
        self.next_key += 1;
        EndpointKey(self.next_key)
    }

    fn open_locals(&self) -> u32 {
        self.locals.iter().filter(|local| local.is_open()).count() as u32
    }

    fn local_room(&self, now: Time) -> bool {
        self.locals.iter().any(|local| local.has_room(now))
    }

    fn can_grow(&self) -> bool {
        let ready = self.ready();
        ready == 0 || self.max_scale.is_none_or(|max| ready < max)
    }

    /// Calls that may wait in front of so many instances. Without a limit none waits for another to end, but for an
    /// instance that can be reached: then the hold limits alone count.
    fn queue_depth(&self, instances: u32) -> u64 {
        let Some(concurrency) = self.concurrency else {
            return u64::from(self.hold_limits.max_requests);
        };
        let per_instance = u64::from(concurrency) * QUEUE_PER_CONCURRENCY;
        (per_instance * u64::from(instances)).max(1)
    }
}

#[cfg(test)]
mod tests;
