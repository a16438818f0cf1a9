//! Whether a history keeps the invariants, as far as one can tell from outside.
//!
//! Pure: a history in, violations out. Deliberately silent on two: that 202 waits for the fsync (2) shows
//! here only as an accepted call nobody knows, and a bad resource (10) is refused before it gets here; both
//! have tests of their own.

use std::collections::BTreeMap;
use std::fmt;

use crate::cluster::Seen;
use crate::history::{Call, Harm, History, Incident, Kind, Outcome};

/// What must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Number of the invariant in docs/architecture.md.
    pub invariant: u8,
    /// What shows it.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {}: {}", self.invariant, self.what)
    }
}

/// Every violation there is.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let mut seen = BTreeMap::<&str, Vec<&Seen>>::new();
    for line in &history.seen {
        seen.entry(&line.id).or_default().push(line);
    }
    let times = |call: &Call| seen.get(call.id.as_str()).map_or(0, Vec::len);
    let mut found = Vec::new();
    for call in &history.calls {
        let verdict = match call.kind {
            Kind::Async | Kind::Keyed => accepted(history, call, times(call)),
            Kind::Get | Kind::Post | Kind::Stream => served(history, call, times(call)),
            Kind::Flood => None,
        };
        found.extend(
            verdict
                .into_iter()
                .chain(refused(history, call, times(call))),
        );
    }
    found.extend(crowded(history));
    found.extend(history.cold.iter().filter_map(|cold| {
        let (fewest, most) = cold.computed;
        let wrong = !(fewest..=most).contains(&cold.started);
        wrong.then(|| Violation {
            invariant: 6,
            what: format!(
                "{} instances started, {fewest} to {most} computed",
                cold.started
            ),
        })
    }));
    found
}

/// 1 and 2: what was accepted is known, and ends; what ended well was run.
fn accepted(history: &History, call: &Call, times: usize) -> Option<Violation> {
    let Outcome::Answered {
        status: 202,
        call: id,
        ..
    } = &call.outcome
    else {
        return None;
    };
    let (invariant, what) = match history.ends.get(id).map(String::as_str) {
        Some("succeeded") if times > 0 => return None,
        Some("dead") => return None,
        Some("succeeded") => (1, "succeeded, but no function ever saw it"),
        Some("unknown") | None => (2, "is known to nobody"),
        Some(_) => (1, "did not come to an end"),
    };
    let what = format!("{} ({id}), accepted at {}, {what}", call.id, call.entrance);
    Some(Violation { invariant, what })
}

/// 4: the function never saw what was refused, and nothing twice that may not be repeated.
fn refused(history: &History, call: &Call, times: usize) -> Option<Violation> {
    let is_get = matches!(call.kind, Kind::Get | Kind::Stream);
    let may_be_repeated = is_get && hit(history, call).next().is_some();
    let is_sync = !call.kind.is_queued();
    let what = if call.outcome.is_refusal() && times > 0 && !may_be_repeated {
        format!("{} was refused and seen: {:?}", call.id, call.outcome)
    } else if is_sync && !is_get && times > 1 {
        format!("{} was seen {times} times", call.id)
    } else {
        return None;
    };
    Some(Violation { invariant: 4, what })
}

/// 5, 7, 8, 9: a call fails only when something happened that may harm it.
fn served(history: &History, call: &Call, times: usize) -> Option<Violation> {
    if call.outcome.is_ok() {
        return None;
    }
    let during: Vec<&Incident> = history
        .incidents
        .iter()
        .filter(|i| i.touches(call))
        .collect();
    let at_its_entrance = |incident: &&Incident| incident.hosts.contains(&call.entrance);
    let is = |harm: Harm| during.iter().any(|incident| incident.harm == harm);
    let invariant = if is(Harm::Fault) {
        // It may have been inside what failed, unless nothing was there yet: it was held.
        let held = times == 0 && call.outcome.is_refusal();
        if !held || hit(history, call).any(|incident| at_its_entrance(&incident)) {
            return None;
        }
        8
    } else if during
        .iter()
        .filter(|i| i.harm == Harm::Planned)
        .any(at_its_entrance)
    {
        return None;
    } else if is(Harm::Flood) {
        9
    } else if is(Harm::ServerAway) {
        7
    } else {
        5
    };
    let during: Vec<&str> = during
        .iter()
        .map(|incident| incident.name.as_str())
        .collect();
    let what = format!(
        "{:?} {} at {} failed after {:.1?} with {:?} while {during:?}",
        call.kind,
        call.id,
        call.entrance,
        call.took(),
        call.outcome,
    );
    Some(Violation { invariant, what })
}

/// 3: never more in an instance than it takes.
fn crowded(history: &History) -> impl Iterator<Item = Violation> {
    history.seen.iter().filter_map(|seen| {
        let (function, _) = seen.revision.rsplit_once('-')?;
        let most = *history.concurrency.get(function)?;
        (seen.in_flight > most).then(|| Violation {
            invariant: 3,
            what: format!(
                "{} calls in instance {} of {}",
                seen.in_flight, seen.pid, seen.revision
            ),
        })
    })
}

/// Faults that went on while the call did.
fn hit<'a>(history: &'a History, call: &'a Call) -> impl Iterator<Item = &'a Incident> {
    let faults = history.incidents.iter().filter(|i| i.harm == Harm::Fault);
    faults.filter(|incident| incident.touches(call))
}

#[cfg(test)]
mod tests;
