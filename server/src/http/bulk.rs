//! Cancel and replay for many asynchronous calls at once.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::conditional::IdempotencyKey;
use super::extract::{Body, FunctionPath};
use super::invocations::STATES;
use super::openapi::Problems;
use super::problem::Problem;
use crate::domain::{self, FieldError};
use crate::service::bulk::{Done, MAX_CALLS, Which};
use crate::service::calls::Act;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(cancel_invocations))
        .routes(routes!(replay_invocations))
}

/// Which calls: either `ids` or `state`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"state": "queued,retrying"}))]
pub(super) struct BulkRequest {
    /// At most 1000 ids.
    #[schema(max_items = 1000)]
    ids: Option<Vec<String>>,
    /// All calls in this state, or any of several separated by commas; at most 1000 of them, newest first.
    state: Option<String>,
}

/// What became of many calls.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BulkResult)]
struct BulkBody {
    /// How many it was done to.
    count: u64,
    /// Those it was not done to.
    failed: Vec<FailedBody>,
    /// Whether more calls are in this state than one request handles: send it again.
    more: bool,
}

/// A call it was not done to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BulkFailure)]
pub(super) struct FailedBody {
    /// The call.
    id: String,
    /// Why, for programs: a problem's code.
    #[schema(example = "wrong_state")]
    code: String,
    /// Why, for people.
    detail: String,
}

pub(super) fn failures(done: &mut Done) -> Vec<FailedBody> {
    let failed = std::mem::take(&mut done.failed).into_iter();
    let body = |(id, error)| {
        let problem = Problem::from(error);
        FailedBody {
            id,
            code: problem.code.into(),
            detail: problem.detail,
        }
    };
    failed.map(body).collect()
}

impl From<Done> for BulkBody {
    fn from(mut done: Done) -> Self {
        Self {
            count: done.count,
            failed: failures(&mut done),
            more: done.more,
        }
    }
}

/// The ids, if they are not too many.
pub(super) fn ids(ids: Vec<String>) -> Result<Vec<String>, Problem> {
    if ids.len() > MAX_CALLS {
        let detail = format!("may have at most {MAX_CALLS} entries");
        return Err(invalid("/ids", &detail));
    }
    Ok(ids)
}

fn invalid(pointer: &str, detail: &str) -> Problem {
    domain::Error::Invalid(vec![FieldError::new(pointer, detail)]).into()
}

fn which(request: BulkRequest) -> Result<Which, Problem> {
    match (request.ids, request.state) {
        (Some(list), None) => Ok(Which::Ids(ids(list)?)),
        (None, Some(states)) => {
            let states: Vec<String> = states.split(',').map(str::to_owned).collect();
            if !states.iter().all(|state| STATES.contains(&state.as_str())) {
                let detail = format!("must be of {}", STATES.join(", "));
                return Err(invalid("/state", &detail));
            }
            Ok(Which::States(states))
        }
        _ => Err(invalid("", "needs either ids or state")),
    }
}

#[utoipa::path(
    post, path = "/v1/namespaces/{namespace}/functions/{name}/invocations/cancel",
    tag = "invocations", operation_id = "cancelInvocations", summary = "Cancel many asynchronous calls",
    description = "Those named, or up to 1000 in a state. Each is cancelled as cancelInvocation would; `failed` \
        names those that were not.",
    params(FunctionPath, IdempotencyKey), request_body = BulkRequest,
    responses((status = 200, description = "How many were cancelled, and which were not.", body = BulkBody), Problems),
)]
async fn cancel_invocations(
    State(api): State<Api>,
    path: FunctionPath,
    Body(request): Body<BulkRequest>,
) -> Result<Json<BulkBody>, Problem> {
    let which = which(request)?;
    let done = api
        .service
        .act_on_all(path.as_name(), which, Act::Cancel, None);
    Ok(Json(done.await?.into()))
}

#[utoipa::path(
    post, path = "/v1/namespaces/{namespace}/functions/{name}/invocations/replay",
    tag = "invocations", operation_id = "replayInvocations",
    summary = "Put many finished or dead calls back into the queue",
    description = "Those named, or up to 1000 in a state, each with fresh attempts; `failed` names those that \
        were not put back.",
    params(FunctionPath, IdempotencyKey), request_body = BulkRequest,
    responses((status = 200, description = "How many were put back, and which were not.", body = BulkBody), Problems),
)]
async fn replay_invocations(
    State(api): State<Api>,
    path: FunctionPath,
    Body(request): Body<BulkRequest>,
) -> Result<Json<BulkBody>, Problem> {
    let which = which(request)?;
    let done = api
        .service
        .act_on_all(path.as_name(), which, Act::Replay, None);
    Ok(Json(done.await?.into()))
}
