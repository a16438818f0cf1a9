//! `gateless autoscaler replay`: JSON lines in, one decision a line out.
//!
//! Only the shell: it parses, names what it cannot parse by line and key, and prints. Every
//! decision is [`gateless_core::autoscaler::replay`]'s, the same code the sidecar runs.
//!
//! In: `{"config": {...}}`, `{"t", "ready", "stable", "panic"}` or `{"t", "ready",
//! "concurrency"}`; out: `{"t", "desired", "panic", "excess_burst_capacity"}`. Times are
//! seconds. Blank lines are skipped.

use std::io::{self, BufRead, Read, Write};
use std::time::Duration;

use gateless_common::limits::AVERAGING_SECONDS;
use gateless_core::autoscaler::replay::{self, Input, PartialConfig, Replay};
use gateless_core::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// No line of the format comes near it; a file without line ends must not fill the memory.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// Why a replay ended early. What was decided before has been printed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The input could not be read.
    #[error("line {line}: cannot be read: {source}")]
    Read {
        /// Counted from 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// The answers could not be written.
    #[error("the decisions cannot be written: {0}")]
    Write(#[source] io::Error),
    /// A line is not of the format.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// Names the key and the cause.
        reason: String,
    },
}

/// Replays `input` to its end or its first bad line.
///
/// # Errors
/// Names the line and the key that is wrong, or says what cannot be read or written.
pub(crate) fn run(mut input: impl BufRead, mut output: impl Write) -> Result<(), Error> {
    let mut replay = Replay::new();
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let read = (&mut input)
            .take(MAX_LINE_BYTES + 1)
            .read_until(b'\n', &mut text)
            .map_err(|source| Error::Read { line, source })?;
        if read == 0 {
            break;
        }
        let bad = |reason| Error::Line { line, reason };
        if text.len() as u64 > MAX_LINE_BYTES {
            return Err(bad(format!("longer than {MAX_LINE_BYTES} bytes")));
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let (t, parsed) = parse(&text).map_err(bad)?;
        let answer = replay.line(&parsed).map_err(|e| bad(e.to_string()))?;
        if let (Some(t), Some(answer)) = (t, answer) {
            print(&mut output, t, &answer).map_err(Error::Write)?;
        }
    }
    output.flush().map_err(Error::Write)
}

/// Any line; which keys belong together is checked afterwards, so that errors can say it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    config: Option<Config>,
    t: Option<Number>,
    ready: Option<f64>,
    stable: Option<f64>,
    panic: Option<f64>,
    concurrency: Option<f64>,
}

/// Counts are read as any number, for there are tools that write `3.0`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    target: Option<f64>,
    total: Option<f64>,
    target_burst_capacity: Option<f64>,
    max_scale_up_rate: Option<f64>,
    max_scale_down_rate: Option<f64>,
    panic_threshold: Option<f64>,
    stable_window: Option<f64>,
    scale_down_delay: Option<f64>,
    activation_scale: Option<f64>,
    reachable: Option<bool>,
    min_scale: Option<f64>,
    max_scale: Option<f64>,
    initial_ready: Option<f64>,
}

#[derive(Serialize)]
struct Answer {
    t: Number,
    desired: u32,
    panic: bool,
    excess_burst_capacity: i64,
}

/// The answer carries `t` as it was written, whole or not.
fn print(output: &mut impl Write, t: Number, answer: &replay::Output) -> io::Result<()> {
    let answer = Answer {
        t,
        desired: answer.desired,
        panic: answer.panic,
        excess_burst_capacity: answer.excess_burst_capacity,
    };
    serde_json::to_writer(&mut *output, &answer)?;
    output.write_all(b"\n")
}

