//! What the machine of cron triggers is told, and what it says.
//!
//! Data only; nothing is decided here.

use std::sync::Arc;

use super::Cron;
use super::Uid;
use crate::name::NodeId;
use crate::time::Time;

/// What is known of a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Everything of it up to this time was fired or passed over.
    pub settled: Time,
    /// The last call it made, where it matters whether that is over.
    pub call: Option<CallRef>,
    /// A time after `settled` has come, whose call waits until that one is over.
    pub waits: bool,
}

/// A call's id, which only the shell can read.
pub type CallRef = Arc<str>;
/// A trigger and what is known of it.
pub type Level = (Uid, Known);
/// That the clock was set back under a trigger's schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetBack {
    /// How often.
    pub count: u32,
    /// Up to here time comes again: the clock had come so far before.
    pub until: Time,
}
/// Names a question of another sidecar; the shell's.
pub type Ticket = u64;

/// What happens to the machine of schedules.
#[derive(Debug, Clone)]
pub enum Event {
    /// [`super::Machine::next_deadline`] has come, or the clock was set.
    Tick,
    /// Every cron trigger there is.
    Set(Vec<Cron>),
    /// Who lives, this sidecar included.
    Members(Vec<NodeId>),
    /// From disk, or told by another.
    Learned(Vec<Level>),
    /// From disk.
    SetBack(Vec<(Uid, SetBack)>),
    /// A sidecar is about to fire these and wants an answer.
    Claimed {
        /// To be given back with the answer.
        ticket: Ticket,
        /// The sidecar that is about to fire.
        by: NodeId,
        /// Which triggers, and what it knows of them itself.
        levels: Vec<(Uid, Option<Known>)>,
    },
    /// A question was answered, or cannot be.
    Answered {
        /// The sidecar that answers.
        from: NodeId,
        /// What was asked about.
        asked: Vec<Uid>,
        /// What it knows of these.
        levels: Vec<Level>,
    },
    /// A sidecar could not be told.
    ShareFailed {
        /// The one.
        to: NodeId,
        /// The triggers of which it was not told.
        uids: Vec<Uid>,
    },
    /// How [`Action::Fire`] went.
    Fired {
        /// The trigger that was fired, or was to be.
        uid: Uid,
        /// For which time.
        at: Time,
        /// How.
        outcome: Outcome,
    },
}

/// How a firing went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its call is made, or there is nothing to be made.
    Settled(Option<CallRef>),
    /// To be tried again.
    Failed,
    /// The call before is not over, and the schedule's runs are not to overlap.
    Busy,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make the call of this time; answered with [`Event::Fired`].
    Fire {
        /// The trigger to fire.
        uid: Uid,
        /// The time its schedule names, not the time it is now.
        at: Time,
        /// For [`super::Cron::idempotency_key`].
        again: Option<u32>,
        /// Only if this call is over.
        after: Option<CallRef>,
    },
    /// This time is left out, as the call before is not over.
    Skipped {
        /// Which.
        uid: Uid,
        /// The time.
        at: Time,
    },
    /// Times up to this one were missed for good.
    Passed {
        /// The trigger that missed some.
        uid: Uid,
        /// The last of them.
        at: Time,
    },
    /// Ask a sidecar; answered with [`Event::Answered`].
    Ask {
        /// The sidecar to ask.
        to: NodeId,
        /// About these, of which this is known here.
        levels: Vec<(Uid, Option<Known>)>,
    },
    /// Tell a sidecar; only a failure is answered, with [`Event::ShareFailed`].
    Share {
        /// The sidecar that is told.
        to: NodeId,
        /// Up to when each is settled.
        levels: Vec<Level>,
    },
    /// Answer a question.
    Answer {
        /// The question that is answered.
        ticket: Ticket,
        /// What is known; nothing of triggers that aren't in it.
        levels: Vec<Level>,
    },
}
