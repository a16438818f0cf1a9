//! `make chaos`: hundreds of seeds, every scenario and the overload, with the tables of what was tried.
//!
//! It fails when a seed violates an invariant or a goal is missed. A seed that fails is printed with its plan;
//! `chaos --from SEED --seeds 1` does it again. Deliberately no more than printing: what is done and what may be is
//! in `gateless_tests::chaos`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use gateless_tests::chaos::{
    self, Goal, Overload, Plan, Row, SCENARIOS, Scenario, attempt, overload, run_scenario, run_seed,
};
use gateless_tests::world::{self, World};

const USAGE: &str = "usage: chaos [--seeds N] [--from SEED] [--scenarios TEXT|all|none] [--overload SECONDS] [--update-docs]";

struct Options {
    seeds: u64,
    from: u64,
    scenarios: String,
    overload: u64,
    /// Write what is printed into docs/faults.md, whatever it says.
    update_docs: bool,
}

impl Options {
    fn parse() -> anyhow::Result<Self> {
        let mut options = Self {
            seeds: 20,
            from: 1,
            scenarios: "all".to_owned(),
            overload: 30,
            update_docs: false,
        };
        let mut args = std::env::args().skip(1);
        while let Some(flag) = args.next() {
            if flag == "--update-docs" {
                options.update_docs = true;
                continue;
            }
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

    /// Prints a table, and puts it into the document where that is wanted.
    fn publish(&self, of: &str, table: &str) -> anyhow::Result<()> {
        say(table);
        if !self.update_docs {
            return Ok(());
        }
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.md");
        chaos::write(&document, &format!("make chaos: {of}"), table)
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
            let reason = format!("no network of hosts can be made here: {reason}");
            anyhow::ensure!(!options.update_docs, "{reason}");
            say(&format!("skipped: {reason}"));
            return Ok(ExitCode::SUCCESS);
        }
        World::Inside => {}
    }
    let kept = [
        scenarios(&options)?,
        seeds(&options)?,
        overloaded(&options)?,
    ];
    if kept == [true; 3] {
        return Ok(ExitCode::SUCCESS);
    }
    say("not everything that is promised was kept");
    Ok(ExitCode::FAILURE)
}

/// Whether all that was tried was kept.
fn scenarios(options: &Options) -> anyhow::Result<bool> {
    let wanted = |name: &str| options.scenarios == "all" || name.contains(&options.scenarios);
    let rows = SCENARIOS.iter().filter(|scenario| wanted(scenario.name));
    let rows: Vec<Row> = rows.map(scenario).collect();
    if options.scenarios == "all" {
        options.publish("single faults", &chaos::faults(&rows))?;
    } else if !rows.is_empty() {
        say(&chaos::faults(&rows));
    }
    Ok(rows.iter().all(Row::is_kept))
}

fn scenario(scenario: &'static Scenario) -> Row {
    say(&format!("scenario: {}", scenario.name));
    let name = scenario.name.to_owned();
    match attempt(|| run_scenario(scenario)) {
        Ok(report) => {
            let violations = report.violations.iter().map(ToString::to_string);
            let violations: Vec<String> = violations.collect();
            violations.iter().for_each(|v| say(&format!("  {v}")));
            Row {
                name,
                missed: chaos::of_fault(&report.figures),
                figures: Some(report.figures),
                wrong: match violations.len() {
                    0 => Vec::new(),
                    count => vec![format!("{count} violations")],
                },
            }
        }
        Err(error) => Row {
            name,
            figures: None,
            missed: Vec::new(),
            wrong: vec![error],
        },
    }
}

/// Whether no seed failed.
fn seeds(options: &Options) -> anyhow::Result<bool> {
    let (mut failed, mut calls, mut accepted) = (Vec::new(), 0, 0);
    for seed in options.from..options.from + options.seeds {
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
    if options.seeds > 0 {
        let table = chaos::seeds(options.from, options.seeds, calls, accepted, &failed);
        options.publish("seeds", &table)?;
    }
    Ok(failed.is_empty())
}

/// Whether an overload was borne.
fn overloaded(options: &Options) -> anyhow::Result<bool> {
    let seconds = options.overload;
    if seconds == 0 {
        return Ok(true);
    }
    say("overload");
    let seen = attempt(move || overload(Duration::from_secs(seconds)));
    let seen: Overload = match seen {
        Ok(seen) => seen,
        Err(error) => {
            say(&format!("  {error}"));
            return Ok(false);
        }
    };
    let missed: Vec<Goal> = chaos::of_overload(&seen);
    options.publish("overload", &chaos::overloads(seconds, &seen, &missed))?;
    Ok(missed.is_empty())
}
