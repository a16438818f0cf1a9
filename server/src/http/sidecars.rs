//! Sidecars: who is connected, and what they have of the catalogue.

use axum::extract::State;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::Query;
use super::openapi::Problems;
use super::page::{self, PageQuery, list};
use super::problem::Problem;
use crate::auth::Principal;
use crate::sidecars::Sidecar;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_sidecars))
}

/// A sidecar.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sidecar)]
pub(super) struct SidecarBody {
    /// Its id, for as long as its data folder lives.
    node_id: String,
    /// Whether its config stream is up.
    connected: bool,
    /// The program's version.
    version: String,
    /// Where people call functions.
    #[schema(example = "http://10.0.0.1:8080")]
    public_url: String,
    /// Where peers and the server reach it.
    peer_address: String,
    /// Its gossip address.
    gossip_address: String,
    /// When it last connected.
    #[schema(value_type = String, format = DateTime)]
    connected_at: Timestamp,
    /// When it last said anything.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
    /// The catalogue version it applied.
    config_version: u64,
    /// How many versions that is behind the newest it must have; 0: it is up to date.
    lag: u64,
    /// Resources it refused; the last good ones stay in force.
    rejections: Vec<RejectionBody>,
    /// Instances it runs.
    instances: usize,
    /// Calls it holds.
    held: u64,
    /// Calls in its queue.
    async_queued: u64,
}

/// A resource a sidecar refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rejection)]
struct RejectionBody {
    /// `functions/NAMESPACE/NAME`, `secrets/NAMESPACE/NAME` or `triggers/NAMESPACE/NAME`.
    resource: String,
    /// Why.
    reason: String,
}

list!(
    /// Sidecars by id: those connected, and those gone for less than a day.
    SidecarList as SidecarList of SidecarBody
);

#[utoipa::path(
    get, path = "/v1/sidecars", tag = "sidecars",
    operation_id = "listSidecars", summary = "List sidecars and how they are",
    description = "A token of one namespace sees rejections of that namespace only.",
    params(PageQuery),
    responses((status = 200, description = "A page of sidecars, by id.", body = SidecarList), Problems),
)]
async fn list_sidecars(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Query(query): Query<PageQuery>,
) -> Result<Json<SidecarList>, Problem> {
    let newest = api.service.newest_pushed();
    let namespace = principal.token.namespace.as_str();
    let visible = |resource: &str| {
        namespace == "*" || resource.split('/').nth(1).is_some_and(|ns| ns == namespace)
    };
    let body = |sidecar: Sidecar| SidecarBody {
        node_id: sidecar.node_id,
        connected: sidecar.connected,
        version: sidecar.hello.version,
        public_url: sidecar.hello.public_url,
        peer_address: sidecar.hello.peer_address,
        gossip_address: sidecar.hello.gossip_address,
        connected_at: sidecar.connected_at,
        last_seen_at: sidecar.last_seen_at,
        config_version: sidecar.applied_version,
        lag: newest
            .max(sidecar.sent_version)
            .saturating_sub(sidecar.applied_version),
        rejections: sidecar
            .rejections
            .into_iter()
            .filter(|(resource, _)| visible(resource))
            .map(|(resource, reason)| RejectionBody { resource, reason })
            .collect(),
        instances: sidecar.instances,
        held: sidecar.held,
        async_queued: sidecar.async_queued,
    };
    let items = api
        .service
        .registry()
        .list()
        .into_iter()
        .map(body)
        .collect();
    let key = |sidecar: &SidecarBody| sidecar.node_id.clone();
    let (items, next_page_token) = page::cut(items, key, &query)?;
    Ok(Json(SidecarList {
        items,
        next_page_token,
    }))
}
