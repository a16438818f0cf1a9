//! Callbacks to functions of this cluster: through this sidecar's own router, in process, with the rights of whoever
//! made the call that is told of.
//!
//! Same route, policy and holds as any call; only the socket is left out, and with it the rights of the door, and the
//! address, that a connection from here would have had.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gateless_core::policy::Principal;
use http::{HeaderValue, Request, header};
use http_body_util::BodyExt;

use super::{Edge, route};
use crate::call::error::Unmade;
use crate::call::{Slot, Told};
use crate::endpoint::body::Inbound;
use crate::queue::callback::Functions;
use crate::queue::invoke::Answer;

/// Leads callbacks to the edge. Made before it.
#[derive(Default)]
pub(crate) struct Router {
    edge: OnceLock<(Weak<Edge>, HeaderValue)>,
}

impl Router {
    /// From now on callbacks are routed, as if sent to the local listener at `local`.
    pub(crate) fn open(&self, edge: &Arc<Edge>, local: SocketAddr) {
        if let Ok(host) = HeaderValue::try_from(local.to_string()) {
            // Set once, at the start.
            self.edge.set((Arc::downgrade(edge), host)).ok();
        }
    }
}

impl Functions for Router {
    fn call(
        &self,
        principal: Principal,
        request: Request<Bytes>,
        slot: Slot,
    ) -> BoxFuture<'static, Result<Answer, String>> {
        let edge = self.edge.get();
        let edge = edge.and_then(|(edge, host)| Some((edge.upgrade()?, host.clone())));
        Box::pin(async move {
            let away = || "the sidecar does not route calls yet, or any longer".to_owned();
            let (edge, host) = edge.ok_or_else(away)?;
            let mut request = request.map(|body| Inbound::Whole(Some(body)));
            request.headers_mut().insert(header::HOST, host);
            request.extensions_mut().insert(Told::new(slot));
            // A key opened the function that was called; to another its holder is anyone.
            let (identity, source) = (principal.maker.acts_as(), principal.source);
            let answered = route::within(&edge, request, identity, source).await;
            match answered.extensions().get::<Unmade>() {
                Some(Unmade(why)) => Err(why.clone()),
                None => Ok(answered.map(BodyExt::boxed_unsync)),
            }
        })
    }
}
