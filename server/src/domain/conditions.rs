//! What is the matter with a function: conditions from what sidecars report.
//!
//! A condition is computed anew from the reports each time; only *when* it last changed is remembered,
//! in memory, so after a restart of the server transitions begin at its first look.

mod sidecar;

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

pub use self::sidecar::{catalogue_taken, isolated};
use super::function::Function;
use super::rollout::{PROBATION, SETTLE};

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Not known (yet).
    Unknown,
}

/// One aspect of a function's or a sidecar's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Condition {
    /// `Ready`: the newest revision was ready and nothing keeps it from running.
    /// `Accepted`: every connected sidecar has the function as it is now.
    /// `Isolated`, of a sidecar: process functions there are kept apart from their host and from each other.
    #[serde(rename = "type")]
    #[schema(example = "Ready")]
    pub kind: String,
    /// Whether it holds.
    pub status: Status,
    /// For programs: `ready`, `draining`, `starting`, `crash_loop`, `start_timeout`, `rejected`, `no_sidecars`, ...;
    /// of `Isolated`: `sandboxed`, `parts_missing`, `switched_off`, `not_told`.
    #[schema(example = "crash_loop")]
    pub reason: String,
    /// For people.
    pub message: String,
    /// Since when `status` and `reason` are what they are.
    #[schema(value_type = String, format = DateTime)]
    pub last_transition_at: Timestamp,
    /// The last lines a failed instance wrote, oldest first.
    pub last_log_lines: Vec<String>,
}

impl Condition {
    /// What was found, since then.
    pub fn since(found: Finding, at: Timestamp) -> Self {
        Self {
            kind: found.kind.to_owned(),
            status: found.status,
            reason: found.reason,
            message: found.message,
            last_transition_at: at,
            last_log_lines: found.last_log_lines,
        }
    }
}

/// What one sidecar says of a function's newest revision, or of another resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The sidecar.
    pub sidecar: String,
    /// Whether its report is of this version of the function.
    pub applied: bool,
    /// What it reports is from before this version of the function, or of a secret that the function uses.
    pub behind: bool,
    /// Instances there that still have older values of secrets.
    pub outdated: u32,
    /// Why it refused the function, if it did.
    pub rejected: Option<String>,
    /// Ready instances of the revision there.
    pub ready: u32,
    /// Starting ones.
    pub starting: u32,
    /// How often in a row it ended there by itself, since it last stayed up.
    pub restarts: u32,
    /// The sidecar is to give up its instances.
    pub draining: bool,
    /// Why starting fails there; empty: it does not.
    pub reason: String,
    /// For people.
    pub message: String,
    /// Of the last failed instance.
    pub exit_code: i32,
    /// Of the last failed instance.
    pub last_log_lines: Vec<String>,
}

/// A condition before it is known since when it is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The type.
    pub kind: &'static str,
    /// Whether it holds.
    pub status: Status,
    /// For programs.
    pub reason: String,
    /// For people.
    pub message: String,
    /// See [`Condition::last_log_lines`].
    pub last_log_lines: Vec<String>,
}

impl Finding {
    fn new(kind: &'static str, status: Status, reason: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            status,
            reason: reason.to_owned(),
            message: message.into(),
            last_log_lines: Vec::new(),
        }
    }
}

/// `Ready` and `Accepted`.
pub fn find(function: &Function, seen: &[Seen]) -> [Finding; 2] {
    [ready(function, seen), accepted(seen)]
}

