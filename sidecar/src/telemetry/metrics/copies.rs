//! Series of calls whose sidecar was gone.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counters of calls that changed hands. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct CopyCounts {
    /// Taken on here.
    pub taken_on: Counter,
    /// Given up here, because another had taken them on.
    pub handed_over: Counter,
    /// Those of them that were begun here before: they are delivered twice.
    pub duplicates: Counter,
    /// Copies here of calls that others deliver.
    pub held: Gauge,
}

impl CopyCounts {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "async_calls_taken_on",
            "Calls taken on from a sidecar that was gone",
            self.taken_on.clone(),
        );
        registry.register(
            "async_calls_handed_over",
            "Calls given up because another sidecar had taken them on",
            self.handed_over.clone(),
        );
        registry.register(
            "async_calls_duplicated",
            "Calls that were begun before another sidecar took them on, which delivers them again",
            self.duplicates.clone(),
        );
        registry.register(
            "async_copies_held",
            "Copies here of calls that other sidecars deliver",
            self.held.clone(),
        );
    }
}
