//! Prometheus series of the data plane. Handles are kept per function, so the hot path
//! looks nothing up. A function's series begin with its first call: ten thousand functions that are
//! hardly called are no million lines of exposition.

mod copies;
#[cfg(feature = "wasm")]
mod engine;
mod identity;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use gateless_core::name::FunctionName;
use gateless_core::record::Kept;
use gateless_core::record::pick::{Ended, Settings};
use gateless_identity::Identity;
use parking_lot::Mutex;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::watch;

use super::records::{Records, Watch};
use counts::{BUCKETS, Counts};

pub use self::copies::CopyCounts;

pub mod counts;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFunction {
    namespace: String,
    function: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    namespace: String,
    function: String,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    namespace: String,
    function: String,
    reason: &'static str,
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

fn seconds() -> Histogram {
    Histogram::new([
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    ])
}

/// Every series, and the registry they are exposed from.
pub struct Metrics {
    registry: Mutex<Registry>,
    answered: Family<Answered, Counter>,
    refused: Family<Refused, Counter>,
    cold: Family<OfFunction, Counter>,
    duration: Family<OfFunction, Histogram>,
    cold_duration: Family<OfFunction, Histogram>,
    copies: CopyCounts,
    /// For observers, not exposed.
    counts: Family<OfFunction, Arc<Counts>>,
    records: Arc<Records>,
}

/// One function's handles.
pub struct FunctionMetrics {
    by_class: [Counter; 5],
    cold: Counter,
    duration: Histogram,
    cold_duration: Histogram,
    counts: Arc<Counts>,
    name: FunctionName,
    refused: Family<Refused, Counter>,
    watch: Watch,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::recording(Settings::default())
    }
}

impl Metrics {
    /// None counted yet; calls are put on record as this says.
    #[must_use]
    pub fn recording(settings: Settings) -> Self {
        let mut registry = Registry::with_prefix("gateless");
        let metrics = Self {
            registry: Mutex::default(),
            answered: Family::default(),
            refused: Family::default(),
            cold: Family::default(),
            duration: Family::new_with_constructor(seconds),
            cold_duration: Family::new_with_constructor(seconds),
            copies: CopyCounts::default(),
            counts: Family::default(),
            records: Records::new(settings),
        };
        registry.register(
            "requests",
            "Calls answered by functions",
            metrics.answered.clone(),
        );
        registry.register(
            "requests_refused",
            "Calls the sidecar answered itself, by problem code",
            metrics.refused.clone(),
        );
        registry.register(
            "cold_starts",
            "Calls held for an instance",
            metrics.cold.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "Arrival to response head",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register_with_unit(
            "cold_start_duration",
            "Time calls were held for an instance",
            Unit::Seconds,
            metrics.cold_duration.clone(),
        );
        metrics.records.register(&mut registry);
        metrics.copies.register(&mut registry);
        Self {
            registry: Mutex::new(registry),
            ..metrics
        }
    }

    /// The calls that are on record here.
    #[must_use]
    pub fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// Shared by everything in the sidecar.
    #[must_use]
    pub fn shared() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// What became of calls whose sidecar was gone.
    #[must_use]
    pub fn copies(&self) -> CopyCounts {
        self.copies.clone()
    }

    /// A function's handles.
    #[must_use]
    pub fn function(&self, name: &FunctionName) -> FunctionMetrics {
        let of = of_function(name);
        FunctionMetrics {
            by_class: CLASSES
                .map(|code| self.answered.get_or_create(&answered(name, code)).clone()),
            cold: self.cold.get_or_create(&of).clone(),
            duration: self.duration.get_or_create(&of).clone(),
            cold_duration: self.cold_duration.get_or_create(&of).clone(),
            counts: self.counts.get_or_create(&of).clone(),
            name: name.clone(),
            refused: self.refused.clone(),
            watch: Watch::new(self.records.clone()),
        }
    }

    /// Drops the series of a function that is gone.
    pub fn forget(&self, name: &FunctionName) {
        let of = of_function(name);
        for code in CLASSES {
            self.answered.remove(&answered(name, code));
        }
        self.cold.remove(&of);
        self.duration.remove(&of);
        self.cold_duration.remove(&of);
        let reasons = self.counts.get(&of).map(|counts| counts.reasons());
        for reason in reasons.into_iter().flatten() {
            self.refused.remove(&refused(name, reason));
        }
        self.counts.remove(&of);
    }

    /// Registers a series of another part.
    pub fn with_registry(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut self.registry.lock());
    }

    /// Shows what the wasm engine holds and did.
    #[cfg(feature = "wasm")]
    pub fn watch_engine(&self, engine: gateless_wasm::Engine) {
        let numbers = Box::new(engine::EngineNumbers(engine));
        self.with_registry(|registry| registry.register_collector(numbers));
    }

    /// Shows how this sidecar's identity is.
    pub fn watch_identity(&self, identity: Identity) {
        let numbers = Box::new(identity::IdentityNumbers(identity));
        self.with_registry(|registry| registry.register_collector(numbers));
    }

