//! Saves the catalogue behind the stream's back: a few times a second at most.
//!
//! A slow or full disk never holds up a change; what waits to be written is bounded, since
//! past a bound the whole catalogue is written instead of the changes.

use std::sync::Arc;
use std::time::Duration;

use gateless_proto::v1;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::blocking;
use super::catalogue::{Catalogue, Foreign, State};
use super::last_good::{LastGood, Record};

/// Short, because what was applied but not saved is lost if the sidecar is killed while the
/// server is gone; not zero, so that a burst of changes is a few writes.
const BETWEEN_WRITES: Duration = Duration::from_millis(25);
const AFTER_AN_ERROR: Duration = Duration::from_secs(2);
/// Changes waiting to be appended; past it a rewrite is cheaper anyway.
const MAX_PENDING: usize = 256;

/// The state, and what of it is not on disk yet.
pub(super) struct Saver {
    // Held while a response is applied, which is computation only.
    inner: Mutex<Inner>,
    dirty: Notify,
    saved_version: watch::Sender<u64>,
}

struct Inner {
    state: State,
    pending: Vec<Record>,
    rewrite: bool,
}

/// What was applied, for the acknowledgement and the readers.
pub(super) struct Applied {
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) rejected: Vec<v1::Rejection>,
}

impl Saver {
    pub(super) fn new(state: State) -> Self {
        let version = state.catalogue.version;
        Self {
            inner: Mutex::new(Inner {
                state,
                pending: Vec::new(),
                rewrite: false,
            }),
            dirty: Notify::new(),
            saved_version: watch::channel(version).0,
        }
    }

    pub(super) fn saved_version(&self) -> watch::Receiver<u64> {
        self.saved_version.subscribe()
    }

    pub(super) fn with_state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.inner.lock().state)
    }

    /// Applies a response and queues its accepted part to be saved.
    pub(super) fn apply(&self, response: v1::WatchResponse) -> Result<Applied, Foreign> {
        let mut inner = self.inner.lock();
        let Inner {
            state,
            pending,
            rewrite,
        } = &mut *inner;
        let before = state.rejections();
        let accepted = state.apply(response)?;
        let rejected = state.rejections();
        if accepted.snapshot || *rewrite || pending.len() >= MAX_PENDING {
            *rewrite = true;
            pending.clear();
        } else {
            pending.push(Record::Changes(accepted));
            if rejected != before {
                pending.push(rejections(rejected.clone()));
            }
        }
        let catalogue = Arc::new(state.catalogue.clone());
        drop(inner);
        self.dirty.notify_one();
        Ok(Applied {
            catalogue,
            rejected,
        })
    }

    /// What to write next; the flag says instead of everything there.
    fn take(&self, mut rewrite: bool) -> Option<(Vec<Record>, bool, u64)> {
        let mut inner = self.inner.lock();
        let version = inner.state.catalogue.version;
        let pending = std::mem::take(&mut inner.pending);
        if !inner.rewrite && pending.is_empty() {
            return None;
        }
        rewrite |= std::mem::take(&mut inner.rewrite);
        if !rewrite {
            return Some((pending, false, version));
        }
        let good = inner.state.good();
        let rejected = inner.state.rejections();
        let catalogue_id = inner.state.catalogue.id.clone();
        drop(inner);
        let changes = good.into_iter().map(|(name, resource)| v1::Change {
            name,
            resource: Some((*resource).clone()),
        });
        let everything = v1::WatchResponse {
            api_port: 0,
            catalogue_id,
            version,
            snapshot: true,
            changes: changes.collect(),
        };
        let records = vec![Record::Changes(everything), rejections(rejected)];
        Some((records, true, version))
    }

    fn ask_rewrite(&self) {
        self.inner.lock().rewrite = true;
        self.dirty.notify_one();
    }
}

fn rejections(rejected: Vec<v1::Rejection>) -> Record {
    Record::Rejected(v1::WatchAck {
        version: 0,
        rejected,
    })
}

/// Writes until stopped, then once more.
pub(super) async fn run(saver: Arc<Saver>, mut log: LastGood, stop: CancellationToken) {
    if log.wants_rewrite() && saver.with_state(|state| state.catalogue.version > 0) {
        // Read from a damaged file.
        saver.ask_rewrite();
    }
    let mut failing = false;
    loop {
        tokio::select! {
            () = saver.dirty.notified() => {}
            () = stop.cancelled() => {}
        }
        let last = stop.is_cancelled();
        let writer = saver.clone();
        let done = blocking(move || {
            let Some((records, rewrite, version)) = writer.take(log.wants_rewrite()) else {
                return Ok((log, Ok(None)));
            };
            let written = if rewrite {
                log.rewrite(&records)
            } else {
                log.append(&records)
            };
            Ok((log, written.map(|()| Some(version))))
        });
        let (returned, written) = match done.await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "the catalogue is not saved any more");
                return;
            }
        };
        log = returned;
        let pause = match written {
            Ok(version) => {
                failing = false;
                if let Some(version) = version {
                    saver.saved_version.send_replace(version);
                }
                BETWEEN_WRITES
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "the catalogue cannot be saved; it is tried again");
                }
                saver.ask_rewrite();
                AFTER_AN_ERROR
            }
        };
        if last {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}
