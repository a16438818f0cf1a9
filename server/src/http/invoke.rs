//! The console's call of a function: relayed through a live sidecar, and told of in detail.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateless_common::limits::QUEUED_BODY_BYTES;
use gateless_common::problem::Code;
use gateless_common::{header, hop};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{Body, FunctionPath};
use super::openapi::Problems;
use super::problem::Problem;
use crate::domain::FieldError;
use crate::service::invoke::{Failed, Invocation, Invoked, MAX_TIMEOUT};

/// A body that a sidecar's queue takes, in base64, and a megabyte for the rest.
const MAX_REQUEST_BYTES: usize = QUEUED_BODY_BYTES as usize / 3 * 4 + (1 << 20);
const DEFAULT_TIMEOUT_MS: u64 = 30_000;
const MAX_HEADERS: usize = 100;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(invoke_function))
}

/// A call to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"method": "POST", "path": "/", "headers": {"content-type": "text/plain"}, "body": "hello"}))]
struct InvokeRequest {
    /// Default POST.
    method: String,
    /// Path and query below the function; default `/`.
    path: String,
    /// Header name to value.
    headers: BTreeMap<String, String>,
    /// As text.
    body: Option<String>,
    /// In base64; not together with `body`.
    body_base64: Option<String>,
    /// Whether it is to be queued and answered with its id.
    #[serde(rename = "async")]
    is_async: bool,
    /// How long to wait for the answer; default 30000, at most 300000.
    #[schema(maximum = 300_000)]
    timeout_ms: u64,
}

impl Default for InvokeRequest {
    fn default() -> Self {
        Self {
            method: "POST".into(),
            path: "/".into(),
            headers: BTreeMap::new(),
            body: None,
            body_base64: None,
            is_async: false,
            timeout_ms: DEFAULT_TIMEOUT_MS,
        }
    }
}

/// What came back.
#[derive(Debug, Serialize, ToSchema)]
struct InvokeResponse {
    /// The answer's status.
    status: u16,
    /// The answer's headers; values of one name are joined by commas.
    headers: BTreeMap<String, String>,
    /// Its body, if that is text.
    body: Option<String>,
    /// Its body in base64, if it is not.
    body_base64: Option<String>,
    /// Whether there is more of it than the 1 MiB that is kept.
    truncated: bool,
    /// Of an asynchronous call.
    call_id: Option<String>,
    /// From here and back.
    duration_ms: f64,
    /// Whether an instance had to be waited for.
    cold_start: bool,
    /// Where the time went, as the sidecar's server-timing tells it.
    phases: Vec<PhaseBody>,
    /// The sidecar it went through.
    sidecar: String,
    /// Where it was sent: what a caller would use.
    #[schema(example = "http://10.0.0.1:8080/function/hello.default/")]
    url: String,
}

/// A part of a call's time.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Phase)]
struct PhaseBody {
    /// `route`, `hold`, `queue`, `start` (a part of `hold`), `run`, or one of the function's own.
    #[schema(example = "run")]
    name: String,
    /// How long it took.
    duration_ms: f64,
}

#[utoipa::path(
    post, path = "/v1/namespaces/{namespace}/functions/{name}/invoke", tag = "functions",
    operation_id = "invokeFunction", summary = "Try a function out",
    description = "Calls it through a live sidecar, as any caller would, and tells how that went. For people: \
        programs call a sidecar's public_url, which needs no server.",
    params(FunctionPath), request_body = InvokeRequest,
    responses(
        (status = 200, description = "The function's answer, or the sidecar's in its place, whatever its status.",
            body = InvokeResponse),
        Problems,
    ),
)]
async fn invoke_function(
    State(api): State<Api>,
    path: FunctionPath,
    Body(request): Body<InvokeRequest, MAX_REQUEST_BYTES>,
) -> Result<Json<InvokeResponse>, Problem> {
    let call = parse(request)?;
    let shutdown = api.shutdown.clone();
    let invoked = tokio::select! {
        invoked = api.service.invoke(path.as_name(), &call) => invoked?,
        () = shutdown.cancelled() => return Err(crate::store::Error::Closed.into()),
    };
    Ok(Json(told(invoked.map_err(problem)?)))
}

