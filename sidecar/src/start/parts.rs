//! A sidecar's parts, each made from its configuration, and the adapters between them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateless_core::config::SecretKey;
use gateless_core::name::{FunctionName, NodeId, RevisionName};
use gateless_core::policy::Policy;
use gateless_identity::Identity;
use gateless_proto::v1::copy_service_server::CopyServiceServer;
use gateless_proto::v1::sidecar_admin_server::SidecarAdminServer;
use gateless_sandbox::{Isolation, Sandbox};
use tokio::sync::{mpsc, watch};

use super::components::Components;
use super::containers::{self, Containers};
use super::listeners::Addresses;
use super::peers::Peers;
use super::{Config, Error};
use crate::admin::logs::InstanceLogs;
use crate::admin::{Admin, Host, Keys, copies};
use crate::call::Proxy;
use crate::call::bodies::Bodies;
use crate::call::reserve::Reservations;
use crate::cluster::drain::Draining;
use crate::cluster::identity;
use crate::edge::Edge;
use crate::edge::callback::Router;
use crate::edge::local::Callers;
use crate::endpoint::egress::{Outside, authorities};
use crate::instance::Drivers;
use crate::instance::folder::Folder;
use crate::instance::logs::{Bounds, Logs};
use crate::instance::process::{self, ProcessDriver};
use crate::queue::callback::{Destinations, Signing};
use crate::queue::clock::Clock;
use crate::queue::deliver::Invoker;
use crate::queue::dispatcher::Dispatcher;
use crate::queue::home::MAX_MESSAGE_BYTES;
use crate::queue::invoke::Lookup;
use crate::queue::{Copying, Homes, Queue};
use crate::reconcile;
use crate::runtime::Registry;
use crate::telemetry::metrics::{Length, Metrics};
use crate::telemetry::observe::Observer;
use crate::{catalogue, cluster, queue, trigger};

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Begins to fire schedules and to take events and messages.
pub(super) async fn triggers(
    config: &Config,
    proxy: &Proxy,
    control: &Arc<catalogue::Handle>,
    later: &Later,
    host: &Host,
    metrics: &Arc<Metrics>,
) -> trigger::Handle {
    let parts = trigger::Parts {
        node: later.queue.config().node.clone(),
        catalogue: control.catalogue(),
        members: host.peers.members(),
        others: Arc::new(Peers(host.peers.clone())),
        policy: proxy.policy.clone(),
        bodies: proxy.bodies.clone(),
        queue: Arc::new(later.queue.clone()),
        homes: later.homes.clone(),
        calls: Arc::new(later.queue.clone()),
        max_body: later.queue.config().max_body,
        clock: Clock::Wall,
        metrics: metrics.clone(),
        observer: host.observer.clone(),
        data: config.data.clone(),
    };
    trigger::spawn(parts).await
}

pub(super) struct Gates {
    pub(super) registry: Arc<Registry>,
    pub(super) reservations: Arc<Reservations>,
}

impl Gates {
    pub(super) fn new(registry: &Arc<Registry>, reservations: &Arc<Reservations>) -> Self {
        Self {
            registry: registry.clone(),
            reservations: reservations.clone(),
        }
    }
}

impl cluster::Reserver for Gates {
    fn reserve(&self, revision: &RevisionName, ttl: Duration, _caller: &str) -> Option<String> {
        self.reservations.reserve(&self.registry, revision, ttl)
    }
}

pub(super) struct Backlog(pub(super) queue::Local);

impl reconcile::Backlog for Backlog {
    fn due(&self) -> Vec<(FunctionName, u32)> {
        let depths = queue::Calls::depths(&self.0)
            .into_iter()
            .filter(|depth| depth.due > 0);
        depths
            .map(|depth| (depth.function, u32::try_from(depth.due).unwrap_or(u32::MAX)))
            .collect()
    }

    fn lengths(&self) -> Vec<Length> {
        queue::lengths(&self.0)
    }
}

