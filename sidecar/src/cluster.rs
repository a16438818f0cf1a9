//! The other sidecars: who lives, and a link to and from each of them.
//!
//! Gossip says who is a member; every member gets a link. What travels over the links is
//! the reconciler's: here nothing is decided about demand, owners or instances, and no call
//! to a function passes through.

pub mod drain;
mod gossip;
pub mod identity;
mod link;
pub mod node;
pub(crate) mod outbox;
pub(crate) mod pass;
mod seal;
mod service;
#[cfg(test)]
mod tests;
mod transport;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::stream::{BoxStream, Stream, StreamExt};
use gateless_common::time;
use gateless_core::name::{NodeId, RevisionName};
use gateless_identity::Identity;
use gateless_proto::v1::peer_service_server::PeerServiceServer;
use gateless_proto::v1::{LinkDown, ReserveRequest, link_down, link_up};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;

pub use self::gossip::{DEFAULT_INTERVAL, Member};
pub use self::link::PeerChannel;
pub use self::service::Service;
use link::Link;
use pass::PassOn;
use service::DownBox;

/// Events waiting for the reconciler; past that, links are not read until it catches up.
const EVENTS: usize = 1024;
const RESERVE_TIMEOUT: Duration = Duration::from_secs(1);

/// `PeerService`. Mount it on the peer port, for example with `tonic::service::Routes::new(server)`; requests must have
/// an `Option<Peer>` among their extensions, which says whose connection it is.
pub type PeerServer = PeerServiceServer<Service>;

/// Gives permits to peers that must have one before they send a body.
pub trait Reserver: Send + Sync + 'static {
    /// A permit's id, or nothing when the gate is full. Must not block.
    fn reserve(&self, revision: &RevisionName, ttl: Duration, caller: &str) -> Option<String>;
}

/// What peers must know to start.
pub struct Config {
    pub node: NodeId,
    /// UDP address to bind; the port may be 0.
    pub gossip_listen: SocketAddr,
    /// Name or address under which others reach this host.
    pub advertise_host: String,
    /// Sidecars of another cluster are ignored.
    pub cluster: String,
    /// Gossip addresses, host:port, to ask first; they may be down or unresolvable.
    pub seeds: Vec<String>,
    /// [`DEFAULT_INTERVAL`], or longer on slow networks; detection scales with it.
    pub gossip_interval: Duration,
    /// Where peers reach this sidecar's peer port, host:port. It must be bound already.
    pub peer_address: String,
    /// Where people call functions.
    pub public_url: String,
    /// Instances this host is willing to run.
    pub capacity: u32,
    /// Of this program.
    pub version: String,
    /// Who this is and whom it trusts.
    pub identity: Identity,
    /// Answers `Reserve`.
    pub reserver: Arc<dyn Reserver>,
}

/// What the reconciler hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Who lives now, sorted, this sidecar included. Latest only: steps may be skipped.
    Members(Vec<Member>),
    /// Our link to a peer is new: send demand and instances again.
    LinkUp(NodeId),
    /// Our link to a peer is lost: it does not answer now.
    LinkLost(NodeId),
    /// A peer's link to us is new: send endpoints and assignments again.
    Accepted(NodeId),
    /// A peer reports to us.
    Up {
        from: NodeId,
        /// Demand or instances; hello is dealt with here.
        kind: link_up::Kind,
    },
    /// A peer tells us, as an owner.
    Down { from: NodeId, kind: link_down::Kind },
}

/// Why peers could not be started.
#[derive(Debug, thiserror::Error)]
#[error("gossip cannot start on {listen}, advertised as {host}: {cause:#}")]
pub struct Error {
    listen: SocketAddr,
    host: String,
    cause: anyhow::Error,
}

/// State of both halves of all links.
struct Shared {
    this: Member,
    identity: Identity,
    // Written when membership changes, read for every message and forwarded call; never
    // held across an await.
    links: RwLock<HashMap<NodeId, Arc<Link>>>,
    accepted: Mutex<HashMap<NodeId, DownBox>>,
    stop: CancellationToken,
    leaving: AtomicBool,
    /// What others may have of this sidecar, once it is there.
    pass: OnceLock<Arc<dyn PassOn>>,
}

/// Reaches the peers. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    gossip: gossip::Gossip,
}

