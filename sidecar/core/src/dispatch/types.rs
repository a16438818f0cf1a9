//! What a [`super::Dispatch`] is asked and what it answers. No behaviour.

use std::sync::Arc;

use crate::hold::{self, Caller, Class, Origin};
use crate::name::InstanceId;
use crate::time::Time;

/// Identity of an endpoint within one [`Dispatch`]; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndpointKey(pub(super) u64);

/// The right to send one call to one endpoint. Must come back through [`Dispatch::release`].
#[derive(Debug)]
pub struct Permit<E> {
    /// Where the call goes.
    pub endpoint: E,
    /// To give it back by.
    pub pass: Pass,
    /// Whether the endpoint is an instance on this host.
    pub local: bool,
}

/// What a permit leaves to remember: which endpoint, and since when the call runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Names the endpoint, for [`Call::avoid`] and for giving the permit back.
    pub key: EndpointKey,
    pub(super) taken: Taken,
}

/// What a permit was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// A call that is demand since then.
    Call(Time),
    /// A call that counts as demand where it came in.
    Forwarded,
    /// A question of the sidecar's own, which is no call.
    Probe,
}

/// A call that asks for a permit.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Sync before async.
    pub class: Class,
    /// Decides which endpoints are allowed.
    pub origin: Origin,
    /// Whose turn it is; callers take turns.
    pub caller: Caller,
    /// Bytes kept while it waits.
    pub bytes: u64,
    /// It had a permit before: no new arrival.
    pub again: bool,
    /// Endpoints that refused or failed it already.
    pub avoid: &'a [EndpointKey],
}

/// Why a call may not even wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// As many wait as may.
    Full(hold::Full),
    /// Forwarded to a host that has no open gate for the revision.
    NoInstance,
    /// No instance can be started; says why.
    Failing(Arc<str>),
    /// The revision is gone.
    Gone,
}

/// What the owner says is coming.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Supply {
    /// Instances on their way up.
    pub starting: u32,
    /// Instances that the owner wants in all.
    pub desired: u32,
    /// Why none can start.
    pub failure: Option<Arc<str>>,
}

/// What came of giving a permit back.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// The gate was closed and this was its last call.
    pub drained: Option<InstanceId>,
    /// Another sidecar was refused before and there is room now: tell it.
    pub room_for_peers: bool,
}
