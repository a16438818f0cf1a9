//! What a sidecar passes on to others that do not reach the server: its catalogue and the artifacts it has.
//!
//! Deliberately no view of what is in them, nor of who may ask: the edge has checked that.

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use gateless_proto::v1::{ArtifactChunk, GetCatalogueRequest, WatchResponse};
use tonic::Status;

/// Answers in parts, which end with an error if something breaks.
pub(crate) type Parts<T> = BoxStream<'static, Result<T, Status>>;

/// Has something to pass on.
pub(crate) trait PassOn: Send + Sync + 'static {
    /// The catalogue, if it may replace what the other has; else nothing.
    fn catalogue(&self, request: &GetCatalogueRequest) -> Parts<WatchResponse>;

    /// An artifact that is here.
    fn artifact(&self, sha256: String) -> BoxFuture<'static, Result<Parts<ArtifactChunk>, Status>>;
}
