//! Calls, results and errors of the queue as sidecars tell one another and the server.
//!
//! Only translation; who may ask is checked before.

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream;
use gateless_common::header::RESULT_TRUNCATED;
use gateless_common::problem::{Code, HEADER};
use gateless_common::time;
use gateless_core::call::Attempt;
use gateless_core::call::waits::WaitsFor;
use gateless_core::name::FunctionName;
use gateless_proto::v1;
use gateless_proto::v1::list_calls_request::Cause as Asked;
use http::StatusCode;
use tonic::{Code as Grpc, Status};

use super::Error;
use super::filter::{self, Cause, Filter, Which};
use super::types::{CallId, CallResult, Record, View};

/// Of a result's body in one message.
const CHUNK_BYTES: usize = 256 * 1024;
/// Calls in one page, at most and if not said.
const PAGE: (u32, u32) = (1000, 100);

/// A call on the wire, and what it waits for.
#[must_use]
pub fn call(view: &View, waits_for: Option<WaitsFor>) -> v1::Call {
    let millis = |time| view.skew.millis(time);
    let attempt = |a: &Attempt| v1::Attempt {
        number: a.number,
        started_at_ms: millis(a.started),
        duration_ms: time::millis(a.took),
        status: a.status.map_or(0, u32::from),
        error: a.error.clone(),
    };
    v1::Call {
        id: view.id.to_string(),
        namespace: view.function.namespace().to_owned(),
        function: view.function.name().to_owned(),
        state: view.call.state.as_str().to_owned(),
        method: view.method.clone(),
        path: view.path.clone(),
        trigger: view.trigger.clone().unwrap_or_default(),
        accepted_at_ms: millis(view.accepted_at),
        finished_at_ms: view.call.state.finished_at().map_or(0, millis),
        next_attempt_at_ms: view.call.next_deadline().map_or(0, millis),
        attempts: view.call.attempts.iter().map(attempt).collect(),
        status: view.status.map_or(0, u32::from),
        node_id: view.id.node().to_string(),
        callback_url: view.callback.clone().unwrap_or_default(),
        callback_state: view.callback_state.as_str().to_owned(),
        callback_error: view.callback_error.clone(),
        idempotency_key: view.idempotency_key.clone().unwrap_or_default(),
        body_bytes: view.body_bytes,
        result_bytes: view.result_bytes,
        reason: view.reason(),
        waits_for: waits_for.map_or("", WaitsFor::as_str).to_owned(),
        copies: view.copies,
        is_copy: view.is_copy,
    }
}

/// Which calls the other side wants to see.
///
/// # Errors
/// What it names cannot be a call, a function or a status.
pub fn filter(request: v1::ListCallsRequest) -> Result<Filter, Status> {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(Filter {
        function: match request.function.as_str() {
            "" => None,
            name => Some(function(&request.namespace, name)?),
        },
        namespace: request.namespace,
        states: request.states,
        limit: match request.limit {
            0 => PAGE.1 as usize,
            limit => limit.min(PAGE.0) as usize,
        },
        before: match request.before.as_str() {
            "" => None,
            id => Some(CallId::parse(id).map_err(status)?),
        },
        since_ms: request.since_ms,
        until_ms: request.until_ms,
        which: Which {
            status: match u16::try_from(request.status) {
                Ok(0) => None,
                Ok(class @ 1..=5) => Some(filter::Status::Class(class)),
                Ok(code @ 100..=599) => Some(filter::Status::Is(code)),
                _ => {
                    return Err(Status::invalid_argument(
                        "status: must be 1 to 5 or 100 to 599",
                    ));
                }
            },
            cause: request.cause.map(|cause| match cause {
                Asked::ByTrigger(true) => Cause::AnyTrigger,
                Asked::ByTrigger(false) => Cause::Caller,
                Asked::Trigger(name) => Cause::Trigger(name),
            }),
            key: some(request.idempotency_key),
        },
    })
}

/// A function as the other side names it.
///
/// # Errors
/// It cannot be one's name.
pub(crate) fn function(namespace: &str, name: &str) -> Result<FunctionName, Status> {
    FunctionName::new(namespace, name).map_err(|e| Status::invalid_argument(e.to_string()))
}

/// What a call was made with, in messages small enough for a stream.
pub(crate) fn input_messages(record: Record) -> Vec<v1::CallInput> {
    let header = |(name, value): (String, Bytes)| v1::Header {
        name,
        value: value.into(),
    };
    let mut chunks = record.body.chunks(CHUNK_BYTES).map(<[u8]>::to_vec);
    let first = v1::CallInput {
        headers: record.headers.into_iter().map(header).collect(),
        data: chunks.next().unwrap_or_default(),
    };
    let rest = chunks.map(|data| v1::CallInput {
        data,
        ..v1::CallInput::default()
    });
    std::iter::once(first).chain(rest).collect()
}

