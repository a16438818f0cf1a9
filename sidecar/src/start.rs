//! Starts a sidecar: binds, joins, loads, adopts, serves.

mod components;
mod containers;
mod identity;
mod isolation;
mod listeners;
mod parts;
mod peers;
mod shutdown;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use gateless_core::egress::Egress;
use gateless_core::trusted::TrustedProxies;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::call::reserve::Reservations;
use crate::cluster::identity::Join;
use crate::cluster::node;
use crate::edge::openfaas::Relay;
use crate::edge::{Edge, Issuers};
use crate::queue::Queue;
use crate::reconcile;
use crate::telemetry::metrics::Metrics;
use components::Components;
use shutdown::Stop;

use crate::{catalogue, cluster, queue};

/// How a sidecar is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server's gRPC address; `None`: run from the saved catalogue.
    pub server: Option<String>,
    /// Folder for everything it keeps.
    pub data: PathBuf,
    /// Calls from outside.
    pub listen: SocketAddr,
    /// Calls from functions on this host.
    pub local_listen: SocketAddr,
    /// Calls and gRPC from other sidecars, gRPC from the server.
    pub peer_listen: SocketAddr,
    /// Metrics, for the operator; `None`: 127.0.0.1:7704, or any port there when that is taken.
    pub metrics_listen: Option<SocketAddr>,
    pub gossip_listen: SocketAddr,
    /// Host name or address others reach this host by.
    pub advertise_host: String,
    /// Gossip addresses of others, host:port.
    pub join: Vec<String>,
    /// How it gets its identity, if it has none yet.
    pub identity: Join,
    /// Suffix of function hosts.
    pub domain: String,
    /// Which calls are put on record.
    pub record: gateless_core::record::pick::Settings,
    /// Proxies in front of it, whose word on a call's origin is passed on.
    pub trusted_proxies: TrustedProxies,
    /// Instances this host may run.
    pub capacity: u32,
    /// Whether the public listener passes an OpenFaaS gateway's management paths on to the server.
    pub management_relay: bool,
    /// Whether components of WASI 0.3 run, which the engine calls experimental.
    pub wasi_0_3: bool,
    /// What runs functions that are images.
    pub container_engine: crate::instance::engine::Choice,
    /// How far process functions are isolated; the data folder is hidden from them in any case.
    pub isolation: gateless_sandbox::Settings,
    /// Where callbacks and components' requests may go outside the cluster, and issuers of tokens be asked for their keys.
    pub egress: Egress,
    /// Authorities whose certificates are believed there, for callbacks and issuers, besides those of the public web; in PEM.
    pub egress_ca: Option<PathBuf>,
    /// A second listener for calls from outside, with TLS; `None`: there is none.
    pub tls: Option<gateless_tls::Options>,
    /// Bounds of connections; how many is meant of those from outside, by itself at most 16,384.
    pub connections: gateless_listen::Options,
}

