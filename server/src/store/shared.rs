//! The visible state behind one lock, and watches that read it.
//!
//! A watch is a cursor into the change log, not a queue: nothing is sent to it, it is only told that
//! there is more. So a slow watcher costs nothing, and it cannot see a gap: it is either served from
//! the log or told that the log no longer reaches back to it.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::export::{self, Export};
use super::state::State;
use super::{Batch, Error, ExportSummary, Health, Result, Revision, Watch};

/// How many batches a watch takes from the log at a time; bounds what it buffers and the lock time.
const WATCH_STEP: usize = 128;

/// What an engine shares with its readers.
pub(super) struct Shared {
    /// A lock, as a read must see one revision; held for map operations only, never across I/O.
    pub(super) state: RwLock<State>,
    /// `Some` since writes are refused.
    read_only: RwLock<Option<String>>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Progress {
    revision: Revision,
    closed: bool,
}

impl Shared {
    pub(super) fn new(state: State) -> Arc<Self> {
        let progress = Progress {
            revision: state.totals().revision,
            closed: false,
        };
        Arc::new(Self {
            state: RwLock::new(state),
            read_only: RwLock::new(None),
            progress: watch::Sender::new(progress),
        })
    }

    /// Changes the visible state, then wakes the watches.
    pub(super) fn publish(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.write();
        change(&mut state);
        let revision = state.totals().revision;
        drop(state);
        self.progress
            .send_modify(|progress| progress.revision = revision);
    }

    /// Lets watches finish what there is, and then end.
    pub(super) fn close(&self) {
        self.progress.send_modify(|progress| progress.closed = true);
    }

    pub(super) fn revision(&self) -> Revision {
        self.state.read().totals().revision
    }

    pub(super) fn health(&self) -> Health {
        match &*self.read_only.read() {
            Some(reason) => Health::ReadOnly {
                reason: reason.clone(),
            },
            None => Health::Writable,
        }
    }

    pub(super) fn set_read_only(&self, reason: Option<String>) {
        *self.read_only.write() = reason;
    }

    pub(super) fn writable(&self) -> Result<()> {
        match self.health() {
            Health::Writable => Ok(()),
            Health::ReadOnly { reason } => Err(Error::ReadOnly { reason }),
        }
    }

    /// A copy of everything, as of one revision.
    pub(super) fn snapshot(&self) -> Export {
        let state = self.state.read();
        Export {
            catalogue: state.identity,
            revision: state.totals().revision,
            entries: state.entries(),
        }
    }

    pub(super) fn export(
        self: &Arc<Self>,
        mut to: Box<dyn std::io::Write + Send>,
    ) -> BoxFuture<'static, Result<ExportSummary>> {
        let shared = Arc::clone(self);
        Box::pin(blocking(move || {
            let export = shared.snapshot();
            export::write(&export, &mut to).map_err(Error::io("writing an export"))?;
            Ok(export.summary())
        }))
    }

    pub(super) fn watch(self: &Arc<Self>, prefix: &str, after: Revision) -> Result<Watch> {
        let compacted = self.state.read().compacted();
        if after < compacted {
            return Err(Error::Compacted { compacted });
        }
        let cursor = Cursor {
            progress: self.progress.subscribe(),
            shared: Arc::clone(self),
            prefix: prefix.to_owned(),
            reached: after,
            buffer: VecDeque::new(),
            failed: false,
        };
        Ok(stream::unfold(cursor, |mut cursor| async move {
            cursor.step().await.map(|item| (item, cursor))
        })
        .boxed())
    }
}

struct Cursor {
    progress: watch::Receiver<Progress>,
    shared: Arc<Shared>,
    prefix: String,
    reached: Revision,
    buffer: VecDeque<Batch>,
    failed: bool,
}

impl Cursor {
    async fn step(&mut self) -> Option<Result<Batch>> {
        loop {
            if let Some(batch) = self.buffer.pop_front() {
                return Some(Ok(batch));
            }
            if self.failed {
                return None;
            }
            // Mark what is known as seen first: what comes after it wakes `changed` below.
            let known = *self.progress.borrow_and_update();
            let history = self
                .shared
                .state
                .read()
                .history(&self.prefix, self.reached, WATCH_STEP);
            match history {
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
                Ok((_, reached)) if reached == self.reached => {
                    if known.closed || self.progress.changed().await.is_err() {
                        return None;
                    }
                }
                Ok((batches, reached)) => {
                    self.reached = reached;
                    self.buffer.extend(batches);
                }
            }
        }
    }
}

/// Runs file operations off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Io {
            what: "a background task of the store".to_owned(),
            source: std::io::Error::other(error),
        }),
    }
}
