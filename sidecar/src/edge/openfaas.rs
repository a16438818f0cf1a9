//! `/system/...` on the public listener: an OpenFaaS gateway's management paths, passed on to the
//! server, so that `faas-cli` can be pointed at any sidecar.
//!
//! Only a relay: tokens are checked and requests understood over there. Cookies are not passed on, so no session is good
//! here. Calls of functions never come here, and go on when the server is gone. At most [`AT_ONCE`] requests are under
//! way, followed logs among them; one more is refused.

use std::sync::Arc;
use std::time::Duration;

use gateless_common::header::FORWARDED_PROTO;
use gateless_core::name::FunctionName;
use gateless_listen::Scheme;
use http::header::HeaderValue;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use crate::call::error::{Error, Own};
use crate::call::headers;
use crate::catalogue;
use crate::endpoint::body::{Body, Inbound};
use crate::endpoint::pool::{How, Pool};
use crate::endpoint::upload::Limited;

/// The largest request passed on.
const MAX_BODY: u64 = 1 << 20;
/// Requests under way.
const AT_ONCE: usize = 256;
/// For the server to begin its answer.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Whether a path is a gateway's own, and no function's.
pub(crate) fn is_gateways(path: &str) -> bool {
    path.starts_with("/system/") || path == "/healthz"
}

/// Functions deployed without a namespace are in `default`; `faas-cli` calls that namespace
/// `openfaas-fn` and writes it out when it calls one.
pub(crate) fn in_our_words(name: &FunctionName) -> Option<FunctionName> {
    let theirs = name.namespace() == "openfaas-fn";
    theirs
        .then(|| FunctionName::new("default", name.name()).ok())
        .flatten()
}

/// What stands in for a gateway at the public listener.
#[derive(Debug)]
pub struct Relay {
    /// `None`: nothing is passed on.
    slots: Option<Arc<Semaphore>>,
}

impl Relay {
    pub(crate) fn new(enabled: bool) -> Self {
        Self {
            slots: enabled.then(|| Arc::new(Semaphore::new(AT_ONCE))),
        }
    }

    /// Answers a path of which [`is_gateways`] is true.
    pub(crate) async fn answer(
        &self,
        control: &catalogue::Handle,
        mut request: Request<Incoming>,
        scheme: Scheme,
    ) -> Response<Body> {
        if request.uri().path() == "/healthz" {
            return Response::new(Body::from("OK".to_owned()));
        }
        let Some(slots) = &self.slots else {
            return Error::from(Own::NoManagement).into_response();
        };
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            return Error::from(Own::ManagementBusy).into_response();
        };
        // The server hears how its caller came here, as from any proxy.
        let headers = request.headers_mut();
        let proto = HeaderValue::from_static(scheme.as_str());
        headers.entry(FORWARDED_PROTO).or_insert(proto);
        match tokio::time::timeout(HEAD_TIMEOUT, relay(control, request)).await {
            // Until the last byte, since logs are followed for long.
            Ok(response) => response.map(|body| {
                Body::boxed(body.map_frame(move |frame| {
                    let _held = &slot;
                    frame
                }))
            }),
            Err(_) => unreachable("the server did not answer in time"),
        }
    }
}

/// Sends the request to the server and its answer back, as it comes.
async fn relay(control: &catalogue::Handle, request: Request<Incoming>) -> Response<Body> {
    let Some(address) = control.api_address() else {
        return unreachable("the server has not been reached yet");
    };
    let (mut parts, incoming) = Inbound::request(request).into_parts();
    headers::strip_hop_by_hop(&mut parts.headers);
    // A token counts here, bearer or basic; never what a browser sends by itself.
    parts.headers.remove(http::header::COOKIE);
    let path = parts.uri.path_and_query().cloned();
    parts.uri = path.map(Into::into).unwrap_or_default();
    parts.version = http::Version::HTTP_11;
    headers::set(&mut parts.headers, http::header::HOST, &address);
    let (body, _) = Limited::new(incoming, MAX_BODY, None);
    // A connection of its own: people and their tools ask seldom, and logs are followed for long.
    let pool = Arc::new(Pool::new(address));
    let sent = pool
        .send_h1(
            Request::from_parts(parts, Body::Limited(body)),
            &How::default(),
        )
        .await;
    match sent {
        Ok((response, _connection)) => {
            let mut response = response;
            headers::strip_hop_by_hop(response.headers_mut());
            response.headers_mut().remove(http::header::SET_COOKIE);
            response.map(Body::boxed)
        }
        Err(_) => unreachable("the server does not answer"),
    }
}

fn unreachable(detail: &'static str) -> Response<Body> {
    Error::from(Own::Server(detail)).into_response()
}
