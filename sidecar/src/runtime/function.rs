//! One function as the hot path sees it, made of as much as its calls have asked for.
//!
//! Of ten thousand functions most never get a call here: what a call needs is made by the first.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gateless_common::io::unix_now;
use gateless_core::access::{Access, Auth};
use gateless_core::config;
use gateless_core::limit::Buckets;
use gateless_core::name::RevisionName;
use gateless_core::policy::{Proof, Validity};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Revision, Shared};
use crate::telemetry::metrics::FunctionMetrics;

/// The end of a key is looked for so often at least.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// A function with its revisions in the order of its configuration, and its counters.
pub struct Function {
    pub config: Arc<config::Function>,
    /// In the order of `config.revisions`; shared with the next configuration's function, since
    /// either may be the one to make the revision.
    slots: Box<[Arc<Slot>]>,
    metrics: OnceLock<Arc<FunctionMetrics>>,
    /// What its callers have left; shared with the next configuration's function while its rates stay.
    buckets: Option<Arc<Mutex<Buckets>>>,
    /// Who may call it now, for the calls that are open; shared with the next configuration's function. There is none where callers
    /// never had to prove anything.
    rules: Option<Arc<Rules>>,
    shared: Arc<Shared>,
}

/// A function's rules, and each change of them.
type Rules = watch::Sender<Auth>;

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
        let rules = match (old.and_then(|old| old.rules.clone()), &access.auth) {
            (None, Auth::None) => None,
            (rules, auth) => {
                Some(rules.unwrap_or_else(|| Arc::new(watch::Sender::new(auth.clone()))))
            }
        };
        Self {
            buckets,
            rules,
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

    /// Its rules are in force from now on.
    pub(super) fn is_current(&self) {
        if let Some(rules) = &self.rules {
            rules.send_replace(self.config.access.auth.clone());
        }
    }

    /// Resolves when what a caller proved opens the function no more; the function's own end ends its calls in order.
    pub(crate) fn is_over(&self, proof: Proof) -> impl Future<Output = ()> + Send + 'static {
        let mut rules = self.rules.as_ref().map(|rules| rules.subscribe());
        async move {
            let Some(rules) = &mut rules else {
                return std::future::pending().await;
            };
            loop {
                let now = unix_now().0;
                let left = match proof.validity(&rules.borrow_and_update(), now) {
                    Validity::Ended => return,
                    Validity::Valid => None,
                    Validity::Until(end) => Some(Duration::from_millis(end.saturating_sub(now))),
                };
                // The wall clock may be set meanwhile.
                let look = tokio::time::sleep(left.unwrap_or_default().min(LOOK_EVERY));
                tokio::select! {
                    changed = rules.changed() => if changed.is_err() {
                        return std::future::pending().await;
                    },
                    () = look, if left.is_some() => {}
                }
            }
        }
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
