//! What a call waits for that is neither over nor under way, for whoever looks at it.
//!
//! It decides nothing: a call that waits for the wrong thing is still delivered when it is due.

use super::{Call, State};
use crate::time::Time;

/// What must come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// Its function: the catalogue that is in force does not have it, though nobody deleted it.
    Function,
    /// The time of its next attempt.
    Retry,
    /// Its turn: calls before it are under way, or instances have no room.
    Turn,
}

impl WaitsFor {
    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Retry => "retry",
            Self::Turn => "turn",
        }
    }
}

impl Call {
    /// What it waits for; `None`: nothing, as an attempt is under way or it is over. `has_function`: there is somebody to
    /// deliver it to, or there will never be again.
    #[must_use]
    pub fn waits_for(&self, now: Time, has_function: bool) -> Option<WaitsFor> {
        match self.state {
            State::Queued | State::Retrying(_) if !has_function => Some(WaitsFor::Function),
            State::Retrying(until) if until > now => Some(WaitsFor::Retry),
            State::Queued | State::Retrying(_) => Some(WaitsFor::Turn),
            State::Running(_) | State::Succeeded(_) | State::Dead(..) | State::Cancelled(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::*;

    #[test]
    fn a_call_waits_for_one_thing_until_it_is_under_way_or_over() {
        let (now, later) = (Time::from_millis(1000), Time::from_millis(1001));
        let check = |state, has_function, expected: Option<&str>| {
            let mut call = Call::new(now);
            call.state = state;
            let found = call.waits_for(now, has_function).map(WaitsFor::as_str);
            assert_eq!(found, expected, "{state:?}");
        };
        check(State::Queued, true, Some("turn"));
        check(State::Queued, false, Some("function"));
        check(State::Retrying(later), true, Some("retry"));
        check(State::Retrying(later), false, Some("function"));
        check(State::Retrying(now), true, Some("turn"));
        for over in [
            State::Running(now),
            State::Succeeded(now),
            State::Dead(now, Reason::MaxAge),
            State::Cancelled(now),
        ] {
            check(over, false, None);
        }
    }
}
