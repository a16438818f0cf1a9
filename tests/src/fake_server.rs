//! A config service that pushes what no real server would: to test what sidecars refuse.
//!
//! Deliberately no catalogue: it sends the changes it is told to, as they are.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use gateless_identity::fixture::Cluster;
use gateless_proto::v1::runtime::Kind;
use gateless_proto::v1::{self, config_service_server};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[derive(Default)]
struct State {
    version: u64,
    catalogue: Vec<v1::Function>,
    rejections: Vec<v1::Rejection>,
    acked: u64,
    api_port: u16,
}

/// Runs until the test's runtime ends.
#[derive(Clone)]
pub struct FakeServer {
    /// Where sidecars dial.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    changes: broadcast::Sender<v1::WatchResponse>,
    identities: Arc<Cluster>,
}

fn change(function: &v1::Function) -> v1::Change {
    v1::Change {
        name: format!("functions/{}/{}", function.namespace, function.name),
        resource: Some(v1::Resource {
            kind: Some(v1::resource::Kind::Function(function.clone())),
            ..Default::default()
        }),
    }
}

impl FakeServer {
    /// With nothing in it.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
            changes: broadcast::channel(16).0,
            identities: Arc::new(Cluster::new()),
        };
        let service = config_service_server::ConfigServiceServer::new(server.clone());
        let identity = server.identities.server();
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(gateless_identity::fixture::incoming(listener, identity)),
        );
        server
    }

    /// Where it is, for sidecars.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Makes the data folder that of a sidecar that has joined.
    pub fn provision(&self, data: &Path) {
        self.identities.provision(data, "0facade0");
    }

    /// Says that the management API listens there, to sidecars that connect from now on.
    ///
    /// # Panics
    /// When a thread panicked before.
    pub fn set_api_port(&self, port: u16) {
        self.state.lock().unwrap().api_port = port;
    }

    /// Pushes functions, valid or not; the version they have.
    ///
    /// # Panics
    /// When a thread panicked before.
    pub fn push(&self, functions: &[v1::Function]) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.version += 1;
        state.catalogue.extend_from_slice(functions);
        let response = v1::WatchResponse {
            api_port: state.api_port.into(),
            trust: None,
            catalogue_id: "fake".into(),
            version: state.version,
            snapshot: false,
            changes: functions.iter().map(change).collect(),
            ..Default::default()
        };
        // Nobody may be connected yet; the snapshot will tell.
        self.changes.send(response).ok();
        state.version
    }

    /// The version acknowledged last, and every refusal so far.
    ///
    /// # Panics
    /// When a thread panicked before.
    #[must_use]
    pub fn acked(&self) -> (u64, Vec<v1::Rejection>) {
        let state = self.state.lock().unwrap();
        (state.acked, state.rejections.clone())
    }
}

#[tonic::async_trait]
impl config_service_server::ConfigService for FakeServer {
    type WatchStream = Answers<v1::WatchResponse>;
    type FetchArtifactStream = Answers<v1::ArtifactChunk>;

    async fn watch(
        &self,
        mut request: Request<Streaming<v1::WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let shared = self.state.clone();
        tokio::spawn(async move {
            while let Ok(Some(message)) = request.get_mut().message().await {
                if let Some(v1::watch_request::Kind::Ack(ack)) = message.kind {
                    let mut state = shared.lock().unwrap();
                    state.acked = state.acked.max(ack.version);
                    state.rejections.extend(ack.rejected);
                }
            }
        });
        let state = self.state.lock().unwrap();
        let snapshot = v1::WatchResponse {
            api_port: state.api_port.into(),
            trust: None,
            catalogue_id: "fake".into(),
            version: state.version,
            snapshot: true,
            changes: state.catalogue.iter().map(change).collect(),
            ..Default::default()
        };
        let later = BroadcastStream::new(self.changes.subscribe());
        let later = later.map(|sent| sent.map_err(|lag| Status::data_loss(lag.to_string())));
        Ok(Response::new(Box::pin(
            tokio_stream::once(Ok(snapshot)).chain(later),
        )))
    }

    async fn fetch_artifact(
        &self,
        _: Request<v1::FetchArtifactRequest>,
    ) -> Result<Response<Self::FetchArtifactStream>, Status> {
        Err(Status::not_found("no artifacts here"))
    }
}

/// A complete, valid function of one revision: the test function with this environment.
#[must_use]
pub fn function(name: &str, revision: &str, env: &[(&str, &str)]) -> v1::Function {
    let command = crate::process::test_function_bin();
    let mut function = gateless_proto::fixture::function(name, &[&command.to_string_lossy()]);
    function.traffic[0].revision = revision.to_owned();
    let only = &mut function.revisions[0];
    only.name = revision.to_owned();
    only.uid = format!("uid-{revision}");
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    only.env = env.collect();
    let runtime = only.runtime.as_mut();
    if let Some(Kind::Process(process)) = runtime.and_then(|runtime| runtime.kind.as_mut()) {
        process.stop_grace_ms = 2_000;
    }
    // Short, so that a test that fails does so soon.
    if let Some(scaling) = &mut only.scaling {
        scaling.initial_scale = 0;
        scaling.scale_to_zero_grace_ms = 0;
    }
    if let Some(policy) = &mut function.r#async {
        policy.max_attempts = 3;
        policy.backoff_base_ms = 10;
        policy.backoff_max_ms = 100;
        policy.attempt_timeout_ms = 10_000;
    }
    function
}
