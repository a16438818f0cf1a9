//! The async path's HTTP: what the proxy answers to `/async-function/...` and
//! `/_gateless/calls/...`.
//!
//! Requests are parsed into records and records shown as JSON here, nowhere else. A call is
//! shown from its wire form, so one of this sidecar and one fetched from a peer look the
//! same. Deliberately no routing and no peers: the proxy finds the sidecar an id names.

use bytes::Bytes;
use gateless_common::header as names;
use gateless_core::egress::Egress;
use gateless_core::policy::Admitted;
use gateless_proto::v1;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::home::{Group, Taken};
use super::types::{Accepted, CallId, CallResult, Header, Idempotency, Record};
use super::{Calls, Error, Homes, callback, headers};
use crate::call::Call;

/// Longest idempotency key, characters.
const KEY_CHARS: usize = 255;

/// An admitted call whose body was read whole, to be taken in. Its callback may go where `egress` allows.
///
/// # Errors
/// As [`record`].
pub fn group(call: &Admitted<Call>, egress: &Egress) -> Result<Group, Error> {
    let policy = call.get().function.config.async_policy;
    Ok(Group::of(record(call, egress)?, policy))
}

/// Takes calls in: 202 with the id of the first, once they are on disk.
///
/// # Errors
/// As [`Homes::accept`].
pub async fn accept(homes: &Homes, group: Group) -> Result<Response<Bytes>, Error> {
    let Taken { accepted, unsure } = homes.accept(group).await?;
    let nothing = || Error::Unavailable("it took nothing in".into());
    let accepted = accepted.first().ok_or_else(nothing)?;
    Ok(accepted_response(accepted, unsure))
}

/// A call as it is kept. Also for `Prefer: wait`, before the call is made: a request can
/// only become an async one if it was kept.
///
/// # Errors
/// When `x-callback-url` or `idempotency-key` is unusable.
pub fn record(call: &Admitted<Call>, egress: &Egress) -> Result<Admitted<Record>, Error> {
    call.try_copy(|call| kept_request(call, egress))
}

fn kept_request(call: &Call, egress: &Egress) -> Result<Record, Error> {
    let callback = match call.parts.headers.get(names::CALLBACK_URL) {
        None => None,
        Some(value) => {
            let url = value
                .to_str()
                .map_err(|_| Error::Callback("it is not ASCII"))?;
            callback::check_url(url, egress)?;
            Some(url.to_owned())
        }
    };
    let path = call.parts.uri.path_and_query();
    let path = path.map_or("/", |path| path.as_str());
    let (parts, body) = (&call.parts, call.payload.whole());
    let method = parts.method.as_str();
    Ok(Record {
        function: call.function.config.name.clone(),
        method: method.to_owned(),
        path: path.to_owned(),
        headers: headers::kept(&parts.headers),
        idempotency: idempotency(&parts.headers, method, path, &body)?,
        body,
        callback,
        principal: call.principal(),
    })
}

/// The headers to keep with a call, in order.
#[must_use]
pub fn kept(headers: &HeaderMap) -> Vec<Header> {
    headers::kept(headers)
}

/// A request's idempotency key, if it has one.
///
/// # Errors
/// [`Error::IdempotencyKey`].
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let Some(value) = headers.get(names::IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let bad = || Error::IdempotencyKey { limit: KEY_CHARS };
    let key = value.to_str().map_err(|_| bad())?;
    if key.is_empty() || key.len() > KEY_CHARS || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(bad());
    }
    Ok(Some(key))
}

fn idempotency(
    headers: &HeaderMap,
    method: &str,
    path: &str,
    body: &[u8],
) -> Result<Option<Idempotency>, Error> {
    let Some(key) = idempotency_key(headers)? else {
        return Ok(None);
    };
    let mut digest = Sha256::new();
    for part in [method.as_bytes(), path.as_bytes(), body] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    Ok(Some(Idempotency {
        key: key.to_owned(),
        digest: digest.finalize().into(),
    }))
}

/// 202 for a call that was accepted; `unsure` when another may have been accepted under its key.
#[must_use]
pub fn accepted_response(accepted: &Accepted, unsure: bool) -> Response<Bytes> {
    let id = accepted.id.to_string();
    let status_url = format!("/_gateless/calls/{id}");
    let mut document = json!({
        "id": id,
        "token": accepted.token,
        "status_url": status_url,
        "result_url": format!("{status_url}/result"),
    });
    if accepted.copies > 0 {
        document["copies"] = json!(accepted.copies);
    }
    if unsure {
        document["idempotency"] = json!("unsure");
    }
    let mut response = json_response(StatusCode::ACCEPTED, &document);
    let headers = response.headers_mut();
    insert(headers, names::CALL_ID, &id);
    insert(headers, names::CALL_TOKEN, &accepted.token);
    if accepted.copies > 0 {
        headers.insert(names::COPIES, accepted.copies.into());
    }
    if unsure {
        insert(headers, names::IDEMPOTENCY, "unsure");
    }
    insert(headers, header::LOCATION, &status_url);
    if accepted.replayed {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}

/// The result of a call of this sidecar.
///
/// # Errors
/// As [`Calls::result`].
pub async fn result(calls: &dyn Calls, id: &CallId) -> Result<Response<Bytes>, Error> {
    let result = calls.result(id).await?;
    Ok(result_response(id, result))
}

/// What is known of a call, as JSON, for whoever made it. The callback URL and the idempotency key are not in it: a token may
/// be passed on to somebody who is only to see the result. Nor is what became of the callback: it would tell which addresses
/// this host can connect to. Both are in the management API.
#[must_use]
pub fn status_response(call: &v1::Call) -> Response<Bytes> {
    let attempt = |a: &v1::Attempt| {
        json!({
            "number": a.number,
            "started_at": time(a.started_at_ms),
            "duration_ms": a.duration_ms,
            "status": nonzero(a.status),
            "error": text(&a.error),
        })
    };
    let document = json!({
        "id": call.id,
        "namespace": call.namespace,
        "function": call.function,
        "state": call.state,
        "method": call.method,
        "path": call.path,
        "accepted_at": time(call.accepted_at_ms),
        "finished_at": time(call.finished_at_ms),
        "waits_for": text(&call.waits_for),
        "next_attempt_at": time(call.next_attempt_at_ms),
        "attempts": call.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "status": nonzero(call.status),
        "reason": text(&call.reason),
        "body_bytes": call.body_bytes,
        "result_bytes": call.result_bytes,
        "node_id": call.node_id,
        "copies": nonzero(call.copies),
    });
    json_response(StatusCode::OK, &document)
}

/// A function's answer: 200, its own status in `x-function-status`, its headers and body.
#[must_use]
pub fn result_response(id: &CallId, result: CallResult) -> Response<Bytes> {
    let mut response = Response::new(result.body);
    let headers = response.headers_mut();
    for (name, value) in result.headers {
        // Both were a function's header once.
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name),
            HeaderValue::from_maybe_shared(value),
        ) {
            headers.append(name, value);
        }
    }
    insert(headers, names::CALL_ID, &id.to_string());
    headers.insert(names::FUNCTION_STATUS, result.status.into());
    if result.truncated {
        headers.insert(names::RESULT_TRUNCATED, HeaderValue::from_static("true"));
    }
    response
}

fn json_response(status: StatusCode, document: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(document.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn time(millis: u64) -> Option<String> {
    let millis = i64::try_from(millis).ok().filter(|m| *m != 0)?;
    Some(jiff::Timestamp::from_millisecond(millis).ok()?.to_string())
}

fn nonzero(number: u32) -> Option<u32> {
    (number != 0).then_some(number)
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
