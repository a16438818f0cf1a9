//! The data folder's part for instances, held by one sidecar at a time.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateless_common::stable_hash;
use rustix::fs::FlockOperation;

/// Pause between two attempts to take the lock from a predecessor that was just killed.
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// Attempts before the predecessor is taken for one that lives: two seconds.
const LOCK_ATTEMPTS: u32 = 200;

/// Whatever the umask and the folder above: queued calls, bundles and what functions say are nobody else's.
const PRIVATE_FOLDER: u32 = 0o700;

/// Folders for instances, unpacked bundles and logs, and the lock on them.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    mark: String,
    _lock: File,
}

impl Folder {
    /// Makes the folders and takes the lock.
    ///
    /// # Errors
    /// When the folder cannot be used, or another sidecar uses it.
    pub fn open(root: &Path) -> io::Result<Self> {
        Self::lock(root).map_err(|error| {
            let folder = root.display();
            let message =
                format!("data folder {folder} cannot be used, or another sidecar does: {error}");
            io::Error::new(error.kind(), message)
        })
    }

    fn lock(root: &Path) -> io::Result<Self> {
        for folder in ["instances", "bundles", "logs", "containers"] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder)?;
            fs::set_permissions(&folder, Permissions::from_mode(PRIVATE_FOLDER))?;
        }
        fs::set_permissions(root, Permissions::from_mode(PRIVATE_FOLDER))?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(root.join("instances.lock"))?;
        let mut attempts = 1;
        while let Err(error) = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK || attempts == LOCK_ATTEMPTS {
                return Err(error.into());
            }
            attempts += 1;
            std::thread::sleep(LOCK_PAUSE);
        }
        let root = fs::canonicalize(root)?;
        let mark = mark(&root)?;
        Ok(Self {
            root,
            mark,
            _lock: lock,
        })
    }

    /// Names this place: the same for a folder that is emptied or made anew here, and another for one of the same path where
    /// other file systems are mounted, as in a container.
    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    pub(super) fn instances(&self) -> PathBuf {
        self.root.join("instances")
    }

    pub(super) fn instance(&self, id: &str) -> PathBuf {
        self.instances().join(id)
    }

    pub(super) fn bundles(&self) -> PathBuf {
        self.root.join("bundles")
    }

    /// A file that says that a container was ready once.
    #[cfg(feature = "containers")]
    pub(super) fn container(&self, id: &str) -> PathBuf {
        self.root.join("containers").join(id)
    }

    /// Which image every revision runs.
    #[cfg(feature = "containers")]
    pub(super) fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Where [`Logs`](super::logs::Logs) keep their lines.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
}

fn mark(root: &Path) -> io::Result<String> {
    let above = fs::metadata(root.parent().unwrap_or(root))?;
    let (device, inode) = (above.dev().to_be_bytes(), above.ino().to_be_bytes());
    let parts = [root.as_os_str().as_encoded_bytes(), b"\0", &device, &inode];
    Ok(format!("{:016x}", stable_hash(&parts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_folder_has_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let first = Folder::open(folder.path()).unwrap();
        assert!(Folder::open(folder.path()).is_err());
        drop(first);
        assert!(Folder::open(folder.path()).is_ok());
    }

    #[test]
    fn data_folder_is_private_whatever_it_was() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let _held = Folder::open(folder.path()).unwrap();
        for part in ["", "instances", "bundles", "logs", "containers"] {
            let mode = fs::metadata(folder.path().join(part))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o700, "{part}");
        }
    }
}
