//! Health, metrics, version and the OpenAPI document.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::openapi::Problems;
use super::problem::Problem;
use crate::store::Health;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(get_livez))
        .routes(routes!(get_readyz))
        .routes(routes!(get_metrics))
        .routes(routes!(get_version))
        .routes(routes!(get_openapi))
}

/// That all is well.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
struct HealthBody {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

const OK: Json<HealthBody> = Json(HealthBody { status: "ok" });

#[utoipa::path(
    get, path = "/livez", tag = "health", security(()),
    operation_id = "getLivez", summary = "Whether the process is alive",
    description = "For whatever restarts processes: it answers as long as the process does anything, and needs \
        no token.",
    responses((status = 200, description = "It is.", body = HealthBody), Problems),
)]
async fn get_livez() -> Json<HealthBody> {
    OK
}

#[utoipa::path(
    get, path = "/readyz", tag = "health", security(()),
    operation_id = "getReadyz", summary = "Whether the catalogue can be changed",
    description = "For whatever sends requests here: 503 while the store cannot be written. Needs no token.",
    responses(
        (status = 200, description = "It can.", body = HealthBody),
        (status = 503, description = "It can be read but not changed; the detail says why.",
            body = Problem, content_type = "application/problem+json"),
        Problems,
    ),
)]
async fn get_readyz(State(api): State<Api>) -> Result<Json<HealthBody>, Problem> {
    match api.service.store().health() {
        Health::Writable if api.shutdown.is_cancelled() => Err(crate::store::Error::Closed.into()),
        Health::Writable => Ok(OK),
        Health::ReadOnly { reason } => Err(crate::store::Error::ReadOnly { reason }.into()),
    }
}

#[utoipa::path(
    get, path = "/metrics", tag = "health",
    operation_id = "getMetrics", summary = "Metrics in the OpenMetrics text format",
    description = "Needs a token for all namespaces.",
    responses(
        (status = 200, description = "The metrics.", body = String,
            content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        Problems,
    ),
)]
async fn get_metrics(State(api): State<Api>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (
        [(CONTENT_TYPE, kind)],
        api.metrics.encode(&api.service).await,
    )
        .into_response()
}

/// What runs here.
#[derive(Debug, Serialize, ToSchema)]
struct Version {
    /// The program's version.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The catalogue's identity; versions count within it.
    catalogue_id: String,
    /// The catalogue's version.
    catalogue_version: u64,
}

#[utoipa::path(
    get, path = "/v1/version", tag = "health",
    operation_id = "getVersion", summary = "The server's and the catalogue's version",
    description = "The program's, and which state of the catalogue it has.",
    responses((status = 200, description = "The versions.", body = Version), Problems),
)]
async fn get_version(State(api): State<Api>) -> Result<Json<Version>, Problem> {
    let store = api.service.store();
    Ok(Json(Version {
        version: env!("CARGO_PKG_VERSION"),
        catalogue_id: api.service.lineage().await?.catalogue.to_string(),
        catalogue_version: store.revision().await?,
    }))
}

#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "health",
    operation_id = "getOpenapi", summary = "This document",
    description = "As this server has it.",
    responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value), Problems),
)]
async fn get_openapi(State(api): State<Api>) -> Response {
    let json = [(CONTENT_TYPE, "application/json")];
    (StatusCode::OK, json, api.document.clone()).into_response()
}
