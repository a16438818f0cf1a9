//! Starting and stopping a server: the store, two listeners, and a few chores.

mod listeners;
mod secure;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use gateless_identity::{JoinToken, Optional};
use gateless_listen::{Door, Plain};
use gateless_tls::Tls;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::Log;
use crate::auth::{self, Auth};
use crate::changes::Changes;
use crate::clock;
use crate::identity::{self, Identities, JoinTokenGrant};
use crate::metrics::Metrics;
use crate::openfaas::images::Images;
use crate::secrets_key::{self, Opened, SecretsKey};
use crate::service::{self, Service, lineage};
use crate::sidecars::Registry;
use crate::store::artifacts::Artifacts;
use crate::store::blobs::{self, FileBlobs};
use crate::store::recorded::Recorded;
use crate::store::sled::Restored;
use crate::store::{self, SledStore, Store};
use crate::token_file::AdminToken;
use crate::{grpc, http, observer, token_file, web};

/// How long requests may go on after a shutdown began.
const GRACE: Duration = Duration::from_secs(5);
/// A sidecar in the same process joins within this.
const OWN_JOIN: Duration = Duration::from_secs(60);
const CHORES_EVERY: Duration = Duration::from_secs(3600);

/// What a server needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Of the REST API; the port may be 0.
    pub listen: SocketAddr,
    /// Of the config stream; the port may be 0.
    pub grpc_listen: SocketAddr,
    /// Everything it keeps; one server at a time.
    pub data: PathBuf,
    /// How sidecars get their identities.
    pub identity: identity::Settings,
    /// Where the keys come from that secrets are sealed by.
    pub secrets_key: secrets_key::Source,
    /// Table of what image names stand for; none: no image can be deployed.
    pub images: Option<PathBuf>,
    /// A second listener of the API, with TLS; `None`: there is none.
    pub tls: Option<gateless_tls::Options>,
    /// Bounds of connections; how many is meant of the API's, by itself at most 2,048.
    pub connections: gateless_listen::Options,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue does not open, or the keys of its secrets are not there.
    #[error(transparent)]
    Catalogue(#[from] secrets_key::Error),
    /// The catalogue failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The artifacts' folder does not open.
    #[error(transparent)]
    Artifacts(#[from] blobs::Error),
    /// Tokens or keys do not load.
    #[error(transparent)]
    Auth(#[from] auth::Error),
    /// The authority or what is trusted does not load.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The table of images.
    #[error(transparent)]
    Images(#[from] crate::openfaas::images::Error),
    /// Where the catalogue comes from cannot be noted.
    #[error("the catalogue's lineage: {0}")]
    Lineage(#[from] service::Error),
    /// The audit log does not open.
    #[error("the audit log: {0}")]
    Audit(io::Error),
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
    /// Where the REST API listens with TLS.
    pub api_tls: Option<SocketAddr>,
    /// Where the config stream listens.
    pub grpc: SocketAddr,
    /// Set when the store was broken and restored from an export.
    pub restored: Option<Restored>,
    tls: Option<gateless_tls::Options>,
    data: PathBuf,
    store: Arc<SledStore>,
    auth: Arc<Auth>,
    audit: Arc<Log>,
    identities: Arc<Identities>,
    /// `None` once the API answers.
    unanswered: Option<Unanswered>,
    ending: CancellationToken,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    connections: TaskTracker,
}

/// The API while it takes connections and answers nobody.
struct Unanswered {
    plain: TcpListener,
    secure: Option<TcpListener>,
    door: Door,
    router: Router,
}

impl Running {
    /// From now on the API answers.
    pub fn answer(&mut self) {
        let Some(unanswered) = self.unanswered.take() else {
            return;
        };
        let Unanswered {
            plain,
            secure,
            door,
            router,
        } = unanswered;
        let redirect = self.redirect();
        let router = secure::layer(router, redirect);
        let (bounds, stop) = (listeners::API, &self.stop);
        if let (Some(listener), Some(tls)) = (secure, &self.tls) {
            let beside = door.beside("api over TLS");
            let handshake = Tls::only(tls.certificates.clone());
            let router = router.clone();
            let serve = listeners::serve(beside, listener, handshake, router, bounds, stop.clone());
            self.tasks.spawn(serve);
        }
        match &self.tls {
            Some(tls) if redirect.is_some() => {
                let handshake = Tls::or_plain(tls.certificates.clone());
                let serve = listeners::serve(door, plain, handshake, router, bounds, stop.clone());
                self.tasks.spawn(serve);
            }
            _ => {
                let serve = listeners::serve(door, plain, Plain, router, bounds, stop.clone());
                self.tasks.spawn(serve);
            }
        }
    }

    /// The port with TLS, as others reach it, that everybody who comes without is sent to.
    #[must_use]
    pub fn redirect(&self) -> Option<u16> {
        let redirect = self.tls.as_ref()?.redirect?;
        redirect.port.or(self.api_tls.map(|bound| bound.port()))
    }

    /// A join token for one sidecar in this very process, good for a minute.
    ///
    /// # Errors
    /// Those of [`Identities::create_token`].
    pub async fn join_token(&self) -> Result<JoinToken, identity::Error> {
        let grant = JoinTokenGrant {
            uses: 1,
            ttl: OWN_JOIN,
            description: "of the server's own process".to_owned(),
        };
        Ok(self.identities.create_token(grant).await?.0)
    }

    /// An admin's token and the file it is in: made when there is no live one, at the first start, or still there and good. It comes
    /// last, when nothing can fail any more. `None`: there are live ones, and they are elsewhere.
    ///
    /// # Errors
    /// [`token_file::Error`]; the server runs on, and `gateless server recover` makes one.
    pub async fn admin_token(&self) -> Result<Option<AdminToken>, token_file::Error> {
        let now = clock::now();
        if self.auth.has_admin(now) {
            let kept = AdminToken::read(&self.data);
            return Ok(kept.filter(|kept| self.auth.check(&kept.token, now).is_ok()));
        }
        let make = async || self.auth.first_admin(now).await;
        token_file::keep(
            &self.data,
            (&self.auth, &self.audit),
            "first admin token",
            make,
        )
        .await
    }

    /// The dashboard's address on this machine with a code that signs in the browser which opens it first, as over http a
    /// session begins nowhere else; `None`: this build has no dashboard.
    ///
    /// # Errors
    /// Those of [`Auth::check`] and [`Auth::link`].
    pub async fn login_link(&self, token: &str) -> Result<Option<String>, auth::Error> {
        if !web::IS_THERE {
            return Ok(None);
        }
        let now = clock::now();
        let (code, _) = self.auth.link(&self.auth.check(token, now)?, now).await?;
        let at = match self.api.ip().is_loopback() {
            true => self.api.to_string(),
            false => format!("localhost:{}", self.api.port()),
        };
        let base = match (&self.tls, self.redirect()) {
            (Some(tls), Some(port)) => {
                let names = tls.certificates.default_names();
                let name = names.iter().find(|name| !name.starts_with('*'));
                let name = name.map_or_else(|| "localhost".to_owned(), String::clone);
                format!("https://{name}:{port}")
            }
            _ => format!("http://{at}"),
        };
        Ok(Some(format!("{base}/#login={code}")))
    }

    /// Says at `/readyz` that it ends, and ends what has no end of its own: followed logs, events, waits.
    /// Everything else goes on, so that a sidecar in the same process can end before it.
    pub fn prepare_shutdown(&self) {
        self.ending.cancel();
    }

    /// Stops taking requests, lets those that run finish for up to five seconds, closes the store.
    pub async fn shutdown(mut self) {
        self.ending.cancel();
        self.stop.cancel();
        let connections = self.connections.clone();
        let finished = async {
            while self.tasks.join_next().await.is_some() {}
            connections.close();
            connections.wait().await;
        };
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
    let mut running = prepare(config).await?;
    running.answer();
    Ok(running)
}

/// Starts a server whose API takes connections and answers nobody before [`Running::answer`]: who waits for an
/// answer finds what was done until then, such as a login with the first admin's token.
///
/// # Errors
/// [`Error`]; nothing runs then.
pub async fn prepare(config: Config) -> Result<Running, Error> {
    let Opened {
        engine: store,
        store: catalogue,
        keys,
        restored,
    } = secrets_key::open(&config.data, &config.secrets_key).await?;
    match start(&config, catalogue, keys).await {
        Ok(started) => Ok(Running {
            api: started.api,
            api_tls: started.api_tls,
            tls: config.tls,
            grpc: started.grpc,
            restored,
            data: config.data,
            store,
            auth: started.auth,
            audit: started.audit,
            identities: started.identities,
            unanswered: Some(started.unanswered),
            ending: started.ending,
            stop: started.stop,
            tasks: started.tasks,
            connections: started.connections,
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
    api_tls: Option<SocketAddr>,
    grpc: SocketAddr,
    auth: Arc<Auth>,
    identities: Arc<Identities>,
    unanswered: Unanswered,
    audit: Arc<Log>,
    ending: CancellationToken,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    connections: TaskTracker,
}

async fn start(
    config: &Config,
    store: Arc<dyn Store>,
    keys: Arc<SecretsKey>,
) -> Result<Started, Error> {
    let images = config.images.as_deref().map(Images::load).transpose()?;
    let blobs = FileBlobs::open(config.data.join("artifacts")).await?;
    let artifacts = Artifacts::new(Arc::new(blobs));
    let (api_listener, api) = listeners::bind(config.listen).await?;
    let (tls_listener, api_tls) = match &config.tls {
        Some(tls) => Some(listeners::bind(tls.listen).await?).unzip(),
        None => (None, None),
    };
    let (grpc_listener, grpc) = listeners::bind(config.grpc_listen).await?;
    let audit = Log::open(config.data.join("audit")).map_err(Error::Audit)?;
    let store: Arc<dyn Store> = Arc::new(Recorded::new(store));
    // Before anything else is written: the version is that of an export it was made of.
    lineage::open(&*store).await?;
    let auth = Arc::new(Auth::open(Arc::clone(&store)).await?);
    let changes = Changes::default();
    let identities = Identities::open(
        Arc::clone(&store),
        config.data.clone(),
        config.identity.clone(),
    );
    let identities = identities.await?;
    identities.look().await?;
    let registry = Registry::new(identities.identity().clone(), changes.clone());
    let registry = Arc::new(registry);
    let service = Arc::new(Service::new(store, artifacts, registry, changes));
    service.set_api_port(api.port());
    let metrics = Arc::new(metrics(config));

    let (ending, stop) = (CancellationToken::new(), CancellationToken::new());
    let mut tasks = JoinSet::new();
    let router = http::router(http::Parts {
        service: Arc::clone(&service),
        auth: Arc::clone(&auth),
        identities: Arc::clone(&identities),
        secrets_key: Arc::clone(&keys),
        metrics: Arc::clone(&metrics),
        images: Arc::new(images.unwrap_or_default()),
        audit: Arc::clone(&audit),
        shutdown: ending.clone(),
    });
    let routes = grpc::routes(
        Arc::clone(&service),
        Arc::clone(&identities),
        metrics,
        stop.clone(),
    );
    let doors = listeners::Doors::new(config.connections);
    let serve = listeners::serve(
        doors.grpc,
        grpc_listener,
        Optional(identities.identity().clone()),
        routes.into_axum_router(),
        listeners::GRPC,
        stop.clone(),
    );
    tasks.spawn(serve);
    tasks.spawn(observer::run(Arc::clone(&service), stop.clone()));
    tasks.spawn(Arc::clone(&identities).run(stop.clone()));
    tasks.spawn(keys.run(stop.clone()));
    tasks.spawn(chores(service, Arc::clone(&auth), stop.clone()));
    Ok(Started {
        api,
        api_tls,
        grpc,
        auth,
        audit,
        identities,
        unanswered: Unanswered {
            plain: api_listener,
            secure: tls_listener,
            door: doors.api,
            router,
        },
        ending,
        stop,
        tasks,
        connections: doors.connections,
    })
}

fn metrics(config: &Config) -> Metrics {
    let mut metrics = Metrics::default();
    if let Some(tls) = &config.tls {
        metrics.watch_certificates(tls.certificates.clone());
    }
    metrics
}

/// What is to be done at the start, and now and then: expired tokens, revisions and artifacts nobody names.
async fn chores(service: Arc<Service>, auth: Arc<Auth>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(CHORES_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now = clock::now();
        if let Err(error) = auth.prune(now).await {
            tracing::warn!(%error, "expired tokens cannot be removed");
        }
        match service.collect_revisions(now).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed revisions no function names"),
            Err(error) => tracing::warn!(%error, "revisions cannot be collected"),
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
