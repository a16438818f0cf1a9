//! Free space and durable file operations, shared by the catalogue, its exports and the artifacts.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use gateless_common::io::{private_dir, sync_dir};

use super::{Error, Result};

/// Refuses when the file system of `path` has less than `needed_bytes` left for us.
pub(super) fn ensure(path: &Path, needed_bytes: u64) -> Result<()> {
    // A file system that does not say is left to fail by itself.
    let Ok(stat) = rustix::fs::statvfs(path) else {
        return Ok(());
    };
    let available_bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
    if available_bytes >= needed_bytes {
        return Ok(());
    }
    Err(Error::NoSpace {
        path: path.to_owned(),
        available_bytes,
        needed_bytes,
    })
}

/// Makes a file's content durable. One that is gone needs nothing: sled removes files of its own in
/// the background, once nothing refers to them.
pub(super) fn sync_file(path: &Path) -> io::Result<()> {
    match File::open(path) {
        Ok(file) => file.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a folder and everything in it durable.
pub(super) fn sync_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            sync_file(&entry.path())?;
        }
    }
    sync_dir(path)
}

/// A folder only its owner can look into; it stays as it is if it exists.
pub(super) fn create_private_dir(path: &Path) -> Result<()> {
    private_dir(path).map_err(Error::io(format!("creating {}", path.display())))
}
