//! How an instance's end is told to people.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::{Exit, ExitReason};

/// What is known of how a program ended: its code, the signal that killed it, or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct How {
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

impl How {
    /// Nothing is known.
    pub(super) const UNKNOWN: Self = Self {
        code: None,
        signal: None,
    };
}

impl From<Option<ExitStatus>> for How {
    fn from(status: Option<ExitStatus>) -> Self {
        Self {
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
        }
    }
}

fn exit(reason: ExitReason, how: How, was_ready: bool, message: String) -> Exit {
    Exit {
        reason,
        code: how.code,
        signal: how.signal,
        message,
        last_log_lines: Vec::new(),
        was_ready,
    }
}

/// Nobody here asked for it.
pub(super) fn by_itself(how: impl Into<How>, was_ready: bool) -> Exit {
    let how = how.into();
    let when = if was_ready {
        ""
    } else {
        " before it was ready"
    };
    let (reason, words) = match (how.code, how.signal) {
        (Some(code), _) => (ExitReason::Exited, format!("exited with code {code}")),
        (None, Some(signal)) => (
            ExitReason::Signaled,
            format!("was killed by signal {signal}{}", signal_name(signal)),
        ),
        (None, None) => (
            ExitReason::Unknown,
            "ended; how is not known, as an earlier sidecar started it".to_owned(),
        ),
    };
    exit(reason, how, was_ready, format!("{words}{when}"))
}

/// As it was asked to.
pub(super) fn stopped(how: impl Into<How>, was_ready: bool) -> Exit {
    exit(
        ExitReason::Stopped,
        how.into(),
        was_ready,
        "stopped".to_owned(),
    )
}

/// As asked, in the end.
pub(super) fn stopped_by_force(how: impl Into<How>, was_ready: bool, grace: Duration) -> Exit {
    let message = format!("killed, as it went on {} after SIGTERM", seconds(grace));
    exit(ExitReason::Stopped, how.into(), was_ready, message)
}

/// It did nothing any more.
pub(super) fn unresponsive(how: impl Into<How>, was_ready: bool, cause: &str) -> Exit {
    let message = format!("killed, as {cause}");
    exit(ExitReason::Unresponsive, how.into(), was_ready, message)
}

/// It never ran.
pub(super) fn spawn_failed(message: String) -> Exit {
    exit(ExitReason::SpawnFailed, How::UNKNOWN, false, message)
}

/// It ran too long without being ready.
pub(super) fn start_timeout(cause: &str, timeout: Duration) -> Exit {
    let message = format!("{cause} within {}", seconds(timeout));
    exit(ExitReason::StartTimeout, How::UNKNOWN, false, message)
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        2 => " (SIGINT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL: perhaps out of memory)",
        11 => " (SIGSEGV)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        _ => "",
    }
}
