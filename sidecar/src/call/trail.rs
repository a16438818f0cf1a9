//! What a call notes of itself on its way, for those who look at it when it is over.
//!
//! Most calls are looked at by nobody: what is noted is what the way has at hand, and nothing is made of it here.

use std::sync::Arc;

use gateless_core::name::InstanceId;
use http::HeaderValue;

use super::timing::Timing;
use crate::runtime::Endpoint;

/// Notes of one call.
#[derive(Default)]
pub(super) struct Trail {
    /// Where its time went so far.
    pub(super) timing: Timing,
    /// Its `traceparent`, as it goes to the function.
    pub(super) trace: Option<HeaderValue>,
    /// It came with that.
    pub(super) has_parent: bool,
    /// Where it was sent last.
    pub(super) reached: Option<Arc<Endpoint>>,
    /// The instance that another host says it was.
    pub(super) instance: Option<HeaderValue>,
    /// How often it was sent.
    pub(super) sends: u32,
    /// Bytes of its body, where it says how many.
    pub(super) bytes_in: Option<u64>,
}

impl Trail {
    /// It goes there now.
    pub(super) fn goes_to(&mut self, endpoint: &Arc<Endpoint>) {
        self.sends += 1;
        self.instance = None;
        self.reached = Some(endpoint.clone());
    }

    /// The instance on this host that had it.
    pub(super) fn instance_here(&self) -> Option<&InstanceId> {
        match self.reached.as_deref()? {
            Endpoint::Local { id, .. } | Endpoint::Component { id, .. } => Some(id),
            Endpoint::Remote { .. } => None,
        }
    }
}

/// Of a call that comes from the queue: which attempt it is, of which call.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// The call's id.
    pub call: Arc<str>,
    /// From 1.
    pub attempt: u32,
    /// Somebody had it made again.
    pub replayed: bool,
    /// The trigger that made it.
    pub trigger: Option<Arc<str>>,
}
