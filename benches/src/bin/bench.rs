//! `make bench`: starts a server, a sidecar and the partners, measures, prints Markdown.
//!
//! `bench [--seconds 5] [--rounds 3] [--functions 200] [--only warm,cold,async]`. The result
//! also goes to `target/bench/latest.md` and `latest.json`. It ends with success however fast
//! anything was.

use std::fs;
use std::io::Write as _;

use anyhow::{Context as _, bail};
use gateless_benches::cluster::Cluster;
use gateless_benches::partners::{self, Partner};
use gateless_benches::process::installed;
use gateless_benches::report::{Report, SIDECAR};
use gateless_benches::wrk::Wrk;
use gateless_benches::{cold, queue, warm};
use serde_json::json;

struct Args {
    seconds: u64,
    rounds: u32,
    functions: usize,
    only: Vec<String>,
}

fn args() -> anyhow::Result<Args> {
    let mut args = Args {
        seconds: 5,
        rounds: 3,
        functions: 200,
        only: ["warm", "cold", "async"].map(String::from).to_vec(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next();
        let value = value.with_context(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--seconds" => args.seconds = value.parse()?,
            "--rounds" => args.rounds = value.parse()?,
            "--functions" => args.functions = value.parse()?,
            "--only" => args.only = value.split(',').map(String::from).collect(),
            _ => bail!("unknown option {word}"),
        }
    }
    Ok(args)
}

fn note(text: &str) {
    // Progress; when nobody reads it, that is no reason to stop.
    writeln!(std::io::stderr(), "{text}").ok();
}

fn main() -> anyhow::Result<()> {
    let args = args()?;
    let target = std::env::current_exe()?;
    let target = target.ancestors().nth(2).context("no target folder")?;
    let results = target.join("bench");
    fs::create_dir_all(&results)?;
    // Not in /tmp: that may be memory, where an fsync costs nothing.
    let folder = tempfile::Builder::new()
        .prefix("run-")
        .tempdir_in(&results)?;
    let wrk = installed("wrk").map(|program| Wrk {
        program,
        seconds: args.seconds,
    });
    if wrk.is_none() {
        note("wrk is not installed: the warm path and async calls are left out");
    }
    let wanted = |part: &str| args.only.iter().any(|only| only == part);
    let cluster = Cluster::start(folder.path())?;
    let mut report = Report::default();
    if let Some(wrk) = wrk.as_ref().filter(|_| wanted("warm")) {
        note("warm path");
        let partners = start_partners(&cluster, folder.path())?;
        report.warm = Some(warm::measure(wrk, &partners, args.rounds)?);
        cluster.delete("hello")?;
    }
    if wanted("cold") {
        note("cold start");
        report.cold = Some(cold::measure(&cluster, args.functions)?);
    }
    if let Some(wrk) = wrk.as_ref().filter(|_| wanted("async")) {
        note("async calls");
        report.queue = Some(queue::measure(&cluster, wrk, args.rounds, folder.path())?);
    }
    let markdown = report.markdown();
    fs::write(results.join("latest.md"), &markdown)?;
    fs::write(
        results.join("latest.json"),
        serde_json::to_vec_pretty(&report)?,
    )?;
    write!(std::io::stdout(), "{markdown}")?;
    Ok(())
}

fn start_partners(cluster: &Cluster, folder: &std::path::Path) -> anyhow::Result<Vec<Partner>> {
    let (direct, backend) = partners::backend(folder)?;
    let bare = partners::bare_proxy(folder, &backend)?;
    // One instance is what every other proxy has as well.
    let one = json!({"scaling": {"min_scale": 1, "max_scale": 1}});
    cluster.deploy("hello", one)?;
    cluster.wait_ready("hello")?;
    let sidecar = Partner {
        name: SIDECAR,
        url: format!("http://{}/function/hello/", cluster.public),
        pid: cluster.sidecar.pid(),
        with_children: false,
        process: None,
    };
    let mut all = vec![direct, bare, sidecar];
    for (name, partner) in [
        ("nginx", partners::nginx(folder, &backend)?),
        ("haproxy", partners::haproxy(folder, &backend)?),
    ] {
        match partner {
            Some(partner) => all.push(partner),
            None => note(&format!("{name} is not installed: left out")),
        }
    }
    Ok(all)
}
