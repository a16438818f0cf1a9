//! What the host machine is told, and what it says. No behaviour.

use std::sync::Arc;

use super::End;
use crate::config::{Function, Revision};
use crate::message::{Assignment, Member, RevisionInstances};
use crate::name::{FunctionName, InstanceId, NodeId, RevisionName};
use crate::resources::Resources;

/// What happens to the host.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// [`Host::next_deadline`] has come.
    Tick,
    /// A function is new or changed.
    Config(Arc<Function>),
    /// A function was deleted.
    ConfigGone(FunctionName),
    /// Who is alive; the host itself is always counted in.
    Members(Vec<Member>),
    /// From now on the host has room for so much; what runs stays until an owner moves it.
    Capacity(Resources),
    /// The link to a node is new: it may have missed anything.
    Linked(NodeId),
    /// An owner's word.
    Assigned {
        /// Gets the answer, whether it is obeyed or not.
        from: NodeId,
        /// What it wants.
        assignment: Assignment,
    },
    /// No owner answers and a call waits: run at least one.
    Fallback(RevisionName),
    /// An instance found running when the sidecar started. Its function's configuration must
    /// have come before, or the instance is taken for a deleted function's and drained.
    Adopted {
        /// As in the manifest.
        id: InstanceId,
        /// As in the manifest.
        revision: RevisionName,
        /// The revision's uid when the instance was started.
        uid: Arc<str>,
        /// It already takes calls.
        ready: bool,
        /// The version of the values of secrets that it was started with.
        secrets: u64,
    },
    /// From now on the values of a revision's secrets have this version: what runs with another is replaced, one after
    /// the other, each only when its successor is ready. To be told before what is to be started with them.
    Secrets(RevisionName, u64),
    /// An instance takes calls now.
    Ready(InstanceId),
    /// An instance is gone, wanted or not.
    Exited {
        /// The one that ended.
        id: InstanceId,
        /// What kind of end it was.
        end: End,
        /// Why, for people; of use only when it wasn't wanted.
        message: Arc<str>,
    },
    /// A draining instance has finished its last call.
    Drained(InstanceId),
    /// An instance does not come to an end with a call: it takes no more, and another is started in its place.
    Overdue(InstanceId),
    /// An instance does nothing any more, although it has not ended.
    Unresponsive {
        /// Which.
        id: InstanceId,
        /// Why it is thought so, for people.
        cause: Arc<str>,
        /// It has answered something, once.
        answered: bool,
    },
}

/// What the shell is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Start an instance under this id; [`Event::Ready`] or [`Event::Exited`] follows.
    Start {
        /// New, never used before.
        id: InstanceId,
        /// What to start.
        revision: Arc<Revision>,
        /// The version of the values of its secrets.
        secrets: u64,
    },
    /// Close the gate; [`Event::Drained`] follows when no call is in flight.
    Drain(InstanceId),
    /// End the instance; [`Event::Exited`] follows.
    Stop(InstanceId),
    /// End it at once, as it would not hear a request to end; [`Event::Exited`] follows.
    Kill {
        /// Which.
        id: InstanceId,
        /// For people.
        cause: Arc<str>,
    },
    /// What [`Host::statuses`] says of a revision is another than before, although no instance is.
    Changed(RevisionName),
    /// Tell an owner.
    Report {
        /// The owner; may be this node.
        to: NodeId,
        /// The level.
        instances: RevisionInstances,
    },
}

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not taking calls yet.
    Starting,
    /// Taking calls.
    Ready,
    /// Finishing its calls.
    Draining,
    /// Told to end.
    Stopping,
}

impl State {
    pub(super) fn is_alive(self) -> bool {
        matches!(self, Self::Starting | Self::Ready)
    }
}
