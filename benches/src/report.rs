//! The measurements as Markdown, with the goals beside them.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde::Serialize;

use crate::cold::Cold;
use crate::queue::Async;
use crate::warm::Row;

/// What the sidecar's warm path shall reach of the bare proxy's throughput.
pub const WARM_GOAL: f64 = 0.8;
/// What a cold start may take over the bare spawn, in milliseconds.
pub const COLD_GOAL_MS: f64 = 5.0;
/// Accepted async calls a second.
pub const ASYNC_GOAL: f64 = 20_000.0;

/// Names of the two rows that are compared.
pub const SIDECAR: &str = "gateless sidecar";
const YARDSTICK: &str = "bare hyper proxy";

/// What was measured; what was left out is `None`.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Warm path.
    pub warm: Option<Vec<Row>>,
    /// Cold start.
    pub cold: Option<Cold>,
    /// Async.
    pub queue: Option<Async>,
}

impl Report {
    /// Tables and goals.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = format!("{}\n", machine());
        if let Some(rows) = &self.warm {
            warm(&mut out, rows);
        }
        if let Some(cold) = &self.cold {
            cold_start(&mut out, cold);
        }
        if let Some(queue) = &self.queue {
            async_calls(&mut out, queue);
        }
        out.push_str("| goal | measured | |\n|---|---|---|\n");
        for (goal, measured, met) in self.goals() {
            let met = if met { "met" } else { "not met" };
            writeln!(out, "| {goal} | {measured} | {met} |").ok();
        }
        out
    }

    fn goals(&self) -> Vec<(String, String, bool)> {
        let mut goals = Vec::new();
        for row in self.warm.iter().flatten().filter(|row| row.name == SIDECAR) {
            let ratio = ratio(self.warm.as_deref().unwrap_or_default(), row);
            let goal = format!(
                "warm, {} connections: at least {WARM_GOAL} of the {YARDSTICK}",
                row.connections
            );
            goals.push((goal, format!("{ratio:.2}"), ratio >= WARM_GOAL));
        }
        if let Some(cold) = &self.cold {
            let over = cold.sidecar.p50 - cold.bare.p50;
            let goal =
                format!("cold start: at most {COLD_GOAL_MS} ms over the bare spawn (medians)");
            goals.push((goal, format!("{over:.2} ms"), over <= COLD_GOAL_MS));
        }
        if let Some(queue) = &self.queue {
            let goal = format!("async: {ASYNC_GOAL:.0} accepted a second, with fsync");
            let measured = format!("{:.0}/s", queue.accepted);
            goals.push((goal, measured, queue.accepted >= ASYNC_GOAL));
        }
        goals
    }
}

fn ratio(rows: &[Row], row: &Row) -> f64 {
    let same = |other: &&Row| other.name == YARDSTICK && other.connections == row.connections;
    let yardstick = rows
        .iter()
        .find(same)
        .map_or(f64::NAN, |row| row.per_second);
    row.per_second / yardstick
}

fn warm(out: &mut String, rows: &[Row]) {
    out.push_str(
        "| warm path | connections | requests/s | p50 ms | p99 ms | of bare proxy | its own CPU, µs/request | failed |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        writeln!(
            out,
            "| {} | {} | {:.0} | {:.3} | {:.2} | {:.2} | {:.1} | {} |",
            row.name,
            row.connections,
            row.per_second,
            row.p50,
            row.p99,
            ratio(rows, row),
            row.cpu,
            row.failed
        )
        .ok();
    }
    out.push('\n');
}

fn cold_start(out: &mut String, cold: &Cold) {
    let Cold {
        functions,
        sidecar,
        bare,
    } = cold;
    out.push_str("| cold start | p50 ms | p99 ms |\n|---|--:|--:|\n");
    for (name, spread) in [
        ("first call of a function, held by the sidecar", sidecar),
        ("bare fork, exec, connect, request", bare),
    ] {
        writeln!(out, "| {name} | {:.2} | {:.2} |", spread.p50, spread.p99).ok();
    }
    let (p50, p99) = (sidecar.p50 - bare.p50, sidecar.p99 - bare.p99);
    writeln!(out, "| difference | {p50:.2} | {p99:.2} |").ok();
    writeln!(
        out,
        "\n{functions} functions, each called once, alternating.\n"
    )
    .ok();
}

fn async_calls(out: &mut String, queue: &Async) {
    out.push_str("| async calls, 64 connections, 1 KiB | per second | p50 ms | p99 ms |\n|---|--:|--:|--:|\n");
    writeln!(
        out,
        "| accepted: 202 after fsync | {:.0} | {:.2} | {:.2} |",
        queue.accepted, queue.p50, queue.p99
    )
    .ok();
    writeln!(
        out,
        "| accepted, delivered and done | {:.0} | | |",
        queue.through
    )
    .ok();
    let syncs = queue.bare_syncs;
    writeln!(
        out,
        "| bare write + fdatasync, one by one | {syncs:.0} | | |"
    )
    .ok();
    if queue.refused > 0 {
        writeln!(out, "\n{} were not accepted.", queue.refused).ok();
    }
    out.push('\n');
}

/// When and on what; says nothing that tells one machine from another of its kind.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, label: &str| {
        let line = text.lines().find(|line| line.starts_with(label));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let memory: u64 = field(&read("/proc/meminfo"), "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or(0);
    let load = read("/proc/loadavg");
    format!(
        "{}, commit {}, {cpus} x {}, {} GiB, Linux {}, load {}\n",
        run("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        run("git", &["rev-parse", "--short", "HEAD"]),
        field(&read("/proc/cpuinfo"), "model name"),
        memory >> 20,
        read("/proc/sys/kernel/osrelease").trim(),
        load.split(' ').next().unwrap_or_default(),
    )
}
