//! The disk of the local queue: fjall, its keyspaces, and how it is opened.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `heads`, `bodies` | id | written once when the call is accepted |
//! | `open` | id | state of a call that isn't finished; scanned at start |
//! | `closed` | id | state of a finished one |
//! | `results` | id | the kept answer |
//! | `by_function` | namespace 0 name 0 id | nothing; for listing |
//! | `dead` | namespace 0 name 0 id | nothing; the dead-letter queue |
//! | `callbacks` | id | nothing; callbacks to be made; scanned at start |
//! | `idempotency` | namespace 0 name 0 1 caller 0 key (without 1, caller and 0 before a key was its caller's) | id and digest |
//! | `expiry` | time id | nothing; when a finished call is forgotten |
//! | `kept` | namespace 0 name 0 | what is kept of its finished calls, in bytes and numbers |
//! | `copies` | id | of a call that another sidecar delivers: who, and who else has a copy; read at start |
//! | `copy_heads`, `copy_bodies` | id | its head and body |
//! | `copy_keys` | as in `idempotency` | its id and digest |
//! | `taken` | id | a call that was taken on from another sidecar, which not all who are to know were told yet; read at start |
//! | `meta` | name | counters, what the queue's time was (`anchor`), and the secret that result tokens are made with |
//!
//! What is due lives in memory only (`index`): an LSM tree is bad at a queue's head, where
//! every scan steps over the tombstones of all that was taken before.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use gateless_common::io::{move_into_place, private_dir};
use gateless_core::name::FunctionName;
use gateless_core::time::Time;

use crate::queue::Error;
use crate::queue::codec::{Head, Stored};
use crate::queue::types::KeyName;

/// A call's id as stored.
pub(super) type Key = [u8; 16];

/// Of journals: what is read again when the queue is opened, however much it keeps.
const MAX_JOURNAL_BYTES: u64 = 64 << 20;
/// Of the steps of calls' lives in memory.
const MAX_STEPS_BYTES: u64 = 8 << 20;
const BYTES_COUNTER: &str = "bytes";
const TOKEN_SECRET: &str = "token-secret";

/// The open database.
pub(super) struct Engine {
    db: Database,
    pub(super) heads: Keyspace,
    pub(super) bodies: Keyspace,
    pub(super) open: Keyspace,
    pub(super) closed: Keyspace,
    pub(super) results: Keyspace,
    pub(super) by_function: Keyspace,
    pub(super) dead: Keyspace,
    pub(super) callbacks: Keyspace,
    pub(super) idempotency: Keyspace,
    pub(super) expiry: Keyspace,
    pub(super) kept: Keyspace,
    pub(super) copies: Keyspace,
    pub(super) copy_heads: Keyspace,
    pub(super) copy_bodies: Keyspace,
    pub(super) copy_keys: Keyspace,
    pub(super) taken: Keyspace,
    pub(super) meta: Keyspace,
}

pub(super) fn unavailable(error: impl std::fmt::Display) -> Error {
    Error::Unavailable(error.to_string())
}

