//! The catalogue's store, in etcd's shape: revisions, compare-and-swap, watch after a revision.
//!
//! [`Store`] is narrow on purpose, so that one machine can run on sled, and several servers on etcd, PostgreSQL or
//! Kubernetes' own resources. It knows keys and bytes; what they mean is `service`'s business. What every store has
//! is a compare-and-swap of one key; several keys at once are [`Transactions`], which a store may lack. It has no
//! leases, no per-key history and no reads of the past: the catalogue needs none of them.
//!
//! ```text
//! list:    listing = list(store, "functions/")              listing.revision says when
//! follow:  store.watch("functions/", listing.revision)      every change after it, no gap, no duplicate
//! change:  store.write(Write::put(key, value)?.expecting(Expect::At(entry.revision)))
//! ```

pub mod artifacts;
pub mod blobs;
#[cfg(test)]
mod conformance;
pub mod error;
mod export;
mod follow;
pub mod memory;
mod plan;
pub mod recorded;
pub mod sealed;
mod shared;
pub mod sled;
mod space;
mod state;
mod write;
mod writer;

use std::io;

pub use self::error::Error;
pub use self::follow::{Follow, Update};
pub use self::memory::MemoryStore;
pub use self::sled::SledStore;
pub use self::state::LogBounds;
pub use self::write::{
    Check, Expect, MAX_KEY_BYTES, MAX_REQUEST_BYTES, MAX_TRANSACTION_OPERATIONS, MAX_VALUE_BYTES,
    Transaction, Write,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use uuid::Uuid;

/// When something changed: every later change has a higher number. Nothing follows from the distance of two, and
/// none can be computed from another. Only comparable within one [`Store::identity`].
pub type Revision = u64;

/// What the store's operations answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The most entries in one page of [`Store::scan`]; a larger limit is cut to it.
pub const MAX_PAGE_ENTRIES: usize = 10_000;

/// One key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key; at most [`MAX_KEY_BYTES`].
    pub key: String,
    /// The value; at most [`MAX_VALUE_BYTES`].
    pub value: Bytes,
    /// The revision that last wrote the key; never the same twice, also when it was deleted in between.
    pub revision: Revision,
}

/// What happened to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The key was written; the entry as it was right after.
    Put(Entry),
    /// The key was removed.
    Delete {
        /// The key.
        key: String,
        /// When.
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

/// The events of one revision: of one write, or of one transaction in the order of its writes (a watch leaves out
/// those of other prefixes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// When it happened.
    pub revision: Revision,
    /// At least one event.
    pub events: Vec<Event>,
}

/// A page of entries in key order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// The store's revision when the page was read. With several pages, watch after the *first* page's.
    pub revision: Revision,
    /// Whether there are more entries; ask again with `after` = the last key.
    pub more: bool,
}

/// Batches in revision order. An `Err` is the last item: [`Error::Compacted`] when the watcher fell
/// behind the change log (list again). It ends without one when the store is closed.
pub type Watch = BoxStream<'static, Result<Batch>>;

/// Whether writes are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Reads and writes work.
    Writable,
    /// Reads serve the last durable state, writes are refused.
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
/// Reads are linearizable, also over several servers on one store: they show every acknowledged write, and nothing
/// that is not durable yet.
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

    /// Changes one key if it is as expected, and answers with the change's revision once it is durable.
    ///
    /// A deletion of what is not there changes nothing and answers with the current revision. After
    /// [`Error::ReadOnly`] the outcome is unknown until the store is opened again; after every other error nothing
    /// was written. Dropping the future does not undo the write.
    fn write(&self, write: Write) -> BoxFuture<'_, Result<Revision>>;

    /// Several keys at once, where the store can; `None`: it cannot, and nobody may need it to.
    fn transactions(&self) -> Option<&dyn Transactions>;

    /// Every change of `prefix` after a revision (0: from the beginning), first those of the past.
    ///
    /// # Errors
    /// [`Error::Compacted`] when the change log no longer reaches back that far: list again.
    fn watch<'a>(&'a self, prefix: &'a str, after: Revision) -> BoxFuture<'a, Result<Watch>>;

    /// The revision of the last durable change; 0 in a new store.
    fn revision(&self) -> BoxFuture<'_, Result<Revision>>;

    /// The catalogue's id. New when a store is created, and when it was restored from an export that
    /// may be behind: whoever remembers revisions compares this first and starts over when it differs.
    fn identity(&self) -> Uuid;

    /// Whether writes are accepted; for readiness.
    fn health(&self) -> Health;

    /// Writes everything, as of one revision, as JSON lines (`export.rs` has the format).
    fn export(&self, to: Box<dyn io::Write + Send>) -> BoxFuture<'_, Result<ExportSummary>>;

    /// Reads an export into a store that was never written to; keeps revisions, takes a new identity.
    ///
    /// # Errors
    /// [`Error::NotEmpty`], [`Error::Format`] when another version wrote the export, or [`Error::Export`] when it is
    /// torn or altered. Nothing is written then.
    fn import(&self, from: Box<dyn io::BufRead + Send>) -> BoxFuture<'_, Result<ExportSummary>>;

    /// Puts what there is now where the store would be restored from, where it keeps such a copy by itself.
    fn back_up(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Finishes waiting writes, writes what is written on shutdown, ends watches. Later writes
    /// answer [`Error::Closed`]. Safe to call twice.
    fn close(&self) -> BoxFuture<'_, Result<()>>;
}

/// Writes of several keys that happen together or not at all: what a store may have.
pub trait Transactions: Send + Sync {
    /// Writes, if all checks and expectations hold; all else as [`Store::write`].
    fn transact(&self, transaction: Transaction) -> BoxFuture<'_, Result<Revision>>;
}

/// Everything under a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// In key order.
    pub entries: Vec<Entry>,
    /// What changed after this is not all in it: watch from here.
    pub revision: Revision,
}

/// Reads everything under a prefix, page by page.
///
/// # Errors
/// The store's.
pub async fn list(store: &dyn Store, prefix: &str) -> Result<Listing> {
    let first = store.scan(prefix, None, MAX_PAGE_ENTRIES).await?;
    let (mut entries, revision, mut more) = (first.entries, first.revision, first.more);
    while more {
        let after = entries.last().map(|entry| entry.key.clone());
        let page = store
            .scan(prefix, after.as_deref(), MAX_PAGE_ENTRIES)
            .await?;
        entries.extend(page.entries);
        more = page.more;
    }
    Ok(Listing { entries, revision })
}
