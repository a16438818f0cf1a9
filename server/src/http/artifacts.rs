//! Artifacts: uploaded and read as raw bytes, streamed both ways, named by their sha256.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use gateless_common::limits::ARTIFACT_BYTES;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::ArtifactPath;
use super::openapi::{Binary, Problems};
use super::problem::Problem;
use crate::store::blobs::{Blob, Error};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get_artifact, head_artifact, put_artifact))
}

/// A stored artifact.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Artifact)]
struct ArtifactBody {
    /// 64 lowercase hex digits.
    sha256: String,
    /// Bytes.
    #[schema(example = 20480)]
    size: u64,
}

#[utoipa::path(
    put, path = "/v1/namespaces/{namespace}/artifacts/{sha256}", tag = "artifacts",
    operation_id = "putArtifact", summary = "Upload an artifact",
    description = "At most 256 MiB. What no revision names is removed a day after its last upload.",
    params(ArtifactPath),
    request_body(content = inline(Binary), content_type = "application/octet-stream", description = "The content."),
    responses(
        (status = 200, description = "The namespace had it.", body = ArtifactBody),
        (status = 201, description = "It is stored.", body = ArtifactBody),
        Problems,
    ),
)]
async fn put_artifact(
    State(api): State<Api>,
    path: ArtifactPath,
    request: Request,
) -> Result<Response, Problem> {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > ARTIFACT_BYTES) {
        let limit_bytes = ARTIFACT_BYTES;
        return Err(Error::TooLarge { limit_bytes }.into());
    }
    let body = request.into_body().into_data_stream();
    let stored = api
        .service
        .put_artifact(&path.namespace, &path.sha256, body);
    let (size, new) = stored.await?;
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let body = ArtifactBody {
        sha256: path.sha256,
        size,
    };
    Ok((status, Json(body)).into_response())
}

fn head(artifact: &Blob, sha256: &str) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, artifact.size_bytes.into());
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{sha256}\"")) {
        headers.insert(ETAG, etag);
    }
    response
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/artifacts/{sha256}", tag = "artifacts",
    operation_id = "getArtifact", summary = "Download an artifact",
    description = "The bytes as they were uploaded. Sidecars fetch bundles and components from the server by \
        themselves; this is for people.",
    params(ArtifactPath),
    responses(
        (status = 200, description = "The content.", body = inline(Binary), content_type = "application/octet-stream"),
        Problems,
    ),
)]
async fn get_artifact(State(api): State<Api>, path: ArtifactPath) -> Result<Response, Problem> {
    let artifact = api.service.artifact(&path.namespace, &path.sha256).await?;
    let mut response = head(&artifact, &path.sha256);
    *response.body_mut() = Body::from_stream(artifact.content);
    Ok(response)
}

#[utoipa::path(
    head, path = "/v1/namespaces/{namespace}/artifacts/{sha256}", tag = "artifacts",
    operation_id = "headArtifact", summary = "Whether an artifact was uploaded",
    description = "So that a client uploads only what is missing: 404 says that it is.",
    params(ArtifactPath),
    responses((status = 200, description = "It was; content-length says how large it is."), Problems),
)]
async fn head_artifact(State(api): State<Api>, path: ArtifactPath) -> Result<Response, Problem> {
    let artifact = api.service.artifact(&path.namespace, &path.sha256).await?;
    Ok(head(&artifact, &path.sha256))
}
