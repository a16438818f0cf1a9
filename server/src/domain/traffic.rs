//! Who gets which share of a function's calls.

use std::collections::BTreeSet;

use gateless_common::name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::function::Function;
use super::validate::Faults;
use super::{Error, FieldError};

/// The most targets of one function.
pub const MAX_TARGETS: usize = 64;

/// A share of the calls, a tag, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// A revision by name; null with `latest`.
    #[serde(default)]
    #[schema(example = "hello-00001")]
    pub revision: Option<String>,
    /// Follow the newest revision that was ready.
    #[serde(default)]
    pub latest: bool,
    /// 0 to 100; all targets together 100.
    #[schema(minimum = 0, maximum = 100, example = 100)]
    pub percent: u32,
    /// Reached as TAG-NAME by Host or path, whatever its share.
    #[serde(default)]
    pub tag: Option<String>,
}

/// A target with `latest` resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The revision.
    pub revision: String,
    /// 0 to 100.
    pub percent: u32,
    /// Its tag.
    pub tag: Option<String>,
}

/// What a new function has: everything to the newest ready revision.
pub fn default() -> Vec<Target> {
    vec![Target {
        revision: None,
        latest: true,
        percent: 100,
        tag: None,
    }]
}

/// For people: "80 % hello-00002, 20 % latest".
pub fn describe(targets: &[Target]) -> String {
    let target = |target: &Target| {
        let revision = target.revision.as_deref().unwrap_or("latest");
        match &target.tag {
            Some(tag) => format!("{} % {revision} (tag {tag})", target.percent),
            None => format!("{} % {revision}", target.percent),
        }
    };
    let parts: Vec<_> = targets.iter().map(target).collect();
    parts.join(", ")
}

/// Everything to one revision; tags stay, without a share.
pub fn pinned(current: &[Target], revision: &str) -> Vec<Target> {
    let mut targets = vec![Target {
        revision: Some(revision.to_owned()),
        latest: false,
        percent: 100,
        tag: None,
    }];
    for target in current.iter().filter(|t| t.tag.is_some()) {
        if target.revision.as_deref() == Some(revision) && targets[0].tag.is_none() {
            targets[0].tag.clone_from(&target.tag);
        } else {
            targets.push(Target {
                percent: 0,
                ..target.clone()
            });
        }
    }
    targets
}

/// Checks what people put.
///
/// # Errors
/// Every fault, with pointers into `{"targets": [...]}`; [`Error::Invalid`].
pub fn check(function: &Function, targets: &[Target]) -> Result<(), Error> {
    let mut faults = Faults::default();
    if targets.is_empty() || targets.len() > MAX_TARGETS {
        faults.add("/targets", format_args!("must have 1 to {MAX_TARGETS}"));
    }
    let mut tags = BTreeSet::new();
    for (index, target) in targets.iter().enumerate() {
        let pointer = |field: &str| format!("/targets/{index}/{field}");
        check_revision(&mut faults, function, target, &pointer("revision"));
        if target.percent > 100 {
            faults.add(pointer("percent"), "must be 0 to 100");
        }
        if let Some(tag) = &target.tag {
            faults.check(pointer("tag"), name::check_label(tag));
            if tag.len() + 1 + function.name.len() > 63 {
                faults.add(pointer("tag"), "TAG-NAME must have at most 63 characters");
            }
            if !tags.insert(tag) {
                faults.add(pointer("tag"), "this tag occurs twice");
            }
        } else if target.percent == 0 {
            faults.add(pointer("percent"), "must be above 0 when there is no tag");
        }
    }
    let sum: u64 = targets.iter().map(|t| u64::from(t.percent)).sum();
    if sum != 100 {
        faults.add(
            "/targets",
            format_args!("percentages must sum to 100, not {sum}"),
        );
    }
    faults.finish()
}

fn check_revision(faults: &mut Faults, function: &Function, target: &Target, pointer: &str) {
    match (&target.revision, target.latest) {
        (Some(_), true) => faults.add(pointer, "must be null when latest is true"),
        (None, false) => faults.add(pointer, "is required unless latest is true"),
        (None, true) => {}
        (Some(name), false) => match function.revision(name) {
            None => faults.add(pointer, format_args!("there is no revision {name}")),
            Some(head) if head.ready_at.is_none() && target.percent > 0 => faults.add(
                pointer,
                format_args!("{name} was never ready, so it can have a tag but no share"),
            ),
            Some(_) => {}
        },
    }
}

/// Targets as sidecars get them; empty while no revision was ever ready.
pub fn resolve(function: &Function) -> Vec<Resolved> {
    let Some(latest) = function.latest_ready() else {
        return Vec::new();
    };
    let mut resolved: Vec<Resolved> = Vec::new();
    for target in &function.traffic {
        let revision = target.revision.as_ref().unwrap_or(&latest.name);
        let same = |r: &&mut Resolved| r.revision == *revision && r.tag == target.tag;
        match resolved.iter_mut().find(same) {
            Some(existing) => existing.percent += target.percent,
            None => resolved.push(Resolved {
                revision: revision.clone(),
                percent: target.percent,
                tag: target.tag.clone(),
            }),
        }
    }
    resolved
}

/// The revision a rollback goes to: the one asked for, or the newest ready one before the one that
/// has the largest share now.
///
/// # Errors
/// [`Error::UnknownRevision`], [`Error::NeverReady`] or [`Error::NothingToRollBackTo`].
pub fn rollback_to(function: &Function, asked: Option<&str>) -> Result<String, Error> {
    if let Some(name) = asked {
        let head = function
            .revision(name)
            .ok_or_else(|| Error::UnknownRevision {
                function: function.full_name(),
                revision: name.chars().take(128).collect(),
            })?;
        return match head.ready_at {
            Some(_) => Ok(head.name.clone()),
            None => Err(Error::NeverReady {
                revision: head.name.clone(),
            }),
        };
    }
    let nothing = || Error::NothingToRollBackTo {
        function: function.full_name(),
    };
    let serving = resolve(function)
        .into_iter()
        .max_by_key(|target| target.percent)
        .and_then(|target| function.revision(&target.revision).map(|r| r.number))
        .ok_or_else(nothing)?;
    let before = |r: &&super::function::RevisionHead| r.number < serving && r.ready_at.is_some();
    let found = function.revisions.iter().rev().find(before);
    found.map(|r| r.name.clone()).ok_or_else(nothing)
}

/// For callers that have a single fault to report.
pub fn fault(pointer: &str, detail: &str) -> Error {
    Error::Invalid(vec![FieldError::new(pointer, detail)])
}
