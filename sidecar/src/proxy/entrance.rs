//! The listeners: what kind of caller stands at the door, and what it asks for.
//!
//! Public: anyone. Local: functions on this host. Peer: other sidecars, who prove it with
//! the cluster secret. The door knows the paths; the queue's and the admin's answers are
//! made elsewhere.

use std::convert::Infallible;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gateless_core::config::{self, Visibility};
use gateless_core::hold::{Caller, Class, Origin};
use gateless_core::name::{NodeId, RevisionName};
use gateless_core::router;
use http::header::{HeaderMap, HeaderValue};
use http::{Request, Response, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::alarm::ConnectionTimer;
use super::call::Call;
use super::stream::Stream;
use super::{Payload, headers};
use crate::app::App;
use crate::body::{Body, Inbound};
use crate::clock;
use crate::error::Error;
use crate::management;
use crate::runtime::Function;
use crate::trigger::ingress::Route as Ingress;

/// Who stands at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Anyone.
    Public,
    /// Functions on this host.
    Local,
    /// Other sidecars and the server.
    Peer,
}

/// A client that sends no whole head within this is cut off.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Streams per HTTP/2 connection.
const MAX_STREAMS: u32 = 1_024;

/// Accepts until `stop`, then lets connections finish what they are in.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    door: Door,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, client)) => {
                let serving = connection(app.clone(), stream, client, door, stop.clone());
                tasks.spawn(serving);
            }
            Err(error) => {
                // Out of descriptors, mostly: give others a moment to close theirs.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn connection(
    app: Arc<App>,
    stream: TcpStream,
    client: SocketAddr,
    door: Door,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection was gone before it began");
        return;
    }
    let service = service_fn(move |request| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(answer(&app, request, client, door).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(ConnectionTimer::default())
        .header_read_timeout(HEADER_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .adaptive_window(true);
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(Stream(stream)), service);
    tokio::pin!(serving);
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%client, error = %error, "connection ended");
    }
}

/// What few requests ask for is boxed: every connection keeps room for the largest of the rest.
async fn answer(
    app: &Arc<App>,
    request: Request<Incoming>,
    client: SocketAddr,
    door: Door,
) -> Response<Body> {
    if request.uri().path().starts_with("/_gateless/") {
        return match Ingress::of(request.uri().path()).filter(|_| door != Door::Peer) {
            Some(ingress) => Box::pin(app.triggers.ingest(ingress, request)).await,
            None => Box::pin(app.internal(request)).await,
        };
    }
    if door == Door::Public
        && management::is_gateways(request.uri().path())
        && !is_named(app, &request)
    {
        return Box::pin(app.management.answer(&app.control, request)).await;
    }
    let answered = match door {
        Door::Peer => return peer(app, request).await,
        Door::Public | Door::Local => outside(app, request, client, door).await,
    };
    answered.unwrap_or_else(Error::into_response)
}

/// Whether the host names a function, whose paths are its own.
fn is_named(app: &App, request: &Request<Incoming>) -> bool {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    router::route(host, "/", &app.proxy.domain).is_ok()
}

/// A call from outside or from a function here.
async fn outside(
    app: &Arc<App>,
    mut request: Request<Incoming>,
    client: SocketAddr,
    door: Door,
) -> Result<Response<Body>, Error> {
    let on_upgrade = headers::upgrade(request.headers()).map(|_| hyper::upgrade::on(&mut request));
    route(
        app,
        request.map(Inbound::Wire),
        client.ip(),
        door,
        on_upgrade,
    )
    .await
}

/// A call from a component here, which comes without a connection.
pub(crate) async fn inside(app: &Arc<App>, request: Request<Inbound>) -> Response<Body> {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let answered = route(app, request, here, Door::Local, None).await;
    answered.unwrap_or_else(Error::into_response)
}

async fn route(
    app: &Arc<App>,
    request: Request<Inbound>,
    client: IpAddr,
    door: Door,
    on_upgrade: Option<OnUpgrade>,
) -> Result<Response<Body>, Error> {
    let arrived = clock::now();
    let (mut parts, incoming) = request.into_parts();
    // First of all: a refusal below must not be lost over a body nobody reads.
    let payload = Payload::new(incoming);
    let host = parts
        .uri
        .host()
        .or_else(|| parts.headers.get(header::HOST)?.to_str().ok());
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let route = router::route(host, path, &app.proxy.domain)?;
    let (function, tagged) = find(app, &route)?;
    if function.config.visibility == Visibility::ClusterOnly && door == Door::Public {
        return Err(Error::ClusterOnly(function.config.name.clone()));
    }
    let is_async = route.is_async;
    let rest = router::normalize(route.rest);
    if rest != path {
        parts.uri = rest
            .parse()
            .map_err(|_| Error::BadRequest("the path is malformed".into()))?;
    }
    let caller = Caller(app.fairness.hash_one(client));
    let mut call = Call {
        parts,
        payload,
        class: Class::Sync,
        origin: Origin::Here,
        caller,
        peer: None,
        client: Some(client),
        arrived,
        deadline: None,
        upgrade: on_upgrade,
        permit: None,
        queued: None,
    };
    let answered = if is_async {
        Box::pin(app.accept(&function, call)).await
    } else {
        let index = tagged.or_else(|| pick(&function.config, &call.parts.headers));
        match index.and_then(|index| function.revision(index)) {
            None => Err(Error::NoRevision(function.config.name.clone())),
            Some(revision) => {
                let wishes = headers::wishes(&call.parts.headers);
                call.limit_time(revision.config.limits.timeout, wishes.timeout);
                match wishes.respond_async {
                    Some(wait) => Box::pin(app.prefer_async(&function, revision, call, wait)).await,
                    None => app.proxy.send(&function, revision, &mut call).await,
                }
            }
        }
    };
    answered.inspect_err(|error| function.metrics().refused(error.row().1))
}

