//! Instances, as sidecars last reported them.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{FunctionPath, Query};
use super::openapi::Problems;
use super::page::{self, PageQuery, list};
use super::problem::Problem;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_instances))
}

/// One running instance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Instance)]
pub(super) struct InstanceBody {
    /// Its id; never used twice.
    id: String,
    /// Its revision.
    revision: String,
    /// The sidecar it runs beside.
    sidecar: String,
    /// `starting`, `ready`, `draining`, `stopping` or `failed`.
    #[schema(example = "ready")]
    state: String,
    /// Calls in it.
    in_flight: u32,
    /// When it was started.
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    /// Where it listens, on its host.
    address: String,
}

list!(
    /// Instances by revision and id.
    InstanceList as InstanceList of InstanceBody
);

/// A time in Unix milliseconds; 0: none.
pub(super) fn time(ms: u64) -> Option<Timestamp> {
    let ms = i64::try_from(ms).ok().filter(|ms| *ms != 0)?;
    Timestamp::from_millisecond(ms).ok()
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions/{name}/instances", tag = "instances",
    operation_id = "listInstances", summary = "List a function's instances",
    description = "As sidecars last reported them, on all hosts. One that was stopped is not in it.",
    params(FunctionPath, PageQuery),
    responses((status = 200, description = "Its instances on every connected sidecar.", body = InstanceList), Problems),
)]
async fn list_instances(
    State(api): State<Api>,
    path: FunctionPath,
    Query(query): Query<PageQuery>,
) -> Result<Json<InstanceList>, Problem> {
    api.service.function(path.as_name()).await?;
    let function = format!("{}/{}", path.namespace, path.name);
    let instances = api.service.registry().instances(&function);
    let body = |(sidecar, instance): (String, gateless_proto::v1::InstanceStatus)| InstanceBody {
        id: instance.id,
        revision: instance.revision,
        sidecar,
        state: instance.state,
        in_flight: instance.in_flight,
        started_at: time(instance.started_at_ms),
        address: instance.address,
    };
    let mut items: Vec<_> = instances.into_iter().map(body).collect();
    let key = |instance: &InstanceBody| format!("{}/{}", instance.revision, instance.id);
    items.sort_by_cached_key(key);
    let (items, next_page_token) = page::cut(items, key, &query)?;
    Ok(Json(InstanceList {
        items,
        next_page_token,
    }))
}
