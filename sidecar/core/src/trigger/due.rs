//! What one schedule asks for at one moment.

use std::time::Duration;

use super::{CatchUp, Schedule};
use crate::time::Time;

/// So late a firing is still on time: a change of owner takes a few seconds.
pub const ON_TIME: Duration = Duration::from_secs(15);

/// A clock that was ahead by more than this was wrong, and what it led to is forgotten. Up to this a schedule of fixed
/// times waits until it is that time again; one of intervals goes by the new time at once. Three hours, as Vixie cron has it.
pub const CLOCK_SET_BACK: Duration = Duration::from_secs(3 * 3600);

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing before that time; `None`: never.
    Wait(Option<Time>),
    /// Fire the call of that time; all before it are settled with it.
    Fire(Time),
    /// Everything up to that time was missed, and stays so.
    Pass(Time),
}

/// Decides for a trigger everything of which is settled up to `settled`.
///
/// As long as none is later than [`ON_TIME`] every time is fired, one after the other. Otherwise (it
/// was paused by an outage, or the clock was set forward) only the last one is, if it is on time or
/// `catch_up` allows it.
#[must_use]
pub fn due(schedule: &dyn Schedule, catch_up: CatchUp, settled: Time, now: Time) -> Due {
    let Some(first) = schedule.next_after(settled) else {
        return Due::Wait(None);
    };
    if first > now {
        return Due::Wait(Some(first));
    }
    if now.since(first) <= ON_TIME {
        return Due::Fire(first);
    }
    // A schedule that contradicts itself must not go back in time.
    let last = schedule.latest(now).unwrap_or(first).clamp(first, now);
    let late = now.since(last);
    match catch_up {
        _ if late <= ON_TIME => Due::Fire(last),
        CatchUp::Last(window) if late <= window => Due::Fire(last),
        CatchUp::Last(_) | CatchUp::None => Due::Pass(last),
    }
}
