//! A sidecar's listeners: bound first, so that others can be told where they are, served when all parts are there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures_util::FutureExt;
use gateless_identity::{Mutual, Peer};
use gateless_listen::{Accepted, Bounds, Keepalive, Plain, Scheme, descriptors};
use gateless_sandbox::Isolation;
use gateless_tls::Tls;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::containers::DoorRequest;
use super::shutdown::Stop;
use super::{Config, Error, Running};
use crate::cluster::Member;
use crate::edge::Edge;
use crate::edge::doors::{self, ConnectInfo, Door};
use crate::instance::Drivers;

/// Connections of the public listener, at most.
const MAX_PUBLIC: usize = 16_384;
/// Of the local one and of the one for peers.
const MAX_INSIDE: usize = 8_192;
/// Of the one for metrics.
const MAX_METRICS: usize = 64;
/// Where metrics are, unless the operator says otherwise.
const USUAL_METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7704);
/// Parts of the limit on open files, in percent. A call that came in may need another connection to go on, so that
/// together they are less than half.
const PUBLIC_PERCENT: u64 = 20;
const INSIDE_PERCENT: u64 = 10;
const METRICS_PERCENT: u64 = 1;

/// Every listener.
pub(super) struct Listeners {
    public: TcpListener,
    public_tls: Option<TcpListener>,
    local: TcpListener,
    peer: TcpListener,
    metrics: TcpListener,
    /// The port with TLS that callers without are sent to.
    redirect: Option<u16>,
}

pub(super) async fn bind_all(config: &Config) -> Result<(Listeners, Addresses), Error> {
    let (public_listener, public) = bind("calls", config.listen).await?;
    let (tls_listener, tls) = match &config.tls {
        Some(tls) => Some(bind("calls over TLS", tls.listen).await?).unzip(),
        None => (None, None),
    };
    let (local_listener, local) = bind("local calls", config.local_listen).await?;
    let (peer_listener, peer) = bind("peers", config.peer_listen).await?;
    let (metrics_listener, metrics) = bind_metrics(config.metrics_listen).await?;
    let redirect = redirect(config, tls);
    let listeners = Listeners {
        public: public_listener,
        public_tls: tls_listener,
        local: local_listener,
        peer: peer_listener,
        metrics: metrics_listener,
        redirect,
    };
    let host = config.advertise_host.clone();
    Ok((
        listeners,
        Addresses {
            public,
            public_tls: tls,
            redirect,
            local,
            peer,
            metrics,
            host,
        },
    ))
}

/// The port of the listener with TLS, as others reach it, if everybody is to come there.
fn redirect(config: &Config, bound: Option<SocketAddr>) -> Option<u16> {
    let redirect = config.tls.as_ref()?.redirect?;
    redirect.port.or(bound.map(|bound| bound.port()))
}

/// Several sidecars on one host are no reason to name a port that few ask.
async fn bind_metrics(given: Option<SocketAddr>) -> Result<(TcpListener, SocketAddr), Error> {
    if let Some(address) = given {
        return bind("metrics", address).await;
    }
    match bind("metrics", USUAL_METRICS).await {
        Ok(bound) => Ok(bound),
        Err(_) => bind("metrics", SocketAddr::new(USUAL_METRICS.ip(), 0)).await,
    }
}

async fn bind(what: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let fail = |cause| Error::Listen {
        what,
        address,
        cause,
    };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    Ok((listener, bound))
}

/// Where this sidecar can be reached.
pub(super) struct Addresses {
    pub(super) public: SocketAddr,
    public_tls: Option<SocketAddr>,
    redirect: Option<u16>,
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) metrics: SocketAddr,
    pub(super) host: String,
}

impl Addresses {
    pub(super) fn running(self, gossip: SocketAddr, isolation: Isolation, stop: Stop) -> Running {
        Running {
            public: self.public,
            public_tls: self.public_tls,
            local: self.local,
            peer: self.peer,
            metrics: self.metrics,
            gossip,
            isolation,
            stop,
        }
    }

    pub(super) fn public_url(&self) -> String {
        match self.redirect {
            Some(port) => format!("https://{}:{port}", self.host),
            None => format!("http://{}:{}", self.host, self.public.port()),
        }
    }

    pub(super) fn peer_address(&self) -> String {
        format!("{}:{}", self.host, self.peer.port())
    }
}

