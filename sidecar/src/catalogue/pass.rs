//! The catalogue and the artifacts of this sidecar, for others that do not reach the server and for a server that lost its own.

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use gateless_identity::Recipient;
use gateless_proto::v1::{ArtifactChunk, GetCatalogueRequest, WatchResponse};
use tokio::io::AsyncReadExt;
use tonic::Status;

use super::{Handle, lineage, persist};
use crate::cluster::pass::{Parts, PassOn};

/// Of an artifact in one message.
const CHUNK_BYTES: usize = 64 * 1024;

impl PassOn for Handle {
    fn catalogue(&self, request: &GetCatalogueRequest) -> Parts<WatchResponse> {
        let (own, good, rejected, key) = self.saver.with_state(|s| {
            (
                s.catalogue.clone(),
                s.good(),
                s.rejections(),
                s.own().clone(),
            )
        });
        if !lineage::is_of_use(&own, request.holds.as_ref()) {
            return stream::empty().boxed();
        }
        let mut parts = persist::snapshot((&own.id, own.version), &own.ancestry, &good);
        // The first is always there; whoever takes the catalogue goes on refusing what was refused here.
        let first = parts.next().map(|first| WatchResponse {
            rejected,
            vanished: lineage::vanished(&own),
            ..first
        });
        let rest: Vec<_> = parts.collect();
        let to = Recipient::from_bytes(&request.sealing_key);
        // A part at a time, as it is asked for: each secret in it is sealed anew.
        let passed_on = move |mut part: WatchResponse| {
            let changes = std::mem::take(&mut part.changes).into_iter();
            let changes = changes.filter_map(|change| key.passed_on(change, to.as_ref()));
            part.changes = changes.collect();
            Ok(part)
        };
        stream::iter(first.into_iter().chain(rest).map(passed_on)).boxed()
    }

    fn artifact(&self, sha256: String) -> BoxFuture<'static, Result<Parts<ArtifactChunk>, Status>> {
        let path = self.artifact_here(&sha256);
        async move {
            let missing = || Status::not_found(format!("artifact {sha256} is not here"));
            let file = tokio::fs::File::open(path.ok_or_else(missing)?).await;
            let file = file.map_err(|error| Status::internal(error.to_string()))?;
            let chunks = stream::try_unfold(file, |mut file| async move {
                let mut data = vec![0; CHUNK_BYTES];
                let read = file.read(&mut data).await;
                let read = read.map_err(|error| Status::internal(error.to_string()))?;
                data.truncate(read);
                Ok((read > 0).then_some((ArtifactChunk { data }, file)))
            });
            Ok(chunks.boxed())
        }
        .boxed()
    }
}