    /// Shows how the certificates are that outsiders are shown.
    pub fn watch_certificates(&self, certificates: gateless_tls::Certificates) {
        let numbers = Box::new(gateless_tls::Numbers(certificates));
        self.with_registry(|registry| registry.register_collector(numbers));
    }

    /// Shows whether the server's catalogue is not taken, for as long as anybody tells.
    pub fn watch_refused<R: Send + Sync + 'static>(&self, mut refused: watch::Receiver<Option<R>>) {
        let kept: Gauge = Gauge::default();
        let help = "1: this sidecar keeps its catalogue instead of the server's, which does not have it in its past";
        self.with_registry(|registry| registry.register("catalogue_refused", help, kept.clone()));
        tokio::spawn(async move {
            loop {
                kept.set(i64::from(refused.borrow_and_update().is_some()));
                if refused.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// Shows how many sidecars live, this one included, for as long as anybody tells.
    pub fn watch_members<M: Send + Sync + 'static>(&self, mut members: watch::Receiver<Vec<M>>) {
        let live: Gauge = Gauge::default();
        let help = "Sidecars alive, as this one sees it, itself included";
        self.with_registry(|registry| registry.register("members", help, live.clone()));
        tokio::spawn(async move {
            loop {
                let count = members.borrow_and_update().len();
                live.set(i64::try_from(count).unwrap_or(i64::MAX));
                if members.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// The exposition text (OpenMetrics); the queue's lengths are told when asked for.
    #[must_use]
    pub fn expose(&self, held: u64, queues: &[Length]) -> String {
        let mut out = String::new();
        let encoded = text::encode(&mut out, &self.registry.lock());
        if encoded.is_ok() && out.ends_with("# EOF\n") {
            out.truncate(out.len() - "# EOF\n".len());
            let gauge = "# HELP gateless_held Calls held now\n# TYPE gateless_held gauge";
            writeln!(out, "{gauge}\ngateless_held {held}").ok();
            lengths(&mut out, queues);
            out.push_str("# EOF\n");
        }
        out
    }
}

impl FunctionMetrics {
    /// A function answered, after a wait for an instance of `held`; says why that goes on record, if it does.
    #[must_use]
    pub fn answered(&self, ended: &Ended, held: Duration) -> Option<Kept> {
        let class = usize::from(ended.status / 100).clamp(1, 5) - 1;
        self.by_class[class].inc();
        self.duration.observe(ended.took.as_secs_f64());
        self.counts.answer(ended.took);
        if ended.cold {
            self.cold.inc();
            self.cold_duration.observe(held.as_secs_f64());
        }
        self.watch.ended(ended)
    }

    /// Looks at its calls as they end.
    #[must_use]
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// For observers: the totals now.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals {
            answered: self.by_class.iter().map(Counter::get).sum(),
            failed: self.by_class[4].get(),
            refused: self.counts.refusals(),
        }
    }

    /// For observers: the histogram of times to the head now; `None` before the first answer.
    #[must_use]
    pub fn latencies(&self) -> Option<Box<[u32; BUCKETS]>> {
        self.counts.latencies()
    }

    /// The sidecar answered in its place.
    pub fn refused(&self, code: &'static str) {
        self.counts.refuse(code);
        self.refused.get_or_create(&refused(&self.name, code)).inc();
    }
}

/// What became of a function's calls since the sidecar started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Answered by the function.
    pub answered: u64,
    /// Of those with 5xx.
    pub failed: u64,
    /// Answered by the sidecar in its place.
    pub refused: u64,
}

/// A function's durable queue on this sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Length {
    pub function: FunctionName,
    /// Calls that are not finished.
    pub queued: u64,
    pub dead: u64,
}

fn lengths(out: &mut String, queues: &[Length]) {
    let queued = "Asynchronous calls accepted here that are not finished";
    let dead = "Asynchronous calls accepted here that were given up and are kept";
    for (name, help) in [
        ("gateless_async_queued", queued),
        ("gateless_async_dead_letters", dead),
    ] {
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge").ok();
        for length in queues {
            let (namespace, function) = (length.function.namespace(), length.function.name());
            let value = if help == dead {
                length.dead
            } else {
                length.queued
            };
            // Names are DNS labels: nothing in them needs escaping.
            writeln!(
                out,
                "{name}{{namespace=\"{namespace}\",function=\"{function}\"}} {value}"
            )
            .ok();
        }
    }
}

fn of_function(name: &FunctionName) -> OfFunction {
    OfFunction {
        namespace: name.namespace().to_owned(),
        function: name.name().to_owned(),
    }
}

fn answered(name: &FunctionName, code: &'static str) -> Answered {
    let OfFunction {
        namespace,
        function,
    } = of_function(name);
    Answered {
        namespace,
        function,
        code,
    }
}

fn refused(name: &FunctionName, reason: &'static str) -> Refused {
    let OfFunction {
        namespace,
        function,
    } = of_function(name);
    Refused {
        namespace,
        function,
        reason,
    }
}
