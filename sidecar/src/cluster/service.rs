//! The incoming half: `PeerService` as peers call it.
//!
//! Accepts their links, passes their messages on as events and sends ours down. A permit is
//! given by the [`Reserver`], never here.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use gateless_core::name::{NodeId, RevisionName};
use gateless_identity::Peer;
use gateless_proto::v1::peer_service_server::PeerService;
use gateless_proto::v1::{
    ArtifactChunk, FetchArtifactRequest, GetCatalogueRequest, LinkDown, LinkHello, LinkUp,
    ReserveRequest, ReserveResponse, WatchResponse, link_down, link_up,
};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::link::{self, Key};
use super::pass::Parts;
use super::{Event, Reserver, Shared};
use crate::cluster::outbox::Outbox;

const HELLO_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) type DownBox = Arc<Outbox<Key, LinkDown>>;

pub(super) fn key(kind: &link_down::Kind) -> Key {
    match kind {
        link_down::Kind::Endpoints(m) => (1, m.revision.clone()),
        // A question (term 0) replaces only a question: the assignment before it must arrive as well.
        link_down::Kind::Assignment(m) if m.term.as_ref().is_some_and(|term| term.number == 0) => {
            (4, m.revision.clone())
        }
        link_down::Kind::Assignment(m) => (2, m.revision.clone()),
        link_down::Kind::Room(m) => (3, m.revision.clone()),
        link_down::Kind::Trust(_) => (5, String::new()),
    }
}

pub struct Service {
    pub(super) shared: Arc<Shared>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) reserver: Arc<dyn Reserver>,
}

#[tonic::async_trait]
impl PeerService for Service {
    type LinkStream = Pin<Box<dyn Stream<Item = Result<LinkDown, Status>> + Send>>;
    type GetCatalogueStream = Parts<WatchResponse>;
    type FetchArtifactStream = Parts<ArtifactChunk>;

    async fn get_catalogue(
        &self,
        request: Request<GetCatalogueRequest>,
    ) -> Result<Response<Self::GetCatalogueStream>, Status> {
        let request = request.into_inner();
        let parts = self.shared.passes_on()?.catalogue(&request);
        Ok(Response::new(parts))
    }

    async fn fetch_artifact(
        &self,
        request: Request<FetchArtifactRequest>,
    ) -> Result<Response<Self::FetchArtifactStream>, Status> {
        let artifact = self
            .shared
            .passes_on()?
            .artifact(request.into_inner().sha256);
        Ok(Response::new(artifact.await?))
    }

    async fn link(
        &self,
        request: Request<Streaming<LinkUp>>,
    ) -> Result<Response<Self::LinkStream>, Status> {
        let proven = proven(&request)?;
        let mut up = request.into_inner();
        let node = expect_hello(&mut up).await?;
        if node != proven {
            return Err(Status::permission_denied(format!(
                "{proven} cannot speak for {node}"
            )));
        }
        if node == self.shared.this.node {
            return Err(Status::invalid_argument("this is the very same node"));
        }
        let outbox: DownBox = Outbox::new();
        // A second link of a node replaces the first, which may hang on a dead connection.
        let old = self
            .shared
            .accepted
            .lock()
            .insert(node.clone(), outbox.clone());
        if let Some(old) = old {
            old.close();
        }
        self.shared.tell_trust_down(&outbox);
        let (shared, events) = (self.shared.clone(), self.events.clone());
        let pending = outbox.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = receive(&shared, &node, up, &events) => {}
                () = pending.closed() => {}
                () = shared.stop.cancelled() => {}
            }
            pending.close();
            let mut accepted = shared.accepted.lock();
            if accepted
                .get(&node)
                .is_some_and(|now| Arc::ptr_eq(now, &pending))
            {
                accepted.remove(&node);
            }
        });
        Ok(Response::new(Box::pin(outbox.stream(None).map(Ok))))
    }

    async fn reserve(
        &self,
        request: Request<ReserveRequest>,
    ) -> Result<Response<ReserveResponse>, Status> {
        let caller = proven(&request)?;
        let request = request.into_inner();
        let revision: RevisionName = request
            .revision
            .parse()
            .map_err(|e: gateless_core::name::Error| Status::invalid_argument(e.to_string()))?;
        let ttl = Duration::from_millis(request.ttl_ms);
        let permit = self.reserver.reserve(&revision, ttl, caller.as_str());
        let permit = permit.unwrap_or_default();
        Ok(Response::new(ReserveResponse { permit }))
    }
}

/// The sidecar whose connection it is.
fn proven<T>(request: &Request<T>) -> Result<NodeId, Status> {
    let peer = request.extensions().get::<Option<Peer>>();
    let node = peer.and_then(|peer| peer.as_ref()?.id.sidecar());
    node.map(NodeId::new)
        .ok_or_else(|| Status::permission_denied("only a sidecar may do this"))
}

async fn expect_hello(up: &mut Streaming<LinkUp>) -> Result<NodeId, Status> {
    let first = tokio::time::timeout(HELLO_TIMEOUT, up.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no hello came"))??;
    let hello: LinkHello = match first.and_then(|m| m.kind) {
        Some(link_up::Kind::Hello(hello)) => hello,
        _ => return Err(Status::invalid_argument("the first message must be hello")),
    };
    if hello.node_id.is_empty() || hello.node_id.len() > 64 {
        return Err(Status::invalid_argument("node_id must have 1 to 64 bytes"));
    }
    Ok(NodeId::new(&hello.node_id))
}

/// Passes messages on until the stream ends; a reconciler that is behind stops the reading.
async fn receive(
    shared: &Shared,
    node: &NodeId,
    mut up: Streaming<LinkUp>,
    events: &mpsc::Sender<Event>,
) {
    if events.send(Event::Accepted(node.clone())).await.is_err() {
        return;
    }
    loop {
        let kind = match up.message().await {
            Ok(Some(LinkUp { kind })) => kind,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(peer = %node, %error, "accepted link is lost");
                return;
            }
        };
        if let Some(link_up::Kind::Trust(trust)) = kind {
            link::learn(&shared.identity, node, trust);
            continue;
        }
        // Nothing: a kind of a newer version. A second hello says nothing new.
        let Some(kind @ (link_up::Kind::Demand(_) | link_up::Kind::Instances(_))) = kind else {
            continue;
        };
        let from = node.clone();
        if events.send(Event::Up { from, kind }).await.is_err() {
            return;
        }
    }
}