/// Where calls for later are, and the way to where those with an idempotency key are.
pub(super) struct Later {
    pub(super) queue: queue::Local,
    pub(super) homes: Arc<Homes>,
    /// Copies of its calls elsewhere, and of others' here.
    pub(super) copying: Arc<Copying>,
}

pub(super) async fn open_queue(
    config: &Config,
    node: &NodeId,
    peers: &cluster::Handle,
    metrics: &Metrics,
) -> Result<Later, Error> {
    let setup = queue::local::Config::new(config.data.join("queue"), node.clone());
    let opened = tokio::task::spawn_blocking(move || queue::Local::open(setup)).await;
    let opened = opened.unwrap_or_else(|panic| Err(queue::Error::Unavailable(panic.to_string())));
    let queue = opened.map_err(|cause| Error::Queue {
        folder: config.data.join("queue"),
        cause,
    })?;
    let (clock, others) = (queue.config().clock.clone(), Arc::new(Peers(peers.clone())));
    let homes = Homes::new(node.clone(), Queue::of(&queue), clock, others.clone());
    let copying = Copying::start(&queue, others, metrics.copies());
    let copying = copying.await.map_err(|cause| Error::Queue {
        folder: config.data.join("queue"),
        cause,
    })?;
    homes.wait_for_copies(copying.clone());
    Ok(Later {
        queue,
        homes,
        copying,
    })
}

/// What connections outside the cluster are made by: the operator's policy, and whose certificates are believed. What sidecars listen on
/// for their own stays closed, unless it is named.
///
/// # Errors
/// When the operator's authorities cannot be read.
pub(super) fn outside(config: &Config, addresses: &Addresses) -> Result<Outside, Error> {
    let own = [addresses.local, addresses.peer, addresses.metrics].map(|own| own.port());
    let egress = Arc::new(config.egress.clone().without_ports(&own));
    let authorities = match &config.egress_ca {
        None => Vec::new(),
        Some(file) => authorities(file).map_err(|cause| Error::EgressCa {
            file: file.clone(),
            cause,
        })?,
    };
    Ok(Outside::new(egress, &authorities))
}

/// Delivers queued calls, and looks again at what waits whenever the catalogue changes; and what their callbacks to
/// functions go through, once it is opened.
pub(super) fn deliver(
    proxy: &Arc<Proxy>,
    Later { queue, homes, .. }: &Later,
    control: &Arc<catalogue::Handle>,
    outside: &Outside,
) -> (Dispatcher, Arc<Router>) {
    let functions = Arc::<Router>::default();
    let callbacks = Destinations {
        functions: functions.clone(),
        outside: outside.clone(),
        signing: signing(control),
    };
    let catalogue = control.catalogue();
    let mut changes = catalogue.clone();
    let policies = move |name: &FunctionName| {
        let catalogue = catalogue.borrow();
        match catalogue.functions.get(name) {
            Some(function) => Lookup::Known(function.async_policy),
            None if catalogue.id.is_empty() => Lookup::NotYet,
            // An operator let the catalogue be replaced; nobody deleted the function.
            None if catalogue.vanished.contains(name) => Lookup::NotYet,
            None => Lookup::Deleted,
        }
    };
    let invoker = Arc::new(Invoker(proxy.clone()));
    let (policies, clock) = (Arc::new(policies), queue.config().clock.clone());
    let homes = Some(homes.clone());
    let queue = Queue::of(queue);
    let dispatcher = Dispatcher::start(queue, clock, invoker, policies, callbacks, homes);
    let told = dispatcher.clone();
    tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            told.config_changed();
        }
    });
    (dispatcher, functions)
}

/// What a function's callbacks are signed by, with the values that its secrets have now.
fn signing(control: &catalogue::Handle) -> Arc<dyn Fn(&FunctionName) -> Signing + Send + Sync> {
    let catalogue = control.catalogue();
    Arc::new(move |name| {
        let catalogue = catalogue.borrow();
        let function = catalogue.functions.get(name);
        let named = function.and_then(|function| function.callback_signing.clone());
        let Some(SecretKey { secret, key }) = named else {
            return Signing::None;
        };
        match catalogue.secret(name.namespace(), &secret, &key) {
            Some(value) => Signing::by(value),
            None => Signing::Missing(format!("there is no {secret}/{key}")),
        }
    })
}

