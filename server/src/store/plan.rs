//! How writes are decided: checks, then writes, each on top of those before it. Pure.
//!
//! An engine plans writes, makes the plan durable and only then applies it to the visible state; so
//! no read ever shows what a crash could take back. Revisions are given here and nowhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::state::State;
use super::{Batch, Entry, Error, Event, Expect, Result, Revision, Transaction, Write};

/// What is true of all entries together; stored beside them, so that lost pages are noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) revision: Revision,
    pub(super) count: u64,
    /// The sum of the entries' digests: updated with each change, independent of their order.
    pub(super) digest: u128,
}

impl Totals {
    pub(super) fn add(&mut self, entry: &Entry) {
        self.count += 1;
        self.digest = self.digest.wrapping_add(digest(entry));
    }

    fn remove(&mut self, entry: &Entry) {
        self.count -= 1;
        self.digest = self.digest.wrapping_sub(digest(entry));
    }
}

fn digest(entry: &Entry) -> u128 {
    let mut hash = Sha256::new();
    hash.update((entry.key.len() as u64).to_be_bytes());
    hash.update(&entry.key);
    hash.update(entry.revision.to_be_bytes());
    hash.update(&entry.value);
    let full: [u8; 32] = hash.finalize().into();
    full.iter()
        .take(16)
        .fold(0, |sum, byte| (sum << 8) | u128::from(*byte))
}

/// Writes that were decided, not yet visible.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) batches: Vec<Arc<Batch>>,
    pub(super) totals: Totals,
}

/// Decides transactions one after the other on top of a state it does not change.
pub(super) struct Planner<'a> {
    base: &'a State,
    /// How far apart revisions are.
    step: Revision,
    overlay: BTreeMap<String, Option<Entry>>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    pub(super) fn new(base: &'a State, step: Revision) -> Self {
        Self {
            base,
            step,
            overlay: BTreeMap::new(),
            plan: Plan {
                batches: Vec::new(),
                totals: base.totals(),
            },
        }
    }

    pub(super) fn finish(self) -> Plan {
        self.plan
    }

    fn current(&self, key: &str) -> Option<&Entry> {
        match self.overlay.get(key) {
            Some(planned) => planned.as_ref(),
            None => self.base.get(key),
        }
    }

    /// The revision the transaction gets if the plan becomes durable.
    pub(super) fn add(&mut self, transaction: Transaction) -> Result<Revision> {
        for check in &transaction.checks {
            self.check(&check.key, check.expect)?;
        }
        for write in &transaction.writes {
            self.check(&write.key, write.expect)?;
        }
        let revision = self.plan.totals.revision + self.step;
        let events: Vec<_> = transaction
            .writes
            .into_iter()
            .filter_map(|write| self.write(write, revision))
            .collect();
        if !events.is_empty() {
            self.plan.totals.revision = revision;
            self.plan.batches.push(Arc::new(Batch { revision, events }));
        }
        Ok(self.plan.totals.revision)
    }

    fn check(&self, key: &str, expect: Expect) -> Result<()> {
        let actual = self.current(key).map(|entry| entry.revision);
        if expect.holds(actual) {
            return Ok(());
        }
        let key = key.to_owned();
        Err(Error::Conflict { key, actual })
    }

    fn write(&mut self, write: Write, revision: Revision) -> Option<Event> {
        let Write { key, value, .. } = write;
        let old = self.current(&key).cloned();
        if let Some(old) = &old {
            self.plan.totals.remove(old);
        }
        let Some(value) = value else {
            old?;
            self.overlay.insert(key.clone(), None);
            return Some(Event::Delete { key, revision });
        };
        let entry = Entry {
            key: key.clone(),
            value,
            revision,
        };
        self.plan.totals.add(&entry);
        self.overlay.insert(key, Some(entry.clone()));
        Some(Event::Put(entry))
    }
}
