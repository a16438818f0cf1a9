//! Starts a sidecar: binds, joins, loads, adopts, serves.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::future::BoxFuture;
use gateless_core::name::{FunctionName, NodeId, RevisionName};
use gateless_proto::v1::sidecar_admin_server::SidecarAdminServer;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::Admin;
use crate::app::App;
use crate::auth::ClusterSecret;
use crate::controller;
use crate::goodbye::Ends;
use crate::instance::Driver;
use crate::instance::process::{self, ProcessDriver};
use crate::logs::InstanceLogs;
use crate::metrics::Metrics;
use crate::proxy::deferred::Invoker;
use crate::proxy::entrance::{self, Door};
use crate::proxy::reserve::Reservations;
use crate::proxy::{Proxy, Reserve};
use crate::queue::dispatcher::{Dispatcher, Lookup};
use crate::runtime::{HoldCaps, Registry};
use crate::{control, node, peers, queue};

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
    /// Membership, UDP.
    pub gossip_listen: SocketAddr,
    /// Host name or address others reach this host by.
    pub advertise_host: String,
    /// Gossip addresses of others, host:port.
    pub join: Vec<String>,
    /// At least 16 characters, the same on every sidecar and the server.
    pub cluster_secret: String,
    /// Suffix of function hosts.
    pub domain: String,
    /// Instances this host may run.
    pub capacity: u32,
}