/// Starts gossip and links. Peers stop at [`Handle::leave`].
///
/// # Errors
/// When the gossip socket cannot be bound or the advertised host has no address.
pub async fn spawn(config: Config) -> Result<(Handle, mpsc::Receiver<Event>, PeerServer), Error> {
    let this = Member {
        node: config.node,
        peer_address: config.peer_address,
        public_url: config.public_url,
        capacity: config.capacity,
    };
    let gossip = gossip::Gossip::spawn(gossip::Config {
        listen: config.gossip_listen,
        advertise_host: config.advertise_host.clone(),
        cluster: config.cluster,
        seeds: config.seeds,
        interval: config.gossip_interval,
        version: config.version,
        identity: config.identity.clone(),
        this: this.clone(),
    })
    .await
    .map_err(|cause| Error {
        listen: config.gossip_listen,
        host: config.advertise_host,
        cause,
    })?;
    let shared = Arc::new(Shared {
        this,
        identity: config.identity,
        links: RwLock::default(),
        accepted: Mutex::default(),
        stop: CancellationToken::new(),
        leaving: AtomicBool::new(false),
        pass: OnceLock::new(),
    });
    let (events, events_out) = mpsc::channel(EVENTS);
    let server = PeerServiceServer::new(Service {
        shared: shared.clone(),
        events: events.clone(),
        reserver: config.reserver,
    });
    tokio::spawn(follow(shared.clone(), gossip.members.clone(), events));
    tokio::spawn(tell_trust(shared.clone()));
    Ok((Handle { shared, gossip }, events_out, server))
}

/// Tells every peer whom this sidecar trusts, when that changed.
async fn tell_trust(shared: Arc<Shared>) {
    let mut changes = shared.identity.changes();
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return; },
            () = shared.stop.cancelled() => return,
        }
        let links: Vec<_> = shared.links.read().values().cloned().collect();
        links.iter().for_each(|link| link.tell_trust());
        let accepted: Vec<_> = shared.accepted.lock().values().cloned().collect();
        for outbox in accepted {
            shared.tell_trust_down(&outbox);
        }
    }
}

/// Makes and ends links as members come and go.
async fn follow(
    shared: Arc<Shared>,
    mut members: watch::Receiver<Vec<Member>>,
    events: mpsc::Sender<Event>,
) {
    loop {
        let now = members.borrow_and_update().clone();
        let new = shared.reconcile(&now);
        if events.send(Event::Members(now)).await.is_err() {
            break;
        }
        // Only now, so that the reconciler hears of a member before it hears of its link.
        for (node, link, old) in new {
            let (this, events) = (shared.this.clone(), events.clone());
            tokio::spawn(async move {
                if let Some(old) = old {
                    // Its last word must not come after the new link's first.
                    old.ended().await;
                }
                link::keep(link, node, this, events).await;
            });
        }
        tokio::select! {
            changed = members.changed() => if changed.is_err() { break; },
            () = shared.stop.cancelled() => break,
        }
    }
    shared.stop.cancel();
}

/// A link to be kept up, and the one it replaces.
type NewLink = (NodeId, Arc<Link>, Option<Arc<Link>>);

impl Shared {
    fn passes_on(&self) -> Result<&dyn PassOn, Status> {
        let pass = self.pass.get().map(|pass| &**pass);
        pass.ok_or_else(|| Status::unavailable("this sidecar is about to start"))
    }

    fn tell_trust_down(&self, outbox: &DownBox) {
        let kind = link_down::Kind::Trust(self.identity.announced().signed().clone());
        let key = service::key(&kind);
        outbox.push(key, LinkDown { kind: Some(kind) });
    }

    fn reconcile(&self, members: &[Member]) -> Vec<NewLink> {
        let mut links = self.links.write();
        let mut old = HashMap::new();
        let stays = |node: &NodeId, link: &Link| {
            let mut members = members.iter();
            members.any(|m| m.node == *node && m.peer_address == link.address)
        };
        for (node, link) in links.extract_if(|node, link| !stays(node, link)) {
            link.stop();
            if let Some(outbox) = self.accepted.lock().remove(&node) {
                outbox.close();
            }
            old.insert(node, link);
        }
        let mut new = Vec::new();
        for member in members {
            if member.node == self.this.node || links.contains_key(&member.node) {
                continue;
            }
            match Link::new(member, &self.identity, self.stop.child_token()) {
                Ok(link) => {
                    let link = Arc::new(link);
                    let node = member.node.clone();
                    links.insert(node.clone(), link.clone());
                    let replaced = old.remove(&node);
                    new.push((node, link, replaced));
                }
                Err(error) => {
                    tracing::warn!(peer = %member.node, address = %member.peer_address, %error,
                        "peer's address is unusable");
                }
            }
        }
        new
    }
}

