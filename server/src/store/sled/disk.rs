//! The catalogue's tree in sled: create, load and check, write durably.
//!
//! sled's `flush` hands its file to `sync_file_range`, which neither flushes the disk's cache nor the
//! file's size; values above its inline limit go to files of their own, which it does not sync at
//! all. So every write here ends with fdatasync of the database file and of new blob files.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ::sled::{Config, Db};
use gateless_common::io::sync_dir;

use super::codec::{self, Meta};
use crate::store::plan::Totals;
use crate::store::space;
use crate::store::state::{LogBounds, State};
use crate::store::writer::{Change, Disk, panic_message};
use crate::store::{Batch, Error, Event, Result, Revision};

/// sled's page cache. Small: reads are served from memory of our own.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// What must be free before a group is written: the largest group, twice (entry and log), and sled's segments.
const RESERVE_BYTES: u64 = 64 * 1024 * 1024;
/// sled lets go of its lock in the background when it is closed; how often we look again.
const LOCK_ATTEMPTS: u32 = 250;
/// How many entries go into one write while a store is created.
const CREATE_STEP: usize = 1000;

/// Why a store did not open.
pub(super) enum Failure {
    /// Its content is not what was written: restore it.
    Broken(String),
    /// The machine is in the way; the content may be fine.
    Refused(Error),
}

/// An open store on its disk.
pub(super) struct SledDisk {
    db: Db,
    dir: PathBuf,
    file: File,
    synced_blobs: HashSet<OsString>,
    /// The revisions whose records are in the log, oldest first.
    logged: VecDeque<Revision>,
    /// The newest revision on the disk.
    newest: Revision,
}

/// Creates a store that shows `state` (without a log), durable to the last file.
pub(super) fn create(dir: &Path, state: &State) -> Result<()> {
    space::ensure(dir.parent().unwrap_or(dir), RESERVE_BYTES)?;
    let what = || format!("creating {}", dir.display());
    let attempt = || -> ::sled::Result<()> {
        let db = config(dir).open()?;
        for entries in state.entries().chunks(CREATE_STEP) {
            let mut batch = ::sled::Batch::default();
            for entry in entries {
                batch.insert(codec::entry_key(&entry.key), codec::encode_entry(entry));
            }
            db.apply_batch(batch)?;
        }
        let meta = codec::encode_meta(state.identity, state.totals());
        db.insert(codec::META_KEY, meta)?;
        db.flush()?;
        Ok(())
    };
    match catch_unwind(AssertUnwindSafe(attempt)) {
        Ok(Ok(())) => space::sync_tree(dir).map_err(Error::io(what())),
        Ok(Err(error)) => Err(Error::io(what())(io::Error::other(error))),
        Err(panic) => Err(Error::io(what())(io::Error::other(panic_message(&*panic)))),
    }
}

/// Opens a store, reads all of it and checks it against its totals.
pub(super) fn load(dir: &Path, bounds: LogBounds) -> Result<(SledDisk, State), Failure> {
    space::ensure(dir, RESERVE_BYTES).map_err(Failure::Refused)?;
    // sled panics on some kinds of damage, while opening and while reading.
    match catch_unwind(AssertUnwindSafe(|| try_load(dir, bounds))) {
        Ok(loaded) => loaded,
        Err(panic) => Err(Failure::Broken(panic_message(&*panic))),
    }
}

fn try_load(dir: &Path, bounds: LogBounds) -> Result<(SledDisk, State), Failure> {
    let db = open(dir)?;
    let meta = db.get(codec::META_KEY).map_err(classify)?;
    let Some(meta) = meta else {
        return Err(Failure::Broken("its totals are missing".to_owned()));
    };
    let (identity, totals) = match codec::decode_meta(&meta).map_err(Failure::Broken)? {
        Meta::Totals(identity, totals) => (identity, totals),
        Meta::Other(found) => {
            return Err(Failure::Refused(Error::Format {
                what: format!("the catalogue in {}", dir.display()),
                found,
                reads: codec::LAYOUT,
            }));
        }
    };
    let mut entries = Vec::new();
    for pair in db.scan_prefix(codec::ENTRY_PREFIX) {
        let (key, value) = pair.map_err(classify)?;
        entries.push(codec::decode_entry(&key, &value).map_err(Failure::Broken)?);
    }
    let mut state = State::with_entries(identity, bounds, totals.revision, entries);
    check(state.totals(), totals)?;
    let logged = load_log(&db, &mut state)?;
    let path = dir.join("db");
    let file = File::open(&path).map_err(|source| {
        Failure::Refused(Error::io(format!("opening {}", path.display()))(source))
    })?;
    // Recovery rewrote, renamed and removed files; nothing may rest on that before it is durable.
    space::sync_tree(dir).map_err(|source| {
        Failure::Refused(Error::io(format!("syncing {}", dir.display()))(source))
    })?;
    let disk = SledDisk {
        db,
        dir: dir.to_owned(),
        file,
        synced_blobs: HashSet::new(),
        logged,
        newest: totals.revision,
    };
    Ok((disk, state))
}