/// From now on what this process sends itself, without a connection, is routed.
pub(super) fn open_ways(
    edge: &Arc<Edge>,
    components: &Components,
    callbacks: &Router,
    local: SocketAddr,
) {
    components.route(edge, local.to_string());
    callbacks.open(edge, local);
}

pub(super) type Joined = (
    cluster::Handle,
    mpsc::Receiver<cluster::Event>,
    cluster::PeerServer,
);

/// What others are told of this sidecar: its settings, who it is and where.
pub(super) struct Here<'a>(
    pub(super) &'a Config,
    pub(super) &'a NodeId,
    pub(super) &'a Addresses,
    pub(super) &'a Identity,
);

pub(super) async fn join(here: &Here<'_>, gates: Gates) -> Result<Joined, Error> {
    let Here(config, node, addresses, identity) = *here;
    let peers = cluster::Config {
        node: node.clone(),
        gossip_listen: config.gossip_listen,
        advertise_host: addresses.host.clone(),
        cluster: "gateless".to_owned(),
        seeds: config.join.clone(),
        gossip_interval: cluster::DEFAULT_INTERVAL,
        peer_address: addresses.peer_address(),
        public_url: addresses.public_url(),
        capacity: config.capacity,
        version: VERSION.to_owned(),
        identity: identity.clone(),
        reserver: Arc::new(gates),
    };
    Ok(cluster::spawn(peers).await?)
}

pub(super) async fn follow_server(
    here: &Here<'_>,
    gossip: SocketAddr,
    (components, instances): (&Components, &Instances),
    isolation: &Isolation,
) -> Result<Arc<catalogue::Handle>, Error> {
    let Here(config, node, addresses, identity) = *here;
    let control = catalogue::Config {
        server: config.server.clone(),
        data: config.data.clone(),
        identity: identity.clone(),
        node: node.clone(),
        version: VERSION.to_owned(),
        public_url: addresses.public_url(),
        domain: config.domain.clone(),
        peer_address: addresses.peer_address(),
        gossip_address: format!("{}:{}", addresses.host, gossip.port()),
        isolation: super::isolation::told(isolation),
        artifact_cache_bytes: catalogue::DEFAULT_CACHE_BYTES,
    };
    let control = Arc::new(catalogue::spawn(control).await?);
    let server = config.server.as_deref().map(identity::endpoint);
    tokio::spawn(identity::keep(
        identity.clone(),
        config.data.clone(),
        server.transpose().map_err(Error::Identity)?,
        control.connected(),
        control.stopping(),
    ));
    prefetch(&control, components, instances);
    Ok(control)
}

/// From now on what the catalogue names is got ahead: artifacts, compiled components, images.
fn prefetch(control: &Arc<catalogue::Handle>, components: &Components, instances: &Instances) {
    let drivers = instances.drivers.clone();
    let mut engine = instances.containers.engine.clone();
    engine.mark_unchanged();
    let ahead = catalogue::prefetch::Ahead {
        engine: components.engine.clone(),
        prepare: Arc::new(move |revision| drivers.prepare(revision)),
    };
    // What waits for an engine is tried again when there is one.
    let (again, tried) = watch::channel(());
    tokio::spawn(async move {
        while engine.changed().await.is_ok() {
            again.send_replace(());
        }
    });
    tokio::spawn(catalogue::prefetch::run(control.clone(), ahead, tried));
}

/// Calls find what the last good catalogue has. Others get it and the artifacts of this sidecar, and it gets theirs, while the
/// server is away.
pub(super) fn use_catalogue(
    control: &Arc<catalogue::Handle>,
    registry: &Registry,
    peers: &cluster::Handle,
    metrics: &Metrics,
) {
    let catalogue = control.catalogue();
    registry.change(catalogue.borrow().functions.values().cloned(), None);
    metrics.watch_refused(control.refused());
    peers.pass_on(control.clone());
    control.fetch_from(peers.clone());
    tokio::spawn(catalogue::peers::run(control.clone(), peers.clone()));
}

