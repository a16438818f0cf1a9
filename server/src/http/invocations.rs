//! Asynchronous calls: list, get, result, cancel, replay. They live on the sidecars, which are asked.

mod input;
mod query;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use gateless_common::header;
use gateless_proto::v1::{Attempt, Call};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::query::CallQuery;
pub(super) use self::query::status;
use super::Api;
use super::conditional::IdempotencyKey;
use super::extract::{CallPath, FunctionPath, InvocationPath, NamespacePath, Query};
use super::instances::time;
use super::openapi::{Binary, Problems};
use super::page::{self, list};
use super::problem::Problem;
use crate::service::calls::{Act, Filter, Page};

pub(super) const STATES: [&str; 6] = [
    "queued",
    "running",
    "retrying",
    "succeeded",
    "dead",
    "cancelled",
];

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_namespace_invocations))
        .routes(routes!(list_invocations))
        .routes(routes!(get_namespace_invocation))
        .routes(routes!(get_invocation))
        .routes(routes!(get_invocation_result))
        .routes(routes!(cancel_invocation))
        .routes(routes!(replay_invocation))
        .merge(input::routes())
}

/// An asynchronous call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invocation)]
pub(super) struct InvocationBody {
    /// Its id; ends in its sidecar's.
    id: String,
    /// The function's namespace.
    namespace: String,
    /// The function.
    function: String,
    /// `queued`, `running`, `retrying`, `succeeded`, `dead` or `cancelled`.
    #[schema(example = "succeeded")]
    state: String,
    /// What it waits for: `function` (the catalogue that its sidecar has in force does not have it, though nobody deleted it),
    /// `retry` (the time of its next attempt) or `turn` (calls before it, or room in an instance); null: nothing.
    waits_for: Option<String>,
    /// Of the call.
    method: String,
    /// Of the call, below the function.
    path: String,
    /// When it was accepted.
    #[schema(value_type = Option<String>, format = DateTime)]
    accepted_at: Option<Timestamp>,
    /// Null: it is not finished.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// Null: there will be none.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// Oldest first.
    attempts: Vec<AttemptBody>,
    /// The function's own status; null: it has not answered.
    status: Option<u32>,
    /// The sidecar that has it.
    sidecar: String,
    /// Where its result is sent.
    callback_url: Option<String>,
    /// `pending`, `delivered` or `failed`; null: nothing is sent.
    callback_state: Option<String>,
    /// Why the callback's last attempt failed; null: none was made, or it did not.
    callback_error: Option<String>,
    /// The caller's key.
    idempotency_key: Option<String>,
    /// The trigger that made it; null: a caller did.
    trigger: Option<String>,
    /// Bytes of its body.
    body_bytes: u64,
    /// Bytes of its result.
    result_bytes: u64,
    /// Why it is dead or cancelled.
    reason: Option<String>,
}

/// One delivery attempt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
struct AttemptBody {
    /// From 1.
    number: u32,
    /// When it began.
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    /// How long it took, in milliseconds.
    duration_ms: u64,
    /// The function's answer; null: there was none.
    status: Option<u32>,
    /// Why there was none.
    error: Option<String>,
}

list!(
    /// Asynchronous calls, newest first.
    InvocationList as InvocationList of InvocationBody, warnings
);

