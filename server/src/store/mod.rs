//! The catalogue's store, in etcd's shape: revisions, checked commits, watch from a revision.
//!
//! [`Store`] is narrow on purpose, so that one machine can run on sled and a replicated server on
//! etcd. It knows keys and bytes; what they mean is `service`'s business. It has no leases, no
//! per-key history and no reads of the past: the catalogue needs none of them.
//!
//! ```text
//! list:    page = store.scan("functions/", None, 500)      page.revision says when
//! follow:  store.watch("functions/", page.revision + 1)    one Batch per commit, no gap, no duplicate
//! change:  store.commit(Commit::new().unchanged(&entry).put(key, value))
//! ```

pub mod artifacts;
#[cfg(test)]
mod conformance;
pub mod error;
mod export;
pub mod memory;
mod plan;
mod shared;
pub mod sled;
mod space;
mod state;
mod writer;

use std::io;

pub use self::error::Error;
pub use self::memory::MemoryStore;
pub use self::sled::SledStore;
pub use self::state::LogBounds;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use uuid::Uuid;

/// The number of a commit. Dense: the first is 1, every commit that changes something is the next.
/// Only comparable within one [`Store::identity`].
pub type Revision = u64;

/// What the store's operations answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The longest key, in bytes. A key is not empty.
pub const MAX_KEY_BYTES: usize = 1024;
/// The largest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;
/// The most checks, and the most writes, in one commit.
pub const MAX_COMMIT_OPERATIONS: usize = 1024;
/// The most bytes of values in one commit.
pub const MAX_COMMIT_BYTES: usize = 8 * 1024 * 1024;
/// The most entries in one page of [`Store::scan`]; a larger limit is cut to it.
pub const MAX_PAGE_ENTRIES: usize = 10_000;

/// One key, its value and where it stands in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key; at most [`MAX_KEY_BYTES`].
    pub key: String,
    /// The value; at most [`MAX_VALUE_BYTES`].
    pub value: Bytes,
    /// The revision that created the key (again, if it was deleted in between).
    pub create_revision: Revision,
    /// The revision that last wrote the key.
    pub mod_revision: Revision,
    /// How often the key was written since it was created: 1 after creation.
    pub version: u64,
}

/// A condition a commit depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// The key does not exist.
    Absent {
        /// The key.
        key: String,
    },
    /// The key exists.
    Present {
        /// The key.
        key: String,
    },
    /// The key exists and was last written at this revision.
    ModRevision {
        /// The key.
        key: String,
        /// The expected [`Entry::mod_revision`].
        revision: Revision,
    },
}

/// One change to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Creates or replaces the key.
    Put {
        /// The key.
        key: String,
        /// Its new value.
        value: Bytes,
    },
    /// Removes the key; nothing happens if there is none.
    Delete {
        /// The key.
        key: String,
    },
}

/// Checks and writes that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// All must hold, else nothing is written and the answer is [`Error::Conflict`].
    pub checks: Vec<Check>,
    /// The changes; a key may occur once.
    pub writes: Vec<Write>,
}

impl Commit {
    /// A commit with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires that the key does not exist.
    #[must_use]
    pub fn absent(mut self, key: impl Into<String>) -> Self {
        self.checks.push(Check::Absent { key: key.into() });
        self
    }

    /// Requires that the key exists.
    #[must_use]
    pub fn present(mut self, key: impl Into<String>) -> Self {
        self.checks.push(Check::Present { key: key.into() });
        self
    }

    /// Requires that the key was last written at `revision`.
    #[must_use]
    pub fn at(mut self, key: impl Into<String>, revision: Revision) -> Self {
        self.checks.push(Check::ModRevision {
            key: key.into(),
            revision,
        });
        self
    }

    /// Requires that the entry is still the one that was read.
    #[must_use]
    pub fn unchanged(self, entry: &Entry) -> Self {
        self.at(entry.key.clone(), entry.mod_revision)
    }

