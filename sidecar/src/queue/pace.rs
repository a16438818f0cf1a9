//! How many of a function's queued calls are sent on at once.
//!
//! As many as may be in flight, unless attempts come back unmade: then one at a time, after longer and longer
//! pauses, until one gets through. Otherwise a function that cannot start would have its whole backlog written to
//! disk again and again. Deliberately no clock: times come in.

use std::time::Duration;

use gateless_common::backoff::Backoff;
use gateless_core::time::Time;

/// Between attempts that come back unmade; without jitter, as one sidecar makes them.
const PAUSES: Backoff = Backoff {
    base: Duration::from_millis(100),
    max: Duration::from_secs(5),
};

#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Rounds in a row in which none got through.
    unmade: u32,
    until: Time,
}

/// How many more may be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// So many now.
    Now(usize),
    /// None before that time.
    From(Time),
}

impl Pace {
    /// An attempt came back unmade. Those that come back in the same round count once.
    pub(super) fn unmade(&mut self, now: Time) {
        if now >= self.until {
            self.unmade = self.unmade.saturating_add(1);
            self.until = now + PAUSES.bound(self.unmade);
        }
    }

    /// One got through to an instance.
    pub(super) fn got_through(&mut self) {
        *self = Self::default();
    }

    /// How many more may be sent, of `most` at once with so many under way.
    pub(super) fn room(&self, now: Time, most: usize, under_way: usize) -> Room {
        match self.unmade {
            0 => Room::Now(most.saturating_sub(under_way)),
            _ if now < self.until => Room::From(self.until),
            _ => Room::Now(most.min(1).saturating_sub(under_way)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_cannot_start_is_asked_one_call_at_a_time_and_less_and_less_often() {
        let mut pace = Pace::default();
        let mut now = Time::from_millis(7);
        assert_eq!(pace.room(now, 100, 40), Room::Now(60));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            // The rest of a round changes nothing.
            for _ in 0..100 {
                pace.unmade(now);
            }
            let Room::From(until) = pace.room(now, 100, 0) else {
                panic!("no pause");
            };
            pauses.push(until.since(now).as_millis());
            now = until;
            assert_eq!(pace.room(now, 100, 0), Room::Now(1));
            assert_eq!(pace.room(now, 100, 1), Room::Now(0));
            assert_eq!(pace.room(now, 0, 0), Room::Now(0));
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        pace.got_through();
        assert_eq!(pace.room(now, 100, 1), Room::Now(99));
    }
}
