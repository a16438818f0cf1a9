//! What the local queue keeps in memory: every call that isn't finished, by what is due, and who holds a lease.
//!
//! Rebuilt from disk at start. Calls are changed by the writer thread only, together with the batch it
//! is about to commit; when that commit fails they are rebuilt, and leases stay. What is put in is not given out
//! before [`Index::enqueue`], after the commit. Deliberately no I/O here.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use gateless_core::call::{Call, State};
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::time::Time;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::engine::Key;
use super::history::Kept;
use crate::queue::codec::Stored;
use crate::queue::types::Depth;

/// A lease of an attempt.
pub(super) struct Leased {
    pub(super) epoch: u32,
    /// Fires when somebody else ends it.
    pub(super) cancelled: CancellationToken,
}

/// A call given out.
pub(super) struct Claimed {
    pub(super) key: Key,
    pub(super) epoch: u32,
    pub(super) call: Call,
    pub(super) cancelled: CancellationToken,
    /// The sidecar that its id names, when it was taken on from there.
    pub(super) origin: Option<NodeId>,
}

/// What is due when, by function, and the callbacks that wait; rebuilt from disk at start.
#[derive(Default)]
pub(super) struct Index {
    /// Bounded by `max_open`.
    open: HashMap<Key, Stored>,
    /// Bounded by the catalogue: a function is known to it before a call is accepted.
    functions: HashMap<FunctionName, Function>,
    /// One for each call given out.
    pub(super) leases: HashMap<Key, Leased>,
    /// Calls released until later than they were due. Bounded by `open`.
    postponed: HashMap<Key, Time>,
    /// Callbacks by the time they are due, without those given out. Bounded by `max_open` as well:
    /// a call with a callback counts until that is made.
    callbacks: BTreeSet<(Time, Key)>,
    /// The epochs of callbacks given out.
    pub(super) callback_leases: HashMap<Key, u32>,
    /// How many callbacks aren't made yet, those given out among them.
    pub(super) callbacks_pending: u64,
    /// Bytes of calls that are not finished.
    pub(super) stored: u64,
    /// What is kept of all that are.
    pub(super) kept: Kept,
}

#[derive(Default)]
struct Function {
    /// Due, by since when.
    ready: BTreeSet<(Time, Key)>,
    delayed: BTreeSet<(Time, Key)>,
    queued: u64,
    running: u64,
    retrying: u64,
    kept: Kept,
    /// Notified when something is due at another time than before, or nothing is left.
    changed: Arc<Notify>,
}

impl Function {
    fn counter(&mut self, state: State) -> Option<&mut u64> {
        match state {
            State::Queued => Some(&mut self.queued),
            State::Running(_) => Some(&mut self.running),
            State::Retrying(_) => Some(&mut self.retrying),
            State::Dead(..) | State::Succeeded(_) | State::Cancelled(_) => None,
        }
    }

    fn open(&self) -> u64 {
        self.queued + self.running + self.retrying
    }

    fn promote(&mut self, now: Time) {
        while let Some(first) = self.delayed.first().copied()
            && first.0 <= now
        {
            self.delayed.remove(&first);
            self.ready.insert(first);
        }
    }
}

impl Index {
    /// A call that isn't finished.
    pub(super) fn get(&self, key: Key) -> Option<&Stored> {
        self.open.get(&key)
    }

    /// Calls that aren't finished, and callbacks that aren't made.
    pub(super) fn open_calls(&self) -> u64 {
        self.open.len() as u64 + self.callbacks_pending
    }

    /// Waiting calls of one function.
    pub(super) fn waiting(&self, function: &FunctionName) -> u64 {
        self.functions
            .get(function)
            .map_or(0, |f| f.queued + f.retrying)
    }

    /// Calls of one function that aren't finished.
    pub(super) fn open_of(&self, function: &FunctionName) -> u64 {
        self.functions.get(function).map_or(0, Function::open)
    }

    /// Those of them that aren't under way.
    pub(super) fn idle(&self, function: &FunctionName) -> Vec<Key> {
        let idle = |(_, stored): &(&Key, &Stored)| {
            stored.function == *function && stored.call.next_deadline().is_some()
        };
        self.open.iter().filter(idle).map(|(key, _)| *key).collect()
    }