    /// Creates or replaces a key.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.writes.push(Write::Put {
            key: key.into(),
            value: value.into(),
        });
        self
    }

    /// Removes a key.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.writes.push(Write::Delete { key: key.into() });
        self
    }
}

/// What happened to one key in one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The key was written; the entry as it was right after.
    Put(Entry),
    /// The key was removed.
    Delete {
        /// The key.
        key: String,
        /// The revision of the commit that removed it.
        revision: Revision,
    },
}

impl Event {
    /// The key it is about.
    pub fn key(&self) -> &str {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Delete { key, .. } => key,
        }
    }
}

/// The events of one commit, in the order of its writes (a watch leaves out those of other prefixes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The commit's revision.
    pub revision: Revision,
    /// At least one event.
    pub events: Vec<Event>,
}

/// A page of entries in key order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// The store's revision when the page was read; follow with a watch from the next.
    /// With several pages, watch from the *first* page's revision + 1.
    pub revision: Revision,
    /// Whether there are more entries; ask again with `after` = the last key.
    pub more: bool,
}

/// Batches in revision order. An `Err` is the last item: [`Error::Compacted`] when the watcher fell
/// behind the change log (list again). It ends without one when the store is closed.
pub type Watch = BoxStream<'static, Result<Batch>>;

/// Whether commits are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Reads and commits work.
    Writable,
    /// Reads serve the last durable state, commits are refused.
    ReadOnly {
        /// Why, and what to do about it.
        reason: String,
    },
}

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSummary {
    /// The identity of the store it was taken from.
    pub catalogue: Uuid,
    /// The revision it shows.
    pub revision: Revision,
    /// How many entries.
    pub entries: u64,
}

/// A revisioned key-value store. Cheap to share as `Arc<dyn Store>`.
///
/// Reads are linearizable on one server: they show every acknowledged commit, and nothing that is
/// not durable yet.
pub trait Store: Send + Sync + 'static {
    /// The entry at `key`.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>>>;

    /// Entries whose key starts with `prefix` and sorts after `after`; at most `limit`
    /// (1 to [`MAX_PAGE_ENTRIES`]).
    fn scan<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page>>;

    /// Writes, if all checks hold, and answers with the commit's revision once it is durable.
    ///
    /// A commit that changes nothing (no writes, or deletes of absent keys) answers with the current
    /// revision. After [`Error::ReadOnly`] the outcome is unknown until the store is opened again;
    /// after every other error nothing was written. Dropping the future does not undo the commit.
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Revision>>;

    /// Every commit that touches `prefix` from `from` (inclusive, 0 is 1) on, first those of the past.
    ///
    /// # Errors
    /// [`Error::Compacted`] when the change log no longer reaches back to `from`: list again.
    fn watch<'a>(&'a self, prefix: &'a str, from: Revision) -> BoxFuture<'a, Result<Watch>>;

    /// The revision of the last durable commit; 0 in a new store.
    fn revision(&self) -> Revision;

    /// The catalogue's id. New when a store is created, and when it was restored from an export that
    /// may be behind: whoever remembers revisions compares this first and starts over when it differs.
    fn identity(&self) -> Uuid;

    /// Whether commits are accepted; for readiness.
    fn health(&self) -> Health;

    /// Writes everything, as of one revision, as JSON lines (`export.rs` has the format).
    fn export(&self, to: Box<dyn io::Write + Send>) -> BoxFuture<'_, Result<ExportSummary>>;

    /// Reads an export into a store that never had a commit; keeps revisions, takes a new identity.
    ///
    /// # Errors
    /// [`Error::NotEmpty`], or [`Error::Export`] when the export is torn or altered. Nothing is written then.
    fn import(&self, from: Box<dyn io::BufRead + Send>) -> BoxFuture<'_, Result<ExportSummary>>;

    /// Finishes waiting commits, writes what is written on shutdown, ends watches. Later commits
    /// answer [`Error::Closed`]. Safe to call twice.
    fn close(&self) -> BoxFuture<'_, Result<()>>;
}
