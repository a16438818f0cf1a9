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

/// How sending it once ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The receiver answered with a 2xx.
    Taken,
    /// It was not taken, and another try could do better.
    Failed,
    /// The receiver does not want it.
    Refused,
}

/// What becomes of a callback after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is sent again at that time.
    Again(Time),
    /// It was delivered.
    Delivered,
    /// It is given up.
    GivenUp,
}

/// What follows the try of this number, which counts from 1. `random` is uniform over all of `u64`.
#[must_use]
pub fn after(number: u32, sent: Sent, now: Time, random: u64) -> Next {
    match sent {
        Sent::Taken => Next::Delivered,
        Sent::Failed if number < TRIES => Next::Again(now + BACKOFF.delay(number, random, None)),
        Sent::Failed | Sent::Refused => Next::GivenUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failed_callback_with_tries_left_is_sent_again() {
        let now = Time::from_millis(1000);
        for number in 1..TRIES {
            let Next::Again(at) = after(number, Sent::Failed, now, u64::MAX) else {
                panic!("given up after {number}");
            };
            assert!(at > now && at <= now + BACKOFF.max);
            assert_eq!(after(number, Sent::Refused, now, 0), Next::GivenUp);
            assert_eq!(after(number, Sent::Taken, now, 0), Next::Delivered);
        }
        assert_eq!(after(TRIES, Sent::Failed, now, 0), Next::GivenUp);
        assert_eq!(after(TRIES, Sent::Taken, now, 0), Next::Delivered);
    }
}
