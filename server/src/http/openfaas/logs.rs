//! Log lines, one JSON object a line, as `faas-cli logs` reads them.

use axum::body::Body;
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use gateless_common::limits::LOG_LINES;
use gateless_proto::v1::LogLine;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{Plain, permit};
use crate::auth::Principal;
use crate::auth::policy::Need;
use crate::http::Api;
use crate::http::instances::time;
use crate::http::problem::Problem;
use crate::service::logs;

const DEFAULT_TAIL: u32 = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    name: String,
    namespace: String,
    instance: String,
    /// RFC 3339.
    since: Option<String>,
    /// 0 or less: all there are.
    tail: Option<i64>,
    follow: Option<String>,
}

pub(super) async fn stream(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Query(asked): Query<Asked>,
) -> Result<Response, Plain> {
    let namespace = permit(&principal, Need::Read, &asked.namespace, "")?;
    let since = asked.since.filter(|text| !text.is_empty());
    let since = since.map(|text| text.parse::<Timestamp>()).transpose();
    let since = since.map_err(|error| Problem::parameter("since", error.to_string()))?;
    let tail = match asked.tail {
        None => DEFAULT_TAIL,
        Some(count) if count <= 0 => LOG_LINES,
        Some(count) => u32::try_from(count).map_or(LOG_LINES, |n| n.min(LOG_LINES)),
    };
    let query = logs::Query {
        follow: matches!(asked.follow.as_deref(), Some("1" | "true")),
        tail,
        since_ms: since.map_or(0, |at| u64::try_from(at.as_millisecond()).unwrap_or(0)),
        until_ms: 0,
        revision: String::new(),
        instance: asked.instance,
    };
    let found = api.service.logs((&namespace, &asked.name), &query).await?;
    let shutdown = api.shutdown.clone();
    let name = asked.name;
    let lines = found
        .lines
        .map(move |line| Ok::<_, std::convert::Infallible>(encode(&namespace, &name, line)));
    let lines = lines.take_until(async move { shutdown.cancelled().await });
    let mut response = Response::new(Body::from_stream(lines));
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

fn encode(namespace: &str, name: &str, line: LogLine) -> Bytes {
    let message = json!({
        "name": name,
        "namespace": namespace,
        "instance": line.instance,
        "timestamp": time(line.time_ms).unwrap_or_default(),
        "text": line.line,
    });
    let mut bytes = message.to_string().into_bytes();
    bytes.push(b'\n');
    bytes.into()
}
