//! A store written anew with other values, for a catalogue that is sealed or made plain: sled keeps what was overwritten in
//! its files for a while, and the change log and the exports have it as well.

use std::fs::{self, File};
use std::path::Path;

use gateless_common::io::move_into_place;

use super::{Options, disk, open};
use crate::store::export::Export;
use crate::store::state::State;
use crate::store::{Entry, Error, Result, Revision};

pub(super) fn rewrite(
    dir: &Path,
    options: &Options,
    change: impl FnOnce(Vec<Entry>, Revision) -> Result<Vec<Entry>>,
) -> Result<()> {
    let folder = open::open(dir, options)?;
    let (identity, revision) = (folder.state.identity, folder.state.totals().revision);
    let entries = change(folder.state.entries(), revision)?;
    drop(folder.disk);
    let db = dir.join("db");
    let file = db.join("db");
    let what = || format!("waiting for {} to be closed", file.display());
    // sled lets go of its files in the background, and must have before they are moved.
    let held = File::open(&file).map_err(Error::io(what()))?;
    held.lock().map_err(Error::io(what()))?;
    let state = State::with_entries(identity, options.log, revision, entries);
    let (new, old) = (dir.join("db.new"), open::replaced(dir));
    disk::create(&new, &state)?;
    let aside = format!("moving {} to {}", db.display(), old.display());
    move_into_place(&db, &old).map_err(Error::io(aside))?;
    open::put_in_place(dir, &new)?;
    folder.exports.write(&Export {
        catalogue: identity,
        revision,
        entries: state.entries(),
    })?;
    folder.exports.keep_newest()?;
    let gone = format!("removing {}", old.display());
    fs::remove_dir_all(&old).map_err(Error::io(gone))?;
    drop((held, folder.lock));
    Ok(())
}
