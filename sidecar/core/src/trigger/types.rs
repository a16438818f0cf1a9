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

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Time passed.
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
        /// Who.
        by: NodeId,
        /// Which triggers, and what it knows of them itself.
        levels: Vec<(Uid, Option<Time>)>,
    },
    /// A question was answered, or cannot be.
    Answered {
        /// By whom.
        from: NodeId,
        /// What was asked about.
        asked: Vec<Uid>,
        /// What it knows of these.
        levels: Vec<Level>,
    },
    /// A sidecar could not be told.
    ShareFailed {
        /// Which.
        to: NodeId,
        /// Of what.
        uids: Vec<Uid>,
    },
    /// How [`Action::Fire`] went.
    Fired {
        /// Which.
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
        /// Which.
        uid: Uid,
        /// Scheduled for.
        at: Time,
    },
    /// Times up to this one were missed for good.
    Passed {
        /// Which.
        uid: Uid,
        /// The last of them.
        at: Time,
    },
    /// Ask a sidecar; answered with [`Event::Answered`].
    Ask {
        /// Whom.
        to: NodeId,
        /// About these, of which this is known here.
        levels: Vec<(Uid, Option<Time>)>,
    },
    /// Tell a sidecar; only a failure is answered, with [`Event::ShareFailed`].
    Share {
        /// Whom.
        to: NodeId,
        /// What.
        levels: Vec<Level>,
    },
    /// Answer a question.
    Answer {
        /// Which.
        ticket: Ticket,
        /// What is known; nothing of triggers that aren't in it.
        levels: Vec<Level>,
    },
}
