//! Calls that are answered before they are done: accepted, delivered, asked about by id.
//!
//! The queue keeps and repeats them; here is only what ties it to the proxy and to the
//! sidecar an id names.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateless_core::hold::{Caller, Class, Origin};
use gateless_core::name::FunctionName;
use gateless_core::router;
use gateless_proto::v1::CallRequest;
use gateless_proto::v1::sidecar_admin_client::SidecarAdminClient;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;

use super::call::{Call, Proxy, Queued};
use super::{Payload, headers};
use crate::admin;
use crate::app::App;
use crate::body::Body;
use crate::clock;
use crate::error::{Error, Phase};
use crate::queue::dispatcher::Refused;
use crate::queue::invoke::{Answer, Exchange, Invoke, InvokeError, Slot};
use crate::queue::types::{Accepted, CallId};
use crate::queue::{self, Queue as _};
use crate::runtime::{Function, Revision};

/// All queued calls of a sidecar take turns as one caller.
const QUEUE: Caller = Caller(0);

fn to_response(response: Response<Bytes>) -> Response<Body> {
    response.map(Body::from)
}

fn path(call: &Call) -> String {
    call.parts
        .uri
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned()
}

impl App {
    /// `/async-function/...`: 202 once it is on disk.
    ///
    /// # Errors
    /// When it could not be queued.
    pub async fn accept(
        &self,
        function: &Function,
        mut call: Call,
    ) -> Result<Response<Body>, Error> {
        call.payload
            .make_whole(self.queue.config().max_body)
            .await?;
        let (path, body) = (path(&call), call.payload.whole());
        introduce(&mut call);
        let config = &function.config;
        let accepted =
            queue::http::accept(&self.queue, config, &call.parts, &path, body, "").await?;
        Ok(to_response(accepted))
    }

    /// A sync call whose caller prefers a 202 to a wait longer than `wait` seconds (RFC 7240);
    /// without a wait it is queued at once. One whose body is too large to keep stays sync.
    ///
    /// # Errors
    /// As [`Proxy::send`] and [`App::accept`].
    pub async fn prefer_async(
        &self,
        function: &Arc<Function>,
        revision: &Arc<Revision>,
        mut call: Call,
        wait: Option<u64>,
    ) -> Result<Response<Body>, Error> {
        let limit = self.queue.config().max_body;
        if !call.payload.fits(limit) || call.upgrade.is_some() {
            return self.proxy.send(function, revision, &mut call).await;
        }
        let Some(wait) = wait else {
            return self.accept(function, call).await;
        };
        call.payload.make_whole(limit).await?;
        introduce(&mut call);
        call.client = None;
        let path = path(&call);
        let name = &function.config.name;
        let record = queue::http::record(name, &call.parts, &path, call.payload.whole())?;
        // One that goes on as an async call keeps its key: sent again, it is that call.
        if let Some(idempotency) = &record.idempotency
            && let Some(before) = self.queue.accepted_before(name, idempotency).await?
        {
            return Ok(to_response(queue::http::accepted_response(&before, "")));
        }
        let (proxy, function, revision) = (self.proxy.clone(), function.clone(), revision.clone());
        let mut exchange =
            Box::pin(async move { proxy.send(&function, &revision, &mut call).await });
        let patience = tokio::time::sleep(Duration::from_secs(wait));
        tokio::select! {
            answered = &mut exchange => return answered,
            () = patience => {}
        }
        let exchange: Exchange = Box::pin(async move { to_answer(exchange.await) });
        match self.dispatcher.adopt(record, exchange).await {
            Ok(id) => {
                let accepted = Accepted {
                    id,
                    replayed: false,
                };
                let mut response = to_response(queue::http::accepted_response(&accepted, ""));
                let applied = HeaderValue::from_static("respond-async");
                response.headers_mut().insert("preference-applied", applied);
                Ok(response)
            }
            // The queue won't have it: then the caller waits after all.
            Err(Refused { exchange, error }) => {
                tracing::debug!(%error, "a call could not go on as an async one");
                let answer = exchange.await.map_err(|error| Error::Instance {
                    cause: error.message,
                    seen: true,
                })?;
                Ok(answer.map(Body::boxed))
            }
        }
    }

