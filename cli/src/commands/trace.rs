//! `invoke --trace`: where a call's time went, and for an async call what became of each attempt.
//!
//! Reads what sidecars say anyway (`Server-Timing`, the call's record). Deliberately measures
//! nothing itself.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::manifest::units::show_millis;
use crate::output::{at, table};

const BAR: usize = 40;

/// A part of a call: where it began and how long it took, in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phase {
    name: String,
    start: f64,
    duration: f64,
    note: String,
}

impl Phase {
    /// One that began and took so many milliseconds, and what there is to say of it.
    pub(crate) fn new(name: &str, start: f64, duration: f64, note: &str) -> Self {
        Self {
            name: name.to_owned(),
            start,
            duration,
            note: note.to_owned(),
        }
    }
}

/// The phases of a `Server-Timing` header; each begins where the one before it ended.
pub(crate) fn phases(header: &str) -> Vec<Phase> {
    let mut start = 0.0;
    header
        .split(',')
        .filter_map(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            let name = parts.next().filter(|name| !name.is_empty())?.to_owned();
            let duration: f64 = parts.find_map(|p| p.strip_prefix("dur=")?.parse().ok())?;
            let phase = Phase {
                name,
                start,
                duration,
                note: String::new(),
            };
            start += duration;
            Some(phase)
        })
        .collect()
}

/// Queued, then attempt after attempt, of an async call's record.
pub(crate) fn attempts(call: &Value) -> Vec<Phase> {
    let time = |value: &Value| -> Option<f64> {
        let time: Timestamp = value.as_str()?.parse().ok()?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds since 1970 fit 2^52"
        )]
        Some(time.as_microsecond() as f64 / 1e3)
    };
    let Some(accepted) = time(&call["accepted_at"]) else {
        return Vec::new();
    };
    let mut end = 0.0_f64;
    let mut out = Vec::new();
    for attempt in call["attempts"].as_array().into_iter().flatten() {
        let duration = attempt["duration_ms"].as_f64().unwrap_or(0.0);
        let start = time(&attempt["started_at"]).map_or(end, |t| (t - accepted).max(end));
        let name = if out.is_empty() { "queued" } else { "waiting" };
        out.push(Phase {
            name: name.into(),
            start: end,
            duration: start - end,
            note: String::new(),
        });
        let error = attempt["error"].as_str().unwrap_or_default();
        out.push(Phase {
            name: format!("attempt {}", at(attempt, "/number")),
            start,
            duration,
            note: format!("status {} {error}", at(attempt, "/status"))
                .trim_end()
                .into(),
        });
        end = start + duration;
    }
    out
}

/// For programs.
pub(crate) fn to_json(phases: &[Phase]) -> Value {
    phases
        .iter()
        .map(|p| json!({"name": p.name, "start_ms": p.start, "duration_ms": p.duration, "note": p.note}))
        .collect()
}

/// One line a phase, with a bar where it was within the whole.
pub(crate) fn timeline(phases: &[Phase]) -> String {
    let end = phases
        .iter()
        .map(|p| p.start + p.duration)
        .fold(0.0, f64::max);
    let rows: Vec<Vec<String>> = phases
        .iter()
        .map(|phase| {
            let cells = |ms: f64| scale(ms, end);
            let from = cells(phase.start).min(BAR - 1);
            let to = cells(phase.start + phase.duration).clamp(from + 1, BAR);
            let bar = format!(
                "{}{}{}",
                " ".repeat(from),
                "█".repeat(to - from),
                " ".repeat(BAR - to)
            );
            vec![
                phase.name.clone(),
                bar,
                took(phase.duration),
                phase.note.clone(),
            ]
        })
        .collect();
    let total = format!("0 to {}", took(end));
    table(&["PHASE", &total, "TOOK", ""], &rows)
}

fn scale(ms: f64, end: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of 40 columns"
    )]
    if end > 0.0 {
        (ms / end * BAR as f64).round().max(0.0) as usize
    } else {
        0
    }
}

pub(crate) fn took(ms: f64) -> String {
    if ms < 1000.0 {
        return format!("{ms:.1} ms");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a duration of at least a second"
    )]
    show_millis(ms as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_each_other() {
        let phases = phases("route;dur=0.5, hold;desc=\"x\";dur=9.5, junk, run;dur=10");
        let starts: Vec<_> = phases.iter().map(|p| (p.name.as_str(), p.start)).collect();
        assert_eq!(starts, [("route", 0.0), ("hold", 0.5), ("run", 10.0)]);
        let text = timeline(&phases);
        assert!(text.contains("0 to 20.0 ms"), "{text}");
        let run = text.lines().last().unwrap();
        assert_eq!(run.matches('█').count(), BAR / 2, "{text}");
    }

    #[test]
    fn attempts_stand_where_they_were() {
        let call = json!({"accepted_at": "2026-01-01T00:00:00Z", "attempts": [
            {"number": 1, "started_at": "2026-01-01T00:00:00.010Z", "duration_ms": 5, "status": 503, "error": "busy"},
            {"number": 2, "started_at": "2026-01-01T00:00:00.115Z", "duration_ms": 7, "status": 200, "error": null},
        ]});
        let found: Vec<_> = attempts(&call)
            .into_iter()
            .map(|p| (p.name, p.start.round(), p.duration.round(), p.note))
            .collect();
        let expected = [
            ("queued", 0.0, 10.0, ""),
            ("attempt 1", 10.0, 5.0, "status 503 busy"),
            ("waiting", 15.0, 100.0, ""),
            ("attempt 2", 115.0, 7.0, "status 200"),
        ];
        let expected = expected.map(|(n, s, d, note)| (n.to_owned(), s, d, note.to_owned()));
        assert_eq!(found, expected);
    }
}
