//! The waiting room in front of a revision's gates: held and queued calls.
//!
//! One primitive for both classes, sync before async. Fair between callers: turns go round,
//! and at the bound the caller who holds most loses its newest (longest-queue drop, as in
//! McKenney's stochastic fair queueing, 1990), so a flood only crowds out itself. It does
//! not know gates, endpoints or deadlines: the shell cancels what ran out of time.

use std::collections::{BTreeMap, VecDeque};

use crate::time::Time;

/// Sync calls go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Somebody waits on the line.
    Sync,
    /// From the durable queue.
    Async,
}

/// Where a call came from; decides which gates it may enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// From outside, from a function on this host or from the own queue.
    Here,
    /// Forwarded by another sidecar: only this host's gates.
    Peer,
}

/// Identity of a caller for fairness, for example a hash of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller(pub u64);

/// Handle to a waiting call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaiterId(u64);

/// A waiting call; `W` is what the shell needs to wake it.
#[derive(Debug)]
pub struct Waiter<W> {
    /// Sync calls go before async ones.
    pub class: Class,
    /// Where it came from.
    pub origin: Origin,
    /// Whose it is.
    pub caller: Caller,
    /// Bytes it keeps in memory.
    pub bytes: u64,
    /// When it came.
    pub since: Time,
    /// The shell's handle.
    pub wake: W,
}

/// How much may wait for one revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Waiting calls of the newcomer's origin, both classes.
    pub requests: u64,
    /// Of these the sync ones, when the newcomer is one of them. Async calls don't count:
    /// they wait behind it. May shrink while calls wait.
    pub sync: u64,
    /// Bytes all waiting calls keep.
    pub bytes: u64,
}

/// Which bound refused a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Number of calls.
    Requests,
    /// The bytes that wait.
    Bytes,
}

/// A call that was taken in.
#[derive(Debug)]
pub struct Admitted<W> {
    /// To cancel it by.
    pub id: WaiterId,
    /// Pushed out for it: refuse these.
    pub evicted: Vec<Waiter<W>>,
}

/// Calls pushed out for one newcomer at most; as many small ones may have to go for a large one.
const MAX_EVICTED: usize = 16;

/// Whose turn it can be within a class.
type Turn = (Origin, Caller);

/// Waiting calls of one revision.
#[derive(Debug)]
pub struct Hold<W> {
    waiters: BTreeMap<WaiterId, Waiter<W>>,
    lanes: BTreeMap<(Class, Turn), VecDeque<WaiterId>>,
    turns: [VecDeque<Turn>; 2],
    /// By class and origin.
    counts: [[u64; 2]; 2],
    bytes: u64,
    next_id: u64,
}

impl<W> Default for Hold<W> {
    fn default() -> Self {
        Self {
            waiters: BTreeMap::new(),
            lanes: BTreeMap::new(),
            turns: [VecDeque::new(), VecDeque::new()],
            counts: [[0; 2]; 2],
            bytes: 0,
            next_id: 0,
        }
    }
}

impl<W> Hold<W> {
    /// Takes a call in, behind its caller's other calls.
    ///
    /// At a bound, the newest call of the caller who holds most is pushed out and returned,
    /// if that caller would still hold more than the newcomer's; async calls give way to sync
    /// ones whoever holds them. One out for one in also where more wait than the bound allows
    /// by now, so that it is the flood that loses when the bound shrinks.
    ///
    /// # Errors
    /// Gives the call back with the bound it met.
    pub fn push(
        &mut self,
        waiter: Waiter<W>,
        bounds: Bounds,
    ) -> Result<Admitted<W>, (Waiter<W>, Full)> {
        let victims = match self.victims(&waiter, bounds) {
            Ok(victims) => victims,
            Err(full) => return Err((waiter, full)),
        };
        let evicted = victims.into_iter().filter_map(|id| self.remove(id));
        Ok(Admitted {
            evicted: evicted.collect(),
            id: self.insert(waiter),
        })
    }