impl Engine {
    /// Opens the queue in `folder`, making it if there is none.
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        create(folder).map_err(unavailable)?;
        match Self::try_open(folder) {
            Err(fjall::Error::JournalRecovery(error)) => {
                tracing::error!(
                    ?error,
                    "queue journal ends in a damaged batch, cutting it off"
                );
                reopen_without_last_batch(folder)
            }
            result => result.map_err(unavailable),
        }
    }

    fn try_open(folder: &Path) -> fjall::Result<Self> {
        let db = Database::builder(folder)
            .manual_journal_persist(true)
            .max_journaling_size(MAX_JOURNAL_BYTES)
            .open()?;
        let keyspace = |name| db.keyspace(name, KeyspaceCreateOptions::default);
        // The one that is written most: when it is flushed, so are those that keep an old journal.
        let of_steps = || KeyspaceCreateOptions::default().max_memtable_size(MAX_STEPS_BYTES);
        Ok(Self {
            heads: keyspace("heads")?,
            bodies: keyspace("bodies")?,
            open: db.keyspace("open", of_steps)?,
            closed: keyspace("closed")?,
            results: keyspace("results")?,
            by_function: keyspace("by_function")?,
            dead: keyspace("dead")?,
            callbacks: keyspace("callbacks")?,
            idempotency: keyspace("idempotency")?,
            expiry: keyspace("expiry")?,
            kept: keyspace("kept")?,
            copies: keyspace("copies")?,
            copy_heads: keyspace("copy_heads")?,
            copy_bodies: keyspace("copy_bodies")?,
            copy_keys: keyspace("copy_keys")?,
            taken: keyspace("taken")?,
            meta: keyspace("meta")?,
            db,
        })
    }

    /// A batch whose commit returns when it is on disk: one fdatasync.
    pub(super) fn batch(&self) -> OwnedWriteBatch {
        self.db.batch().durability(Some(PersistMode::SyncData))
    }

    /// Bytes of all calls and results, finished or not, as of the last commit.
    pub(super) fn stored_bytes(&self) -> Result<u64, Error> {
        let value = self.meta.get(BYTES_COUNTER).map_err(unavailable)?;
        let bytes = value.and_then(|v| v.as_ref().try_into().ok());
        Ok(bytes.map_or(0, u64::from_be_bytes))
    }

    /// Writes that counter with the batch.
    pub(super) fn set_stored_bytes(&self, batch: &mut OwnedWriteBatch, bytes: u64) {
        batch.insert(&self.meta, BYTES_COUNTER, bytes.to_be_bytes());
    }

    /// What tokens of calls are made with; made when it is asked for first.
    pub(super) fn token_secret(&self) -> Result<[u8; 32], Error> {
        let value = self.meta.get(TOKEN_SECRET).map_err(unavailable)?;
        if let Some(secret) = value.and_then(|v| v.as_ref().try_into().ok()) {
            return Ok(secret);
        }
        let secret: [u8; 32] = rand::random();
        let mut batch = self.batch();
        batch.insert(&self.meta, TOKEN_SECRET, secret);
        batch.commit().map_err(unavailable)?;
        Ok(secret)
    }

    /// A call's state, and whether it is finished.
    pub(super) fn state(&self, key: Key) -> Result<Option<Stored>, Error> {
        for keyspace in [&self.open, &self.closed] {
            if let Some(value) = keyspace.get(key).map_err(unavailable)? {
                return Stored::from_bytes(&value).map(Some);
            }
        }
        Ok(None)
    }

    /// A call's head.
    pub(super) fn head(&self, key: Key) -> Result<Option<Head>, Error> {
        let value = self.heads.get(key).map_err(unavailable)?;
        value.map(|v| Head::from_bytes(&v)).transpose()
    }
}

/// `namespace 0 name 0`: sorts by namespace, then by name, and no name is another's prefix.
pub(super) fn function_prefix(function: &FunctionName) -> Vec<u8> {
    [function.namespace(), "\0", function.name(), "\0"]
        .concat()
        .into_bytes()
}

/// Under the function's prefix.
pub(super) fn function_key(function: &FunctionName, rest: &[u8]) -> Vec<u8> {
    let mut key = function_prefix(function);
    key.extend_from_slice(rest);
    key
}

/// Where the call of an idempotency key is found.
pub(super) fn idempotency_key(name: &KeyName) -> Vec<u8> {
    let rest = ["\x01", &name.caller, "\0", &name.key].concat();
    function_key(&name.function, rest.as_bytes())
}

/// Where versions before found it, for whom a key was the function's.
pub(super) fn former_idempotency_key(name: &KeyName) -> Vec<u8> {
    function_key(&name.function, name.key.as_bytes())
}

/// The function and the rest of such a key.
pub(super) fn split_function_key(key: &[u8]) -> Option<(FunctionName, &[u8])> {
    let mut parts = key.splitn(3, |b| *b == 0);
    let (namespace, name, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let text = |bytes| std::str::from_utf8(bytes).ok();
    Some((FunctionName::new(text(namespace)?, text(name)?).ok()?, rest))
}

/// Sorts by time.
pub(super) fn expiry_key(at: Time, key: Key) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&at.as_nanos().to_be_bytes());
    bytes[8..].copy_from_slice(&key);
    bytes
}

/// The time and id of such a key.
pub(super) fn split_expiry_key(bytes: &[u8]) -> Option<(Time, Key)> {
    let (at, key) = bytes.split_first_chunk::<8>()?;
    Some((
        Time::from_nanos(u64::from_be_bytes(*at)),
        key.try_into().ok()?,
    ))
}

/// Makes the database beside its place and moves it there whole: fjall can't open one whose
/// making was interrupted.
fn create(folder: &Path) -> io::Result<()> {
    if folder.try_exists()? {
        return Ok(());
    }
    let parent = folder.parent().ok_or(io::ErrorKind::InvalidInput)?;
    private_dir(parent)?;
    let unfinished = folder.with_extension("new");
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    private_dir(&unfinished)?;
    drop(Engine::try_open(&unfinished).map_err(io::Error::other)?);
    move_into_place(&unfinished, folder)
}

