//! The authority that sidecars' certificates are of.

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

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(get_identity))
        .routes(routes!(rotate_authority))
        .routes(routes!(retire_authority))
}

/// Whom this cluster trusts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Identity)]
struct IdentityBody {
    /// In whose names certificates are: `spiffe://TRUST-DOMAIN/sidecar/NODE-ID`.
    #[schema(example = "gateless-0badcafe")]
    trust_domain: String,
    /// The authorities that are trusted; the first issues.
    authorities: Vec<AuthorityBody>,
    /// Of all that is trusted; higher is newer.
    trust_version: u64,
    /// When the newest key that gossip is sealed with was made.
    #[schema(value_type = String, format = DateTime)]
    gossip_key_created_at: Timestamp,
    /// Sidecars that were revoked and could still have a certificate.
    revoked: usize,
}

/// An authority.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Authority)]
struct AuthorityBody {
    /// SHA-256 of its certificate, as it stands in join tokens.
    fingerprint: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

async fn body(api: &Api) -> Result<Json<IdentityBody>, Problem> {
    let standing = api.identities.standing().await?;
    let authorities = standing.authorities.into_iter();
    let authorities = authorities.map(|(fingerprint, made)| AuthorityBody {
        fingerprint,
        created_at: timestamp(made),
    });
    Ok(Json(IdentityBody {
        trust_domain: standing.trust_domain,
        authorities: authorities.collect(),
        trust_version: standing.version,
        gossip_key_created_at: timestamp(standing.gossip_key_made),
        revoked: standing.revoked,
    }))
}

#[utoipa::path(
    get, path = "/v1/identity", tag = "sidecars",
    operation_id = "getIdentity", summary = "Whom this cluster trusts",
    description = "The trust domain, the authorities that certificates are believed of, how old the key is that gossip is sealed with, and how many \
        sidecars were revoked. No key is in it.",
    responses((status = 200, description = "Trust domain and authorities.", body = IdentityBody), Problems),
)]
async fn get_identity(State(api): State<Api>) -> Result<Json<IdentityBody>, Problem> {
    body(&api).await
}

#[utoipa::path(
    post, path = "/v1/identity/rotate", tag = "sidecars",
    operation_id = "rotateAuthority", summary = "Make a new authority",
    description = "The present one vouches for it and stays trusted, so no connection ends; sidecars renew their certificates at once. Retire the one before when they have.",
    params(IdempotencyKey),
    responses((status = 200, description = "Both authorities.", body = IdentityBody), Problems),
)]
async fn rotate_authority(State(api): State<Api>) -> Result<Json<IdentityBody>, Problem> {
    api.identities.rotate().await?;
    body(&api).await
}

#[utoipa::path(
    post, path = "/v1/identity/retire", tag = "sidecars",
    operation_id = "retireAuthority", summary = "Trust the authority before the present one no more",
    description = "Refused while sidecars have certificates of it.",
    params(IdempotencyKey),
    responses((status = 200, description = "The one authority.", body = IdentityBody), Problems),
)]
async fn retire_authority(State(api): State<Api>) -> Result<Json<IdentityBody>, Problem> {
    api.identities.retire().await?;
    body(&api).await
}
