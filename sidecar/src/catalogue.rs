//! The server's client: keeps this sidecar's catalogue up to date, and saved.
//!
//! The server is on no call's path. Everything here goes on from what was saved when it is
//! away, and decides nothing about functions: it hands out a catalogue and takes reports.

mod artifacts;
pub mod config;
#[cfg(test)]
mod fake;
mod last_good;
mod lineage;
mod pass;
pub(crate) mod peers;
mod persist;
pub(crate) mod prefetch;
mod sealed;
mod state;
#[cfg(test)]
mod tests;
mod watch;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateless_core::name::NodeId;
use gateless_identity::{Expect, Folder, Identity};
use gateless_proto::v1::{CatalogueRefusal, Isolation, StatusReport, WatchHello};
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Channel;

pub use self::artifacts::{DEFAULT_CACHE_BYTES, FetchError};
pub use self::state::Catalogue;
use crate::cluster::{self, identity};
use artifacts::Artifacts;
use last_good::{LastGood, Record};
use persist::Saver;
use state::State;
use watch::Watcher;

const KEEPALIVE: Duration = Duration::from_secs(5);

type ServerChannel = Channel;

/// What the control client must know to start.
pub struct Config {
    /// The server's gRPC address, for example `https://10.0.0.1:7781`; without one the saved
    /// catalogue is all there is.
    pub server: Option<String>,
    /// Data folder: `catalogue`, `artifacts/` and `identity/secrets-key` live in it.
    pub data: PathBuf,
    /// Who this is and whom it trusts.
    pub identity: Identity,
    pub node: NodeId,
    /// Of this program.
    pub version: String,
    /// Where people call functions.
    pub public_url: String,
    /// Suffix of the host names of functions.
    pub domain: String,
    /// Where the server reaches `SidecarAdmin`, host:port.
    pub peer_address: String,
    /// Handed to other sidecars as a seed, host:port.
    pub gossip_address: String,
    /// How far functions are isolated here.
    pub isolation: Isolation,
    /// Bytes of artifacts kept besides those in use; [`DEFAULT_CACHE_BYTES`].
    pub artifact_cache_bytes: u64,
}

