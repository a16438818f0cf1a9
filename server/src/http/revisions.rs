//! Revisions: read only, as they never change.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{FunctionPath, Query, RevisionPath};
use super::openapi::Problems;
use super::page::{self, PageQuery, list};
use super::problem::Problem;
use crate::domain::function::{Function, Revision};
use crate::domain::spec::Spec;
use crate::domain::traffic;
use crate::service;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_revisions))
        .routes(routes!(get_revision))
}

/// An immutable revision of a function.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Revision)]
pub(super) struct RevisionBody {
    /// For example `hello-00001`.
    #[schema(example = "hello-00001")]
    name: String,
    /// Unique over all time.
    uid: String,
    /// Counts up from 1 per function.
    number: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When an instance was first ready (or none had to be started); null: not yet.
    #[schema(value_type = Option<String>, format = DateTime)]
    ready_at: Option<Timestamp>,
    /// Its share of the function's calls.
    percent: u32,
    /// The tags it is reached by.
    tags: Vec<String>,
    /// Instances on all sidecars by what they last reported.
    instances: Counts,
    /// Its spec, every default filled in.
    spec: Spec,
}

/// Instances by state.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = InstanceCounts)]
struct Counts {
    /// That take calls.
    ready: u32,
    /// On the way.
    starting: u32,
    /// The owner's decision; null: nobody acts as owner.
    desired: Option<u32>,
}

list!(
    /// Revisions, newest first.
    RevisionList as RevisionList of RevisionBody
);

fn body(api: &Api, function: &Function, revision: Revision) -> RevisionBody {
    let registry = api.service.registry();
    let owned = registry.is_owned(&function.full_name().to_string());
    let mut counts = Counts {
        desired: owned.then_some(0),
        ..Counts::default()
    };
    let full = format!("{}/{}", function.full_name(), revision.name);
    for (_, status) in registry.revision(&full) {
        counts.ready += status.ready;
        counts.starting += status.starting;
        if status.owner {
            counts.desired = counts.desired.max(Some(status.desired));
        }
    }
    let targets = traffic::resolve(function);
    let own = || {
        targets
            .iter()
            .filter(|target| target.revision == revision.name)
    };
    RevisionBody {
        percent: own().map(|target| target.percent).sum(),
        tags: own().filter_map(|target| target.tag.clone()).collect(),
        ready_at: function
            .revision(&revision.name)
            .and_then(|head| head.ready_at),
        name: revision.name,
        uid: revision.uid,
        number: revision.number,
        created_at: revision.created_at,
        instances: counts,
        spec: revision.spec,
    }
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions/{name}/revisions", tag = "revisions",
    operation_id = "listRevisions", summary = "List a function's revisions",
    description = "Newest first, each with its spec, its share of the calls and its instances. Old ones without \
        traffic are removed with time.",
    params(FunctionPath, PageQuery),
    responses((status = 200, description = "A page of revisions, newest first.", body = RevisionList), Problems),
)]
async fn list_revisions(
    State(api): State<Api>,
    path: FunctionPath,
    Query(query): Query<PageQuery>,
) -> Result<Json<RevisionList>, Problem> {
    let limit = page::limit(query.limit)?;
    let wrong = || Problem::parameter("page_token", "is not a token of this list");
    let after = page::decode(query.page_token.as_deref())?;
    let after: Option<u64> = after.map(|n| n.parse().map_err(|_| wrong())).transpose()?;
    let (function, revisions) = api.service.revisions(path.as_name()).await?;
    let below = |revision: &Revision| after.is_none_or(|after| revision.number < after);
    let mut rest = revisions.into_iter().filter(below);
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let last = page.last().filter(|_| rest.next().is_some());
    Ok(Json(RevisionList {
        next_page_token: last.map(|revision| page::encode(&revision.number.to_string())),
        items: page.into_iter().map(|r| body(&api, &function, r)).collect(),
    }))
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions/{name}/revisions/{revision}", tag = "revisions",
    operation_id = "getRevision", summary = "Get a revision",
    description = "Its spec as it was deployed, its share of the calls and its instances.",
    params(RevisionPath),
    responses((status = 200, description = "The revision.", body = RevisionBody), Problems),
)]
async fn get_revision(
    State(api): State<Api>,
    path: RevisionPath,
) -> Result<Json<RevisionBody>, Problem> {
    let (function, revisions) = api.service.revisions(path.as_name()).await?;
    let found = revisions.into_iter().find(|r| r.name == path.revision);
    let revision =
        found.ok_or_else(|| service::Error::not_found(service::Kind::Revision, &path.revision))?;
    Ok(Json(body(&api, &function, revision)))
}
