//! The server's listeners: the API's, which outsiders reach, and the one of sidecars.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ::http::Request;
use axum::Router;
use axum::extract::ConnectInfo;
use gateless_listen::http::Settings;
use gateless_listen::{Accepted, Bounds, Door, Handshake, Keepalive, Options, descriptors, http};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::Error;

/// Connections of the API, at most.
const MAX_API: usize = 2_048;
/// Connections of sidecars, at most.
const MAX_SIDECARS: usize = 8_192;
/// Parts of the limit on open files for either, in percent; a sidecar in the same process has its own.
const API_PERCENT: u64 = 5;
const SIDECARS_PERCENT: u64 = 5;
/// A sidecar is asked so often whether it is there.
const PING: Duration = Duration::from_secs(5);

/// Who acknowledges nothing for so long is gone: a listener to events would keep its place for a quarter of an hour.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// Who reads nothing of an answer for so long is cut off, and what is kept for it is let go of.
const UNREAD: Duration = Duration::from_secs(60);

/// What the API's connections carry.
pub(super) const API: Settings = Settings {
    max_streams: 256,
    unread: Some(UNREAD),
    ..Settings::USUAL
};

/// What sidecars' connections carry.
pub(super) const GRPC: Settings = Settings {
    max_buffered: 1 << 20,
    ping: Some(PING),
    ..Settings::USUAL
};

/// Both doors, and the connections there are at either.
pub(super) struct Doors {
    pub(super) api: Door,
    pub(super) grpc: Door,
    pub(super) connections: TaskTracker,
}

impl Doors {
    pub(super) fn new(options: Options) -> Self {
        let files = descriptors::raise_limit();
        let connections = TaskTracker::new();
        let door = |name, all| {
            let bounds = Bounds {
                connections: all,
                timeouts: options.timeouts,
                keepalive: Keepalive {
                    unacknowledged: Some(UNACKNOWLEDGED),
                    ..Keepalive::default()
                },
            };
            let on_this_host = |address: IpAddr| address.to_canonical().is_loopback();
            Door::new(name, bounds, on_this_host, connections.clone())
        };
        let api = descriptors::share(files, API_PERCENT, MAX_API);
        let sidecars = descriptors::share(files, SIDECARS_PERCENT, MAX_SIDECARS);
        Self {
            api: door("api", options.most.unwrap_or(api)),
            grpc: door("grpc", sidecars),
            connections,
        }
    }
}

/// Answers with `router` until `stop`; connections then end by themselves.
/// What the other end of a connection proved is among the extensions of each request.
pub(super) async fn serve<H: Handshake<Identity: Clone + Sync>>(
    door: Door,
    listener: TcpListener,
    handshake: H,
    router: Router,
    settings: Settings,
    stop: CancellationToken,
) {
    let serve = move |accepted: Accepted<H::Stream, H::Identity>| {
        let router = router.clone();
        async move {
            let client = ConnectInfo(accepted.client);
            let proven = accepted.identity.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(client);
                request.extensions_mut().insert(proven.clone());
                let answered = router.clone().oneshot(request);
                async move { Ok::<_, Infallible>(answered.await.unwrap_or_else(|never| match never {})) }
            });
            if let Err(error) =
                http::serve(accepted, &settings, TokioExecutor::new(), service).await
            {
                tracing::debug!(?error, "connection ended");
            }
        }
    };
    door.run(listener, Arc::new(handshake), serve, stop).await;
}

/// A listener, and where it is.
pub(super) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let actual = listener.local_addr()?;
        Ok((listener, actual))
    };
    let bound: io::Result<_> = bound.await;
    bound.map_err(|source| Error::Listen { address, source })
}
