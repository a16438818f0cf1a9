//! A real `ConfigService` with its catalogue in memory, for tests of its client.
//!
//! It runs in a runtime of its own, so that dropping it is a killed server. It refuses
//! nothing but an artifact that is not there: tests feed it bad resources on purpose.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use futures_util::{Stream, StreamExt};
use gateless_identity::fixture::Cluster;
use gateless_proto::v1::config_service_server::{ConfigService, ConfigServiceServer};
use gateless_proto::v1::{
    Ancestry, ArtifactChunk, CatalogueMark, Change, FetchArtifactRequest, Resource, WatchHello,
    WatchRequest, WatchResponse, watch_request,
};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Server and sidecars of the tests.
pub(super) static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::new);

/// What outlives a killed server.
pub(super) struct Disk {
    catalogue: Mutex<Stored>,
    version: watch::Sender<u64>,
    /// What is served under a digest; the digest is not checked.
    pub(super) artifacts: Mutex<HashMap<String, Vec<u8>>>,
    pub(super) fetches: AtomicUsize,
    seen: mpsc::Sender<WatchRequest>,
}

struct Stored {
    id: String,
    /// The catalogues it was before, up to a version each.
    past: Vec<(String, u64)>,
    /// With the version of its last change; nothing once deleted.
    resources: BTreeMap<String, (u64, Option<Resource>)>,
}

impl Disk {
    pub(super) fn new() -> (Arc<Self>, mpsc::Receiver<WatchRequest>) {
        let (seen, requests) = mpsc::channel(1024);
        let disk = Self {
            catalogue: Mutex::new(Stored {
                id: "c1".into(),
                past: Vec::new(),
                resources: BTreeMap::new(),
            }),
            version: watch::channel(0).0,
            artifacts: Mutex::default(),
            fetches: AtomicUsize::new(0),
            seen,
        };
        (Arc::new(disk), requests)
    }

    /// Commits changes as one version.
    pub(super) fn commit(&self, changes: Vec<Change>) -> u64 {
        let mut stored = self.catalogue.lock();
        let version = *self.version.borrow() + 1;
        for change in changes {
            stored
                .resources
                .insert(change.name, (version, change.resource));
        }
        drop(stored);
        self.version.send_replace(version);
        version
    }

    /// As if the server had lost its data and got other data.
    pub(super) fn replace(&self, id: &str, changes: Vec<Change>) -> u64 {
        {
            let mut stored = self.catalogue.lock();
            stored.id = id.into();
            stored.resources.clear();
        }
        self.commit(changes)
    }

    /// What an operator says: that counts as its past.
    pub(super) fn accept(&self, id: &str, version: u64) {
        self.catalogue.lock().past.push((id.into(), version));
        self.commit(Vec::new());
    }

    fn since(&self, sent: Option<u64>) -> WatchResponse {
        let stored = self.catalogue.lock();
        let newer = stored
            .resources
            .iter()
            .filter(|(_, (version, resource))| match sent {
                Some(sent) => *version > sent,
                None => resource.is_some(),
            });
        let changes = newer.map(|(name, (_, resource))| Change {
            name: name.clone(),
            resource: resource.clone(),
        });
        WatchResponse {
            api_port: 0,
            trust: None,
            catalogue_id: stored.id.clone(),
            version: *self.version.borrow(),
            snapshot: sent.is_none(),
            ancestry: Some(ancestry(&stored)),
            changes: changes.collect(),
            ..Default::default()
        }
    }
}

fn ancestry(stored: &Stored) -> Ancestry {
    let mark = |(id, version): &(String, u64)| CatalogueMark {
        catalogue_id: id.clone(),
        version: *version,
        lineage: String::new(),
    };
    Ancestry {
        lineage: stored.id.clone(),
        past: stored.past.iter().map(mark).collect(),
    }
}

/// A running server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Server {
    pub(super) async fn start(disk: &Arc<Disk>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Self::start_at(disk, listener).await
    }

    /// A test that starts the server again keeps a clone of the listener meanwhile: nobody
    /// else can take the port.
    pub(super) async fn start_at(disk: &Arc<Disk>, listener: std::net::TcpListener) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let service = ConfigServiceServer::new(Service(disk.clone()));
        let started = runtime.spawn(async move {
            listener.set_nonblocking(true).unwrap();
            let listener = TcpListener::from_std(listener).unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(
                tonic::transport::Server::builder()
                    .add_service(service)
                    .serve_with_incoming(gateless_identity::fixture::incoming(
                        listener,
                        CLUSTER.server(),
                    )),
            );
            address
        });
        let address = started.await.unwrap();
        Self {
            address,
            runtime: Some(runtime),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Service(Arc<Disk>);

type Answer<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ConfigService for Service {
    type WatchStream = Answer<WatchResponse>;
    type FetchArtifactStream = Answer<ArtifactChunk>;

    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let disk = self.0.clone();
        let mut requests = request.into_inner();
        let (out, responses) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut changed = disk.version.subscribe();
            let mut sent: Option<u64> = None;
            let mut greeted = false;
            loop {
                tokio::select! {
                    message = requests.message() => {
                        let Ok(Some(message)) = message else { return };
                        if let Some(watch_request::Kind::Hello(hello)) = &message.kind {
                            sent = has(hello, &disk);
                            greeted = true;
                            changed.mark_changed();
                        }
                        disk.seen.send(message).await.ok();
                    }
                    _ = changed.changed(), if greeted => {
                        let response = disk.since(sent);
                        sent = Some(response.version);
                        if out.send(Ok(response)).await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(responses).boxed()))
    }

    async fn fetch_artifact(
        &self,
        request: Request<FetchArtifactRequest>,
    ) -> Result<Response<Self::FetchArtifactStream>, Status> {
        self.0.fetches.fetch_add(1, Ordering::SeqCst);
        let sha256 = request.into_inner().sha256;
        let artifact = self.0.artifacts.lock().get(&sha256).cloned();
        let artifact = artifact.ok_or_else(|| Status::not_found("no such artifact"))?;
        let chunks: Vec<_> = artifact
            .chunks(1000)
            .map(|data| Ok(ArtifactChunk { data: data.into() }))
            .collect();
        Ok(Response::new(tokio_stream::iter(chunks).boxed()))
    }
}

/// The version a sidecar has of this very catalogue.
fn has(hello: &WatchHello, disk: &Disk) -> Option<u64> {
    let same = hello.catalogue_id == disk.catalogue.lock().id;
    (same && hello.catalogue_version > 0).then_some(hello.catalogue_version)
}
