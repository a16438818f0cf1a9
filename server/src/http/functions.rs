//! Functions: list, get, apply, patch, delete, wait.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gateless_common::problem::Code;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::conditional::{Change, DryRun, IfMatch, IfNoneMatch};
use super::extract::{Body, FunctionPath, NamespacePath, Patch, Query};
use super::openapi::Problems;
use super::page::{self, list};
use super::problem::Problem;
use crate::domain::conditions::Condition;
use crate::domain::rollout::Apply;
use crate::domain::rollout::status::RolloutStatus;
use crate::domain::spec::Spec;
use crate::domain::traffic::Target;
use crate::domain::{self, document};
use crate::etag;
use crate::service::functions::View;
use crate::service::observe;

/// The longest wait, and what it is unless asked, in milliseconds.
const MAX_WAIT_MS: u64 = 600_000;
const DEFAULT_WAIT_MS: u64 = 60_000;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_functions))
        .routes(routes!(
            get_function,
            apply_function,
            patch_function,
            delete_function
        ))
        .routes(routes!(wait_for_function))
}

/// A function.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Function)]
pub(super) struct FunctionBody {
    /// Its namespace.
    #[schema(example = "default")]
    namespace: String,
    /// Its name.
    #[schema(example = "hello")]
    name: String,
    /// Changes when it is deleted and created again.
    uid: String,
    /// The etag's number: changes with every change of the catalogue's record.
    version: u64,
    /// When it was first applied.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When the catalogue last changed it.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Free text for people and filters.
    labels: BTreeMap<String, String>,
    /// As applied, every default filled in.
    spec: Spec,
    /// Who gets which share of the calls, as declared.
    traffic: Vec<Target>,
    /// How it is.
    status: StatusBody,
}

/// How a function is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FunctionStatus)]
pub(super) struct StatusBody {
    /// Whether the condition `Ready` is true.
    ready: bool,
    /// The newest revision.
    #[schema(example = "hello-00002")]
    latest_revision: String,
    /// The newest revision that was ever ready; `latest` traffic goes there.
    #[schema(example = "hello-00001")]
    latest_ready_revision: Option<String>,
    /// What the last deployment has come to: whether the newest revision answers, with which share.
    rollout: RolloutStatus,
    /// One of each type.
    conditions: Vec<Condition>,
    /// The path of a call at any sidecar.
    #[schema(example = "/function/hello.default")]
    url_path: String,
}

list!(
    /// Functions by name.
    FunctionList as FunctionList of FunctionBody
);

/// What is applied.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "labels": {"team": "media"},
    "spec": {
        "kind": "process",
        "process": {"command": ["python3", "main.py"], "ready": {"kind": "http", "path": "/healthz"}},
        "env": {"MODE": "fast"},
        "limits": {"container_concurrency": 10},
        "scaling": {"max_scale": 5}
    }
}))]
pub(super) struct ApplyRequest {
    /// Free text for people and filters; at most 64.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Everything but `kind` and its object has a default.
    spec: Spec,
}

impl From<ApplyRequest> for Apply {
    fn from(request: ApplyRequest) -> Self {
        Self {
            spec: request.spec,
            labels: request.labels,
        }
    }
}

impl From<View> for FunctionBody {
    fn from(view: View) -> Self {
        let ready = view.is("Ready");
        let version = view.function.version;
        let function = view.function.value;
        let revision = |head: &domain::function::RevisionHead| head.name.clone();
        Self {
            status: StatusBody {
                ready,
                latest_revision: function.latest().map(revision).unwrap_or_default(),
                latest_ready_revision: function.latest_ready().map(revision),
                rollout: view.rollout,
                conditions: view.conditions,
                url_path: format!("/function/{}.{}", function.name, function.namespace),
            },
            namespace: function.namespace,
            name: function.name,
            uid: function.uid,
            version,
            created_at: function.created_at,
            updated_at: function.updated_at,
            labels: function.labels,
            spec: function.spec.resolved(),
            traffic: function.traffic,
        }
    }
}

