//! What becomes of a call's callback after each time it was sent.
//!
//! Deliberately knows nothing of URLs or of who sends: only how often and when.

use std::time::Duration;

use crate::retry::Backoff;
use crate::time::Time;

/// A callback is sent at most this often, over about seven minutes.
pub const TRIES: u32 = 10;
const BACKOFF: Backoff = Backoff {
    base: Duration::from_secs(1),
    max: Duration::from_secs(60),
};

/// For so long after the call's end a callback that did not get away is tried again: as long as a call is tried, unless its
/// function says otherwise.
pub const UNMADE_FOR: Duration = Duration::from_secs(3600);

/// How sending it once ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The receiver answered with a 2xx.
    Taken,
    /// It was not taken, and another try could do better.
    Failed,
    /// The receiver does not want it.
    Refused,
    /// It never got away, for want of an instance, of room, or of a connection: no try.
    Unmade,
}

/// What becomes of a callback after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is sent again at that time.
    Again(Time),
    /// As [`Next::Again`], and the try does not count.
    Unmade(Time),
    /// It was delivered.
    Delivered,
    /// It is given up.
    GivenUp,
}

impl Next {
    /// Whether what led to it was a try.
    #[must_use]
    pub const fn counts(self) -> bool {
        !matches!(self, Self::Unmade(_))
    }
}

/// What follows the try of this number, which counts from 1, of a callback of a call that ended at `finished`. `random` is uniform
/// over all of `u64`.
#[must_use]
pub fn after(number: u32, sent: Sent, finished: Time, now: Time, random: u64) -> Next {
    match sent {
        Sent::Taken => Next::Delivered,
        Sent::Failed if number < TRIES => Next::Again(now + BACKOFF.delay(number, random, None)),
        Sent::Unmade if now < finished + UNMADE_FOR => {
            // Nobody counts these, so the pauses grow with the time that has passed.
            let waited = now.since(finished).as_secs().max(1).ilog2();
            Next::Unmade(
                now + BACKOFF.base + BACKOFF.delay(number.saturating_add(waited), random, None),
            )
        }
        Sent::Failed | Sent::Unmade | Sent::Refused => Next::GivenUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failed_callback_with_tries_left_is_sent_again() {
        let now = Time::from_millis(1000);
        for number in 1..TRIES {
            let Next::Again(at) = after(number, Sent::Failed, now, now, u64::MAX) else {
                panic!("given up after {number}");
            };
            assert!(at > now && at <= now + BACKOFF.max);
            assert_eq!(after(number, Sent::Refused, now, now, 0), Next::GivenUp);
            assert_eq!(after(number, Sent::Taken, now, now, 0), Next::Delivered);
        }
        assert_eq!(after(TRIES, Sent::Failed, now, now, 0), Next::GivenUp);
        assert_eq!(after(TRIES, Sent::Taken, now, now, 0), Next::Delivered);
    }

    #[test]
    fn a_callback_that_never_got_away_is_no_try_and_given_up_after_an_hour() {
        let finished = Time::from_millis(1000);
        let (mut now, mut pauses) = (finished, Vec::new());
        while let Next::Unmade(at) = after(1, Sent::Unmade, finished, now, u64::MAX) {
            assert!(at >= now + BACKOFF.base && at <= now + BACKOFF.base + BACKOFF.max);
            pauses.push(at.since(now));
            now = at;
        }
        assert!(now >= finished + UNMADE_FOR);
        assert_eq!(after(1, Sent::Unmade, finished, now, 0), Next::GivenUp);
        // Ever more rarely.
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert!(pauses.len() < 100, "{}", pauses.len());
        // Whatever the tries before it that count.
        let last = after(TRIES, Sent::Unmade, finished, finished, 0);
        assert!(matches!(last, Next::Unmade(_)), "{last:?}");
    }
}
