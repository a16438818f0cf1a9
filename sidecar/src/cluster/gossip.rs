//! Who is alive: membership and failure detection by chitchat's gossip.
//!
//! Publishes this sidecar's addresses and turns chitchat's view into a sorted list of
//! members. It knows nothing of links, functions or the server. Members include this
//! sidecar itself: it is a candidate owner like any other.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chitchat::{
    ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, NodeState, ProtocolVersion,
    spawn_chitchat,
};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use gateless_common::io::unix_now;
use gateless_core::name::NodeId;
use gateless_core::time::Time;
use gateless_identity::Identity;
use rand::seq::IndexedRandom;
use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::{mpsc, oneshot, watch};

use super::transport::Sealed;
use crate::clock;

/// Interval at which a killed sidecar is noticed in two to three seconds.
pub const DEFAULT_INTERVAL: Duration = Duration::from_millis(200);

/// Seeds kept; later ones are ignored. One reachable seed is enough to join.
const MAX_SEEDS: usize = 256;
/// Seeds asked per round.
const SEEDS_PER_ROUND: usize = 8;
/// Rounds of gossip between two rounds of asking seeds.
const SEED_ROUND: u32 = 5;
/// A pause of this loop of so many rounds means that the sidecar was stopped, or had no processor.
const SLEPT_ROUNDS: u32 = 10;
/// After that it has heard nobody for as long, which says nothing of them: for so many rounds nobody is taken for dead.
const WAKING_ROUNDS: u32 = 15;
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

const PEER_ADDRESS: &str = "peer_address";
const PUBLIC_URL: &str = "public_url";
const CAPACITY: &str = "capacity";
const VERSION: &str = "version";
const LEAVING: &str = "leaving";

type Live = BTreeMap<ChitchatId, NodeState>;

/// A live sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub node: NodeId,
    /// Where it answers gRPC and forwarded calls, host:port.
    pub peer_address: String,
    /// Where people call functions.
    pub public_url: String,
    /// Instances it is willing to run.
    pub capacity: u32,
}

/// What gossip needs to start.
pub(super) struct Config {
    pub(super) listen: SocketAddr,
    pub(super) advertise_host: String,
    pub(super) cluster: String,
    pub(super) seeds: Vec<String>,
    pub(super) interval: Duration,
    pub(super) version: String,
    pub(super) identity: Identity,
    pub(super) this: Member,
}

enum Command {
    Leave(oneshot::Sender<()>),
}

/// Running gossip. Dropping every clone of it stops it.
#[derive(Clone)]
pub(super) struct Gossip {
    pub(super) address: SocketAddr,
    pub(super) members: watch::Receiver<Vec<Member>>,
    seeds: Arc<watch::Sender<Vec<String>>>,
    capacity: Arc<watch::Sender<u32>>,
    commands: mpsc::Sender<Command>,
}

impl Gossip {
    /// Binds the socket and starts to gossip.
    pub(super) async fn spawn(config: Config) -> anyhow::Result<Self> {
        let socket = Arc::new(UdpSocket::bind(config.listen).await?);
        let port = socket.local_addr()?.port();
        let address = advertised(&config.advertise_host, port).await?;
        let transport = Sealed::new(socket, &config.identity);
        let (members_out, members) = watch::channel(vec![config.this.clone()]);
        let (seeds, seeds_in) = watch::channel(config.seeds.clone());
        let (capacity, capacity_in) = watch::channel(config.this.capacity);
        // Room for a few impatient callers; they wait beyond that.
        let (commands, commands_in) = mpsc::channel(4);
        let runner = Runner {
            config,
            address,
            transport,
            members: members_out,
            seeds: seeds_in,
            capacity: capacity_in,
            commands: commands_in,
        };
        tokio::spawn(runner.run());
        Ok(Self {
            address,
            members,
            seeds: Arc::new(seeds),
            capacity: Arc::new(capacity),
            commands,
        })
    }

    /// One more host:port to ask for members, resolved again and again until it answers.
    pub(super) fn add_seed(&self, seed: &str) {
        self.seeds.send_if_modified(|seeds| {
            let new = seeds.len() < MAX_SEEDS && !seeds.iter().any(|s| s == seed);
            if new {
                seeds.push(seed.to_owned());
            }
            new
        });
    }

    /// Tells the others how many instances this sidecar is willing to run.
    pub(super) fn set_capacity(&self, capacity: u32) {
        self.capacity.send_if_modified(|known| {
            let changed = *known != capacity;
            *known = capacity;
            changed
        });
    }

