//! A disk of its own for a sidecar, which can be filled up: a tmpfs in the test's own world.
//!
//! Deliberately no lost writes: what a power failure does to a disk is not shown by one in memory.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The queue wants 256 MiB kept free.
const SIZE: &str = "size=320m";

/// A mounted disk; unmounted when dropped.
#[derive(Debug)]
pub struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Mounts an empty one.
    ///
    /// # Panics
    /// Outside a test's own world.
    #[must_use]
    pub fn mount(at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "none"])
            .arg(at)
            .status();
        assert!(mounted.is_ok_and(|status| status.success()), "no tmpfs");
        Self { at: at.to_owned() }
    }

    /// Leaves room for nothing.
    ///
    /// # Panics
    /// When it cannot be filled.
    pub fn fill(&self) {
        let mut file = fs::File::create(self.ballast()).unwrap();
        // Others write meanwhile, so there is no telling beforehand how much it takes.
        for piece in [1 << 20, 4096] {
            let piece = vec![0; piece];
            loop {
                match file.write_all(&piece) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{}: {error}", self.at.display()),
                }
            }
        }
    }

    /// Takes what filled it away.
    pub fn empty(&self) {
        fs::remove_file(self.ballast()).ok();
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.at).status().ok();
    }
}
