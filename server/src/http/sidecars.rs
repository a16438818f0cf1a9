//! Sidecars: who is connected, and what they have of the catalogue.

use std::collections::HashMap;

use axum::extract::State;
use axum::{Extension, Json};
use gateless_common::problem::Code;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{Query, SidecarPath};
use super::join_tokens::timestamp;
use super::openapi::Problems;
use super::page::{self, PageQuery, list};
use super::problem::Problem;
use crate::auth::Principal;
use crate::domain::conditions::{self, Condition};
use crate::sidecars::Sidecar;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_sidecars))
        .routes(routes!(drain_sidecar))
        .routes(routes!(resume_sidecar))
        .routes(routes!(revoke_sidecar))
        .routes(routes!(delete_sidecar))
}

/// A sidecar.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sidecar)]
pub(super) struct SidecarBody {
    /// Its id, for as long as its data folder lives.
    id: String,
    /// The same as `id`.
    node_id: String,
    /// Whether its config stream is up.
    connected: bool,
    /// The program's version.
    version: String,
    /// Where people call functions.
    #[schema(example = "http://10.0.0.1:8080")]
    public_url: String,
    /// Functions are called by the host name `NAME.NAMESPACE.DOMAIN` there, too; empty: it did not say.
    #[schema(example = "localhost")]
    domain: String,
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
    catalogue_version: u64,
    /// The same as `catalogue_version`.
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
    /// It starts no instances and gives up those it has as soon as others have as many ready; calls
    /// through it go on.
    draining: bool,
    /// How it is: `Isolated`, `CatalogueTaken`.
    conditions: Vec<Condition>,
    /// The functions it owns (whose scaling it decides), as `NAMESPACE/NAME`.
    owns: Vec<String>,
    /// When its certificate ends, unless it is renewed before, as it is at half of its life.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_expires_at: Option<Timestamp>,
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

/// All of a sidecar.
async fn body(api: &Api, sidecar: Sidecar) -> Result<SidecarBody, Problem> {
    let certificates = certificates(api).await?;
    Ok(shaped(api, sidecar, "*", &certificates))
}

/// When each sidecar's certificate ends.
async fn certificates(api: &Api) -> Result<HashMap<String, Timestamp>, Problem> {
    let nodes = api.identities.nodes().await?;
    let ends = nodes.into_iter();
    let ends = ends.map(|node| (node.node_id, timestamp(node.expires_at)));
    Ok(ends.collect())
}

/// What a token of `namespace` may see of a sidecar.
fn shaped(
    api: &Api,
    sidecar: Sidecar,
    namespace: &str,
    certificates: &HashMap<String, Timestamp>,
) -> SidecarBody {
    let lag = api.service.lag(&sidecar);
    let is_visible = |ns: Option<&str>| namespace == "*" || ns == Some(namespace);
    let owned = sidecar.owns.iter();
    let owned = owned.filter(|function| is_visible(function.split('/').next()));
    let isolation = sidecar.hello.isolation.clone().unwrap_or_default();
    let isolated = conditions::isolated(&isolation.level, &isolation.missing, isolation.whole);
    let kept = sidecar.holds.as_ref().map_or(0, |held| held.version);
    let taken = conditions::catalogue_taken(sidecar.refused.as_deref(), kept);
    SidecarBody {
        lag,
        certificate_expires_at: certificates.get(&sidecar.node_id).copied(),
        id: sidecar.node_id.clone(),
        node_id: sidecar.node_id,
        connected: sidecar.connected,
        version: sidecar.hello.version,
        public_url: sidecar.hello.public_url,
        domain: sidecar.hello.domain,
        peer_address: sidecar.hello.peer_address,
        gossip_address: sidecar.hello.gossip_address,
        connected_at: sidecar.connected_at,
        last_seen_at: sidecar.last_seen_at,
        catalogue_version: sidecar.applied_version,
        config_version: sidecar.applied_version,
        rejections: sidecar
            .rejections
            .into_iter()
            .filter(|(resource, _)| is_visible(resource.split('/').nth(1)))
            .map(|(resource, reason)| RejectionBody { resource, reason })
            .collect(),
        instances: sidecar.instances,
        held: sidecar.held,
        async_queued: sidecar.async_queued,
        draining: sidecar.draining,
        conditions: [isolated, taken]
            .map(|found| Condition::since(found, sidecar.connected_at))
            .into(),
        owns: owned.cloned().collect(),
    }
}

#[utoipa::path(
    get, path = "/v1/sidecars", tag = "sidecars",
    operation_id = "listSidecars", summary = "List sidecars and how they are",
    description = "A token of one namespace sees rejections and functions of that namespace only.",
    params(PageQuery),
    responses((status = 200, description = "A page of sidecars, by id.", body = SidecarList), Problems),
)]
async fn list_sidecars(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Query(query): Query<PageQuery>,
) -> Result<Json<SidecarList>, Problem> {
    let namespace = principal.token.namespace.as_str();
    let all = api.service.registry().list().into_iter();
    let certificates = certificates(&api).await?;
    let items = all
        .map(|sidecar| shaped(&api, sidecar, namespace, &certificates))
        .collect();
    let key = |sidecar: &SidecarBody| sidecar.node_id.clone();
    let (items, next_page_token) = page::cut(items, key, &query)?;
    Ok(Json(SidecarList {
        items,
        next_page_token,
    }))
}

