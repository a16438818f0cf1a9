//! One revision at one sidecar: its gates, the hosts that run it elsewhere, and who waits.
//!
//! The shell keeps it behind one short lock. Asking for a permit and queueing happen under
//! the same lock as every change of supply, so no wake-up is lost: capacity that comes free
//! is handed to waiters before anyone else can see it. It forwards nothing, and it knows
//! neither deadlines nor sockets: `E` is the shell's endpoint, `W` its way to wake a waiter.

use std::sync::Arc;
use std::time::Duration;

use crate::balancer::{self, Health, Outcome};
use crate::config::{HoldLimits, Revision};
use crate::gate::Gate;
use crate::hold::{self, Admitted, Bounds, Caller, Class, Hold, Origin, Waiter, WaiterId};
use crate::name::{InstanceId, NodeId};
use crate::time::Time;
use crate::usage::Usage;

/// How many calls may queue per unit of container concurrency; Knative's queue-proxy.
pub const QUEUE_PER_CONCURRENCY: u64 = 10;
/// How long a host that refused is believed to be full unless it says otherwise.
pub const FULL_FOR: Duration = Duration::from_millis(50);

/// Identity of an endpoint within one [`Dispatch`]; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndpointKey(u64);

/// The right to send one call to one endpoint. Must come back through [`Dispatch::release`].
#[derive(Debug)]
pub struct Permit<E> {
    /// Where to.
    pub endpoint: E,
    /// For [`Call::avoid`] and release.
    pub key: EndpointKey,
    /// Whether the endpoint is an instance on this host.
    pub local: bool,
}

/// A call that asks for a permit.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Sync before async.
    pub class: Class,
    /// Decides which endpoints are allowed.
    pub origin: Origin,
    /// For fairness.
    pub caller: Caller,
    /// Bytes kept while it waits.
    pub bytes: u64,
    /// Endpoints that refused or failed it already.
    pub avoid: &'a [EndpointKey],
}

/// Why a call may not even wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// As many wait as may.
    Full(hold::Full),
    /// Forwarded to a host that has no open gate for the revision.
    NoInstance,
    /// No instance can be started; says why.
    Failing(Arc<str>),
    /// The revision is gone.
    Gone,
}

/// What the owner says is coming.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Supply {
    /// Instances on their way up.
    pub starting: u32,
    /// Instances wanted.
    pub desired: u32,
    /// Why none can start.
    pub failure: Option<Arc<str>>,
}

/// What came of giving a permit back.
#[derive(Debug, PartialEq, Eq)]
pub struct Released {
    /// The gate was closed and this was its last call.
    pub drained: Option<InstanceId>,
    /// Another sidecar was refused before and there is room now: tell it.
    pub room_for_peers: bool,
}

#[derive(Debug)]
struct Local<E> {
    id: InstanceId,
    key: EndpointKey,
    gate: Gate,
    health: Health,
    endpoint: E,
}

#[derive(Debug)]
struct Remote<E> {
    node: NodeId,
    key: EndpointKey,
    ready: u32,
    in_flight: u32,
    full_until: Time,
    health: Health,
    endpoint: E,
}

/// Grants made: whom to wake, and with what.
pub type Grants<W, E> = Vec<(Waiter<W>, Permit<E>)>;

