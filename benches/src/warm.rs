//! The warm path: the same backend direct, through the sidecar, and through other proxies.

use std::time::Duration;

use serde::Serialize;

use crate::median;
use crate::partners::Partner;
use crate::process::cpu_time;
use crate::wrk::Wrk;

/// Connections that are measured with.
pub const CONNECTIONS: [u32; 2] = [1, 64];

/// Medians over the rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Which partner.
    pub name: &'static str,
    /// Connections at once.
    pub connections: u32,
    /// Requests a second.
    pub per_second: f64,
    /// Milliseconds.
    pub p50: f64,
    /// Milliseconds.
    pub p99: f64,
    /// Microseconds of processor time the partner itself used per request.
    pub cpu: f64,
    /// Requests that failed, over all rounds.
    pub failed: u64,
}

/// Measures every partner in every round, one after the other.
///
/// # Errors
/// When `wrk` fails.
pub fn measure(wrk: &Wrk, partners: &[Partner], rounds: u32) -> anyhow::Result<Vec<Row>> {
    let warm_up = Wrk {
        seconds: 1,
        ..wrk.clone()
    };
    for partner in partners {
        warm_up.run(&partner.url, 64, None)?;
    }
    let mut rows = Vec::new();
    for connections in CONNECTIONS {
        let mut samples: Vec<Vec<(crate::wrk::Measured, f64)>> = vec![Vec::new(); partners.len()];
        for _ in 0..rounds {
            for (partner, samples) in partners.iter().zip(&mut samples) {
                let used = || cpu_time(partner.pid, partner.with_children);
                let before = used();
                let measured = wrk.run(&partner.url, connections, None)?;
                let cpu: Duration = used().saturating_sub(before);
                let each = cpu.as_secs_f64() * 1e6 / measured.requests.max(1) as f64;
                samples.push((measured, each));
            }
        }
        for (partner, samples) in partners.iter().zip(samples) {
            let of = |value: fn(&(crate::wrk::Measured, f64)) -> f64| {
                median(&samples.iter().map(value).collect::<Vec<f64>>())
            };
            rows.push(Row {
                name: partner.name,
                connections,
                per_second: of(|(measured, _)| measured.per_second),
                p50: of(|(measured, _)| measured.p50),
                p99: of(|(measured, _)| measured.p99),
                cpu: of(|(_, cpu)| *cpu),
                failed: samples.iter().map(|(measured, _)| measured.failed).sum(),
            });
        }
    }
    Ok(rows)
}
