//! How many async calls a second the queue accepts, each on disk before it is answered.
//!
//! `queue_accept [--writers 64] [--seconds 5] [--bytes 1024] [--folder DIR]` prints one line
//! of JSON. Put the folder on the disk to be measured: on a tmpfs an fsync costs nothing. For
//! comparison it first measures bare `write` + `fdatasync` of one body at a time.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use gateless_benches::{open, record};
use gateless_core::config::AsyncPolicy;
use gateless_sidecar::queue::{Inbox, Local};
use serde_json::json;

struct Args {
    writers: usize,
    seconds: u64,
    bytes: usize,
    folder: Option<PathBuf>,
}

fn args() -> anyhow::Result<Args> {
    let mut args = Args {
        writers: 64,
        seconds: 5,
        bytes: 1024,
        folder: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words
            .next()
            .with_context(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--writers" => args.writers = value.parse()?,
            "--seconds" => args.seconds = value.parse()?,
            "--bytes" => args.bytes = value.parse()?,
            "--folder" => args.folder = Some(value.into()),
            _ => bail!("unknown option {word}"),
        }
    }
    Ok(args)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = args()?;
    let temporary = match &args.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let bare = bare_fsyncs(temporary.path(), args.bytes)?;
    let queue = open(temporary.path())?;
    let began = Instant::now();
    let until = began + Duration::from_secs(args.seconds);
    let body = Bytes::from(vec![b'x'; args.bytes]);
    let mut writers = Vec::new();
    for _ in 0..args.writers {
        writers.push(tokio::spawn(write(queue.clone(), body.clone(), until)));
    }
    let mut latencies = Vec::new();
    for writer in writers {
        latencies.extend(writer.await??);
    }
    let took = began.elapsed();
    latencies.sort_unstable();
    let at = |part: f64| {
        let index = (latencies.len() as f64 * part) as usize;
        latencies
            .get(index)
            .copied()
            .unwrap_or_default()
            .as_micros()
    };
    let report = json!({
        "bench": "queue_accept",
        "writers": args.writers,
        "body_bytes": args.bytes,
        "calls": latencies.len(),
        "calls_per_second": (latencies.len() as f64 / took.as_secs_f64()).round(),
        "p50_us": at(0.5),
        "p99_us": at(0.99),
        "max_us": latencies.last().copied().unwrap_or_default().as_micros(),
        "bare_fsyncs_per_second": bare.round(),
    });
    writeln!(std::io::stdout(), "{report}")?;
    queue.close().await;
    Ok(())
}

/// Accepts call after call; returns how long each took.
async fn write(queue: Local, body: Bytes, until: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut policy = AsyncPolicy::DEFAULT;
    policy.max_queued = u32::MAX;
    let record = record(body)?;
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let began = Instant::now();
        queue
            .accept(
                record.try_copy(|record| anyhow::Ok(record.clone()))?,
                &policy,
            )
            .await?;
        latencies.push(began.elapsed());
    }
    Ok(latencies)
}

/// One writer, one body, one fdatasync at a time, for half a second.
fn bare_fsyncs(folder: &Path, bytes: usize) -> anyhow::Result<f64> {
    let mut file = File::create(folder.join("bare"))?;
    file.set_len(64 << 20)?;
    file.sync_all()?;
    let body = vec![b'x'; bytes];
    let began = Instant::now();
    let mut count = 0_u32;
    while began.elapsed() < Duration::from_millis(500) {
        file.write_all(&body)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}
