//! Saves the catalogue behind the stream's back: a few times a second at most.
//!
//! A slow or full disk never holds up a change; what waits to be written is bounded, since
//! past a bound the whole catalogue is written instead of the changes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gateless_core::lineage::Ancestry;
use gateless_proto::v1::{self, WatchResponse};
use imbl::OrdMap;
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::blocking;
use super::last_good::{LastGood, Record};
use super::lineage;
use super::state::{Catalogue, Foreign, State};

/// Short, because what was applied but not saved is lost if the sidecar is killed while the
/// server is gone; not zero, so that a burst of changes is a few writes.
const BETWEEN_WRITES: Duration = Duration::from_millis(25);
const AFTER_AN_ERROR: Duration = Duration::from_secs(2);
/// Changes waiting to be appended; past it a rewrite is cheaper anyway.
const MAX_PENDING: usize = 256;
/// Resources in one record of a snapshot.
const SNAPSHOT_PART: usize = 256;

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

/// Why a response was not applied, and the catalogue stays what it was.
pub(super) enum NotApplied {
    /// The catalogue may not replace the one here.
    Refused(v1::CatalogueRefusal),
    /// It is no more than a difference, to another.
    Foreign(Foreign),
}

impl Saver {
    pub(super) fn new(state: State) -> Self {
        let version = state.catalogue.version;
        // The version before saved it with its secrets in the clear.
        let rewrite = state.came_plain();
        let dirty = Notify::new();
        if rewrite {
            dirty.notify_one();
        }
        Self {
            inner: Mutex::new(Inner {
                state,
                pending: Vec::new(),
                rewrite,
            }),
            dirty,
            saved_version: watch::channel(version).0,
        }
    }

    pub(super) fn saved_version(&self) -> watch::Receiver<u64> {
        self.saved_version.subscribe()
    }

    pub(super) fn with_state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.inner.lock().state)
    }

    /// Applies a response of a catalogue that may replace the one here, and queues its accepted part to be saved.
    pub(super) fn apply(
        &self,
        response: v1::WatchResponse,
        ancestry: Option<&Arc<Ancestry>>,
    ) -> Result<Applied, NotApplied> {
        let mut inner = self.inner.lock();
        let Inner {
            state,
            pending,
            rewrite,
        } = &mut *inner;
        lineage::check(&state.catalogue, &response, ancestry)
            .map_err(|refused| NotApplied::Refused(lineage::refusal(&state.catalogue, refused)))?;
        let before = state.rejections();
        let accepted = state.apply(response).map_err(NotApplied::Foreign)?;
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

    /// What to write next.
    fn take(&self, mut rewrite: bool) -> Option<Batch> {
        let mut inner = self.inner.lock();
        let version = inner.state.catalogue.version;
        let pending = std::mem::take(&mut inner.pending);
        if !inner.rewrite && pending.is_empty() {
            return None;
        }
        rewrite |= std::mem::take(&mut inner.rewrite);
        let records = if rewrite {
            Records::Everything {
                catalogue_id: inner.state.catalogue.id.clone(),
                ancestry: inner.state.catalogue.ancestry.clone(),
                vanished: lineage::vanished(&inner.state.catalogue),
                good: inner.state.good(),
                rejected: inner.state.rejections(),
            }
        } else {
            Records::Changes(pending)
        };
        Some(Batch { version, records })
    }

    fn ask_rewrite(&self) {
        self.inner.lock().rewrite = true;
        self.dirty.notify_one();
    }
}

/// What to write, and the version that is saved with it.
struct Batch {
    version: u64,
    records: Records,
}

enum Records {
    Changes(Vec<Record>),
    /// Instead of everything there.
    Everything {
        catalogue_id: String,
        ancestry: Arc<Ancestry>,
        vanished: Vec<String>,
        good: OrdMap<Arc<str>, Arc<[u8]>>,
        rejected: Vec<v1::Rejection>,
    },
}

impl Batch {
    fn write(self, log: &mut LastGood) -> io::Result<()> {
        match self.records {
            Records::Changes(records) => log.append(&records),
            Records::Everything {
                catalogue_id,
                ancestry,
                vanished,
                good,
                rejected,
            } => {
                let rejected = std::iter::once(rejections(rejected));
                let mut parts = snapshot((&catalogue_id, self.version), &ancestry, &good);
                let first = parts
                    .next()
                    .map(|first| WatchResponse { vanished, ..first });
                let parts = first.into_iter().chain(parts).map(Record::Changes);
                log.rewrite(parts.chain(rejected))
            }
        }
    }
}

/// A snapshot in parts, so that ten thousand resources are never decoded at the same time: the first
/// replaces what is known, the others add to it.
pub(super) fn snapshot<'a>(
    (catalogue_id, version): (&'a str, u64),
    ancestry: &'a Ancestry,
    good: &'a OrdMap<Arc<str>, Arc<[u8]>>,
) -> impl Iterator<Item = v1::WatchResponse> + 'a {
    let mut left = good.iter();
    let mut first = true;
    std::iter::from_fn(move || {
        let changes = left.by_ref().take(SNAPSHOT_PART).map(|(name, resource)| {
            // Encoded by `State::change`, so it decodes.
            let resource = v1::Resource::decode(&**resource).ok();
            let name = name.to_string();
            v1::Change { name, resource }
        });
        let changes: Vec<_> = changes.collect();
        let is_first = std::mem::take(&mut first);
        (is_first || !changes.is_empty()).then(|| v1::WatchResponse {
            catalogue_id: catalogue_id.to_owned(),
            version,
            snapshot: is_first,
            changes,
            ancestry: is_first.then(|| lineage::write(ancestry)),
            ..Default::default()
        })
    })
}

fn rejections(rejected: Vec<v1::Rejection>) -> Record {
    Record::Rejected(v1::WatchAck {
        version: 0,
        rejected,
        ..Default::default()
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
            let Some(batch) = writer.take(log.wants_rewrite()) else {
                return Ok((log, Ok(None)));
            };
            let version = batch.version;
            let written = batch.write(&mut log);
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
