//! A sidecar that was away asks the others what they took on of its calls, before it delivers those that it had then.
//!
//! It was away before it started, and whenever nothing in it ran for so long that others may have taken calls on. It waits for answers so
//! long at most: who cannot be reached is told its calls twice, or takes them twice.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::name::NodeId;
use crate::time::Time;

/// Others that do not answer are waited for so long.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two questions to one that did not answer.
pub const ASK_AGAIN: Duration = Duration::from_millis(100);

/// What is known since this sidecar came back.
#[derive(Debug)]
pub struct Homecoming {
    away_after: Duration,
    looked: Time,
    back: Time,
    answered: BTreeSet<NodeId>,
    is_over: bool,
}

impl Homecoming {
    /// Of a sidecar that starts now; others take its calls on once they did not hear of it for so long.
    #[must_use]
    pub fn new(takeover_after: Duration, now: Time) -> Self {
        Self {
            // Half of it was gone by, at most, when it was last heard.
            away_after: takeover_after / 2,
            looked: now,
            back: now,
            answered: BTreeSet::new(),
            is_over: false,
        }
    }

    /// Notes that it runs; whether it just came back.
    pub fn look(&mut self, now: Time) -> bool {
        let is_back = now.since(self.looked) >= self.away_after;
        if is_back {
            (self.back, self.is_over) = (now, false);
            self.answered.clear();
        }
        self.looked = now;
        is_back
    }

    /// Nothing was to be asked: the queue has no call that others may have.
    pub fn skip(&mut self) {
        self.is_over = true;
    }

    /// That sidecar said all that it took on.
    pub fn answered(&mut self, node: NodeId) {
        self.answered.insert(node);
    }

    /// Who is still to be asked among those that live.
    #[must_use]
    pub fn to_ask<'a>(&self, live: impl IntoIterator<Item = &'a NodeId>) -> Vec<NodeId> {
        if self.is_over {
            return Vec::new();
        }
        let silent = live
            .into_iter()
            .filter(|node| !self.answered.contains(*node));
        silent.cloned().collect()
    }

    /// Whether what it had when it came back may be delivered, while these others live. Once it may, it may.
    pub fn is_over<'a>(&mut self, others: impl IntoIterator<Item = &'a NodeId>, now: Time) -> bool {
        if now.since(self.back) >= PATIENCE {
            self.is_over = true;
        }
        if !self.is_over && !self.answered.is_empty() {
            self.is_over = others.into_iter().all(|node| self.answered.contains(node));
        }
        self.is_over
    }
}
