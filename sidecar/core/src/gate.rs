//! The gate: what decides that a call may enter an instance.
//!
//! It counts, nothing more. Queueing in front of it is [`crate::hold`], choosing between
//! gates is [`crate::balancer`]. Only the sidecar that hosts the instance has its gate, so
//! the limit holds whatever owners and callers believe.

use std::num::NonZeroU32;

/// Concurrency limit and state of one instance.
#[derive(Debug, Clone)]
pub struct Gate {
    limit: Option<NonZeroU32>,
    in_flight: u32,
    closed: bool,
}

impl Gate {
    /// An open gate; `None` or 0 is no limit.
    #[must_use]
    pub fn new(limit: Option<u32>) -> Self {
        Self {
            limit: limit.and_then(NonZeroU32::new),
            in_flight: 0,
            closed: false,
        }
    }

    /// Lets one call in, if open and below the limit.
    pub fn enter(&mut self) -> bool {
        let room = self.has_room();
        if room {
            self.in_flight += 1;
        }
        room
    }

    /// One call left.
    pub fn leave(&mut self) {
        debug_assert!(self.in_flight > 0, "a call left a gate it never entered");
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Refuses every call from now on; those inside finish.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether [`Gate::enter`] would say yes.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.closed && self.limit.is_none_or(|limit| self.in_flight < limit.get())
    }

    /// Calls that have a permit now.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Whether it refuses every call.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Closed and empty: the instance may be stopped without losing a call.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.closed && self.in_flight == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_lets_in_more_than_its_limit() {
        let mut gate = Gate::new(Some(2));
        assert!(gate.enter() && gate.enter() && !gate.enter());
        gate.leave();
        assert!(gate.enter() && !gate.enter());
    }

    #[test]
    fn closed_gate_drains_but_admits_nobody() {
        let mut gate = Gate::new(None);
        assert!(gate.enter());
        gate.close();
        assert!(!gate.enter() && !gate.is_drained());
        gate.leave();
        assert!(gate.is_drained());
    }
}