/// The function, or the one a tag stands in front of.
fn find(app: &App, route: &router::Route<'_>) -> Result<(Arc<Function>, Option<usize>), Error> {
    if let Some(function) = app.proxy.registry.function(&route.name) {
        return Ok((function, None));
    }
    if let Some(name) = management::in_our_words(&route.name)
        && let Some(function) = app.proxy.registry.function(&name)
    {
        return Ok((function, None));
    }
    for (tag, name) in router::tag_candidates(&route.name) {
        if let Some(function) = app.proxy.registry.function(&name)
            && let Some(index) = router::tagged_revision(&function.config, tag)
        {
            return Ok((function, Some(index)));
        }
    }
    Err(Error::UnknownFunction(route.name.clone()))
}

/// The revision a call without a tag goes to: by its sticky key, or by chance.
pub(super) fn pick(function: &config::Function, headers: &HeaderMap) -> Option<usize> {
    if function.traffic.len() < 2 {
        return router::pick_revision(function, 0);
    }
    let sticky = headers.get(headers::STICKY);
    let hasher = StickyHasher::default();
    let ticket = sticky.map_or_else(rand::random, |key| hasher.hash_one(key));
    router::pick_revision(function, ticket)
}

/// A request on the peer listener: gRPC, or a call another sidecar forwards.
async fn peer(app: &Arc<App>, mut request: Request<Incoming>) -> Response<Body> {
    if request.uri().path().starts_with("/gateless.v1.") {
        return Box::pin(app.grpc(request)).await;
    }
    let secret = request
        .headers()
        .get(headers::CLUSTER)
        .map(HeaderValue::as_bytes);
    let known = app.proxy.cluster_secret.as_bytes();
    if !secret.is_some_and(|secret| bool::from(secret.ct_eq(known))) {
        return crate::error::problem(
            http::StatusCode::UNAUTHORIZED,
            "not_a_peer",
            "this listener is for sidecars of the same cluster",
            "call functions on the public listener",
        );
    }
    let on_upgrade = headers::upgrade(request.headers()).map(|_| hyper::upgrade::on(&mut request));
    app.from_peers.fetch_add(1, Ordering::Relaxed);
    match forwarded(app, request, on_upgrade).await {
        Ok(response) => response,
        Err(error) => {
            // The caller's sidecar decides whether to try elsewhere.
            let told = match &error {
                Error::Gate(_) | Error::Instance { seen: false, .. } => Some(headers::REFUSED),
                Error::Instance { seen: true, .. } => Some(headers::FAILED),
                _ => None,
            };
            let mut response = error.into_response();
            if let Some(name) = told {
                let yes = HeaderValue::from_static("1");
                response.headers_mut().insert(name, yes);
            }
            response
        }
    }
}

async fn forwarded(
    app: &Arc<App>,
    request: Request<Incoming>,
    upgrade: Option<hyper::upgrade::OnUpgrade>,
) -> Result<Response<Body>, Error> {
    let arrived = clock::now();
    let (mut parts, incoming) = request.into_parts();
    let payload = Payload::new(incoming.into());
    let text = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let name: RevisionName = text(headers::REVISION)
        .and_then(|name| name.parse().ok())
        .ok_or_else(|| Error::BadRequest("a forwarded call names its revision".into()))?;
    let node = text(headers::NODE).map(NodeId::new);
    let class = if text(headers::CLASS) == Some("async") {
        Class::Async
    } else {
        Class::Sync
    };
    let permit = text(headers::PERMIT).map(|id| app.reservations.take(id));
    // A permit that ran out is a refusal: the body has not been touched.
    let no_instance = || Error::Gate(gateless_core::dispatch::Refusal::NoInstance);
    let permit = match permit {
        Some(taken) => Some(taken.ok_or_else(no_instance)?),
        None => None,
    };
    let registry = &app.proxy.registry;
    let function = registry.function(name.function()).ok_or_else(no_instance)?;
    let revision = registry.revision(&name).ok_or_else(no_instance)?;
    let wished = headers::number(&parts.headers, &headers::TIMEOUT_MS).map(Duration::from_millis);
    let hops = headers::number(&parts.headers, &headers::HOPS);
    if let Some(hops) = hops.and_then(|hops| u32::try_from(hops).ok()) {
        parts.extensions.insert(headers::Hops(hops));
    }
    let caller = Caller(node.as_ref().map_or(0, |node| app.fairness.hash_one(node)));
    let mut call = Call {
        parts,
        payload,
        class,
        origin: Origin::Peer,
        caller,
        peer: node,
        client: None,
        arrived,
        deadline: None,
        upgrade,
        permit,
        queued: None,
    };
    // The caller's sidecar counts the function's own timeout, from the arrival there.
    call.limit_time(None, wished);
    call.parts.headers.remove(headers::REVISION);
    app.proxy.send(&function, &revision, &mut call).await
}

/// Keys of the sticky split must agree on every sidecar and over restarts.
type StickyHasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;