/// A function with its etag.
pub(super) fn answer(status: StatusCode, view: View) -> Response {
    let etag = etag::strong(view.function.version);
    (status, etag, Json(FunctionBody::from(view))).into_response()
}

/// Which functions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Items per page, 1 to 1000; default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// From the page before.
    page_token: Option<String>,
    /// Only those with these labels: `key=value`, several separated by commas.
    label: Option<String>,
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions", tag = "functions",
    operation_id = "listFunctions", summary = "List a namespace's functions",
    description = "By name, with their specs, traffic and conditions. With `label`, only those that carry it.",
    params(NamespacePath, ListQuery),
    responses((status = 200, description = "A page of functions, by name.", body = FunctionList), Problems),
)]
async fn list_functions(
    State(api): State<Api>,
    path: NamespacePath,
    Query(query): Query<ListQuery>,
) -> Result<Json<FunctionList>, Problem> {
    let after = page::decode(query.page_token.as_deref())?;
    let limit = page::limit(query.limit)?;
    let labels = labels(query.label.as_deref())?;
    let namespace = &path.namespace;
    let found = api
        .service
        .list_functions(namespace, after.as_deref(), limit, &labels);
    let (views, more) = found.await?;
    let items: Vec<_> = views.into_iter().map(FunctionBody::from).collect();
    let last = items.last().filter(|_| more);
    Ok(Json(FunctionList {
        next_page_token: last.map(|function| page::encode(&function.name)),
        items,
    }))
}

fn labels(text: Option<&str>) -> Result<BTreeMap<String, String>, Problem> {
    let parts = text.into_iter().flat_map(|text| text.split(','));
    let pair = |part: &str| {
        let (key, value) = part
            .split_once('=')
            .ok_or_else(|| Problem::parameter("label", "must be key=value"))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    parts.map(pair).collect()
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions/{name}", tag = "functions",
    operation_id = "getFunction", summary = "Get a function and how it is",
    description = "The etag changes with the catalogue's record, not with `status`: a 304 says that \
        nobody changed the function, not that its conditions are what they were.",
    params(FunctionPath),
    responses(
        (status = 200, description = "The function.", body = FunctionBody,
            headers(("etag" = String, description = "Its version in quotes."))),
        (status = 304, description = "The etag sent as if-none-match is still right."),
        Problems,
    ),
)]
async fn get_function(
    State(api): State<Api>,
    path: FunctionPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let view = api.service.function(path.as_name()).await?;
    let version = view.function.version;
    let etag = etag::strong(version);
    if etag.is_known(&headers) {
        return Ok((StatusCode::NOT_MODIFIED, etag, ()).into_response());
    }
    Ok(answer(StatusCode::OK, view))
}

#[utoipa::path(
    put, path = "/v1/namespaces/{namespace}/functions/{name}", tag = "functions",
    operation_id = "applyFunction", summary = "Create a function or make it what is asked",
    description = "A changed spec makes a new, immutable revision; the same spec makes none. Traffic \
        that follows `latest` moves to it once it was ready. Secrets and artifacts it names must exist. \
        Kept are revisions with traffic or a tag and the newest 20.",
    params(FunctionPath, DryRun, IfMatch, IfNoneMatch), request_body = ApplyRequest,
    responses(
        (status = 200, description = "It existed; as it is now.", body = FunctionBody,
            headers(("etag" = String, description = "Its version in quotes."))),
        (status = 201, description = "It was created.", body = FunctionBody,
            headers(("etag" = String, description = "Its version in quotes."))),
        Problems,
    ),
)]
async fn apply_function(
    State(api): State<Api>,
    path: FunctionPath,
    Change(how): Change,
    Body(request): Body<ApplyRequest>,
) -> Result<Response, Problem> {
    let applied = api
        .service
        .apply(path.as_name(), request.into(), &how)
        .await?;
    let status = match applied.1 {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok(answer(status, applied.0))
}

#[utoipa::path(
    patch, path = "/v1/namespaces/{namespace}/functions/{name}", tag = "functions",
    operation_id = "patchFunction", summary = "Change parts of a function",
    description = "A JSON merge patch (RFC 7396) of `{labels, spec}`; null restores a default. Requires \
        if-match.",
    params(FunctionPath, DryRun, IfMatch),
    request_body(content = serde_json::Value, content_type = "application/merge-patch+json",
        description = "What to change.", example = json!({"spec": {"scaling": {"max_scale": 5}}})),
    responses(
        (status = 200, description = "As it is now.", body = FunctionBody,
            headers(("etag" = String, description = "Its version in quotes."))),
        Problems,
    ),
)]
async fn patch_function(
    State(api): State<Api>,
    path: FunctionPath,
    change: Change,
    Patch(patch): Patch,
) -> Result<Response, Problem> {
    let how = change.require_if_match()?;
    let parse = |document| match document::from_value::<ApplyRequest>(document) {
        Ok(request) => Ok(request.into()),
        Err(fault) => Err(domain::Error::Invalid(vec![fault])),
    };
    let view = api
        .service
        .patch(path.as_name(), &patch, parse, &how)
        .await?;
    Ok(answer(StatusCode::OK, view))
}

