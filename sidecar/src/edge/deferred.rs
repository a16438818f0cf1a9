//! Calls that are answered before they are done: accepted, delivered, asked about by id.
//!
//! The queue keeps and repeats them; here is only what ties it to the proxy and to the
//! sidecar an id names.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateless_common::header::{IDEMPOTENCY_KEY, PREFERENCE_APPLIED};
use gateless_core::policy::Admitted;
use gateless_proto::v1::CallRequest;
use gateless_proto::v1::sidecar_admin_client::SidecarAdminClient;
use http::{HeaderValue, Response};

use super::Edge;
use crate::call::error::{Error, Own};
use crate::call::{Call, headers, origin};
use crate::endpoint::body::Body;
use crate::queue::calls::Location;
use crate::queue::deliver::to_answer;
use crate::queue::dispatcher::Refused;
use crate::queue::invoke::Exchange;
use crate::queue::token::Proof;
use crate::queue::types::{Accepted, CallId};
use crate::queue::{self, reading, wire};
use crate::runtime::Revision;

fn to_response(response: Response<Bytes>) -> Response<Body> {
    response.map(Body::from)
}

impl Edge {
    /// `/async-function/...`: 202 once it is on disk.
    ///
    /// # Errors
    /// When it could not be queued.
    pub(super) async fn accept(&self, mut call: Admitted<Call>) -> Result<Response<Body>, Error> {
        let ready = self.make_ready(call.get_mut()).await;
        let taken = match ready.and_then(|()| Ok(queue::http::group(&call, &self.egress)?)) {
            Ok(group) => queue::http::accept(&self.homes, group)
                .await
                .map_err(Error::from),
            Err(error) => Err(error),
        };
        let taken = taken.map_err(|error| self.proxy.turn_away(call.get(), error));
        Ok(to_response(taken?))
    }

    async fn make_ready(&self, call: &mut Call) -> Result<(), Error> {
        self.check_room(call)?;
        let limit = self.queue.inbox.max_body();
        call.make_whole(limit, &self.proxy.bodies).await?;
        add_origin_headers(call)
    }

    /// Before its body is read. One that has an idempotency key may have been taken in already, which its body says.
    fn check_room(&self, call: &Call) -> Result<(), Error> {
        if call.parts.headers.contains_key(IDEMPOTENCY_KEY) {
            return Ok(());
        }
        let function = &call.function.config;
        let room = self
            .queue
            .inbox
            .has_room(&function.name, &function.async_policy);
        Ok(room?)
    }

    /// A sync call whose caller prefers a 202 to a wait longer than `wait` seconds (RFC 7240);
    /// without a wait it is queued at once. One whose body is too large to keep stays sync.
    ///
    /// # Errors
    /// As [`Proxy::send`](crate::call::Proxy::send) and [`Edge::accept`].
    pub(super) async fn prefer_async(
        &self,
        revision: &Arc<Revision>,
        mut admitted: Admitted<Call>,
        wait: Option<u64>,
    ) -> Result<Response<Body>, Error> {
        let limit = self.queue.inbox.max_body();
        if !admitted.get().payload.fits(limit) || admitted.get().upgrade.is_some() {
            return self.proxy.send(revision, &mut admitted).await;
        }
        let Some(wait) = wait else {
            return self.accept(admitted).await;
        };
        let call = admitted.get_mut();
        call.make_whole(limit, &self.proxy.bodies).await?;
        add_origin_headers(call)?;
        call.client = None;
        let record = queue::http::record(&admitted, &self.egress)?;
        // One that goes on as an async call keeps its key: sent again, it is that call.
        if let Some(before) = self.homes.find(record.get()).await? {
            let accepted = queue::http::accepted_response(&before, false);
            return Ok(to_response(accepted));
        }
        let (proxy, revision) = (self.proxy.clone(), revision.clone());
        let mut exchange = Box::pin(async move { proxy.send(&revision, &mut admitted).await });
        let patience = tokio::time::sleep(Duration::from_secs(wait));
        tokio::select! {
            answered = &mut exchange => return answered,
            () = patience => {}
        }
        let exchange: Exchange = Box::pin(async move { to_answer(exchange.await) });
        match self.dispatcher.adopt(record, exchange).await {
            Ok(id) => {
                let accepted = Accepted {
                    token: self.queue.calls.token(&id),
                    id,
                    replayed: false,
                };
                let mut response = to_response(queue::http::accepted_response(&accepted, false));
                let applied = HeaderValue::from_static("respond-async");
                response.headers_mut().insert(PREFERENCE_APPLIED, applied);
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

    /// `/_gateless/calls/ID` and `/_gateless/calls/ID/result`, wherever the call lives, for whoever shows that it is theirs.
    ///
    /// # Errors
    /// When there is no such call, or it is not theirs, or its sidecar is out of reach.
    pub(super) async fn call_by_id(
        &self,
        rest: &str,
        shown: Option<&Proof>,
    ) -> Result<Response<Body>, Error> {
        let (id, wants_result) = match rest.strip_suffix("/result") {
            Some(id) => (id, true),
            None => (rest, false),
        };
        let id = CallId::parse(id)?;
        let node = match self.queue.calls.locate(&id) {
            Location::Sidecar(node) => node,
            Location::Here => {
                let calls = &*self.queue.calls;
                let key = |function: &_, shown: &_| self.proxy.registry.key_of(function, shown);
                let view = reading::read(calls, &id, shown, key).await?;
                let answer = match wants_result {
                    true => queue::http::result(calls, &id).await?,
                    false => queue::http::status_response(&self.dispatcher.shown(&view)),
                };
                return Ok(to_response(answer));
            }
        };
        // Nothing is left of it that could be read without a right to.
        if self.cluster.is_removed(&node) {
            return Err(Own::CallLost(node).into());
        }
        let Some(shown) = shown else {
            return Err(queue::Error::NotFound(id.to_string()).into());
        };
        let channel = self.cluster.channel(&node);
        let channel = channel.ok_or(Own::SidecarAway(node))?;
        let mut client = SidecarAdminClient::new(channel);
        let request = CallRequest {
            id: id.to_string(),
            proof: shown.to_vec(),
        };
        let failed = |status: tonic::Status| Error::from(wire::remote(&status));
        let answer = if wants_result {
            let stream = client
                .get_call_result(request)
                .await
                .map_err(failed)?
                .into_inner();
            queue::http::result_response(&id, wire::collect_result(stream).await?)
        } else {
            let call = client.get_call(request).await.map_err(failed)?.into_inner();
            queue::http::status_response(&call)
        };
        Ok(to_response(answer))
    }
}

/// A queued call tells who made it, not who delivered it.
fn add_origin_headers(call: &mut Call) -> Result<(), Error> {
    headers::strip_internal(&mut call.parts.headers);
    match call.client {
        Some(client) => origin::add(&mut call.parts.headers, call.parts.version, client).map(drop),
        None => Ok(()),
    }
}
