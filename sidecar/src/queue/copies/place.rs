//! Sends calls to the sidecars that are to hold copies of them, while they are written here.
//!
//! Calls for one sidecar go in messages that follow one another, each with all that waited; so they come to its disk in groups.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use gateless_core::copies::{Key, Placing, wanted};
use gateless_core::keys;
use gateless_core::name::NodeId;
use gateless_core::time::Time;
use gateless_proto::v1;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Others, TIMEOUT, wire};
use crate::clock;
use crate::queue::types::KeyName;

/// Of calls that wait to be sent to one sidecar; beyond it the next is asked.
pub const MAX_WAITING_BYTES: usize = 64 << 20;
/// Of one message, unless a single call is larger.
const MESSAGE_BYTES: usize = 4 << 20;
/// Calls in one message.
const MESSAGE_CALLS: usize = 1_024;
/// One that did not take a copy is asked last for so long.
const AVOIDED_FOR: Duration = Duration::from_secs(5);

/// A call that others are to hold.
pub(in crate::queue) struct Outgoing {
    pub(in crate::queue) key: Key,
    /// Its idempotency key, whose order its holders are in.
    pub(in crate::queue) name: Option<KeyName>,
    pub(in crate::queue) digest: Option<[u8; 32]>,
    pub(in crate::queue) head: Bytes,
    pub(in crate::queue) body: Bytes,
    pub(in crate::queue) token: String,
    pub(in crate::queue) result_ttl: Duration,
    pub(in crate::queue) run: u64,
}

/// Finds holders of copies.
pub(in crate::queue) trait Copier: Send + Sync {
    /// How many are to have a call that is accepted now, this sidecar among them.
    fn planned(&self) -> u32;

    /// Has copies held; says for each how many have it, this sidecar among them.
    fn place(&self, calls: Vec<Outgoing>) -> BoxFuture<'_, Vec<u32>>;
}

struct Waiting {
    copy: v1::CopyOfCall,
    bytes: usize,
    answer: oneshot::Sender<bool>,
}

#[derive(Default)]
struct Peer {
    waiting: Vec<Waiting>,
    bytes: usize,
    is_sending: bool,
    avoided_until: Time,
    /// It is being asked what it took on.
    is_asked: bool,
}

struct Shared {
    node: NodeId,
    others: Arc<dyn Others>,
    /// Bounded by the members there were.
    peers: Mutex<BTreeMap<NodeId, Peer>>,
}

/// What goes to each of the others.
#[derive(Clone)]
pub(super) struct Senders(Arc<Shared>);

impl Senders {
    pub(super) fn new(node: NodeId, others: Arc<dyn Others>) -> Self {
        Self(Arc::new(Shared {
            node,
            others,
            peers: Mutex::default(),
        }))
    }

    /// False when it is being asked.
    pub(super) fn begin_question(&self, peer: &NodeId) -> bool {
        let mut peers = self.0.peers.lock();
        let peer = peers.entry(peer.clone()).or_default();
        !std::mem::replace(&mut peer.is_asked, true)
    }

    pub(super) fn end_question(&self, peer: &NodeId) {
        if let Some(peer) = self.0.peers.lock().get_mut(peer) {
            peer.is_asked = false;
        }
    }

    async fn place_one(&self, call: Outgoing) -> u32 {
        let (live, now, started) = (self.0.others.live(), clock::now(), clock::now());
        let home = call.name.as_ref().map_or_else(
            || call.key.to_vec(),
            |name| keys::home(&name.function, &name.caller, &name.key),
        );
        let avoided: Vec<NodeId> = {
            let peers = self.0.peers.lock();
            let avoided = peers.iter().filter(|(_, peer)| now < peer.avoided_until);
            avoided.map(|(node, _)| node.clone()).collect()
        };
        let order = keys::order(&home, &live);
        let wanted = wanted(0, live.len());
        let avoid = |node: &NodeId| avoided.contains(node);
        let mut placing = Placing::new(order, &self.0.node, wanted, avoid);
        loop {
            let next = placing.to_ask();
            if next.is_empty() {
                return u32::try_from(placing.copies()).unwrap_or(1);
            }
            let age = clock::now().since(started);
            let copy = wire::copy_of(&call, placing.holders(), &self.0.node, age);
            let asked = next.iter().map(|node| self.send(node, copy.clone()));
            for (node, has_it) in next.iter().zip(join_all(asked).await) {
                if !has_it {
                    let until = clock::now() + AVOIDED_FOR;
                    self.0
                        .peers
                        .lock()
                        .entry(node.clone())
                        .or_default()
                        .avoided_until = until;
                }
                placing.answered(has_it);
            }
        }
    }

    async fn send(&self, to: &NodeId, copy: v1::CopyOfCall) -> bool {
        let bytes = copy.head.len() + copy.body.len() + 512;
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut peers = self.0.peers.lock();
            let peer = peers.entry(to.clone()).or_default();
            if peer.bytes + bytes > MAX_WAITING_BYTES {
                return false;
            }
            peer.bytes += bytes;
            peer.waiting.push(Waiting {
                copy,
                bytes,
                answer,
            });
            !std::mem::replace(&mut peer.is_sending, true)
        };
        if begins {
            tokio::spawn(self.clone().send_all(to.clone()));
        }
        matches!(timeout(TIMEOUT, answered).await, Ok(Ok(true)))
    }

    /// Sends what waits for one sidecar until nothing does.
    async fn send_all(self, to: NodeId) {
        while let Some(batch) = self.next_batch(&to) {
            let (mut copies, mut answers) = (Vec::new(), Vec::new());
            let mut bytes = 0;
            for waiting in batch {
                bytes += waiting.bytes;
                copies.push(waiting.copy);
                answers.push(waiting.answer);
            }
            let sent = self.0.others.hold(&to, v1::HoldCopiesRequest { copies });
            let held = match timeout(TIMEOUT, sent).await {
                Ok(Ok(response)) => response.held,
                Ok(Err(status)) => {
                    tracing::debug!(peer = %to, %status, "a sidecar holds no copies");
                    Vec::new()
                }
                Err(_) => Vec::new(),
            };
            let held = held.into_iter().chain(std::iter::repeat(false));
            for (answer, held) in answers.into_iter().zip(held) {
                // Who does not wait any longer has passed it over.
                let _ = answer.send(held);
            }
            if let Some(peer) = self.0.peers.lock().get_mut(&to) {
                peer.bytes = peer.bytes.saturating_sub(bytes);
            }
        }
    }

    fn next_batch(&self, to: &NodeId) -> Option<Vec<Waiting>> {
        let mut peers = self.0.peers.lock();
        let peer = peers.get_mut(to)?;
        let mut bytes = 0;
        let fits = peer
            .waiting
            .iter()
            .take(MESSAGE_CALLS)
            .take_while(|waiting| {
                bytes += waiting.bytes;
                bytes <= MESSAGE_BYTES
            });
        let fits = fits.count().max(1).min(peer.waiting.len());
        if fits == 0 {
            peer.is_sending = false;
            return None;
        }
        Some(peer.waiting.drain(..fits).collect())
    }
}

impl Copier for Senders {
    fn planned(&self) -> u32 {
        u32::try_from(wanted(0, self.0.others.live().len())).unwrap_or(1)
    }

    fn place(&self, calls: Vec<Outgoing>) -> BoxFuture<'_, Vec<u32>> {
        Box::pin(join_all(calls.into_iter().map(|call| self.place_one(call))))
    }
}
