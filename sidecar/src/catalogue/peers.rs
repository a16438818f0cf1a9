//! The catalogue from other sidecars, while the server does not answer: for a host that has none, and for one that has been cut
//! off while others went on.
//!
//! It is taken as the server's would be: only if it has what is here in its past.

use std::sync::Arc;
use std::time::Duration;

use gateless_core::name::NodeId;
use gateless_proto::v1::GetCatalogueRequest;
use gateless_proto::v1::WatchResponse;
use gateless_proto::v1::peer_service_client::PeerServiceClient;
use rand::seq::SliceRandom;
use tonic::Status;

use super::watch::MAX_MESSAGE_BYTES;
use super::{Handle, lineage};
use crate::cluster;

/// The server is given so long to answer first.
const PATIENCE: Duration = Duration::from_secs(2);
/// Who has nothing asks again after this,
const AGAIN_EMPTY: Duration = Duration::from_secs(1);
/// and who has something after this.
const AGAIN: Duration = Duration::from_secs(10);
/// Of an answer as a whole.
const WITHIN: Duration = Duration::from_secs(30);

/// Asks, whenever the server is away, until the sidecar stops.
pub(crate) async fn run(handle: Arc<Handle>, peers: cluster::Handle) {
    let stop = handle.stopping();
    tokio::select! {
        () = stop.cancelled() => {}
        () = ask_for_ever(&handle, &peers) => {}
    }
}

async fn ask_for_ever(handle: &Handle, peers: &cluster::Handle) {
    let mut connected = handle.connected();
    loop {
        if connected.wait_for(|connected| !connected).await.is_err() {
            return;
        }
        let back = tokio::time::timeout(PATIENCE, connected.wait_for(|connected| *connected));
        if back.await.is_ok() {
            continue;
        }
        ask_all(handle, peers).await;
        let pause = if handle.has_catalogue() {
            AGAIN
        } else {
            AGAIN_EMPTY
        };
        tokio::time::sleep(pause).await;
    }
}

/// The first that has something of use is enough: others are asked the next time.
async fn ask_all(handle: &Handle, peers: &cluster::Handle) {
    let members = peers.members().borrow().clone();
    let mut nodes: Vec<NodeId> = members.into_iter().map(|member| member.node).collect();
    nodes.shuffle(&mut rand::rng());
    for node in nodes {
        match tokio::time::timeout(WITHIN, ask(handle, peers, &node)).await {
            Ok(Ok(true)) => return,
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::debug!(peer = %node, %error, "no catalogue from a peer"),
            Err(_) => tracing::debug!(peer = %node, "a peer's catalogue does not come"),
        }
    }
}

/// Whether it had one that was taken.
async fn ask(handle: &Handle, peers: &cluster::Handle, node: &NodeId) -> Result<bool, Box<Status>> {
    // Nothing for this sidecar itself.
    let Some(channel) = peers.channel(node) else {
        return Ok(false);
    };
    let (holds, sealing_key) = handle.saver.with_state(|s| {
        // Who cannot open what is here has nothing, and is given everything.
        let holds = lineage::holds(&s.catalogue).filter(|_| !s.has_unopened());
        (holds, s.own().recipient())
    });
    let mut client = PeerServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let request = GetCatalogueRequest { holds, sealing_key };
    let mut parts = client.get_catalogue(request).await?.into_inner();
    let mut whole: Option<WatchResponse> = None;
    while let Some(part) = parts.message().await? {
        match &mut whole {
            Some(whole) => whole.changes.extend(part.changes),
            None => whole = Some(part),
        }
    }
    let Some(whole) = whole else {
        return Ok(false);
    };
    let version = whole.version;
    let taken = handle.watcher.take_from_peer(whole).await?;
    if taken {
        tracing::warn!(peer = %node, version, "the server does not answer: the catalogue is a peer's");
    }
    Ok(taken)
}