/// After a power cut the last batch may have reached the disk in part, which fjall refuses as
/// a wrong checksum. It was never confirmed to anyone: one batch is written at a time, and
/// only after the fsync of the one before. So exactly the last batch may be cut off; when
/// that doesn't help the damage is elsewhere, and the journal is left as it was found.
fn reopen_without_last_batch(folder: &Path) -> Result<Engine, Error> {
    let journal = newest_journal(folder).map_err(unavailable)?;
    let copy = journal.with_extension("damaged");
    fs::copy(&journal, &copy).map_err(unavailable)?;
    cut_last_batch(&journal).map_err(unavailable)?;
    let opened = Engine::try_open(folder);
    if let Err(error) = &opened {
        tracing::error!(
            ?error,
            "the damage is not in the last batch, restoring the journal"
        );
        fs::rename(&copy, &journal).map_err(unavailable)?;
    }
    opened.map_err(unavailable)
}

fn newest_journal(folder: &Path) -> io::Result<PathBuf> {
    let mut newest = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        let number = name
            .strip_suffix(".jnl")
            .and_then(|n| n.parse::<u64>().ok());
        newest = newest.max(number.map(|n| (n, path.clone())));
    }
    newest
        .map(|(_, path)| path)
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Every batch ends in these bytes; one without them is discarded when the journal is read.
const BATCH_END: &[u8] = b"FJL\x03";

fn cut_last_batch(journal: &Path) -> io::Result<()> {
    let bytes = fs::read(journal)?;
    let end = bytes
        .windows(BATCH_END.len())
        .rposition(|window| window == BATCH_END);
    let file = fs::OpenOptions::new().write(true).open(journal)?;
    file.set_len(end.unwrap_or(0) as u64)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_sort_and_split() {
        let hello = FunctionName::new("default", "hello").unwrap();
        let key = function_key(&hello, b"\0rest\0");
        assert_eq!(split_function_key(&key), Some((hello, &b"\0rest\0"[..])));
        let at = Time::from_millis(77);
        assert_eq!(
            split_expiry_key(&expiry_key(at, [3; 16])),
            Some((at, [3; 16]))
        );
    }

    /// Writes two batches, damages the journal, and says which keys are found afterwards.
    fn check(damage: impl FnOnce(&mut Vec<u8>), expected: [bool; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue");
        let engine = Engine::open(&path).unwrap();
        for (key, value) in [(b"a", [b'1'; 5000]), (b"b", [b'2'; 5000])] {
            let mut batch = engine.batch();
            batch.insert(&engine.bodies, key, value);
            batch.commit().unwrap();
        }
        drop(engine);
        let journal = newest_journal(&path).unwrap();
        let mut bytes = fs::read(&journal).unwrap();
        damage(&mut bytes);
        fs::write(&journal, bytes).unwrap();
        let engine = Engine::open(&path).unwrap();
        let found = [b"a", b"b"].map(|key| engine.bodies.get(key).unwrap().is_some());
        assert_eq!(found, expected);
    }

    fn last_of(bytes: &[u8], byte: u8) -> usize {
        bytes.iter().rposition(|b| *b == byte).unwrap()
    }

    #[test]
    fn torn_tails_lose_the_last_batch_only() {
        check(|_| {}, [true, true]);
        for missing in [1, 5, 13, 14, 2000, 5010] {
            check(
                |bytes| {
                    let end = last_of(bytes, 3) + 1;
                    bytes.truncate(end - missing);
                },
                [true, false],
            );
            check(
                |bytes| {
                    let end = last_of(bytes, 3) + 1;
                    bytes[end - missing..].fill(0);
                },
                [true, false],
            );
        }
    }

    #[test]
    fn last_batch_with_a_lost_page_is_cut_off() {
        check(
            |bytes| {
                let at = last_of(bytes, b'2');
                bytes[at - 4096..at].fill(0);
            },
            [true, false],
        );
    }

    #[test]
    fn interrupted_making_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue");
        fs::create_dir(path.with_extension("new")).unwrap();
        fs::write(path.with_extension("new").join("0.jnl"), b"").unwrap();
        assert_eq!(Engine::open(&path).unwrap().stored_bytes(), Ok(0));
    }
}