fn text(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn number(number: u32) -> Option<u32> {
    Some(number).filter(|number| *number != 0)
}

impl From<Call> for InvocationBody {
    fn from(call: Call) -> Self {
        let attempt = |attempt: Attempt| AttemptBody {
            number: attempt.number,
            started_at: time(attempt.started_at_ms),
            duration_ms: attempt.duration_ms,
            status: number(attempt.status),
            error: text(attempt.error),
        };
        Self {
            id: call.id,
            namespace: call.namespace,
            function: call.function,
            state: call.state,
            waits_for: text(call.waits_for),
            method: call.method,
            path: call.path,
            accepted_at: time(call.accepted_at_ms),
            finished_at: time(call.finished_at_ms),
            next_attempt_at: time(call.next_attempt_at_ms),
            attempts: call.attempts.into_iter().map(attempt).collect(),
            status: number(call.status),
            sidecar: call.node_id,
            callback_url: text(call.callback_url),
            callback_state: text(call.callback_state),
            callback_error: text(call.callback_error),
            idempotency_key: text(call.idempotency_key),
            trigger: text(call.trigger),
            body_bytes: call.body_bytes,
            result_bytes: call.result_bytes,
            reason: text(call.reason),
        }
    }
}

/// Calls that pass the filter, newest first.
pub(super) async fn list_calls(
    api: &Api,
    namespace: &str,
    filter: Filter,
    (limit, page_token): (Option<u32>, Option<&str>),
) -> Result<Json<InvocationList>, Problem> {
    let limit = page::limit(limit)?;
    let before = page::decode(page_token)?.unwrap_or_default();
    let found = api
        .service
        .list_calls(namespace, &filter, &before, limit)
        .await?;
    let Page { calls, next } = found.value;
    Ok(Json(InvocationList {
        next_page_token: next.as_deref().map(page::encode),
        items: calls.into_iter().map(InvocationBody::from).collect(),
        warnings: page::warnings(found.warnings),
    }))
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/invocations", tag = "invocations",
    operation_id = "listNamespaceInvocations", summary = "List a namespace's asynchronous calls",
    description = "Every connected sidecar is asked; `warnings` names those that could not be. All conditions \
        given have to hold. Only so many calls are looked at for one page, so one may be short, or empty, and \
        have a next.",
    params(NamespacePath, CallQuery),
    responses((status = 200, description = "A page of calls, newest first.", body = InvocationList), Problems),
)]
async fn list_namespace_invocations(
    State(api): State<Api>,
    path: NamespacePath,
    Query(query): Query<CallQuery>,
) -> Result<Json<InvocationList>, Problem> {
    let filter = query.filter(String::new())?;
    list_calls(&api, &path.namespace, filter, query.page()).await
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions/{name}/invocations", tag = "invocations",
    operation_id = "listInvocations", summary = "List a function's asynchronous calls",
    description = "As listNamespaceInvocations, of one function; also of one that was deleted, for as long as \
        its calls are kept.",
    params(FunctionPath, CallQuery),
    responses((status = 200, description = "A page of calls, newest first.", body = InvocationList), Problems),
)]
async fn list_invocations(
    State(api): State<Api>,
    path: FunctionPath,
    Query(query): Query<CallQuery>,
) -> Result<Json<InvocationList>, Problem> {
    let filter = query.filter(path.name)?;
    list_calls(&api, &path.namespace, filter, query.page()).await
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/invocations/{id}", tag = "invocations",
    operation_id = "getNamespaceInvocation", summary = "Find an asynchronous call by its id",
    description = "Of whichever function of the namespace; `function` in the answer says which.",
    params(CallPath),
    responses((status = 200, description = "The call.", body = InvocationBody), Problems),
)]
async fn get_namespace_invocation(
    State(api): State<Api>,
    path: CallPath,
) -> Result<Json<InvocationBody>, Problem> {
    let call = api.service.call_of_any(&path.namespace, &path.id).await?;
    Ok(Json(call.into()))
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions/{name}/invocations/{id}", tag = "invocations",
    operation_id = "getInvocation", summary = "Get an asynchronous call",
    description = "Its state, every attempt with its answer or error, and how far its callback is. The sidecar \
        that has the call is asked.",
    params(InvocationPath),
    responses((status = 200, description = "The call.", body = InvocationBody), Problems),
)]
async fn get_invocation(
    State(api): State<Api>,
    path: InvocationPath,
) -> Result<Json<InvocationBody>, Problem> {
    Ok(Json(
        api.service.call(path.as_name(), &path.id).await?.into(),
    ))
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions/{name}/invocations/{id}/result",
    tag = "invocations", operation_id = "getInvocationResult",
    summary = "Get the function's answer to an asynchronous call",
    description = "The function's own status is in x-function-status, its content-type is kept, its \
        other headers come as x-function-header-NAME. 409 until the call is finished.",
    params(InvocationPath),
    responses(
        (status = 200, description = "The body of the function's answer.", body = inline(Binary),
            content_type = "*/*",
            headers(("x-function-status" = u32, description = "The function's own status."))),
        Problems,
    ),
)]
async fn get_invocation_result(
    State(api): State<Api>,
    path: InvocationPath,
) -> Result<Response, Problem> {
    let (head, body) = api.service.result(path.as_name(), &path.id).await?;
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    for header in head.headers {
        let name = header.name.to_ascii_lowercase();
        let name = match name.as_str() {
            "content-type" => Ok(CONTENT_TYPE),
            name => HeaderName::from_bytes(format!("x-function-header-{name}").as_bytes()),
        };
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&header.value)) {
            headers.append(name, value);
        }
    }
    // A function's HTML must not run with this server's origin.
    let set = HeaderValue::from_static;
    headers.insert("x-content-type-options", set("nosniff"));
    headers.insert(
        "content-security-policy",
        set("sandbox; default-src 'none'"),
    );
    headers.insert("content-disposition", set("attachment"));
    headers.insert(header::FUNCTION_STATUS, HeaderValue::from(head.status));
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}

#[utoipa::path(
    post, path = "/v1/namespaces/{namespace}/functions/{name}/invocations/{id}/cancel",
    tag = "invocations", operation_id = "cancelInvocation", summary = "Cancel an asynchronous call",
    description = "Not started: at once. In flight: the attempt is aborted. 409 when it is finished.",
    params(InvocationPath, IdempotencyKey),
    responses((status = 200, description = "The call now.", body = InvocationBody), Problems),
)]
async fn cancel_invocation(
    State(api): State<Api>,
    path: InvocationPath,
) -> Result<Json<InvocationBody>, Problem> {
    let acted = api.service.act(path.as_name(), &path.id, Act::Cancel);
    Ok(Json(acted.await?.into()))
}

#[utoipa::path(
    post, path = "/v1/namespaces/{namespace}/functions/{name}/invocations/{id}/replay",
    tag = "invocations", operation_id = "replayInvocation",
    summary = "Put a finished or dead call back into the queue",
    description = "With fresh attempts. 409 when it is not finished.",
    params(InvocationPath, IdempotencyKey),
    responses((status = 200, description = "The call now.", body = InvocationBody), Problems),
)]
async fn replay_invocation(
    State(api): State<Api>,
    path: InvocationPath,
) -> Result<Json<InvocationBody>, Problem> {
    let acted = api.service.act(path.as_name(), &path.id, Act::Replay);
    Ok(Json(acted.await?.into()))
}