/// Why a sidecar does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address is taken or not this host's.
    #[error("cannot listen on {address} for {what}: {cause}")]
    Listen {
        /// Which listener.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// The data folder cannot be used.
    #[error("data folder {folder}: {cause}")]
    Data {
        /// Which.
        folder: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The cluster secret is none.
    #[error(transparent)]
    Secret(#[from] crate::auth::BadSecret),
    /// Gossip cannot start.
    #[error(transparent)]
    Peers(#[from] peers::Error),
    /// The durable queue cannot be opened.
    #[error("queue in {folder}: {cause}")]
    Queue {
        /// Where.
        folder: PathBuf,
        /// Why.
        cause: queue::Error,
    },
    /// The config client cannot start.
    #[error(transparent)]
    Control(#[from] control::Error),
}

/// A running sidecar.
pub struct Running {
    /// Calls from outside.
    pub public: SocketAddr,
    /// Calls from functions here.
    pub local: SocketAddr,
    /// Peers.
    pub peer: SocketAddr,
    /// Gossip, UDP.
    pub gossip: SocketAddr,
    ends: Ends,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

struct Peers(peers::Handle);

impl Reserve for Peers {
    fn reserve(
        &self,
        node: &NodeId,
        revision: &RevisionName,
        ttl: Duration,
    ) -> BoxFuture<'static, Option<String>> {
        let (handle, node, revision) = (self.0.clone(), node.clone(), revision.clone());
        Box::pin(async move {
            handle
                .reserve(&node, &revision, ttl)
                .await
                .unwrap_or_else(|status| {
                    tracing::debug!(peer = %node, %status, "no permit from a peer");
                    None
                })
        })
    }
}

struct Gates {
    registry: Arc<Registry>,
    reservations: Arc<Reservations>,
}

impl peers::Reserver for Gates {
    fn reserve(&self, revision: &RevisionName, ttl: Duration, _caller: &str) -> Option<String> {
        self.reservations.reserve(&self.registry, revision, ttl)
    }
}

struct Backlog(queue::Local);

impl controller::Backlog for Backlog {
    fn due(&self) -> Vec<(FunctionName, u32)> {
        let depths = queue::Queue::depths(&self.0)
            .into_iter()
            .filter(|depth| depth.due > 0);
        depths
            .map(|depth| (depth.function, u32::try_from(depth.due).unwrap_or(u32::MAX)))
            .collect()
    }
}

async fn open_queue(config: &Config, node: &NodeId) -> Result<queue::Local, Error> {
    let setup = queue::local::Config::new(config.data.join("queue"), node.clone());
    let opened = tokio::task::spawn_blocking(move || queue::Local::open(setup)).await;
    let opened = opened.unwrap_or_else(|panic| Err(queue::Error::Unavailable(panic.to_string())));
    opened.map_err(|cause| Error::Queue {
        folder: config.data.join("queue"),
        cause,
    })
}

/// Delivers queued calls, and looks again at what waits whenever the catalogue changes.
fn deliver(
    proxy: &Arc<Proxy>,
    queue: &queue::Local,
    control: &Arc<control::Handle>,
    local: SocketAddr,
) -> Dispatcher {
    let catalogue = control.catalogue();
    let mut changes = catalogue.clone();
    let policies = move |name: &FunctionName| {
        let catalogue = catalogue.borrow();
        match catalogue.functions.get(name) {
            Some(function) => Lookup::Known(function.async_policy),
            None if catalogue.id.is_empty() => Lookup::NotYet,
            None => Lookup::Deleted,
        }
    };
    let invoker = Arc::new(Invoker(proxy.clone()));
    let url = format!("http://{local}");
    let dispatcher = Dispatcher::start(Arc::new(queue.clone()), invoker, Arc::new(policies), &url);
    let told = dispatcher.clone();
    tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            told.config_changed();
        }
    });
    dispatcher
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
struct Addresses {
    public: SocketAddr,
    peer: SocketAddr,
    host: String,
}

impl Addresses {
    fn public_url(&self) -> String {
        format!("http://{}:{}", self.host, self.public.port())
    }

    fn peer_address(&self) -> String {
        format!("{}:{}", self.host, self.peer.port())
    }
}

type Joined = (
    peers::Handle,
    mpsc::Receiver<peers::Event>,
    peers::PeerServer,
);

async fn join(
    config: &Config,
    node: &NodeId,
    addresses: &Addresses,
    secret: &ClusterSecret,
    gates: Gates,
) -> Result<Joined, Error> {
    let peers = peers::Config {
        node: node.clone(),
        gossip_listen: config.gossip_listen,
        advertise_host: addresses.host.clone(),
        cluster: "gateless".to_owned(),
        seeds: config.join.clone(),
        gossip_interval: peers::DEFAULT_INTERVAL,
        peer_address: addresses.peer_address(),
        public_url: addresses.public_url(),
        capacity: config.capacity,
        version: VERSION.to_owned(),
        secret: secret.clone(),
        reserver: Arc::new(gates),
    };
    Ok(peers::spawn(peers).await?)
}

async fn follow_server(
    config: &Config,
    node: &NodeId,
    addresses: &Addresses,
    secret: &ClusterSecret,
    gossip: SocketAddr,
) -> Result<Arc<control::Handle>, Error> {
    let control = control::Config {
        server: config.server.clone(),
        data: config.data.clone(),
        secret: secret.clone(),
        node: node.clone(),
        version: VERSION.to_owned(),
        public_url: addresses.public_url(),
        peer_address: addresses.peer_address(),
        gossip_address: format!("{}:{}", addresses.host, gossip.port()),
        artifact_cache_bytes: control::DEFAULT_CACHE_BYTES,
    };
    let control = Arc::new(control::spawn(control).await?);
    tokio::spawn(crate::prefetch::run(control.clone()));
    Ok(control)
}

fn serve(app: &Arc<App>, listeners: [(TcpListener, Door); 3]) -> (TaskTracker, CancellationToken) {
    let (connections, stop) = (TaskTracker::new(), CancellationToken::new());
    for (listener, door) in listeners {
        let serving = entrance::serve(
            app.clone(),
            listener,
            door,
            connections.clone(),
            stop.clone(),
        );
        tokio::spawn(serving);
    }
    (connections, stop)
}

fn admin(queue: &queue::Local, driver: &Arc<dyn Driver>, node: NodeId) -> Admin {
    let logs = InstanceLogs {
        driver: driver.clone(),
        node,
    };
    Admin::new(Arc::new(queue.clone()), Arc::new(logs))
}

fn proxy(config: &Config, registry: &Arc<Registry>, peers: &peers::Handle) -> Proxy {
    Proxy {
        registry: registry.clone(),
        cluster_secret: config.cluster_secret.trim().to_owned(),
        domain: config.domain.clone(),
        reserve: Arc::new(Peers(peers.clone())),
    }
}

type Listeners = [(TcpListener, Door); 3];

/// The listeners and their addresses: public, local, peer.
async fn open_doors(config: &Config) -> Result<(Listeners, [SocketAddr; 3]), Error> {
    let (public, public_address) = bind("calls", config.listen).await?;
    let (local, local_address) = bind("local calls", config.local_listen).await?;
    let (peer, peer_address) = bind("peers", config.peer_listen).await?;
    let listeners = [
        (public, Door::Public),
        (local, Door::Local),
        (peer, Door::Peer),
    ];
    Ok((listeners, [public_address, local_address, peer_address]))
}

/// Starts a sidecar.
///
/// # Errors
/// See [`Error`].
pub async fn run(config: Config) -> Result<Running, Error> {
    let data_error = |cause| Error::Data {
        folder: config.data.clone(),
        cause,
    };
    raise_descriptor_limit();
    let secret = ClusterSecret::new(&config.cluster_secret)?;
    let node = node::id(&config.data).map_err(data_error)?;
    let (listeners, [public, local, peer]) = open_doors(&config).await?;
    let addresses = Addresses {
        public,
        peer,
        host: config.advertise_host.clone(),
    };
    let (driver, instance_events) = open_driver(&config, &node).map_err(data_error)?;
    let metrics = Metrics::shared();
    let (registry, signals) = Registry::new(node.clone(), HoldCaps::default(), metrics.clone());
    let reservations = Arc::<Reservations>::default();
    let gates = Gates {
        registry: registry.clone(),
        reservations: reservations.clone(),
    };
    let (peers, peer_events, peer_service) =
        join(&config, &node, &addresses, &secret, gates).await?;
    let gossip = peers.gossip_address();
    metrics.watch_members(peers.members());
    let control = follow_server(&config, &node, &addresses, &secret, gossip).await?;
    let catalogue = control.catalogue();
    registry.apply(catalogue.borrow().functions.values().cloned());
    let queue = open_queue(&config, &node).await?;
    let proxy = Arc::new(proxy(&config, &registry, &peers));
    let dispatcher = deliver(&proxy, &queue, &control, local);
    let admin = secret.guard(SidecarAdminServer::new(admin(&queue, &driver, node)));
    let app = Arc::new(App {
        proxy,
        queue: queue.clone(),
        dispatcher,
        peers: peers.clone(),
        fairness: std::hash::RandomState::new(),
        sticky: entrance::StickyHasher::default(),
        reservations,
        grpc: tonic::service::Routes::new(peer_service).add_service(admin),
        metrics,
        from_peers: AtomicU64::new(0),
    });
    let stop_controller = CancellationToken::new();
    let parts = controller::Parts {
        registry,
        signals,
        catalogue,
        peers,
        peer_events,
        driver: driver.clone(),
        instance_events,
        control: control.clone(),
        backlog: Arc::new(Backlog(queue)),
        capacity: config.capacity,
        gateless_url: format!("http://{local}"),
        stop: stop_controller.clone(),
    };
    tokio::spawn(controller::run(parts));
    let (connections, stop_accepting) = serve(&app, listeners);
    let ends = Ends {
        app,
        stop_accepting,
        stop_controller,
        connections,
        driver,
        control,
    };
    Ok(Running {
        public,
        local,
        peer,
        gossip,
        ends,
    })
}

/// Connections and instances need descriptors: the soft limit goes up to the hard one.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit on open files stays low");
    }
}

fn open_driver(
    config: &Config,
    this: &NodeId,
) -> io::Result<(Arc<dyn Driver>, mpsc::Receiver<crate::instance::Event>)> {
    let (sender, receiver) = mpsc::channel(1_024);
    let mut setup = process::Config::new(config.data.clone(), this.clone());
    setup.max_instances = config.capacity as usize;
    Ok((Arc::new(ProcessDriver::open(setup, sender)?), receiver))
}

impl Running {
    /// Leaves the cluster, lets calls finish (at most 30 s), and stops the instances or leaves
    /// them for the next sidecar on the same data folder.
    pub async fn shutdown(self, stop_instances: bool) {
        self.ends.goodbye(stop_instances).await;
    }
}
