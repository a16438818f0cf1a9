//! Tokens and signing keys.

use axum::extract::State;
use axum::{Extension, Json};
use gateless_common::name;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::conditional::IdempotencyKey;
use super::credential::{check_description, check_ttl};
use super::extract::{Body, Query, TokenPath};
use super::openapi::Problems;
use super::page::{self, PageQuery, list};
use super::problem::Problem;
use super::quotas;
use crate::auth::policy::Denied;
use crate::auth::{self, Grant, Principal, Role, TokenInfo};
use crate::clock;
use crate::domain::quota;
use crate::domain::validate::Faults;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_tokens, create_token))
        .routes(routes!(revoke_token))
        .routes(routes!(rotate_keys))
}

list!(
    /// Live tokens by id, oldest first.
    TokenList as TokenList of TokenInfo
);

/// What is asked of a new token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "namespace": "default", "role": "deployer", "ttl_seconds": 86400, "description": "ci"
}))]
struct TokenRequest {
    /// The one namespace it is good for; `*`: all.
    namespace: String,
    /// What its holder may do.
    role: Role,
    /// How long; at most a year.
    #[schema(minimum = 1, maximum = 31_536_000)]
    ttl_seconds: u64,
    /// For people.
    #[serde(default)]
    description: String,
}

/// A new token.
#[derive(Serialize, ToSchema)]
struct CreatedToken {
    /// The token; it is shown this once and kept nowhere.
    token: String,
    /// Names it for revocation.
    id: String,
    /// The one namespace it is good for; `*`: all.
    #[schema(example = "default")]
    namespace: String,
    /// What its holder may do.
    role: Role,
    /// For people.
    description: String,
    /// When it was issued.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it stops being valid.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

pub(super) fn same_namespace(principal: &Principal, namespace: &str) -> Result<(), Problem> {
    let has = &principal.token.namespace;
    if has == "*" || has == namespace {
        return Ok(());
    }
    let denied = Denied::Namespace {
        has: has.clone(),
        needs: namespace.chars().take(63).collect(),
    };
    Err(denied.into())
}

#[utoipa::path(
    get, path = "/v1/tokens", tag = "tokens",
    operation_id = "listTokens", summary = "List live tokens",
    description = "An admin of one namespace sees those of that namespace.",
    params(PageQuery),
    responses((status = 200, description = "A page of tokens' metadata.", body = TokenList), Problems),
)]
async fn list_tokens(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Query(query): Query<PageQuery>,
) -> Result<Json<TokenList>, Problem> {
    let mut items = api.auth.list(clock::now());
    items.retain(|token| same_namespace(&principal, &token.namespace).is_ok());
    let key = |token: &TokenInfo| token.id.clone();
    let (items, next_page_token) = page::cut(items, key, &query)?;
    Ok(Json(TokenList {
        items,
        next_page_token,
    }))
}

#[utoipa::path(
    post, path = "/v1/tokens", tag = "tokens",
    operation_id = "createToken", summary = "Issue a token",
    description = "The token is in this answer and nowhere else: it is not kept. Its rights cannot be larger \
        than those of who asks.",
    params(IdempotencyKey), request_body = TokenRequest,
    responses((status = 201, description = "The token, shown this once.", body = CreatedToken), Problems),
)]
async fn create_token(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Body(request): Body<TokenRequest>,
) -> Result<(StatusCode, Json<CreatedToken>), Problem> {
    let mut faults = Faults::default();
    if request.namespace != "*" {
        faults.check("/namespace", name::check_label(&request.namespace));
    }
    check_ttl(&mut faults, request.ttl_seconds);
    check_description(&mut faults, &request.description);
    faults.finish()?;
    same_namespace(&principal, &request.namespace)?;
    let grant = Grant {
        namespace: request.namespace,
        role: request.role,
        ttl_seconds: request.ttl_seconds,
        description: request.description,
    };
    let turn = api.service.quota_turn(&grant.namespace).await?;
    let live = quotas::tokens(&api, &grant.namespace);
    quota::check(
        &grant.namespace,
        "tokens",
        turn.quota.tokens,
        (live, live + 1),
    )?;
    let (token, info) = api.auth.issue(grant, clock::now()).await?;
    drop(turn);
    let created = CreatedToken {
        token,
        id: info.id,
        namespace: info.namespace,
        role: info.role,
        description: info.description,
        created_at: info.created_at,
        expires_at: info.expires_at,
    };
    Ok((StatusCode::CREATED, Json(created)))
}

#[utoipa::path(
    delete, path = "/v1/tokens/{id}", tag = "tokens",
    operation_id = "revokeToken", summary = "Revoke a token at once",
    description = "Requests, streams and sessions with it end within a second, on every server of the store.",
    params(TokenPath),
    responses((status = 204, description = "It is no longer valid."), Problems),
)]
async fn revoke_token(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    path: TokenPath,
) -> Result<StatusCode, Problem> {
    let unknown = || auth::Error::Unknown(path.id.clone());
    let token = api.auth.get(&path.id).ok_or_else(unknown)?;
    // Not for an admin of another namespace to know.
    same_namespace(&principal, &token.namespace).map_err(|_| unknown())?;
    api.auth.revoke(&path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The live signing keys.
#[derive(Debug, Serialize, ToSchema)]
struct KeysRotated {
    /// The id of the key that signs from now on.
    #[schema(example = "9f3c1a5b7d2e4f60")]
    current: String,
    /// The id of the one before; its tokens stay valid until the next rotation.
    previous: String,
}

#[utoipa::path(
    post, path = "/v1/keys/rotate", tag = "tokens",
    operation_id = "rotateKeys", summary = "Make a new signing key",
    description = "Tokens of the key before stay valid; those of the one before that stop being valid.",
    params(IdempotencyKey),
    responses((status = 200, description = "The live keys' ids.", body = KeysRotated), Problems),
)]
async fn rotate_keys(State(api): State<Api>) -> Result<Json<KeysRotated>, Problem> {
    let (current, previous) = api.auth.rotate().await?;
    Ok(Json(KeysRotated { current, previous }))
}
