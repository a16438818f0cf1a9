//! One function as the hot path sees it, made of as much as its calls have asked for.
//!
//! Of ten thousand functions most never get a call here: what a call needs is made by the first.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};

use gateless_core::access::Access;
use gateless_core::config;
use gateless_core::limit::Buckets;
use gateless_core::name::RevisionName;
use parking_lot::Mutex;

use super::{Revision, Shared};
use crate::telemetry::metrics::FunctionMetrics;

/// A function with its revisions in the order of its configuration, and its counters.
pub struct Function {
    pub config: Arc<config::Function>,
    /// In the order of `config.revisions`; shared with the next configuration's function, since
    /// either may be the one to make the revision.
    slots: Box<[Arc<Slot>]>,
    metrics: OnceLock<Arc<FunctionMetrics>>,
    /// What its callers have left; shared with the next configuration's function while its rates stay.
    buckets: Option<Arc<Mutex<Buckets>>>,
    shared: Arc<Shared>,
}

/// A revision's place.
struct Slot {
    config: Arc<config::Revision>,
    made: OnceLock<Arc<Revision>>,
    retired: AtomicBool,
}

impl Slot {
    fn make(&self, shared: &Arc<Shared>) -> &Arc<Revision> {
        if let Some(revision) = self.made.get() {
            return revision;
        }
        let new = || Arc::new(Revision::new(self.config.clone(), shared.clone()));
        let revision = self.made.get_or_init(new);
        // Either this sees that it is retired, or `retire` sees that it is made.
        fence(Ordering::SeqCst);
        if self.retired.load(Ordering::Relaxed) {
            revision.retire();
        }
        revision
    }

    fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if let Some(revision) = self.made.get() {
            revision.retire();
        }
    }
}

impl Function {
    /// Takes over the revisions that `old` has too.
    pub(super) fn new(
        config: Arc<config::Function>,
        old: Option<&Self>,
        shared: &Arc<Shared>,
    ) -> Self {
        let slot = |wanted: &Arc<config::Revision>| {
            let known = old.into_iter().flat_map(|old| &old.slots);
            let mut known = known.filter(|slot| slot.is_of(wanted));
            known.next().cloned().unwrap_or_else(|| {
                Arc::new(Slot {
                    config: wanted.clone(),
                    made: OnceLock::new(),
                    retired: AtomicBool::new(false),
                })
            })
        };
        let access = &config.access;
        let rates = |access: &Access| (access.rate, access.caller_rate);
        let same = old.filter(|old| rates(&old.config.access) == rates(access));
        let buckets = match same {
            Some(old) => old.buckets.clone(),
            None => Buckets::new(access.rate, access.caller_rate)
                .map(|buckets| Arc::new(Mutex::new(buckets))),
        };
        Self {
            buckets,
            slots: config.revisions.iter().map(slot).collect(),
            config,
            metrics: old.map(|old| old.metrics.clone()).unwrap_or_default(),
            shared: shared.clone(),
        }
    }

    /// One of `config.revisions`.
    #[must_use]
    pub fn revision(&self, index: usize) -> Option<&Arc<Revision>> {
        Some(self.slots.get(index)?.make(&self.shared))
    }

    pub(super) fn named(&self, name: &RevisionName) -> Option<&Arc<Revision>> {
        let slot = self.slots.iter().find(|slot| slot.config.name == *name)?;
        Some(slot.make(&self.shared))
    }

    /// Those that are made.
    pub(super) fn known(&self) -> impl Iterator<Item = &Arc<Revision>> {
        self.slots.iter().filter_map(|slot| slot.made.get())
    }

    /// How many calls it takes, if that is limited.
    pub(crate) fn buckets(&self) -> Option<&Mutex<Buckets>> {
        self.buckets.as_deref()
    }

    pub fn metrics(&self) -> &FunctionMetrics {
        let new = || Arc::new(self.shared.metrics.function(&self.config.name));
        self.metrics.get_or_init(new)
    }

    /// Whether there is anything in its series.
    pub(super) fn was_called(&self) -> bool {
        self.metrics.get().is_some()
    }

    /// Turns away who waits for what `new` has no more.
    pub(super) fn retire(&self, new: Option<&Self>) {
        let kept = |slot: &Arc<Slot>| {
            let mut slots = new.into_iter().flat_map(|new| &new.slots);
            slots.any(|kept| Arc::ptr_eq(kept, slot))
        };
        let gone = self.slots.iter().filter(|slot| !kept(slot));
        gone.for_each(|slot| slot.retire());
    }
}

impl Slot {
    fn is_of(&self, wanted: &config::Revision) -> bool {
        self.config.name == wanted.name && self.config.uid == wanted.uid
    }
}
