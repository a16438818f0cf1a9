//! A call that passes through this host on its way between two others that do not hear each other.
//!
//! It goes on as it came, to the one host it names, and never through a third: so no circle can come of
//! it. Nothing is decided, held or tried again here; the two ends do that.

use gateless_core::name::NodeId;
use http::header::HeaderValue;
use http::{Request, Response, Version};
use hyper::body::Incoming;

use super::headers;
use super::send::Proxy;
use crate::call::error::Error;
use crate::endpoint::body::{Body, Inbound};
use crate::endpoint::pool::{self, How};
use crate::runtime::{Lease, Relay};

/// How a sidecar marks the refusal of a call that it could not pass on.
pub(crate) const NO_WAY: HeaderValue = HeaderValue::from_static("no-way");
/// How it marks the failure of one whose host fell silent.
pub(crate) const LOST: HeaderValue = HeaderValue::from_static("lost");

/// Whether the answer says that the call was not passed on.
pub(super) fn found_no_way(response: &Response<Inbound>) -> bool {
    let refused = response.headers().get(headers::REFUSED);
    refused.is_some_and(|how| how == NO_WAY)
}

impl Proxy {
    /// Passes a peer's call on to `node`.
    ///
    /// # Errors
    /// [`Error::NoWay`] when that does not answer this host either: nothing was sent then.
    pub async fn relay(
        &self,
        node: &NodeId,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Error> {
        let no_way = || Error::NoWay(node.clone());
        let pool = self.registry.peer(node).ok_or_else(no_way)?;
        // What is not known to answer may be what the sender cannot reach for the same reason.
        if !pool.is_confirmed().await {
            return Err(no_way());
        }
        let map = request.headers_mut();
        map.remove(headers::RELAY_TO);
        headers::strip_hop_by_hop(map);
        let request = request.map(Body::boxed);
        let sent = if request.version() == Version::HTTP_2 {
            pool.send_h2(request).await
        } else {
            // Its connection is not used again: the body that is on its way has it.
            pool.send_h1(request, &How::default())
                .await
                .map(|(response, _)| response)
        };
        match sent {
            Ok(response) => {
                let mut response = response.map(Body::boxed);
                *response.version_mut() = Version::HTTP_11;
                headers::strip_hop_by_hop(response.headers_mut());
                Ok(response)
            }
            Err(pool::Error::Unsent(..) | pool::Error::Unprocessed(..)) => Err(no_way()),
            Err(pool::Error::Sent { .. }) if pool.is_lost() => {
                Err(Error::HostLost(Some(node.clone())))
            }
            Err(pool::Error::Sent { error, .. }) if error.is_user() => {
                Err(Error::Body(error.to_string()))
            }
            Err(pool::Error::Answer(fault)) => Err(Error::Instance {
                cause: fault.to_owned(),
                seen: true,
            }),
            Err(pool::Error::Sent { error, .. }) => Err(Error::Instance {
                cause: error.to_string(),
                seen: true,
            }),
        }
    }

    /// Remembers for a moment that `relay` does not reach the host of `lease`.
    pub(super) fn no_way(&self, lease: &Lease, relay: &Relay) {
        if let Some(node) = lease.node() {
            self.registry.no_way(&relay.node, node);
        }
    }
}
