//! Queues and dead letters.

use axum::Json;
use axum::extract::State;
use gateless_proto::v1::QueueStatus;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::bulk::{self, FailedBody};
use super::conditional::IdempotencyKey;
use super::extract::{FunctionPath, NamespacePath, OptionalBody, Query};
use super::invocations::{InvocationList, list_calls};
use super::openapi::Problems;
use super::page::{self, PageQuery, WarningBody, list};
use super::problem::Problem;
use crate::service::bulk::Which;
use crate::service::calls::{Act, Filter, Gathered};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_queues))
        .routes(routes!(list_dead_letters, purge_dead_letters))
        .routes(routes!(replay_dead_letters))
        .routes(routes!(purge_invocations))
}

/// A function's queue, summed over sidecars.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Queue, example = json!({"namespace": "default", "function": "hello", "queued": 3,
    "running": 1, "retrying": 0, "dead": 0, "oldest_age_ms": 120}))]
pub(super) struct QueueBody {
    /// The function's namespace.
    namespace: String,
    /// The function.
    function: String,
    /// Calls that wait for their first attempt.
    queued: u64,
    /// Calls in an attempt.
    running: u64,
    /// Calls that wait for another attempt.
    retrying: u64,
    /// Dead letters.
    dead: u64,
    /// Age of the oldest waiting call, in milliseconds.
    oldest_age_ms: u64,
}

list!(
    /// Queues by function.
    QueueList as QueueList of QueueBody, warnings
);

/// How many calls something was done to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Count, example = json!({"count": 2, "warnings": []}))]
struct CountBody {
    /// How many; of a dry run: how many it would be.
    count: u64,
    /// Sidecars where it was not done.
    warnings: Vec<WarningBody>,
    /// Calls asked for by id that it was not done to.
    failed: Vec<FailedBody>,
}

/// Which dead letters.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct ReplayRequest {
    /// At most 1000 ids; left out: all.
    #[schema(max_items = 1000, example = json!(["0192f0c1a2b37c4d8e9f0a1b2c3d4e5f-1a2b3c4d"]))]
    ids: Option<Vec<String>>,
    /// Only say how many it would be, and which of those named could not be put back.
    // Here and not in the query: a server that does not know it refuses the field, and would not heed a parameter.
    dry_run: bool,
}

impl From<Gathered<u64>> for CountBody {
    fn from(gathered: Gathered<u64>) -> Self {
        Self {
            count: gathered.value,
            warnings: page::warnings(gathered.warnings),
            failed: Vec::new(),
        }
    }
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/queues", tag = "queues",
    operation_id = "listQueues", summary = "List a namespace's queues",
    description = "How many calls wait, run and are retried per function, summed over sidecars, and how long the \
        oldest waits.",
    params(NamespacePath, PageQuery),
    responses((status = 200, description = "A page of queues, by function.", body = QueueList), Problems),
)]
async fn list_queues(
    State(api): State<Api>,
    path: NamespacePath,
    Query(query): Query<PageQuery>,
) -> Result<Json<QueueList>, Problem> {
    let queues = api.service.queues(&path.namespace).await;
    let body = |queue: QueueStatus| QueueBody {
        namespace: queue.namespace,
        function: queue.function,
        queued: queue.queued,
        running: queue.running,
        retrying: queue.retrying,
        dead: queue.dead,
        oldest_age_ms: queue.oldest_age_ms,
    };
    let items = queues.value.into_iter().map(body).collect();
    let key = |queue: &QueueBody| queue.function.clone();
    let (items, next_page_token) = page::cut(items, key, &query)?;
    Ok(Json(QueueList {
        items,
        next_page_token,
        warnings: page::warnings(queues.warnings),
    }))
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions/{name}/dead-letters", tag = "dead letters",
    operation_id = "listDeadLetters", summary = "List calls that were given up",
    description = "Calls that used up their attempts or their time, or whose function is gone. They are kept \
        until they are replayed, purged, or too old.",
    params(FunctionPath, PageQuery),
    responses((status = 200, description = "A page of dead calls, newest first.", body = InvocationList), Problems),
)]
async fn list_dead_letters(
    State(api): State<Api>,
    path: FunctionPath,
    Query(query): Query<PageQuery>,
) -> Result<Json<InvocationList>, Problem> {
    let filter = Filter {
        function: path.name,
        states: vec!["dead".to_owned()],
        ..Filter::default()
    };
    let page = (query.limit, query.page_token.as_deref());
    list_calls(&api, &path.namespace, filter, page).await
}

#[utoipa::path(
    delete, path = "/v1/namespaces/{namespace}/functions/{name}/dead-letters", tag = "dead letters",
    operation_id = "purgeDeadLetters", summary = "Delete a function's dead letters",
    description = "All of them, on every sidecar, with their bodies. It cannot be undone.",
    params(FunctionPath),
    responses((status = 200, description = "How many were deleted.", body = CountBody), Problems),
)]
async fn purge_dead_letters(
    State(api): State<Api>,
    path: FunctionPath,
) -> Result<Json<CountBody>, Problem> {
    let purged = api.service.dead_letters(path.as_name(), false).await?;
    Ok(Json(purged.into()))
}

#[utoipa::path(
    delete, path = "/v1/namespaces/{namespace}/functions/{name}/invocations", tag = "invocations",
    operation_id = "purgeInvocations", summary = "Forget a function's finished calls",
    description = "Those that succeeded or were cancelled, on every sidecar, with their results and idempotency keys. Dead \
        letters and calls that are not finished stay. It cannot be undone.",
    params(FunctionPath),
    responses((status = 200, description = "How many were forgotten.", body = CountBody), Problems),
)]
async fn purge_invocations(
    State(api): State<Api>,
    path: FunctionPath,
) -> Result<Json<CountBody>, Problem> {
    let purged = api.service.purge_history(path.as_name()).await?;
    Ok(Json(purged.into()))
}

#[utoipa::path(
    post, path = "/v1/namespaces/{namespace}/functions/{name}/dead-letters/replay",
    tag = "dead letters", operation_id = "replayDeadLetters",
    summary = "Put a function's dead letters back into the queue",
    description = "All of them, or those named in the body.",
    params(FunctionPath, IdempotencyKey), request_body(content = ReplayRequest, description = "An empty object means all of them."),
    responses((status = 200, description = "How many were put back.", body = CountBody), Problems),
)]
async fn replay_dead_letters(
    State(api): State<Api>,
    path: FunctionPath,
    OptionalBody(request): OptionalBody<ReplayRequest>,
) -> Result<Json<CountBody>, Problem> {
    let (service, name) = (&api.service, path.as_name());
    let Some(ids) = request.ids else {
        let counted = match request.dry_run {
            true => service.would_replay_all(name).await?,
            false => service.dead_letters(name, true).await?,
        };
        return Ok(Json(counted.into()));
    };
    let ids = bulk::ids(ids)?;
    let mut done = match request.dry_run {
        true => service.would_replay(name, ids).await?,
        false => {
            let which = Which::Ids(ids);
            let done = service.act_on_all(name, which, Act::Replay, Some("dead"));
            done.await?
        }
    };
    Ok(Json(CountBody {
        count: done.count,
        warnings: Vec::new(),
        failed: bulk::failures(&mut done),
    }))
}
