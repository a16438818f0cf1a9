//! What triggers did on this sidecar: counters for people, the API and Prometheus.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gateless_core::trigger::{TriggerName, Uid};
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde::{Deserialize, Serialize};

use crate::catalogue::config::Trigger;
use crate::queue::types::Accepted;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::observe::Observer;

/// Of an error kept for people, characters.
const MAX_ERROR: usize = 500;

/// What a trigger did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    pub(super) last_fired_ms: u64,
    pub(super) last_error: String,
    pub(super) last_error_ms: u64,
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) missed: u64,
    pub(super) skipped: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fires {
    namespace: String,
    trigger: String,
    outcome: &'static str,
}

const OUTCOMES: [&str; 5] = ["delivered", "duplicate", "failed", "missed", "skipped"];

/// Counters by trigger, for people, the API and Prometheus.
pub(super) struct Stats {
    /// A short lock. Bounded by the catalogue.
    counts: Mutex<HashMap<Uid, (TriggerName, Counts)>>,
    /// Read from disk, until the catalogue says whose they are.
    before: Mutex<BTreeMap<String, Counts>>,
    fires: Family<Fires, Counter>,
    observer: Arc<Observer>,
    dirty: AtomicBool,
}

impl Stats {
    pub(super) fn new(
        metrics: &Metrics,
        observer: Arc<Observer>,
        before: BTreeMap<String, Counts>,
    ) -> Self {
        let fires = Family::default();
        metrics.with_registry(|registry| {
            let help = "Calls made by triggers, by what became of them";
            registry.register("trigger_fires", help, Family::clone(&fires));
        });
        Self {
            counts: Mutex::default(),
            before: Mutex::new(before),
            fires,
            observer,
            dirty: AtomicBool::new(false),
        }
    }

    /// A call is in the queue, maybe since before.
    pub(super) fn fired(&self, trigger: &Trigger, accepted: &Accepted, now_ms: u64) {
        let (action, outcome) = match accepted.replayed {
            true => ("duplicate", "duplicate"),
            false => ("fired", "delivered"),
        };
        self.count(&trigger.name, outcome);
        if self.observer.is_watched() {
            self.observer.trigger(
                &trigger.name,
                &trigger.function,
                action,
                &accepted.id.to_string(),
            );
        }
        if accepted.replayed {
            return;
        }
        self.change(trigger, |counts| {
            counts.delivered += 1;
            counts.last_fired_ms = counts.last_fired_ms.max(now_ms);
        });
    }

    /// A call could not be put into the queue.
    pub(super) fn failed(&self, trigger: &Trigger, error: &str, now_ms: u64) {
        self.count(&trigger.name, "failed");
        self.observer
            .trigger(&trigger.name, &trigger.function, "failed", error);
        self.change(trigger, |counts| {
            counts.failed += 1;
            counts.last_error = error.chars().take(MAX_ERROR).collect();
            counts.last_error_ms = now_ms;
        });
    }

    /// Times of a schedule were passed over, this one the last.
    pub(super) fn missed(&self, trigger: &Trigger, scheduled_at: &str) {
        self.count(&trigger.name, "missed");
        self.observer
            .trigger(&trigger.name, &trigger.function, "missed", scheduled_at);
        self.change(trigger, |counts| counts.missed += 1);
    }

    /// A time of a schedule was left out, as the call before was not over.
    pub(super) fn skipped(&self, trigger: &Trigger, scheduled_at: &str) {
        self.count(&trigger.name, "skipped");
        self.observer
            .trigger(&trigger.name, &trigger.function, "skipped", scheduled_at);
        self.change(trigger, |counts| counts.skipped += 1);
    }

    fn count(&self, name: &TriggerName, outcome: &'static str) {
        self.fires.get_or_create(&labels(name, outcome)).inc();
    }

    fn change(&self, trigger: &Trigger, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.lock();
        let known = counts.entry(trigger.uid.clone()).or_insert_with(|| {
            let before = self.before.lock().remove(&*trigger.uid);
            (trigger.name.clone(), before.unwrap_or_default())
        });
        change(&mut known.1);
        self.dirty.store(true, Ordering::Relaxed);
    }

    pub(super) fn of(&self, uid: &str) -> Counts {
        if let Some((_, counts)) = self.counts.lock().get(uid) {
            return counts.clone();
        }
        self.before.lock().get(uid).cloned().unwrap_or_default()
    }

    /// Forgets triggers that are gone.
    pub(super) fn retain(&self, there: impl Fn(&str) -> bool) {
        self.counts.lock().retain(|uid, (name, _)| {
            let stays = there(uid);
            if !stays {
                for outcome in OUTCOMES {
                    self.fires.remove(&labels(name, outcome));
                }
            }
            stays
        });
        self.before.lock().retain(|uid, _| there(uid));
    }

    /// Everything to be saved, if anything changed since the last time.
    pub(super) fn changed(&self) -> bool {
        self.dirty.swap(false, Ordering::Relaxed)
    }

    pub(super) fn all(&self) -> BTreeMap<String, Counts> {
        let mut all = self.before.lock().clone();
        let counts = self.counts.lock();
        let known = counts.iter();
        all.extend(known.map(|(uid, (_, counts))| (uid.to_string(), counts.clone())));
        all
    }
}

fn labels(name: &TriggerName, outcome: &'static str) -> Fires {
    Fires {
        namespace: name.namespace().to_owned(),
        trigger: name.name().to_owned(),
        outcome,
    }
}
