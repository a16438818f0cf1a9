//! Copies of calls at other sidecars: who takes a call on when its owner is gone, and who gives it up again.
//!
//! A call that is accepted is owned by the sidecar that accepted it, its origin, which delivers it. Others hold copies. A holder asks the
//! owner now and then which of them are over. An owner that does not answer for a set time is gone: the first live holder takes the
//! call on under a higher claim and tells the origin and the other holders. Claims of a call are ordered, and everybody who has it follows
//! the highest that it hears of: whoever owned it under a lower one holds a copy from then on. Every message is a level, so that a lost,
//! repeated or late one does no harm. There is deliberately no agreement: two may own a call for a time, and deliver it twice.
//!
//! What is written to disk is done by whoever carries out the actions, and said in events; nothing is told to others before.

mod answers;
mod homecoming;
mod place;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

pub use self::homecoming::{ASK_AGAIN, Homecoming, PATIENCE};
pub use self::place::{MAX_PASSED, Placing, wanted};
use crate::name::NodeId;
use crate::time::Time;

/// A call's id without its sidecar.
pub type Key = [u8; 16];

/// An owner that does not answer for so long is gone.
pub const TAKEOVER_AFTER: Duration = Duration::from_secs(30);
/// Time between two questions to one sidecar, while they lead to nothing.
pub const ASK_EVERY: Duration = Duration::from_secs(1);
/// A holder that was not awake for so long does not know who was silent meanwhile.
pub const AWAKE: Duration = Duration::from_secs(2);
/// Calls of one owner that are looked at in one step.
pub const MAX_PAGE: usize = 1_024;
/// Calls in one question, and in one message of claims.
pub const MAX_QUESTION: usize = 4_096;
/// Calls taken on whose origin or other holders were not told yet; beyond it the oldest are not told any more.
pub const MAX_UNTOLD: usize = 200_000;
/// Holders that are noted with a copy.
pub const MAX_HOLDERS: usize = 8;

/// The right to deliver a call; the highest counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// 0 is the origin's; one more each time it is taken on.
    pub epoch: u64,
    /// Whose it is.
    pub node: NodeId,
    /// Which queue of that sidecar: one whose disk was wiped has another.
    pub run: u64,
}

/// How a call stands at one sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is known of it, any more or at all.
    Nothing,
    /// It is delivered there, under that claim.
    Owned(Claim),
    /// It is over.
    Over,
    /// A copy is there, of a call that is delivered under that claim as far as is known.
    Held(Claim),
}

/// What a sidecar's own queue says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// It is not in it.
    Nothing,
    /// It is to be delivered.
    Open,
    /// It is finished.
    Over,
}

/// What is answered to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It counts here from now on.
    Agreed,
    /// A higher one is known.
    Beaten(Claim),
    /// The call was finished here.
    Over,
}

/// What a claim that was told leads to here, before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing changes.
    None,
    /// The call of the own queue becomes a copy.
    HandOver,
    /// The call of the own queue was delivered by whoever claims it.
    End,
    /// The copy follows the claim.
    Follow,
    /// The copy is needed no more.
    Drop,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Time went by.
    Tick,
    /// These live now, and these are gone for good, as an operator says.
    Members {
        /// This sidecar may be among them.
        live: BTreeSet<NodeId>,
        /// They never come back.
        removed: BTreeSet<NodeId>,
    },
    /// A copy is on this disk, or follows another claim.
    Held(Key, Held),
    /// It is not, any more.
    Dropped(Key),
    /// A call was taken on, on this disk.
    TakenOn(Key, Taken),
    /// What was to be done with a copy could not be done now.
    Unchanged(Key),
    /// A call that was taken on is another's now, or forgotten.
    LetGo(Key),
    /// A sidecar says how calls stand there, in this run of its queue.
    Answered {
        /// Which sidecar.
        peer: NodeId,
        /// Of its queue.
        run: u64,
        /// What was asked about.
        standings: Vec<(Key, Standing)>,
    },
    /// A sidecar says what it thinks of claims.
    Told {
        /// Which sidecar.
        peer: NodeId,
        /// For each claim.
        verdicts: Vec<(Key, Verdict)>,
    },
    /// A sidecar cannot be asked about calls, and lives.
    Alive(NodeId),
    /// A sidecar did not answer a question.
    Unanswered(NodeId),
    /// A sidecar did not answer a claim.
    Untold(NodeId),
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask a sidecar how these calls stand.
    Ask(NodeId, Vec<Key>),
    /// Tell a sidecar of claims of this one.
    Tell(NodeId, Vec<(Key, Claim)>),
    /// Forget a copy.
    Drop(Key),
    /// Note who owns the call of a copy.
    Follow(Key, Claim),
    /// Make the copy a call of the own queue, under this claim.
    TakeOn(Key, Claim),
    /// Make the call of the own queue a copy of a call under this claim.
    HandOver(Key, Claim),
    /// A call of the own queue was finished elsewhere.
    End(Key),
    /// Everybody who is to know of it knows that a call was taken on.
    Known(Key),
}

