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
pub mod openfaas;
mod peer;
mod route;

use std::hash::RandomState;
use std::sync::Arc;

use gateless_core::egress::Egress;
use gateless_core::trusted::TrustedProxies;
use tokio::sync::Notify;

use crate::call::Proxy;
use crate::call::reserve::Reservations;
use crate::queue::dispatcher::Dispatcher;
use crate::telemetry::metrics::Metrics;
use crate::{catalogue, cluster, queue, trigger};
use openfaas::Relay;

/// Everything a connection can reach.
pub struct Edge {
    /// Calls.
    pub proxy: Arc<Proxy>,
    /// Calls for later.
    pub queue: queue::Queue,
    /// Delivers them.
    pub dispatcher: Dispatcher,
    /// Other sidecars.
    pub cluster: cluster::Handle,
    /// Hashes callers' addresses.
    pub fairness: RandomState,
    /// Permits peers took ahead.
    pub reservations: Arc<Reservations>,
    /// Schedules, events and topics.
    pub triggers: trigger::Handle,
    /// Services of the peer port.
    pub grpc: tonic::service::Routes,
    /// What the server told, and where it is.
    pub catalogue: Arc<catalogue::Handle>,
    /// Proxies whose word on a call's origin is passed on.
    pub trusted: TrustedProxies,
    /// Stands in for an OpenFaaS gateway.
    pub openfaas: Relay,
    /// Where callbacks may go outside the cluster.
    pub egress: Arc<Egress>,
    /// Series.
    pub metrics: Arc<Metrics>,
    /// Rung by each call that another sidecar forwards here; a shutdown waits until it is silent.
    pub forwarded: Notify,
}