    /// Puts in a call that isn't finished, in place of what was known of it. True when its
    /// function had none open before: somebody must begin to serve it.
    pub(super) fn put(&mut self, key: Key, stored: Stored) -> bool {
        let known = self.take(key).is_some();
        let function = self.functions.entry(stored.function.clone()).or_default();
        let first = !known && function.open() == 0;
        if let Some(counter) = function.counter(stored.call.state) {
            *counter += 1;
        }
        self.open.insert(key, stored);
        first
    }

    /// Lets a call be given out, once it is on disk that it waits; not while somebody holds it.
    pub(super) fn enqueue(&mut self, key: Key) {
        if let Some(stored) = self.open.get(&key)
            && let Some(due) = stored.call.next_deadline()
            && !self.leases.contains_key(&key)
            && let Some(function) = self.functions.get_mut(&stored.function)
        {
            let due = self.postponed.get(&key).copied().unwrap_or(due);
            function.delayed.insert((due, key));
            function.changed.notify_one();
        }
    }

    /// How many sidecars have a call is known by now.
    pub(super) fn set_copies(&mut self, key: Key, copies: u32) -> Option<&Stored> {
        let stored = self.open.get_mut(&key)?;
        stored.copies = copies;
        Some(stored)
    }

    /// Takes out a call.
    pub(super) fn take(&mut self, key: Key) -> Option<Stored> {
        let stored = self.open.remove(&key)?;
        let postponed = self.postponed.remove(&key);
        if let Some(function) = self.functions.get_mut(&stored.function) {
            if let Some(counter) = function.counter(stored.call.state) {
                *counter = counter.saturating_sub(1);
            }
            if let Some(due) = postponed.or(stored.call.next_deadline()) {
                function.ready.remove(&(due, key));
                function.delayed.remove(&(due, key));
            }
            if function.open() == 0 {
                // So that whoever serves it can stop.
                function.changed.notify_one();
            }
        }
        Some(stored)
    }

    /// Counts a finished call in or out.
    pub(super) fn keep(&mut self, function: &FunctionName, is_dead: bool, bytes: i64, calls: i64) {
        let function = self.functions.entry(function.clone()).or_default();
        function.kept.count(is_dead, bytes, calls);
        self.kept.count(is_dead, bytes, calls);
    }

    /// What is kept of a function's finished calls.
    pub(super) fn kept_of(&self, function: &FunctionName) -> Kept {
        self.functions
            .get(function)
            .map_or_else(Kept::default, |of| of.kept)
    }

    /// Sets that, as it was on disk.
    pub(super) fn set_kept(&mut self, function: FunctionName, kept: Kept) {
        self.functions.entry(function).or_default().kept = kept;
        self.kept.history += kept.history;
        self.kept.dead_bytes += kept.dead_bytes;
        self.kept.dead += kept.dead;
    }

    /// How many bytes each function keeps.
    pub(super) fn each_kept(&self, is_dead: bool) -> impl Iterator<Item = (&FunctionName, u64)> {
        let each = self.functions.iter();
        each.map(move |(name, function)| (name, function.kept.bytes(is_dead)))
    }

    /// Gives out due calls, the longest due first, each under a new lease.
    pub(super) fn claim(&mut self, function: &FunctionName, now: Time, max: usize) -> Vec<Claimed> {
        let Some(function) = self.functions.get_mut(function) else {
            return Vec::new();
        };
        function.promote(now);
        let mut claimed = Vec::new();
        while claimed.len() < max
            && let Some((_, key)) = function.ready.pop_first()
        {
            self.postponed.remove(&key);
            let Some(stored) = self.open.get_mut(&key) else {
                continue;
            };
            stored.epoch = stored.epoch.wrapping_add(1);
            let (epoch, cancelled) = (stored.epoch, CancellationToken::new());
            let leased = Leased {
                epoch,
                cancelled: cancelled.clone(),
            };
            self.leases.insert(key, leased);
            claimed.push(Claimed {
                key,
                epoch,
                call: stored.call.clone(),
                cancelled,
                origin: stored.origin.clone(),
            });
        }
        claimed
    }

