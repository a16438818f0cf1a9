//! Files that survive a crash and a power cut, folders that only their owner can look into, the wall clock, and which boot this is.
//!
//! Everything here blocks. One choice is the caller's: [`replace`] returns when the new content is on the disk, and
//! [`replace_until_reboot`] does not wait for it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt as _;

use crate::time::UnixMillis;

/// Mode of a file that only its owner reads and writes.
pub const PRIVATE: u32 = 0o600;

/// Replaces `path` with `bytes`, or makes it: readers see the old content or the new, whole, whenever the power is
/// cut, and once it returns it is the new. The file has `mode`, less what the umask takes, whatever it had before.
///
/// # Errors
/// When the folder is not there or the disk refuses; then the old content stays.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = replacement(path, mode)?;
    file.write_all(bytes)?;
    file.commit()
}

/// As [`replace`], for content that is written piece by piece: nothing is seen of it before its `commit`, and dropped
/// without that it is gone.
///
/// # Errors
/// When the folder is not there or cannot be written to.
pub fn replacement(path: &Path, mode: u32) -> io::Result<AtomicWriteFile> {
    AtomicWriteFile::options()
        .mode(mode)
        .preserve_mode(false)
        .preserve_owner(false)
        .open(path)
}

/// As [`replace`] for whoever reads while this machine runs, but it does not wait for the disk: after a power cut the
/// file may be the old one, empty or gone. For what means nothing after a reboot and must not cost an fsync.
///
/// Only one writer at a time: it writes to `PATH.tmp` first, and takes over one that a crash left there.
///
/// # Errors
/// When the folder is not there or the disk refuses; then the old content stays.
pub fn replace_until_reboot(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    // Its mode would stay as it is.
    if let Err(error) = fs::remove_file(&temporary)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)?;
    file.write_all(bytes)?;
    fs::rename(temporary, path)
}

/// Makes `path` with `bytes` if nothing is there, durably and whole; whether it was made. Of two who do it at once one
/// makes it, and the other finds it whole.
///
/// # Errors
/// When the folder is not there or the disk refuses.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<bool> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    if path.try_exists()? {
        return Ok(false);
    }
    let mut aside = path.as_os_str().to_owned();
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    aside.push(format!(".{}-{number}.new", std::process::id()));
    let aside = Path::new(&aside);
    replace(aside, bytes, mode)?;
    // Unlike a rename, a link never replaces.
    let linked = fs::hard_link(aside, path);
    fs::remove_file(aside)?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        other => other?,
    }
    sync_dir(parent(path))?;
    Ok(true)
}

/// Moves a file or folder that is written and synced to its place, replacing a file there, and waits until the place
/// itself is on the disk. For what is too large or too slow for [`replacement`].
///
/// # Errors
/// When the move fails; then `from` stays. After an error of the sync it may have been moved.
pub fn move_into_place(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_dir(parent(to))
}

/// Makes the creations, renames and removals in a folder durable.
///
/// # Errors
/// When it is not there, or the disk refuses.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a folder that only its owner can look into, whatever the umask, and those above it that are missing. One that
/// is there already stays as it is: it may be somebody's, like `/tmp`, and what is made inside it is private.
///
/// # Errors
/// When it cannot be made, or is no folder.
pub fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The one reading of the wall clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the feature `io` is never the core's"
)]
fn wall() -> SystemTime {
    SystemTime::now()
}

/// What the wall clock says now, as time since the Unix epoch; zero when it is set before that.
#[must_use]
pub fn since_epoch() -> Duration {
    age(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// As [`since_epoch`], in whole milliseconds.
#[must_use]
pub fn unix_now() -> UnixMillis {
    UnixMillis::from_epoch(since_epoch())
}

/// How long ago a file's time is by the wall clock; `None` for one ahead of it.
#[must_use]
pub fn age(of: SystemTime) -> Option<Duration> {
    wall().duration_since(of).ok()
}

/// Marks a file or folder as changed now, for caches that drop what was used longest ago.
///
/// # Errors
/// When it is not there, or the file system keeps no times.
pub fn touch(path: &Path) -> io::Result<()> {
    File::open(path)?.set_modified(wall())
}

/// Identifies this boot of the machine; empty where the kernel does not say.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests;
