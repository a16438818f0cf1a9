//! The server's own metrics, in OpenMetrics text. Labels are routes, never names people choose.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::clock;
use crate::service::Service;
use crate::store::Health;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: String,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: String,
    route: String,
    status: u16,
}

/// The metrics.
pub struct Metrics {
    registry: Registry,
    requests: Family<Answer, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
    sidecars: Gauge,
    rejections: Gauge,
    refusals: Gauge,
    catalogue_version: Gauge<u64, AtomicU64>,
    writable: Gauge,
    pushes: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("gateless_server");
        let new: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_5, 2.0, 16));
        let durations = Family::new_with_constructor(new);
        let metrics = Self {
            requests: Family::default(),
            durations,
            sidecars: Gauge::default(),
            rejections: Gauge::default(),
            refusals: Gauge::default(),
            catalogue_version: Gauge::default(),
            writable: Gauge::default(),
            pushes: Counter::default(),
            registry: Registry::default(),
        };
        let register = &mut registry;
        register.register(
            "http_requests",
            "Requests answered",
            metrics.requests.clone(),
        );
        register.register(
            "http_request_duration_seconds",
            "Time to the head of the answer",
            metrics.durations.clone(),
        );
        register.register(
            "sidecars_connected",
            "Sidecars with a config stream",
            metrics.sidecars.clone(),
        );
        register.register(
            "config_rejections",
            "Resources sidecars refused",
            metrics.rejections.clone(),
        );
        register.register(
            "catalogue_refusals",
            "Sidecars that keep a catalogue of their own instead of this one",
            metrics.refusals.clone(),
        );
        register.register(
            "catalogue_version",
            "The store's revision",
            metrics.catalogue_version.clone(),
        );
        register.register(
            "catalogue_writable",
            "1: changes are accepted",
            metrics.writable.clone(),
        );
        register.register(
            "config_pushes",
            "Messages sent on config streams",
            metrics.pushes.clone(),
        );
        Self {
            registry,
            ..metrics
        }
    }
}

impl Metrics {
    /// Shows how the certificates are that the API's clients are shown.
    pub fn watch_certificates(&mut self, certificates: gateless_tls::Certificates) {
        let numbers = gateless_tls::Numbers(certificates);
        self.registry.register_collector(Box::new(numbers));
    }

    /// A message was sent on a config stream.
    pub fn pushed(&self) {
        self.pushes.inc();
    }

    /// All of them as text.
    pub async fn encode(&self, service: &Service) -> String {
        let sidecars = service.registry().list();
        let connected = sidecars.iter().filter(|sidecar| sidecar.connected);
        let rejections: usize = connected
            .clone()
            .map(|sidecar| sidecar.rejections.len())
            .sum();
        let refusals = connected
            .clone()
            .filter(|sidecar| sidecar.refused.is_some());
        self.refusals
            .set(i64::try_from(refusals.count()).unwrap_or(i64::MAX));
        self.sidecars
            .set(i64::try_from(connected.count()).unwrap_or(i64::MAX));
        self.rejections
            .set(i64::try_from(rejections).unwrap_or(i64::MAX));
        // A store that cannot say leaves the last one standing.
        if let Ok(revision) = service.store().revision().await {
            self.catalogue_version.set(revision);
        }
        self.writable
            .set(i64::from(service.store().health() == Health::Writable));
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}

/// Counts and times a request.
pub(crate) async fn observe(metrics: Arc<Metrics>, request: Request, next: Next) -> Response {
    let began = clock::instant();
    let path = request.extensions().get::<MatchedPath>();
    // Unknown paths and methods share one series: whoever asks cannot make more.
    let route = path.map_or("none", MatchedPath::as_str).to_owned();
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "PUT" | "POST" | "PATCH" | "DELETE") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let response = next.run(request).await;
    let key = Route {
        method: method.clone(),
        route: route.clone(),
    };
    metrics
        .durations
        .get_or_create(&key)
        .observe((clock::instant() - began).as_secs_f64());
    let status = response.status().as_u16();
    let answer = Answer {
        method,
        route,
        status,
    };
    metrics.requests.get_or_create(&answer).inc();
    response
}
