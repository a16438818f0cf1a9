//! Cron schedules in time zones, behind the core's [`Schedule`].
//!
//! What happens when clocks change is croner's, which does as Vixie cron: a schedule of one fixed time
//! of day (`30 2 * * *`) whose time is left out fires right after the gap, and one whose time comes
//! twice fires the first time only; one with a wildcard, step, list or range in its seconds, minutes or
//! hours goes by the wall clock: nothing in the gap, and both times where an hour is repeated.

use croner::Cron;
use croner::parser::{CronParser, Year};
use gateless_core::time::Time;
use gateless_core::trigger::Schedule;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A pattern and the time zone it is of.
#[derive(Debug, Clone)]
pub(super) struct CronSchedule {
    pattern: Cron,
    zone: TimeZone,
}

impl CronSchedule {
    /// Parses both; a zone is an IANA name.
    pub(super) fn new(pattern: &str, zone: &str) -> Result<Self, (&'static str, String)> {
        let zone = TimeZone::get(zone).map_err(|error| ("timezone", error.to_string()))?;
        let parser = CronParser::builder().year(Year::Disallowed).build();
        let pattern = parser.parse(pattern);
        let pattern = pattern.map_err(|error| ("schedule", error.to_string()))?;
        Ok(Self { pattern, zone })
    }

    fn zoned(&self, time: Time) -> Option<Zoned> {
        let timestamp = Timestamp::from_nanosecond(i128::from(time.as_nanos())).ok()?;
        Some(timestamp.to_zoned(self.zone.clone()))
    }
}

fn time(zoned: &Zoned) -> Option<Time> {
    let nanos = u64::try_from(zoned.timestamp().as_nanosecond()).ok()?;
    Some(Time::from_nanos(nanos))
}

impl Schedule for CronSchedule {
    fn next_after(&self, after: Time) -> Option<Time> {
        let after = self.zoned(after)?;
        time(&self.pattern.find_next_occurrence(&after, false).ok()?)
    }

    fn latest(&self, until: Time) -> Option<Time> {
        let until = self.zoned(until)?;
        time(&self.pattern.find_previous_occurrence(&until, true).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(text: &str) -> Time {
        let timestamp: Timestamp = text.parse().unwrap();
        Time::from_nanos(u64::try_from(timestamp.as_nanosecond()).unwrap())
    }

    fn schedule(pattern: &str) -> CronSchedule {
        CronSchedule::new(pattern, "Europe/Berlin").unwrap()
    }

    /// All times in a range, by following one after the other.
    fn times(pattern: &str, from: &str, to: &str) -> Vec<Time> {
        let (schedule, to) = (schedule(pattern), at(to));
        let mut times = Vec::new();
        let mut last = at(from);
        while let Some(next) = schedule.next_after(last)
            && next <= to
        {
            assert!(next > last);
            times.push(next);
            last = next;
        }
        times
    }

    fn check(pattern: &str, from: &str, to: &str, expected: &[&str]) {
        let expected: Vec<Time> = expected.iter().map(|text| at(text)).collect();
        assert_eq!(times(pattern, from, to), expected, "{pattern}");
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let (from, to) = ("2026-07-01T00:00:00Z", "2026-07-03T00:00:00Z");
        let noon = ["2026-07-01T10:00:00Z", "2026-07-02T10:00:00Z"];
        check("0 12 * * *", from, to, &noon);
        check("0 0 12 * * *", from, to, &noon);
        check("30 0 12 1 * *", from, to, &["2026-07-01T10:00:30Z"]);
        assert!(CronSchedule::new("0 12 * * *", "Mars/Olympus").is_err());
        assert!(CronSchedule::new("0 12 * * * * 2030", "UTC").is_err());
        assert_eq!(schedule("0 0 30 2 *").next_after(at(from)), None);
    }

    /// 2026-03-29, 02:00 CET is followed by 03:00 CEST: 01:00 UTC.
    #[test]
    fn spring_moves_a_fixed_time_behind_the_gap_and_leaves_out_intervals() {
        let (from, to) = ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z");
        check("30 2 * * *", from, to, &["2026-03-29T01:00:00Z"]);
        let (from, to) = ("2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z");
        let halves = [
            "2026-03-29T00:30:00Z",
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:30:00Z",
            "2026-03-29T02:00:00Z",
        ];
        check("*/30 * * * *", from, to, &halves);
        check("0,30 2 * * *", from, to, &[]);
    }

    /// 2026-10-25, 03:00 CEST is followed by 02:00 CET: 01:00 UTC.
    #[test]
    fn autumn_fires_a_fixed_time_once_and_intervals_in_both_hours() {
        let (from, to) = ("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z");
        check("30 2 * * *", from, to, &["2026-10-25T00:30:00Z"]);
        let (from, to) = ("2026-10-24T23:59:00Z", "2026-10-25T02:00:00Z");
        let halves = [
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:00:00Z",
        ];
        check("*/30 * * * *", from, to, &halves);
    }

    #[test]
    fn latest_is_the_last_of_the_times_that_follow_one_another() {
        let ranges = [
            ("2026-03-28T20:00:00Z", "2026-03-29T06:00:00Z"),
            ("2026-10-24T20:00:00Z", "2026-10-25T06:00:00Z"),
        ];
        let patterns = [
            "30 2 * * *",
            "*/7 * * * *",
            "15 1-3 * * *",
            "0 * * * *",
            "0,30 2 * * *",
        ];
        for ((from, to), pattern) in ranges.iter().flat_map(|r| patterns.map(|p| (*r, p))) {
            let (times, schedule) = (times(pattern, from, to), schedule(pattern));
            let mut now = times.first().copied().unwrap_or(at(to));
            while now < at(to) {
                let expected = times.iter().rfind(|t| **t <= now).copied();
                assert_eq!(schedule.latest(now), expected, "{pattern} at {now:?}");
                now += Duration::from_millis(411_500);
            }
        }
    }
}