fn open(dir: &Path) -> Result<Db, Failure> {
    let mut attempts = LOCK_ATTEMPTS;
    loop {
        match config(dir).open() {
            Ok(db) => return Ok(db),
            // Our own lock says that no other process has it.
            Err(::sled::Error::Io(error))
                if attempts > 0 && error.to_string().contains("could not acquire lock") =>
            {
                attempts -= 1;
                thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(classify(error)),
        }
    }
}

fn config(dir: &Path) -> Config {
    Config::new()
        .path(dir)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None)
}

fn classify(error: ::sled::Error) -> Failure {
    use io::ErrorKind;
    let refused = match &error {
        ::sled::Error::Io(error) => matches!(
            error.kind(),
            ErrorKind::PermissionDenied
                | ErrorKind::ReadOnlyFilesystem
                | ErrorKind::StorageFull
                | ErrorKind::QuotaExceeded
                | ErrorKind::OutOfMemory
        ),
        _ => false,
    };
    if refused {
        let what = "opening the catalogue".to_owned();
        return Failure::Refused(Error::io(what)(io::Error::other(error)));
    }
    Failure::Broken(error.to_string())
}

fn check(found: Totals, expected: Totals) -> Result<(), Failure> {
    if found == expected {
        return Ok(());
    }
    Err(Failure::Broken(format!(
        "it has {} entries where {} were written, or some are altered",
        found.count, expected.count
    )))
}

/// A log that is not whole is dropped: the entries are right, so watchers only have to list again.
fn load_log(db: &Db, state: &mut State) -> Result<VecDeque<Revision>, Failure> {
    let mut keys = Vec::new();
    let mut whole = Some((Vec::<Batch>::new(), None));
    for pair in db.scan_prefix(codec::LOG_PREFIX) {
        let (key, value) = pair.map_err(classify)?;
        whole = whole.and_then(|(mut batches, mut compacted)| {
            let (batch, after) = codec::decode_batch(&key, &value)?;
            let compacted: Revision = *compacted.get_or_insert(after);
            let before = batches.last().map_or(compacted, |last| last.revision);
            (after == before).then(|| {
                batches.push(batch);
                (batches, Some(compacted))
            })
        });
        keys.push(key);
    }
    if let Some((batches, compacted)) = whole {
        let logged = batches.iter().map(|batch| batch.revision).collect();
        let compacted = compacted.unwrap_or(state.totals().revision);
        if batches.is_empty() || state.attach_log(batches, compacted) {
            return Ok(logged);
        }
    }
    tracing::warn!(
        revision = state.totals().revision,
        "the catalogue's change log is damaged and was dropped; its entries are complete"
    );
    for key in keys {
        db.remove(key).map_err(classify)?;
    }
    Ok(VecDeque::new())
}

impl Disk for SledDisk {
    fn room(&self) -> Result<()> {
        space::ensure(&self.dir, RESERVE_BYTES)
    }

    fn persist(&mut self, change: &Change<'_>) -> Result<(), String> {
        let mut batch = ::sled::Batch::default();
        for entry in change.imported {
            batch.insert(codec::entry_key(&entry.key), codec::encode_entry(entry));
        }
        // In order: of several writes to one key, the batch keeps the last.
        let mut newest = self.newest;
        for made in &change.plan.batches {
            for event in &made.events {
                match event {
                    Event::Put(entry) => {
                        batch.insert(codec::entry_key(&entry.key), codec::encode_entry(entry));
                    }
                    Event::Delete { key, .. } => batch.remove(codec::entry_key(key)),
                }
            }
            let record = codec::encode_batch(made, newest);
            batch.insert(codec::log_key(made.revision), record);
            newest = made.revision;
        }
        let gone = self.logged.partition_point(|r| *r <= change.compacted);
        for revision in self.logged.range(..gone) {
            batch.remove(codec::log_key(*revision));
        }
        let meta = codec::encode_meta(change.identity, change.totals);
        batch.insert(codec::META_KEY, meta);

        // A batch is atomic also after a crash.
        self.db.apply_batch(batch).map_err(|e| e.to_string())?;
        self.db.flush().map_err(|e| e.to_string())?;
        self.sync().map_err(|e| e.to_string())?;
        self.logged.drain(..gone);
        let made = change.plan.batches.iter().map(|made| made.revision);
        self.logged.extend(made);
        self.newest = change.totals.revision;
        Ok(())
    }
}

impl SledDisk {
    fn sync(&mut self) -> io::Result<()> {
        let dir = self.dir.join("blobs");
        let mut blobs = HashSet::new();
        let mut new = false;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if !self.synced_blobs.contains(&entry.file_name()) {
                space::sync_file(&entry.path())?;
                new = true;
            }
            blobs.insert(entry.file_name());
        }
        if new {
            sync_dir(&dir)?;
        }
        self.synced_blobs = blobs;
        self.file.sync_data()
    }
}
