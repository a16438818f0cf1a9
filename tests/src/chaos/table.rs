//! Figures of runs, and the tables they are printed in.
//!
//! Deliberately no judgement; what may be is said by [`goal`](super::goal).

use std::fmt::Write as _;
use std::time::Duration;

use super::goal::{GOODPUT_PERCENT, Goal, LONGEST};
use super::overload::Overload;
use super::upgrade::Upgrade;
use crate::history::{Call, Harm, History, Kind};

/// What callers saw of what was done to a cluster; of a fault, those at entrances it was not done to.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Calls answered before anything was done: 99th percentile, longest.
    pub(super) quiet: (Duration, Duration),
    /// Calls while it was done: 99th percentile, longest.
    pub(super) during: (Duration, Duration),
    /// How many those were.
    pub(super) calls: usize,
    /// Of those, how many may be repeated and failed all the same.
    pub(super) failed_gets: usize,
    /// Of those, how many others failed.
    pub(super) failed_posts: usize,
    /// Of those, how many took longer than any may.
    pub(super) slow: usize,
}

impl Figures {
    /// Of one run.
    #[must_use]
    pub fn of(history: &History) -> Self {
        let sync = history.calls.iter();
        let sync = sync.filter(|call| matches!(call.kind, Kind::Get | Kind::Post));
        let (during, rest): (Vec<&Call>, Vec<&Call>) =
            sync.partition(|call| history.incidents.iter().any(|i| i.touches(call)));
        let elsewhere = |call: &&Call| {
            let faults = history.incidents.iter().filter(|i| i.harm == Harm::Fault);
            // Of two hosts that are cut from each other, one goes on for its callers.
            let at = |hosts: &[usize]| hosts.first() == Some(&call.entrance);
            let mut faults = faults.filter(|fault| fault.touches(call));
            !faults.any(|fault| at(&fault.hosts))
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
            slow: during.iter().filter(|c| c.took() > LONGEST).count(),
        }
    }

    /// How much later the 99th percentile is than before.
    #[must_use]
    pub fn added_p99(&self) -> Duration {
        self.during.0.saturating_sub(self.quiet.0)
    }

    /// How much longer the longest call is than before.
    #[must_use]
    pub fn added_longest(&self) -> Duration {
        self.during.1.saturating_sub(self.quiet.1)
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

/// What came of one thing that was tried.
#[derive(Debug)]
pub struct Row {
    /// What was tried.
    pub name: String,
    /// None: the run itself failed.
    pub figures: Option<Figures>,
    /// Goals that were missed.
    pub missed: Vec<Goal>,
    /// What was wrong besides: violated invariants, a run that failed.
    pub wrong: Vec<String>,
}

impl Row {
    /// Whether nothing is wrong with it.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.missed.is_empty() && self.wrong.is_empty()
    }

    fn verdict(&self) -> String {
        verdict(&self.missed, &self.wrong)
    }
}

fn verdict(missed: &[Goal], wrong: &[String]) -> String {
    let missed = missed.iter().map(ToString::to_string);
    let all: Vec<String> = missed.chain(wrong.iter().cloned()).collect();
    if all.is_empty() {
        return "kept".to_owned();
    }
    format!("**missed**: {}", all.join(", "))
}

/// Single faults as Markdown, a row each.
#[must_use]
pub fn faults(rows: &[Row]) -> String {
    let mut text = String::from(
        "| what was done | calls at other entrances | GET failed | POST failed | p99 before, ms | p99 added, ms \
         | max added, ms | over 3 s | verdict |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let (name, verdict) = (&row.name, row.verdict());
        let figures = row.figures.clone().unwrap_or_default();
        writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {verdict} |",
            figures.calls,
            figures.failed_gets,
            figures.failed_posts,
            figures.quiet.0.as_millis(),
            figures.added_p99().as_millis(),
            figures.added_longest().as_millis(),
            figures.slow,
        )
        .unwrap();
    }
    text
}

/// An overload as Markdown.
#[must_use]
pub fn overloads(seconds: u64, seen: &Overload, missed: &[Goal]) -> String {
    let (before, meanwhile) = seen.other;
    format!(
        "| ten times the capacity for | goodput, % (goal {GOODPUT_PERCENT}) | turned away | failed otherwise \
         | another function's p99 before, ms | meanwhile, ms | its failures | verdict |\n\
         |---|---|---|---|---|---|---|---|\n\
         | {seconds} s | {:.1} | {} | {} | {} | {} | {} | {} |\n",
        seen.goodput * 100.0,
        seen.refused,
        seen.failed,
        before.as_millis(),
        meanwhile.as_millis(),
        seen.other_failed,
        verdict(missed, &[]),
    )
}

/// Seeds as Markdown: which, how many calls, and which of them failed.
#[must_use]
pub fn seeds(from: u64, seeds: u64, calls: usize, accepted: usize, failed: &[u64]) -> String {
    let failed: Vec<String> = failed.iter().map(|seed| format!("seed {seed}")).collect();
    format!(
        "| seeds | calls | accepted | verdict |\n|---|---|---|---|\n| {from} to {} | {calls} | {accepted} | {} |\n",
        (from + seeds).saturating_sub(1),
        verdict(&[], &failed),
    )
}

/// A change of the version as Markdown.
#[must_use]
pub fn upgrades(previous: &str, seen: &Upgrade) -> String {
    let losses = seen.losses.len();
    let wrong = (losses > 0).then(|| format!("{losses} lost, doubled or failed"));
    let wrong: Vec<String> = wrong.into_iter().collect();
    format!(
        "| version before | parts replaced | calls | of these accepted | times of a schedule | lost, doubled or failed \
         | p99 before, ms | p99 added, ms | max added, ms | verdict |\n|---|---|---|---|---|---|---|---|---|---|\n\
         | `{previous}` | {} | {} | {} | {} | {losses} | {} | {} | {} | {} |\n",
        seen.replaced,
        seen.calls,
        seen.accepted,
        seen.fired,
        seen.figures.quiet.0.as_millis(),
        seen.figures.added_p99().as_millis(),
        seen.figures.added_longest().as_millis(),
        verdict(&[], &wrong),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_says_what_was_missed() {
        let row = |missed, wrong| Row {
            name: "host silent".to_owned(),
            figures: Some(Figures::default()),
            missed,
            wrong,
        };
        let kept = row(Vec::new(), Vec::new());
        let missed = row(vec![Goal::P99], vec!["2 violations".to_owned()]);
        assert!(kept.is_kept() && !missed.is_kept());
        let table = faults(&[kept, missed]);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows[0],
            "| host silent | 0 | 0 | 0 | 0 | 0 | 0 | 0 | kept |"
        );
        assert!(rows[1].ends_with("| **missed**: p99 added is too much, 2 violations |"));
    }
}
