//! `CopyService`: copies that other sidecars have held here. Only translation; only sidecars may ask, which is checked before.

use std::sync::Arc;

use gateless_proto::v1;
use gateless_proto::v1::copy_service_server::CopyService;
use tonic::{Request, Response, Status};

use super::proven;
use crate::queue::Copying;
use crate::queue::wire::status;

/// Over this sidecar's copies.
pub(crate) struct Service(pub(crate) Arc<Copying>);

#[tonic::async_trait]
impl CopyService for Service {
    async fn hold(
        &self,
        request: Request<v1::HoldCopiesRequest>,
    ) -> Result<Response<v1::HoldCopiesResponse>, Status> {
        let held = self.0.hold(request.into_inner()).await;
        Ok(Response::new(held.map_err(status)?))
    }

    async fn standings(
        &self,
        request: Request<v1::StandingsRequest>,
    ) -> Result<Response<v1::StandingsResponse>, Status> {
        let standings = self.0.standings(request.into_inner()).await;
        Ok(Response::new(standings.map_err(status)?))
    }

    async fn claims(
        &self,
        request: Request<v1::ClaimsRequest>,
    ) -> Result<Response<v1::ClaimsResponse>, Status> {
        let from = proven(&request)?;
        let request = request.into_inner();
        // A sidecar claims for itself alone.
        if request
            .claims
            .iter()
            .any(|claim| claim.node_id != from.as_str())
        {
            return Err(Status::permission_denied(
                "claims: they are another sidecar's",
            ));
        }
        let judged = self.0.judge(request).await;
        Ok(Response::new(judged.map_err(status)?))
    }

    async fn taken_on(
        &self,
        request: Request<v1::TakenOnRequest>,
    ) -> Result<Response<v1::ClaimsRequest>, Status> {
        let from = proven(&request)?;
        let taken = self.0.taken_of(&from, request.into_inner()).await;
        Ok(Response::new(taken.map_err(status)?))
    }
}
