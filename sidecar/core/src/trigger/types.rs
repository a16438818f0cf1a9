//! What the machine of cron triggers is told, and what it says.
//!
//! Data only; nothing is decided here.

use super::Cron;
use super::Uid;
use crate::name::NodeId;
use crate::time::Time;

/// Everything of a trigger up to this time was fired or passed over.
pub type Level = (Uid, Time);
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
    /// A sidecar is about to fire these and wants an answer.
    Claimed {
        /// To be given back with the answer.
        ticket: Ticket,
        /// The sidecar that is about to fire.
        by: NodeId,
        /// Which triggers, and what it knows of them itself.
        levels: Vec<(Uid, Option<Time>)>,
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
        /// The sidecar to ask.
        to: NodeId,
        /// The triggers that are about to be fired here.
        uids: Vec<Uid>,
    },
    /// How [`Action::Fire`] went.
    Fired {
        /// The trigger to fire.
        uid: Uid,
        /// For which time.
        at: Time,
        /// False: to be tried again.
        settled: bool,
    },
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
        levels: Vec<(Uid, Option<Time>)>,
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