/// A result in messages small enough for a stream.
pub(crate) fn result_messages(result: CallResult) -> Vec<v1::CallResult> {
    let header = |(name, value): (String, Bytes)| v1::Header {
        name,
        value: value.into(),
    };
    let truncated = result
        .truncated
        .then(|| (RESULT_TRUNCATED.as_str().to_owned(), "true".into()));
    let mut first = v1::CallResult {
        status: result.status.into(),
        headers: result
            .headers
            .into_iter()
            .chain(truncated)
            .map(header)
            .collect(),
        data: Vec::new(),
    };
    let mut chunks = result.body.chunks(CHUNK_BYTES).map(<[u8]>::to_vec);
    first.data = chunks.next().unwrap_or_default();
    let rest = chunks.map(|data| v1::CallResult {
        data,
        ..v1::CallResult::default()
    });
    std::iter::once(first).chain(rest).collect()
}

/// Puts together a result fetched from the sidecar that has the call. Bounded by what that
/// sidecar keeps of a result.
///
/// # Errors
/// What the stream fails with, or [`Error::Remote`] when it is no result.
pub async fn collect_result<S>(messages: S) -> Result<CallResult, Error>
where
    S: stream::Stream<Item = Result<v1::CallResult, Status>>,
{
    let mut messages = std::pin::pin!(messages);
    let first = messages
        .try_next()
        .await
        .map_err(|s| remote(&s))?
        .unwrap_or_default();
    let mut truncated = false;
    let mut headers = Vec::new();
    for header in first.headers {
        if header.name == RESULT_TRUNCATED.as_str() {
            truncated = true;
        } else {
            headers.push((header.name, header.value.into()));
        }
    }
    let mut body = first.data;
    while let Some(message) = messages.try_next().await.map_err(|s| remote(&s))? {
        body.extend_from_slice(&message.data);
    }
    let status = u16::try_from(first.status).unwrap_or_default();
    if StatusCode::from_u16(status).is_err() {
        return Err(remote(&Status::internal("the peer sent no result")));
    }
    Ok(CallResult {
        status,
        headers,
        body: body.into(),
        truncated,
    })
}

/// The queue's errors as gRPC says them, with the stable code in metadata.
#[must_use]
pub fn status(error: Error) -> Status {
    let code = match &error {
        Error::Full { .. } => Grpc::ResourceExhausted,
        Error::Unavailable(_) => Grpc::Unavailable,
        Error::NotFound(_) => Grpc::NotFound,
        Error::NotFinished { .. }
        | Error::NoResult { .. }
        | Error::ResultDropped { .. }
        | Error::Conflict { .. }
        | Error::Stale { .. } => Grpc::FailedPrecondition,
        Error::Damaged(_) | Error::Remote { .. } => Grpc::Internal,
        Error::BodyTooLarge { .. }
        | Error::HeadTooLarge { .. }
        | Error::CallbackScheme(_)
        | Error::Callback(_)
        | Error::CallbackAddress(_)
        | Error::IdempotencyKey { .. }
        | Error::IdempotencyConflict
        | Error::IdempotencyTaken(_) => Grpc::InvalidArgument,
    };
    let mut status = Status::new(code, error.to_string());
    let value = tonic::metadata::MetadataValue::from_static(error.code().as_str());
    status.metadata_mut().insert(HEADER, value);
    status
}

/// And back, on the side that asked.
#[must_use]
pub fn remote(status: &Status) -> Error {
    let known = status.metadata().get(HEADER);
    let known = known.and_then(|value| Code::parse(value.to_str().ok()?));
    let code = match (known, status.code()) {
        (
            Some(
                code @ (Code::CallNotFound
                | Code::CallNotFinished
                | Code::CallStateConflict
                | Code::CallHasNoResult
                | Code::QueueFull
                | Code::QueueUnavailable
                | Code::IdempotencyKeyReused
                | Code::BodyTooLarge
                | Code::HeadTooLarge),
            ),
            _,
        ) => code,
        (None, Grpc::NotFound) => Code::CallNotFound,
        (None, Grpc::Unavailable | Grpc::DeadlineExceeded | Grpc::Cancelled) => {
            Code::PeerUnavailable
        }
        _ => Code::PeerFailed,
    };
    Error::Remote {
        code,
        detail: status.message().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn results_of_any_size_come_back_as_they_were() {
        for size in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
            let result = CallResult {
                status: 418,
                headers: vec![("etag".into(), "x".into())],
                body: vec![7; size].into(),
                truncated: size % 2 == 1,
            };
            let messages = result_messages(result.clone()).into_iter().map(Ok);
            assert_eq!(collect_result(stream::iter(messages)).await, Ok(result));
        }
    }

    #[test]
    fn errors_keep_their_code_and_status_across_sidecars() {
        let id = || "x".to_owned();
        for error in [
            Error::NotFound(id()),
            Error::NotFinished {
                id: id(),
                state: "queued",
            },
            Error::NoResult {
                id: id(),
                state: "dead",
                reason: "r".into(),
            },
            Error::Conflict {
                id: id(),
                state: "dead",
            },
            Error::Full {
                bound: "b",
                limit: 1,
            },
            Error::Unavailable(id()),
        ] {
            let back = remote(&status(error.clone()));
            assert_eq!(back.code(), error.code());
            assert_eq!(back.to_string(), error.to_string());
        }
    }
}
