//! The calls that this sidecar has on record, and which of a function's calls go there.
//!
//! Decides nothing: [`gateless_core::record`] says which are kept, and for how long. A call that is not kept costs a few
//! loads and comparisons, and takes no lock.

pub mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gateless_core::record::pick::{Ended, Line, Pick, Picker, Settings, glance};
use gateless_core::record::ring::{Bounds, Ring};
use gateless_core::record::{Filter, Kept, Record};
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    kept: &'static str,
}

/// This sidecar's records.
#[derive(Debug, Default)]
pub struct Records {
    settings: Settings,
    /// Taken for each record that is kept and each search, and never across an `.await`.
    ring: Mutex<Ring>,
    kept: Family<Of, Counter>,
    missed: Family<Of, Counter>,
}

impl Records {
    /// None yet.
    #[must_use]
    pub fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            ring: Mutex::new(Ring::new(Bounds::default())),
            ..Self::default()
        })
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Records put on record, by why they are";
        registry.register("call_records", help, self.kept.clone());
        let help =
            "Records not put on record, as many of their kind and function were in that second";
        registry.register("call_records_missed", help, self.missed.clone());
    }

    /// Takes a record in.
    pub fn keep(&self, record: Record) {
        self.ring.lock().push(record);
    }

    /// The newest `limit` records that a filter lets through, newest first.
    #[must_use]
    pub fn find(&self, filter: &Filter, limit: usize) -> Vec<Arc<Record>> {
        self.ring.lock().find(filter, limit)
    }
}

/// Looks at the calls of one function as they end.
#[derive(Debug)]
pub struct Watch {
    records: Arc<Records>,
    /// So many calls so far.
    number: AtomicU64,
    /// What the picker said last, to be read without its lock.
    slow: AtomicU64,
    due: AtomicU64,
    /// A few instructions long.
    picker: Mutex<Picker>,
}

impl Watch {
    pub(super) fn new(records: Arc<Records>) -> Self {
        let picker = Picker::new(&records.settings);
        let line = picker.line(&records.settings);
        Self {
            records,
            number: AtomicU64::new(0),
            slow: AtomicU64::new(line.slow),
            due: AtomicU64::new(line.due),
            picker: Mutex::new(picker),
        }
    }

    /// Where its records go.
    #[must_use]
    pub fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// Why a call is to be put on record, if it is.
    #[must_use]
    pub fn ended(&self, ended: &Ended) -> Option<Kept> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let line = Line {
            slow: self.slow.load(Ordering::Relaxed),
            due: self.due.load(Ordering::Relaxed),
        };
        match glance(&self.records.settings, line, ended, number) {
            false => None,
            true => self.picked(ended, number),
        }
    }

    #[cold]
    fn picked(&self, ended: &Ended, number: u64) -> Option<Kept> {
        let settings = &self.records.settings;
        let mut picker = self.picker.lock();
        let pick = picker.pick(settings, ended, number);
        let line = picker.line(settings);
        self.slow.store(line.slow, Ordering::Relaxed);
        self.due.store(line.due, Ordering::Relaxed);
        drop(picker);
        let count = |family: &Family<Of, Counter>, kept: Kept| {
            let kept = kept.as_str();
            family.get_or_create(&Of { kept }).inc();
        };
        match pick {
            Pick::Leave => None,
            Pick::Missed(kept) => {
                count(&self.records.missed, kept);
                None
            }
            Pick::Keep(kept) => {
                count(&self.records.kept, kept);
                Some(kept)
            }
        }
    }
}
