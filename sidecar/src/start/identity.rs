//! Who a sidecar is when it starts, and the parts that need to know first.

use std::sync::Arc;

use gateless_core::name::NodeId;
use gateless_identity::Identity;
use tokio::sync::mpsc;

use super::components::Components;
use super::{Config, Error};
use crate::cluster;
use crate::cluster::identity;
use crate::runtime::{HoldCaps, Registry, Signal};
use crate::telemetry::metrics::Metrics;

/// Who this sidecar is; one that has nobody is somebody of its own.
pub(super) async fn open(config: &Config, node: &NodeId) -> Result<Identity, Error> {
    let alone = config.server.is_none() && config.join.is_empty();
    let server = config.server.as_deref();
    Ok(identity::open(&config.data, node, server, alone, &config.identity).await?)
}

pub(super) fn registry(
    node: &NodeId,
    metrics: &Arc<Metrics>,
    identity: &Identity,
) -> (Arc<Registry>, mpsc::UnboundedReceiver<Signal>) {
    let (metrics, identity) = (metrics.clone(), Some(identity.clone()));
    Registry::new(node.clone(), HoldCaps::default(), metrics, identity)
}

/// Shows what others than the proxy count.
pub(super) fn watch(
    metrics: &Metrics,
    peers: &cluster::Handle,
    identity: &Identity,
    components: &Components,
    config: &Config,
) {
    metrics.watch_members(peers.members());
    metrics.watch_identity(identity.clone());
    components.watch(metrics);
    if let Some(tls) = &config.tls {
        metrics.watch_certificates(tls.certificates.clone());
    }
}
