//! How a function moves from revision to revision: apply, ready, and which old revisions go.

pub mod probation;
pub mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::function::{Function, GaveBack, Revision, RevisionHead};
use super::spec::Spec;
use super::traffic;

/// A candidate's first instance must be ready for so long before the revision takes calls: programs that listen before
/// they have read what they run are gone by then.
pub const SETTLE: Duration = Duration::from_secs(1);
/// Whoever ends within so long of taking calls gives them back, and has to hold for so long to get them again.
pub const PROBATION: Duration = Duration::from_secs(60);

/// How many of a function's newest revisions are kept besides those with traffic or a tag.
pub const KEPT_REVISIONS: usize = 20;

/// A valid apply.
#[derive(Debug, Clone)]
pub struct Apply {
    /// The valid spec.
    pub spec: Spec,
    /// The valid labels.
    pub labels: BTreeMap<String, String>,
}

/// What an apply does.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The function after it.
    pub function: Function,
    /// The new revision, if the spec made one.
    pub revision: Option<Revision>,
    /// Uids of revisions that are no longer kept.
    pub removed: Vec<String>,
    /// Whether anything changed at all.
    pub changed: bool,
}

/// The function after an apply. The same spec makes no new revision.
pub fn apply(
    current: Option<&Function>,
    (namespace, name): (&str, &str),
    apply: &Apply,
    (now, uid): (Timestamp, &str),
) -> Outcome {
    let resolved = apply.spec.resolved();
    let mut function = match current {
        Some(function) => function.clone(),
        None => Function {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            created_at: now,
            updated_at: now,
            labels: BTreeMap::new(),
            spec: apply.spec.clone(),
            traffic: traffic::default(),
            revisions: Vec::new(),
            keys: std::collections::BTreeMap::new(),
            last_number: 0,
        },
    };
    let same_spec = current.is_some_and(|f| f.spec.resolved() == resolved);
    let changed = !same_spec || function.spec != apply.spec || function.labels != apply.labels;
    function.spec = apply.spec.clone();
    function.labels.clone_from(&apply.labels);
    if changed {
        function.updated_at = now;
    }
    let mut revision = None;
    if !same_spec {
        let number = function.last_number + 1;
        let made = Revision {
            name: format!("{}-{number:05}", function.name),
            uid: uid.to_owned(),
            number,
            created_at: now,
            spec: resolved,
        };
        function.last_number = number;
        function.revisions.push(RevisionHead {
            name: made.name.clone(),
            uid: made.uid.clone(),
            number,
            ready_at: made.spec.starts_empty().then_some(now),
            gave_back: None,
        });
        revision = Some(made);
    }
    let removed = forget_old(&mut function);
    Outcome {
        function,
        revision,
        removed,
        changed,
    }
}

/// The function after a revision was seen ready; `None` when that is nothing new.
pub fn ready(function: &Function, revision: &str, now: Timestamp) -> Option<Function> {
    let mut function = function.clone();
    let head = function.revisions.iter_mut().find(|r| r.name == revision)?;
    if head.ready_at.is_some() {
        return None;
    }
    head.ready_at = Some(now);
    function.updated_at = now;
    Some(function)
}

/// How an instance of a revision ended that had been ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death<'a> {
    /// For people.
    pub cause: &'a str,
    /// It had never answered anything.
    pub never_answered: bool,
    /// For how long the revision has had its calls ([`probation::Ages`]).
    pub age: Duration,
}

/// The function after an instance of a revision ended by itself; `None` when that moves no calls.
///
/// The newest revision gives its calls back to the one before when it has not had them for [`PROBATION`], or has never
/// answered any. Calls that somebody gave to it by name stay where they are, and so do those of a revision that was never
/// tried before it had them.
pub fn died(
    function: &Function,
    revision: &str,
    death: Death<'_>,
    now: Timestamp,
) -> Option<Function> {
    let mut function = function.clone();
    let by_name = |target: &traffic::Target| {
        target.percent > 0 && target.revision.as_deref() == Some(revision)
    };
    if function.traffic.iter().any(by_name) || function.spec.starts_empty() {
        return None;
    }
    let head = function
        .revisions
        .pop()
        .filter(|head| head.name == revision)?;
    head.ready_at?;
    let early = death.age < PROBATION;
    if !(early || death.never_answered) || function.latest_ready().is_none() {
        return None;
    }
    function.revisions.push(RevisionHead {
        ready_at: None,
        gave_back: Some(GaveBack {
            at: now,
            cause: death.cause.to_owned(),
        }),
        ..head
    });
    function.updated_at = now;
    Some(function)
}

/// How long an instance of the candidate has to be ready before sidecars say that it was.
pub fn settle(function: &Function) -> Duration {
    match function.candidate() {
        Some(head) if head.gave_back.is_some() => PROBATION,
        Some(_) => SETTLE,
        None => Duration::ZERO,
    }
}

/// Revisions sidecars must know: those with traffic or a tag, and the candidate.
pub fn pushed(function: &Function) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = traffic::resolve(function)
        .into_iter()
        .map(|target| target.revision)
        .collect();
    names.extend(function.candidate().map(|r| r.name.clone()));
    names
}

/// The revisions that may run at once: as its calls are shared now, as they are once the newest revision is ready, and that
/// one by itself while it has to show that it works. One that replaces another is in no set with it, although both run for a
/// while.
pub fn may_run(function: &Function) -> [BTreeSet<String>; 3] {
    let now = traffic::resolve(function);
    let newest = function.latest().map(|head| head.name.clone());
    let later = function.traffic.iter();
    [
        now.into_iter().map(|target| target.revision).collect(),
        later
            .filter_map(|target| target.revision.clone().or_else(|| newest.clone()))
            .collect(),
        function
            .candidate()
            .map(|head| head.name.clone())
            .into_iter()
            .collect(),
    ]
}

fn forget_old(function: &mut Function) -> Vec<String> {
    let mut keep = pushed(function);
    keep.extend(function.latest_ready().map(|r| r.name.clone()));
    keep.extend(function.traffic.iter().filter_map(|t| t.revision.clone()));
    let newest = function.revisions.len().saturating_sub(KEPT_REVISIONS);
    keep.extend(
        function
            .revisions
            .iter()
            .skip(newest)
            .map(|r| r.name.clone()),
    );
    let (kept, gone) = std::mem::take(&mut function.revisions)
        .into_iter()
        .partition(|r| keep.contains(&r.name));
    function.revisions = kept;
    gone.into_iter().map(|r: RevisionHead| r.uid).collect()
}

#[cfg(test)]
mod tests;
