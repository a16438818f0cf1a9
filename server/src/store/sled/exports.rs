//! The folder of exports: written on a schedule and on shutdown, read when the store does not open.
//!
//! Files are numbered, the highest is the newest: neither clocks nor revisions order them, as both
//! can step back (a restored catalogue may be at a lower revision).

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gateless_common::io::{PRIVATE, replacement};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::store::export::{self, Export};
use crate::store::shared::Shared;
use crate::store::{Error, Result, Revision, space};

/// How names of exports begin that were being written.
const UNFINISHED: &str = ".catalogue-";

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Exports {
    dir: PathBuf,
    keep: usize,
}

impl Exports {
    /// Creates the folder, and removes what a crash left half-written.
    pub(super) fn open(dir: PathBuf, keep: usize) -> Result<Self> {
        space::create_private_dir(&dir)?;
        let exports = Self {
            dir,
            keep: keep.max(1),
        };
        for path in exports.paths()? {
            let name = path.file_name().unwrap_or_default();
            if name.to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_file(&path)
                    .map_err(Error::io(format!("removing {}", path.display())))?;
            }
        }
        Ok(exports)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether there are exports, valid or not.
    pub(super) fn any(&self) -> Result<bool> {
        Ok(!self.numbered()?.is_empty())
    }

    /// The newest export that is whole. Others are named in the log and left where they are.
    pub(super) fn newest(&self) -> Result<Option<(PathBuf, Export)>> {
        for (_, path) in self.numbered()?.into_iter().rev() {
            let file =
                File::open(&path).map_err(Error::io(format!("opening {}", path.display())))?;
            match export::read(&mut BufReader::new(file)) {
                Ok(export) => return Ok(Some((path, export))),
                // Whole, and newer than what this version can read: an older one must not pass for it.
                Err(Error::Format { found, reads, .. }) => {
                    let what = path.display().to_string();
                    return Err(Error::Format { what, found, reads });
                }
                Err(error) => tracing::error!(path = %path.display(), %error, "ignoring an export"),
            }
        }
        Ok(None)
    }

    /// Writes an export that is either whole or not there, and removes the oldest ones.
    pub(super) fn write(&self, export: &Export) -> Result<PathBuf> {
        let numbered = self.numbered()?;
        let number = numbered.last().map_or(1, |(number, _)| number + 1);
        let path = self.dir.join(format!("catalogue-{number:010}.jsonl"));
        let attempt = || {
            let mut file = replacement(&path, PRIVATE)?;
            export::write(export, &mut file)?;
            file.commit()
        };
        attempt().map_err(Error::io(format!("writing {}", path.display())))?;
        let excess = (numbered.len() + 1).saturating_sub(self.keep);
        for (_, old) in numbered.into_iter().take(excess) {
            fs::remove_file(&old).map_err(Error::io(format!("removing {}", old.display())))?;
        }
        Ok(path)
    }

    /// Removes every export but the newest.
    pub(super) fn keep_newest(&self) -> Result<()> {
        let mut numbered = self.numbered()?;
        numbered.pop();
        for (_, old) in numbered {
            fs::remove_file(&old).map_err(Error::io(format!("removing {}", old.display())))?;
        }
        Ok(())
    }

    fn paths(&self) -> Result<Vec<PathBuf>> {
        let what = || format!("listing {}", self.dir.display());
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(Error::io(what()))? {
            paths.push(entry.map_err(Error::io(what()))?.path());
        }
        Ok(paths)
    }

    /// Oldest first. A file that somebody put there counts if it is named like ours.
    fn numbered(&self) -> Result<Vec<(u64, PathBuf)>> {
        let mut numbered: Vec<_> = self
            .paths()?
            .into_iter()
            .filter_map(|path| {
                let name = path.file_name()?.to_str()?;
                let number = name.strip_prefix("catalogue-")?.strip_suffix(".jsonl")?;
                Some((number.parse().ok()?, path))
            })
            .collect();
        numbered.sort();
        Ok(numbered)
    }
}

/// What the thread is asked for.
enum Ask {
    /// An export now, if anything changed; answers when it is written.
    Now(oneshot::Sender<Result<()>>),
    /// A last export, and an end.
    End,
}

/// Asks the thread. Cheap to clone.
#[derive(Clone)]
pub(super) struct Asker(mpsc::Sender<Ask>);

impl Asker {
    /// Exports what there is now.
    pub(super) async fn export(&self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Ask::Now(reply)).map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }
}

/// The thread that exports on a schedule. Dropping it ends the thread without an export.
pub(super) struct Exporter {
    asker: Option<Asker>,
    thread: Option<JoinHandle<()>>,
}

impl Exporter {
    /// Exports every `interval` if anything changed since `last`, what the newest export shows.
    pub(super) fn spawn(
        shared: Arc<Shared>,
        exports: Exports,
        interval: Duration,
        last: Option<(Uuid, Revision)>,
    ) -> Result<Self> {
        let (asker, asked) = mpsc::channel();
        let mut last = last;
        let mut export = move || {
            let (identity, revision) = {
                let state = shared.state.read();
                (state.identity, state.totals().revision)
            };
            // A catalogue that was never written to has nothing to lose.
            if revision == 0 || last == Some((identity, revision)) {
                return Ok(());
            }
            let export = shared.snapshot();
            let written = exports.write(&export);
            match &written {
                Ok(_) => last = Some((export.catalogue, export.revision)),
                Err(error) => tracing::error!(%error, "exporting the catalogue failed"),
            }
            written.map(|_| ())
        };
        let thread = thread::Builder::new()
            .name("catalogue-export".to_owned())
            .spawn(move || {
                loop {
                    // What failed is in the log, and is tried again at the next turn.
                    match asked.recv_timeout(interval) {
                        Err(RecvTimeoutError::Timeout) => drop(export()),
                        Err(RecvTimeoutError::Disconnected) => return,
                        Ok(Ask::Now(reply)) => drop(reply.send(export())),
                        Ok(Ask::End) => return drop(export()),
                    }
                }
            })
            .map_err(Error::io("starting the export thread"))?;
        Ok(Self {
            asker: Some(Asker(asker)),
            thread: Some(thread),
        })
    }

    /// To ask it between its turns.
    pub(super) fn asker(&self) -> Option<Asker> {
        self.asker.clone()
    }

    /// Exports a last time and waits for it.
    pub(super) fn finish(mut self) {
        if let Some(Asker(asker)) = self.asker.take() {
            // It fails only if the thread is gone, and then there is nothing to wait for.
            let _gone = asker.send(Ask::End);
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.asker = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the export thread panicked");
        }
    }
}
