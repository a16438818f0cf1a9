//! Which sidecars hold copies of a call: the first in rendezvous order of what its home is chosen by, without the home.

use crate::name::NodeId;

/// Sidecars that may fail to take a copy before there are fewer than were wanted.
pub const MAX_PASSED: usize = 2;

/// How many have a call, its home among them: as many as are wanted and live; 0 wanted is two, where there are two.
#[must_use]
pub fn wanted(copies: u32, live: usize) -> usize {
    let wanted = match usize::try_from(copies) {
        Ok(0) | Err(_) => 2,
        Ok(copies) => copies,
    };
    wanted.min(live.max(1))
}

/// Finds holders for one call.
#[derive(Debug, Clone)]
pub struct Placing {
    /// In the order in which they are asked.
    left: Vec<NodeId>,
    /// Asked, in order.
    asked: Vec<NodeId>,
    missing: usize,
    passed: usize,
    held: usize,
}

impl Placing {
    /// Of a call that `wanted` are to have, among these in `order`. Those to `avoid` did not answer lately, and come last.
    #[must_use]
    pub fn new(
        order: impl IntoIterator<Item = NodeId>,
        home: &NodeId,
        wanted: usize,
        avoid: impl Fn(&NodeId) -> bool,
    ) -> Self {
        let others = order.into_iter().filter(|node| node != home);
        let (last, mut left): (Vec<_>, Vec<_>) = others.partition(|node| avoid(node));
        left.extend(last);
        left.reverse();
        Self {
            left,
            asked: Vec::new(),
            missing: wanted.saturating_sub(1),
            passed: 0,
            held: 0,
        }
    }

    /// Who is asked next, and who was to hold copies until then, each in the order in which they would take the call on.
    #[must_use]
    pub fn to_ask(&mut self) -> Vec<NodeId> {
        let mut next = Vec::new();
        while next.len() < self.missing
            && let Some(node) = self.left.pop()
        {
            next.push(node);
        }
        self.missing -= next.len();
        self.asked.extend(next.iter().cloned());
        next
    }

    /// Everybody who was asked.
    #[must_use]
    pub fn holders(&self) -> &[NodeId] {
        &self.asked
    }

    /// Whether one that was asked has a copy on its disk: then it does; else another is asked, unless too many were.
    pub fn answered(&mut self, has_it: bool) {
        match has_it {
            true => self.held += 1,
            false if self.passed < MAX_PASSED => {
                self.passed += 1;
                self.missing += 1;
            }
            false => {}
        }
    }

    /// How many have the call, its home among them.
    #[must_use]
    pub const fn copies(&self) -> usize {
        self.held + 1
    }
}
