//! How long the queue takes to open with so many past calls, and how much memory that takes.
//!
//! `queue_restart [--calls 200000] [--bytes 1024] [--folder DIR]` prints one line of JSON. The queue is left as a kill leaves
//! it, and opened by another process, which is this program again.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use gateless_benches::{function, open, record};
use gateless_core::config::AsyncPolicy;
use gateless_sidecar::queue::lifecycle::{self, Begin};
use gateless_sidecar::queue::types::{CallResult, Ended};
use gateless_sidecar::queue::work::{Delivery, Job, Update};
use gateless_sidecar::queue::{Inbox, Local, Work};
use serde_json::json;

/// Calls taken in, and finished, at once.
const AT_ONCE: usize = 1_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (mut calls, mut bytes) = (200_000, 1024);
    let (mut folder, mut opens): (Option<PathBuf>, Option<PathBuf>) = (None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words
            .next()
            .with_context(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--calls" => calls = value.parse()?,
            "--bytes" => bytes = value.parse()?,
            "--folder" => folder = Some(value.into()),
            // What the second process is told.
            "--open" => opens = Some(value.into()),
            _ => bail!("unknown option {word}"),
        }
    }
    if let Some(folder) = opens {
        return opened(&folder, calls).await;
    }
    let temporary = match &folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let queue = open(temporary.path())?;
    let body = Bytes::from(vec![b'x'; bytes]);
    for _ in 0..calls / AT_ONCE {
        serve(&queue, &body).await?;
    }
    // Everything is on disk, and nothing was flushed for the end.
    let copy = temporary.path().join("copy");
    std::fs::create_dir(&copy)?;
    let mut copying = Command::new("cp");
    copying.arg("-a").arg(temporary.path().join("queue"));
    let copied = copying.arg(&copy).status()?;
    if !copied.success() {
        bail!("the queue could not be copied");
    }
    let this = std::env::current_exe()?;
    let mut again = Command::new(this);
    again
        .arg("--open")
        .arg(&copy)
        .arg("--calls")
        .arg(calls.to_string());
    let status = again.status()?;
    if !status.success() {
        bail!("opening it failed");
    }
    queue.close().await;
    Ok(())
}

/// Takes calls in and answers them.
async fn serve(queue: &Local, body: &Bytes) -> anyhow::Result<()> {
    let (policy, function) = (AsyncPolicy::DEFAULT, function()?);
    let mut calls = Vec::with_capacity(AT_ONCE);
    for _ in 0..AT_ONCE {
        calls.push((record(body.clone())?, policy));
    }
    queue.accept_many(calls).await?;
    let mut left = AT_ONCE;
    while left > 0 {
        let due = queue.next(&function, left).await?;
        left -= due.len();
        let ended = due
            .into_iter()
            .map(|delivery| tokio::spawn(answer(delivery)));
        for ended in ended.collect::<Vec<_>>() {
            ended.await??;
        }
    }
    Ok(())
}

async fn answer(delivery: Delivery<Job>) -> anyhow::Result<()> {
    let Delivery { job, lease } = delivery;
    let now = gateless_core::time::Time::ZERO + gateless_common::io::since_epoch();
    let policy = AsyncPolicy::DEFAULT;
    let Begin::Attempt(_, change) = lifecycle::begin(&job.call, now, &policy)? else {
        bail!("no attempt");
    };
    let call = change.call.clone();
    lease.begin(change).await?;
    let answer = CallResult {
        status: 200,
        headers: Vec::new(),
        body: Bytes::from_static(b"done"),
        truncated: false,
    };
    let ended = Ended::Answered {
        answer,
        retry_after: None,
    };
    let change = lifecycle::ended(&call, ended, now, &policy)?;
    lease.settle(Update::Call(change)).await?;
    Ok(())
}

/// What the second process finds.
async fn opened(folder: &Path, calls: usize) -> anyhow::Result<()> {
    let began = Instant::now();
    let queue = open(folder)?;
    let took: Duration = began.elapsed();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = memory.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    let report = json!({
        "bench": "queue_restart",
        "past_calls": calls,
        "open_ms": took.as_millis(),
        "memory_mib": memory.unwrap_or_default() / 1024,
    });
    writeln!(std::io::stdout(), "{report}")?;
    queue.close().await;
    Ok(())
}
