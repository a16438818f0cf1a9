//! What the local queue keeps in memory: every call that isn't finished, by what is due.
//!
//! Rebuilt from disk at start. Only the writer thread changes it, together with the batch it
//! is about to commit; when that commit fails it is rebuilt. Deliberately no I/O here.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use gateless_core::call::State;
use gateless_core::name::FunctionName;
use gateless_core::time::Time;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::engine::Key;
use crate::queue::codec::Stored;
use crate::queue::types::Depth;

/// See the module.
#[derive(Default)]
pub(super) struct Index {
    /// Bounded by `max_open`.
    open: HashMap<Key, Stored>,
    /// Bounded by the catalogue: a function is known to it before a call is accepted.
    functions: HashMap<FunctionName, Function>,
    /// One for each attempt under way.
    attempts: HashMap<Key, CancellationToken>,
    /// Callbacks by the time they are due, given out or not. Bounded by `max_open` as well:
    /// a call with a callback counts until that is made.
    callbacks: BTreeSet<(Time, Key)>,
    /// How many callbacks aren't made yet, those given out among them.
    pub(super) callbacks_pending: u64,
    /// Bytes kept on disk.
    pub(super) stored: u64,
}

#[derive(Default)]
struct Function {
    /// Due, by since when.
    ready: BTreeSet<(Time, Key)>,
    /// Due later.
    delayed: BTreeSet<(Time, Key)>,
    queued: u64,
    running: u64,
    retrying: u64,
    dead: u64,
    bell: Arc<Notify>,
}

impl Function {
    fn counter(&mut self, state: State) -> Option<&mut u64> {
        match state {
            State::Queued => Some(&mut self.queued),
            State::Running(_) => Some(&mut self.running),
            State::Retrying(_) => Some(&mut self.retrying),
            State::Dead(..) => Some(&mut self.dead),
            State::Succeeded(_) | State::Cancelled(_) => None,
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
    /// function had none open before: somebody must begin to look after it.
    pub(super) fn put(&mut self, key: Key, stored: Stored) -> bool {
        let known = self.take(key).is_some();
        let function = self.functions.entry(stored.function.clone()).or_default();
        let first = !known && function.open() == 0;
        if let Some(counter) = function.counter(stored.call.state) {
            *counter += 1;
        }
        if let Some(due) = stored.call.next_deadline() {
            function.delayed.insert((due, key));
            function.bell.notify_one();
        }
        self.open.insert(key, stored);
        first
    }

    /// Takes out a call.
    pub(super) fn take(&mut self, key: Key) -> Option<Stored> {
        let stored = self.open.remove(&key)?;
        if let Some(function) = self.functions.get_mut(&stored.function) {
            if let Some(counter) = function.counter(stored.call.state) {
                *counter = counter.saturating_sub(1);
            }
            if let Some(due) = stored.call.next_deadline() {
                function.ready.remove(&(due, key));
                function.delayed.remove(&(due, key));
            }
            if function.open() == 0 {
                // So that whoever looks after it can stop.
                function.bell.notify_one();
            }
        }
        Some(stored)
    }

    /// Counts a dead letter in or out.
    pub(super) fn dead(&mut self, function: &FunctionName, change: i64) {
        let function = self.functions.entry(function.clone()).or_default();
        function.dead = function.dead.saturating_add_signed(change);
    }

    /// Gives out due calls, the longest due first. They are out of line until they change.
    pub(super) fn claim(&mut self, function: &FunctionName, now: Time, max: usize) -> Vec<Key> {
        let Some(function) = self.functions.get_mut(function) else {
            return Vec::new();
        };
        function.promote(now);
        let due = std::iter::from_fn(|| function.ready.pop_first());
        due.take(max).map(|(_, key)| key).collect()
    }

    /// Puts a claimed call back in line, unchanged.
    pub(super) fn unclaim(&mut self, key: Key) {
        if let Some(stored) = self.open.get(&key)
            && let Some(due) = stored.call.next_deadline()
            && let Some(function) = self.functions.get_mut(&stored.function)
        {
            function.delayed.insert((due, key));
            function.bell.notify_one();
        }
    }

    /// When the function's next call is due; `None`: none is in line.
    pub(super) fn next_due(&self, function: &FunctionName) -> Option<Time> {
        let function = self.functions.get(function)?;
        let first = function.ready.first().or_else(|| function.delayed.first());
        first.map(|(due, _)| *due)
    }

    /// Rings when something changes for the function.
    pub(super) fn bell(&mut self, function: &FunctionName) -> Arc<Notify> {
        self.functions
            .entry(function.clone())
            .or_default()
            .bell
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
            if function.open() + function.dead == 0 {
                continue;
            }
            depths.push(Depth {
                function: name.clone(),
                queued: function.queued,
                running: function.running,
                retrying: function.retrying,
                dead: function.dead,
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

    /// An attempt begins; the token fires when the call is cancelled.
    pub(super) fn attempt(&mut self, key: Key) -> CancellationToken {
        self.attempts.entry(key).or_default().clone()
    }

    /// An attempt has ended.
    pub(super) fn attempt_ended(&mut self, key: Key) -> Option<CancellationToken> {
        self.attempts.remove(&key)
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

    /// Forgets every call before it is rebuilt from disk; bells and attempts under way stay.
    pub(super) fn clear(&mut self) {
        self.open.clear();
        self.callbacks.clear();
        self.callbacks_pending = 0;
        for function in self.functions.values_mut() {
            let bell = function.bell.clone();
            *function = Function {
                bell,
                ..Function::default()
            };
        }
    }
}
