//! Cron schedules in time zones, as the sidecars fire them and the server foretells them.
//!
//! What happens when clocks change is as Vixie cron has it. A schedule of fixed times of day (`30 2 * * *`, `0 2,14 * * *`:
//! neither its minutes nor its hours begin with `*`) fires each of them once: a time that is left out right after the gap, one
//! after the other, and a time that comes twice the first time only. Any other goes by the wall clock: nothing in the gap,
//! and both times where an hour is repeated. What the fields of a pattern mean is croner's.

use croner::Cron;
use croner::parser::{CronParser, Year};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};

/// Longer than clocks are moved by, but for a change of the date line.
const LONGEST_CHANGE: SignedDuration = SignedDuration::from_hours(3);
/// More times are not looked at in one gap: a fixed schedule has one a minute at most.
const MOST_LEFT_OUT: usize = 60;

/// Why a schedule is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The pattern; what is wrong with it is in the parser's words.
    #[error("{0}")]
    Pattern(String),
    /// There is no such time zone.
    #[error("{0}")]
    Zone(String),
}

/// A pattern and the time zone it is of.
#[derive(Debug, Clone)]
pub struct Schedule {
    pattern: Cron,
    zone: TimeZone,
    is_fixed: bool,
}

/// Parses a pattern of 5 fields, or of 6 with seconds first.
///
/// # Errors
/// What is wrong with it, in the parser's words.
pub fn parse(pattern: &str) -> Result<Cron, Error> {
    let parser = CronParser::builder().year(Year::Disallowed).build();
    let parsed = parser.parse(pattern);
    parsed.map_err(|error| Error::Pattern(error.to_string()))
}

impl Schedule {
    /// Parses both; a zone is an IANA name.
    ///
    /// # Errors
    /// Which of them is none.
    pub fn new(pattern: &str, zone: &str) -> Result<Self, Error> {
        Ok(Self {
            is_fixed: is_fixed(pattern),
            pattern: parse(pattern)?,
            zone: TimeZone::get(zone).map_err(|error| Error::Zone(error.to_string()))?,
        })
    }

    /// Whether it is of fixed times of day, none of which may come twice.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.is_fixed
    }

    /// The first time after `after`.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let zoned = after.to_zoned(self.zone.clone());
        if !self.is_fixed {
            let next = self.pattern.find_next_occurrence(&zoned, false).ok()?;
            return Some(next.timestamp());
        }
        // What was left out comes after times of day that are later, and what came twice lies before.
        let hour_ago = after.checked_sub(SignedDuration::from_hours(1)).ok()?;
        let hour_ago = hour_ago.to_zoned(self.zone.clone()).datetime();
        let before = zoned.datetime().checked_sub(LONGEST_CHANGE).ok()?;
        let mut at = self.civil_next(before.min(hour_ago), true)?;
        loop {
            let time = self.instant(at)?;
            if time > after {
                return Some(time);
            }
            at = self.civil_next(at, false)?;
        }
    }

    /// The last time until `until`, that one included.
    #[must_use]
    pub fn latest(&self, until: Timestamp) -> Option<Timestamp> {
        let zoned = until.to_zoned(self.zone.clone());
        if !self.is_fixed {
            let last = self.pattern.find_previous_occurrence(&zoned, true).ok()?;
            return Some(last.timestamp());
        }
        let later = zoned.datetime().checked_add(LONGEST_CHANGE).ok()?;
        let mut at = self.civil_previous(later, true)?;
        loop {
            let time = self.instant(at)?;
            if time <= until {
                return Some(time);
            }
            at = self.civil_previous(at, false)?;
        }
    }

    /// The pattern knows days and times of day; that some of them are not there is not its affair.
    fn civil_next(&self, after: DateTime, inclusive: bool) -> Option<DateTime> {
        let after = plain(after)?;
        let next = self.pattern.find_next_occurrence(&after, inclusive).ok()?;
        Some(next.datetime())
    }

    fn civil_previous(&self, before: DateTime, inclusive: bool) -> Option<DateTime> {
        let before = plain(before)?;
        let found = self.pattern.find_previous_occurrence(&before, inclusive);
        Some(found.ok()?.datetime())
    }

    /// When a time of day comes. Those that are left out follow one another after the gap, a second apart, and a time at its
    /// end comes after them: each is a time of its own.
    fn instant(&self, at: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(at).offset() {
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(at).ok(),
            AmbiguousOffset::Gap { before, .. } => {
                let inside = before.to_timestamp(at).ok()?;
                let change = self.change_until(inside)?;
                self.in_line(at, change, before)
            }
            AmbiguousOffset::Unambiguous { offset } => {
                let time = offset.to_timestamp(at).ok()?;
                match self.change_until(time).filter(|change| *change == time) {
                    Some(change) => {
                        let second = SignedDuration::from_secs(1);
                        let before = self.zone.to_offset(change.checked_sub(second).ok()?);
                        self.in_line(at, change, before)
                    }
                    None => Some(time),
                }
            }
        }
    }

    /// The newest change of the zone's offset.
    fn change_until(&self, time: Timestamp) -> Option<Timestamp> {
        let after = time.checked_add(SignedDuration::from_nanos(1)).ok()?;
        let change = self.zone.preceding(after).next()?;
        Some(change.timestamp())
    }

    /// The end of a gap, and a second for each time that was left out before this one.
    fn in_line(&self, at: DateTime, change: Timestamp, before: Offset) -> Option<Timestamp> {
        let mut earlier = before.to_datetime(change);
        let (mut count, mut inclusive) = (0, true);
        while count < MOST_LEFT_OUT
            && let Some(next) = self.civil_next(earlier, inclusive)
            && next < at
        {
            (earlier, inclusive) = (next, false);
            count += 1;
        }
        let behind = SignedDuration::from_secs(i64::try_from(count).ok()?);
        change.checked_add(behind).ok()
    }
}

fn plain(at: DateTime) -> Option<Zoned> {
    at.to_zoned(TimeZone::UTC).ok()
}

/// As Vixie cron tells them apart. Of seconds it has none: one that is not a single one makes a schedule of intervals.
fn is_fixed(pattern: &str) -> bool {
    let fields: Vec<&str> = pattern.split_whitespace().collect();
    let (seconds, minutes, hours) = match fields[..] {
        [minutes, hours, _, _, _] => ("0", minutes, hours),
        [seconds, minutes, hours, ..] => (seconds, minutes, hours),
        [name] => return !name.eq_ignore_ascii_case("@hourly"),
        _ => return false,
    };
    let is_single = seconds.bytes().all(|byte| byte.is_ascii_digit());
    let is_star = |field: &str| field.starts_with(['*', '?']);
    is_single && !is_star(minutes) && !is_star(hours)
}

#[cfg(test)]
mod tests;