#[utoipa::path(
    post, path = "/v1/sidecars/{id}/drain", tag = "sidecars",
    operation_id = "drainSidecar", summary = "Move a sidecar's instances elsewhere",
    description = "It starts no instances any more and gives up those it has once other sidecars have as many \
        ready; where no other has room they stay. Calls through it go on, and none is lost. The sidecar keeps \
        to it over a restart, until it is resumed.",
    params(SidecarPath),
    responses((status = 200, description = "The sidecar now; instances says how many are left.", body = SidecarBody), Problems),
)]
async fn drain_sidecar(
    State(api): State<Api>,
    path: SidecarPath,
) -> Result<Json<SidecarBody>, Problem> {
    let sidecar = api.service.set_draining(&path.id, true).await?;
    Ok(Json(body(&api, sidecar).await?))
}

#[utoipa::path(
    post, path = "/v1/sidecars/{id}/resume", tag = "sidecars",
    operation_id = "resumeSidecar", summary = "Let a drained sidecar run instances again",
    description = "Instances come back as they are needed; none is moved.",
    params(SidecarPath),
    responses((status = 200, description = "The sidecar now.", body = SidecarBody), Problems),
)]
async fn resume_sidecar(
    State(api): State<Api>,
    path: SidecarPath,
) -> Result<Json<SidecarBody>, Problem> {
    let sidecar = api.service.set_draining(&path.id, false).await?;
    Ok(Json(body(&api, sidecar).await?))
}

#[utoipa::path(
    post, path = "/v1/sidecars/{id}/revoke", tag = "sidecars",
    operation_id = "revokeSidecar", summary = "Take a sidecar's identity back",
    description = "Its certificates are good for nothing from now on: its connections are cut, it hears no gossip \
        and gets no calls. With a new join token it may join again.",
    params(SidecarPath),
    responses((status = 204, description = "It is out."), Problems),
)]
async fn revoke_sidecar(State(api): State<Api>, path: SidecarPath) -> Result<StatusCode, Problem> {
    api.identities.revoke(&path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    delete, path = "/v1/sidecars/{id}", tag = "sidecars",
    operation_id = "deleteSidecar", summary = "Say that a sidecar is gone for good",
    description = "For one whose disk is lost. It is revoked, its id never joins again, and its calls are lost: what \
        asks about them is answered with 410 `call_lost` from now on, here and at every sidecar. One that is connected is \
        not gone, which is 409.",
    params(SidecarPath),
    responses((status = 204, description = "It is removed, or was before."), Problems),
)]
async fn delete_sidecar(State(api): State<Api>, path: SidecarPath) -> Result<StatusCode, Problem> {
    let registry = api.service.registry();
    if registry
        .get(&path.id)
        .is_some_and(|sidecar| sidecar.connected)
    {
        let text = format!("sidecar {} is connected, so it is not gone", path.id);
        return Err(Problem::new(Code::SidecarConnected, text)
            .hint("stop it first, or revoke it if it is not to be trusted"));
    }
    api.identities.remove(&path.id).await?;
    registry.forget(&path.id);
    Ok(StatusCode::NO_CONTENT)
}