    /// Who has to go for a newcomer; nobody while there is room.
    fn victims(&self, newcomer: &Waiter<W>, bounds: Bounds) -> Result<Vec<WaiterId>, Full> {
        let (class, origin) = (newcomer.class, newcomer.origin);
        let count = |class| self.waiting(class, origin);
        let crowded = class == Class::Sync && count(Class::Sync) >= bounds.sync;
        let full = crowded || count(Class::Sync) + count(Class::Async) >= bounds.requests;
        let bytes = self.bytes.saturating_add(newcomer.bytes);
        let mut excess = bytes.saturating_sub(bounds.bytes);
        if !full && excess == 0 {
            return Ok(Vec::new());
        }
        let may_go = |other: Class| other == class || (other > class && !crowded);
        let mut lanes: Vec<_> = self
            .lanes
            .iter()
            .filter(|((other, (from, _)), _)| *from == origin && may_go(*other))
            .map(|((class, _), lane)| (*class, lane.len(), lane))
            .collect();
        let own = (class, (origin, newcomer.caller));
        let own = self.lanes.get(&own).map_or(0, VecDeque::len);
        let mut victims = Vec::new();
        while excess > 0 || (full && victims.is_empty()) {
            let longest = lanes
                .iter_mut()
                .max_by_key(|(class, len, _)| (*class, *len));
            let victim = longest
                .filter(|(other, len, _)| *len > if *other > class { 0 } else { own + 1 })
                .filter(|_| victims.len() < MAX_EVICTED)
                .and_then(|(_, len, lane)| {
                    *len -= 1;
                    lane.get(*len).copied()
                });
            let Some(victim) = victim else {
                return Err(if full { Full::Requests } else { Full::Bytes });
            };
            let freed = self.waiters.get(&victim).map_or(0, |waiter| waiter.bytes);
            excess = excess.saturating_sub(freed);
            victims.push(victim);
        }
        Ok(victims)
    }

    fn insert(&mut self, waiter: Waiter<W>) -> WaiterId {
        let id = WaiterId(self.next_id);
        self.next_id += 1;
        let turn = (waiter.origin, waiter.caller);
        let lane = self.lanes.entry((waiter.class, turn)).or_default();
        if lane.is_empty() {
            self.turns[waiter.class as usize].push_back(turn);
        }
        lane.push_back(id);
        self.counts[waiter.class as usize][waiter.origin as usize] += 1;
        self.bytes += waiter.bytes;
        self.waiters.insert(id, waiter);
        id
    }

    /// The next call by class and turn; `peers_too` is whether a local gate has room.
    pub fn pop(&mut self, peers_too: bool) -> Option<Waiter<W>> {
        for class in [Class::Sync, Class::Async] {
            let turns = &mut self.turns[class as usize];
            let next = turns
                .iter()
                .position(|(origin, _)| peers_too || *origin == Origin::Here);
            let Some(turn) = next.and_then(|at| turns.remove(at)) else {
                continue;
            };
            turns.push_back(turn);
            let lane = self.lanes.get(&(class, turn));
            if let Some(&id) = lane.and_then(VecDeque::front) {
                return self.remove(id);
            }
        }
        None
    }

    /// Takes a call out: cancelled, timed out, or chosen.
    pub fn remove(&mut self, id: WaiterId) -> Option<Waiter<W>> {
        let waiter = self.waiters.remove(&id)?;
        let class = waiter.class as usize;
        let turn = (waiter.origin, waiter.caller);
        let key = (waiter.class, turn);
        if let Some(lane) = self.lanes.get_mut(&key) {
            if let Some(at) = lane.iter().position(|other| *other == id) {
                lane.remove(at);
            }
            if lane.is_empty() {
                self.lanes.remove(&key);
                self.turns[class].retain(|other| *other != turn);
            }
        }
        self.counts[class][waiter.origin as usize] -= 1;
        self.bytes -= waiter.bytes;
        Some(waiter)
    }

    /// Takes out every call, oldest first.
    pub fn drain(&mut self) -> Vec<Waiter<W>> {
        let ids: Vec<_> = self.waiters.keys().copied().collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Takes out every call that another sidecar forwarded, oldest first.
    pub fn drain_peers(&mut self) -> Vec<Waiter<W>> {
        let waiters = self.waiters.iter();
        let peers = waiters.filter(|(_, waiter)| waiter.origin == Origin::Peer);
        let ids: Vec<_> = peers.map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// How many calls wait.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.waiters.len() as u64
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Calls waiting of one class and origin.
    #[must_use]
    pub fn waiting(&self, class: Class, origin: Origin) -> u64 {
        self.counts[class as usize][origin as usize]
    }

    /// Calls waiting that came from other sidecars.
    #[must_use]
    pub fn from_peers(&self) -> u64 {
        self.waiting(Class::Sync, Origin::Peer) + self.waiting(Class::Async, Origin::Peer)
    }

    /// Bytes kept by waiting calls.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Calls that ever came to wait.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.next_id
    }

    /// When the oldest came.
    #[must_use]
    pub fn oldest(&self) -> Option<Time> {
        self.waiters.values().next().map(|waiter| waiter.since)
    }
}

/// Whether a function holding `own` may hold one more of size `more`, when all together
/// hold `total` of `limit`.
///
/// Dynamic threshold (Choudhury and Hahne, 1998): nobody may hold more than what is still
/// free, so a flood leaves half of the room to others, and two floods a third.
#[must_use]
pub fn fair_share(limit: u64, total: u64, own: u64, more: u64) -> bool {
    let free = limit.saturating_sub(total);
    more <= free && own.saturating_add(more) <= free
}

#[cfg(test)]
mod tests;
