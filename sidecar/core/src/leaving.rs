//! When a sidecar that has left the cluster may close its listeners: once nobody forwards calls to it any more.
//!
//! Others learn by gossip that it goes, and none of them says that it knows. So what tells is that no forwarded call
//! has come for a while. Deliberately no say in what becomes of the calls that are here.

use std::time::Duration;

use crate::time::Time;

/// Without a forwarded call for so long, the others know.
pub const UNUSED_FOR: Duration = Duration::from_millis(250);
/// They know by then, or have no way to hear it.
pub const AT_MOST: Duration = Duration::from_secs(5);

/// What may be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Serve on, and look again then or when a call comes.
    Serve {
        /// Not before this is anything decided without another call.
        until: Time,
    },
    /// Nobody forwards calls here.
    Unused,
    /// Somebody still does, and will be refused.
    StillUsed,
}

/// A sidecar that has left, until it closes.
#[derive(Debug, Clone)]
pub struct Leaving {
    last_call: Time,
    end: Time,
}

impl Leaving {
    /// The others have just been told.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            last_call: now,
            end: now + AT_MOST,
        }
    }

    /// Somebody forwarded a call here.
    pub fn called(&mut self, now: Time) {
        self.last_call = now;
    }

    /// What may be done at `now`.
    #[must_use]
    pub fn look(&self, now: Time) -> Verdict {
        let unused = self.last_call + UNUSED_FOR;
        if now >= unused {
            Verdict::Unused
        } else if now >= self.end {
            Verdict::StillUsed
        } else {
            Verdict::Serve {
                until: unused.min(self.end),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls at these milliseconds after it left; when it closes, and whether it was used till then.
    #[track_caller]
    fn check(calls: &[u64], closes_at_ms: u64, expected: Verdict) {
        let at = Time::from_millis;
        let (mut leaving, mut calls) = (Leaving::new(at(0)), calls.iter().peekable());
        let mut now = at(0);
        while let Verdict::Serve { until } = leaving.look(now) {
            let call = calls.next_if(|call| at(**call) < until);
            now = call.map_or(until, |call| at(*call));
            if call.is_some() {
                leaving.called(now);
            }
        }
        assert_eq!((now, leaving.look(now)), (at(closes_at_ms), expected));
    }

    #[test]
    fn it_serves_until_no_call_has_come_for_a_while() {
        check(&[], 250, Verdict::Unused);
        check(&[249, 300], 550, Verdict::Unused);
        // Too late to be heard.
        check(&[251], 250, Verdict::Unused);
    }

    #[test]
    fn those_who_cannot_hear_it_do_not_keep_it() {
        let calls: Vec<u64> = (0..10_000).step_by(100).collect();
        check(&calls, 5_000, Verdict::StillUsed);
    }
}
