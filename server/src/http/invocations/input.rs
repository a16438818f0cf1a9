//! What an asynchronous call was made with, for people who look at one and make it again.
//!
//! Credentials a caller sent are not among it: whoever may read calls need not be their caller.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateless_common::{header, hop};
use gateless_proto::v1::Header;
use http::HeaderName;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::Api;
use crate::http::extract::InvocationPath;
use crate::http::openapi::Problems;
use crate::http::problem::Problem;

/// Of its body.
const SHOWN_BYTES: usize = 1024 * 1024;
/// Headers whose values are credentials.
const WITHHELD: [&str; 4] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
];

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get_invocation_request))
}

/// What a call was made with.
#[derive(Debug, Serialize, ToSchema)]
struct InvocationRequest {
    /// Its method.
    #[schema(example = "POST")]
    method: String,
    /// Path and query below the function.
    path: String,
    /// Header name to value; values of one name are joined by commas.
    headers: BTreeMap<String, String>,
    /// Headers that were there and are not shown, being credentials.
    withheld: Vec<String>,
    /// Its body, if that is text.
    body: Option<String>,
    /// Its body in base64, if it is not.
    body_base64: Option<String>,
    /// Whether there is more of it than the 1 MiB that is shown.
    truncated: bool,
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/functions/{name}/invocations/{id}/request",
    tag = "invocations", operation_id = "getInvocationRequest",
    summary = "Get what an asynchronous call was made with",
    description = "Credentials among its headers (authorization, cookie, proxy-authorization, x-api-key) are named \
        in withheld, without their values.",
    params(InvocationPath),
    responses((status = 200, description = "Its method, path, headers and body.", body = InvocationRequest), Problems),
)]
async fn get_invocation_request(
    State(api): State<Api>,
    path: InvocationPath,
) -> Result<Json<InvocationRequest>, Problem> {
    let input = api.service.input(path.as_name(), &path.id, SHOWN_BYTES);
    let (call, headers, body) = input.await?;
    let truncated = call.body_bytes > body.len() as u64;
    let (headers, withheld) = shown(headers);
    let (body, body_base64) = match String::from_utf8(body) {
        Ok(text) => (Some(text), None),
        // A character may have been cut in two.
        Err(error) if truncated && error.utf8_error().error_len().is_none() => {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            (Some(text), None)
        }
        Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
    };
    Ok(Json(InvocationRequest {
        method: call.method,
        path: call.path,
        headers,
        withheld,
        body,
        body_base64,
        truncated,
    }))
}

/// Headers the caller chose, and the names of those that are not shown.
fn shown(all: Vec<Header>) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut headers, mut withheld) = (BTreeMap::<String, String>::new(), Vec::new());
    for Header { name, value } in all {
        let not_the_callers = HeaderName::from_bytes(name.as_bytes())
            .is_ok_and(|name| header::is_ours(&name) || hop::is_set_by_sender(&name));
        if not_the_callers {
            continue;
        }
        if WITHHELD.contains(&name.as_str()) {
            withheld.push(name);
            continue;
        }
        let value = String::from_utf8_lossy(&value);
        let joined = headers.entry(name).or_default();
        if !joined.is_empty() {
            joined.push_str(", ");
        }
        joined.push_str(&value);
    }
    withheld.sort_unstable();
    withheld.dedup();
    (headers, withheld)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_named_and_not_shown() {
        let header = |name: &str, value: &str| Header {
            name: name.into(),
            value: value.into(),
        };
        let (headers, withheld) = shown(vec![
            header("accept", "a"),
            header("accept", "b"),
            header("authorization", "Bearer s3cret"),
            header("cookie", "s3cret=1"),
            header("x-gateless-trigger", "nightly"),
            header("content-length", "5"),
        ]);
        assert_eq!(headers, BTreeMap::from([("accept".into(), "a, b".into())]));
        assert_eq!(withheld, ["authorization", "cookie"]);
    }
}
