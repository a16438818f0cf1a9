//! `ConfigService`: what sidecars ask of the server. Only the cluster secret opens it.

mod watch;

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use gateless_common::secret::ClusterSecret;
use gateless_proto::v1::config_service_server::{ConfigService, ConfigServiceServer};
use gateless_proto::v1::{ArtifactChunk, FetchArtifactRequest, WatchRequest, WatchResponse};
use tokio_util::sync::CancellationToken;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status, Streaming};

use crate::metrics::Metrics;
use crate::service::Service;
use crate::store::blobs::Error as ArtifactError;

/// A status report of a host with very many instances is larger than tonic's default of 4 MiB.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// The service's implementation.
pub struct Config {
    service: Arc<Service>,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
}

/// Lets those in who show the cluster secret.
#[derive(Clone)]
pub struct Check(ClusterSecret);

impl Interceptor for Check {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let value = request.metadata().get("authorization");
        let given = value.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        match given.is_some_and(|given| self.0.matches(given)) {
            true => Ok(request),
            false => Err(Status::unauthenticated(
                "this needs authorization: Bearer CLUSTER_SECRET; every part must be given the same one",
            )),
        }
    }
}

/// The service, ready to be served.
pub fn server(
    service: Arc<Service>,
    metrics: Arc<Metrics>,
    secret: &ClusterSecret,
    shutdown: CancellationToken,
) -> InterceptedService<ConfigServiceServer<Config>, Check> {
    let config = Config {
        service,
        metrics,
        shutdown,
    };
    let server = ConfigServiceServer::new(config).max_decoding_message_size(MAX_MESSAGE_BYTES);
    InterceptedService::new(server, Check(secret.clone()))
}

#[tonic::async_trait]
impl ConfigService for Config {
    type WatchStream = BoxStream<'static, Result<WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let stream = watch::open(
            Arc::clone(&self.service),
            Arc::clone(&self.metrics),
            request.into_inner(),
            self.shutdown.clone(),
        );
        Ok(Response::new(stream))
    }

    type FetchArtifactStream = BoxStream<'static, Result<ArtifactChunk, Status>>;

    async fn fetch_artifact(
        &self,
        request: Request<FetchArtifactRequest>,
    ) -> Result<Response<Self::FetchArtifactStream>, Status> {
        let sha256 = request.into_inner().sha256;
        let digest = sha256
            .parse()
            .map_err(|error: ArtifactError| Status::invalid_argument(error.to_string()))?;
        let artifact = match self.service.artifacts().get(digest).await {
            Ok(Some(artifact)) => artifact,
            Ok(None) => return Err(Status::not_found(format!("there is no artifact {sha256}"))),
            Err(error) => {
                tracing::error!(%error, sha256, "an artifact cannot be read");
                return Err(Status::internal("the artifact cannot be read"));
            }
        };
        let chunks = artifact.content.map(|chunk| match chunk {
            Ok(data) => Ok(ArtifactChunk { data: data.into() }),
            Err(error) => {
                tracing::error!(%error, "an artifact cannot be read");
                Err(Status::internal("the artifact cannot be read"))
            }
        });
        Ok(Response::new(chunks.boxed()))
    }
}