fn parse(text: &[u8]) -> Result<(Option<Number>, Input), String> {
    let line: Line = serde_json::from_slice(text).map_err(|e| explain(&e))?;
    match line {
        Line {
            config: Some(config),
            t: None,
            ready: None,
            stable: None,
            panic: None,
            concurrency: None,
        } => Ok((None, Input::Config(config.try_into()?))),
        Line {
            config: Some(_), ..
        } => Err("\"config\" must stand alone on its line".to_owned()),
        Line {
            t: Some(number),
            ready: Some(ready),
            stable,
            panic,
            concurrency,
            ..
        } => {
            let secs = number.as_f64().unwrap_or(f64::NAN);
            let t = Time::ZERO + duration("t", secs)?;
            let ready = count("ready", ready)?;
            let input = match (stable, panic, concurrency) {
                (Some(stable), Some(panic), None) => Input::Averages {
                    t,
                    ready,
                    stable,
                    panic,
                },
                (None, None, Some(concurrency)) => Input::Sample {
                    t,
                    ready,
                    concurrency,
                },
                _ => return Err("needs either \"stable\" and \"panic\", or \"concurrency\"".into()),
            };
            Ok((Some(number), input))
        }
        Line { t: None, .. } => Err("key \"t\" is missing".to_owned()),
        Line { .. } => Err("key \"ready\" is missing".to_owned()),
    }
}

/// `serde_json` counts lines too, and always says the first; ours is the file's.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text
        .rsplit_once(" at line ")
        .map_or(&*text, |(head, _)| head);
    let reason = reason
        .replace("unknown field", "unknown key")
        .replace('`', "\"");
    format!("{reason} (column {})", error.column())
}

impl TryFrom<Config> for PartialConfig {
    type Error = String;

    fn try_from(config: Config) -> Result<Self, String> {
        let counted = |key, value: Option<f64>| value.map(|v| count(key, v)).transpose();
        let timed = |key, value: Option<f64>| value.map(|v| duration(key, v)).transpose();
        if config
            .stable_window
            .is_some_and(|secs| secs > AVERAGING_SECONDS as f64)
        {
            return Err(format!(
                "key \"stable_window\" must be at most {AVERAGING_SECONDS} seconds"
            ));
        }
        Ok(Self {
            target: config.target,
            total: config.total,
            target_burst_capacity: config.target_burst_capacity,
            max_scale_up_rate: config.max_scale_up_rate,
            max_scale_down_rate: config.max_scale_down_rate,
            panic_threshold: config.panic_threshold,
            stable_window: timed("stable_window", config.stable_window)?,
            scale_down_delay: timed("scale_down_delay", config.scale_down_delay)?,
            activation_scale: counted("activation_scale", config.activation_scale)?,
            reachable: config.reachable,
            min_scale: counted("min_scale", config.min_scale)?,
            max_scale: counted("max_scale", config.max_scale)?,
            initial_ready: counted("initial_ready", config.initial_ready)?,
        })
    }
}

/// Counts are 32-bit and signed in Knative.
fn count(key: &str, value: f64) -> Result<u32, String> {
    if value.fract() == 0.0 && (0.0..=f64::from(i32::MAX)).contains(&value) {
        Ok(value as u32)
    } else {
        Err(format!(
            "key \"{key}\" must be a whole number of at least 0"
        ))
    }
}