/// See the module.
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
    /// Demand; the shell tells it of arrivals, permits and departures.
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
            usage: Usage::default(),
        }
    }

    /// A permit if any allowed endpoint has room now.
    pub fn acquire(&mut self, now: Time, call: &Call<'_>, random: u64) -> Option<Permit<E>> {
        let chosen = self
            .choose(now, call.origin, call.avoid, random, false)
            .or_else(|| self.choose(now, call.origin, call.avoid, random, true))?;
        Some(self.enter(chosen))
    }

    /// Queues a call that [`Dispatch::acquire`] had no permit for.
    ///
    /// Calls from here wait for capacity that may come: up to the hold limits while the
    /// revision can grow, up to 10 x container concurrency of what is there once it can't.
    /// Forwarded calls wait only in the own gates' queue, so that their sidecar can try elsewhere.
    ///
    /// # Errors
    /// Gives `wake` back with the reason.
    pub fn wait(
        &mut self,
        now: Time,
        call: &Call<'_>,
        wake: W,
    ) -> Result<Admitted<W>, (W, Refusal)> {
        if let Some(refusal) = self.refuse(call.origin) {
            return Err((wake, refusal));
        }
        let requests = match call.origin {
            Origin::Peer => u64::MAX,
            Origin::Here if self.can_grow() => u64::from(self.hold_limits.max_requests),
            Origin::Here => self
                .queue_depth(self.ready())
                .min(u64::from(self.hold_limits.max_requests))
                .saturating_add(self.hold.from_peers()),
        };
        let bounds = Bounds {
            requests,
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

    fn refuse(&mut self, origin: Origin) -> Option<Refusal> {
        if origin == Origin::Here {
            let failure = self.supply.failure.clone()?;
            return (self.ready() == 0).then_some(Refusal::Failing(failure));
        }
        let open = self.open_locals();
        if open == 0 {
            return Some(Refusal::NoInstance);
        }
        let full = self.hold.from_peers() >= self.queue_depth(open);
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
        key: EndpointKey,
        outcome: Outcome,
        random: u64,
        grants: &mut Grants<W, E>,
    ) -> Released {
        let mut released = Released {
            drained: None,
            room_for_peers: false,
        };
        if let Some(local) = self.locals.iter_mut().find(|local| local.key == key) {
            local.gate.leave();
            local.health.record(now, outcome);
            released.drained = local.gate.is_drained().then(|| local.id.clone());
        } else if let Some(remote) = self.remotes.iter_mut().find(|remote| remote.key == key) {
            remote.in_flight = remote.in_flight.saturating_sub(1);
            remote.health.record(now, outcome);
        }
        if !self.hold.is_empty() {
            self.grant(now, random, grants);
        }
        released.room_for_peers = self.refused_peer && self.local_room();
        self.refused_peer &= !released.room_for_peers;
        released
    }

    /// The endpoint's own gate refused the call: believed to be full for [`FULL_FOR`].
    pub fn refused(&mut self, now: Time, key: EndpointKey) {
        if let Some(remote) = self.remotes.iter_mut().find(|remote| remote.key == key) {
            remote.full_until = now + FULL_FOR;
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
            health: Health::default(),
            endpoint,
        });
        self.grant(now, random, grants);
    }

    /// Closes an instance's gate. True when no call is inside any more.
    pub fn close_local(&mut self, id: &InstanceId) -> bool {
        match self.locals.iter_mut().find(|local| local.id == *id) {
            Some(local) => {
                local.gate.close();
                local.gate.is_drained()
            }
            None => true,
        }
    }

    /// Forgets an instance that is gone.
    pub fn remove_local(&mut self, id: &InstanceId) -> Option<E> {
        let at = self.locals.iter().position(|local| local.id == *id)?;
        Some(self.locals.swap_remove(at).endpoint)
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
            let local = self.local_room();
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
            let permit = self.enter(chosen);
            grants.push((waiter, permit));
        }
    }

    /// Ready instances anywhere that a call from here can reach.
    #[must_use]
    pub fn ready(&self) -> u32 {
        self.open_locals() + self.remotes.iter().map(|remote| remote.ready).sum::<u32>()
    }

    /// Calls waiting, both classes.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.hold.len()
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

    /// Calls inside each instance on this host.
    pub fn local_in_flight(&self) -> impl Iterator<Item = (&InstanceId, u32)> {
        self.locals
            .iter()
            .map(|local| (&local.id, local.gate.in_flight()))
    }

    fn new_key(&mut self) -> EndpointKey {
        self.next_key += 1;
        EndpointKey(self.next_key)
    }

    fn open_locals(&self) -> u32 {
        self.locals
            .iter()
            .filter(|local| !local.gate.is_closed())
            .count() as u32
    }

    fn local_room(&self) -> bool {
        self.locals.iter().any(|local| local.gate.has_room())
    }

    fn can_grow(&self) -> bool {
        let ready = self.ready();
        ready == 0 || self.max_scale.is_none_or(|max| ready < max)
    }

    fn queue_depth(&self, instances: u32) -> u64 {
        let per_instance = u64::from(self.concurrency.unwrap_or(0)) * QUEUE_PER_CONCURRENCY;
        (per_instance * u64::from(instances)).max(1)
    }

    fn enter(&mut self, chosen: Chosen) -> Permit<E> {
        match chosen {
            Chosen::Local(at) => {
                let local = &mut self.locals[at];
                let entered = local.gate.enter();
                debug_assert!(entered, "chosen without room");
                Permit {
                    endpoint: local.endpoint.clone(),
                    key: local.key,
                    local: true,
                }
            }
            Chosen::Remote(at) => {
                let remote = &mut self.remotes[at];
                remote.in_flight += 1;
                Permit {
                    endpoint: remote.endpoint.clone(),
                    key: remote.key,
                    local: false,
                }
            }
        }
    }

    /// Own host first while it is below the scaling target, then the cheaper of two.
    fn choose(
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
        let local = pick_where(
            &self.locals,
            random,
            |local| local.gate.has_room() && usable(local.key, &local.health),
            |local| local.health.cost(local.gate.in_flight(), 1),
        );
        let comfortable =
            local.is_some_and(|at| self.locals[at].gate.in_flight() < self.soft_target);
        if origin == Origin::Peer || comfortable || self.remotes.is_empty() {
            return local.map(Chosen::Local);
        }
        let remote = pick_where(
            &self.remotes,
            random,
            |remote| self.presumed_room(now, remote) && usable(remote.key, &remote.health),
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
enum Chosen {
    Local(usize),
    Remote(usize),
}

/// Power of two choices among the items that pass, without allocating.
fn pick_where<T>(
    items: &[T],
    random: u64,
    passes: impl Fn(&T) -> bool,
    cost: impl Fn(&T) -> f64,
) -> Option<usize> {
    let nth = |n: usize| {
        items
            .iter()
            .enumerate()
            .filter(|(_, item)| passes(item))
            .nth(n)
            .map(|(at, _)| at)
    };
    let count = items.iter().filter(|item| passes(item)).count();
    if count <= 1 {
        return nth(0);
    }
    let first = (random as u32 as usize) % count;
    let second = (first + 1 + ((random >> 32) as usize) % (count - 1)) % count;
    let pair = [nth(first)?, nth(second)?];
    balancer::pick(&pair, random, |at| cost(&items[at]))
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