/// A copy on this disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Under which claim it is delivered, as far as is known.
    pub owner: Claim,
    /// Whose call it was first.
    pub origin: NodeId,
    /// Who was to hold copies, in the order in which they take it on.
    pub holders: Arc<[NodeId]>,
}

/// A call that was taken on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// This sidecar's.
    pub claim: Claim,
    /// Whose call it was first.
    pub origin: NodeId,
    /// Who was to hold copies.
    pub holders: Arc<[NodeId]>,
}

struct Copy {
    held: Held,
    /// Which of its holders have none, a bit for each.
    lacks: u8,
    /// Its owner's queue is another one by now.
    is_orphan: bool,
    /// What is to become of it was said, and is not done yet.
    is_busy: bool,
}

struct Untold {
    taken: Taken,
    to: BTreeSet<NodeId>,
}

#[derive(Default)]
struct Peer {
    /// Since when it owes an answer, or could not be asked.
    silent_since: Option<Time>,
    /// When it may be asked again.
    ask_from: Time,
    is_asked: bool,
    is_told: bool,
    tell_from: Time,
    /// Where the next question goes on.
    cursor: Key,
}

/// One sidecar's copies, and the calls it took on.
pub struct Copies {
    this: NodeId,
    run: u64,
    takeover_after: Duration,
    live: BTreeSet<NodeId>,
    removed: BTreeSet<NodeId>,
    peers: BTreeMap<NodeId, Peer>,
    copies: BTreeMap<Key, Copy>,
    by_owner: BTreeMap<NodeId, BTreeSet<Key>>,
    untold: BTreeMap<Key, Untold>,
    ticked: Time,
    /// A question led to something: there may be more of it.
    is_eager: bool,
}

impl Copies {
    /// Of a sidecar that has none yet, and of that run of its queue.
    #[must_use]
    pub fn new(this: NodeId, run: u64, takeover_after: Duration, now: Time) -> Self {
        Self {
            this,
            run,
            takeover_after,
            live: BTreeSet::new(),
            removed: BTreeSet::new(),
            peers: BTreeMap::new(),
            copies: BTreeMap::new(),
            by_owner: BTreeMap::new(),
            untold: BTreeMap::new(),
            ticked: now,
            is_eager: false,
        }
    }

    /// How many copies are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.copies.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }

    /// What is known of a copy.
    #[must_use]
    pub fn held(&self, key: &Key) -> Option<&Held> {
        self.copies.get(key).map(|copy| &copy.held)
    }

    /// How a call stands here, of which the own queue says that; `own` is the claim under which it would be delivered.
    #[must_use]
    pub fn standing(&self, key: &Key, queue: Own, own: Claim) -> Standing {
        match (queue, self.copies.get(key)) {
            (Own::Over, _) => Standing::Over,
            (Own::Open, _) => Standing::Owned(own),
            (Own::Nothing, Some(copy)) => Standing::Held(copy.held.owner.clone()),
            (Own::Nothing, None) => Standing::Nothing,
        }
    }