    /// Ends a lease. A call that wasn't begun is due again, then; true when it was, or isn't known
    /// yet: its state on disk must be seen to.
    pub(super) fn release(&mut self, key: Key, epoch: u32, due: Time) -> bool {
        if self.leases.get(&key).is_none_or(|held| held.epoch != epoch) {
            return false;
        }
        self.leases.remove(&key);
        let Some(stored) = self.open.get_mut(&key) else {
            return true;
        };
        let Some(deadline) = stored.call.next_deadline() else {
            return true;
        };
        if stored.epoch == epoch {
            // An update that is on its way to the writer comes too late now.
            stored.epoch = stored.epoch.wrapping_add(1);
        }
        if due > deadline {
            self.postponed.insert(key, due);
        }
        self.enqueue(key);
        false
    }

    /// When the function's next call is due; `None`: none is in line.
    pub(super) fn next_due(&self, function: &FunctionName) -> Option<Time> {
        let function = self.functions.get(function)?;
        let first = function.ready.first().or_else(|| function.delayed.first());
        first.map(|(due, _)| *due)
    }

    /// Notified when something changes for the function; one waits for it.
    pub(super) fn changed(&mut self, function: &FunctionName) -> Arc<Notify> {
        self.functions
            .entry(function.clone())
            .or_default()
            .changed
            .clone()
    }

    /// Functions with open calls.
    pub(super) fn active(&self) -> Vec<FunctionName> {
        let open = self.functions.iter().filter(|(_, f)| f.open() > 0);
        open.map(|(name, _)| name.clone()).collect()
    }

    /// Open calls, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Stored)> {
        self.open.iter()
    }

    /// Of every function that has calls or dead letters here, by name.
    pub(super) fn depths(&mut self, now: Time) -> Vec<Depth> {
        let mut depths: Vec<Depth> = Vec::new();
        for (name, function) in &mut self.functions {
            function.promote(now);
            if function.open() + function.kept.dead == 0 {
                continue;
            }
            depths.push(Depth {
                function: name.clone(),
                queued: function.queued,
                running: function.running,
                retrying: function.retrying,
                dead: function.kept.dead,
                due: function.ready.len() as u64,
                oldest: function
                    .ready
                    .first()
                    .map_or(Duration::ZERO, |(due, _)| now.since(*due)),
            });
        }
        depths.sort_by(|a, b| a.function.cmp(&b.function));
        depths
    }

    /// A callback is to be made then.
    pub(super) fn put_callback(&mut self, due: Time, key: Key) {
        self.callbacks.insert((due, key));
    }

    /// Forgets one that is in line.
    pub(super) fn take_callback(&mut self, due: Time, key: Key) {
        self.callbacks.remove(&(due, key));
    }

    /// Gives out due callbacks.
    pub(super) fn claim_callbacks(&mut self, now: Time, max: usize) -> Vec<Key> {
        let mut keys = Vec::new();
        while keys.len() < max
            && let Some(first) = self.callbacks.first().copied()
            && first.0 <= now
        {
            self.callbacks.remove(&first);
            keys.push(first.1);
        }
        keys
    }

    /// When the next callback is due.
    pub(super) fn next_callback(&self) -> Option<Time> {
        self.callbacks.first().map(|(due, _)| *due)
    }

    /// Ends the lease of a callback; it is due again, then.
    pub(super) fn release_callback(&mut self, key: Key, epoch: u32, due: Time) {
        if self.callback_leases.get(&key) == Some(&epoch) {
            self.callback_leases.remove(&key);
            self.put_callback(due, key);
        }
    }

    /// Forgets every call before it is rebuilt from disk; leases stay.
    pub(super) fn clear(&mut self) {
        self.open.clear();
        self.postponed.clear();
        self.callbacks.clear();
        self.callbacks_pending = 0;
        self.kept = Kept::default();
        for function in self.functions.values_mut() {
            let changed = function.changed.clone();
            *function = Function {
                changed,
                ..Function::default()
            };
        }
    }
}
