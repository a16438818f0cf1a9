//! Bundles by digest, fetched once and kept: `DATA/artifacts/<sha256>`.
//!
//! A file gets its name only after its digest was checked and it is on disk, so a file that
//! is there is right. The cache forgets what was used longest ago, never what the catalogue
//! names. Unpacking is the driver's.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gateless_common::io::{move_into_place, private_dir, touch};
use gateless_common::limits::ARTIFACT_BYTES;
use gateless_common::name::is_sha256;
use gateless_core::config::Function;
use gateless_proto::v1::config_service_client::ConfigServiceClient;
use gateless_proto::v1::peer_service_client::PeerServiceClient;
use gateless_proto::v1::{ArtifactChunk, FetchArtifactRequest};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tonic::{Code, Response, Status, Streaming};

use super::state::Catalogue;
use super::{ServerChannel, blocking};
use crate::cluster;

/// 10 GiB.
pub const DEFAULT_CACHE_BYTES: u64 = 10 << 30;

/// Without a byte from the server.
const STALLED: Duration = Duration::from_secs(30);
const TEMPORARY: &str = ".fetching-";

/// Why an artifact is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The text is no digest.
    #[error("{0:?} is not a SHA-256 digest: 64 lower-case hex digits")]
    Digest(String),
    /// Not cached, and the server cannot be asked now. Worth another try.
    #[error("artifact {sha256} is not cached and the server does not deliver it: {cause}")]
    Unavailable {
        sha256: String,
        /// The server's words.
        cause: Box<Status>,
    },
    /// The server does not have it.
    #[error("artifact {0} does not exist; upload it again")]
    NotFound(String),
    /// More than 256 MiB.
    #[error("artifact {0} is larger than {ARTIFACT_BYTES} bytes")]
    TooLarge(String),
    /// What came has another digest.
    #[error("artifact {sha256} came with digest {found}")]
    Mismatch { sha256: String, found: String },
    /// It cannot be kept.
    #[error("artifact {sha256} cannot be stored: {cause}")]
    Io {
        sha256: String,
        /// What the system says.
        cause: io::Error,
    },
}

/// The cache on disk.
pub(super) struct Folder {
    path: PathBuf,
    /// Of all artifacts in it, so that it is only listed when some must go.
    bytes: AtomicU64,
}

impl Folder {
    /// Creates it, and removes what an earlier run did not finish. Blocking.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        private_dir(&path)?;
        let mut bytes = 0;
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes()) {
                fs::remove_file(entry.path())?;
            } else if is_sha256(&name.to_string_lossy()) {
                bytes += entry.metadata()?.len();
            }
        }
        let bytes = AtomicU64::new(bytes);
        Ok(Self { path, bytes })
    }

    /// Removes the files used longest ago that are not in `keep` until at most `bound`
    /// bytes are left, or nothing that may go. Blocking.
    fn shrink(&self, bound: u64, keep: &HashSet<String>) -> io::Result<()> {
        let mut files = Vec::new();
        let mut total = 0;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_sha256(&name) {
                let metadata = entry.metadata()?;
                total += metadata.len();
                files.push((metadata.modified()?, metadata.len(), name));
            }
        }
        files.retain(|(_, _, name)| !keep.contains(name));
        files.sort();
        for (_, bytes, name) in files {
            if total <= bound {
                break;
            }
            fs::remove_file(self.path.join(&name))?;
            total -= bytes;
            tracing::info!(artifact = %name, bytes, "artifact dropped from the cache");
        }
        if total > bound {
            tracing::warn!(
                bytes = total,
                bound,
                "artifacts in use are more than the cache holds"
            );
        }
        self.bytes.store(total, Ordering::Relaxed);
        Ok(())
    }
}

