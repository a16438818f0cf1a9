//! Cron schedules behind the core's [`Schedule`], which counts time from the Unix epoch.

use gateless_common::schedule;
use gateless_core::time::Time;
use gateless_core::trigger::Schedule;
use jiff::Timestamp;

/// A pattern and the time zone it is of.
#[derive(Debug, Clone)]
pub(super) struct CronSchedule(schedule::Schedule);

impl CronSchedule {
    /// Parses both; a zone is an IANA name.
    pub(super) fn new(pattern: &str, zone: &str) -> Result<Self, (&'static str, String)> {
        let parsed = schedule::Schedule::new(pattern, zone);
        parsed.map(Self).map_err(|error| match error {
            schedule::Error::Pattern(why) => ("schedule", why),
            schedule::Error::Zone(why) => ("timezone", why),
        })
    }
}

fn timestamp(time: Time) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(time.as_nanos())).ok()
}

fn time(timestamp: Timestamp) -> Option<Time> {
    let nanos = u64::try_from(timestamp.as_nanosecond()).ok()?;
    Some(Time::from_nanos(nanos))
}

impl Schedule for CronSchedule {
    fn next_after(&self, after: Time) -> Option<Time> {
        time(self.0.next_after(timestamp(after)?)?)
    }

    fn latest(&self, until: Time) -> Option<Time> {
        time(self.0.latest(timestamp(until)?)?)
    }

    fn is_fixed(&self) -> bool {
        self.0.is_fixed()
    }
}
