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

/// When a call that began at `since` and was given up at `left` is overdue: its instance is replaced then. Never, when
/// its function has no limit of time.
#[must_use]
pub fn overdue_at(limits: &Limits, since: Time, left: Time) -> Option<Time> {
    let limit = limits.timeout.or(limits.response_start_timeout)?;
    Some((since + limit).max(left + OVERTIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Scaling;
    use crate::fixture;

    fn check(timeout: Option<u64>, start: Option<u64>, left: u64, expected: Option<u64>) {
        let mut limits = fixture::revision("slow", 1, Scaling::DEFAULT).limits;
        limits.timeout = timeout.map(Duration::from_secs);
        limits.response_start_timeout = start.map(Duration::from_secs);
        let second = |n: u64| Time::from_millis(n * 1_000);
        let found = overdue_at(&limits, second(100), second(left));
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
}
