//! Starting and stopping a server: the store, two listeners, and a few chores.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;

use crate::auth::keys::Keys;
use crate::auth::{self, Auth};
use crate::metrics::Metrics;
use crate::openfaas::images::Images;
use crate::service::{Changes, Service};
use crate::sidecars::Registry;
use crate::store::artifacts::{self, Artifacts};
use crate::store::sled::{Options, Restored};
use crate::store::{self, SledStore, Store};
use crate::{events, grpc, http};

/// How long requests may go on after a shutdown began.
const GRACE: Duration = Duration::from_secs(5);
const CHORES_EVERY: Duration = Duration::from_secs(3600);

/// What a server needs to know.
#[derive(Clone)]
pub struct Config {
    /// Of the REST API; the port may be 0.
    pub listen: SocketAddr,
    /// Of the config stream; the port may be 0.
    pub grpc_listen: SocketAddr,
    /// Everything it keeps; one server at a time.
    pub data: PathBuf,
    /// Shared with every sidecar; visible ASCII.
    pub cluster_secret: String,
    /// Table of what image names stand for; none: no image can be deployed.
    pub images: Option<PathBuf>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("grpc_listen", &self.grpc_listen)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The secret would not go into a header, or is too easy to guess.
    #[error("the cluster secret must have at least 16 characters, all visible ASCII")]
    Secret,
    /// The catalogue does not open.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The artifacts' folder does not open.
    #[error(transparent)]
    Artifacts(#[from] artifacts::Error),
    /// Tokens or keys do not load.
    #[error(transparent)]
    Auth(#[from] auth::Error),
    /// The signing keys' file.
    #[error("the signing keys in {path}: {source}")]
    Keys {
        /// Their folder.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// The table of images.
    #[error(transparent)]
    Images(#[from] crate::openfaas::images::Error),
    /// A listener.
    #[error("listening on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What failed.
        source: io::Error,
    },
}

/// A server that runs until [`Running::shutdown`].
pub struct Running {
    /// Where the REST API listens.
    pub api: SocketAddr,
    /// Where the config stream listens.
    pub grpc: SocketAddr,
    /// Made when there is no other live admin token: at the first start. Show it once.
    pub first_admin_token: Option<String>,
    /// Set when the store was broken and restored from an export.
    pub restored: Option<Restored>,
    store: Arc<SledStore>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    /// Stops taking requests, lets those that run finish for up to five seconds, closes the store.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, finished).await.is_err() {
            self.tasks.shutdown().await;
        }
        if let Err(error) = self.store.close().await {
            tracing::error!(%error, "the catalogue did not close cleanly");
        }
    }
}

/// Starts a server.
///
/// # Errors
/// [`Error`]; nothing runs then.
pub async fn run(config: Config) -> Result<Running, Error> {
    run_and_tell(config, |_, _| ()).await
}

/// [`run`], which gives the API's address and the first admin token, if it makes one, to `tell` before it answers anybody: who waits
/// for an answer finds what `tell` left.
///
/// # Errors
/// [`Error`]; nothing runs then.
pub async fn run_and_tell(
    config: Config,
    tell: impl FnOnce(SocketAddr, &str),
) -> Result<Running, Error> {
    let secret = &config.cluster_secret;
    if secret.len() < 16 || !secret.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::Secret);
    }
    let store = SledStore::open(config.data.join("catalogue"), Options::default()).await?;
    let restored = store.restored().cloned();
    let store = Arc::new(store);
    let catalogue: Arc<dyn Store> = store.clone();
    match start(&config, catalogue, tell).await {
        Ok(started) => Ok(Running {
            api: started.api,
            grpc: started.grpc,
            first_admin_token: started.first_admin_token,
            restored,
            store,
            stop: started.stop,
            tasks: started.tasks,
        }),
        Err(error) => {
            // Else the folder would stay locked in a process that goes on.
            drop(store.close().await);
            Err(error)
        }
    }
}

struct Started {
    api: SocketAddr,
    grpc: SocketAddr,
    first_admin_token: Option<String>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

async fn start(
    config: &Config,
    store: Arc<dyn Store>,
    tell: impl FnOnce(SocketAddr, &str),
) -> Result<Started, Error> {
    let path = config.data.join("keys");
    let keys = Keys::open(&path).map_err(|source| Error::Keys { path, source })?;
    let artifacts = Artifacts::open(config.data.join("artifacts")).await?;
    let (api_listener, api) = listen(config.listen).await?;
    let (grpc_listener, grpc) = listen(config.grpc_listen).await?;
    let auth = Arc::new(Auth::open(Arc::clone(&store), keys).await?);
    let changes = Changes::default();
    let registry = Arc::new(Registry::new(&config.cluster_secret, changes.clone()));
    let service = Arc::new(Service::new(store, artifacts, registry, changes));
    service.set_api_port(api.port());
    let metrics = Arc::new(Metrics::default());
    let first_admin_token = auth.first_admin(Timestamp::now()).await?;
    if let Some(token) = &first_admin_token {
        tell(api, token);
    }

    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let images = config.images.as_deref().map(Images::load).transpose()?;
    let router = http::router(
        Arc::clone(&service),
        Arc::clone(&auth),
        Arc::clone(&metrics),
        Arc::new(images.unwrap_or_default()),
        stop.clone(),
    );
    let serve = axum::serve(api_listener, router)
        .with_graceful_shutdown(stop.clone().cancelled_owned())
        .into_future();
    tasks.spawn(ended("the API", serve));
    let config_service = grpc::server(
        Arc::clone(&service),
        metrics,
        &config.cluster_secret,
        stop.clone(),
    );
    let serve = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .http2_keepalive_interval(Some(Duration::from_secs(5)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .add_service(config_service)
        .serve_with_incoming_shutdown(
            TcpListenerStream::new(grpc_listener),
            stop.clone().cancelled_owned(),
        );
    tasks.spawn(ended("the config stream", serve));
    tasks.spawn(events::observe::run(Arc::clone(&service), stop.clone()));
    tasks.spawn(chores(service, auth, stop.clone()));
    Ok(Started {
        api,
        grpc,
        first_admin_token,
        stop,
        tasks,
    })
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let actual = listener.local_addr()?;
        Ok((listener, actual))
    };
    let bound: io::Result<_> = bound.await;
    bound.map_err(|source| Error::Listen { address, source })
}

async fn ended<E: fmt::Display>(what: &str, serve: impl Future<Output = Result<(), E>>) {
    if let Err(error) = serve.await {
        tracing::error!(%error, "{what} ended");
    }
}

/// What is to be done now and then: expired tokens, artifacts nobody names.
async fn chores(service: Arc<Service>, auth: Arc<Auth>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(CHORES_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = Timestamp::now();
        if let Err(error) = auth.prune(now).await {
            tracing::warn!(%error, "expired tokens cannot be removed");
        }
        match service.collect_artifacts(now).await {
            Ok(collected) if collected.artifacts > 0 => {
                tracing::info!(
                    artifacts = collected.artifacts,
                    bytes = collected.bytes,
                    "removed artifacts nobody names"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "artifacts cannot be collected"),
        }
    }
}
