//! Opening a data folder, whatever state it is in.
//!
//! ```text
//! DIR/lock                       one process at a time
//! DIR/db/                        the store; only ever renamed into place complete
//! DIR/db.new/                    a store being made; removed at start
//! DIR/db.replaced/               the store before it was rewritten (`rewrite.rs`); removed, or the store again, at start
//! DIR/db.corrupt-<time>/         a store that did not open, set aside; never deleted by us
//! DIR/exports/catalogue-N.jsonl  the last few exports
//! ```
//!
//! A store is restored when it does not open, fails its checks, is missing, or is behind its own
//! newest export. What was written after that export is lost then, and this is said loudly. A
//! store that cannot be restored is never replaced by an empty one.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateless_common::io::{move_into_place, unix_now};
use uuid::Uuid;

use super::disk::{self, Failure, SledDisk};
use super::exports::Exports;
use super::{Options, Restored};
use crate::clock;
use crate::store::state::State;
use crate::store::{Error, Result, Revision, space};

/// A data folder that is open.
pub(super) struct Folder {
    pub(super) lock: File,
    pub(super) disk: SledDisk,
    pub(super) state: State,
    pub(super) exports: Exports,
    pub(super) last_export: Option<(Uuid, Revision)>,
    pub(super) restored: Option<Restored>,
}

pub(super) fn open(dir: &Path, options: &Options) -> Result<Folder> {
    space::create_private_dir(dir)?;
    let lock = lock(dir)?;
    let exports = Exports::open(dir.join("exports"), options.keep_exports)?;
    let unfinished = dir.join("db.new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)
            .map_err(Error::io(format!("removing {}", unfinished.display())))?;
    }
    settle_rewrite(dir)?;
    let newest = exports.newest()?;
    let last_export = newest
        .as_ref()
        .map(|(_, export)| (export.catalogue, export.revision));
    let db = dir.join("db");
    let exists = db
        .try_exists()
        .map_err(Error::io(format!("looking for {}", db.display())))?;
    let opened = if exists {
        disk::load(&db, options.log)
    } else if newest.is_none() && !exports.any()? {
        make(dir, &State::new(Uuid::new_v4(), options.log))?;
        disk::load(&db, options.log)
    } else {
        Err(Failure::Broken("it is missing".to_owned()))
    };
    let reason = match opened {
        Ok((disk, state)) => match behind(&state, last_export) {
            None => {
                return Ok(Folder {
                    lock,
                    disk,
                    state,
                    exports,
                    last_export,
                    restored: None,
                });
            }
            Some(reason) => reason,
        },
        Err(Failure::Refused(error)) => return Err(error),
        Err(Failure::Broken(reason)) => reason,
    };
    let Some((from, export)) = newest else {
        return Err(Error::Unrecoverable {
            path: db,
            exports: exports.dir().to_owned(),
            reason,
        });
    };
    let mut state = State::new(Uuid::new_v4(), options.log);
    state.replace(export);
    let restored = restore(dir, from, &state, reason)?;
    let (disk, state) = disk::load(&db, options.log).map_err(|failure| match failure {
        Failure::Refused(error) => error,
        Failure::Broken(reason) => Error::Unrecoverable {
            path: db,
            exports: exports.dir().to_owned(),
            reason,
        },
    })?;
    Ok(Folder {
        lock,
        disk,
        state,
        exports,
        last_export,
        restored: Some(restored),
    })
}

/// The store that was moved aside for one that was rewritten.
pub(super) fn replaced(dir: &Path) -> PathBuf {
    dir.join("db.replaced")
}

/// A rewrite that broke off: the new store is in its place and the old one goes, or the old one is the store again.
fn settle_rewrite(dir: &Path) -> Result<()> {
    let (db, old) = (dir.join("db"), replaced(dir));
    if !old.exists() {
        return Ok(());
    }
    let what = format!("settling {}", old.display());
    if db.exists() {
        fs::remove_dir_all(&old).map_err(Error::io(what))
    } else {
        move_into_place(&old, &db).map_err(Error::io(what))
    }
}

/// How long a lock may be held by somebody who is about to let go.
const LOCK_PATIENCE: Duration = Duration::from_millis(300);

fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let what = format!("locking {}", path.display());
    let file = match File::create(&path) {
        Ok(file) => file,
        Err(source) => return Err(Error::Io { what, source }),
    };
    // A process this one is just starting holds the lock from its fork to its exec, when
    // the store was closed in between: nobody tells when that is over.
    let patience = clock::instant() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if clock::instant() < patience => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked {
                    path: dir.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(Error::Io { what, source }),
        }
    }
}

/// An export shows only durable writes, so a store behind its own export has lost some.
fn behind(state: &State, export: Option<(Uuid, Revision)>) -> Option<String> {
    let (identity, exported) = export?;
    let revision = state.totals().revision;
    (identity == state.identity && exported > revision)
        .then(|| format!("it is at revision {revision}, its newest export at {exported}"))
}

/// Makes a complete store and moves it into place; `DIR/db` must not exist.
fn make(dir: &Path, state: &State) -> Result<()> {
    let new = dir.join("db.new");
    disk::create(&new, state)?;
    put_in_place(dir, &new)
}

pub(super) fn put_in_place(dir: &Path, new: &Path) -> Result<()> {
    let db = dir.join("db");
    move_into_place(new, &db).map_err(Error::io(format!("moving a new store to {}", db.display())))
}

fn restore(dir: &Path, from: PathBuf, state: &State, reason: String) -> Result<Restored> {
    let new = dir.join("db.new");
    disk::create(&new, state)?;
    let db = dir.join("db");
    let set_aside = db.exists().then(|| unused_name(dir));
    if let Some(aside) = &set_aside {
        fs::rename(&db, aside).map_err(Error::io(format!(
            "moving {} to {}",
            db.display(),
            aside.display()
        )))?;
    }
    put_in_place(dir, &new)?;
    let revision = state.totals().revision;
    tracing::error!(
        %reason,
        from = %from.display(),
        revision,
        set_aside = ?set_aside,
        "the catalogue did not open and was restored from an export; changes after it are lost"
    );
    Ok(Restored {
        from,
        revision,
        set_aside,
        reason,
    })
}

fn unused_name(dir: &Path) -> PathBuf {
    let seconds = unix_now().since_epoch().as_secs();
    let mut path = dir.join(format!("db.corrupt-{seconds}"));
    let mut again = 1;
    while path.exists() {
        path = dir.join(format!("db.corrupt-{seconds}-{again}"));
        again += 1;
    }
    path
}