    /// Tells the others that this sidecar goes, then stops.
    pub(super) async fn leave(&self) {
        let (done, wait) = oneshot::channel();
        if self.commands.send(Command::Leave(done)).await.is_ok() {
            wait.await.ok();
        }
    }
}

async fn advertised(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let mut addresses: Vec<_> = lookup_host((host, port)).await?.collect();
    // IPv4 first: a name like localhost has both, and the usual listen address is IPv4.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let first = addresses.first().copied();
    first.ok_or_else(|| anyhow::anyhow!("{host} has no address"))
}

struct Runner {
    config: Config,
    address: SocketAddr,
    transport: Sealed,
    members: watch::Sender<Vec<Member>>,
    seeds: watch::Receiver<Vec<String>>,
    capacity: watch::Receiver<u32>,
    commands: mpsc::Receiver<Command>,
}

impl Runner {
    /// Runs until told to leave. Should chitchat itself end, it is started again as a new
    /// incarnation: a sidecar without gossip would be dead to all others.
    async fn run(mut self) {
        loop {
            match spawn_chitchat(self.chitchat_config(), self.key_values(), &self.transport).await {
                Ok(handle) => {
                    if self.serve(&handle).await {
                        return;
                    }
                }
                Err(error) => tracing::error!(%error, "gossip could not start"),
            }
            tokio::time::sleep(self.config.interval * SEED_ROUND).await;
        }
    }

    /// True: done for good. False: chitchat failed.
    async fn serve(&mut self, handle: &ChitchatHandle) -> bool {
        let mut live = handle.with_chitchat(|c| c.live_nodes_watcher()).await;
        let round = self.config.interval * SEED_ROUND;
        let seeder = ask_seeds(handle, self.seeds.clone(), live.clone(), round);
        let ended = handle.termination_watcher();
        tokio::pin!(seeder, ended);
        let (mut looked, mut wakes_until) = (clock::now(), None::<Time>);
        loop {
            let capacity = *self.capacity.borrow_and_update();
            if self.config.this.capacity != capacity {
                self.config.this.capacity = capacity;
                handle
                    .with_chitchat(|c| c.self_node_state().set(CAPACITY, capacity.to_string()))
                    .await;
            }
            let now = clock::now();
            if now >= looked + self.config.interval * SLEPT_ROUNDS {
                tracing::warn!(slept = ?now.since(looked), "this sidecar was stopped for a while");
                wakes_until = Some(now + self.config.interval * WAKING_ROUNDS);
            }
            looked = now;
            wakes_until = wakes_until.filter(|until| now < *until);
            let mut members = self.members_of(&live.borrow_and_update());
            if wakes_until.is_some() {
                members = with_missing(members, &self.members.borrow());
            }
            // At once, and not when it is missed: it is nobody's owner and no key's home from now on.
            let trust = self.config.identity.trust();
            members.retain(|member| {
                member.node == self.config.this.node || !trust.is_removed(member.node.as_str())
            });
            self.members.send_if_modified(|old| {
                let changed = *old != members;
                *old = members;
                changed
            });
            tokio::select! {
                changed = live.changed() => if changed.is_err() { return false; },
                () = tokio::time::sleep(self.config.interval) => {}
                Ok(()) = self.capacity.changed() => {}
                never = &mut seeder => match never {},
                result = &mut ended => {
                    tracing::error!(?result, "gossip ended and is started again");
                    return false;
                }
                command = self.commands.recv() => {
                    if let Some(Command::Leave(done)) = command {
                        self.say_goodbye(handle).await;
                        handle.initiate_shutdown().ok();
                        ended.await.ok();
                        done.send(()).ok();
                    }
                    return true;
                }
            }
        }
    }

    async fn say_goodbye(&self, handle: &ChitchatHandle) {
        let others = handle
            .with_chitchat(|chitchat| {
                chitchat.self_node_state().set(LEAVING, "1");
                let own = chitchat.self_chitchat_id();
                let others = chitchat.live_nodes().filter(|id| *id != own);
                others
                    .map(|id| id.gossip_advertise_addr)
                    .collect::<Vec<_>>()
            })
            .await;
        for address in &others {
            handle.gossip(*address).ok();
        }
        if !others.is_empty() {
            // Long enough for one exchange; who misses it notices by missing heartbeats.
            tokio::time::sleep(self.config.interval * 2).await;
        }
    }