/// Why the control client could not be started. The server being away is no reason.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server's address is none.
    #[error(transparent)]
    Address(#[from] identity::Error),
    /// The data folder cannot be used.
    #[error("the data folder {} cannot be used: {cause}", folder.display())]
    Folder {
        folder: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

/// Never dialled but for an artifact, whose error then shows it.
const NO_SERVER: &str = "https://no-server-configured.invalid";

/// The catalogue, reports to the server, artifacts. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    watcher: Arc<Watcher>,
    saver: Arc<Saver>,
    artifacts: Arc<Artifacts>,
    /// Host of the server's address.
    server_host: Option<String>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Loads the saved catalogue, then keeps it up to date until [`Handle::stop`].
///
/// # Errors
/// When the server's address is none or the data folder cannot be used.
pub async fn spawn(config: Config) -> Result<Handle, Error> {
    let has_server = config.server.is_some();
    let address = config.server.unwrap_or_else(|| NO_SERVER.to_owned());
    let host = address.parse::<http::Uri>().ok();
    let host = host.and_then(|uri| uri.host().map(str::to_owned));
    let endpoint = identity::endpoint(&address)?
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true);
    // An artifact on its way must not share a window, nor a broken connection, with config.
    let connect = || gateless_identity::channel(&endpoint, &config.identity, Expect::Server);
    let folder = config.data.clone();
    let (log, state, artifacts) = blocking(move || {
        let (log, state) = load(&folder)?;
        let artifacts = artifacts::Folder::open(folder.join("artifacts"))?;
        Ok((log, state, artifacts))
    })
    .await
    .map_err(|cause| Error::Folder {
        folder: config.data,
        cause,
    })?;
    let sealing_key = state.own().recipient();
    let saver = Arc::new(Saver::new(state));
    let hello = WatchHello {
        node_id: config.node.to_string(),
        version: config.version,
        public_url: config.public_url,
        domain: config.domain,
        peer_address: config.peer_address,
        gossip_address: config.gossip_address,
        catalogue_id: String::new(),
        catalogue_version: 0,
        isolation: Some(config.isolation),
        holds: None,
        sealing_key,
    };
    let watcher = Arc::new(Watcher::new(
        connect(),
        config.identity.clone(),
        hello,
        saver.clone(),
    ));
    let cache_bytes = config.artifact_cache_bytes;
    let artifacts = Artifacts::new(
        artifacts,
        connect(),
        watcher.catalogue(),
        watcher.connected(),
        cache_bytes,
    );
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    tasks.spawn(persist::run(saver.clone(), log, stop.clone()));
    let (running, stopped) = (watcher.clone(), stop.clone());
    tasks.spawn(async move {
        let run = async {
            if has_server {
                running.run().await
            } else {
                std::future::pending().await
            }
        };
        tokio::select! {
            () = run => {}
            () = stopped.cancelled() => {}
        }
        running.stopped();
    });
    tasks.close();
    Ok(Handle {
        watcher,
        saver,
        artifacts: Arc::new(artifacts),
        server_host: host.filter(|_| has_server),
        stop,
        tasks,
    })
}

fn load(folder: &std::path::Path) -> io::Result<(LastGood, State)> {
    let key = Folder::new(folder).opening_key();
    let own = sealed::Own::new(key.map_err(io::Error::other)?);
    let (log, records) = LastGood::open(folder)?;
    let mut state = State::new(own);
    for record in records {
        match record {
            Record::Changes(changes) => {
                if let Err(error) = state.apply(changes) {
                    tracing::error!(%error, "a saved change is skipped");
                }
            }
            Record::Rejected(ack) => state.set_rejections(ack.rejected),
        }
    }
    Ok((log, state))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

impl Handle {
    /// The catalogue now, and every change of it.
    #[must_use]
    pub fn catalogue(&self) -> channel::Receiver<Arc<Catalogue>> {
        self.watcher.catalogue()
    }

    /// Whether the server's stream is up. False is normal.
    #[must_use]
    pub fn connected(&self) -> channel::Receiver<bool> {
        self.watcher.connected()
    }

    /// The catalogue version that a restart would begin with.
    #[must_use]
    pub fn saved_version(&self) -> channel::Receiver<u64> {
        self.saver.saved_version()
    }

    /// Whether one has come, ever.
    #[must_use]
    pub fn has_catalogue(&self) -> bool {
        self.saver.with_state(|s| !s.catalogue.id.is_empty())
    }

    /// Why the server's catalogue is not taken; `None`: it is, or there is none.
    #[must_use]
    pub fn refused(&self) -> channel::Receiver<Option<CatalogueRefusal>> {
        self.watcher.refused()
    }

    /// From now on artifacts come from peers when they do not from the server.
    pub(crate) fn fetch_from(&self, peers: cluster::Handle) {
        self.artifacts.fetch_from(peers);
    }

    /// What this sidecar runs; replaces an earlier report that is still unsent, and is sent
    /// again whenever the server comes back.
    pub fn report(&self, report: StatusReport) {
        self.watcher.report(report);
    }

    /// The functions this sidecar owns, `namespace/name`; sent again whenever the server comes back.
    pub fn own(&self, functions: Vec<String>) {
        self.watcher.own(functions);
    }

    /// `host:port` of the server's management API, once the server has told it.
    #[must_use]
    pub fn api_address(&self) -> Option<String> {
        let port = Some(self.watcher.api_port()).filter(|port| *port != 0)?;
        Some(format!("{}:{port}", self.server_host.as_ref()?))
    }

    /// The artifact with this digest as a file if it is here already.
    #[must_use]
    pub fn artifact_here(&self, sha256: &str) -> Option<PathBuf> {
        self.artifacts.here(sha256)
    }

    /// The artifact with this digest as a file, fetched from the server unless it is cached.
    /// The file is read-only and shared. One fetch serves all who ask at the same time.
    ///
    /// # Errors
    /// When it is not cached and cannot be fetched.
    pub async fn fetch_artifact(&self, sha256: &str) -> Result<PathBuf, FetchError> {
        self.artifacts.fetch(sha256).await
    }

    /// Cancelled when it is to stop.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Ends the stream and saves what is not saved yet.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}