fn ready(function: &Function, seen: &[Seen]) -> Finding {
    let finding = |status, reason, message: String| Finding::new("Ready", status, reason, message);
    let Some(latest) = function.latest() else {
        return finding(
            Status::Unknown,
            "no_revision",
            "there is no revision".into(),
        );
    };
    let name = &latest.name;
    let running: u32 = seen.iter().map(|s| s.ready).sum();
    let failing = seen.iter().find(|s| s.applied && !s.reason.is_empty());
    if let Some(failing) = failing.filter(|_| running == 0) {
        let message = format!(
            "{name} does not start on sidecar {}: {}",
            failing.sidecar, failing.message
        );
        let mut found = finding(Status::False, &failing.reason, message);
        found.last_log_lines.clone_from(&failing.last_log_lines);
        return found;
    }
    if let (None, Some(back)) = (latest.ready_at, &latest.gave_back) {
        let message = format!(
            "{name} ended soon after it took calls ({}), so they went back; it gets them again when it has held for {} s",
            back.cause,
            PROBATION.as_secs()
        );
        return finding(Status::False, "gave_back", message);
    }
    if latest.ready_at.is_some() {
        if let Some(where_) = only_draining(seen) {
            let message = format!(
                "{name} runs, but only on draining sidecars ({where_}), until another has room for it"
            );
            return finding(Status::True, "draining", message);
        }
        return finding(Status::True, "ready", format!("{name} was ready"));
    }
    if seen.is_empty() {
        let message = format!("no sidecar is connected that could start {name}");
        return finding(Status::Unknown, "no_sidecars", message);
    }
    if let Some((who, why)) = seen
        .iter()
        .all(|s| s.rejected.is_some())
        .then(|| rejection(seen))
        .flatten()
    {
        let message = format!("every sidecar refused {name}; {who}: {why}");
        return finding(Status::False, "rejected", message);
    }
    if running > 0 {
        let message = format!(
            "{name} is ready and must stay so for {} s",
            SETTLE.as_secs()
        );
        return finding(Status::Unknown, "settling", message);
    }
    let starting: u32 = seen.iter().map(|s| s.starting).sum();
    let message = format!("waiting for a first ready instance of {name}, {starting} starting");
    finding(Status::Unknown, "starting", message)
}

/// The draining sidecars with instances, if nothing runs anywhere else.
fn only_draining(seen: &[Seen]) -> Option<String> {
    let running = || seen.iter().filter(|s| s.ready + s.starting > 0);
    let all = running().all(|s| s.draining);
    let names: Vec<_> = running().map(|s| s.sidecar.as_str()).collect();
    (all && !names.is_empty()).then(|| names.join(", "))
}

/// `Accepted`: whether sidecars have the resource, whatever it is.
pub fn accepted(seen: &[Seen]) -> Finding {
    let finding =
        |status, reason, message: String| Finding::new("Accepted", status, reason, message);
    if let Some((sidecar, reason)) = rejection(seen) {
        let message = format!("sidecar {sidecar} refused it and keeps the last good one: {reason}");
        return finding(Status::False, "rejected", message);
    }
    if seen.is_empty() {
        return finding(
            Status::Unknown,
            "no_sidecars",
            "no sidecar is connected".into(),
        );
    }
    let behind: Vec<_> = seen
        .iter()
        .filter(|s| !s.applied)
        .map(|s| s.sidecar.as_str())
        .collect();
    if behind.is_empty() {
        let message = format!("{} sidecar(s) have it", seen.len());
        return finding(Status::True, "accepted", message);
    }
    let message = format!("waiting for sidecar {}", behind.join(", "));
    finding(Status::Unknown, "pushing", message)
}

fn rejection(seen: &[Seen]) -> Option<(&str, &str)> {
    seen.iter()
        .find_map(|s| Some((s.sidecar.as_str(), s.rejected.as_deref()?)))
}

