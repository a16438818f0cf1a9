//! How commits are decided: checks, then writes, each on top of those before it. Pure.
//!
//! An engine plans commits, makes the plan durable and only then applies it to the visible state; so
//! no read ever shows what a crash could take back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::state::State;
use super::{
    Batch, Check, Commit, Entry, Error, Event, MAX_COMMIT_BYTES, MAX_COMMIT_OPERATIONS,
    MAX_KEY_BYTES, MAX_VALUE_BYTES, Result, Revision, Write,
};

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
    for number in [entry.create_revision, entry.mod_revision, entry.version] {
        hash.update(number.to_be_bytes());
    }
    hash.update(&entry.value);
    let full: [u8; 32] = hash.finalize().into();
    full.iter()
        .take(16)
        .fold(0, |sum, byte| (sum << 8) | u128::from(*byte))
}

/// Commits that were decided, not yet visible.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) batches: Vec<Arc<Batch>>,
    pub(super) totals: Totals,
}

/// Decides commits one after the other on top of a state it does not change.
pub(super) struct Planner<'a> {
    base: &'a State,
    overlay: BTreeMap<String, Option<Entry>>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    pub(super) fn new(base: &'a State) -> Self {
        Self {
            base,
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

    /// The revision the commit gets if the plan becomes durable.
    pub(super) fn add(&mut self, commit: Commit) -> Result<Revision> {
        validate(&commit)?;
        for check in &commit.checks {
            self.check(check)?;
        }
        let revision = self.plan.totals.revision + 1;
        let events: Vec<_> = commit
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

    fn check(&self, check: &Check) -> Result<()> {
        let (key, holds) = match check {
            Check::Absent { key } => (key, self.current(key).is_none()),
            Check::Present { key } => (key, self.current(key).is_some()),
            Check::ModRevision { key, revision } => (
                key,
                self.current(key)
                    .is_some_and(|entry| entry.mod_revision == *revision),
            ),
        };
        if holds {
            return Ok(());
        }
        Err(Error::Conflict {
            key: key.clone(),
            actual: self.current(key).map(|entry| entry.mod_revision),
        })
    }

    fn write(&mut self, write: Write, revision: Revision) -> Option<Event> {
        let (Write::Put { key, .. } | Write::Delete { key }) = &write;
        let old = self.current(key).cloned();
        if let Some(old) = &old {
            self.plan.totals.remove(old);
        }
        match write {
            Write::Put { key, value } => {
                let entry = Entry {
                    key: key.clone(),
                    value,
                    create_revision: old.as_ref().map_or(revision, |old| old.create_revision),
                    mod_revision: revision,
                    version: old.map_or(1, |old| old.version + 1),
                };
                self.plan.totals.add(&entry);
                self.overlay.insert(key, Some(entry.clone()));
                Some(Event::Put(entry))
            }
            Write::Delete { key } => {
                old?;
                self.overlay.insert(key.clone(), None);
                Some(Event::Delete { key, revision })
            }
        }
    }
}

fn validate(commit: &Commit) -> Result<()> {
    let invalid = |reason: String| Err(Error::Invalid { reason });
    if commit.checks.len().max(commit.writes.len()) > MAX_COMMIT_OPERATIONS {
        return invalid(format!(
            "a commit has at most {MAX_COMMIT_OPERATIONS} checks and as many writes"
        ));
    }
    let mut written = BTreeSet::new();
    let mut bytes = 0;
    for write in &commit.writes {
        let (Write::Put { key, .. } | Write::Delete { key }) = write;
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return invalid(format!("a key has 1 to {MAX_KEY_BYTES} bytes"));
        }
        if !written.insert(key) {
            return invalid(format!("{key} is written twice in one commit"));
        }
        if let Write::Put { value, .. } = write {
            bytes += value.len();
            if value.len() > MAX_VALUE_BYTES {
                return invalid(format!(
                    "the value of {key} has {} bytes, the most is {MAX_VALUE_BYTES}",
                    value.len()
                ));
            }
        }
    }
    if bytes > MAX_COMMIT_BYTES {
        return invalid(format!(
            "the values of one commit have {bytes} bytes, the most is {MAX_COMMIT_BYTES}"
        ));
    }
    Ok(())
}
