//! The way in: doors, which function a call names, and what a sidecar answers itself.
//!
//! Nothing here waits for an instance or sends to one: an admitted call goes to [`crate::call`], one for
//! later to [`crate::queue`].

pub(crate) mod callback;
#[cfg(feature = "wasm")]
pub mod component;
mod cors;
mod deferred;
pub mod doors;
mod host;
mod internal;
mod life;
pub mod local;
pub mod openfaas;
mod peer;
mod prove;
mod records;
mod route;
mod secure;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use gateless_common::network::client_network;
use gateless_core::egress::Egress;
use gateless_core::trusted::TrustedProxies;
use gateless_identity::Identity;
use tokio::sync::Notify;

use crate::call::Proxy;
use crate::call::reserve::Reservations;
use crate::queue::dispatcher::Dispatcher;
use crate::telemetry::metrics::Metrics;
use crate::{catalogue, cluster, queue, trigger};
use doors::Door;
use openfaas::Relay;
pub use prove::Issuers;

/// Everything a connection can reach.
pub struct Edge {
    pub proxy: Arc<Proxy>,
    /// Calls for later.
    pub queue: queue::Queue,
    /// Where those with an idempotency key are taken in.
    pub homes: Arc<queue::Homes>,
    pub dispatcher: Dispatcher,
    pub cluster: cluster::Handle,
    /// Hashes callers; see [`Edge::turn_of`].
    pub fairness: RandomState,
    /// Permits peers took ahead.
    pub reservations: Arc<Reservations>,
    /// Schedules, events and topics.
    pub triggers: trigger::Handle,
    /// Services of the peer port.
    pub grpc: tonic::service::Routes,
    /// Tells which function of this host calls.
    pub callers: local::Callers,
    /// What the server told, and where it is.
    pub catalogue: Arc<catalogue::Handle>,
    /// Who this sidecar is, and whom it lets in at the peer port.
    pub identity: Identity,
    /// Proxies whose word on a call's origin is passed on.
    pub trusted: TrustedProxies,
    /// Stands in for an OpenFaaS gateway.
    pub openfaas: Relay,
    /// Keys of those whose tokens functions take.
    pub issuers: Issuers,
    /// Where callbacks may go outside the cluster.
    pub egress: Arc<Egress>,
    pub metrics: Arc<Metrics>,
    /// Rung by each call that another sidecar forwards here; a shutdown waits until it is silent.
    pub forwarded: Notify,
}

impl Edge {
    /// Whether an address is one caller's: not that of a proxy in front, and not this host's.
    fn is_one_caller(&self, client: IpAddr) -> bool {
        !client.to_canonical().is_loopback() && !self.trusted.contain(client)
    }

    /// A hash of the client that an address is of, where it comes from outside and [`Edge::is_one_caller`].
    fn caller(&self, client: IpAddr, door: Door) -> Option<u64> {
        (door == Door::Public && self.is_one_caller(client)).then(|| self.turn_of(client))
    }

    /// Whose turn it is when this address calls: the same for all addresses of one client.
    fn turn_of(&self, address: IpAddr) -> u64 {
        self.fairness.hash_one(client_network(address))
    }
}