/// Since when each condition of each function is what it is. Bounded by the number of functions: the
/// service forgets what is deleted.
#[derive(Debug, Default)]
pub struct Transitions(HashMap<String, HashMap<&'static str, (Status, String, Timestamp)>>);

impl Transitions {
    /// The findings with their times; what changed has changed `now`.
    pub fn date(&mut self, uid: &str, findings: Vec<Finding>, now: Timestamp) -> Vec<Condition> {
        let known = self.0.entry(uid.to_owned()).or_default();
        let date = |found: Finding| {
            let last = known
                .entry(found.kind)
                .or_insert_with(|| (found.status, found.reason.clone(), now));
            if last.0 != found.status || last.1 != found.reason {
                *last = (found.status, found.reason.clone(), now);
            }
            Condition {
                kind: found.kind.to_owned(),
                status: found.status,
                reason: found.reason,
                message: found.message,
                last_transition_at: last.2,
                last_log_lines: found.last_log_lines,
            }
        };
        findings.into_iter().map(date).collect()
    }

    /// Drops what is known of a deleted function.
    pub fn forget(&mut self, uid: &str) {
        self.0.remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rollout;

    fn function(ready: bool) -> Function {
        let text = r#"{"kind": "process", "process": {"command": ["x"]}}"#;
        let apply = rollout::Apply {
            spec: serde_json::from_str(text).unwrap(),
            labels: std::collections::BTreeMap::new(),
        };
        let at = (Timestamp::UNIX_EPOCH, "u");
        let function = rollout::apply(None, ("default", "f"), &apply, at).function;
        match ready {
            true => rollout::ready(&function, "f-00001", Timestamp::UNIX_EPOCH).unwrap(),
            false => function,
        }
    }

    fn check(ready: bool, seen: &[Seen], expected: [(Status, &str); 2]) {
        let found = find(&function(ready), seen);
        let found: Vec<_> = found
            .iter()
            .map(|f| (f.status, f.reason.as_str()))
            .collect();
        assert_eq!(found, expected, "{seen:?}");
    }

    #[test]
    fn conditions_say_what_is_the_matter() {
        use Status::{False, True, Unknown};
        let good = Seen {
            sidecar: "a".into(),
            applied: true,
            ..Seen::default()
        };
        let behind = Seen {
            applied: false,
            ..good.clone()
        };
        let crashing = Seen {
            reason: "crash_loop".into(),
            ..good.clone()
        };
        let running = Seen {
            ready: 1,
            ..good.clone()
        };
        let draining = Seen {
            draining: true,
            ..running.clone()
        };
        let refusing = Seen {
            rejected: Some("no".into()),
            ..good.clone()
        };
        let of = |seen: &[&Seen]| seen.iter().map(|s| (*s).clone()).collect::<Vec<_>>();
        check(
            false,
            &[],
            [(Unknown, "no_sidecars"), (Unknown, "no_sidecars")],
        );
        check(
            false,
            &of(&[&good]),
            [(Unknown, "starting"), (True, "accepted")],
        );
        check(
            false,
            &of(&[&good, &behind]),
            [(Unknown, "starting"), (Unknown, "pushing")],
        );
        check(
            false,
            &of(&[&good, &crashing]),
            [(False, "crash_loop"), (True, "accepted")],
        );
        check(
            true,
            &of(&[&running, &crashing]),
            [(True, "ready"), (True, "accepted")],
        );
        check(
            true,
            &of(&[&crashing]),
            [(False, "crash_loop"), (True, "accepted")],
        );
        check(
            false,
            &of(&[&refusing]),
            [(False, "rejected"), (False, "rejected")],
        );
        check(
            true,
            &of(&[&good, &refusing]),
            [(True, "ready"), (False, "rejected")],
        );
        check(true, &[], [(True, "ready"), (Unknown, "no_sidecars")]);
        check(
            true,
            &of(&[&good, &draining]),
            [(True, "draining"), (True, "accepted")],
        );
        check(
            true,
            &of(&[&running, &draining]),
            [(True, "ready"), (True, "accepted")],
        );
    }

    #[test]
    fn a_transition_is_dated_when_status_or_reason_changes() {
        let mut transitions = Transitions::default();
        let at = |s: i64| Timestamp::from_second(s).unwrap();
        let mut date = |status, reason, s| {
            let found = Finding::new("Ready", status, reason, "");
            transitions.date("u", vec![found], at(s))[0].last_transition_at
        };
        assert_eq!(date(Status::Unknown, "starting", 1), at(1));
        assert_eq!(date(Status::Unknown, "starting", 2), at(1));
        assert_eq!(date(Status::False, "crash_loop", 3), at(3));
    }
}
