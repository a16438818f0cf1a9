//! Whether this sidecar gives up its instances: remembered on disk, so that a restart in the middle of
//! maintenance brings nothing back.
//!
//! It decides nothing: a host that drains tells its owners that it has room for none.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use gateless_common::io::sync_dir;
use tokio::sync::watch;

/// The flag: there when the sidecar drains.
const FILE: &str = "draining";

/// Whether this sidecar drains, on disk and for those who watch it.
pub(crate) struct Draining {
    folder: PathBuf,
    state: watch::Sender<bool>,
    /// One change at a time. A lock, as the file and the state must agree.
    changing: tokio::sync::Mutex<()>,
}

impl Draining {
    /// As it was left.
    pub(crate) fn open(data: &Path) -> io::Result<Self> {
        let draining = data.join(FILE).try_exists()?;
        Ok(Self {
            folder: data.to_owned(),
            state: watch::Sender::new(draining),
            changing: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.state.subscribe()
    }

    /// Remembers, then does it.
    pub(crate) async fn set(&self, draining: bool) -> io::Result<()> {
        let _one = self.changing.lock().await;
        let folder = self.folder.clone();
        let kept = tokio::task::spawn_blocking(move || keep(&folder, draining)).await;
        kept.unwrap_or_else(|panic| Err(io::Error::other(panic)))?;
        self.state.send_if_modified(|state| {
            let changed = *state != draining;
            *state = draining;
            changed
        });
        Ok(())
    }
}

fn keep(folder: &Path, draining: bool) -> io::Result<()> {
    let path = folder.join(FILE);
    if draining {
        File::create(&path)?.sync_all()?;
    } else if let Err(error) = fs::remove_file(&path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    // The name must outlive a power cut, too.
    sync_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_remembered_until_it_is_taken_back() {
        let data = tempfile::tempdir().unwrap();
        let open = || Draining::open(data.path()).unwrap();
        let is_on = |draining: &Draining| *draining.watch().borrow();
        assert!(!is_on(&open()));
        for draining in [true, true, false, false] {
            let flag = open();
            flag.set(draining).await.unwrap();
            assert_eq!(is_on(&flag), draining);
            assert_eq!(is_on(&open()), draining);
        }
    }
}
