//! What kind of caller stands at the door, and which part answers.
//!
//! Public: anyone. Local: functions on this host. Peer: other sidecars and the server, who prove it with
//! their certificates. Metrics: whoever may know every tenant's names, by where it listens. A door knows the paths; who gets
//! a connection is `gateless-listen`'s, and answers are made elsewhere.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::{Request, Response};
use gateless_common::session;
use gateless_core::policy::Identity;
use gateless_identity::Peer;
use gateless_listen::{Accepted, Scheme, Transport, http};
use hyper::body::Incoming;
use hyper::service::service_fn;

use super::local::Connection;
use super::{Edge, host, openfaas, peer, route, secure};
use crate::call::headers::Speaker;
use crate::call::{grpc, headers, origin};
use crate::endpoint::body::Body;
use crate::endpoint::connection::expect_silence;
use crate::endpoint::framing;
use crate::endpoint::watchdog::{Executor, Guarded};
use crate::trigger::ingress::{Poster, Route as Ingress};

/// Who stands at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Public,
    /// Functions on this host.
    Local,
    /// Other sidecars and the server.
    Peer,
    /// The operator's monitoring.
    Metrics,
}

/// A peer's HTTP/2 connection is asked whether it is there, and closed when it does not say so within this.
const PEER_KEEPALIVE: Duration = Duration::from_secs(2);
/// Headers that a sidecar adds to a call it forwards, and bytes of each, on average.
const ADDED: usize = 32;
const ADDED_BYTES: usize = 512;

impl Door {
    fn settings(self) -> http::Settings {
        // A head that came in at another sidecar has to come in here with what that one added.
        let added = if self == Self::Peer { ADDED } else { 0 };
        http::Settings {
            max_headers: http::MAX_HEADERS + added,
            max_head_bytes: http::MAX_HEAD_BYTES + added * ADDED_BYTES,
            max_header_list: framing::MAX_HEADER_LIST,
            // Sidecars read their answers whole or leave.
            half_close: self != Self::Peer,
            // Closing one in order takes an answer from the other end.
            ping: (self == Self::Peer).then_some(PEER_KEEPALIVE),
            ..http::Settings::USUAL
        }
    }
}

/// What is known of a connection besides its address.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectInfo {
    /// Who proved to be there.
    pub(crate) peer: Option<Arc<Peer>>,
    pub(crate) scheme: Scheme,
    /// The port with TLS that who came without is sent to.
    pub(crate) redirect: Option<u16>,
    /// Tells which function it is, at the local door.
    pub(super) local: Option<Arc<Connection>>,
}

impl ConnectInfo {
    pub(crate) fn proven(peer: Peer) -> Self {
        Self {
            peer: Some(Arc::new(peer)),
            scheme: Scheme::Https,
            ..Self::default()
        }
    }

    pub(crate) fn from_outside(scheme: Scheme, redirect: Option<u16>) -> Self {
        Self {
            scheme,
            redirect,
            ..Self::default()
        }
    }
}

/// Answers what is asked on a connection, until it ends.
pub(crate) async fn serve<T: Transport, I>(
    edge: Arc<Edge>,
    accepted: Accepted<T, I>,
    door: Door,
    mut info: ConnectInfo,
) {
    let client = accepted.client;
    if door == Door::Peer
        && let Err(error) = expect_silence(accepted.stream.tcp())
    {
        tracing::debug!(%error, "a peer's connection was gone before it began");
        return;
    }
    if door == Door::Local {
        // One that is gone already is nobody's.
        let here = accepted.stream.tcp().local_addr().ok();
        info.local = here.map(|to| Arc::new(Connection::new(client, to)));
    }
    let service = service_fn(move |request| {
        let (edge, info) = (edge.clone(), info.clone());
        async move {
            let mut response = answer(&edge, request, client, door, &info).await;
            // Whatever answered: a function, a result that was kept, the server behind the relay.
            session::strip_answer(response.headers_mut());
            Ok::<_, Infallible>(response)
        }
    });
    let (settings, handle) = (door.settings(), accepted.handle());
    let serving = http::serve(accepted, &settings, Executor, service);
    let guarded = Guarded::new(serving).resetting(handle);
    if let Some(Err(error)) = guarded.await {
        tracing::debug!(%client, ?error, "connection ended");
    }
}

/// What few requests ask for is boxed: every connection keeps room for the largest of the rest.
async fn answer(
    edge: &Arc<Edge>,
    mut request: Request<Incoming>,
    client: SocketAddr,
    door: Door,
    info: &ConnectInfo,
) -> Response<Body> {
    if door == Door::Metrics {
        return Box::pin(edge.operators_page(request.uri())).await;
    }
    if let Some(peer) = &info.peer {
        return match request.uri().path().starts_with("/_gateless/") {
            true => Box::pin(edge.internal(request)).await,
            false => peer::answer(edge, peer, request).await,
        };
    }
    let kind = grpc::kind(request.method(), request.headers());
    let host = match host::settle(&mut request) {
        Ok(host) => host,
        Err(refused) => return refused.respond(kind),
    };
    headers::strip(request.headers_mut(), speaker(edge, client, door));
    session::strip_request(request.headers_mut());
    if let Some(port) = info.redirect
        && info.scheme == Scheme::Http
        && let Some(answer) = secure::redirect(&request, port)
    {
        return answer;
    }
    match host::forwards(&mut request) {
        Some(Ok(())) => return Response::new(Body::empty()),
        Some(Err(refused)) => return refused.respond(kind),
        None => {}
    }
    if request.uri().path().starts_with("/_gateless/") {
        return match Ingress::of(request.uri().path()) {
            Some(ingress) => {
                let caller = edge.caller(client.ip(), door);
                let poster = poster(edge, &request, client, door);
                Box::pin(edge.triggers.ingest(ingress, request, poster, caller)).await
            }
            None => Box::pin(edge.internal(request)).await,
        };
    }
    if door == Door::Public
        && openfaas::is_gateways(request.uri().path())
        && !route::is_named(edge, &host)
    {
        return Box::pin(edge.openfaas.answer(&edge.catalogue, request, info.scheme)).await;
    }
    let answered = route::outside(edge, request, &host, client, (door, info)).await;
    answered.unwrap_or_else(|error| error.respond(kind))
}

/// Who sends an event or a message.
fn poster(edge: &Edge, request: &Request<Incoming>, client: SocketAddr, door: Door) -> Poster {
    let (identity, source) = match door {
        Door::Local => (Identity::Function(None), client.ip()),
        _ => {
            let source = origin::source(request.headers(), client.ip(), &edge.trusted);
            (Identity::Anonymous, source)
        }
    };
    Poster {
        identity,
        source: Some(source),
    }
}

/// Whose word the headers of a request are.
fn speaker(edge: &Edge, client: SocketAddr, door: Door) -> Speaker {
    match door {
        Door::Public if edge.trusted.contain(client.ip()) => Speaker::Proxy,
        Door::Public | Door::Metrics => Speaker::Caller,
        Door::Local => Speaker::Function,
        Door::Peer => Speaker::Sidecar,
    }
}
