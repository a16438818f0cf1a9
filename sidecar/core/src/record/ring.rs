//! What a sidecar keeps of its records: the newest, within bounds, and of every function its share.
//!
//! Where there are too many, the function and kind that take most make way with their oldest, so that neither one function's
//! flood of errors nor its samples push out what others have. Nothing is on disk: a record is for looking at, not for
//! accounting.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::{Filter, Kept, Record};
use crate::name::FunctionName;

/// Most records on a sidecar.
pub const MAX_RECORDS: usize = 10_000;
/// What they take at most together, in bytes.
pub const MAX_BYTES: u64 = 8 << 20;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// So many records.
    pub records: usize,
    /// So many bytes of them.
    pub bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            records: MAX_RECORDS,
            bytes: MAX_BYTES,
        }
    }
}

type Key = (FunctionName, Kept);

/// Records of one function and kind, oldest first.
#[derive(Debug, Default)]
struct Part {
    records: VecDeque<Arc<Record>>,
    bytes: u64,
}

/// The records of one sidecar.
#[derive(Debug, Default)]
pub struct Ring {
    bounds: Bounds,
    parts: BTreeMap<Key, Part>,
    /// The same by what they take: the last makes way.
    by_bytes: BTreeSet<(u64, Key)>,
    records: usize,
    bytes: u64,
}

impl Ring {
    /// An empty one.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            ..Self::default()
        }
    }

    /// Takes a record in, and lets go of others where there are too many.
    pub fn push(&mut self, record: Record) {
        let key = (record.function.clone(), record.kept);
        let bytes = record.bytes();
        self.change(key, |part| {
            part.bytes += bytes;
            part.records.push_back(Arc::new(record));
        });
        self.records += 1;
        self.bytes += bytes;
        while self.records > self.bounds.records || self.bytes > self.bounds.bytes {
            let Some((_, key)) = self.by_bytes.last().cloned() else {
                return;
            };
            let mut gone = 0;
            self.change(key, |part| {
                gone = part.records.pop_front().map_or(0, |oldest| oldest.bytes());
                part.bytes -= gone;
            });
            self.records -= 1;
            self.bytes -= gone;
        }
    }

    fn change(&mut self, key: Key, change: impl FnOnce(&mut Part)) {
        let part = self.parts.entry(key.clone()).or_default();
        let before = part.bytes;
        change(part);
        let now = part.bytes;
        if part.records.is_empty() {
            self.parts.remove(&key);
        }
        let mut entry = (before, key);
        self.by_bytes.remove(&entry);
        if now > 0 {
            entry.0 = now;
            self.by_bytes.insert(entry);
        }
    }

    /// The newest `limit` records that a filter lets through, newest first.
    #[must_use]
    pub fn find(&self, filter: &Filter, limit: usize) -> Vec<Arc<Record>> {
        let mine = |name: &FunctionName| {
            let named = filter.function.as_deref();
            name.namespace() == filter.namespace && named.is_none_or(|named| named == name.name())
        };
        let parts = self.parts.iter().filter(|((name, _), _)| mine(name));
        let mut found: Vec<_> = parts
            .flat_map(|(_, part)| part.records.iter().rev())
            .filter(|record| filter.lets(record))
            .cloned()
            .collect();
        found.sort_unstable_by(|a, b| b.key().cmp(&a.key()));
        found.truncate(limit);
        found
    }

    /// How many there are, and what they take.
    #[must_use]
    pub const fn size(&self) -> (usize, u64) {
        (self.records, self.bytes)
    }
}