pub(super) fn host(
    config: &Config,
    dispatcher: &Dispatcher,
    registry: &Arc<Registry>,
    later: &Later,
    peers: &cluster::Handle,
    metrics: &Metrics,
) -> Result<Host, Error> {
    let observer = Arc::<Observer>::default();
    let draining = Draining::open(&config.data);
    let draining = draining.map_err(|cause| super::unusable(config, cause))?;
    later.queue.observe(observer.clone());
    Ok(Host {
        observer,
        dispatcher: dispatcher.clone(),
        draining: Arc::new(draining),
        registry: registry.clone(),
        peers: peers.clone(),
        records: metrics.records().clone(),
    })
}

pub(super) fn admin(
    proxy: &Proxy,
    Later { queue, homes, .. }: &Later,
    logs: Logs,
    host: &Host,
    triggers: &trigger::Handle,
) -> SidecarAdminServer<Admin> {
    let node = queue.config().node.clone();
    let logs = InstanceLogs { store: logs, node };
    let (calls, logs) = (Arc::new(queue.clone()), Arc::new(logs));
    let keys = Keys {
        homes: homes.clone(),
        inbox: calls.clone(),
        policy: proxy.policy.clone(),
    };
    let admin = Admin::new(calls, keys, logs, host.clone(), triggers.clone());
    SidecarAdminServer::new(admin).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

/// What the server and other sidecars ask. Copies come in messages that hold a call at least.
pub(super) fn services(
    peer: cluster::PeerServer,
    admin: SidecarAdminServer<Admin>,
    copying: &Arc<Copying>,
) -> tonic::service::Routes {
    let copies = CopyServiceServer::new(copies::Service(copying.clone()));
    tonic::service::Routes::new(peer)
        .add_service(admin)
        .add_service(copies.max_decoding_message_size(MAX_MESSAGE_BYTES))
}

pub(super) fn proxy(config: &Config, registry: &Arc<Registry>, peers: &cluster::Handle) -> Proxy {
    Proxy {
        registry: registry.clone(),
        domain: config.domain.clone(),
        reserve: Arc::new(Peers(peers.clone())),
        policy: Arc::new(Policy::default()),
        bodies: Bodies::default(),
    }
}

/// Tells which function's instance made a connection to this host.
pub(super) fn callers(drivers: &Arc<Drivers>) -> Callers {
    let drivers = drivers.clone();
    Arc::new(move |from, to| {
        let found = drivers.function_of(from, to);
        found.unwrap_or_else(|error| {
            tracing::warn!(%from, %error, "cannot tell which function calls");
            None
        })
    })
}

/// What runs instances here, what they say, and what happens to them.
pub(super) struct Instances {
    pub(super) drivers: Arc<Drivers>,
    pub(super) logs: Logs,
    pub(super) events: mpsc::Receiver<crate::instance::Event>,
    pub(super) containers: Containers,
}

pub(super) fn open_drivers(
    config: &Config,
    this: &NodeId,
    components: &Components,
    sandbox: Arc<Sandbox>,
) -> io::Result<Instances> {
    let (sender, events) = mpsc::channel(1_024);
    let folder = Arc::new(Folder::open(&config.data)?);
    let logs = Logs::open(folder.logs(), Bounds::default())?;
    let mut drivers = Drivers::new(sender.clone());
    let mut setup = process::Config::new(this.clone(), sandbox);
    setup.max_instances = config.capacity as usize;
    let process = ProcessDriver::open(setup, folder.clone(), logs.clone(), sender.clone())?;
    drivers.register(Arc::new(process));
    let kept = (folder, logs.clone());
    let containers = containers::register(&mut drivers, config, this, kept, sender.clone())?;
    components.register(&mut drivers, this, &logs, sender);
    Ok(Instances {
        drivers: Arc::new(drivers),
        logs,
        events,
        containers,
    })
}
