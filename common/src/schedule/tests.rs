//! Schedules over the days on which clocks change, in Berlin.

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn schedule(pattern: &str) -> Schedule {
    Schedule::new(pattern, "Europe/Berlin").unwrap()
}

/// All times in a range, by following one after the other.
fn times(pattern: &str, from: &str, to: &str) -> Vec<Timestamp> {
    let (schedule, to) = (schedule(pattern), at(to));
    let mut times = Vec::new();
    let mut last = at(from);
    while let Some(next) = schedule.next_after(last)
        && next <= to
    {
        assert!(next > last, "{pattern}: {next} after {last}");
        times.push(next);
        last = next;
    }
    times
}

#[track_caller]
fn check(pattern: &str, from: &str, to: &str, expected: &[&str]) {
    let expected: Vec<Timestamp> = expected.iter().map(|text| at(text)).collect();
    assert_eq!(times(pattern, from, to), expected, "{pattern}");
}

#[test]
fn times_are_those_of_the_zone() {
    let (from, to) = ("2026-07-01T00:00:00Z", "2026-07-03T00:00:00Z");
    let noon = ["2026-07-01T10:00:00Z", "2026-07-02T10:00:00Z"];
    check("0 12 * * *", from, to, &noon);
    check("0 0 12 * * *", from, to, &noon);
    check("30 0 12 1 * *", from, to, &["2026-07-01T10:00:30Z"]);
    assert!(Schedule::new("0 12 * * *", "Mars/Olympus").is_err());
    assert!(Schedule::new("0 12 * * * * 2030", "UTC").is_err());
    assert_eq!(schedule("0 0 30 2 *").next_after(at(from)), None);
    assert_eq!(schedule("0 0 30 2 *").latest(at(from)), None);
}

/// 2026-03-29, 02:00 CET is followed by 03:00 CEST: 01:00 UTC.
#[test]
fn spring_moves_fixed_times_behind_the_gap_and_leaves_out_intervals() {
    let (from, to) = ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z");
    check("30 2 * * *", from, to, &["2026-03-29T01:00:00Z"]);
    // Lists and ranges are fixed times, too; each that is left out has a run of its own.
    let whole_day = [
        "2026-03-28T13:00:00Z",
        "2026-03-29T01:00:00Z",
        "2026-03-29T12:00:00Z",
    ];
    check("0 2,14 * * *", from, to, &whole_day);
    let both = ["2026-03-29T01:00:00Z", "2026-03-29T01:00:01Z"];
    check("0,30 2 * * *", from, to, &both);
    let hours = [
        "2026-03-29T00:15:00Z",
        "2026-03-29T01:00:00Z",
        "2026-03-29T01:15:00Z",
    ];
    check("15 1-3 * * *", from, to, &hours);
    // One at the end of the gap stands in line behind what was left out.
    check("0 2,3 * * *", from, to, &both);
    check("0 3 * * *", from, to, &["2026-03-29T01:00:00Z"]);
    check(
        "0 2,14 29 3 *",
        from,
        to,
        &["2026-03-29T01:00:00Z", "2026-03-29T12:00:00Z"],
    );
    let (from, to) = ("2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z");
    let halves = [
        "2026-03-29T00:30:00Z",
        "2026-03-29T01:00:00Z",
        "2026-03-29T01:30:00Z",
        "2026-03-29T02:00:00Z",
    ];
    check("*/30 * * * *", from, to, &halves);
    check("*/30 2 * * *", from, to, &[]);
}

/// 2026-10-25, 03:00 CEST is followed by 02:00 CET: 01:00 UTC.
#[test]
fn autumn_fires_fixed_times_once_and_intervals_in_both_hours() {
    let (from, to) = ("2026-10-24T22:00:00Z", "2026-10-25T05:00:00Z");
    check("30 2 * * *", from, to, &["2026-10-25T00:30:00Z"]);
    let list = ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"];
    check("0,30 2 * * *", from, to, &list);
    let hours = [
        "2026-10-24T23:15:00Z",
        "2026-10-25T00:15:00Z",
        "2026-10-25T02:15:00Z",
    ];
    check("15 1-3 * * *", from, to, &hours);
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
fn a_day_that_is_left_out_loses_no_fixed_time() {
    // Samoa went from the 29th to the 31st of December 2011.
    let samoa = Schedule::new("0 9,17 * * *", "Pacific/Apia").unwrap();
    let mut last = at("2011-12-30T03:30:00Z");
    let mut found = Vec::new();
    for _ in 0..4 {
        last = samoa.next_after(last).unwrap();
        found.push(last.to_string());
    }
    let expected = [
        "2011-12-30T10:00:00Z",
        "2011-12-30T10:00:01Z",
        "2011-12-30T19:00:00Z",
        "2011-12-31T03:00:00Z",
    ];
    assert_eq!(found, expected);
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
        "0,10,59 2,3 * * *",
        "30 0 2,3 * * *",
        "@hourly",
    ];
    for ((from, to), pattern) in ranges.iter().flat_map(|r| patterns.map(|p| (*r, p))) {
        let (times, schedule) = (times(pattern, from, to), schedule(pattern));
        let mut now = times.first().copied().unwrap_or(at(to));
        while now < at(to) {
            let expected = times.iter().rfind(|t| **t <= now).copied();
            assert_eq!(schedule.latest(now), expected, "{pattern} at {now:?}");
            now += SignedDuration::from_millis(411_500);
        }
    }
}

#[test]
fn fixed_times_are_told_from_intervals_as_vixie_cron_does() {
    for fixed in [
        "0 2 * * *",
        "0,30 1-3 * * 1",
        "5-10 4 1 * *",
        "0 2,14 28 3 *",
        "7 0 2 * * *",
        "@daily",
    ] {
        assert!(is_fixed(fixed), "{fixed}");
    }
    for interval in [
        "* 2 * * *",
        "0 * * * *",
        "*/5 2 * * *",
        "0 */2 * * *",
        "* 0 2 * * *",
        "@hourly",
    ] {
        assert!(!is_fixed(interval), "{interval}");
    }
}
