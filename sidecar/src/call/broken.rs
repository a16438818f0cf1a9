//! An attempt that broke off: whom it is charged to, whether the function may have seen the call, and what is left to send.
//!
//! Whether the call is tried again is decided by who sent the attempt.

use http::Request;

use super::forward::Sent;
use super::request::Call;
use super::send::Proxy;
use crate::call::error::Error;
use crate::endpoint::body::Body;
use crate::endpoint::component::Failure;
use crate::endpoint::pool;
use crate::runtime::{Lease, Relay};

/// What broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blamed {
    /// The instance; or nothing was sent.
    Instance,
    /// The sidecar of its host, with the call on its way.
    Peer,
}

/// Why there is no answer.
pub(super) enum Broken {
    /// The connection to the instance, or to the sidecar of its host.
    Wire(pool::Error),
    /// The component in this process.
    Component(Failure),
}

impl Broken {
    /// What it means for the call: what was not read is given back to it.
    ///
    /// # Errors
    /// Those that end the call.
    pub(super) fn end(
        self,
        proxy: &Proxy,
        lease: Lease,
        relay: Option<&Relay>,
        request: Request<Body>,
        call: &mut Call,
    ) -> Result<Sent, Error> {
        match self {
            Self::Component(Failure::Busy) => {
                // What was not read comes back with it.
                call.parts.headers = request.into_parts().0.headers;
                Ok(Sent::Refused(lease))
            }
            Self::Component(Failure::Ended(ended)) => Err(Error::Component(ended)),
            Self::Wire(pool::Error::Unsent(request, error)) => {
                drop(request);
                if let Some(relay) = relay {
                    proxy.no_way(&lease, relay);
                    return Ok(Sent::NoWay);
                }
                Ok(Sent::Failed {
                    lease,
                    seen: false,
                    stale: false,
                    by: Blamed::Instance,
                    error,
                })
            }
            Self::Wire(pool::Error::Unprocessed(why, error)) => {
                Ok(Sent::Unprocessed { lease, why, error })
            }
            Self::Wire(pool::Error::Sent { .. }) if lease.is_lost() => Ok(Sent::Lost(lease)),
            // The function had the call, and would answer the next one so, too.
            Self::Wire(pool::Error::Answer(fault)) => {
                let cause = fault.to_owned();
                Err(Error::Instance { cause, seen: true })
            }
            Self::Wire(pool::Error::Sent { error, .. }) if error.is_user() => {
                Err(Error::Body(error.to_string()))
            }
            Self::Wire(pool::Error::Sent { error, stale }) => Ok(Sent::Failed {
                stale: stale && call.is_repeatable(),
                by: match lease.is_local() {
                    true => Blamed::Instance,
                    false => Blamed::Peer,
                },
                lease,
                seen: true,
                error: error.to_string(),
            }),
        }
    }
}
