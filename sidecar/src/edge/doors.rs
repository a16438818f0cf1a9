//! The listeners: what kind of caller stands at the door, and which part answers.
//!
//! Public: anyone. Local: functions on this host. Peer: other sidecars, who prove it with
//! the cluster secret. A door knows the paths; answers are made elsewhere.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateless_common::session;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Edge, host, openfaas, peer, route};
use crate::call::headers::Speaker;
use crate::call::{grpc, headers};
use crate::endpoint::alarm::ConnectionTimer;
use crate::endpoint::body::Body;
use crate::endpoint::connection::expect_silence;
use crate::endpoint::framing;
use crate::endpoint::stream::Stream;
use crate::endpoint::watchdog::{Executor, Guarded};
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
/// A peer's HTTP/2 connection is asked whether it is there, and closed when it does not say so within this.
const PEER_KEEPALIVE: Duration = Duration::from_secs(2);
/// Headers that a sidecar adds to a call it forwards, and bytes of each, on average.
const ADDED: usize = 32;
const ADDED_BYTES: usize = 512;
/// Streams per HTTP/2 connection.
const MAX_STREAMS: u32 = 1_024;
/// Bytes of an HTTP/2 stream kept for a caller that does not read them; an HTTP/1 connection keeps as many as a head may have.
const MAX_BUFFERED: usize = 128 << 10;

/// Accepts until `stop`, then lets connections finish what they are in.
pub async fn serve(
    edge: Arc<Edge>,
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
                let serving = connection(edge.clone(), stream, client, door, stop.clone());
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
    edge: Arc<Edge>,
    stream: TcpStream,
    client: SocketAddr,
    door: Door,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection was gone before it began");
        return;
    }
    if door == Door::Peer
        && let Err(error) = expect_silence(&stream)
    {
        tracing::debug!(%error, "a peer's connection was gone before it began");
        return;
    }
    let service = service_fn(move |request| {
        let edge = edge.clone();
        async move {
            let mut response = answer(&edge, request, client, door).await;
            // Whatever answered: a function, a result that was kept, the server behind the relay.
            session::strip_answer(response.headers_mut());
            Ok::<_, Infallible>(response)
        }
    });
    // A head that came in at another sidecar has to come in here with what that one added.
    let added = if door == Door::Peer { ADDED } else { 0 };
    let mut builder = auto::Builder::new(Executor);
    builder
        .http1()
        .timer(ConnectionTimer::default())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(framing::MAX_HEADERS + added)
        .max_buf_size(framing::MAX_HEAD_BYTES + added * ADDED_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_send_buf_size(MAX_BUFFERED)
        .adaptive_window(true)
        .max_header_list_size(framing::MAX_HEADER_LIST);
    if door == Door::Peer {
        // Closing one in order takes an answer from the other end.
        let mut http2 = builder.http2();
        http2.keep_alive_interval(PEER_KEEPALIVE);
        http2.keep_alive_timeout(PEER_KEEPALIVE);
    }
    let guarded = Guarded::new(async {
        let io = TokioIo::new(Stream::new(stream));
        let serving = builder.serve_connection_with_upgrades(io, service);
        tokio::pin!(serving);
        tokio::select! {
            served = serving.as_mut() => served,
            () = stop.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        }
    });
    if let Some(Err(error)) = guarded.await {
        tracing::debug!(%client, error = %error, "connection ended");
    }
}

/// What few requests ask for is boxed: every connection keeps room for the largest of the rest.
async fn answer(
    edge: &Arc<Edge>,
    mut request: Request<Incoming>,
    client: SocketAddr,
    door: Door,
) -> Response<Body> {
    if door == Door::Peer {
        return match request.uri().path().starts_with("/_gateless/") {
            true => Box::pin(edge.internal(request)).await,
            false => peer::answer(edge, request).await,
        };
    }
    let kind = grpc::kind(request.method(), request.headers());
    let host = match host::settle(&mut request) {
        Ok(host) => host,
        Err(refused) => return refused.respond(kind),
    };
    headers::strip(request.headers_mut(), speaker(edge, client, door));
    session::strip_request(request.headers_mut());
    match host::forwards(&mut request) {
        Some(Ok(())) => return Response::new(Body::empty()),
        Some(Err(refused)) => return refused.respond(kind),
        None => {}
    }
    if request.uri().path().starts_with("/_gateless/") {
        return match Ingress::of(request.uri().path()) {
            Some(ingress) => Box::pin(edge.triggers.ingest(ingress, request)).await,
            None => Box::pin(edge.internal(request)).await,
        };
    }
    if door == Door::Public
        && openfaas::is_gateways(request.uri().path())
        && !route::is_named(edge, &host)
    {
        return Box::pin(edge.openfaas.answer(&edge.catalogue, request)).await;
    }
    let answered = route::outside(edge, request, &host, client, door).await;
    answered.unwrap_or_else(|error| error.respond(kind))
}

/// Whose word the headers of a request are.
fn speaker(edge: &Edge, client: SocketAddr, door: Door) -> Speaker {
    match door {
        Door::Public if edge.trusted.contain(client.ip()) => Speaker::Proxy,
        Door::Public => Speaker::Caller,
        Door::Local => Speaker::Function,
        Door::Peer => Speaker::Sidecar,
    }
}
