//! What is kept of finished calls: counted by function, and bounded apart from what waits.
//!
//! Past a bound the function that keeps most makes way (`gateless_core::history`): the results of its oldest calls go first, then
//! those calls; of dead letters, which have a bound of their own, the oldest. The counts are on disk, so that nothing finished
//! is read when the queue is opened. Deliberately bounded by bytes alone: what a short disk needs is no work.

use std::collections::HashMap;

use fjall::OwnedWriteBatch;
use gateless_core::history::{Bound, makes_way};
use gateless_core::name::FunctionName;

use super::batch::{Batch, OVERHEAD};
use super::engine::{Engine, Key, function_prefix, split_function_key, unavailable};
use crate::queue::Error;
use crate::queue::codec::Stored;
use crate::queue::types::CallbackState;

/// Calls that one batch looks at to remove some, besides two for each that it finishes.
const LOOKED_AT: usize = 256;
const VERSION: u8 = 1;

/// What is kept of a function's finished calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Bytes of calls that succeeded or were cancelled.
    pub(super) history: u64,
    /// Bytes of dead letters.
    pub(super) dead_bytes: u64,
    /// Dead letters.
    pub(super) dead: u64,
}

/// Which of a function's calls are looked at next.
#[derive(Default)]
pub(super) struct Cursor {
    /// Results before this are removed, but for those that came late.
    results: Key,
    /// Calls before this are.
    calls: Key,
}

/// How far the removal is.
#[derive(Default)]
pub(super) struct Removal {
    /// Of functions that had to make way.
    cursors: HashMap<(FunctionName, bool), Cursor>,
    /// Of calls, and of dead letters: it goes on below the bound.
    removing: [bool; 2],
}

/// What is removed of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Result,
    Call,
}

impl Kept {
    pub(super) fn bytes(&self, is_dead: bool) -> u64 {
        if is_dead {
            self.dead_bytes
        } else {
            self.history
        }
    }

    /// Counts bytes, and a call where it comes or goes, in or out.
    pub(super) fn count(&mut self, is_dead: bool, bytes: i64, calls: i64) {
        let kept = match is_dead {
            true => &mut self.dead_bytes,
            false => &mut self.history,
        };
        *kept = kept.saturating_add_signed(bytes);
        if is_dead {
            self.dead = self.dead.saturating_add_signed(calls);
        }
    }

    fn to_bytes(self) -> [u8; 25] {
        let mut bytes = [VERSION; 25];
        for (at, number) in [self.history, self.dead_bytes, self.dead]
            .iter()
            .enumerate()
        {
            bytes[1 + 8 * at..9 + 8 * at].copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&VERSION, rest) = bytes.split_first()? else {
            return None;
        };
        let mut numbers = rest.chunks_exact(8);
        let mut next = || Some(u64::from_be_bytes(numbers.next()?.try_into().ok()?));
        Some(Self {
            history: next()?,
            dead_bytes: next()?,
            dead: next()?,
        })
    }
}

impl Engine {
    /// What is kept of each function's finished calls, if `waiting` bytes besides make up what is counted in all: else
    /// another version changed something, and they are counted anew.
    pub(super) fn kept(
        &self,
        waiting: u64,
        batch: &mut OwnedWriteBatch,
    ) -> Result<HashMap<FunctionName, Kept>, Error> {
        let mut kept = HashMap::new();
        for entry in self.kept.iter() {
            let (key, value) = entry.into_inner().map_err(unavailable)?;
            if let (Some((function, _)), Some(of)) =
                (split_function_key(&key), Kept::from_bytes(&value))
            {
                kept.insert(function, of);
            }
        }
        let sum: u64 = kept.values().map(|of| of.history + of.dead_bytes).sum();
        if sum.saturating_add(waiting) == self.stored_bytes()? {
            return Ok(kept);
        }
        tracing::info!("counting the queue's finished calls");
        let names: Vec<FunctionName> = kept.drain().map(|(function, _)| function).collect();
        for entry in self.closed.iter() {
            let (_, value) = entry.into_inner().map_err(unavailable)?;
            if let Ok(stored) = Stored::from_bytes(&value) {
                let of: &mut Kept = kept.entry(stored.function.clone()).or_default();
                of.count(stored.is_dead(), signed(stored.stored), 1);
            }
        }
        for function in names.iter().filter(|name| !kept.contains_key(*name)) {
            batch.remove(&self.kept, function_prefix(function));
        }
        for (function, of) in &kept {
            self.set_kept(batch, function, *of);
        }
        let sum: u64 = kept.values().map(|of| of.history + of.dead_bytes).sum();
        self.set_stored_bytes(batch, sum.saturating_add(waiting));
        Ok(kept)
    }

    /// Writes a function's counts with the batch.
    pub(super) fn set_kept(
        &self,
        batch: &mut OwnedWriteBatch,
        function: &FunctionName,
        kept: Kept,
    ) {
        let name = function_prefix(function);
        match kept == Kept::default() {
            true => batch.remove(&self.kept, name),
            false => batch.insert(&self.kept, name, kept.to_bytes()),
        }
    }
}

