//! A function's log lines as newline-delimited JSON.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use gateless_common::header;
use gateless_common::limits::LOG_LINES;
use gateless_proto::v1::LogLine;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{FunctionPath, Query};
use super::instances::time;
use super::openapi::Problems;
use super::problem::Problem;
use crate::service::logs;

const DEFAULT_TAIL: u32 = 100;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(stream_logs))
}

/// A line an instance wrote.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogLine)]
struct LineBody {
    /// When it was written.
    #[schema(value_type = Option<String>, format = DateTime)]
    time: Option<Timestamp>,
    /// The instance's revision.
    revision: String,
    /// The instance.
    instance: String,
    /// `stdout`, `stderr`, or `gateless` for what the server has to say.
    #[schema(example = "stdout")]
    stream: String,
    /// The line, without its end.
    line: String,
    /// The instance's sidecar.
    sidecar: String,
}

/// Which lines.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct LogQuery {
    /// Go on with new lines as they come.
    follow: bool,
    /// Lines of the past, at most 10000; default 100.
    #[param(maximum = 10_000)]
    tail: Option<u32>,
    /// Only lines after this, in Unix milliseconds.
    since_ms: Option<u64>,
    /// Only lines before this, in Unix milliseconds; the tail is of these. Not together with follow.
    until_ms: Option<u64>,
    /// Only this revision's.
    revision: Option<String>,
    /// Only this instance's.
    instance: Option<String>,
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions/{name}/logs", tag = "logs",
    operation_id = "streamLogs", summary = "Read a function's log lines",
    description = "One JSON object a line. Without follow they are sorted by time; with it, lines of \
        sidecars that connect later are not in it. Sidecars that could not be asked are named in \
        x-gateless-unreachable.",
    params(FunctionPath, LogQuery),
    responses(
        (status = 200, description = "One LogLine a line.", body = LineBody,
            content_type = "application/x-ndjson",
            headers(("x-gateless-unreachable" = String,
                description = "Sidecars whose lines are missing, separated by commas."))),
        Problems,
    ),
)]
async fn stream_logs(
    State(api): State<Api>,
    path: FunctionPath,
    Query(query): Query<LogQuery>,
) -> Result<Response, Problem> {
    let tail = query.tail.unwrap_or(DEFAULT_TAIL);
    if tail > LOG_LINES {
        let detail = format!("must be at most {}", LOG_LINES);
        return Err(Problem::parameter("tail", detail));
    }
    if query.follow && query.until_ms.is_some() {
        let detail = "is of the past; leave out follow";
        return Err(Problem::parameter("until_ms", detail));
    }
    let query = logs::Query {
        follow: query.follow,
        tail,
        since_ms: query.since_ms.unwrap_or(0),
        until_ms: query.until_ms.unwrap_or(0),
        revision: query.revision.unwrap_or_default(),
        instance: query.instance.unwrap_or_default(),
    };
    let found = api.service.logs(path.as_name(), &query).await?;
    let shutdown = api.shutdown.clone();
    let lines = found
        .lines
        .map(|line| Ok::<_, std::convert::Infallible>(encode(line)));
    let lines = lines.take_until(async move { shutdown.cancelled().await });
    let mut response = Response::new(Body::from_stream(lines));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    let unreachable: Vec<_> = found.warnings.into_iter().map(|w| w.sidecar).collect();
    if let Ok(value) = HeaderValue::from_str(&unreachable.join(","))
        && !unreachable.is_empty()
    {
        headers.insert(header::UNREACHABLE, value);
    }
    Ok(response)
}

fn encode(line: LogLine) -> Bytes {
    let body = LineBody {
        time: time(line.time_ms),
        revision: line.revision,
        instance: line.instance,
        stream: line.stream,
        line: line.line,
        sidecar: line.node_id,
    };
    let mut bytes = serde_json::to_vec(&body).unwrap_or_default();
    bytes.push(b'\n');
    bytes.into()
}