    /// Everybody whose calls are held, or who is to be told of calls taken on.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        let untold = self.untold.values().flat_map(|untold| &untold.to);
        self.by_owner.keys().chain(untold)
    }

    /// What was taken on of calls of `origin`, after a key, and whether there is more.
    #[must_use]
    pub fn taken_of(&self, origin: &NodeId, after: Option<Key>) -> (Vec<(Key, Claim)>, bool) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.untold.range((from, Bound::Unbounded));
        let mut theirs = later.filter(|(_, untold)| untold.taken.origin == *origin);
        let claims = theirs.by_ref().take(MAX_QUESTION);
        let claims = claims.map(|(key, untold)| (*key, untold.taken.claim.clone()));
        let claims = claims.collect();
        (claims, theirs.next().is_some())
    }

    /// When something is to be done next; `None`: when something happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let is_idle = self.copies.is_empty() && self.untold.is_empty();
        let pause = match self.is_eager {
            true => Duration::ZERO,
            false => ASK_EVERY / 4,
        };
        (!is_idle).then(|| self.ticked + pause)
    }

    /// Takes in what happened.
    pub fn on_event(&mut self, now: Time, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Tick => self.tick(now, out),
            Event::Members { live, removed } => {
                (self.live, self.removed) = (live, removed);
                self.live.remove(&self.this);
                for untold in self.untold.values_mut() {
                    untold.to.retain(|node| !self.removed.contains(node));
                }
                self.settle_told(out);
            }
            Event::Held(key, held) => self.hold(key, held),
            Event::Dropped(key) => drop(self.release(&key)),
            Event::TakenOn(key, taken) => self.taken_on(key, taken),
            Event::Unchanged(key) => {
                if let Some(copy) = self.copies.get_mut(&key) {
                    copy.is_busy = false;
                }
            }
            Event::LetGo(key) => drop(self.untold.remove(&key)),
            Event::Answered {
                peer,
                run,
                standings,
            } => self.answered(now, &peer, run, standings, out),
            Event::Told { peer, verdicts } => self.told(now, &peer, verdicts, out),
            Event::Alive(peer) => {
                let peer = self.peers.entry(peer).or_default();
                (peer.silent_since, peer.ask_from) = (None, now + ASK_EVERY);
                (peer.is_asked, peer.is_told, peer.tell_from) = (false, false, now + ASK_EVERY);
            }
            Event::Unanswered(peer) => {
                let peer = self.peers.entry(peer).or_default();
                (peer.is_asked, peer.ask_from) = (false, now + ASK_EVERY);
            }
            Event::Untold(peer) => {
                let peer = self.peers.entry(peer).or_default();
                (peer.is_told, peer.tell_from) = (false, now + ASK_EVERY);
            }
        }
    }

    fn hold(&mut self, key: Key, held: Held) {
        let before = self.release(&key);
        let owner = held.owner.node.clone();
        let lacks = before.map_or(0, |copy| copy.lacks);
        self.by_owner.entry(owner).or_default().insert(key);
        let copy = Copy {
            held,
            lacks,
            is_orphan: false,
            is_busy: false,
        };
        self.copies.insert(key, copy);
    }

    fn release(&mut self, key: &Key) -> Option<Copy> {
        let copy = self.copies.remove(key)?;
        let owner = &copy.held.owner.node;
        if let Some(keys) = self.by_owner.get_mut(owner) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_owner.remove(owner);
            }
        }
        Some(copy)
    }

    fn taken_on(&mut self, key: Key, taken: Taken) {
        self.release(&key);
        let to = taken.holders.iter().chain([&taken.origin]);
        let to = to.filter(|node| **node != self.this && !self.removed.contains(*node));
        let to = to.cloned().collect();
        self.untold.insert(key, Untold { taken, to });
    }
}
