//! Delivers queued calls through the proxy, as async calls that wait behind sync ones.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateless_common::io::unix_now;
use gateless_core::hold::{Caller, Class};
use gateless_core::name::FunctionName;
use gateless_core::policy::{Identity, Principal, Proof};
use gateless_core::router;
use http::{Request, Response};
use http_body_util::BodyExt;

use super::invoke::{Answer, Exchange, Fault, Invoke, InvokeError};
use crate::call::error::Error;
use crate::call::{Call, Delivered, Payload, Proxy, Queued, Slot, headers};
use crate::endpoint::body::Body;

/// All queued calls of a sidecar take turns as one caller.
const QUEUE: Caller = Caller(0);

/// An exchange as the dispatcher wants it.
///
/// # Errors
/// When no answer came from the function.
pub(crate) fn to_answer(sent: Result<Response<Body>, Error>) -> Result<Answer, InvokeError> {
    match sent {
        Ok(response) => Ok(response.map(BodyExt::boxed_unsync)),
        Err(error) => {
            let (code, _) = error.row();
            Err(InvokeError {
                fault: fault(&error),
                code,
                message: error.to_string(),
            })
        }
    }
}

fn fault(error: &Error) -> Fault {
    match error {
        error if error.is_unmade() => Fault::Unmade,
        // Its catalogue was replaced meanwhile; what is deleted is buried by the dispatcher.
        Error::UnknownFunction(_) => Fault::Unmade,
        Error::Instance { .. } => Fault::Instance,
        Error::Peer { .. } | Error::HostLost(_) => Fault::Between,
        other => {
            let status = other.status();
            let retryable = status.is_server_error() || status.as_u16() == 429;
            Fault::Call { retryable }
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
    let (mut parts, body) = request.into_parts();
    let principal = parts.extensions.remove::<Principal>().unwrap_or_default();
    let Principal { maker, key, source } = principal;
    let delivered = parts.extensions.remove::<Delivered>();
    // A key that was revoked meanwhile proves nothing any more, and no subject of an issuer that is trusted no more.
    let auth = &function.config.access.auth;
    let proof = key.and_then(|key| {
        let caller = auth.by_principal(&key, unix_now().0)?;
        headers::set(&mut parts.headers, headers::CALLER, caller);
        Some(Proof { key, digest: None })
    });
    let identity = Identity::Queue(maker);
    headers::set_caller_function(&mut parts.headers, &function.config.access, &identity);
    let mut call = Call::new(function, identity, parts, Payload::Whole(body), QUEUE);
    (call.class, call.queued) = (Class::Async, Some(queued));
    (call.proof, call.source) = (proof, source);
    call.delivered = delivered.map(Box::new);
    let mut admitted = proxy.admit(call)?;
    proxy.send(&revision, &mut admitted).await
}