#[utoipa::path(
    delete, path = "/v1/namespaces/{namespace}/functions/{name}", tag = "functions",
    operation_id = "deleteFunction", summary = "Delete a function and its revisions",
    description = "Sidecars drain and stop its instances.",
    params(FunctionPath, DryRun, IfMatch),
    responses((status = 204, description = "It is gone from the catalogue."), Problems),
)]
async fn delete_function(
    State(api): State<Api>,
    path: FunctionPath,
    Change(how): Change,
) -> Result<StatusCode, Problem> {
    api.service.delete_function(path.as_name(), &how).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What to wait for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WaitQuery {
    /// `ready`: `status.rollout.state` is `serving` or `no_traffic`: the newest revision is ready, stays so,
    /// and every connected sidecar has the function as it is.
    #[param(inline)]
    condition: observe::Condition,
    /// At most so long; default 60000.
    #[param(maximum = 600_000)]
    timeout_ms: Option<u64>,
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions/{name}/wait", tag = "functions",
    operation_id = "waitForFunction", summary = "Wait until a function is ready or deleted",
    description = "Answers as soon as the condition holds, and 408 when it did not within the time.",
    params(FunctionPath, WaitQuery),
    responses(
        (status = 200, description = "It is ready.", body = FunctionBody),
        (status = 204, description = "It is deleted."),
        (status = 409, description = "The time ran out; the detail says what is the matter.",
            body = Problem, content_type = "application/problem+json"),
        Problems,
    ),
)]
async fn wait_for_function(
    State(api): State<Api>,
    path: FunctionPath,
    Query(query): Query<WaitQuery>,
) -> Result<Response, Problem> {
    let timeout = query.timeout_ms.unwrap_or(DEFAULT_WAIT_MS);
    if timeout > MAX_WAIT_MS {
        let detail = format!("must be at most {MAX_WAIT_MS}");
        return Err(Problem::parameter("timeout_ms", detail));
    }
    let wait = api.service.wait(
        path.as_name(),
        query.condition,
        Duration::from_millis(timeout),
    );
    let waited = tokio::select! {
        waited = wait => waited?,
        () = api.shutdown.cancelled() => return Err(crate::store::Error::Closed.into()),
    };
    match waited {
        observe::Waited::Met(Some(view)) => Ok(answer(StatusCode::OK, *view)),
        observe::Waited::Met(None) => Ok(StatusCode::NO_CONTENT.into_response()),
        observe::Waited::TimedOut(view) => {
            let state = view.into_iter().flat_map(|view| view.conditions);
            let state: Vec<_> = state
                .map(|c| format!("{}: {}", c.reason, c.message))
                .collect();
            let detail = format!("not so within {timeout} ms; {}", state.join("; "));
            Err(Problem::new(Code::WaitTimeout, detail)
                .hint("wait again, or look at the function's conditions"))
        }
    }
}
