//! The sidecar's own paths: under `/_gateless/` probes and calls by id, on listeners of their own gRPC and metrics.

use std::sync::Arc;

use http::{Request, Response, Uri, header};
use hyper::body::Incoming;
use tower::ServiceExt;

use super::{Edge, prove};
use crate::call::error::{Error, Own};
use crate::endpoint::body::Body;
use crate::queue;

impl Edge {
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

    /// What the metrics listener has; nothing of it is at any other door, as it names what every tenant runs.
    pub async fn operators_page(self: &Arc<Self>, uri: &Uri) -> Response<Body> {
        match uri.path() {
            "/metrics" => self.metrics_page(),
            "/calls" => {
                let found = self.calls_page(uri.query().unwrap_or_default()).await;
                found.unwrap_or_else(Error::into_response)
            }
            _ => Error::from(Own::NoPath).into_response(),
        }
    }

    fn metrics_page(&self) -> Response<Body> {
        let held = self.proxy.registry.held();
        let text = self
            .metrics
            .expose(held, &queue::lengths(&*self.queue.calls));
        let mut response = Response::new(Body::from(text));
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let kind = http::HeaderValue::from_static(kind);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }

    /// The sidecar's own paths.
    pub async fn internal(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        if let Some(rest) = path.strip_prefix("/_gateless/calls/") {
            if request.method() != http::Method::GET {
                return Error::from(Own::OnlyGet).into_response();
            }
            let shown = prove::shown(request.headers());
            return self
                .call_by_id(rest, shown.as_ref())
                .await
                .unwrap_or_else(Error::into_response);
        }
        match path {
            "/_gateless/livez" => Response::new(Body::from("ok\n".to_owned())),
            // Calls are still taken, but none should be sent here any more. Draining is no reason: a
            // sidecar without instances is as good an entrance.
            "/_gateless/readyz" if self.cluster.is_leaving() => {
                Error::from(Own::ShuttingDown).into_response()
            }
            "/_gateless/readyz" => Response::new(Body::from("ok\n".to_owned())),
            _ => Error::from(Own::NoPath).into_response(),
        }
    }
}