fn duration(key: &str, secs: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(secs)
        .ok()
        .filter(|duration| u64::try_from(duration.as_nanos()).is_ok())
        .ok_or_else(|| format!("key \"{key}\" must be a number of seconds of at least 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &str, expected: Result<&str, &str>) {
        let mut output = Vec::new();
        let result = run(input.as_bytes(), &mut output);
        let output = String::from_utf8(output).unwrap();
        let got = result.map(|()| output.as_str()).map_err(|e| e.to_string());
        assert_eq!(got, expected.map_err(str::to_owned), "for {input}");
    }

    #[track_caller]
    fn check_error(line: &str, expected: &str) {
        let input = format!("{{\"config\": {{}}}}\n\n{line}\n");
        check(&input, Err(&format!("line 3: {expected}")));
    }

    #[test]
    fn decisions_come_out_a_line_each() {
        check(
            "{\"config\": {\"target\": 10, \"total\": 10, \"initial_ready\": 0}}\n\
             {\"t\": 0, \"ready\": 1, \"stable\": 15, \"panic\": 15.5}\r\n\
             \n\
             {\"t\": 2.5, \"ready\": 2.0, \"stable\": 15, \"panic\": 8}",
            Ok(
                "{\"t\":0,\"desired\":2,\"panic\":true,\"excess_burst_capacity\":-217}\n\
                {\"t\":2.5,\"desired\":2,\"panic\":true,\"excess_burst_capacity\":-199}\n",
            ),
        );
    }

    #[test]
    fn samples_are_averaged() {
        check(
            "{\"config\": {\"target\": 10, \"target_burst_capacity\": 0}}\n\
             {\"t\": 100, \"ready\": 3, \"concurrency\": 20}\n\
             {\"t\": 101, \"ready\": 3, \"concurrency\": 41}\n",
            Ok(
                "{\"t\":100,\"desired\":2,\"panic\":false,\"excess_burst_capacity\":0}\n\
                {\"t\":101,\"desired\":4,\"panic\":false,\"excess_burst_capacity\":0}\n",
            ),
        );
    }

    #[test]
    fn config_may_come_later_or_not_at_all() {
        check("", Ok(""));
        check(
            "{\"t\": 0, \"ready\": 1, \"stable\": 71, \"panic\": 0}\n\
             {\"config\": {\"target\": 7, \"max_scale\": 5}}\n\
             {\"t\": 2, \"ready\": 1, \"stable\": 71, \"panic\": 0}\n",
            Ok(
                "{\"t\":0,\"desired\":2,\"panic\":false,\"excess_burst_capacity\":-111}\n\
                {\"t\":2,\"desired\":5,\"panic\":false,\"excess_burst_capacity\":-111}\n",
            ),
        );
    }

    #[test]
    fn bad_line_is_named_with_its_key() {
        check_error(
            "{\"config\": {\"targte\": 1}}",
            "unknown key \"targte\", expected one of \"target\", \"total\", \
             \"target_burst_capacity\", \"max_scale_up_rate\", \"max_scale_down_rate\", \
             \"panic_threshold\", \"stable_window\", \"scale_down_delay\", \"activation_scale\", \
             \"reachable\", \"min_scale\", \"max_scale\", \"initial_ready\" (column 20)",
        );
        check_error(
            "{\"time\": 1}",
            "unknown key \"time\", expected one of \"config\", \"t\", \"ready\", \"stable\", \
             \"panic\", \"concurrency\" (column 7)",
        );
        check_error("{\"t\": ", "EOF while parsing a value (column 0)");
        check_error("{\"ready\": 1}", "key \"t\" is missing");
        check_error("{\"t\": 1}", "key \"ready\" is missing");
        let either = "needs either \"stable\" and \"panic\", or \"concurrency\"";
        check_error("{\"t\": 1, \"ready\": 1}", either);
        check_error("{\"t\": 1, \"ready\": 1, \"stable\": 1}", either);
        check_error(
            "{\"t\": -1, \"ready\": 1, \"concurrency\": 1}",
            "key \"t\" must be a number of seconds of at least 0",
        );
        check_error(
            "{\"t\": 1, \"ready\": 1.5, \"concurrency\": 1}",
            "key \"ready\" must be a whole number of at least 0",
        );
        check_error(
            "{\"t\": 1, \"config\": {}}",
            "\"config\" must stand alone on its line",
        );
        check_error(
            "{\"config\": {\"target\": 0}}",
            "target must be a number above 0",
        );
        check_error(
            "{\"config\": {\"stable_window\": 1e9}}",
            "key \"stable_window\" must be at most 86400 seconds",
        );
    }

    #[test]
    fn endless_line_is_refused() {
        let line = "x".repeat(70_000);
        check(&line, Err("line 1: longer than 65536 bytes"));
    }

    #[test]
    fn decisions_before_a_bad_line_are_printed() {
        let mut output = Vec::new();
        let input = "{\"t\": 0, \"ready\": 1, \"concurrency\": 1}\nnonsense\n";
        let error = run(input.as_bytes(), &mut output).unwrap_err();
        assert!(error.to_string().starts_with("line 2: "), "{error}");
        assert!(output.starts_with(b"{\"t\":0,\"desired\":1,"));
    }
}