    fn key_values(&self) -> Vec<(String, String)> {
        let this = &self.config.this;
        [
            (PEER_ADDRESS, this.peer_address.clone()),
            (PUBLIC_URL, this.public_url.clone()),
            (CAPACITY, this.capacity.to_string()),
            (VERSION, self.config.version.clone()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    fn chitchat_config(&self) -> ChitchatConfig {
        let interval = self.config.interval;
        // Milliseconds since 1970: later incarnations have higher numbers.
        let generation = unix_now().0;
        ChitchatConfig {
            chitchat_id: ChitchatId::new(self.config.this.node.as_str(), generation, self.address),
            cluster_id: self.config.cluster.clone(),
            gossip_interval: interval,
            listen_addr: self.address,
            // Asked by `ask_seeds` instead: chitchat resolves names only once a minute, and
            // before it starts.
            seed_nodes: Vec::new(),
            failure_detector_config: FailureDetectorConfig {
                // Dead after 8 mean intervals, where the mean is half the observed one (about
                // 0.4 gossip intervals in a small cluster) and half a prior of 2.5 gossip
                // intervals: a window as small as the prior's weight of 5 keeps a floor under
                // it, or a busy machine's pause of half a second would count as death.
                phi_threshold: 8.0,
                sampling_window_size: 5,
                max_interval: interval * 50,
                initial_interval: interval * 5 / 2,
                dead_node_grace_period: Duration::from_secs(3600),
            },
            marked_for_deletion_grace_period: Duration::from_secs(600),
            catchup_callback: None,
            extra_liveness_predicate: None,
            protocol_version: ProtocolVersion::V1,
        }
    }

    /// Sorted by node; of several incarnations of a node the newest counts.
    fn members_of(&self, live: &Live) -> Vec<Member> {
        let mut newest: BTreeMap<&str, (u64, Option<Member>)> = BTreeMap::new();
        for (id, state) in live {
            let seen = newest.entry(&id.node_id).or_insert((0, None));
            if id.generation_id >= seen.0 {
                *seen = (id.generation_id, member(id, state));
            }
        }
        let this = &self.config.this;
        newest.insert(this.node.as_str(), (0, Some(this.clone())));
        newest.into_values().filter_map(|(_, m)| m).collect()
    }
}

/// The members, and those that were before and are not among them.
fn with_missing(mut members: Vec<Member>, before: &[Member]) -> Vec<Member> {
    let missing = before.iter();
    let missing = missing.filter(|old| members.iter().all(|member| member.node != old.node));
    let missing: Vec<Member> = missing.cloned().collect();
    members.extend(missing);
    members.sort_by(|a, b| a.node.cmp(&b.node));
    members
}

/// Nothing when it is leaving, when not all of it is known yet, or when it makes no sense.
fn member(id: &ChitchatId, state: &NodeState) -> Option<Member> {
    let peer_address = state.get(PEER_ADDRESS)?;
    if state.contains_key(LEAVING) || peer_address.parse::<http::uri::Authority>().is_err() {
        return None;
    }
    Some(Member {
        node: NodeId::new(&id.node_id),
        peer_address: peer_address.to_owned(),
        public_url: state.get(PUBLIC_URL)?.to_owned(),
        capacity: state.get(CAPACITY)?.parse().ok()?,
    })
}

/// Asks seeds that are not live members, for ever: that joins a cluster, and heals one that
/// was cut in two for so long that both halves forgot each other.
async fn ask_seeds(
    handle: &ChitchatHandle,
    mut seeds: watch::Receiver<Vec<String>>,
    live: watch::Receiver<Live>,
    round: Duration,
) -> Infallible {
    loop {
        let chosen: Vec<String> = {
            let seeds = seeds.borrow_and_update();
            let chosen = seeds.choose_multiple(&mut rand::rng(), SEEDS_PER_ROUND);
            chosen.cloned().collect()
        };
        // Each is asked as soon as it is resolved: a dead name server must not delay the rest.
        let mut found: FuturesUnordered<_> = chosen.into_iter().map(resolve).collect();
        while let Some(addresses) = found.next().await {
            let known: HashSet<SocketAddr> = {
                let live = live.borrow();
                let ids = live.keys().chain([handle.chitchat_id()]);
                ids.map(|id| id.gossip_advertise_addr).collect()
            };
            for address in addresses.into_iter().filter(|a| !known.contains(a)) {
                handle.gossip(address).ok();
            }
        }
        tokio::select! {
            () = tokio::time::sleep(round) => {}
            Ok(()) = seeds.changed() => {}
        }
    }
}

async fn resolve(seed: String) -> Vec<SocketAddr> {
    match tokio::time::timeout(LOOKUP_TIMEOUT, lookup_host(&seed)).await {
        // A name with many addresses stands for many sidecars; a few are enough.
        Ok(Ok(addresses)) => addresses.take(SEEDS_PER_ROUND).collect(),
        Ok(Err(error)) => {
            tracing::debug!(%seed, %error, "gossip seed not resolved");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}
