//! How the catalogue lies in sled: one tree, three kinds of keys.
//!
//! ```text
//! "m"                     totals: written with every change, so that lost pages are noticed
//! "e" key                 an entry
//! "l" revision (8, BE)    the change log: one record for each revision
//! ```
//!
//! Values are protobuf, so that fields can be added; a layout that an older version cannot read gets a new number.
//! Each record of the log names the revision before it, so that one that is missing is noticed.

use bytes::Bytes;
use prost::Message;
use uuid::Uuid;

use crate::store::plan::Totals;
use crate::store::{Batch, Entry, Event, Revision};

/// Goes up when an older version could not read what a newer one writes.
pub(super) const LAYOUT: u32 = 2;

pub(super) const META_KEY: &[u8] = b"m";
pub(super) const ENTRY_PREFIX: &[u8] = b"e";
pub(super) const LOG_PREFIX: &[u8] = b"l";

#[derive(Clone, PartialEq, Message)]
struct StoredMeta {
    #[prost(uint32, tag = "1")]
    layout: u32,
    #[prost(bytes = "vec", tag = "2")]
    identity: Vec<u8>,
    #[prost(uint64, tag = "3")]
    revision: u64,
    #[prost(uint64, tag = "4")]
    count: u64,
    #[prost(bytes = "vec", tag = "5")]
    digest: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredEntry {
    #[prost(uint64, tag = "1")]
    revision: u64,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct StoredEvent {
    #[prost(string, tag = "1")]
    key: String,
    /// Absent: the key was deleted.
    #[prost(message, optional, tag = "2")]
    entry: Option<StoredEntry>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredBatch {
    #[prost(message, repeated, tag = "1")]
    events: Vec<StoredEvent>,
    /// The revision of the record before.
    #[prost(uint64, tag = "2")]
    after: u64,
}

pub(super) fn entry_key(key: &str) -> Vec<u8> {
    [ENTRY_PREFIX, key.as_bytes()].concat()
}

pub(super) fn log_key(revision: Revision) -> Vec<u8> {
    [LOG_PREFIX, &revision.to_be_bytes()].concat()
}

pub(super) fn encode_meta(identity: Uuid, totals: Totals) -> Vec<u8> {
    let meta = StoredMeta {
        layout: LAYOUT,
        identity: identity.as_bytes().to_vec(),
        revision: totals.revision,
        count: totals.count,
        digest: totals.digest.to_be_bytes().to_vec(),
    };
    meta.encode_to_vec()
}

/// What the totals' record says.
pub(super) enum Meta {
    Totals(Uuid, Totals),
    /// Another version wrote it, with this layout.
    Other(u32),
}

pub(super) fn decode_meta(bytes: &[u8]) -> Result<Meta, String> {
    let meta = StoredMeta::decode(bytes).map_err(|_| "its totals are damaged".to_owned())?;
    if meta.layout != LAYOUT {
        return Ok(Meta::Other(meta.layout));
    }
    let identity = Uuid::from_slice(&meta.identity);
    let digest = <[u8; 16]>::try_from(meta.digest.as_slice());
    let (Ok(identity), Ok(digest)) = (identity, digest) else {
        return Err("its totals are damaged".to_owned());
    };
    let totals = Totals {
        revision: meta.revision,
        count: meta.count,
        digest: u128::from_be_bytes(digest),
    };
    Ok(Meta::Totals(identity, totals))
}

fn stored(entry: &Entry) -> StoredEntry {
    StoredEntry {
        revision: entry.revision,
        value: entry.value.clone(),
    }
}

fn entry(key: String, stored: StoredEntry) -> Entry {
    Entry {
        key,
        value: stored.value,
        revision: stored.revision,
    }
}

pub(super) fn encode_entry(entry: &Entry) -> Vec<u8> {
    stored(entry).encode_to_vec()
}

pub(super) fn decode_entry(key: &[u8], value: &[u8]) -> Result<Entry, String> {
    let damaged = || "one of its entries is damaged".to_owned();
    let key = key.strip_prefix(ENTRY_PREFIX).ok_or_else(damaged)?;
    let key = String::from_utf8(key.to_vec()).map_err(|_| damaged())?;
    let stored = StoredEntry::decode(value).map_err(|_| damaged())?;
    Ok(entry(key, stored))
}

pub(super) fn encode_batch(batch: &Batch, after: Revision) -> Vec<u8> {
    let events = batch.events.iter().map(|event| match event {
        Event::Put(entry) => StoredEvent {
            key: entry.key.clone(),
            entry: Some(stored(entry)),
        },
        Event::Delete { key, .. } => StoredEvent {
            key: key.clone(),
            entry: None,
        },
    });
    let batch = StoredBatch {
        events: events.collect(),
        after,
    };
    batch.encode_to_vec()
}

/// A record of the log, and the revision of the one before it; `None` if it is damaged.
pub(super) fn decode_batch(key: &[u8], value: &[u8]) -> Option<(Batch, Revision)> {
    let revision = key.strip_prefix(LOG_PREFIX)?.try_into().ok()?;
    let revision = Revision::from_be_bytes(revision);
    let stored = StoredBatch::decode(value).ok()?;
    let after = stored.after;
    let events = stored.events.into_iter().map(|event| match event.entry {
        Some(stored) => Event::Put(entry(event.key, stored)),
        None => Event::Delete {
            key: event.key,
            revision,
        },
    });
    let batch = Batch {
        revision,
        events: events.collect(),
    };
    Some((batch, after))
}
