//! The outgoing half: one `Link` stream to one live peer, kept up for as long as it lives.
//!
//! It carries levels, so a new stream starts with nothing pending and the reconciler, told
//! by an event, sends its levels again. What the messages mean is not known here.

use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use gateless_common::backoff::{Backoff, Reconnect};
use gateless_core::name::NodeId;
use gateless_identity::{Expect, Identity};
use gateless_proto::v1::peer_service_client::PeerServiceClient;
use gateless_proto::v1::{LinkDown, LinkHello, LinkUp, SignedTrust, link_down, link_up};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

use super::{Event, Member};
use crate::cluster::outbox::Outbox;

/// A connection to a peer, both ends proven. Connects when first used and again whenever it was lost.
pub type PeerChannel = Channel;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// From dialling to the peer's answer to our hello.
const ESTABLISH_TIMEOUT: Duration = Duration::from_secs(3);
const KEEPALIVE: Duration = Duration::from_secs(2);
const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(50),
    max: Duration::from_secs(1),
};

/// What kind of message, of which revision.
pub(super) type Key = (u8, String);

fn key(kind: &link_up::Kind) -> Key {
    match kind {
        link_up::Kind::Hello(_) => (0, String::new()),
        link_up::Kind::Demand(m) => (1, m.revision.clone()),
        link_up::Kind::Instances(m) => (2, m.revision.clone()),
        link_up::Kind::Trust(_) => (3, String::new()),
    }
}

/// A live peer as seen from here.
pub(super) struct Link {
    pub(super) address: String,
    identity: Identity,
    /// Of the present stream; none while it is down.
    outbox: Mutex<Option<Arc<Outbox<Key, LinkUp>>>>,
    /// Links and reservations: nothing here may wait behind a big answer.
    urgent: PeerChannel,
    /// Everything else. Streams of one HTTP/2 connection share a window, so a log that
    /// nobody reads would hold up a link on the same connection.
    pub(super) bulk: PeerChannel,
    stop: CancellationToken,
    ended: CancellationToken,
}

impl Link {
    /// # Errors
    /// When the address is none.
    pub(super) fn new(
        member: &Member,
        identity: &Identity,
        stop: CancellationToken,
    ) -> Result<Self, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(format!("http://{}", member.peer_address))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .keep_alive_while_idle(true);
        // What gossip says of it is only believed if it proves to be that node.
        let expect = Expect::Node(member.node.to_string());
        let channel = || gateless_identity::channel(&endpoint, identity, expect.clone());
        Ok(Self {
            address: member.peer_address.clone(),
            identity: identity.clone(),
            outbox: Mutex::new(None),
            urgent: channel(),
            bulk: channel(),
            stop,
            ended: CancellationToken::new(),
        })
    }

    /// False while the link is down: nothing is kept, since the reconciler sends its levels
    /// when it is up again.
    pub(super) fn send(&self, kind: link_up::Kind) -> bool {
        let key = key(&kind);
        let message = LinkUp { kind: Some(kind) };
        let outbox = self.outbox.lock();
        outbox.as_ref().is_some_and(|o| o.push(key, message))
    }

    /// Whom this sidecar trusts, for a peer that may not have heard of it from the server.
    pub(super) fn tell_trust(&self) {
        let trust = self.identity.announced().signed().clone();
        self.send(link_up::Kind::Trust(trust));
    }

    pub(super) fn client(&self) -> PeerServiceClient<PeerChannel> {
        PeerServiceClient::new(self.urgent.clone())
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// After [`Link::stop`]: no event of it will come any more.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

/// Keeps the stream to `node` up until the link is stopped or nobody listens to events.
pub(super) async fn keep(link: Arc<Link>, node: NodeId, this: Member, events: mpsc::Sender<Event>) {
    let mut backoff = Reconnect::new(BACKOFF);
    let stopped = link.stop.clone();
    let _ended = link.ended.clone().drop_guard();
    let forever = async {
        loop {
            let outbox = Outbox::new();
            let up = outbox.clone().stream(Some(hello(&this)));
            match establish(&link, up).await {
                Ok(down) => {
                    tracing::debug!(peer = %node, "link is up");
                    backoff.succeeded();
                    *link.outbox.lock() = Some(outbox.clone());
                    link.tell_trust();
                    let error = receive(&link, &node, down, &events).await;
                    *link.outbox.lock() = None;
                    tracing::debug!(peer = %node, %error, "link is lost");
                    if events.send(Event::LinkLost(node.clone())).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::debug!(peer = %node, %error, "link could not be made");
                }
            }
            outbox.close();
            tokio::time::sleep(backoff.failed(rand::random())).await;
        }
    };
    tokio::select! {
        () = forever => {}
        () = stopped.cancelled() => {
            // Taken while stopping: whether the link was up decides who must hear of it.
            let was_up = link.outbox.lock().take();
            if let Some(outbox) = was_up {
                outbox.close();
                events.send(Event::LinkLost(node)).await.ok();
            }
        }
    }
}

/// Takes in whom a peer trusts, if an authority that is trusted here says so, too.
pub(super) fn learn(identity: &Identity, from: &NodeId, trust: SignedTrust) {
    match identity.learn(trust) {
        Ok(true) => tracing::info!(peer = %from, "a peer knew of a change of what is trusted"),
        Ok(false) => {}
        Err(error) => tracing::warn!(peer = %from, %error, "what a peer trusts is not believed"),
    }
}

fn hello(this: &Member) -> LinkUp {
    let hello = LinkHello {
        node_id: this.node.to_string(),
        peer_address: this.peer_address.clone(),
        capacity: this.capacity,
    };
    let kind = Some(link_up::Kind::Hello(hello));
    LinkUp { kind }
}

async fn establish(
    link: &Link,
    up: impl Stream<Item = LinkUp> + Send + 'static,
) -> Result<Streaming<LinkDown>, Status> {
    let mut client = link.client();
    let answer = tokio::time::timeout(ESTABLISH_TIMEOUT, client.link(up)).await;
    let answer = answer.map_err(|_| Status::deadline_exceeded("the peer does not answer"))?;
    answer.map(tonic::Response::into_inner)
}

/// Passes messages on until the stream ends. A reconciler that is behind stops the reading,
/// so the peer's levels coalesce on the peer's side.
async fn receive(
    link: &Link,
    node: &NodeId,
    mut down: Streaming<LinkDown>,
    events: &mpsc::Sender<Event>,
) -> Status {
    if events.send(Event::LinkUp(node.clone())).await.is_err() {
        return Status::cancelled("this sidecar stops");
    }
    loop {
        let kind = match down.message().await {
            Ok(Some(LinkDown {
                kind: Some(link_down::Kind::Trust(trust)),
            })) => {
                learn(&link.identity, node, trust);
                continue;
            }
            Ok(Some(LinkDown { kind: Some(kind) })) => kind,
            // A kind of a newer version.
            Ok(Some(LinkDown { kind: None })) => continue,
            Ok(None) => return Status::unavailable("the peer ended the stream"),
            Err(status) => return status,
        };
        let from = node.clone();
        if events.send(Event::Down { from, kind }).await.is_err() {
            return Status::cancelled("this sidecar stops");
        }
    }
}
