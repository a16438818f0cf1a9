//! One run of `wrk`, and what it says.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// How to run it.
#[derive(Debug, Clone)]
pub struct Wrk {
    /// The program.
    pub program: PathBuf,
    /// Seconds a run takes.
    pub seconds: u64,
}

/// What one run measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Answers with a status below 400, a second.
    pub per_second: f64,
    /// Answers in all.
    pub requests: u64,
    /// Milliseconds.
    pub p50: f64,
    /// Milliseconds.
    pub p99: f64,
    /// Other statuses, broken connections and timeouts.
    pub failed: u64,
}

impl Wrk {
    /// Calls `url` over so many connections at once.
    ///
    /// # Errors
    /// When it does not run or says something unknown.
    pub fn run(
        &self,
        url: &str,
        connections: u32,
        script: Option<&Path>,
    ) -> anyhow::Result<Measured> {
        let mut command = Command::new(&self.program);
        // One thread drives 64 connections with ease, and leaves the rest to the measured.
        command
            .args(["-t1", "--latency", &format!("-c{connections}")])
            .arg(format!("-d{}s", self.seconds));
        if let Some(script) = script {
            command.arg("-s").arg(script);
        }
        let output = command.arg(url).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!(
                "wrk {url}: {text}{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        parse(&text).with_context(|| format!("wrk {url} said:\n{text}"))
    }
}

fn parse(text: &str) -> anyhow::Result<Measured> {
    let after = |label: &str| {
        let mut lines = text.lines().map(str::trim);
        lines
            .find_map(|line| line.strip_prefix(label))
            .map(str::trim)
    };
    let percentile = |label| milliseconds(after(label).with_context(|| format!("no {label}"))?);
    let answers = text.lines().find(|line| line.contains(" requests in "));
    let requests: u64 = answers
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .context("no number of requests")?;
    let per_second: f64 = after("Requests/sec:").context("no rate")?.parse()?;
    let refused: u64 = after("Non-2xx or 3xx responses:").map_or(Ok(0), str::parse)?;
    let broken: u64 = after("Socket errors:").map_or(0, |errors| {
        let words = errors.split([' ', ',']);
        words.filter_map(|word| word.parse::<u64>().ok()).sum()
    });
    let good = requests.saturating_sub(refused);
    Ok(Measured {
        per_second: per_second * good as f64 / requests.max(1) as f64,
        requests,
        p50: percentile("50%")?,
        p99: percentile("99%")?,
        failed: refused + broken,
    })
}

fn milliseconds(text: &str) -> anyhow::Result<f64> {
    for (unit, factor) in [("us", 1e-3), ("ms", 1.0), ("s", 1e3), ("m", 6e4)] {
        if let Some(number) = text.strip_suffix(unit)
            && let Ok(number) = number.parse::<f64>()
        {
            return Ok(number * factor);
        }
    }
    bail!("{text} is no time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_of_wrk_is_understood() {
        let text = "Running 5s test @ http://127.0.0.1:1/\n  1 threads and 64 connections\n  \
            Latency Distribution\n     50%  850.00us\n     75%    1.10ms\n     90%    1.9ms\n     \
            99%    1.02s \n  1000 requests in 5.00s, 10.00MB read\n  Socket errors: connect 0, read 3, \
            write 0, timeout 1\n  Non-2xx or 3xx responses: 500\nRequests/sec:    200.00\nTransfer/sec: 2MB";
        let expected = Measured {
            per_second: 100.0,
            requests: 1000,
            p50: 0.85,
            p99: 1020.0,
            failed: 504,
        };
        assert_eq!(
            parse(text).unwrap_or_else(|e| unreachable!("{e}")),
            expected
        );
    }
}
