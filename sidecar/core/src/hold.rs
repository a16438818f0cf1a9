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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Its class.
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

/// Bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Waiting calls.
    pub requests: u64,
    /// Bytes they keep.
    pub bytes: u64,
}

/// Which bound refused a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Number of calls.
    Requests,
    /// Bytes.
    Bytes,
}

/// A call that was taken in.
#[derive(Debug)]
pub struct Admitted<W> {
    /// To cancel it by.
    pub id: WaiterId,
    /// Pushed out for it: refuse that one.
    pub evicted: Option<Waiter<W>>,
}

type Lane = (Class, Caller);

/// Waiting calls of one revision.
#[derive(Debug)]
pub struct Hold<W> {
    waiters: BTreeMap<WaiterId, Waiter<W>>,
    lanes: BTreeMap<Lane, VecDeque<WaiterId>>,
    turns: [VecDeque<Caller>; 2],
    per_class: [u64; 2],
    peers: u64,
    bytes: u64,
    next_id: u64,
}

impl<W> Default for Hold<W> {
    fn default() -> Self {
        Self {
            waiters: BTreeMap::new(),
            lanes: BTreeMap::new(),
            turns: [VecDeque::new(), VecDeque::new()],
            per_class: [0; 2],
            peers: 0,
            bytes: 0,
            next_id: 0,
        }
    }
}

impl<W> Hold<W> {
    /// Takes a call in, behind its caller's other calls.
    ///
    /// At a bound, the newest call of the caller who holds most is pushed out and returned,
    /// if that caller would still hold more than the newcomer's.
    ///
    /// # Errors
    /// Gives the call back with the bound it met.
    pub fn push(
        &mut self,
        waiter: Waiter<W>,
        bounds: Bounds,
    ) -> Result<Admitted<W>, (Waiter<W>, Full)> {
        let mut evicted = None;
        if let Some(full) = self.exceeds(&waiter, bounds) {
            match self.victim_for(&waiter) {
                Some(id) => {
                    evicted = self.remove(id);
                    // One out may not make room enough for a larger one.
                    if let Some(full) = self.exceeds(&waiter, bounds) {
                        if let Some(back) = evicted.take() {
                            self.insert(back);
                        }
                        return Err((waiter, full));
                    }
                }
                None => return Err((waiter, full)),
            }
        }
        Ok(Admitted {
            id: self.insert(waiter),
            evicted,
        })
    }

    fn exceeds(&self, waiter: &Waiter<W>, bounds: Bounds) -> Option<Full> {
        if self.waiters.len() as u64 >= bounds.requests {
            Some(Full::Requests)
        } else if self.bytes.saturating_add(waiter.bytes) > bounds.bytes {
            Some(Full::Bytes)
        } else {
            None
        }
    }

    /// Async calls give way to sync ones; within a class the longest lane does.
    fn victim_for(&self, newcomer: &Waiter<W>) -> Option<WaiterId> {
        let own = self
            .lanes
            .get(&(newcomer.class, newcomer.caller))
            .map_or(0, VecDeque::len);
        self.lanes
            .iter()
            .filter(|((class, _), _)| *class >= newcomer.class)
            .max_by_key(|((class, _), lane)| (*class, lane.len()))
            .filter(|((class, _), lane)| *class > newcomer.class || lane.len() > own + 1)
            .and_then(|(_, lane)| lane.back().copied())
    }

    fn insert(&mut self, waiter: Waiter<W>) -> WaiterId {
        let id = WaiterId(self.next_id);
        self.next_id += 1;
        let class = waiter.class as usize;
        let lane = self.lanes.entry((waiter.class, waiter.caller)).or_default();
        if lane.is_empty() {
            self.turns[class].push_back(waiter.caller);
        }
        lane.push_back(id);
        self.per_class[class] += 1;
        self.peers += u64::from(waiter.origin == Origin::Peer);
        self.bytes += waiter.bytes;
        self.waiters.insert(id, waiter);
        id
    }

    /// The next call by class and turn; `peers_too` is whether a local gate has room.
    pub fn pop(&mut self, peers_too: bool) -> Option<Waiter<W>> {
        for class in [Class::Sync, Class::Async] {
            for _ in 0..self.turns[class as usize].len() {
                let Some(caller) = self.turns[class as usize].pop_front() else {
                    break;
                };
                let Some(&id) = self.lanes.get(&(class, caller)).and_then(VecDeque::front) else {
                    continue;
                };
                self.turns[class as usize].push_back(caller);
                let fits = peers_too
                    || self
                        .waiters
                        .get(&id)
                        .is_some_and(|waiter| waiter.origin == Origin::Here);
                if fits {
                    return self.remove(id);
                }
            }
        }
        None
    }

