//! Traffic: who gets which share, and going back.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::conditional::{Change, DryRun, IdempotencyKey, IfMatch};
use super::extract::{Body, FunctionPath, OptionalBody};
use super::functions::{self, FunctionBody};
use super::openapi::Problems;
use super::problem::Problem;
use crate::domain::traffic::{self, Target};
use crate::etag;
use crate::service::functions::View;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(get_traffic, set_traffic))
        .routes(routes!(rollback_function))
}

/// Who is to get which share of the calls.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"targets": [
    {"revision": "hello-00001", "percent": 90},
    {"latest": true, "percent": 10, "tag": "next"}
]}))]
struct TrafficRequest {
    /// Percentages sum to 100; those without a share need a tag.
    targets: Vec<Target>,
}

/// Who gets which share of the calls.
#[derive(Debug, Serialize, ToSchema)]
struct Traffic {
    /// As declared.
    targets: Vec<Target>,
    /// As sidecars have it, `latest` resolved; empty while no revision was ever ready.
    resolved: Vec<ResolvedTarget>,
}

/// A share of the calls.
#[derive(Debug, Serialize, ToSchema)]
struct ResolvedTarget {
    /// The revision.
    revision: String,
    /// 0 to 100.
    percent: u32,
    /// Reached as TAG-NAME.
    tag: Option<String>,
}

fn answer(view: &View) -> Response {
    let function = &view.function.value;
    let resolved = traffic::resolve(function).into_iter();
    let body = Traffic {
        targets: function.traffic.clone(),
        resolved: resolved
            .map(|target| ResolvedTarget {
                revision: target.revision,
                percent: target.percent,
                tag: target.tag,
            })
            .collect(),
    };
    (etag::strong(view.function.version), Json(body)).into_response()
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions/{name}/traffic", tag = "traffic",
    operation_id = "getTraffic", summary = "Get a function's traffic",
    description = "Which revision gets which share of the calls, and under which tags revisions are reached.",
    params(FunctionPath),
    responses(
        (status = 200, description = "Its traffic.", body = Traffic,
            headers(("etag" = String, description = "The function's version in quotes."))),
        Problems,
    ),
)]
async fn get_traffic(State(api): State<Api>, path: FunctionPath) -> Result<Response, Problem> {
    Ok(answer(&api.service.function(path.as_name()).await?))
}

#[utoipa::path(
    put, path = "/v1/namespaces/{namespace}/functions/{name}/traffic", tag = "traffic",
    operation_id = "setTraffic", summary = "Set a function's traffic",
    description = "A revision that was never ready may have a tag but no share.",
    params(FunctionPath, DryRun, IfMatch), request_body = TrafficRequest,
    responses(
        (status = 200, description = "Its traffic now.", body = Traffic,
            headers(("etag" = String, description = "The function's version in quotes."))),
        Problems,
    ),
)]
async fn set_traffic(
    State(api): State<Api>,
    path: FunctionPath,
    Change(how): Change,
    Body(request): Body<TrafficRequest>,
) -> Result<Response, Problem> {
    let set = api
        .service
        .set_traffic(path.as_name(), &request.targets, &how);
    Ok(answer(&set.await?))
}

/// Where to go back to.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"revision": "hello-00001"}))]
struct RollbackRequest {
    /// Left out: the newest ready revision before the one with the largest share now.
    revision: Option<String>,
}

#[utoipa::path(
    post, path = "/v1/namespaces/{namespace}/functions/{name}/rollback", tag = "traffic",
    operation_id = "rollbackFunction", summary = "Give all traffic to an earlier revision",
    description = "Pins the revision: later applies make revisions but get no traffic until it is set \
        to follow `latest` again. Tags stay.",
    params(FunctionPath, DryRun, IfMatch, IdempotencyKey),
    request_body(content = RollbackRequest, description = "May be left out."),
    responses(
        (status = 200, description = "The function now.", body = FunctionBody,
            headers(("etag" = String, description = "Its version in quotes."))),
        Problems,
    ),
)]
async fn rollback_function(
    State(api): State<Api>,
    path: FunctionPath,
    Change(how): Change,
    OptionalBody(request): OptionalBody<RollbackRequest>,
) -> Result<Response, Problem> {
    let revision = request.revision.as_deref();
    let view = api.service.rollback(path.as_name(), revision, &how).await?;
    Ok(functions::answer(StatusCode::OK, view))
}
