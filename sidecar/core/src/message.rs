//! What callers, owners and hosts tell each other about one revision.
//!
//! Every message is a level, never a change: the newest one says everything, so a lost or
//! repeated one does no harm. Deliberately no wire format and no addresses: the shell converts,
//! and adds each node's address from the membership.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::name::{NodeId, RevisionName};
use crate::ownership::Term;

/// Calls of one revision at one caller.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Load {
    /// In flight at an instance, averaged over the last second; held ones aren't in it.
    pub concurrency: f64,
    /// Calls that arrived in the last second.
    pub rps: f64,
    /// Held at this moment, that is, waiting for a slot.
    pub held: u32,
    /// Waiting in the async queue at this moment.
    pub async_queued: u32,
    /// How long the oldest held or queued one has waited.
    pub oldest: Duration,
    /// Of a finished call, exponentially averaged; zero while none has finished.
    pub service_time: Duration,
}

impl Load {
    /// Nothing is asked for, so nothing needs reporting.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        // Below a thousandth of a call an exponential average is only the memory of one.
        self.held == 0 && self.async_queued == 0 && self.concurrency < 1e-3 && self.rps < 1e-3
    }

    /// Calls wait that no instance has taken.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.held > 0 || self.async_queued > 0
    }
}

/// Caller to owner: its load, once a second while there is any, and at once when a call is held.
#[derive(Debug, Clone, PartialEq)]
pub struct RevisionDemand {
    /// The revision that calls want.
    pub revision: RevisionName,
    /// Of the revision in the caller's catalogue: a function may be deleted and come again under its name. Empty from a
    /// caller of an earlier version.
    pub uid: Arc<str>,
    /// How much they want of it.
    pub load: Load,
    /// The owner answers with [`Endpoints`] of the same number: silence means a dead owner.
    pub sequence: u64,
    /// Only asks to be told of endpoints; no demand in it.
    pub subscribe: bool,
}

/// Host to owner: the instances of one revision there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionInstances {
    /// The revision that runs.
    pub revision: RevisionName,
    /// Instances that take calls.
    pub ready: u32,
    /// On their way to be ready.
    pub starting: u32,
    /// Finishing their calls, or being stopped.
    pub draining: u32,
    /// Highest accepted for the function.
    pub term: Term,
    /// After failed starts: none will be started before this is over.
    pub backoff: Duration,
    /// What the host's instances of every revision cost, in instances of this one.
    pub host_instances: u32,
    /// Instances of this revision that the host would have room for if it ran nothing else.
    pub host_capacity: u32,
    /// Why it runs fewer than it was told to.
    pub failure: Option<Arc<str>>,
}

impl RevisionInstances {
    /// Ready or about to be.
    #[must_use]
    pub fn alive(&self) -> u32 {
        self.ready.saturating_add(self.starting)
    }
}

/// Owner to host: run so many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The revision that shall run.
    pub revision: RevisionName,
    /// On whose authority. Number 0 is never accepted, but always answered with the host's
    /// [`RevisionInstances`]: it is how a new owner asks.
    pub term: Term,
    /// Instances that shall run on this host.
    pub desired: u32,
    /// Why so many, in words for people.
    pub reason: Arc<str>,
}

/// Owner to callers: who has ready instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The revision that they serve.
    pub revision: RevisionName,
    /// Of the owner that says so.
    pub term: Term,
    /// In the order of their ids, only those with at least one ready.
    pub hosts: Vec<HostReady>,
    /// Instances that start, on all hosts together.
    pub starting: u32,
    /// How many are wanted.
    pub desired: u32,
    /// Of the demand this answers; 0 when pushed.
    pub sequence: u64,
    /// The revision is not in the catalogue of who answers, or another of its name is: the next in the order is to be
    /// asked. Nothing else in it counts.
    pub unknown: bool,
    /// Why nothing can start, if nothing can.
    pub failure: Option<Arc<str>>,
}

/// A host with ready instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostReady {
    /// The host they are on.
    pub node: NodeId,
    /// Instances there that take calls.
    pub ready: u32,
}

/// Live sidecars and the instances each is willing to run.
pub type Members = BTreeMap<NodeId, u32>;

/// A live sidecar, as the membership has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Names the host for as long as its data folder lives.
    pub node: NodeId,
    /// Instances it is willing to run.
    pub capacity: u32,
}
