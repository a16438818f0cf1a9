//! Join tokens: what a new sidecar shows once to get its certificate.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use gateless_common::time::UnixMillis;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::conditional::IdempotencyKey;
use super::credential::{check_description, check_ttl};
use super::extract::{Body, JoinTokenPath, Query};
use super::openapi::Problems;
use super::page::{self, PageQuery, list};
use super::problem::Problem;
use crate::domain::validate::Faults;
use crate::identity::{JoinTokenGrant, JoinTokenInfo, MAX_USES};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_join_tokens, create_join_token))
        .routes(routes!(revoke_join_token))
}

/// A join token's metadata.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JoinToken)]
pub(super) struct JoinTokenBody {
    /// Names it for revocation.
    #[schema(example = "9f3c1a5b7d2e4f60")]
    id: String,
    /// How many sidecars may join with it.
    uses: u32,
    /// The sidecars that did, by node id.
    joined: Vec<String>,
    /// For people.
    description: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it stops being valid.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl From<JoinTokenInfo> for JoinTokenBody {
    fn from(info: JoinTokenInfo) -> Self {
        Self {
            id: info.id,
            uses: info.uses,
            joined: info.joined,
            description: info.description,
            created_at: timestamp(info.created_at),
            expires_at: timestamp(info.expires_at),
        }
    }
}

pub(super) fn timestamp(at: UnixMillis) -> Timestamp {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

list!(
    /// Join tokens that are valid, oldest first.
    JoinTokenList as JoinTokenList of JoinTokenBody
);

/// What is asked of a new join token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"uses": 3, "ttl_seconds": 3600, "description": "rack 4"}))]
struct JoinTokenRequest {
    /// How many sidecars may join with it.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1000, default = 1)]
    uses: u32,
    /// How long it is good; at most a year.
    #[schema(minimum = 1, maximum = 31_536_000)]
    ttl_seconds: u64,
    /// For people.
    #[serde(default)]
    description: String,
}

fn one() -> u32 {
    1
}

/// A new join token.
#[derive(Serialize, ToSchema)]
struct CreatedJoinToken {
    /// The token; it is shown this once and kept nowhere.
    token: String,
    /// Names it for revocation.
    #[schema(example = "9f3c1a5b7d2e4f60")]
    id: String,
    /// How many sidecars may join with it.
    uses: u32,
    /// For people.
    description: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it stops being valid.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

#[utoipa::path(
    get, path = "/v1/join-tokens", tag = "sidecars",
    operation_id = "listJoinTokens", summary = "List join tokens",
    description = "Those that are still valid, with how often each was used and by whom; never the tokens themselves.",
    params(PageQuery),
    responses((status = 200, description = "A page of join tokens' metadata.", body = JoinTokenList), Problems),
)]
async fn list_join_tokens(
    State(api): State<Api>,
    Query(query): Query<PageQuery>,
) -> Result<Json<JoinTokenList>, Problem> {
    let tokens = api.identities.tokens().await?;
    let items = tokens.into_iter().map(Into::into).collect();
    // Oldest first; the id tells apart those of one moment.
    let key = |token: &JoinTokenBody| {
        let created = token.created_at.as_millisecond();
        format!("{created:020}/{}", token.id)
    };
    let (items, next_page_token) = page::cut(items, key, &query)?;
    Ok(Json(JoinTokenList {
        items,
        next_page_token,
    }))
}

#[utoipa::path(
    post, path = "/v1/join-tokens", tag = "sidecars",
    operation_id = "createJoinToken", summary = "Make a join token",
    description = "A new sidecar shows it once and gets its certificate. The token proves the server to the sidecar, too.",
    params(IdempotencyKey), request_body = JoinTokenRequest,
    responses((status = 201, description = "The join token, shown this once.", body = CreatedJoinToken), Problems),
)]
async fn create_join_token(
    State(api): State<Api>,
    Body(request): Body<JoinTokenRequest>,
) -> Result<(StatusCode, Json<CreatedJoinToken>), Problem> {
    let mut faults = Faults::default();
    if !(1..=MAX_USES).contains(&request.uses) {
        faults.add("/uses", format_args!("must be 1 to {MAX_USES}"));
    }
    check_ttl(&mut faults, request.ttl_seconds);
    check_description(&mut faults, &request.description);
    faults.finish()?;
    let grant = JoinTokenGrant {
        uses: request.uses,
        ttl: Duration::from_secs(request.ttl_seconds),
        description: request.description,
    };
    let (token, info) = api.identities.create_token(grant).await?;
    let created = CreatedJoinToken {
        token: token.expose(),
        id: info.id,
        uses: info.uses,
        description: info.description,
        created_at: timestamp(info.created_at),
        expires_at: timestamp(info.expires_at),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

#[utoipa::path(
    delete, path = "/v1/join-tokens/{id}", tag = "sidecars",
    operation_id = "revokeJoinToken", summary = "Revoke a join token at once",
    description = "Sidecars that have joined with it stay.",
    params(JoinTokenPath),
    responses((status = 204, description = "It is no longer valid."), Problems),
)]
async fn revoke_join_token(
    State(api): State<Api>,
    path: JoinTokenPath,
) -> Result<StatusCode, Problem> {
    api.identities.revoke_token(&path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
