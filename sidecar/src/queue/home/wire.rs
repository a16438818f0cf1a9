//! Calls and keys as sidecars tell one another.
//!
//! Only translation: what comes in is checked, and admitted by whoever asks for it.

use gateless_core::keys::MAX_PASSED;
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::policy::Principal;
use gateless_proto::v1;
use tonic::Status;

use super::{Group, Taken};
use crate::queue::Inbox;
use crate::queue::codec::{caller_function, maker_number, maker_of};
use crate::queue::types::{Accepted, CallId, Header, Idempotency, KeyName, Known, Record};
use crate::queue::wire::function;

/// Keys in one question: as many as one request leads to.
const MAX_KEYS: usize = 1_000;

fn digest(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.try_into().ok()
}

fn keyed(record: &Record) -> v1::KeyedCall {
    let header = |(name, value): &Header| v1::Header {
        name: name.clone(),
        value: value.to_vec(),
    };
    let principal = &record.principal;
    let (key, digest) = match &record.idempotency {
        Some(kept) => (kept.key.clone(), kept.digest.to_vec()),
        None => Default::default(),
    };
    v1::KeyedCall {
        namespace: record.function.namespace().to_owned(),
        function: record.function.name().to_owned(),
        method: record.method.clone(),
        path: record.path.clone(),
        headers: record.headers.iter().map(header).collect(),
        body: record.body.to_vec(),
        callback_url: record.callback.clone().unwrap_or_default(),
        idempotency_key: key,
        digest,
        maker: maker_number(&principal.maker),
        caller_function: caller_function(&principal.maker),
        caller_key: principal.key.as_deref().unwrap_or_default().to_owned(),
        source: principal
            .source
            .map(|source| source.to_string())
            .unwrap_or_default(),
    }
}

/// A call that another sidecar forwards, and the function it is for.
///
/// # Errors
/// It cannot be one.
pub fn record(call: v1::KeyedCall) -> Result<Record, Status> {
    let function: FunctionName = function(&call.namespace, &call.function)?;
    let idempotency = match call.idempotency_key.as_str() {
        "" => None,
        _ => Some(Idempotency {
            digest: digest(&call.digest)
                .ok_or_else(|| Status::invalid_argument("digest: must have 32 bytes"))?,
            key: call.idempotency_key,
        }),
    };
    Ok(Record {
        function,
        method: call.method,
        path: call.path,
        headers: call
            .headers
            .into_iter()
            .map(|header| (header.name, header.value.into()))
            .collect(),
        body: call.body.into(),
        callback: Some(call.callback_url).filter(|url| !url.is_empty()),
        idempotency,
        principal: Principal {
            maker: maker_of(call.maker, &call.caller_function),
            key: (!call.caller_key.is_empty()).then(|| call.caller_key.as_str().into()),
            source: call.source.parse().ok(),
        },
    })
}

pub(super) fn accept_request(group: &Group, passed: &[NodeId]) -> v1::AcceptCallsRequest {
    let calls = group.calls.iter();
    v1::AcceptCallsRequest {
        calls: calls.map(|(record, _)| keyed(record.get())).collect(),
        home: group.home.clone(),
        passed: passed.iter().map(ToString::to_string).collect(),
    }
}

/// The sidecars that did not answer before; as many as there can be.
#[must_use]
pub fn passed(passed: &[String]) -> Vec<NodeId> {
    let passed = passed.iter().take(MAX_PASSED);
    passed.map(|node| NodeId::new(node)).collect()
}

/// What is answered to a sidecar that forwarded calls.
#[must_use]
pub fn accepted_response(taken: Taken) -> v1::AcceptCallsResponse {
    let call = |accepted: Accepted| v1::TakenCall {
        id: accepted.id.to_string(),
        replayed: accepted.replayed,
        token: accepted.token,
        copies: accepted.copies,
    };
    v1::AcceptCallsResponse {
        calls: taken.accepted.into_iter().map(call).collect(),
        unsure: taken.unsure,
    }
}

/// And back; `None` when it is no answer to so many calls.
pub(super) fn taken(response: v1::AcceptCallsResponse, calls: usize) -> Option<Taken> {
    let accepted = response.calls.into_iter().map(|call| {
        Some(Accepted {
            id: CallId::parse(&call.id).ok()?,
            replayed: call.replayed,
            token: call.token,
            copies: call.copies,
        })
    });
    let accepted: Vec<_> = accepted.collect::<Option<_>>()?;
    (accepted.len() == calls).then_some(Taken {
        accepted,
        unsure: response.unsure,
    })
}

pub(super) fn find_request(names: &[KeyName]) -> v1::FindKeysRequest {
    let key = |name: &KeyName| v1::CallKey {
        namespace: name.function.namespace().to_owned(),
        function: name.function.name().to_owned(),
        caller: name.caller.clone(),
        key: name.key.clone(),
    };
    v1::FindKeysRequest {
        keys: names.iter().map(key).collect(),
    }
}

/// What the keys were used for that another sidecar asks about.
///
/// # Errors
/// They cannot be keys, or the queue cannot read.
pub async fn find(
    inbox: &dyn Inbox,
    request: v1::FindKeysRequest,
) -> Result<v1::FindKeysResponse, Status> {
    if request.keys.len() > MAX_KEYS {
        let many = format!("keys: may be at most {MAX_KEYS}");
        return Err(Status::invalid_argument(many));
    }
    let mut calls = Vec::with_capacity(request.keys.len());
    for asked in request.keys {
        let name = KeyName {
            function: function(&asked.namespace, &asked.function)?,
            caller: asked.caller,
            key: asked.key,
        };
        let known = inbox
            .find(&name)
            .await
            .map_err(crate::queue::wire::status)?;
        calls.push(known.map(found).unwrap_or_default());
    }
    Ok(v1::FindKeysResponse { calls })
}

/// What is told of a call that a key was used for.
#[must_use]
fn found(known: Known) -> v1::KnownCall {
    v1::KnownCall {
        id: known.accepted.id.to_string(),
        digest: known.digest.to_vec(),
        begun: known.begun,
        token: known.accepted.token,
    }
}

/// And back, one for each of so many keys; what cannot be read is not known.
pub(super) fn known(response: v1::FindKeysResponse, keys: usize) -> Vec<Option<Known>> {
    let known = |call: v1::KnownCall| {
        let accepted = Accepted {
            id: CallId::parse(&call.id).ok()?,
            replayed: true,
            token: call.token,
            copies: 0,
        };
        Some(Known {
            accepted,
            digest: digest(&call.digest)?,
            begun: call.begun,
        })
    };
    let mut all: Vec<_> = response.calls.into_iter().map(known).collect();
    all.resize(keys, None);
    all
}