    /// Takes a call out: cancelled, timed out, or chosen.
    pub fn remove(&mut self, id: WaiterId) -> Option<Waiter<W>> {
        let waiter = self.waiters.remove(&id)?;
        let class = waiter.class as usize;
        let key = (waiter.class, waiter.caller);
        if let Some(lane) = self.lanes.get_mut(&key) {
            if let Some(at) = lane.iter().position(|other| *other == id) {
                lane.remove(at);
            }
            if lane.is_empty() {
                self.lanes.remove(&key);
                self.turns[class].retain(|caller| *caller != waiter.caller);
            }
        }
        self.per_class[class] -= 1;
        self.peers -= u64::from(waiter.origin == Origin::Peer);
        self.bytes -= waiter.bytes;
        Some(waiter)
    }

    /// Takes out every call, oldest first.
    pub fn drain(&mut self) -> Vec<Waiter<W>> {
        let ids: Vec<_> = self.waiters.keys().copied().collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Calls waiting.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.waiters.len() as u64
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Calls waiting that came from other sidecars.
    #[must_use]
    pub fn from_peers(&self) -> u64 {
        self.peers
    }

    /// Calls waiting of one class.
    #[must_use]
    pub fn of_class(&self, class: Class) -> u64 {
        self.per_class[class as usize]
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOMY: Bounds = Bounds {
        requests: 1_000,
        bytes: u64::MAX,
    };

    fn waiter(class: Class, caller: u64, wake: u32) -> Waiter<u32> {
        Waiter {
            class,
            origin: Origin::Here,
            caller: Caller(caller),
            bytes: 1,
            since: Time::ZERO,
            wake,
        }
    }

    fn order(hold: &mut Hold<u32>) -> Vec<u32> {
        std::iter::from_fn(|| hold.pop(true))
            .map(|waiter| waiter.wake)
            .collect()
    }

    #[test]
    fn callers_take_turns_and_sync_goes_first() {
        let mut hold = Hold::default();
        for (class, caller, wake) in [
            (Class::Async, 9, 90),
            (Class::Sync, 1, 10),
            (Class::Sync, 1, 11),
            (Class::Sync, 1, 12),
            (Class::Sync, 2, 20),
        ] {
            assert!(hold.push(waiter(class, caller, wake), ROOMY).is_ok());
        }
        assert_eq!(order(&mut hold), [10, 20, 11, 12, 90]);
    }

    #[test]
    fn flood_loses_its_newest_to_another_caller() {
        let mut hold = Hold::default();
        let bounds = Bounds {
            requests: 3,
            bytes: u64::MAX,
        };
        for wake in 0..3 {
            assert!(hold.push(waiter(Class::Sync, 1, wake), bounds).is_ok());
        }
        assert!(
            hold.push(waiter(Class::Sync, 1, 3), bounds).is_err(),
            "its own flood is refused"
        );
        let evicted = hold
            .push(waiter(Class::Sync, 2, 20), bounds)
            .unwrap()
            .evicted
            .unwrap();
        assert_eq!(evicted.wake, 2);
        assert!(
            hold.push(waiter(Class::Sync, 2, 21), bounds).is_err(),
            "equal shares are kept"
        );
    }

    #[test]
    fn peers_wait_until_a_local_gate_has_room() {
        let mut hold = Hold::default();
        let mut forwarded = waiter(Class::Sync, 1, 1);
        forwarded.origin = Origin::Peer;
        assert!(hold.push(forwarded, ROOMY).is_ok());
        assert!(hold.push(waiter(Class::Sync, 2, 2), ROOMY).is_ok());
        assert_eq!(hold.pop(false).map(|w| w.wake), Some(2));
        assert_eq!(hold.pop(false).map(|w| w.wake), None);
        assert_eq!(hold.pop(true).map(|w| w.wake), Some(1));
    }

    #[test]
    fn one_function_leaves_room_for_the_next() {
        let mut flood = 0;
        while fair_share(1_000, flood, flood, 1) {
            flood += 1;
        }
        assert_eq!(flood, 500);
        assert!(fair_share(1_000, flood, 0, 1));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_counted_twice(
            steps in proptest::collection::vec((0..4_u8, 0..3_u64, 0..2_u8), 1..200)
        ) {
            let mut hold = Hold::default();
            let bounds = Bounds { requests: 8, bytes: 8 };
            let (mut inside, mut wake) = (std::collections::BTreeSet::new(), 0);
            for (step, caller, class) in steps {
                let class = if class == 0 { Class::Sync } else { Class::Async };
                if step < 3 {
                    wake += 1;
                    if let Ok(Admitted { evicted, .. }) = hold.push(waiter(class, caller, wake), bounds) {
                        inside.insert(wake);
                        if let Some(out) = evicted {
                            prop_assert!(inside.remove(&out.wake));
                        }
                    }
                } else if let Some(out) = hold.pop(true) {
                    prop_assert!(inside.remove(&out.wake));
                }
                prop_assert_eq!(hold.len(), inside.len() as u64);
                prop_assert_eq!(hold.bytes(), inside.len() as u64);
                prop_assert!(hold.len() <= bounds.requests);
            }
            let rest: std::collections::BTreeSet<_> = order(&mut hold).into_iter().collect();
            prop_assert_eq!(rest, inside);
            prop_assert!(hold.is_empty() && hold.lanes.is_empty());
        }
    }
}
