//! The keys that the catalogue's secrets are sealed by: which there are, and another one.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::conditional::IdempotencyKey;
use super::join_tokens::timestamp;
use super::openapi::Problems;
use super::problem::Problem;
use crate::secrets_key;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(get_secrets_key))
        .routes(routes!(rotate_secrets_key))
        .routes(routes!(retire_secrets_keys))
}

/// How the catalogue's secrets are sealed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SecretsKey)]
struct SecretsKeyBody {
    /// Where the keys come from.
    #[schema(example = "file /var/lib/gateless/secrets-key")]
    source: String,
    /// Whether what the catalogue keeps is sealed. One that an earlier version made is plain at first, so that this version can
    /// be gone back to.
    sealed: bool,
    /// The first start of the server after this seals it; left out: it is sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    seals_at: Option<Timestamp>,
    /// Whether data keys are still wrapped by a key before the current one; they are wrapped anew in the background.
    rotating: bool,
    /// The keys; the first one wraps.
    keys: Vec<WrappingKeyBody>,
}

/// A key that data keys are wrapped by.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WrappingKey)]
struct WrappingKeyBody {
    /// Names it, and tells nothing of it.
    #[schema(example = "8c1f0a5d3b7e9264")]
    id: String,
    /// How many data keys it wraps: of each namespace one, and one of the cluster.
    data_keys: usize,
}

fn body(state: secrets_key::State) -> Json<SecretsKeyBody> {
    let rotating = !state.settled();
    let keys = state.keys.into_iter().map(|key| WrappingKeyBody {
        id: key.id,
        data_keys: key.data_keys,
    });
    Json(SecretsKeyBody {
        source: state.source,
        sealed: state.seals_at.is_none(),
        seals_at: state.seals_at.map(timestamp),
        rotating,
        keys: keys.collect(),
    })
}

#[utoipa::path(
    get, path = "/v1/secrets-key", tag = "secrets",
    operation_id = "getSecretsKey", summary = "How the catalogue's secrets are sealed",
    description = "Where the keys come from, whether all is sealed, and how many data keys each of them wraps. No key is in it.",
    responses((status = 200, description = "Source and keys.", body = SecretsKeyBody), Problems),
)]
async fn get_secrets_key(State(api): State<Api>) -> Result<Json<SecretsKeyBody>, Problem> {
    Ok(body(api.secrets_key.state().await?))
}

#[utoipa::path(
    post, path = "/v1/secrets-key/rotate", tag = "secrets",
    operation_id = "rotateSecretsKey", summary = "Seal the catalogue's secrets by another key",
    description = "A new key where the server keeps the file itself, else the one that stands first at the source by now. Data keys are wrapped by it in the \
        background; no secret changes, and no instance is replaced. The keys before stay until they are retired.",
    params(IdempotencyKey),
    responses((status = 200, description = "All keys.", body = SecretsKeyBody), Problems),
)]
async fn rotate_secrets_key(State(api): State<Api>) -> Result<Json<SecretsKeyBody>, Problem> {
    Ok(body(api.secrets_key.rotate().await?))
}

#[utoipa::path(
    post, path = "/v1/secrets-key/retire", tag = "secrets",
    operation_id = "retireSecretsKeys", summary = "Forget the keys before the current one",
    description = "Refused while one of them wraps a data key. An export that was made before needs its key: keep that with it.",
    params(IdempotencyKey),
    responses((status = 200, description = "The one key.", body = SecretsKeyBody), Problems),
)]
async fn retire_secrets_keys(State(api): State<Api>) -> Result<Json<SecretsKeyBody>, Problem> {
    Ok(body(api.secrets_key.retire().await?))
}
