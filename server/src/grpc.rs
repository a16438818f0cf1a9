//! `ConfigService` and `IdentityService`: what sidecars ask of the server.
//!
//! Who asks is proven by the connection's certificate; only who joins has none yet.

mod identity;
mod sealed;
mod watch;

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use gateless_identity::{Identity, Peer};
use gateless_proto::v1::config_service_server::{ConfigService, ConfigServiceServer};
use gateless_proto::v1::{ArtifactChunk, FetchArtifactRequest, WatchRequest, WatchResponse};
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::service::{Interceptor, Routes};
use tonic::{Request, Response, Status, Streaming};

use crate::identity::Identities;
use crate::metrics::Metrics;
use crate::service::Service;
use crate::store::blobs::Error as ArtifactError;

/// A status report of a host with very many instances is larger than tonic's default of 4 MiB.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// The service's implementation.
pub struct Config {
    service: Arc<Service>,
    identity: Identity,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
}

/// Lets sidecars in whose certificate has not ended: with one that has, a sidecar can do no more than renew it.
#[derive(Clone, Copy)]
pub struct Check;

impl Interceptor for Check {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let peer = request.extensions().get::<Option<Peer>>();
        match peer.and_then(Option::as_ref) {
            None => Err(Status::unauthenticated(
                "only a sidecar that has joined may ask this: it shows no certificate",
            )),
            Some(peer) if peer.id.sidecar().is_none() => Err(Status::permission_denied(format!(
                "only a sidecar may ask this, and {} is none",
                peer.id
            ))),
            Some(peer) if peer.expired => Err(Status::unauthenticated(
                "the certificate has ended; renew it first",
            )),
            Some(_) => Ok(request),
        }
    }
}

/// Both services, ready to be served over connections of [`Identities::identity`].
pub fn routes(
    service: Arc<Service>,
    identities: Arc<Identities>,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) -> Routes {
    let config = Config {
        service,
        identity: identities.identity().clone(),
        metrics,
        shutdown,
    };
    let server = ConfigServiceServer::new(config).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let mut routes = Routes::builder();
    routes
        .add_service(InterceptedService::new(server, Check))
        .add_service(identity::server(identities));
    routes.routes()
}

#[tonic::async_trait]
impl ConfigService for Config {
    type WatchStream = BoxStream<'static, Result<WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let peer = request.extensions().get::<Option<Peer>>();
        let node = peer.and_then(|peer| peer.as_ref()?.id.sidecar());
        let node = node.unwrap_or_default().to_owned();
        let stream = watch::open(
            watch::Parts {
                service: Arc::clone(&self.service),
                identity: self.identity.clone(),
                metrics: Arc::clone(&self.metrics),
            },
            node,
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
