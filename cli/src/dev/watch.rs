//! When a function's sources changed, and which.
//!
//! The kernel says that something happened in a folder, a look at the files says what; a burst of
//! events is one change. Deliberately no polling, and no watch on folders that are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::failure::{Exit, Failure};
use crate::pack::sources::{Sources, parent};

/// Editors and compilers write in bursts: a change is over when nothing came for so long.
const QUIET: Duration = Duration::from_millis(40);
/// A burst that does not end is acted on anyway.
const LONGEST_BURST: Duration = Duration::from_secs(2);

type Files = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// Watches one function.
pub(super) struct Watcher {
    kernel: RecommendedWatcher,
    /// One place: that something happened is all there is to know.
    events: mpsc::Receiver<()>,
    /// `function.toml`.
    file: PathBuf,
    sources: Option<Sources>,
    folders: BTreeSet<PathBuf>,
    seen: Files,
    /// Something happened that was not looked at yet.
    pending: bool,
}

impl Watcher {
    pub(super) fn new(file: PathBuf) -> Result<Self, Failure> {
        let (send, events) = mpsc::channel(1);
        let kernel = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_reading(event.kind)) {
                return;
            }
            // Full: the one waiting there says the same.
            send.try_send(()).ok();
        })
        .map_err(|e| failed("cannot watch files", &e))?;
        let mut watcher = Self {
            kernel,
            events,
            file,
            sources: None,
            folders: BTreeSet::new(),
            seen: Files::new(),
            pending: false,
        };
        watcher.forget_changes()?;
        Ok(watcher)
    }

    /// From now on these sources; their state is the one at hand.
    pub(super) fn set(&mut self, sources: Sources) -> Result<(), Failure> {
        self.sources = Some(sources);
        self.forget_changes()
    }

    /// Takes the files as they are for seen.
    pub(super) fn forget_changes(&mut self) -> Result<(), Failure> {
        self.seen = self.look()?;
        Ok(())
    }

    /// Waits for a change that is over; the files that changed.
    ///
    /// Cancelling it loses nothing: an event stays pending until its files were looked at.
    pub(super) async fn changed(&mut self) -> Result<Vec<String>, Failure> {
        loop {
            if !self.pending && self.events.recv().await.is_none() {
                // The sender lives as long as the kernel's watcher, so this is its end.
                return Err(Failure::new(Exit::Failure, "watch", "watching files ended"));
            }
            self.pending = true;
            let end = Instant::now() + LONGEST_BURST;
            while let Ok(Some(())) =
                timeout_at(end.min(Instant::now() + QUIET), self.events.recv()).await
            {}
            self.pending = false;
            let now = self.look()?;
            let changed = difference(&self.seen, &now);
            self.seen = now;
            if !changed.is_empty() {
                return Ok(changed);
            }
        }
    }

    /// Every source, with a watch on its folder.
    fn look(&mut self) -> Result<Files, Failure> {
        let unreadable = |e| Failure::io("cannot look at the sources", &e);
        let mut scan = match &self.sources {
            Some(sources) => sources.scan().map_err(unreadable)?,
            None => crate::pack::sources::Scan::default(),
        };
        scan.folders.insert(parent(&self.file).to_owned());
        for gone in self.folders.difference(&scan.folders) {
            // It may have been deleted, and its watch with it.
            self.kernel.unwatch(gone).ok();
        }
        let mut added = false;
        for folder in scan.folders.difference(&self.folders) {
            match self.kernel.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => added = true,
                // Gone again already: its parent's watch has said so.
                Err(_) if !folder.exists() => {}
                Err(e) => return Err(failed(&format!("cannot watch {}", folder.display()), &e)),
            }
        }
        self.folders = scan.folders;
        if let (true, Some(sources)) = (added, &self.sources) {
            // What was written before the new watches were there.
            scan.files = sources.scan().map_err(unreadable)?.files;
        }
        let mut files = scan.files;
        if let Ok(meta) = std::fs::metadata(&self.file) {
            files.insert(self.file.clone(), (meta.modified().ok(), meta.len()));
        }
        Ok(files)
    }
}

/// Opening and reading change nothing; only closing what was written does.
fn is_reading(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    }
}

fn difference(before: &Files, after: &Files) -> Vec<String> {
    let paths: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| path.display().to_string())
        .collect()
}

fn failed(what: &str, error: &notify::Error) -> Failure {
    Failure::new(Exit::Failure, "watch", what)
        .cause(error)
        .hint("is fs.inotify.max_user_watches reached? name what to watch with [build] watch")
}
