//! Triggers: schedules, events and topics that make calls.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::conditional::{Change, DryRun, IfMatch, IfNoneMatch};
use super::extract::{Body, NamespacePath, Query, TriggerPath};
use super::openapi::Problems;
use super::page::{self, PageQuery, WarningBody, list};
use super::problem::Problem;
use crate::domain::conditions::{self, Condition};
use crate::domain::trigger::Spec;
use crate::etag;
use crate::service::calls::Warning;
use crate::service::triggers::View;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_triggers))
        .routes(routes!(get_trigger, put_trigger, delete_trigger))
}

/// A trigger.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Trigger)]
pub(super) struct TriggerBody {
    /// Its namespace.
    #[schema(example = "default")]
    namespace: String,
    /// Its name.
    #[schema(example = "nightly")]
    name: String,
    /// Changes when it is deleted and created again.
    uid: String,
    /// The etag's number.
    version: u64,
    /// When it was first put.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// As put, every default filled in.
    spec: Spec,
    /// How it is.
    status: StatusBody,
    /// Sidecars that could not be asked what it did there; in a list they are named once, beside the
    /// items.
    warnings: Vec<WarningBody>,
}

/// How a trigger is. Counts are summed over sidecars.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TriggerStatus)]
struct StatusBody {
    /// Whether the condition `Ready` is true.
    ready: bool,
    /// `Ready`, `FunctionMissing` (true: nobody is there to call) and `Accepted`.
    conditions: Vec<Condition>,
    /// The sidecar that fires it; null unless it has a schedule and the sidecar could be asked.
    owner: Option<String>,
    /// When its schedule fires next; null if it has none or is paused.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_fire_at: Option<Timestamp>,
    /// When it last put a call into the queue.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_fired_at: Option<Timestamp>,
    /// Why it could not, the last time it could not.
    last_error: Option<String>,
    /// When that was.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_error_at: Option<Timestamp>,
    /// Calls it put into the queue; what became of them the function's invocations tell.
    delivered: u64,
    /// Calls it could not put into the queue.
    failed: u64,
    /// Times of its schedule that were passed over.
    missed: u64,
    /// Times of its schedule that were left out, as the call before was not over.
    skipped: u64,
}

list!(
    /// Triggers by name.
    TriggerList as TriggerList of TriggerBody, warnings
);

/// What is put.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"spec": {
    "kind": "cron",
    "function": "hello",
    "cron": {"schedule": "0 3 * * *", "timezone": "Europe/Berlin"}
}}))]
struct TriggerRequest {
    /// What fires it, and the call that is made then.
    spec: Spec,
}

fn body(view: View, warnings: Vec<Warning>) -> TriggerBody {
    let View {
        trigger,
        conditions,
        status,
    } = view;
    let version = trigger.version;
    let trigger = trigger.value;
    let ready = conditions
        .iter()
        .any(|c| c.kind == "Ready" && c.status == conditions::Status::True);
    TriggerBody {
        namespace: trigger.namespace,
        name: trigger.name,
        uid: trigger.uid,
        version,
        created_at: trigger.created_at,
        updated_at: trigger.updated_at,
        spec: trigger.spec,
        status: StatusBody {
            ready,
            conditions,
            owner: status.owner,
            next_fire_at: status.next_fire_at,
            last_fired_at: status.last_fired_at,
            last_error: status.last_error,
            last_error_at: status.last_error_at,
            delivered: status.delivered,
            failed: status.failed,
            missed: status.missed,
            skipped: status.skipped,
        },
        warnings: page::warnings(warnings),
    }
}

fn answer(status: StatusCode, body: TriggerBody) -> Response {
    (status, etag::strong(body.version), Json(body)).into_response()
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/triggers", tag = "triggers",
    operation_id = "listTriggers", summary = "List a namespace's triggers and what they did",
    description = "By name, with what sidecars say of each: when it fired last and will next, and what became of \
        it.",
    params(NamespacePath, PageQuery),
    responses((status = 200, description = "A page of triggers, by name.", body = TriggerList), Problems),
)]
async fn list_triggers(
    State(api): State<Api>,
    path: NamespacePath,
    Query(query): Query<PageQuery>,
) -> Result<Json<TriggerList>, Problem> {
    let limit = page::limit(query.limit)?;
    let after = page::decode(query.page_token.as_deref())?;
    let namespace = &path.namespace;
    let found = api
        .service
        .list_triggers(namespace, after.as_deref(), limit);
    let found = found.await?;
    let (views, more) = found.value;
    let items: Vec<_> = views.into_iter().map(|v| body(v, Vec::new())).collect();
    let last = items.last().filter(|_| more);
    Ok(Json(TriggerList {
        next_page_token: last.map(|trigger| page::encode(&trigger.name)),
        items,
        warnings: page::warnings(found.warnings),
    }))
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/triggers/{name}", tag = "triggers",
    operation_id = "getTrigger", summary = "Get a trigger and what it did",
    description = "The etag changes with the catalogue's record, not with `status`.",
    params(TriggerPath),
    responses(
        (status = 200, description = "The trigger.", body = TriggerBody,
            headers(("etag" = String, description = "Its version in quotes."))),
        (status = 304, description = "The etag sent as if-none-match is still right."),
        Problems,
    ),
)]
async fn get_trigger(
    State(api): State<Api>,
    path: TriggerPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = api.service.trigger(path.as_name()).await?;
    let version = found.value.trigger.version;
    let etag = etag::strong(version);
    if etag.is_known(&headers) {
        return Ok((StatusCode::NOT_MODIFIED, etag, ()).into_response());
    }
    Ok(answer(StatusCode::OK, body(found.value, found.warnings)))
}

#[utoipa::path(
    put, path = "/v1/namespaces/{namespace}/triggers/{name}", tag = "triggers",
    operation_id = "putTrigger", summary = "Create or replace a trigger",
    description = "Its function need not be there yet. A schedule begins with its change: no time \
        before is ever fired.",
    params(TriggerPath, DryRun, IfMatch, IfNoneMatch), request_body = TriggerRequest,
    responses(
        (status = 200, description = "It existed; as it is now.", body = TriggerBody,
            headers(("etag" = String, description = "Its version in quotes."))),
        (status = 201, description = "It was created.", body = TriggerBody,
            headers(("etag" = String, description = "Its version in quotes."))),
        Problems,
    ),
)]
async fn put_trigger(
    State(api): State<Api>,
    path: TriggerPath,
    Change(how): Change,
    Body(request): Body<TriggerRequest>,
) -> Result<Response, Problem> {
    let put = api
        .service
        .put_trigger(path.as_name(), &request.spec, &how)
        .await?;
    let (found, new) = put;
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(answer(status, body(found.value, found.warnings)))
}

#[utoipa::path(
    delete, path = "/v1/namespaces/{namespace}/triggers/{name}", tag = "triggers",
    operation_id = "deleteTrigger", summary = "Delete a trigger",
    description = "Calls it has put into the queue are delivered all the same.",
    params(TriggerPath, DryRun, IfMatch),
    responses((status = 204, description = "It is gone from the catalogue."), Problems),
)]
async fn delete_trigger(
    State(api): State<Api>,
    path: TriggerPath,
    Change(how): Change,
) -> Result<StatusCode, Problem> {
    api.service.delete_trigger(path.as_name(), &how).await?;
    Ok(StatusCode::NO_CONTENT)
}
