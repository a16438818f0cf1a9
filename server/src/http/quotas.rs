//! Quotas: what a namespace may have of what all share.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::conditional::{Change, DryRun, IfMatch, IfNoneMatch};
use super::extract::{Body, NamespacePath};
use super::openapi::Problems;
use super::problem::Problem;
use crate::clock;
use crate::domain::quota::{Quota, QuotaUse};
use crate::etag;
use crate::service::commit::Versioned;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get_quota, put_quota, delete_quota))
}

/// A namespace's quota, and what it has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NamespaceQuota)]
struct QuotaBody {
    /// The namespace.
    namespace: String,
    /// The etag's number; 0: none was set.
    version: u64,
    /// Its bounds; null: none.
    quota: Quota,
    /// What it has.
    used: QuotaUse,
}

/// The live tokens of a namespace.
pub(super) fn tokens(api: &Api, namespace: &str) -> u64 {
    let live = api.auth.list(clock::now());
    live.iter()
        .filter(|token| token.namespace == namespace)
        .count() as u64
}

async fn answer(
    api: &Api,
    namespace: String,
    quota: Versioned<Quota>,
) -> Result<Response, Problem> {
    let used = api
        .service
        .quota_use(&namespace, tokens(api, &namespace))
        .await?;
    let body = QuotaBody {
        namespace,
        version: quota.version,
        quota: quota.value,
        used,
    };
    Ok((StatusCode::OK, etag::strong(body.version), Json(body)).into_response())
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/quota", tag = "quotas",
    operation_id = "getQuota", summary = "What a namespace may have, and has",
    description = "Beside each bound stands what is used of it. A namespace without a quota has none of the bounds.",
    params(NamespacePath),
    responses((status = 200, description = "The quota.", body = QuotaBody,
        headers(("etag" = String, description = "Its version."))), Problems),
)]
async fn get_quota(State(api): State<Api>, path: NamespacePath) -> Result<Response, Problem> {
    let quota = api.service.quota(&path.namespace).await?;
    answer(&api, path.namespace, quota).await
}

#[utoipa::path(
    put, path = "/v1/namespaces/{namespace}/quota", tag = "quotas",
    operation_id = "putQuota", summary = "Set what a namespace may have",
    description = "All bounds at once; one that is left out is none. What the namespace has beyond it stays, and may become \
        less. Needs an admin of all namespaces.",
    params(NamespacePath, IfMatch, IfNoneMatch, DryRun), request_body = Quota,
    responses((status = 200, description = "The quota.", body = QuotaBody,
        headers(("etag" = String, description = "Its version."))), Problems),
)]
async fn put_quota(
    State(api): State<Api>,
    path: NamespacePath,
    Change(how): Change,
    Body(quota): Body<Quota>,
) -> Result<Response, Problem> {
    let quota = api.service.put_quota(&path.namespace, &quota, &how).await?;
    answer(&api, path.namespace, quota).await
}

#[utoipa::path(
    delete, path = "/v1/namespaces/{namespace}/quota", tag = "quotas",
    operation_id = "deleteQuota", summary = "Let a namespace have what there is",
    description = "Takes every bound away. Needs an admin of all namespaces.",
    params(NamespacePath, IfMatch, DryRun),
    responses((status = 204, description = "It has no quota."), Problems),
)]
async fn delete_quota(
    State(api): State<Api>,
    path: NamespacePath,
    Change(how): Change,
) -> Result<StatusCode, Problem> {
    api.service.delete_quota(&path.namespace, &how).await?;
    Ok(StatusCode::NO_CONTENT)
}
