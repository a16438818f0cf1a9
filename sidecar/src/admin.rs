//! `SidecarAdmin`: what the server and other sidecars may ask of this one.
//!
//! Only translation between the wire and the queue's own words. Who may ask at all is
//! checked before, by the listener.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use gateless_core::call::Attempt;
use gateless_core::name::FunctionName;
use gateless_proto::v1;
use gateless_proto::v1::sidecar_admin_server::SidecarAdmin;
use http::StatusCode;
use tonic::{Code, Request, Response, Status};

use crate::drain::Draining;
use crate::observe::Observer;
use crate::peers;
use crate::queue::clock::millis;
use crate::queue::http::TRUNCATED;
use crate::queue::types::{CallId, CallResult, Filter, View};
use crate::queue::{Error, Queue};
use crate::runtime::Registry;
use crate::trigger;

/// Calls in one page, at most and if not said.
const PAGE: (u32, u32) = (1000, 100);
/// Of a result's body in one message.
const CHUNK_BYTES: usize = 256 * 1024;
/// Metadata with the stable code of an error.
const CODE: &str = "x-gateless-code";

/// The log lines of this host's instances.
pub trait Logs: Send + Sync + 'static {
    /// Those asked for; ends unless the request says to follow.
    fn stream(&self, request: v1::LogsRequest) -> BoxStream<'static, v1::LogLine>;
}

/// What there is to watch and to change on this host.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) observer: Arc<Observer>,
    pub(crate) draining: Arc<Draining>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) peers: peers::Handle,
}

/// The service.
pub struct Admin {
    queue: Arc<dyn Queue>,
    logs: Arc<dyn Logs>,
    host: Host,
    triggers: trigger::Handle,
}

impl Admin {
    /// Over this host's queue, logs, instances and triggers.
    pub(crate) fn new(
        queue: Arc<dyn Queue>,
        logs: Arc<dyn Logs>,
        host: Host,
        triggers: trigger::Handle,
    ) -> Self {
        Self {
            queue,
            logs,
            host,
            triggers,
        }
    }
}

#[tonic::async_trait]
impl SidecarAdmin for Admin {
    type GetCallResultStream = BoxStream<'static, Result<v1::CallResult, Status>>;
    type LogsStream = BoxStream<'static, Result<v1::LogLine, Status>>;
    type ObserveStream = BoxStream<'static, Result<v1::Observation, Status>>;

    async fn list_calls(
        &self,
        request: Request<v1::ListCallsRequest>,
    ) -> Result<Response<v1::ListCallsResponse>, Status> {
        let request = request.into_inner();
        let before = match request.before.as_str() {
            "" => None,
            id => Some(CallId::parse(id).map_err(status)?),
        };
        let filter = Filter {
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
            before,
        };
        let views = self.queue.list(filter).await.map_err(status)?;
        let calls = views.iter().map(call).collect();
        Ok(Response::new(v1::ListCallsResponse { calls }))
    }

    async fn get_call(
        &self,
        request: Request<v1::CallRequest>,
    ) -> Result<Response<v1::Call>, Status> {
        let id = id(&request)?;
        let view = self.queue.get(&id).await.map_err(status)?;
        Ok(Response::new(call(&view)))
    }

    async fn get_call_result(
        &self,
        request: Request<v1::CallRequest>,
    ) -> Result<Response<Self::GetCallResultStream>, Status> {
        let id = id(&request)?;
        let result = self.queue.result(&id).await.map_err(status)?;
        let messages = result_messages(result).into_iter().map(Ok);
        Ok(Response::new(stream::iter(messages).boxed()))
    }

    async fn cancel_call(
        &self,
        request: Request<v1::CallRequest>,
    ) -> Result<Response<v1::Call>, Status> {
        let id = id(&request)?;
        let view = self.queue.cancel(&id).await.map_err(status)?;
        Ok(Response::new(call(&view)))
    }

    async fn replay_call(
        &self,
        request: Request<v1::CallRequest>,
    ) -> Result<Response<v1::Call>, Status> {
        let id = id(&request)?;
        let view = self.queue.replay(&id).await.map_err(status)?;
        Ok(Response::new(call(&view)))
    }

    async fn list_queues(
        &self,
        request: Request<v1::ListQueuesRequest>,
    ) -> Result<Response<v1::ListQueuesResponse>, Status> {
        let namespace = request.into_inner().namespace;
        let depths = self.queue.depths().into_iter();
        let depths = depths.filter(|d| d.function.namespace() == namespace);
        let queues = depths.map(|depth| v1::QueueStatus {
            namespace: depth.function.namespace().to_owned(),
            function: depth.function.name().to_owned(),
            queued: depth.queued,
            running: depth.running,
            retrying: depth.retrying,
            dead: depth.dead,
            oldest_age_ms: u64::try_from(depth.oldest.as_millis()).unwrap_or(u64::MAX),
        });
        let queues = queues.collect();
        Ok(Response::new(v1::ListQueuesResponse { queues }))
    }

    async fn purge_dead_letters(
        &self,
        request: Request<v1::PurgeRequest>,
    ) -> Result<Response<v1::CountResponse>, Status> {
        let function = purged(&request)?;
        let count = self.queue.purge_dead(&function).await.map_err(status)?;
        Ok(Response::new(v1::CountResponse { count }))
    }

    async fn replay_dead_letters(
        &self,
        request: Request<v1::PurgeRequest>,
    ) -> Result<Response<v1::CountResponse>, Status> {
        let function = purged(&request)?;
        let count = self.queue.replay_dead(&function).await.map_err(status)?;
        Ok(Response::new(v1::CountResponse { count }))
    }

