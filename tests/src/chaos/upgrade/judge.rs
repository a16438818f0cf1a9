//! What a planned change of every part must not cost: anything.
//!
//! Pure: a history in, losses out. Stricter than the [`checker`](crate::checker), which has excuses: nothing is
//! killed here, so no call may fail at any entrance, and none that was accepted may run twice. Deliberately silent
//! on three uses of a key: one whose 202 says that it is unsure, one at a sidecar of the version before that does not have
//! the call itself, as for that version a key is its sidecar's, and one while the sidecar that has the call is
//! replaced (docs/faults.md says why).

use std::collections::{BTreeMap, BTreeSet};

use crate::checker::check;
use crate::history::{Call, History, Kind, Older, Outcome, Schedule};

/// Every call that was lost, doubled or failed, and why one says so.
pub(super) fn losses(history: &History) -> Vec<String> {
    let mut seen = BTreeMap::<&str, usize>::new();
    for line in &history.seen {
        *seen.entry(&line.id).or_default() += 1;
    }
    let times = |id: &str| seen.get(id).copied().unwrap_or_default();
    let mut found: Vec<String> = check(history).iter().map(ToString::to_string).collect();
    for call in &history.calls {
        let wrong = match call.kind {
            Kind::Keyed => None,
            Kind::Async => queued(history, call, times(&call.id)),
            Kind::Post => once(call, times(&call.id)),
            Kind::Get | Kind::Stream | Kind::Flood => once(call, times(&call.id).min(1)),
        };
        found.extend(wrong.map(|what| format!("{} at {}: {what}", call.id, call.entrance)));
    }
    found.extend(keys(history, times));
    found.extend(history.schedule.iter().flat_map(|s| schedule(s, &seen)));
    found
}

fn once(call: &Call, times: usize) -> Option<String> {
    match (&call.outcome, times) {
        (outcome, _) if !outcome.is_ok() => Some(format!("failed: {outcome:?}")),
        (_, 1) => None,
        (_, times) => Some(format!("was seen {times} times")),
    }
}

/// Accepted, ended well, and run once.
fn queued(history: &History, call: &Call, times: usize) -> Option<String> {
    let Outcome::Answered {
        status: 202,
        call: id,
        ..
    } = &call.outcome
    else {
        return Some(format!("was not accepted: {:?}", call.outcome));
    };
    match (history.ends.get(id).map(String::as_str), times) {
        (Some("succeeded"), 1) => None,
        (state, times) => Some(format!("{id} is {state:?} and was seen {times} times")),
    }
}

/// A key is one call, however often and wherever it is sent.
fn keys(history: &History, times: impl Fn(&str) -> usize) -> Vec<String> {
    let mut uses = BTreeMap::<&str, Vec<&Call>>::new();
    for call in history.calls.iter().filter(|c| c.kind == Kind::Keyed) {
        uses.entry(&call.id).or_default().push(call);
    }
    let verdict = |(key, calls): (&str, Vec<&Call>)| {
        let mut ids = BTreeSet::new();
        let mut doubt = false;
        for call in &calls {
            match &call.outcome {
                Outcome::Answered {
                    status: 202,
                    call: id,
                    unsure,
                    ..
                } => {
                    doubt |=
                        unsure | is_strange(history, call, &ids) | is_away(history, call, &ids);
                    ids.insert(id.as_str());
                }
                other => return Some(format!("{key} at {}: failed: {other:?}", call.entrance)),
            }
        }
        let ended = |id: &&str| history.ends.get(*id).is_some_and(|s| s == "succeeded");
        let times = times(key);
        let is_one = ids.len() == 1 && times == 1;
        let is_known_doubt = doubt && times == ids.len();
        let wrong = !(is_one || is_known_doubt) || !ids.iter().all(ended);
        wrong.then(|| format!("{key} became {ids:?} and was seen {times} times"))
    };
    uses.into_iter().filter_map(verdict).collect()
}

/// Whether it was used at a sidecar of the version before, and none of the calls of its key is there.
fn is_strange(history: &History, call: &Call, ids: &BTreeSet<&str>) -> bool {
    let at = |older: &&Older| older.entrance == call.entrance && older.from <= call.began;
    let mut older = history.older.iter().filter(at);
    let older = older.find(|older| call.began < older.to);
    !ids.is_empty() && older.is_some_and(|older| !ids.iter().any(|id| id.ends_with(&older.node)))
}

/// Whether it was used while a sidecar was replaced that has a call of its key.
fn is_away(history: &History, call: &Call, ids: &BTreeSet<&str>) -> bool {
    let replaced = history.incidents.iter().filter(|i| i.touches(call));
    let hosts: Vec<usize> = replaced.flat_map(|i| i.hosts.iter().copied()).collect();
    let older = history.older.iter();
    let mut away = older.filter(|older| hosts.contains(&older.entrance));
    away.any(|older| ids.iter().any(|id| id.ends_with(&older.node)))
}

/// Every time was fired, and once.
fn schedule(schedule: &Schedule, seen: &BTreeMap<&str, usize>) -> Vec<String> {
    let prefix = format!("{}=cron:", schedule.trigger);
    let mut fired = BTreeMap::<u64, usize>::new();
    for (id, times) in seen.iter().filter(|(id, _)| id.starts_with(&prefix)) {
        let time = id.rsplit(':').next().and_then(|time| time.parse().ok());
        *fired.entry(time.unwrap_or_default()).or_default() += times;
    }
    let (first, last) = schedule.due;
    let step = usize::try_from(schedule.every).unwrap_or(1);
    let due = (first..=last).step_by(step);
    let wrong = due.filter_map(|time| match fired.get(&time).copied().unwrap_or_default() {
        1 => None,
        times => Some(format!("{} at {time} ran {times} times", schedule.trigger)),
    });
    wrong.collect()
}

#[cfg(test)]
mod tests;
