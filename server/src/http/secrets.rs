//! Secrets: values go in and never come out.

use std::collections::BTreeMap;
use std::fmt;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::conditional::{Change, DryRun, IfMatch, IfNoneMatch};
use super::extract::{Body, NamespacePath, Query, SecretPath};
use super::openapi::Problems;
use super::page::{self, PageQuery, list};
use super::problem::Problem;
use crate::etag;
use crate::service::commit::Versioned;
use crate::service::secrets::SecretRecord;

/// Of a secret's document, in which every byte of a value may be escaped.
const MAX_DOCUMENT: usize = 1024 * 1024;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_secrets))
        .routes(routes!(get_secret, put_secret, delete_secret))
}

/// A secret, without its values.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Secret)]
pub(super) struct SecretBody {
    /// Its namespace.
    namespace: String,
    /// Its name.
    name: String,
    /// The etag's number.
    version: u64,
    /// When it was first put.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Its keys; values are never shown.
    #[schema(example = json!(["api_key"]))]
    keys: Vec<String>,
}

list!(
    /// Secrets by name.
    SecretList as SecretList of SecretBody
);

/// A secret's values.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"data": {"api_key": "s3cr3t"}}))]
struct SecretRequest {
    /// All of them; at most 64 keys and 128 KiB of values.
    data: BTreeMap<String, String>,
}

impl fmt::Debug for SecretRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretRequest").finish_non_exhaustive()
    }
}

fn body(namespace: &str, name: &str, secret: Versioned<SecretRecord>) -> SecretBody {
    SecretBody {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        version: secret.version,
        created_at: secret.value.created_at,
        updated_at: secret.value.updated_at,
        keys: secret.value.data.into_keys().collect(),
    }
}

fn answer(status: StatusCode, body: SecretBody) -> Response {
    (status, etag::strong(body.version), Json(body)).into_response()
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/secrets", tag = "secrets",
    operation_id = "listSecrets", summary = "List a namespace's secrets, without values",
    description = "By name, with their keys. Values are never sent back.",
    params(NamespacePath, PageQuery),
    responses((status = 200, description = "A page of secrets, by name.", body = SecretList), Problems),
)]
async fn list_secrets(
    State(api): State<Api>,
    path: NamespacePath,
    Query(query): Query<PageQuery>,
) -> Result<Json<SecretList>, Problem> {
    let limit = page::limit(query.limit)?;
    let after = page::decode(query.page_token.as_deref())?;
    let namespace = &path.namespace;
    let found = api.service.list_secrets(namespace, after.as_deref(), limit);
    let (secrets, more) = found.await?;
    let items = secrets
        .into_iter()
        .map(|(name, secret)| body(namespace, &name, secret));
    let items: Vec<_> = items.collect();
    let last = items.last().filter(|_| more);
    Ok(Json(SecretList {
        next_page_token: last.map(|secret| page::encode(&secret.name)),
        items,
    }))
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/secrets/{name}", tag = "secrets",
    operation_id = "getSecret", summary = "Get a secret's keys",
    description = "Which keys it has, and its version. Values are never sent back.",
    params(SecretPath),
    responses(
        (status = 200, description = "The secret without its values.", body = SecretBody,
            headers(("etag" = String, description = "Its version in quotes."))),
        Problems,
    ),
)]
async fn get_secret(State(api): State<Api>, path: SecretPath) -> Result<Response, Problem> {
    let secret = api.service.secret(path.as_name()).await?;
    Ok(answer(
        StatusCode::OK,
        body(&path.namespace, &path.name, secret),
    ))
}

#[utoipa::path(
    put, path = "/v1/namespaces/{namespace}/secrets/{name}", tag = "secrets",
    operation_id = "putSecret", summary = "Create or replace a secret",
    description = "Sidecars get it at once; instances that run with the old values are replaced one after the other.",
    params(SecretPath, DryRun, IfMatch, IfNoneMatch), request_body = SecretRequest,
    responses(
        (status = 200, description = "It existed; as it is now.", body = SecretBody,
            headers(("etag" = String, description = "Its version in quotes."))),
        (status = 201, description = "It was created.", body = SecretBody,
            headers(("etag" = String, description = "Its version in quotes."))),
        Problems,
    ),
)]
async fn put_secret(
    State(api): State<Api>,
    path: SecretPath,
    Change(how): Change,
    Body(request): Body<SecretRequest, MAX_DOCUMENT>,
) -> Result<Response, Problem> {
    let put = api.service.put_secret(path.as_name(), &request.data, &how);
    let (secret, new) = put.await?;
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(answer(status, body(&path.namespace, &path.name, secret)))
}

#[utoipa::path(
    delete, path = "/v1/namespaces/{namespace}/secrets/{name}", tag = "secrets",
    operation_id = "deleteSecret", summary = "Delete a secret no function uses",
    description = "409 while a function refers to it.",
    params(SecretPath, DryRun, IfMatch),
    responses((status = 204, description = "It is gone."), Problems),
)]
async fn delete_secret(
    State(api): State<Api>,
    path: SecretPath,
    Change(how): Change,
) -> Result<StatusCode, Problem> {
    api.service.delete_secret(path.as_name(), &how).await?;
    Ok(StatusCode::NO_CONTENT)
}