    /// `/_gateless/calls/ID` and `/_gateless/calls/ID/result`, wherever the call lives.
    ///
    /// # Errors
    /// When there is no such call, or its sidecar is out of reach.
    pub async fn call_by_id(&self, rest: &str) -> Result<Response<Body>, Error> {
        let (id, wants_result) = match rest.strip_suffix("/result") {
            Some(id) => (id, true),
            None => (rest, false),
        };
        let id = CallId::parse(id)?;
        if id.node() == self.queue.node() {
            let answer = if wants_result {
                queue::http::result(&self.queue, &id).await?
            } else {
                queue::http::status(&self.queue, &id).await?
            };
            return Ok(to_response(answer));
        }
        let channel = self.peers.channel(id.node()).ok_or_else(|| Error::Queue {
            status: http::StatusCode::SERVICE_UNAVAILABLE,
            code: "sidecar_away",
            detail: format!(
                "the call is on sidecar {}, which is not there now",
                id.node()
            ),
            hint: "ask again when that sidecar is back: its calls are on its disk",
        })?;
        let mut client = SidecarAdminClient::new(channel);
        let request = CallRequest { id: id.to_string() };
        let failed = |status: tonic::Status| Error::from(admin::remote(&status));
        let answer = if wants_result {
            let stream = client
                .get_call_result(request)
                .await
                .map_err(failed)?
                .into_inner();
            queue::http::result_response(&id, admin::collect_result(stream).await?)
        } else {
            let call = client.get_call(request).await.map_err(failed)?.into_inner();
            queue::http::status_response(&call)
        };
        Ok(to_response(answer))
    }
}

/// A queued call tells who made it, not who delivered it.
fn introduce(call: &mut Call) {
    headers::strip_internal(&mut call.parts.headers);
    if let Some(client) = call.client {
        headers::add_forwarded(&mut call.parts.headers, client);
        headers::ensure_traceparent(&mut call.parts.headers);
    }
}

impl From<queue::Error> for Error {
    fn from(error: queue::Error) -> Self {
        let (status, code, hint) = (error.status(), error.code(), error.hint());
        Self::Queue {
            status,
            code,
            hint,
            detail: error.to_string(),
        }
    }
}

fn to_answer(sent: Result<Response<Body>, Error>) -> Result<Answer, InvokeError> {
    match sent {
        Ok(response) => Ok(response.map(BodyExt::boxed_unsync)),
        Err(error) => {
            let (status, code, _) = error.row();
            let retryable = status.is_server_error() || status.as_u16() == 429;
            let unmade = matches!(
                error,
                Error::Overflow { .. } | Error::Deadline(Phase::Hold | Phase::Queue)
            );
            Err(InvokeError {
                retryable,
                unmade,
                code,
                message: error.to_string(),
            })
        }
    }
}

/// Delivers queued calls through the proxy.
pub struct Invoker(pub Arc<Proxy>);

impl Invoke for Invoker {
    fn invoke(
        &self,
        function: &FunctionName,
        request: Request<Bytes>,
        within: Duration,
        slot: Slot,
    ) -> Exchange {
        let (proxy, name) = (self.0.clone(), function.clone());
        let queued = Queued { within, slot };
        Box::pin(async move { to_answer(deliver(&proxy, &name, request, queued).await) })
    }
}

async fn deliver(
    proxy: &Proxy,
    name: &FunctionName,
    request: Request<Bytes>,
    queued: Queued,
) -> Result<Response<Body>, Error> {
    let function = proxy
        .registry
        .function(name)
        .ok_or_else(|| Error::UnknownFunction(name.clone()))?;
    let revision = router::pick_revision(&function.config, rand::random())
        .and_then(|index| function.revision(index))
        .ok_or_else(|| Error::NoRevision(name.clone()))?
        .clone();
    let (parts, body) = request.into_parts();
    let mut call = Call {
        parts,
        payload: Payload::Whole(body),
        class: Class::Async,
        origin: Origin::Here,
        caller: QUEUE,
        peer: None,
        client: None,
        arrived: clock::now(),
        deadline: None,
        upgrade: None,
        permit: None,
        queued: Some(queued),
    };
    proxy.send(&function, &revision, &mut call).await
}
