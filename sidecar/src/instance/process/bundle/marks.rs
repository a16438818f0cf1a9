//! By what it is known that nobody changed an unpacked bundle: what the file system says of each of its entries.
//!
//! No change of a file leaves its time of change (`ctime`) as it was, and nobody but the kernel sets that. So a look costs one system call
//! for each entry and no reading. Decides nothing but whether two looks saw the same.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

/// Looks at whether the file system's clock went on, which it does every few milliseconds.
const TICK_LOOKS: u32 = 100;
const TICK_PAUSE: Duration = Duration::from_millis(1);

/// What one look found, as a digest: a bundle may have a hundred thousand entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks([u8; 32]);

/// One entry, the folder itself included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Within the bundle.
    pub(super) path: PathBuf,
    pub(super) device: u64,
    pub(super) inode: u64,
    /// Its kind with it.
    pub(super) mode: u32,
    pub(super) size: u64,
    /// Seconds and nanoseconds.
    pub(super) changed: (i64, i64),
}

impl Entry {
    fn new(path: PathBuf, found: &Metadata) -> Self {
        Self {
            path,
            device: found.dev(),
            inode: found.ino(),
            mode: found.mode(),
            size: found.size(),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

impl Marks {
    /// The same for the same entries, in whatever order they were found.
    pub(super) fn of(mut entries: Vec<Entry>) -> Self {
        entries.sort();
        let mut digest = Sha256::new();
        for entry in entries {
            let path = entry.path.as_os_str().as_bytes();
            digest.update((path.len() as u64).to_le_bytes());
            digest.update(path);
            for number in [entry.device, entry.inode, entry.mode.into(), entry.size] {
                digest.update(number.to_le_bytes());
            }
            digest.update(entry.changed.0.to_le_bytes());
            digest.update(entry.changed.1.to_le_bytes());
        }
        Self(digest.finalize().into())
    }
}

/// Looks at everything in a folder, through no link.
pub(super) fn look(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut found = vec![Entry::new(PathBuf::new(), &fs::symlink_metadata(folder)?)];
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inner))? {
            let entry = entry?;
            let path = inner.join(entry.file_name());
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            found.push(Entry::new(path, &metadata));
        }
    }
    Ok(found)
}

/// Waits until what is changed from now on gets a later time than all of these have: file systems count in steps of milliseconds.
///
/// # Errors
/// When no file can be made to see it by, or the clock stands still.
pub(super) fn await_tick(entries: &[Entry], probe: &Path) -> io::Result<()> {
    let last = entries.iter().map(|entry| entry.changed).max();
    for _ in 0..TICK_LOOKS {
        let now = File::create(probe)?.metadata()?;
        fs::remove_file(probe)?;
        if Some((now.ctime(), now.ctime_nsec())) > last {
            return Ok(());
        }
        std::thread::sleep(TICK_PAUSE);
    }
    Err(io::Error::other("the file system's clock stands still"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str) -> Entry {
        Entry {
            path: path.into(),
            device: 1,
            inode: 2,
            mode: 0o100_444,
            size: 3,
            changed: (4, 5),
        }
    }

    #[test]
    fn every_difference_counts_and_no_order_does() {
        let marks = |entries: &[Entry]| Marks::of(entries.to_vec());
        let (one, two) = (entry("a"), entry("b"));
        let usual = marks(&[one.clone(), two.clone()]);
        assert_eq!(usual, marks(&[two.clone(), one.clone()]));
        assert_ne!(usual, marks(std::slice::from_ref(&one)));
        assert_ne!(usual, marks(&[one.clone(), two.clone(), entry("c")]));
        let changed: [fn(&mut Entry); 7] = [
            |entry| entry.path = "c".into(),
            |entry| entry.device += 1,
            |entry| entry.inode += 1,
            |entry| entry.mode |= 0o200,
            |entry| entry.size += 1,
            |entry| entry.changed.0 += 1,
            |entry| entry.changed.1 += 1,
        ];
        for change in changed {
            let mut two = two.clone();
            change(&mut two);
            assert_ne!(usual, marks(&[one.clone(), two]));
        }
    }
}