impl Batch<'_> {
    /// Counts a finished call in or out.
    pub(super) fn keep(&mut self, stored: &Stored, bytes: i64, calls: i64) {
        let mut index = self.shared.index.lock();
        index.keep(&stored.function, stored.is_dead(), bytes, calls);
        drop(index);
        self.touched.insert(stored.function.clone());
    }

    /// Removes what is beyond the bounds. That it cannot read keeps nothing else from being written.
    pub(super) fn make_way(&mut self) {
        let config = &self.shared.config;
        let bounds = [
            (false, Bound(config.max_history_bytes)),
            (true, Bound(config.max_dead_bytes)),
        ];
        for (is_dead, bound) in bounds {
            let mut left = LOOKED_AT + 2 * self.closed.len();
            loop {
                let removing = self.progress.removal.removing[usize::from(is_dead)];
                let (excess, whose) = {
                    let index = self.shared.index.lock();
                    let excess = bound.excess(index.kept.bytes(is_dead), removing);
                    let whose = (excess > 0).then(|| makes_way(index.each_kept(is_dead)));
                    (excess, whose.flatten().cloned())
                };
                self.progress.removal.removing[usize::from(is_dead)] = excess > 0;
                let Some(function) = whose.filter(|_| left > 0) else {
                    break;
                };
                match self.remove_oldest(&function, is_dead, excess, &mut left) {
                    Ok(true) if is_dead => {
                        tracing::warn!(%function, "dead letters beyond the bound are removed");
                    }
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(%function, %error, "finished calls cannot be removed");
                        break;
                    }
                }
            }
        }
    }

    /// Removes about so many bytes of the oldest that one function keeps; false when there is nothing to be had.
    fn remove_oldest(
        &mut self,
        function: &FunctionName,
        is_dead: bool,
        excess: u64,
        left: &mut usize,
    ) -> Result<bool, Error> {
        let name = (function.clone(), is_dead);
        let mut cursor = self
            .progress
            .removal
            .cursors
            .remove(&name)
            .unwrap_or_default();
        let before = self.shared.index.lock().kept.bytes(is_dead);
        // Another function may keep most after a few of them.
        let wanted = excess.min(before / 64 + 1);
        let Cursor { results, calls } = &mut cursor;
        let mut removed = 0;
        let stages = [(What::Result, results), (What::Call, calls)];
        for (what, from) in stages.into_iter().skip(usize::from(is_dead)) {
            removed = self.remove_from(function, is_dead, what, from, wanted, left)?;
            if removed > 0 || *left == 0 {
                break;
            }
        }
        if removed == 0 && *left > 0 {
            // Those that finished late are found when it comes round again.
            cursor = Cursor::default();
        }
        self.progress.removal.cursors.insert(name, cursor);
        Ok(removed > 0)
    }

    fn remove_from(
        &mut self,
        function: &FunctionName,
        is_dead: bool,
        what: What,
        from: &mut Key,
        wanted: u64,
        left: &mut usize,
    ) -> Result<u64, Error> {
        let prefix = function_prefix(function);
        let keyspace = match is_dead {
            true => &self.engine.dead,
            false => &self.engine.by_function,
        };
        let range = [&prefix[..], &from[..]].concat()..=[&prefix[..], &[0xff; 16]].concat();
        let mut removed = 0;
        for entry in keyspace.range(range) {
            if *left == 0 || removed >= wanted {
                return Ok(removed);
            }
            *left -= 1;
            let entry = entry.key().map_err(unavailable)?;
            let Ok(key) = Key::try_from(&entry[prefix.len()..]) else {
                continue;
            };
            *from = key;
            // One that is not finished, or removed in this batch, is none.
            let Ok(stored) = self.finished(key) else {
                continue;
            };
            if stored.is_dead() != is_dead || stored.callback == CallbackState::Pending {
                continue;
            }
            removed += match what {
                What::Result => self.drop_result(key, stored),
                What::Call => {
                    let bytes = stored.stored;
                    self.forget(key, &stored)?;
                    bytes
                }
            };
        }
        Ok(removed)
    }

    /// Removes a call's result and leaves what it was; says how many bytes that were.
    fn drop_result(&mut self, key: Key, mut stored: Stored) -> u64 {
        if !stored.has_result() {
            return 0;
        }
        let bytes = stored.result_bytes + OVERHEAD;
        self.keep(&stored, -signed(bytes), 0);
        stored.stored = stored.stored.saturating_sub(bytes);
        (stored.result_bytes, stored.dropped) = (0, true);
        self.batch.remove(&self.engine.results, key);
        self.batch
            .insert(&self.engine.closed, key, stored.to_bytes());
        self.closed.insert(key, Some(stored));
        bytes
    }
}

pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
