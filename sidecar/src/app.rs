//! What the doors lead to: the proxy, the durable queue, the admin service, the probes.
//!
//! Wiring only; started in [`crate::run`].

use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tower::ServiceExt;

use crate::body::Body;
use crate::error::{Error, problem};
use crate::management::Relay;
use crate::metrics::{Length, Metrics};
use crate::proxy::Proxy;
use crate::proxy::reserve::Reservations;
use crate::queue::dispatcher::Dispatcher;
use crate::{control, peers, queue, trigger};

/// Everything a connection can reach.
pub struct App {
    /// Calls.
    pub proxy: Arc<Proxy>,
    /// Calls for later.
    pub queue: queue::Local,
    /// Delivers them.
    pub dispatcher: Dispatcher,
    /// Other sidecars.
    pub peers: peers::Handle,
    /// Hashes callers' addresses.
    pub fairness: RandomState,
    /// Permits peers took ahead.
    pub reservations: Arc<Reservations>,
    /// Schedules, events and topics.
    pub triggers: trigger::Handle,
    /// Services of the peer port.
    pub grpc: tonic::service::Routes,
    /// What the server told.
    pub control: Arc<control::Handle>,
    /// Stands in for an OpenFaaS gateway.
    pub management: Relay,
    /// Series.
    pub metrics: Arc<Metrics>,
    /// Calls other sidecars forwarded here; a shutdown waits until it stands still.
    pub from_peers: AtomicU64,
}

impl App {
    /// gRPC on the peer port.
    pub async fn grpc(&self, request: Request<Incoming>) -> Response<Body> {
        let answered = self
            .grpc
            .clone()
            .oneshot(request.map(tonic::body::Body::new))
            .await;
        match answered {
            Ok(response) => response.map(Body::boxed),
            Err(never) => match never {},
        }
    }

    /// The sidecar's own paths.
    pub async fn internal(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        if let Some(rest) = path.strip_prefix("/_gateless/calls/") {
            if request.method() != http::Method::GET {
                let hint = "cancel and replay calls through the server's API";
                return problem(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "method_not_allowed",
                    "GET only",
                    hint,
                );
            }
            return self
                .call_by_id(rest)
                .await
                .unwrap_or_else(Error::into_response);
        }
        match path {
            "/_gateless/livez" => Response::new(Body::from("ok\n".to_owned())),
            // Calls are still taken, but none should be sent here any more. Draining is no reason: a
            // sidecar without instances is as good an entrance.
            "/_gateless/readyz" if self.peers.is_leaving() => problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "shutting_down",
                "this sidecar is shutting down",
                "send calls to another one",
            ),
            "/_gateless/readyz" => Response::new(Body::from("ok\n".to_owned())),
            "/_gateless/metrics" => {
                let held = self.proxy.registry.held();
                let text = self.metrics.expose(held, &lengths(&self.queue));
                let mut response = Response::new(Body::from(text));
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                let kind = http::HeaderValue::from_static(kind);
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                response
            }
            _ => problem(
                StatusCode::NOT_FOUND,
                "not_found",
                "no such path",
                "see the README",
            ),
        }
    }
}

/// How long every queue is that isn't empty.
pub(crate) fn lengths(queue: &queue::Local) -> Vec<Length> {
    let depths = queue::Queue::depths(queue).into_iter();
    let lengths = depths.map(|depth| Length {
        queued: depth.queued + depth.running + depth.retrying,
        dead: depth.dead,
        function: depth.function,
    });
    lengths.collect()
}