/// Fetches and keeps artifacts.
pub(super) struct Artifacts {
    folder: Arc<Folder>,
    server: ServerChannel,
    catalogue: watch::Receiver<Arc<Catalogue>>,
    /// Whether the server is there.
    connected: watch::Receiver<bool>,
    bound: u64,
    /// Who may have what the server does not deliver.
    peers: OnceLock<cluster::Handle>,
    // One lock per digest on its way: the second to ask waits and finds the file.
    fetching: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Artifacts {
    pub(super) fn new(
        folder: Folder,
        server: ServerChannel,
        catalogue: watch::Receiver<Arc<Catalogue>>,
        connected: watch::Receiver<bool>,
        bound: u64,
    ) -> Self {
        Self {
            folder: Arc::new(folder),
            server,
            catalogue,
            connected,
            bound,
            peers: OnceLock::new(),
            fetching: Mutex::default(),
        }
    }

    /// One look at the folder, microseconds. What the catalogue names is never dropped from it,
    /// so its age need not be noted.
    pub(super) fn here(&self, sha256: &str) -> Option<PathBuf> {
        let path = is_sha256(sha256).then(|| self.folder.path.join(sha256))?;
        path.exists().then_some(path)
    }

    pub(super) async fn fetch(&self, sha256: &str) -> Result<PathBuf, FetchError> {
        if !is_sha256(sha256) {
            return Err(FetchError::Digest(sha256.chars().take(80).collect()));
        }
        let path = self.folder.path.join(sha256);
        if cached(&path).await {
            return Ok(path);
        }
        let turn = self
            .fetching
            .lock()
            .entry(sha256.to_owned())
            .or_default()
            .clone();
        let result = {
            let _turn = turn.lock().await;
            if cached(&path).await {
                Ok(path)
            } else {
                self.download(sha256, &path).await.map(|()| path)
            }
        };
        let mut fetching = self.fetching.lock();
        // Ours and the map's: nobody waits.
        if Arc::strong_count(&turn) == 2 {
            fetching.remove(sha256);
        }
        drop(fetching);
        result
    }

    /// From now on peers are asked for what the server does not deliver.
    pub(super) fn fetch_from(&self, peers: cluster::Handle) {
        if self.peers.set(peers).is_err() {
            tracing::error!("whom to ask for artifacts was said already");
        }
    }

    /// From the server, or from any peer that has it when the server does not deliver; from peers first while the server is away, as
    /// to find that out may take long. The digest says whether it is right.
    async fn download(&self, sha256: &str, path: &Path) -> Result<(), FetchError> {
        let is_there = *self.connected.borrow();
        if !is_there && self.ask_peers(sha256, path).await {
            return Ok(());
        }
        let mut server = ConfigServiceClient::new(self.server.clone());
        let answer = server.fetch_artifact(wanted(sha256));
        match self.keep(sha256, path, answer).await {
            Err(FetchError::Unavailable { .. } | FetchError::NotFound(_))
                if is_there && self.ask_peers(sha256, path).await =>
            {
                Ok(())
            }
            done => done,
        }
    }

    /// Whether a peer had it.
    async fn ask_peers(&self, sha256: &str, path: &Path) -> bool {
        let Some(peers) = self.peers.get() else {
            return false;
        };
        let members = peers.members().borrow().clone();
        for channel in members.iter().filter_map(|peer| peers.channel(&peer.node)) {
            let mut peer = PeerServiceClient::new(channel);
            let answer = peer.fetch_artifact(wanted(sha256));
            match self.keep(sha256, path, answer).await {
                Ok(()) => return true,
                Err(error) => tracing::debug!(%error, "no artifact from a peer"),
            }
        }
        false
    }

    async fn keep(
        &self,
        sha256: &str,
        path: &Path,
        answer: impl Future<Output = Result<Response<Streaming<ArtifactChunk>>, Status>>,
    ) -> Result<(), FetchError> {
        let unavailable = |status: Status| match status.code() {
            Code::NotFound => FetchError::NotFound(sha256.to_owned()),
            _ => FetchError::Unavailable {
                sha256: sha256.to_owned(),
                cause: Box::new(status),
            },
        };
        let io = |cause| FetchError::Io {
            sha256: sha256.to_owned(),
            cause,
        };
        let answer = tokio::time::timeout(STALLED, answer).await;
        let answer = answer.map_err(|_| unavailable(stalled()))?;
        let mut chunks = answer.map_err(unavailable)?.into_inner();
        // Dropped on any way out, cancellation included, and removed with it.
        let temporary = Temporary(self.folder.path.join(format!("{TEMPORARY}{sha256}")));
        let mut file = tokio::fs::File::create(&temporary.0).await.map_err(io)?;
        let mut hash = Sha256::new();
        let mut bytes = 0;
        while let Some(chunk) = next(&mut chunks).await.map_err(|s| unavailable(*s))? {
            bytes += chunk.data.len() as u64;
            if bytes > ARTIFACT_BYTES {
                return Err(FetchError::TooLarge(sha256.to_owned()));
            }
            hash.update(&chunk.data);
            file.write_all(&chunk.data).await.map_err(io)?;
        }
        let found = hex::encode(hash.finalize());
        if found != sha256 {
            return Err(FetchError::Mismatch {
                sha256: sha256.to_owned(),
                found,
            });
        }
        file.sync_all().await.map_err(io)?;
        drop(file);
        let (from, to) = (temporary.0.clone(), path.to_owned());
        blocking(move || move_into_place(&from, &to))
            .await
            .map_err(io)?;
        let before = self.folder.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.bound {
            self.shrink(sha256).await;
        }
        Ok(())
    }

    async fn shrink(&self, newest: &str) {
        let mut keep: HashSet<String> = {
            let catalogue = self.catalogue.borrow();
            catalogue
                .functions
                .values()
                .flat_map(|f| in_use(f))
                .collect()
        };
        keep.insert(newest.to_owned());
        let (folder, bound) = (self.folder.clone(), self.bound);
        if let Err(error) = blocking(move || folder.shrink(bound, &keep)).await {
            tracing::warn!(%error, "the artifact cache could not be shrunk");
        }
    }
}

fn wanted(sha256: &str) -> FetchArtifactRequest {
    FetchArtifactRequest {
        sha256: sha256.to_owned(),
    }
}

fn in_use(function: &Function) -> impl Iterator<Item = String> {
    function.revisions.iter().filter_map(|revision| {
        let artifact = revision.runtime.artifact();
        artifact.map(str::to_owned)
    })
}

/// Whether the file is there; marks it as used now.
async fn cached(path: &Path) -> bool {
    let path = path.to_owned();
    let touched = blocking(move || touch(&path)).await;
    touched.is_ok()
}

fn stalled() -> Status {
    Status::deadline_exceeded("not a byte came for 30 s")
}

async fn next(chunks: &mut Streaming<ArtifactChunk>) -> Result<Option<ArtifactChunk>, Box<Status>> {
    let next = tokio::time::timeout(STALLED, chunks.message()).await;
    Ok(next.map_err(|_| Box::new(stalled()))??)
}

/// Removes the file when dropped; after the rename there is none.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::SystemTime;

    #[test]
    fn cache_drops_what_was_used_longest_ago_but_nothing_in_use() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path().join("artifacts")).unwrap();
        let name = |c: char| c.to_string().repeat(64);
        for (age_secs, c) in [(4, 'a'), (3, 'b'), (2, 'c'), (1, 'd')] {
            let file = File::create(folder.path.join(name(c))).unwrap();
            file.set_len(10).unwrap();
            let modified = SystemTime::now() - Duration::from_secs(age_secs);
            file.set_modified(modified).unwrap();
        }
        let left = || -> String {
            let entries = fs::read_dir(&folder.path).unwrap();
            let mut left: Vec<_> = entries
                .map(|e| {
                    e.unwrap()
                        .file_name()
                        .to_string_lossy()
                        .chars()
                        .next()
                        .unwrap()
                })
                .collect();
            left.sort_unstable();
            left.into_iter().collect()
        };
        folder.shrink(20, &HashSet::from([name('a')])).unwrap();
        assert_eq!(left(), "ad");
        folder.shrink(5, &HashSet::from([name('a')])).unwrap();
        assert_eq!(left(), "a");
    }
}