    async fn logs(
        &self,
        request: Request<v1::LogsRequest>,
    ) -> Result<Response<Self::LogsStream>, Status> {
        let lines = self.logs.stream(request.into_inner());
        Ok(Response::new(lines.map(Ok).boxed()))
    }

    async fn observe(
        &self,
        _: Request<v1::ObserveRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        // Else a shutdown would wait for it.
        let left = self.host.peers.clone().left();
        let seen = self.host.observer.watch().take_until(Box::pin(left));
        Ok(Response::new(seen.boxed()))
    }

    async fn set_draining(
        &self,
        request: Request<v1::SetDrainingRequest>,
    ) -> Result<Response<v1::DrainStatus>, Status> {
        let draining = request.into_inner().draining;
        let set = self.host.draining.set(draining).await;
        set.map_err(|error| Status::internal(format!("it cannot be remembered: {error}")))?;
        let instances = u32::try_from(self.host.registry.instances()).unwrap_or(u32::MAX);
        Ok(Response::new(v1::DrainStatus {
            draining,
            instances,
        }))
    }

    async fn list_triggers(
        &self,
        request: Request<v1::ListTriggersRequest>,
    ) -> Result<Response<v1::ListTriggersResponse>, Status> {
        let request = request.into_inner();
        let statuses = self.triggers.statuses(&request.namespace, &request.name);
        let triggers = statuses.await;
        Ok(Response::new(v1::ListTriggersResponse { triggers }))
    }

    async fn share_triggers(
        &self,
        request: Request<v1::TriggerLevels>,
    ) -> Result<Response<v1::TriggerLevels>, Status> {
        let known = self.triggers.shared(request.into_inner()).await?;
        Ok(Response::new(known))
    }
}

fn id(request: &Request<v1::CallRequest>) -> Result<CallId, Status> {
    CallId::parse(&request.get_ref().id).map_err(status)
}

fn function(namespace: &str, name: &str) -> Result<FunctionName, Status> {
    FunctionName::new(namespace, name).map_err(|e| Status::invalid_argument(e.to_string()))
}

fn purged(request: &Request<v1::PurgeRequest>) -> Result<FunctionName, Status> {
    let request = request.get_ref();
    function(&request.namespace, &request.function)
}

/// A call on the wire.
#[must_use]
pub fn call(view: &View) -> v1::Call {
    let attempt = |a: &Attempt| v1::Attempt {
        number: a.number,
        started_at_ms: millis(a.started),
        duration_ms: u64::try_from(a.took.as_millis()).unwrap_or(u64::MAX),
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
        accepted_at_ms: millis(view.accepted_at),
        finished_at_ms: view.call.state.finished_at().map_or(0, millis),
        next_attempt_at_ms: view.call.next_deadline().map_or(0, millis),
        attempts: view.call.attempts.iter().map(attempt).collect(),
        status: view.status.map_or(0, u32::from),
        node_id: view.id.node().to_string(),
        callback_url: view.callback.clone().unwrap_or_default(),
        callback_state: view.callback_state.as_str().to_owned(),
        idempotency_key: view.idempotency_key.clone().unwrap_or_default(),
        body_bytes: view.body_bytes,
        result_bytes: view.result_bytes,
        reason: view.reason(),
    }
}

fn result_messages(result: CallResult) -> Vec<v1::CallResult> {
    let header = |(name, value): (String, Bytes)| v1::Header {
        name,
        value: value.into(),
    };
    let truncated = result
        .truncated
        .then(|| (TRUNCATED.to_owned(), "true".into()));
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
        if header.name == TRUNCATED {
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
        Error::Full { .. } => Code::ResourceExhausted,
        Error::Unavailable(_) => Code::Unavailable,
        Error::NotFound(_) => Code::NotFound,
        Error::NotFinished { .. } | Error::NoResult { .. } | Error::Conflict { .. } => {
            Code::FailedPrecondition
        }
        Error::Damaged(_) | Error::Remote { .. } => Code::Internal,
        Error::BodyTooLarge { .. }
        | Error::HeadTooLarge { .. }
        | Error::CallbackScheme(_)
        | Error::Callback(_)
        | Error::IdempotencyKey { .. }
        | Error::IdempotencyConflict(_)
        | Error::IdempotencyTaken(_) => Code::InvalidArgument,
    };
    let mut status = Status::new(code, error.to_string());
    let value = tonic::metadata::MetadataValue::from_static(error.code());
    status.metadata_mut().insert(CODE, value);
    status
}

/// And back, on the side that asked.
#[must_use]
pub fn remote(status: &Status) -> Error {
    let code = status
        .metadata()
        .get(CODE)
        .and_then(|value| value.to_str().ok());
    let (http, code) = match (code, status.code()) {
        (Some("call_not_found"), _) | (None, Code::NotFound) => {
            (StatusCode::NOT_FOUND, "call_not_found")
        }
        (Some("call_not_finished"), _) => (StatusCode::CONFLICT, "call_not_finished"),
        (Some("call_state_conflict"), _) => (StatusCode::CONFLICT, "call_state_conflict"),
        (Some("call_has_no_result"), _) => (StatusCode::GONE, "call_has_no_result"),
        (Some("queue_full"), _) => (StatusCode::TOO_MANY_REQUESTS, "queue_full"),
        (Some("queue_unavailable"), _) => (StatusCode::SERVICE_UNAVAILABLE, "queue_unavailable"),
        (None, Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled) => {
            (StatusCode::SERVICE_UNAVAILABLE, "peer_unavailable")
        }
        _ => (StatusCode::BAD_GATEWAY, "peer_failed"),
    };
    Error::Remote {
        status: http,
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
            assert_eq!(back.status(), error.status());
            assert_eq!(back.to_string(), error.to_string());
        }
    }
}