/// Why a sidecar does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address is taken or not this host's.
    #[error("cannot listen on {address} for {what}: {cause}")]
    Listen {
        what: &'static str,
        address: SocketAddr,
        cause: io::Error,
    },
    /// The data folder cannot be used.
    #[error("data folder {folder}: {cause}")]
    Data { folder: PathBuf, cause: io::Error },
    /// Gossip cannot start.
    #[error(transparent)]
    Peers(#[from] cluster::Error),
    /// The durable queue cannot be opened.
    #[error("queue in {folder}: {cause}")]
    Queue {
        folder: PathBuf,
        cause: queue::Error,
    },
    /// The authorities for what is outside cannot be read.
    #[error("--egress-ca {file}: {cause}")]
    EgressCa { file: PathBuf, cause: io::Error },
    /// The engine for components cannot be opened.
    #[error(transparent)]
    Engine(crate::endpoint::engine::Error),
    /// The host cannot isolate functions as asked.
    #[error(transparent)]
    Isolation(#[from] gateless_sandbox::Missing),
    /// It has no identity, and gets none.
    #[error(transparent)]
    Identity(#[from] cluster::identity::Error),
    /// The config client cannot start.
    #[error(transparent)]
    Control(#[from] catalogue::Error),
}

/// A running sidecar.
pub struct Running {
    /// Calls from outside.
    pub public: SocketAddr,
    /// Calls from outside over TLS.
    pub public_tls: Option<SocketAddr>,
    /// Calls from functions here.
    pub local: SocketAddr,
    pub peer: SocketAddr,
    /// Where its metrics are.
    pub metrics: SocketAddr,
    pub gossip: SocketAddr,
    /// How far functions are isolated here.
    pub isolation: gateless_sandbox::Isolation,
    stop: Stop,
}

/// Starts a sidecar.
///
/// # Errors
/// See [`Error`].
pub async fn run(config: Config) -> Result<Running, Error> {
    let data_error = |cause| unusable(&config, cause);
    let files = gateless_listen::descriptors::raise_limit();
    let node = node::id(&config.data).map_err(data_error)?;
    let identity = identity::open(&config, &node).await?;
    let (bound, addresses) = listeners::bind_all(&config).await?;
    let outside = parts::outside(&config, &addresses)?;
    let components = Components::open(&config, &outside.egress)?;
    let (sandbox, isolation) = isolation::open(&config)?;
    let instances = parts::open_drivers(&config, &node, &components, sandbox);
    let instances = instances.map_err(data_error)?;
    let metrics = Arc::new(Metrics::recording(config.record));
    let (registry, signals) = identity::registry(&node, &metrics, &identity);
    let reservations = Arc::<Reservations>::default();
    let gates = parts::Gates::new(&registry, &reservations);
    let here = parts::Here(&config, &node, &addresses, &identity);
    let (peers, peer_events, peer_service) = parts::join(&here, gates).await?;
    let gossip = peers.gossip_address();
    identity::watch(&metrics, &peers, &identity, &components, &config);
    let ahead = (&components, &instances);
    let control = parts::follow_server(&here, gossip, ahead, &isolation).await?;
    parts::use_catalogue(&control, &registry, &peers, &metrics);
    let later = parts::open_queue(&config, &node, &peers, &metrics).await?;
    let proxy = Arc::new(parts::proxy(&config, &registry, &peers));
    let (dispatcher, callbacks) = parts::deliver(&proxy, &later, &control, &outside);
    let host = parts::host(&config, &dispatcher, &registry, &later, &peers, &metrics)?;
    let triggers = parts::triggers(&config, &proxy, &control, &later, &host, &metrics).await;
    let admin = parts::admin(&proxy, &later, instances.logs, &host, &triggers);
    let edge = Arc::new(Edge {
        proxy,
        queue: Queue::of(&later.queue),
        homes: later.homes,
        dispatcher,
        cluster: peers.clone(),
        fairness: std::hash::RandomState::new(),
        reservations,
        triggers,
        identity,
        trusted: config.trusted_proxies.clone(),
        openfaas: Relay::new(config.management_relay),
        grpc: parts::services(peer_service, admin, &later.copying),
        catalogue: control.clone(),
        issuers: Issuers::new(&outside, control.catalogue()),
        egress: outside.egress,
        metrics,
        callers: parts::callers(&instances.drivers),
        forwarded: Notify::new(),
    });
    parts::open_ways(&edge, &components, &callbacks, addresses.local);
    let stop_reconciling = CancellationToken::new();
    tokio::spawn(reconcile::run(reconcile::Parts {
        registry,
        signals,
        catalogue: control.catalogue(),
        peers,
        peer_events,
        drivers: instances.drivers.clone(),
        instance_events: instances.events,
        control: control.clone(),
        backlog: Arc::new(parts::Backlog(later.queue.clone())),
        observer: host.observer,
        capacity: config.capacity,
        draining: host.draining.watch(),
        engine: instances.containers.engine,
        gateless_url: format!("http://{}", addresses.local),
        stop: stop_reconciling.clone(),
    }));
    let doors = (instances.containers.doors, instances.drivers.clone());
    let (connections, stop_accepting) = listeners::serve(&config, &edge, (bound, files), doors);
    let stop = Stop {
        edge,
        queue: later.queue,
        stop_accepting,
        stop_reconciling,
        connections,
        drivers: instances.drivers,
        catalogue: control,
    };
    Ok(addresses.running(gossip, isolation, stop))
}

fn unusable(config: &Config, cause: std::io::Error) -> Error {
    let folder = config.data.clone();
    Error::Data { folder, cause }
}

impl Running {
    /// Leaves the cluster, lets calls finish (at most 30 s), and stops the instances or leaves
    /// them for the next sidecar on the same data folder.
    pub async fn shutdown(self, stop_instances: bool) {
        self.stop.run(stop_instances).await;
    }
}
