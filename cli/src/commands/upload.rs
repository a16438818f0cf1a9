//! Bundles to the server: only what it does not have, streamed, with progress.
//!
//! Deliberately no resuming: an upload that breaks is started again from its beginning.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Body, Method};
use tokio_util::io::ReaderStream;

use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::manifest::units::show_bytes;
use crate::output::Output;
use crate::pack::Artifact;

const CHUNK: usize = 64 << 10;
/// Of a whole upload: 256 MiB at about 1 MiB/s.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Makes sure the server has the bundle.
pub(crate) async fn upload(
    client: &Client,
    out: &mut Output,
    artifact: &Artifact,
) -> Result<(), Failure> {
    let path = client.path(&["artifacts", &artifact.sha256]);
    let short = &artifact.sha256[..12];
    if is_there(client, &path).await? {
        out.note(format!("bundle {short} is already on the server"));
        return Ok(());
    }
    let size = show_bytes(artifact.size);
    out.note(format!("uploading bundle {short}, {size}"));

    let file = artifact
        .file
        .try_clone()
        .map_err(|e| Failure::io("cannot read the packed bundle", &e))?;
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let stream =
        ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK).inspect(move |chunk| {
            let bytes = chunk.as_ref().map_or(0, |c| c.len() as u64);
            counter.fetch_add(bytes, Ordering::Relaxed);
        });
    let request = client
        .request(Method::PUT, &path)
        .header("content-length", artifact.size)
        .header("content-type", "application/octet-stream")
        .timeout(UPLOAD_TIMEOUT)
        .body(Body::wrap_stream(stream));
    let mut upload = std::pin::pin!(client.stream(request));
    let mut tick = tokio::time::interval(PROGRESS_INTERVAL);
    loop {
        tokio::select! {
            result = &mut upload => return result.map(drop),
            _ = tick.tick() => {
                let done = show_bytes(sent.load(Ordering::Relaxed));
                out.status(format!("uploading {done} of {size}"));
            }
        }
    }
}

async fn is_there(client: &Client, path: &str) -> Result<bool, Failure> {
    let request = client
        .request(Method::HEAD, path)
        .timeout(Duration::from_secs(30));
    match client.stream(request).await {
        Ok(_) => Ok(true),
        Err(failure) if matches!(failure.exit(), Exit::Unreachable | Exit::Timeout) => Err(failure),
        // A HEAD has no body to explain itself; the PUT will say why.
        Err(_) => Ok(false),
    }
}
