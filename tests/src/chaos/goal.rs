//! What callers may notice of a fault and of an overload, and which of it a run did not keep.
//!
//! Pure: figures in, goals that were missed out. Deliberately none of what the invariants say; that is the
//! [`checker`](crate::checker)'s.

use std::fmt;
use std::time::Duration;

use super::overload::Overload;
use super::table::Figures;

/// A single fault makes the 99th percentile of calls at other entrances so much later at most.
pub(super) const ADDED: Duration = Duration::from_millis(1_500);
/// No call at other entrances takes longer.
pub(super) const LONGEST: Duration = Duration::from_secs(3);
/// Of what a function has room for, what an overload leaves of it, in percent.
pub(super) const GOODPUT_PERCENT: f64 = 90.0;
/// The 99th percentile of another function is at most so many times what it was before.
const OTHER_TIMES: u32 = 2;
/// What it may be in any case: below that, nobody can tell the overload from the rest of the machine.
const OTHER_FLOOR: Duration = Duration::from_millis(250);

/// One that was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Calls that may be repeated are all answered.
    GetsAnswered,
    /// The 99th percentile stays near what it was.
    P99,
    /// No single call takes for ever.
    Longest,
    /// It was tried on enough calls to say anything.
    Enough,
    /// An overload leaves the function its use.
    Goodput,
    /// What is not served is turned away, and nothing else.
    TurnedAway,
    /// Another function has its p99.
    OtherP99,
    /// Another function has its answers.
    OtherAnswered,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GetsAnswered => "GETs failed",
            Self::P99 => "p99 added is too much",
            Self::Longest => "a call took too long",
            Self::Enough => "too few calls were made",
            Self::Goodput => "goodput is too low",
            Self::TurnedAway => "calls failed otherwise than by 503",
            Self::OtherP99 => "the other function's p99 is too high",
            Self::OtherAnswered => "the other function's calls failed",
        })
    }
}

fn missed(goals: &[(Goal, bool)]) -> Vec<Goal> {
    let missed = goals.iter().filter(|(_, is_kept)| !is_kept);
    missed.map(|(goal, _)| *goal).collect()
}

/// Those that callers at other entrances saw missed of a single fault.
#[must_use]
pub fn of_fault(figures: &Figures) -> Vec<Goal> {
    missed(&[
        (Goal::Enough, figures.calls >= 100),
        (Goal::GetsAnswered, figures.failed_gets == 0),
        (Goal::P99, figures.added_p99() < ADDED),
        (Goal::Longest, figures.slow == 0),
    ])
}

/// Those that an overload misses.
#[must_use]
pub fn of_overload(seen: &Overload) -> Vec<Goal> {
    let (before, meanwhile) = seen.other;
    let bound = OTHER_FLOOR.max(before * OTHER_TIMES);
    missed(&[
        (Goal::Enough, seen.refused > 0 && seen.other_calls >= 20),
        (Goal::Goodput, seen.goodput * 100.0 >= GOODPUT_PERCENT),
        (Goal::TurnedAway, seen.failed == 0),
        (Goal::OtherP99, meanwhile <= bound),
        (Goal::OtherAnswered, seen.other_failed == 0),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn quiet() -> Figures {
        Figures {
            quiet: (ms(100), ms(150)),
            during: (ms(1_400), ms(2_900)),
            calls: 1_000,
            failed_posts: 3,
            ..Figures::default()
        }
    }

    fn calm() -> Overload {
        Overload {
            goodput: 0.9,
            refused: 7_000,
            failed: 0,
            other: (ms(40), ms(80)),
            other_calls: 400,
            other_failed: 0,
        }
    }

    #[test]
    fn fault_that_callers_elsewhere_hardly_notice_misses_nothing() {
        assert_eq!(of_fault(&quiet()), []);
    }

    #[test]
    fn each_goal_of_a_fault_is_missed_by_itself() {
        let with = |change: fn(&mut Figures)| {
            let mut figures = quiet();
            change(&mut figures);
            of_fault(&figures)
        };
        assert_eq!(with(|f| f.failed_gets = 1), [Goal::GetsAnswered]);
        assert_eq!(with(|f| f.during.0 = ms(1_600)), [Goal::P99]);
        assert_eq!(with(|f| f.slow = 1), [Goal::Longest]);
        assert_eq!(with(|f| f.calls = 99), [Goal::Enough]);
        let all = with(|f| (f.failed_gets, f.slow, f.during.0) = (2, 2, ms(9_000)));
        assert_eq!(all, [Goal::GetsAnswered, Goal::P99, Goal::Longest]);
        assert_eq!(of_fault(&Figures::default()), [Goal::Enough]);
    }

    #[test]
    fn overload_that_only_its_callers_notice_misses_nothing() {
        assert_eq!(of_overload(&calm()), []);
    }

    #[test]
    fn each_goal_of_an_overload_is_missed_by_itself() {
        let with = |change: fn(&mut Overload)| {
            let mut seen = calm();
            change(&mut seen);
            of_overload(&seen)
        };
        assert_eq!(with(|o| o.goodput = 0.89), [Goal::Goodput]);
        assert_eq!(with(|o| o.failed = 1), [Goal::TurnedAway]);
        assert_eq!(with(|o| o.other_failed = 1), [Goal::OtherAnswered]);
        assert_eq!(with(|o| o.refused = 0), [Goal::Enough]);
        assert_eq!(with(|o| o.other = (ms(200), ms(401))), [Goal::OtherP99]);
    }

    #[test]
    fn noise_below_the_floor_is_no_miss() {
        let with = |other| of_overload(&Overload { other, ..calm() });
        assert_eq!(with((ms(5), ms(250))), []);
        assert_eq!(with((ms(5), ms(251))), [Goal::OtherP99]);
        assert_eq!(with((ms(200), ms(400))), []);
    }
}