/// Serves every listener until the token is cancelled; the tracker's tasks are the listeners and their connections.
pub(super) fn serve(
    config: &Config,
    edge: &Arc<Edge>,
    (listeners, files): (Listeners, u64),
    (doors, drivers): (mpsc::Receiver<DoorRequest>, Arc<Drivers>),
) -> (TaskTracker, CancellationToken) {
    let (connections, stop) = (TaskTracker::new(), CancellationToken::new());
    let accepting = |door| {
        gateless_listen::Door::new(
            name(door),
            bounds(config, door, files),
            exempt(edge, door),
            connections.clone(),
        )
    };
    let public = accepting(Door::Public);
    let plain = |door| {
        let edge = edge.clone();
        move |accepted: Accepted<TcpStream, Scheme>| {
            let came = ConnectInfo::from_outside(accepted.identity, None);
            doors::serve(edge.clone(), accepted, door, came)
        }
    };
    // Over TLS, and for who comes without to a listener that takes either.
    let secure = |redirect| {
        let edge = edge.clone();
        move |accepted: Accepted<gateless_tls::Stream, Scheme>| {
            let came = ConnectInfo::from_outside(accepted.identity, redirect);
            doors::serve(edge.clone(), accepted, Door::Public, came)
        }
    };
    if let (Some(listener), Some(tls)) = (listeners.public_tls, &config.tls) {
        let handshake = Arc::new(Tls::only(tls.certificates.clone()));
        let door = public.beside("public over TLS");
        connections.spawn(door.run(listener, handshake, secure(None), stop.clone()));
    }
    match (listeners.redirect, &config.tls) {
        (Some(port), Some(tls)) => {
            let handshake = Arc::new(Tls::or_plain(tls.certificates.clone()));
            let serve = secure(Some(port));
            connections.spawn(public.run(listeners.public, handshake, serve, stop.clone()));
        }
        _ => {
            let serve = plain(Door::Public);
            let handshake = Arc::new(Plain);
            connections.spawn(public.run(listeners.public, handshake, serve, stop.clone()));
        }
    }
    let metrics = accepting(Door::Metrics);
    let serve = plain(Door::Metrics);
    connections.spawn(metrics.run(listeners.metrics, Arc::new(Plain), serve, stop.clone()));
    let local = accepting(Door::Local);
    let port = listeners.local.local_addr().map_or(0, |own| own.port());
    let serve = plain(Door::Local);
    let for_containers = local.beside("local for containers");
    connections.spawn(local.run(listeners.local, Arc::new(Plain), serve, stop.clone()));
    let inside = edge.clone();
    // At an address that others may reach, too: only an instance's own comes in.
    let serve = move |accepted: Accepted<TcpStream, Scheme>| {
        let address = accepted.client.ip().to_canonical();
        let known = drivers.function_at(address).is_some();
        let (inside, came) = (
            inside.clone(),
            ConnectInfo::from_outside(accepted.identity, None),
        );
        async move {
            if known {
                doors::serve(inside, accepted, Door::Local, came).await;
            }
        }
    };
    let opening = open_doors(
        (doors, port),
        for_containers,
        serve,
        (connections.clone(), stop.clone()),
    );
    connections.spawn(stop.clone().run_until_cancelled_owned(opening).map(drop));
    let handshake = Arc::new(Mutual(edge.identity.clone()));
    let to_peers = edge.clone();
    let serve = move |accepted: Accepted<_, Peer>| {
        let came = ConnectInfo::proven(accepted.identity.clone());
        doors::serve(to_peers.clone(), accepted, Door::Peer, came)
    };
    connections.spawn(accepting(Door::Peer).run(listeners.peer, handshake, serve, stop.clone()));
    (connections, stop)
}

/// Opens local doors for containers, at the addresses that they reach.
async fn open_doors<S, F>(
    (mut requests, port): Doors,
    door: gateless_listen::Door,
    serve: S,
    (connections, stop): (TaskTracker, CancellationToken),
) where
    S: Fn(Accepted<TcpStream, Scheme>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    while let Some((address, opened)) = requests.recv().await {
        // The same port as on loopback, if it is free there.
        let listener = match TcpListener::bind((address, port)).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind((address, 0)).await,
        };
        let bound = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let answer = bound.map(|(bound, listener)| {
            let door = door.beside("local for containers");
            let run = door.run(listener, Arc::new(Plain), serve.clone(), stop.clone());
            connections.spawn(run);
            bound
        });
        // Who asked is gone when the sidecar ends.
        opened.send(answer).ok();
    }
}

/// Requests for doors, and the port that they are to have.
type Doors = (mpsc::Receiver<DoorRequest>, u16);

fn name(door: Door) -> &'static str {
    match door {
        Door::Public => "public",
        Door::Local => "local",
        Door::Peer => "peer",
        Door::Metrics => "metrics",
    }
}

fn bounds(config: &Config, door: Door, files: u64) -> Bounds {
    let (percent, most) = match door {
        Door::Public => (PUBLIC_PERCENT, MAX_PUBLIC),
        Door::Local | Door::Peer => (INSIDE_PERCENT, MAX_INSIDE),
        Door::Metrics => (METRICS_PERCENT, MAX_METRICS),
    };
    let most = descriptors::share(files, percent, most);
    let all = match door {
        Door::Public => config.connections.most.unwrap_or(most),
        Door::Local | Door::Peer | Door::Metrics => most,
    };
    Bounds {
        connections: all,
        timeouts: config.connections.timeouts,
        keepalive: Keepalive::default(),
    }
}

/// Who may have as many connections as there are: this host, what stands in front of it, and other sidecars.
fn exempt(edge: &Arc<Edge>, door: Door) -> impl Fn(IpAddr) -> bool + Send + Sync + 'static {
    let (trusted, members) = (edge.trusted.clone(), edge.cluster.members());
    move |address| match door {
        _ if address.to_canonical().is_loopback() => true,
        Door::Public => trusted.contain(address),
        Door::Local | Door::Metrics => false,
        Door::Peer => members.borrow().iter().any(|member| is_at(member, address)),
    }
}

/// Whether a sidecar advertises this very address; one that advertises a name is bound as others are.
fn is_at(member: &Member, address: IpAddr) -> bool {
    let peer: Result<SocketAddr, _> = member.peer_address.parse();
    peer.is_ok_and(|peer| peer.ip().to_canonical() == address.to_canonical())
}
