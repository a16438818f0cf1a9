//! The visible catalogue in memory: entries and the bounded change log. Pure.
//!
//! Every engine serves reads and watches from it, and decides with [`super::plan`], so they cannot
//! differ. The price is that the catalogue fits in memory, which one of functions, revisions and
//! secrets does by far.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use uuid::Uuid;

use super::export::Export;
use super::plan::{Plan, Totals};
use super::{Batch, Entry, Error, Event, MAX_PAGE_ENTRIES, Page, Result, Revision};

/// How much of the past a watch can start from. The oldest changes go first when either is exceeded.
#[derive(Debug, Clone, Copy)]
pub struct LogBounds {
    /// The most events.
    pub events: usize,
    /// The most bytes of keys and values.
    pub bytes: usize,
}

impl Default for LogBounds {
    fn default() -> Self {
        Self {
            events: 100_000,
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// The visible catalogue.
#[derive(Debug)]
pub(super) struct State {
    pub(super) identity: Uuid,
    entries: BTreeMap<String, Entry>,
    totals: Totals,
    /// Rising revisions, the last is `totals.revision` unless it is empty.
    log: VecDeque<Arc<Batch>>,
    /// The newest revision that is not in the log.
    compacted: Revision,
    log_events: usize,
    log_bytes: usize,
    bounds: LogBounds,
}

impl State {
    pub(super) fn new(identity: Uuid, bounds: LogBounds) -> Self {
        Self {
            identity,
            entries: BTreeMap::new(),
            totals: Totals::default(),
            log: VecDeque::new(),
            compacted: 0,
            log_events: 0,
            log_bytes: 0,
            bounds,
        }
    }

    /// A state at `revision` with these entries and no past.
    pub(super) fn with_entries(
        identity: Uuid,
        bounds: LogBounds,
        revision: Revision,
        entries: Vec<Entry>,
    ) -> Self {
        let mut state = Self::new(identity, bounds);
        state.totals.revision = revision;
        state.compacted = revision;
        for entry in entries {
            state.totals.add(&entry);
            state.entries.insert(entry.key.clone(), entry);
        }
        state
    }

    /// Becomes what an export shows, under a new identity: the export may be behind what its
    /// catalogue became, so revisions remembered from it mean nothing here.
    pub(super) fn replace(&mut self, export: Export) {
        let identity = Uuid::new_v4();
        *self = Self::with_entries(identity, self.bounds, export.revision, export.entries);
    }

    /// Puts a log behind the entries that begins after `compacted`; `false` (and no log) unless its revisions rise
    /// to the state's own.
    pub(super) fn attach_log(&mut self, batches: Vec<Batch>, compacted: Revision) -> bool {
        let revisions = batches.iter().map(|batch| batch.revision);
        let rising = [compacted].into_iter().chain(revisions).collect::<Vec<_>>();
        let rises = rising
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a < b));
        let sound = rises && rising.last() == Some(&self.totals.revision);
        if sound {
            self.compacted = compacted;
            for batch in batches {
                self.remember(Arc::new(batch));
            }
        }
        sound
    }

    pub(super) fn bounds(&self) -> LogBounds {
        self.bounds
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// The oldest revision a watch can start after.
    pub(super) fn compacted(&self) -> Revision {
        self.compacted
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.entries.values().cloned().collect()
    }

    pub(super) fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Page {
        let limit = limit.clamp(1, MAX_PAGE_ENTRIES);
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut found = self
            .entries
            .range::<str, _>((from, Bound::Unbounded))
            .map(|(_, entry)| entry)
            .take_while(|entry| entry.key.starts_with(prefix));
        let entries: Vec<_> = found.by_ref().take(limit).cloned().collect();
        Page {
            entries,
            revision: self.totals.revision,
            more: found.next().is_some(),
        }
    }

    /// What happened to `prefix` after a revision, in at most `limit` batches of the log, and where to go on.
    pub(super) fn history(
        &self,
        prefix: &str,
        after: Revision,
        limit: usize,
    ) -> Result<(Vec<Batch>, Revision)> {
        if after < self.compacted {
            let compacted = self.compacted;
            return Err(Error::Compacted { compacted });
        }
        let from = self.log.partition_point(|batch| batch.revision <= after);
        let to = from.saturating_add(limit).min(self.log.len());
        let mut reached = after;
        let batches = self.log.range(from..to).filter_map(|batch| {
            reached = batch.revision;
            let ours = batch.events.iter().filter(|e| e.key().starts_with(prefix));
            let events: Vec<_> = ours.cloned().collect();
            (!events.is_empty()).then_some(Batch {
                revision: batch.revision,
                events,
            })
        });
        Ok((batches.collect(), reached))
    }

    /// Makes a durable plan visible.
    pub(super) fn apply(&mut self, plan: Plan) {
        for batch in plan.batches {
            for event in &batch.events {
                match event {
                    Event::Put(entry) => self.entries.insert(entry.key.clone(), entry.clone()),
                    Event::Delete { key, .. } => self.entries.remove(key),
                };
            }
            self.remember(batch);
        }
        self.totals = plan.totals;
    }

    fn remember(&mut self, batch: Arc<Batch>) {
        self.log_events += batch.events.len();
        self.log_bytes += bytes(&batch);
        self.log.push_back(batch);
        // The newest change stays whatever its size, so that a watcher that keeps up always can.
        while self.log.len() > 1
            && (self.log_events > self.bounds.events || self.log_bytes > self.bounds.bytes)
        {
            if let Some(oldest) = self.log.pop_front() {
                self.log_events -= oldest.events.len();
                self.log_bytes -= bytes(&oldest);
                self.compacted = oldest.revision;
            }
        }
    }
}

fn bytes(batch: &Batch) -> usize {
    batch
        .events
        .iter()
        .map(|event| match event {
            Event::Put(entry) => entry.key.len() + entry.value.len(),
            Event::Delete { key, .. } => key.len(),
        })
        .sum()
}
