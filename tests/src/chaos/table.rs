//! Figures of runs, and the table they are printed in.
//!
//! Deliberately asserts nothing: how long something took says as much of the machine as of the program.

use std::fmt::Write as _;
use std::time::Duration;

use crate::history::{Call, Harm, History, Kind};

/// What callers at entrances that nothing was done to saw of faults elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Calls answered before anything was done: 99th percentile, longest.
    quiet: (Duration, Duration),
    /// Calls while it was done: 99th percentile, longest.
    during: (Duration, Duration),
    /// How many those were.
    calls: usize,
    /// Of those, how many may be repeated and failed all the same.
    failed_gets: usize,
    /// Of those, how many others failed.
    failed_posts: usize,
    /// Of those, how many took more than 3 s.
    slow: usize,
    started: usize,
}

impl Figures {
    /// Whether callers elsewhere noticed less than they may of a single fault: every call that may be
    /// repeated answered, the 99th percentile less than 1.5 s later, and nothing over 3 s.
    #[must_use]
    pub fn is_within_goal(&self) -> bool {
        let added = |during: Duration, quiet: Duration| during.saturating_sub(quiet);
        self.failed_gets == 0
            && self.slow == 0
            && added(self.during.0, self.quiet.0) < Duration::from_millis(1_500)
    }

    /// Of one run.
    #[must_use]
    pub fn of(history: &History) -> Self {
        let faults: Vec<_> = history
            .incidents
            .iter()
            .filter(|i| i.harm == Harm::Fault)
            .collect();
        let sync = history.calls.iter();
        let sync = sync.filter(|call| matches!(call.kind, Kind::Get | Kind::Post));
        let (during, rest): (Vec<&Call>, Vec<&Call>) =
            sync.partition(|call| faults.iter().any(|fault| fault.touches(call)));
        let elsewhere = |call: &&Call| {
            // Of two hosts that are cut from each other, one goes on for its callers.
            let at = |hosts: &[usize]| hosts.first() == Some(&call.entrance);
            !faults
                .iter()
                .any(|fault| fault.touches(call) && at(&fault.hosts))
        };
        let during: Vec<&Call> = during.into_iter().filter(elsewhere).collect();
        let first = history.incidents.iter().map(|incident| incident.from).min();
        let before = |call: &&Call| first.is_none_or(|first| call.ended < first);
        let quiet: Vec<&Call> = rest.into_iter().filter(before).collect();
        let failed = |kind: Kind| {
            let failed = |call: &&&Call| call.kind == kind && !call.outcome.is_ok();
            during.iter().filter(failed).count()
        };
        Self {
            quiet: worst(&quiet),
            during: worst(&during),
            calls: during.len(),
            failed_gets: failed(Kind::Get),
            failed_posts: failed(Kind::Post),
            slow: during
                .iter()
                .filter(|c| c.took() > Duration::from_secs(3))
                .count(),
            started: history.started,
        }
    }
}

/// 99th percentile and longest.
fn worst(calls: &[&Call]) -> (Duration, Duration) {
    let mut times: Vec<Duration> = calls.iter().map(|call| call.took()).collect();
    times.sort_unstable();
    let at =
        |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
    let time = |share| at(share).copied().unwrap_or_default();
    (time(99), time(100))
}

/// As Markdown, one row a run.
#[must_use]
pub fn table<'a>(rows: impl IntoIterator<Item = (&'a str, &'a Figures, &'a str)>) -> String {
    let mut text = String::from(
        "| what was done | calls at other entrances | GET failed | POST failed | p99 before, ms | p99 added, ms \
         | max added, ms | over 3 s | instances started | remark |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (name, figures, remark) in rows {
        let added = |during: Duration, quiet: Duration| during.saturating_sub(quiet).as_millis();
        writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {remark} |",
            figures.calls,
            figures.failed_gets,
            figures.failed_posts,
            figures.quiet.0.as_millis(),
            added(figures.during.0, figures.quiet.0),
            added(figures.during.1, figures.quiet.1),
            figures.slow,
            figures.started,
        )
        .unwrap();
    }
    text
}
