//! The catalogue as a whole: where it comes from, what each sidecar has, and what an operator says when they differ.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::conditional::IdempotencyKey;
use super::extract::Body;
use super::openapi::Problems;
use super::problem::Problem;
use crate::service::lineage::State as Mark;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(get_catalogue))
        .routes(routes!(accept_catalogue))
        .routes(routes!(restore_catalogue))
}

/// A state of a catalogue.
#[derive(Debug, Serialize, ToSchema)]
struct CatalogueState {
    /// Which catalogue; versions count within it.
    #[schema(example = "5a1d5f0e-6d2f-4a57-9b63-0f6f3f6d2c11")]
    catalogue_id: String,
    /// Its version.
    version: u64,
}

impl From<Mark> for CatalogueState {
    fn from(mark: Mark) -> Self {
        Self {
            catalogue_id: mark.catalogue,
            version: mark.version,
        }
    }
}

/// This server's catalogue, and what sidecars have.
#[derive(Debug, Serialize, ToSchema)]
struct Catalogue {
    /// The same over all restores.
    #[schema(example = "0d7c3c1e-1b8e-4b0a-8f0d-2f1f5f6d9a77")]
    lineage: String,
    /// Which catalogue; another after a restore.
    catalogue_id: String,
    /// Its version; it only grows.
    version: u64,
    /// What it was before, and what an operator said it replaces; a sidecar that has a later version of one of these keeps it.
    past: Vec<CatalogueState>,
    /// Connected sidecars by id, and what each has.
    sidecars: Vec<Holder>,
}

/// What a sidecar has of a catalogue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueHolder)]
struct Holder {
    /// The sidecar's id.
    node_id: String,
    /// The lineage of what it has; left out: it has nothing, or does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    lineage: Option<String>,
    /// Which catalogue it has; left out likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    catalogue_id: Option<String>,
    /// The version it has.
    version: u64,
    /// Why it keeps that instead of this server's: `foreign_catalogue` or `older_catalogue`; left out: it takes this server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

#[utoipa::path(
    get, path = "/v1/catalogue", tag = "sidecars",
    operation_id = "getCatalogue", summary = "Where the catalogue comes from, and what sidecars have",
    description = "A sidecar takes this server's catalogue only if what it has is in its past. After the server lost its disk or was restored from an \
        older backup it is not: sidecars go on with what they have until somebody accepts this catalogue or takes theirs back.",
    responses((status = 200, description = "The catalogue's lineage and version, and the sidecars'.", body = Catalogue), Problems),
)]
async fn get_catalogue(State(api): State<Api>) -> Result<Json<Catalogue>, Problem> {
    let lineage = api.service.lineage().await?;
    let (id, version) = (
        lineage.catalogue.to_string(),
        api.service.store().revision().await?,
    );
    let sidecars = api.service.registry().list().into_iter();
    let sidecars = sidecars.filter(|sidecar| sidecar.connected).map(|sidecar| {
        let refused = sidecar.refused;
        // Who takes this one has what it acknowledged of it.
        let (held, taken) = match (&refused, sidecar.applied_version) {
            (None, applied) if applied > 0 => (None, Some(applied)),
            _ => (sidecar.holds, None),
        };
        let (own, of) = (
            taken.map(|_| id.clone()),
            taken.map(|_| lineage.lineage.clone()),
        );
        let held_version = held.as_ref().map_or(0, |held| held.version);
        Holder {
            node_id: sidecar.node_id,
            lineage: of.or(held.as_ref().map(|held| held.lineage.clone())),
            catalogue_id: own.or(held.map(|held| held.catalogue_id)),
            version: taken.unwrap_or(held_version),
            refused,
        }
    });
    Ok(Json(Catalogue {
        sidecars: sidecars.collect(),
        lineage: lineage.lineage.clone(),
        catalogue_id: id.clone(),
        version,
        past: lineage.past.clone().into_iter().map(Into::into).collect(),
    }))
}

/// What sidecars may give up.
#[derive(Debug, Serialize, ToSchema)]
struct AcceptedCatalogue {
    /// What counts as the past of this server's catalogue from now on; empty: no connected sidecar kept its own.
    accepted: Vec<CatalogueState>,
}

#[utoipa::path(
    post, path = "/v1/catalogue/accept", tag = "sidecars",
    operation_id = "acceptCatalogue", summary = "Let sidecars take this server's catalogue",
    description = "What connected sidecars keep instead of it counts as its past from now on, so that they take it at once. Queued calls of functions \
        that are not in it wait until these come back, or until their max_age.",
    params(IdempotencyKey),
    responses((status = 200, description = "What they may give up.", body = AcceptedCatalogue), Problems),
)]
async fn accept_catalogue(State(api): State<Api>) -> Result<Json<AcceptedCatalogue>, Problem> {
    let accepted = api.service.accept_catalogue().await?;
    Ok(Json(AcceptedCatalogue {
        accepted: accepted.into_iter().map(Into::into).collect(),
    }))
}

/// Whose catalogue is to count.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"sidecar": "0badcafe"}))]
struct RestoreRequest {
    /// The sidecar's id; left out: the one with the newest version, if all have the same catalogue.
    #[serde(default)]
    sidecar: Option<String>,
}

/// What came back.
#[derive(Debug, Serialize, ToSchema)]
struct RestoredCatalogue {
    /// The sidecar whose catalogue it is.
    #[schema(example = "0badcafe")]
    sidecar: String,
    /// Which version of it.
    version: u64,
    /// How many functions came back.
    functions: usize,
    /// How many secrets.
    secrets: usize,
    /// How many triggers.
    triggers: usize,
    /// How many artifacts were fetched from sidecars.
    artifacts: usize,
    /// Digests of artifacts that no sidecar has any more; upload them again.
    missing_artifacts: Vec<String>,
}

#[utoipa::path(
    post, path = "/v1/catalogue/restore", tag = "sidecars",
    operation_id = "restoreCatalogue", summary = "Take the catalogue back from the sidecars",
    description = "Replaces functions, secrets and triggers by those that a connected sidecar has, and fetches the artifacts they name. Tokens, quotas and \
        revisions without traffic or tag are not with sidecars and do not come back.",
    params(IdempotencyKey),
    request_body = RestoreRequest,
    responses((status = 200, description = "What came back.", body = RestoredCatalogue), Problems),
)]
async fn restore_catalogue(
    State(api): State<Api>,
    Body(request): Body<RestoreRequest>,
) -> Result<Json<RestoredCatalogue>, Problem> {
    let restored = api
        .service
        .restore_from_fleet(request.sidecar.as_deref())
        .await?;
    Ok(Json(RestoredCatalogue {
        sidecar: restored.sidecar,
        version: restored.version,
        functions: restored.functions,
        secrets: restored.secrets,
        triggers: restored.triggers,
        artifacts: restored.artifacts,
        missing_artifacts: restored.missing,
    }))
}
