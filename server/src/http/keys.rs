//! Callers' keys to a function.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::conditional::IdempotencyKey;
use super::credential::check_ttl;
use super::extract::{Body, FunctionPath, KeyPath};
use super::openapi::Problems;
use super::problem::Problem;
use crate::clock;
use crate::domain::function::CallerKey;
use crate::domain::validate::Faults;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_keys, create_key))
        .routes(routes!(revoke_key))
}

/// A caller's key, without the key itself.
#[derive(Debug, Serialize, ToSchema)]
struct Key {
    /// The caller's name; the function sees it as `x-gateless-caller`.
    #[schema(example = "ann")]
    name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it stops being one; `null`: never.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl Key {
    fn of(name: &str, key: &CallerKey) -> Self {
        Self {
            name: name.to_owned(),
            created_at: key.created_at,
            expires_at: key.expires_at,
        }
    }
}

/// A function's keys.
#[derive(Debug, Serialize, ToSchema)]
struct KeyList {
    /// All of them, by name; at most 256.
    items: Vec<Key>,
}

/// What is asked of a new key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "ann", "ttl_seconds": 2_592_000}))]
struct KeyRequest {
    /// The caller's name, a DNS label.
    #[schema(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length = 63)]
    name: String,
    /// How long it is good, at most a year; left out: until it is revoked.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 31_536_000)]
    ttl_seconds: Option<u64>,
}

/// A new key.
#[derive(Serialize, ToSchema)]
struct CreatedKey {
    /// The key; it is shown this once and kept nowhere.
    key: String,
    /// The caller's name.
    #[schema(example = "ann")]
    name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it stops being one; `null`: never.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions/{name}/keys", tag = "functions",
    operation_id = "listKeys", summary = "List callers' keys to a function",
    description = "By name, with when each was made; those that expired are gone. What a caller sends is shown once, when its key is made.",
    params(FunctionPath),
    responses((status = 200, description = "Its keys, without the keys themselves.", body = KeyList), Problems),
)]
async fn list_keys(State(api): State<Api>, path: FunctionPath) -> Result<Json<KeyList>, Problem> {
    let now = clock::now();
    let keys = api.service.caller_keys(path.as_name(), now).await?;
    let items = keys.iter().map(|(name, key)| Key::of(name, key)).collect();
    Ok(Json(KeyList { items }))
}

#[utoipa::path(
    post, path = "/v1/namespaces/{namespace}/functions/{name}/keys", tag = "functions",
    operation_id = "createKey", summary = "Make a caller's key to a function",
    description = "It is asked for where the spec's `access.auth` is `key`. Making one makes no revision.",
    params(FunctionPath, IdempotencyKey), request_body = KeyRequest,
    responses((status = 201, description = "The key, shown this once.", body = CreatedKey), Problems),
)]
async fn create_key(
    State(api): State<Api>,
    path: FunctionPath,
    Body(request): Body<KeyRequest>,
) -> Result<(StatusCode, Json<CreatedKey>), Problem> {
    let mut faults = Faults::default();
    let seconds = request.ttl_seconds;
    if let Some(seconds) = seconds {
        check_ttl(&mut faults, seconds);
    }
    faults.finish()?;
    let now = clock::now();
    let end =
        |seconds: u64| now + SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    let made = api
        .service
        .create_key(path.as_name(), &request.name, seconds.map(end), now);
    let (key, kept) = made.await?;
    let created = CreatedKey {
        key,
        name: request.name,
        created_at: kept.created_at,
        expires_at: kept.expires_at,
    };
    Ok((StatusCode::CREATED, Json(created)))
}

#[utoipa::path(
    delete, path = "/v1/namespaces/{namespace}/functions/{name}/keys/{key}", tag = "functions",
    operation_id = "revokeKey", summary = "Revoke a caller's key",
    description = "Sidecars refuse it as soon as they hear of it. Calls that are queued for its holder become dead letters.",
    params(KeyPath),
    responses((status = 204, description = "It opens nothing any more."), Problems),
)]
async fn revoke_key(State(api): State<Api>, path: KeyPath) -> Result<StatusCode, Problem> {
    let now = clock::now();
    api.service
        .revoke_key(path.as_name(), &path.key, now)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
