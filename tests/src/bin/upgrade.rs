//! `make upgrade`: every part of a cluster from the version before to this one, back, and there again, under load.
//!
//! It fails when a single call is lost, doubled or failed. Deliberately builds nothing: the Makefile says which
//! version comes before and makes it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use gateless_tests::chaos::{self, attempt, upgrade};
use gateless_tests::process::gateless_bin;
use gateless_tests::world::{self, World};

const USAGE: &str = "usage: upgrade --previous BINARY --name VERSION [--update-docs]";

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody reads: nothing to be done.
    writeln!(out, "{text}").ok();
}

fn main() -> anyhow::Result<ExitCode> {
    let (mut previous, mut name, mut update_docs) = (None, None, false);
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let mut value = || args.next().with_context(|| format!("{flag}: {USAGE}"));
        match flag.as_str() {
            "--previous" => previous = Some(PathBuf::from(value()?)),
            "--name" => name = Some(value()?),
            "--update-docs" => update_docs = true,
            _ => bail!("{flag} is no option; {USAGE}"),
        }
    }
    let (previous, name) = (previous.context(USAGE)?, name.context(USAGE)?);
    let program = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
    let is_another = program(&previous)? != program(&gateless_bin())?;
    ensure!(is_another, "{} is this version", previous.display());
    match world::enter() {
        World::Back(code) => return Ok(code),
        World::Unavailable(reason) => {
            let reason = format!("no network of hosts can be made here: {reason}");
            ensure!(!update_docs, "{reason}");
            say(&format!("skipped: {reason}"));
            return Ok(ExitCode::SUCCESS);
        }
        World::Inside => {}
    }
    let seen = match attempt(move || upgrade(previous)) {
        Ok(seen) => seen,
        Err(error) => {
            say(&error);
            return Ok(ExitCode::FAILURE);
        }
    };
    seen.losses
        .iter()
        .for_each(|loss| say(&format!("  {loss}")));
    let table = chaos::upgrades(&name, &seen);
    say(&table);
    if update_docs {
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.md");
        chaos::write(&document, "make upgrade", &table)?;
    }
    Ok(if seen.losses.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
