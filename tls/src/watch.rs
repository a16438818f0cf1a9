//! Notices that certificates' files have changed.
//!
//! By what the kernel says of their folders, those that links lead to among them, and once a minute where it says nothing,
//! as of a network's file system. What changed is not looked at: all are read again, which is cheap.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::certificates::Certificates;

/// Whoever writes a certificate writes its key just after, or before.
const SETTLE: Duration = Duration::from_millis(200);
/// However much goes on in the folder.
const MOST_SETTLES: usize = 10;
/// Where the kernel says nothing.
const LOOK_EVERY: Duration = Duration::from_secs(60);

impl Certificates {
    /// Takes what becomes of the files, for as long as it is polled.
    pub async fn follow(self) {
        let bell = Arc::new(Notify::new());
        let mut watched = Watched::new(&bell);
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Watched before they are read: what happens in between rings again.
            let certificates = self.clone();
            let folders = tokio::task::spawn_blocking(move || certificates.settings().folders());
            watched.watch(folders.await.unwrap_or_default());
            let certificates = self.clone();
            let reloaded = tokio::task::spawn_blocking(move || certificates.reload());
            if let Err(error) = reloaded.await {
                tracing::error!(%error, "certificates were not read");
            }
            tokio::select! {
                () = bell.notified() => {}
                _ = ticks.tick() => continue,
            }
            for _ in 0..MOST_SETTLES {
                let more = tokio::time::timeout(SETTLE, bell.notified());
                if more.await.is_err() {
                    break;
                }
            }
        }
    }
}

/// Folders that the kernel tells about.
struct Watched {
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

impl Watched {
    fn new(bell: &Arc<Notify>) -> Self {
        let bell = bell.clone();
        let ring = move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| is_change(&event.kind)) {
                bell.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(ring);
        let watcher = watcher.map_err(|error| {
            tracing::warn!(%error, "certificates' files are looked at once a minute only");
        });
        Self {
            watcher: watcher.ok(),
            folders: BTreeSet::new(),
        }
    }

    fn watch(&mut self, folders: Vec<PathBuf>) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let folders: BTreeSet<PathBuf> = folders.into_iter().collect();
        for gone in self.folders.difference(&folders) {
            // Fails when the folder is gone itself.
            watcher.unwatch(gone).ok();
        }
        // Each anew: one that was removed and made again is another to the kernel.
        self.folders = folders
            .into_iter()
            .filter(|folder| watcher.watch(folder, RecursiveMode::NonRecursive).is_ok())
            .collect();
    }
}

/// Reading them is none.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}
