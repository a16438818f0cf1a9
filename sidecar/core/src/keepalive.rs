//! Whether a connection over which an answer came is used again: does its other end leave it open?
//!
//! A request that is sent into the end of a connection may have been seen, and is lost if it may not run twice. Some
//! programs close after each answer and do not say so. So a connection is used again once it was left open for a moment,
//! or when others of the same program were used again and none ended so early of late. Deliberately no connections.

use std::time::Duration;

use crate::time::Time;

/// Open for so long after an answer, a connection was not closed because of it.
pub const LEFT_OPEN: Duration = Duration::from_millis(20);
/// A program that closed a connection right after an answer is taken for one that does so for this long.
pub const DOUBT: Duration = Duration::from_secs(10);

/// What was seen of one program's connections.
#[derive(Debug, Default)]
pub struct KeepAlive {
    proven: bool,
    doubted_until: Time,
}

impl KeepAlive {
    /// Whether a connection whose last answer ended at `answered` may take a request now; `repeatable`: it may be sent
    /// again if the connection ends under it.
    #[must_use]
    pub fn may_use(&self, now: Time, answered: Time, repeatable: bool) -> bool {
        let trusted = (self.proven || repeatable) && now >= self.doubted_until;
        trusted || now.since(answered) >= LEFT_OPEN
    }

    /// A connection gave another answer.
    pub fn answered_again(&mut self) {
        self.proven = true;
    }

    /// A connection ended that had no request in it.
    pub fn ended(&mut self, now: Time, answered: Time) {
        if now.since(answered) < LEFT_OPEN {
            self.proven = false;
            self.doubted_until = now + DOUBT;
        }
    }

    /// A connection ended under a request.
    pub fn ended_under(&mut self, now: Time) {
        self.proven = false;
        self.doubted_until = now + DOUBT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWERED: Time = Time::from_millis(1_000);
    const SOON: Time = Time::from_millis(1_001);

    #[test]
    fn nothing_is_known_at_first() {
        let seen = KeepAlive::default();
        assert!(!seen.may_use(SOON, ANSWERED, false));
        assert!(seen.may_use(SOON, ANSWERED, true));
        assert!(seen.may_use(ANSWERED + LEFT_OPEN, ANSWERED, false));
    }

    #[test]
    fn program_that_keeps_its_connections_is_trusted() {
        let mut seen = KeepAlive::default();
        seen.answered_again();
        assert!(seen.may_use(SOON, ANSWERED, false));
    }

    #[test]
    fn program_that_closes_after_an_answer_is_doubted_for_a_while() {
        let mut seen = KeepAlive::default();
        seen.answered_again();
        seen.ended(SOON, ANSWERED);
        for repeatable in [true, false] {
            assert!(!seen.may_use(SOON, SOON, repeatable));
        }
        // What was left open is good all the same.
        assert!(seen.may_use(SOON + LEFT_OPEN, SOON, false));
        seen.answered_again();
        assert!(!seen.may_use(SOON, SOON, false));
        assert!(seen.may_use(SOON + DOUBT, SOON + DOUBT, false));
    }

    #[test]
    fn idle_connection_that_ends_later_says_nothing() {
        let mut seen = KeepAlive::default();
        seen.answered_again();
        seen.ended(ANSWERED + LEFT_OPEN, ANSWERED);
        assert!(seen.may_use(SOON, ANSWERED, false));
        seen.ended_under(SOON);
        assert!(!seen.may_use(SOON, ANSWERED, false));
    }
}
