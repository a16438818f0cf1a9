//! Calls that are answered before they are done: accepted, delivered, asked about by id.
//!
//! The queue keeps and repeats them; here is only what ties it to the proxy and to the
//! sidecar an id names.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateless_common::header::{IDEMPOTENCY_KEY, PREFERENCE_APPLIED};
use gateless_common::problem::Code;
use gateless_core::keys;
use gateless_core::name::NodeId;
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

/// Sidecars that are asked for a call whose home cannot be.
const MAX_ASKED: usize = 16;
/// For one of them to begin its answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

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
                    copies: 1,
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
        let home = match self.queue.calls.locate(&id) {
            Location::Sidecar(node) => Some(node),
            Location::Here => None,
        };
        let own = self.read_here(&id, wants_result, shown).await;
        let is_here = home.is_none() || matches!(own, Ok((_, false)));
        match own {
            Ok((answer, _)) if is_here => return Ok(answer),
            Err(error) if home.is_none() && !is_missing(&error) => return Err(error),
            _ => {}
        }
        let Some(shown) = shown else {
            return Err(match home {
                // Nothing is left of it that could be read without a right to.
                Some(node) if self.cluster.is_removed(&node) => Own::CallLost(node).into(),
                _ => queue::Error::NotFound(id.to_string()).into(),
            });
        };
        let asked = match &home {
            Some(node) => self.read_there(node, &id, wants_result, shown).await,
            None => Err(queue::Error::NotFound(id.to_string()).into()),
        };
        match &asked {
            Err(error) if is_away(error) || is_missing(error) => {}
            _ => return asked,
        }
        // Who took it on, or has a copy: that is asked by whoever cannot ask its home.
        for node in self.holders(&id, home.as_ref()) {
            if let Ok(answer) = self.read_there(&node, &id, wants_result, shown).await {
                return Ok(answer);
            }
        }
        match (own, home) {
            (Ok((answer, _)), _) => Ok(answer),
            (Err(_), Some(node)) if self.cluster.is_removed(&node) => {
                Err(Own::CallLost(node).into())
            }
            _ => asked,
        }
    }

    /// A call of this sidecar's queue, or a copy, which the second says.
    async fn read_here(
        &self,
        id: &CallId,
        wants_result: bool,
        shown: Option<&Proof>,
    ) -> Result<(Response<Body>, bool), Error> {
        let calls = &*self.queue.calls;
        let key = |function: &_, shown: &_| self.proxy.registry.key_of(function, shown);
        let view = reading::read(calls, id, shown, key).await?;
        let answer = match wants_result {
            true if view.is_copy => {
                let (id, state) = (id.to_string(), view.call.state.as_str());
                return Err(queue::Error::NotFinished { id, state }.into());
            }
            true => queue::http::result(calls, id).await?,
            false => queue::http::status_response(&self.dispatcher.shown(&view)),
        };
        Ok((to_response(answer), view.is_copy))
    }

    /// The others that may have a call, in the order in which they are asked.
    fn holders(&self, id: &CallId, home: Option<&NodeId>) -> Vec<NodeId> {
        let members = self.cluster.members();
        let others: Vec<NodeId> = members.borrow().iter().map(|m| m.node.clone()).collect();
        let order = keys::order(&id.key(), &others).into_iter();
        let others = order.filter(|node| self.cluster.address(node).is_some());
        let others = others.filter(|node| Some(node) != home);
        others.take(MAX_ASKED).collect()
    }

    async fn read_there(
        &self,
        node: &NodeId,
        id: &CallId,
        wants_result: bool,
        shown: &Proof,
    ) -> Result<Response<Body>, Error> {
        let channel = self.cluster.channel(node);
        let channel = channel.ok_or_else(|| Own::SidecarAway(node.clone()))?;
        let mut client = SidecarAdminClient::new(channel);
        let request = CallRequest {
            id: id.to_string(),
            proof: shown.to_vec(),
        };
        let failed = |status: tonic::Status| Error::from(wire::remote(&status));
        let answer = if wants_result {
            let asked = tokio::time::timeout(ASK_TIMEOUT, client.get_call_result(request));
            let stream = asked.await.map_err(|_| Own::SidecarAway(node.clone()))?;
            let stream = stream.map_err(failed)?.into_inner();
            queue::http::result_response(id, wire::collect_result(stream).await?)
        } else {
            let asked = tokio::time::timeout(ASK_TIMEOUT, client.get_call(request));
            let call = asked.await.map_err(|_| Own::SidecarAway(node.clone()))?;
            queue::http::status_response(&call.map_err(failed)?.into_inner())
        };
        Ok(to_response(answer))
    }
}

/// There is no such call there, as far as whoever asks may know.
fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Queue { code, .. } if *code == Code::CallNotFound)
}

/// Nobody there can be asked.
fn is_away(error: &Error) -> bool {
    match error {
        Error::Queue { code, .. } => matches!(code, Code::PeerUnavailable | Code::PeerFailed),
        error => matches!(error, Error::Own(Own::SidecarAway(_))),
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
