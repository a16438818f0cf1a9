//! What the parts of this sidecar ask the others: permits, what schedules have fired, and calls of idempotency keys.
//!
//! Only translation: whom to ask, and what an answer means, is for who asks.

use std::time::Duration;

use futures_util::future::BoxFuture;
use gateless_core::name::{NodeId, RevisionName};
use gateless_proto::v1;
use gateless_proto::v1::copy_service_client::CopyServiceClient;
use gateless_proto::v1::sidecar_admin_client::SidecarAdminClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::call::Reserve;
use crate::queue::copies;
use crate::queue::home::Others;
use crate::queue::types::CallId;
use crate::{cluster, trigger};

/// The other sidecars.
pub(super) struct Peers(pub(super) cluster::Handle);

impl Peers {
    fn client(&self, node: &NodeId) -> Result<SidecarAdminClient<Channel>, Status> {
        let channel = self.0.channel(node).map(SidecarAdminClient::new);
        channel.ok_or_else(|| Status::unavailable("it is no member"))
    }

    fn copies(&self, node: &NodeId) -> Result<CopyServiceClient<Channel>, Status> {
        let channel = self.0.channel(node).map(CopyServiceClient::new);
        channel.ok_or_else(|| Status::unavailable("it is no member"))
    }
}

impl Reserve for Peers {
    fn reserve(
        &self,
        node: &NodeId,
        revision: &RevisionName,
        ttl: Duration,
    ) -> BoxFuture<'static, Option<String>> {
        let (handle, node, revision) = (self.0.clone(), node.clone(), revision.clone());
        Box::pin(async move {
            handle
                .reserve(&node, &revision, ttl)
                .await
                .unwrap_or_else(|status| {
                    tracing::debug!(peer = %node, %status, "no permit from a peer");
                    None
                })
        })
    }
}

impl trigger::Peers for Peers {
    fn share(
        &self,
        to: &NodeId,
        levels: v1::TriggerLevels,
    ) -> BoxFuture<'static, Result<v1::TriggerLevels, Status>> {
        let client = self.client(to);
        Box::pin(async move { Ok(client?.share_triggers(levels).await?.into_inner()) })
    }

    fn is_open(&self, at: &NodeId, id: &CallId) -> BoxFuture<'static, Result<bool, Status>> {
        let client = self.client(at);
        let request = v1::CallRequest {
            id: id.to_string(),
            proof: Vec::new(),
        };
        Box::pin(async move {
            match client?.get_call(request).await {
                Ok(call) => Ok(call.into_inner().finished_at_ms == 0),
                Err(status) if status.code() == Code::NotFound => Ok(false),
                Err(status) => Err(status),
            }
        })
    }
}

impl Others for Peers {
    fn live(&self) -> Vec<NodeId> {
        let members = self.0.members();
        let members = members.borrow();
        members.iter().map(|member| member.node.clone()).collect()
    }

    fn accept(
        &self,
        to: &NodeId,
        request: v1::AcceptCallsRequest,
    ) -> BoxFuture<'static, Result<v1::AcceptCallsResponse, Status>> {
        let client = self.client(to);
        Box::pin(async move { Ok(client?.accept_calls(request).await?.into_inner()) })
    }

    fn find(
        &self,
        at: &NodeId,
        request: v1::FindKeysRequest,
    ) -> BoxFuture<'static, Result<v1::FindKeysResponse, Status>> {
        let client = self.client(at);
        Box::pin(async move { Ok(client?.find_keys(request).await?.into_inner()) })
    }
}

impl copies::Others for Peers {
    fn live(&self) -> Vec<NodeId> {
        Others::live(self)
    }

    fn is_removed(&self, node: &NodeId) -> bool {
        self.0.is_removed(node)
    }

    fn hold(
        &self,
        at: &NodeId,
        request: v1::HoldCopiesRequest,
    ) -> BoxFuture<'static, Result<v1::HoldCopiesResponse, Status>> {
        let client = self.copies(at);
        Box::pin(async move { Ok(client?.hold(request).await?.into_inner()) })
    }

    fn standings(
        &self,
        at: &NodeId,
        request: v1::StandingsRequest,
    ) -> BoxFuture<'static, Result<v1::StandingsResponse, Status>> {
        let client = self.copies(at);
        Box::pin(async move { Ok(client?.standings(request).await?.into_inner()) })
    }

    fn claims(
        &self,
        to: &NodeId,
        request: v1::ClaimsRequest,
    ) -> BoxFuture<'static, Result<v1::ClaimsResponse, Status>> {
        let client = self.copies(to);
        Box::pin(async move { Ok(client?.claims(request).await?.into_inner()) })
    }

    fn taken_on(
        &self,
        at: &NodeId,
        request: v1::TakenOnRequest,
    ) -> BoxFuture<'static, Result<v1::ClaimsRequest, Status>> {
        let client = self.copies(at);
        Box::pin(async move { Ok(client?.taken_on(request).await?.into_inner()) })
    }
}
