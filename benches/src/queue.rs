//! Async calls: how many a second are accepted, each on disk before its 202, and how many get
//! from acceptance to the function and done.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use crate::cluster::Cluster;
use crate::median;
use crate::wrk::Wrk;

/// Calls a second.
#[derive(Debug, Clone, Serialize)]
pub struct Async {
    /// Answered 202 over 64 connections, 1 KiB bodies, one call in delivery at a time.
    pub accepted: f64,
    /// Milliseconds to the 202.
    pub p50: f64,
    /// Milliseconds to the 202.
    pub p99: f64,
    /// Answers that were no 202.
    pub refused: u64,
    /// From the first accepted to the last done, with 100 in delivery at once.
    pub through: f64,
    /// `write` and `fdatasync` of 1 KiB, one after the other, in the same folder.
    pub bare_syncs: f64,
}

const SCRIPT: &str = "wrk.method = \"POST\"\nwrk.body = string.rep(\"x\", 1024)\n\
    wrk.headers[\"content-type\"] = \"application/octet-stream\"\n";

/// See [`Async`].
///
/// # Errors
/// When `wrk` or the server fails.
pub fn measure(cluster: &Cluster, wrk: &Wrk, rounds: u32, folder: &Path) -> anyhow::Result<Async> {
    let script = folder.join("post.lua");
    std::fs::write(&script, SCRIPT)?;
    let url = |name: &str| format!("http://{}/async-function/{name}/", cluster.public);
    let one = |max_in_flight: u32| {
        let policy = json!({"max_in_flight": max_in_flight, "max_queued": 10_000_000});
        json!({"scaling": {"max_scale": 1, "min_scale": 1}, "async": policy})
    };
    cluster.deploy("drain", one(100))?;
    cluster.wait_ready("drain")?;
    let began = Instant::now();
    let short = Wrk {
        seconds: 2,
        ..wrk.clone()
    };
    let sent = short.run(&url("drain"), 64, Some(&script))?;
    cluster.wait_until("the queue is empty", || Ok(cluster.backlog("drain")? == 0))?;
    let through = (sent.requests - sent.failed) as f64 / began.elapsed().as_secs_f64();

    cluster.deploy("accept", one(1))?;
    cluster.wait_ready("accept")?;
    let mut runs = Vec::new();
    for _ in 0..rounds {
        runs.push(wrk.run(&url("accept"), 64, Some(&script))?);
    }
    let of = |value: fn(&crate::wrk::Measured) -> f64| {
        median(&runs.iter().map(value).collect::<Vec<f64>>())
    };
    Ok(Async {
        accepted: of(|run| run.per_second),
        p50: of(|run| run.p50),
        p99: of(|run| run.p99),
        refused: runs.iter().map(|run| run.failed).sum(),
        through,
        bare_syncs: bare_syncs(folder)?,
    })
}

fn bare_syncs(folder: &Path) -> anyhow::Result<f64> {
    let mut file = File::create(folder.join("bare-syncs"))?;
    let (began, mut count) = (Instant::now(), 0_u32);
    while began.elapsed() < Duration::from_secs(1) {
        file.write_all(&[b'x'; 1024])?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}