fn parse(request: InvokeRequest) -> Result<Invocation, Problem> {
    let mut faults = Vec::new();
    let mut fault = |pointer: &str, detail: &str| faults.push(FieldError::new(pointer, detail));
    let method = Method::from_bytes(request.method.as_bytes()).ok();
    let method = method.filter(|method| !matches!(*method, Method::CONNECT | Method::TRACE));
    if method.is_none() {
        fault("/method", "must be a method other than CONNECT and TRACE");
    }
    let well_formed = request.path.parse::<http::uri::PathAndQuery>().is_ok();
    if !request.path.starts_with('/') || !well_formed {
        fault(
            "/path",
            "must begin with / and be a path with or without a query",
        );
    }
    if request.headers.len() > MAX_HEADERS {
        fault("/headers", "may have at most 100 entries");
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        match parse_header(name, value) {
            Ok((name, value)) => drop(headers.insert(name, value)),
            Err(detail) => fault(&format!("/headers/{}", name.replace('/', "~1")), detail),
        }
    }
    let body = match (request.body, request.body_base64) {
        (Some(_), Some(_)) => Err("cannot be together with body"),
        (Some(text), None) => Ok(text.into()),
        (None, Some(text)) => match STANDARD.decode(text) {
            Ok(bytes) => Ok(bytes.into()),
            Err(_) => Err("must be base64"),
        },
        (None, None) => Ok(bytes::Bytes::new()),
    };
    if let Err(detail) = &body {
        fault("/body_base64", detail);
    }
    let timeout = Duration::from_millis(request.timeout_ms);
    if timeout.is_zero() || timeout > MAX_TIMEOUT {
        fault("/timeout_ms", "must be 1 to 300000");
    }
    match (method, body) {
        (Some(method), Ok(body)) if faults.is_empty() => Ok(Invocation {
            method,
            path: request.path,
            headers,
            body,
            is_async: request.is_async,
            timeout,
        }),
        _ => Err(crate::domain::Error::Invalid(faults).into()),
    }
}

fn parse_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let name: HeaderName = name.parse().map_err(|_| "is no header name")?;
    let value = HeaderValue::from_str(value).map_err(|_| "must be visible ASCII")?;
    if hop::is_set_by_sender(&name) {
        return Err("is set by the connection");
    }
    if header::is_ours(&name) && name != header::STICKY {
        return Err("is for sidecars only");
    }
    Ok((name, value))
}

fn told(invoked: Invoked) -> InvokeResponse {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in &invoked.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.to_string())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    let text = |name: HeaderName| {
        invoked
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let phases = text(header::SERVER_TIMING).map(phases).unwrap_or_default();
    let (body, body_base64) = match String::from_utf8(invoked.body.to_vec()) {
        Ok(text) => (Some(text), None),
        // A character may have been cut in two.
        Err(error) if invoked.truncated && error.utf8_error().error_len().is_none() => (
            Some(String::from_utf8_lossy(&invoked.body).into_owned()),
            None,
        ),
        Err(_) => (None, Some(STANDARD.encode(&invoked.body))),
    };
    InvokeResponse {
        status: invoked.status.as_u16(),
        call_id: text(header::CALL_ID).map(str::to_owned),
        cold_start: text(header::COLD_START) == Some("true"),
        headers,
        body,
        body_base64,
        truncated: invoked.truncated,
        duration_ms: (invoked.took.as_secs_f64() * 1e6).round() / 1e3,
        phases,
        sidecar: invoked.sidecar,
        url: invoked.url,
    }
}

/// The entries of server-timing that have a duration.
fn phases(text: &str) -> Vec<PhaseBody> {
    let phase = |entry: &str| {
        let mut parts = entry.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?;
        let duration = parts.find_map(|part| part.strip_prefix("dur="))?;
        let duration_ms = duration.parse::<f64>().ok().filter(|ms| ms.is_finite())?;
        Some(PhaseBody {
            name: name.to_owned(),
            duration_ms,
        })
    };
    text.split(',').filter_map(phase).collect()
}

fn problem(failed: Failed) -> Problem {
    let text = failed.to_string();
    let (code, hint) = match failed {
        Failed::NoSidecar => (
            Code::NoSidecar,
            "start a sidecar; GET /v1/sidecars lists them",
        ),
        Failed::Unreachable { .. } => (
            Code::SidecarUnreachable,
            "the server must reach the sidecars' public_url for this; callers may well reach it",
        ),
        Failed::Timeout(_) => (
            Code::InvokeTimeout,
            "send a larger timeout_ms, or call it with async",
        ),
        Failed::Broken { .. } => (Code::AnswerBroken, "the function's logs may say why"),
        Failed::Url(_) => (
            Code::InvalidParameter,
            "path must be a path with or without a query",
        ),
    };
    Problem::new(code, text).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read_from_server_timing() {
        let found =
            phases("db;desc=\"x\";dur=1, route;dur=0.012, cache, hold;dur=abc, run;dur=7.000");
        let found: Vec<_> = found
            .iter()
            .map(|p| (p.name.as_str(), p.duration_ms))
            .collect();
        assert_eq!(found, [("db", 1.0), ("route", 0.012), ("run", 7.0)]);
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let request = InvokeRequest {
            method: "TRACE".into(),
            path: "x".into(),
            headers: BTreeMap::from([
                ("Host".into(), "x".into()),
                ("x-gateless-node".into(), "x".into()),
                ("x ".into(), "x".into()),
            ]),
            body: Some(String::new()),
            body_base64: Some(String::new()),
            is_async: false,
            timeout_ms: 300_001,
        };
        let problem = parse(request).unwrap_err();
        let pointers: Vec<_> = problem.errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/method",
                "/path",
                "/headers/Host",
                "/headers/x ",
                "/headers/x-gateless-node",
                "/body_base64",
                "/timeout_ms"
            ]
        );
    }
}
