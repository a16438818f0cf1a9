//! How long a call may go on in a function when nobody waits for its answer any more.
//!
//! Its place is taken until the function is through with it, whatever became of its caller. Deliberately nothing of how
//! that is found out.

use std::time::Duration;

use crate::config::Limits;
use crate::time::Time;

/// A call whose time was up when it was given up has so long to come to its end.
pub const OVERTIME: Duration = Duration::from_secs(2);
/// An answer that nobody reads is read for so long; then the function is shown that nobody does.
pub const READ_FOR: Duration = Duration::from_secs(5);

/// A function that is shown that nobody reads has so long to notice; one that writes on then has its connection closed,
/// and as long to notice that.
pub const NOTICED_WITHIN: Duration = Duration::from_secs(2);

/// When a call that began at `since` and was given up at `left` is overdue: its instance is replaced then. Never, when
/// its function has no limit of time. `answering`: the answer has begun.
#[must_use]
pub fn overdue_at(limits: &Limits, since: Time, left: Time, answering: bool) -> Option<Time> {
    let (within, from) = match (limits.timeout, answering) {
        (Some(timeout), _) => (timeout, since),
        (None, false) => (limits.response_start_timeout?, since),
        (None, true) => (limits.idle_timeout?, left),
    };
    Some((from + within).max(left + OVERTIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Scaling;
    use crate::fixture;

    #[track_caller]
    fn check(timeout: Option<u64>, start: Option<u64>, left: u64, expected: Option<u64>) {
        let mut limits = fixture::revision("slow", 1, Scaling::DEFAULT).limits;
        limits.timeout = timeout.map(Duration::from_secs);
        limits.response_start_timeout = start.map(Duration::from_secs);
        let second = |n: u64| Time::from_millis(n * 1_000);
        let found = overdue_at(&limits, second(100), second(left), false);
        assert_eq!(found, expected.map(second));
    }

    #[test]
    fn a_call_has_the_time_that_its_function_gives_it() {
        check(Some(30), Some(10), 105, Some(130));
        check(None, Some(10), 105, Some(110));
        check(None, None, 105, None);
        // And a moment, if that was up.
        check(Some(30), None, 130, Some(132));
        check(Some(30), None, 129, Some(131));
    }
    #[test]
    fn an_answer_without_a_limit_may_be_silent_as_long_as_any() {
        let mut limits = fixture::revision("talks", 1, Scaling::DEFAULT).limits;
        limits.idle_timeout = Some(Duration::from_secs(40));
        let second = |n: u64| Time::from_millis(n * 1_000);
        let overdue = |limits: &Limits| overdue_at(limits, second(100), second(900), true);
        limits.timeout = Some(Duration::from_secs(30));
        assert_eq!(overdue(&limits), Some(second(902)));
        limits.timeout = None;
        assert_eq!(overdue(&limits), Some(second(940)));
        limits.idle_timeout = None;
        assert_eq!(overdue(&limits), None);
    }
}
