//! `make chaos`: hundreds of seeds, every scenario and the overload, with the table of what was tried.
//!
//! A seed that fails is printed with its plan; `chaos --from SEED --seeds 1` does it again. Deliberately no
//! more than printing: what is done is in `gateless_tests::chaos`.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use gateless_tests::chaos::{
    Figures, Plan, SCENARIOS, attempt, overload, run_scenario, run_seed, table,
};
use gateless_tests::world::{self, World};

const USAGE: &str =
    "usage: chaos [--seeds N] [--from SEED] [--scenarios TEXT|all|none] [--overload SECONDS]";

struct Options {
    seeds: u64,
    from: u64,
    scenarios: String,
    overload: u64,
}

impl Options {
    fn parse() -> anyhow::Result<Self> {
        let mut options = Self {
            seeds: 20,
            from: 1,
            scenarios: "all".to_owned(),
            overload: 30,
        };
        let mut args = std::env::args().skip(1);
        while let Some(flag) = args.next() {
            let value = args
                .next()
                .with_context(|| format!("{flag} needs a value; {USAGE}"))?;
            let number = || {
                value
                    .parse()
                    .with_context(|| format!("{flag} {value}; {USAGE}"))
            };
            match flag.as_str() {
                "--seeds" => options.seeds = number()?,
                "--from" => options.from = number()?,
                "--scenarios" => options.scenarios = value,
                "--overload" => options.overload = number()?,
                _ => bail!("{flag} is no option; {USAGE}"),
            }
        }
        Ok(options)
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody reads: nothing to be done.
    writeln!(out, "{text}").ok();
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse()?;
    match world::enter() {
        World::Back(code) => return Ok(code),
        World::Unavailable(reason) => {
            say(&format!(
                "skipped: no network of hosts can be made here: {reason}"
            ));
            return Ok(ExitCode::SUCCESS);
        }
        World::Inside => {}
    }
    let mut failed = scenarios(&options.scenarios);
    failed += seeds(options.from, options.seeds);
    if options.overload > 0 {
        let lasts = Duration::from_secs(options.overload);
        let seen = attempt(move || overload(lasts));
        say(&format!(
            "overload, ten times the capacity for {} s: {seen:?}",
            options.overload
        ));
        let kept = seen.is_ok_and(|seen| seen.goodput >= 0.9 && seen.other_failed == 0);
        failed += usize::from(!kept);
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn scenarios(wanted: &str) -> usize {
    let (mut rows, mut failed) = (Vec::new(), 0);
    let wanted = |name: &str| wanted == "all" || name.contains(wanted);
    for scenario in SCENARIOS.iter().filter(|scenario| wanted(scenario.name)) {
        say(&format!("scenario: {}", scenario.name));
        match attempt(|| run_scenario(scenario)) {
            Ok(report) => {
                report
                    .violations
                    .iter()
                    .for_each(|violation| say(&format!("  {violation}")));
                let count = report.violations.len();
                failed += usize::from(count > 0);
                let mut remark = Vec::new();
                remark.extend((count > 0).then(|| format!("{count} violations")));
                remark
                    .extend((!report.figures.is_within_goal()).then(|| "over the goal".to_owned()));
                let remark = remark.join(", ");
                rows.push((scenario.name, report.figures, remark));
            }
            Err(error) => {
                say(&format!("  {error}"));
                failed += 1;
                rows.push((scenario.name, Figures::default(), error));
            }
        }
    }
    say(&table(rows.iter().map(|(name, figures, remark)| {
        (*name, figures, remark.as_str())
    })));
    failed
}

fn seeds(from: u64, seeds: u64) -> usize {
    let (mut failed, mut calls, mut accepted) = (Vec::new(), 0, 0);
    for seed in from..from + seeds {
        say(&format!("seed {seed}: {}", Plan::from_seed(seed)));
        match attempt(move || run_seed(seed)) {
            Ok(report) => {
                calls += report.history.calls.len();
                accepted += report.history.ends.len();
                report
                    .violations
                    .iter()
                    .for_each(|violation| say(&format!("  {violation}")));
                failed.extend((!report.violations.is_empty()).then_some(seed));
            }
            Err(error) => {
                say(&format!("  {error}"));
                failed.push(seed);
            }
        }
    }
    say(&format!(
        "{seeds} seeds, {calls} calls, {accepted} accepted; seeds that failed: {failed:?}"
    ));
    failed.len()
}
