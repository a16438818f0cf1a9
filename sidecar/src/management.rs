//! `/system/...` on the public listener: an OpenFaaS gateway's management paths, passed on to the
//! server, so that `faas-cli` can be pointed at any sidecar.
//!
//! Only a relay: tokens are checked and requests understood over there. Calls of functions never
//! come here, and go on when the server is gone.

use std::sync::Arc;

use gateless_core::name::FunctionName;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::body::{Body, Inbound, Limited};
use crate::control;
use crate::error::problem;
use crate::proxy::headers;
use crate::proxy::pool::Pool;

/// The largest request passed on.
const MAX_BODY: u64 = 1 << 20;

/// Whether a path is the server's business.
pub(crate) fn is_for_server(path: &str) -> bool {
    path.starts_with("/system/")
}

/// Functions deployed without a namespace are in `default`; `faas-cli` calls that namespace
/// `openfaas-fn` and writes it out when it calls one.
pub(crate) fn in_our_words(name: &FunctionName) -> Option<FunctionName> {
    let theirs = name.namespace() == "openfaas-fn";
    theirs
        .then(|| FunctionName::new("default", name.name()).ok())
        .flatten()
}

/// Sends the request to the server and its answer back, as it comes.
pub(crate) async fn relay(control: &control::Handle, request: Request<Incoming>) -> Response<Body> {
    let Some(address) = control.api_address() else {
        return unreachable("the server has not been reached yet");
    };
    let (mut parts, incoming) = request.into_parts();
    headers::strip_hop_by_hop(&mut parts.headers);
    headers::strip_internal(&mut parts.headers);
    let path = parts.uri.path_and_query().cloned();
    parts.uri = path.map(Into::into).unwrap_or_default();
    parts.version = http::Version::HTTP_11;
    headers::set(&mut parts.headers, http::header::HOST, &address);
    let (body, _) = Limited::new(Inbound::Wire(incoming), MAX_BODY);
    // A connection of its own: people and their tools ask seldom, and logs are followed for long.
    let pool = Arc::new(Pool::new(address));
    let sent = pool
        .send_h1(Request::from_parts(parts, Body::Limited(body)))
        .await;
    match sent {
        Ok((response, _connection)) => {
            let mut response = response;
            headers::strip_hop_by_hop(response.headers_mut());
            response.map(Body::boxed)
        }
        Err(_) => unreachable("the server does not answer"),
    }
}

fn unreachable(detail: &str) -> Response<Body> {
    problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "server_unreachable",
        detail,
        "functions can be called meanwhile; managing them needs the server",
    )
}
