//! `IdentityService`: how a sidecar gets its certificate, and the next one.

use std::sync::Arc;

use gateless_identity::Peer;
use gateless_proto::v1::identity_service_server::{IdentityService, IdentityServiceServer};
use gateless_proto::v1::{Certificate, JoinRequest, RenewRequest};
use tonic::{Request, Response, Status};

use crate::identity::{Error, Identities};

/// A token and a signing request: a few hundred bytes each.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;

/// The service's implementation.
pub(super) struct Identity(Arc<Identities>);

/// The service, ready to be served.
pub(super) fn server(identities: Arc<Identities>) -> IdentityServiceServer<Identity> {
    let server = IdentityServiceServer::new(Identity(identities));
    server.max_decoding_message_size(MAX_MESSAGE_BYTES)
}

#[tonic::async_trait]
impl IdentityService for Identity {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<Certificate>, Status> {
        let joined = self.0.join(request.into_inner()).await;
        joined.map(Response::new).map_err(|error| status(&error))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<Certificate>, Status> {
        let peer = request.extensions().get::<Option<Peer>>();
        let peer = peer.cloned().flatten();
        let peer = peer.filter(|peer| peer.id.sidecar().is_some());
        let peer =
            peer.ok_or_else(|| Status::unauthenticated("only a sidecar has one to renew"))?;
        let renewed = self.0.renew(&peer, request.into_inner()).await;
        renewed.map(Response::new).map_err(|error| status(&error))
    }
}

fn status(error: &Error) -> Status {
    let text = error.to_string();
    match error {
        Error::BadToken | Error::UnknownNode(_) => Status::unauthenticated(text),
        Error::Taken(_) => Status::already_exists(format!(
            "{text}; gateless sidecars revoke it first, if this is meant to be it"
        )),
        Error::Removed(_) => Status::permission_denied(format!(
            "{text}; start it on an empty data folder, so that it is another one"
        )),
        Error::Request(_) => Status::invalid_argument(text),
        Error::TooManyNodes | Error::TooManyTokens => Status::resource_exhausted(text),
        Error::Contended => Status::aborted(text),
        _ => {
            tracing::error!(%error, "a certificate cannot be issued");
            Status::unavailable("the certificate cannot be issued now")
        }
    }
}