impl Handle {
    /// This sidecar's gossip address as others use it.
    #[must_use]
    pub fn gossip_address(&self) -> SocketAddr {
        self.gossip.address
    }

    /// One more gossip address to ask for members, host:port.
    pub fn add_seed(&self, seed: &str) {
        self.gossip.add_seed(seed);
    }

    /// Who lives now, sorted, this sidecar included.
    #[must_use]
    pub fn members(&self) -> watch::Receiver<Vec<Member>> {
        self.gossip.members.clone()
    }

    /// Whether an operator said that a sidecar is gone for good.
    #[must_use]
    pub fn is_removed(&self, node: &NodeId) -> bool {
        self.shared.identity.trust().is_removed(node.as_str())
    }

    /// How many instances this sidecar is willing to run from now on.
    pub fn set_capacity(&self, capacity: u32) {
        self.gossip.set_capacity(capacity);
    }

    /// Where a live peer takes forwarded calls, host:port. Nothing for this sidecar itself.
    #[must_use]
    pub fn address(&self, node: &NodeId) -> Option<String> {
        Some(self.link(node)?.address.clone())
    }

    /// A connection to a live peer for other services than `Link` and `Reserve`.
    #[must_use]
    pub fn channel(&self, node: &NodeId) -> Option<PeerChannel> {
        Some(self.link(node)?.bulk.clone())
    }

    /// Reports to a peer; replaces what is still unsent of the same kind and revision.
    /// False when there is no link now; [`Event::LinkUp`] says when to send again.
    pub fn send_up(&self, node: &NodeId, kind: link_up::Kind) -> bool {
        self.link(node).is_some_and(|link| link.send(kind))
    }

    /// Tells a peer that has a link to us; replaces what is still unsent of the same kind
    /// and revision. False when there is no link; [`Event::Accepted`] says when to send again.
    pub fn send_down(&self, node: &NodeId, kind: link_down::Kind) -> bool {
        let key = service::key(&kind);
        let message = LinkDown { kind: Some(kind) };
        let accepted = self.shared.accepted.lock();
        accepted
            .get(node)
            .is_some_and(|outbox| outbox.push(key, message))
    }

    /// Asks a peer for a permit; nothing means its gate is full.
    ///
    /// # Errors
    /// When the peer is not a member, does not answer within a second, or refuses the call.
    pub async fn reserve(
        &self,
        node: &NodeId,
        revision: &RevisionName,
        ttl: Duration,
    ) -> Result<Option<String>, Box<Status>> {
        let link = self.link(node);
        let link = link.ok_or_else(|| Status::unavailable(format!("{node} is not a member")))?;
        let request = ReserveRequest {
            revision: revision.to_string(),
            ttl_ms: time::millis(ttl),
            caller: self.shared.this.node.to_string(),
        };
        let mut client = link.client();
        let answer = tokio::time::timeout(RESERVE_TIMEOUT, client.reserve(request)).await;
        let answer = answer.map_err(|_| Status::deadline_exceeded("the peer does not answer"))?;
        let permit = answer?.into_inner().permit;
        Ok(Some(permit).filter(|p| !p.is_empty()))
    }

    /// From now on others get this of it; said once.
    pub(crate) fn pass_on(&self, pass: Arc<dyn PassOn>) {
        if self.shared.pass.set(pass).is_err() {
            tracing::error!("what is passed on was said already");
        }
    }

    /// What others get of this sidecar.
    ///
    /// # Errors
    /// Before it is known.
    pub(crate) fn passes_on(&self) -> Result<&dyn PassOn, Status> {
        self.shared.passes_on()
    }

    /// Whether this sidecar said goodbye, or is about to.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.shared.leaving.load(Ordering::Relaxed)
    }

    /// The stream, which ends when this sidecar leaves: else a shutdown would wait for it.
    pub fn until_left<T: Send + 'static>(
        &self,
        stream: impl Stream<Item = T> + Send + 'static,
    ) -> BoxStream<'static, T> {
        let left = self.shared.stop.clone().cancelled_owned();
        stream.take_until(Box::pin(left)).boxed()
    }

    /// Says goodbye to the others and ends gossip and all links.
    pub async fn leave(&self) {
        self.shared.leaving.store(true, Ordering::Relaxed);
        self.gossip.leave().await;
        self.shared.stop.cancel();
    }

    fn link(&self, node: &NodeId) -> Option<Arc<Link>> {
        self.shared.links.read().get(node).cloned()
    }
}
