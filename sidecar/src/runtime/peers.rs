//! The other hosts as calls see them: connections to each, and who may pass a call on to one that this
//! host cannot reach.
//!
//! It takes no decision about functions. Everything in it is bounded by the membership.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gateless_core::name::NodeId;
use gateless_core::time::Time;
use gateless_identity::{Expect, Identity};
use parking_lot::Mutex;
use rand::seq::IteratorRandom;
use tokio::sync::mpsc;

use super::Signal;
use crate::clock;
use crate::endpoint::connector::Connector;
use crate::endpoint::pool::Pool;

/// A peer that could not reach another is not asked to again for so long.
const NO_WAY_FOR: Duration = Duration::from_millis(500);

/// A peer that passes calls on to another.
pub struct Relay {
    pub node: NodeId,
    /// Connections to it.
    pub pool: Arc<Pool>,
}

/// Every live peer. Locks, as the control path changes what calls read; held for a look.
#[derive(Default)]
pub(super) struct Peers {
    /// Who this sidecar is to them; without one, they are not asked who they are, either.
    identity: Option<Identity>,
    members: Mutex<HashMap<NodeId, String>>,
    pools: Mutex<HashMap<(NodeId, String), Arc<Pool>>>,
    /// Who could not reach whom, and until when that is believed.
    no_way: Mutex<HashMap<(NodeId, NodeId), Time>>,
}

impl Peers {
    pub(super) fn new(identity: Option<Identity>) -> Self {
        Self {
            identity,
            ..Self::default()
        }
    }

    pub(super) fn set(&self, members: HashMap<NodeId, String>) {
        let alive = |address: &String| members.values().any(|member| member == address);
        self.pools.lock().retain(|(_, address), _| alive(address));
        self.no_way
            .lock()
            .retain(|(relay, node), _| members.contains_key(relay) && members.contains_key(node));
        *self.members.lock() = members;
    }

    pub(super) fn address(&self, node: &NodeId) -> Option<String> {
        self.members.lock().get(node).cloned()
    }

    pub(super) fn at(&self, address: &str) -> Option<NodeId> {
        let members = self.members.lock();
        let found = members.iter().find(|(_, member)| *member == address);
        found.map(|(node, _)| node.clone())
    }

    /// Connections to a sidecar at an address, which need not be a member: the owner may know more.
    pub(super) fn pool(
        &self,
        node: &NodeId,
        address: &str,
        signals: &mpsc::UnboundedSender<Signal>,
    ) -> Arc<Pool> {
        let key = (node.clone(), address.to_owned());
        let mut pools = self.pools.lock();
        if let Some(pool) = pools.get(&key) {
            return pool.clone();
        }
        let (signals, peer) = (signals.clone(), address.to_owned());
        let on_change = move |silent| {
            signals.send(Signal::Silent(peer.clone(), silent)).ok();
        };
        let connector = match &self.identity {
            Some(identity) => Connector::Peer(identity.clone(), Expect::Node(node.to_string())),
            None => Connector::Plain,
        };
        let pool = Pool::of_peer(address.to_owned(), connector, Arc::new(on_change));
        let pool = Arc::new(pool);
        pools.insert(key, pool.clone());
        pool
    }

    pub(super) fn relay_to(
        &self,
        node: &NodeId,
        signals: &mpsc::UnboundedSender<Signal>,
    ) -> Option<Relay> {
        let members = self.members.lock().clone();
        let now = clock::now();
        let no_way = self.no_way.lock();
        let barred = |relay: &NodeId| {
            let until = no_way.get(&(relay.clone(), node.clone()));
            until.is_some_and(|until| *until > now)
        };
        let others = members.iter().filter(|(other, _)| *other != node);
        let relays = others.filter(|(other, _)| !barred(other));
        let relays = relays.map(|(other, address)| (other, self.pool(other, address, signals)));
        // One that is silent itself is no way at all.
        let (node, pool) = relays
            .filter(|(_, pool)| pool.answers())
            .choose(&mut rand::rng())?;
        let node = node.clone();
        Some(Relay { node, pool })
    }

    pub(super) fn no_way(&self, relay: &NodeId, node: &NodeId) {
        let until = clock::now() + NO_WAY_FOR;
        let pair = (relay.clone(), node.clone());
        self.no_way.lock().insert(pair, until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn peer_that_finds_no_way_is_not_asked_again_for_a_moment() {
        let (signals, _unread) = mpsc::unbounded_channel();
        let node = NodeId::new;
        let member = |name: &str, port: u16| (node(name), format!("127.0.0.1:{port}"));
        let peers = Peers::default();
        peers.set(HashMap::from([member("b", 1), member("c", 2)]));
        let relay = |to: &str| {
            let relay = peers.relay_to(&node(to), &signals);
            relay.map(|relay| relay.node)
        };
        // Never by way of itself.
        assert_eq!((relay("b"), relay("c")), (Some(node("c")), Some(node("b"))));
        peers.no_way(&node("c"), &node("b"));
        assert_eq!((relay("b"), relay("c")), (None, Some(node("b"))));
        tokio::time::advance(NO_WAY_FOR).await;
        assert_eq!(relay("b"), Some(node("c")));
        // Who is gone relays nothing, and nothing is remembered of it.
        peers.no_way(&node("c"), &node("b"));
        peers.set(HashMap::from([member("b", 1)]));
        assert_eq!(relay("b"), None);
        assert!(peers.no_way.lock().is_empty());
    }
}
