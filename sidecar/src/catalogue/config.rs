//! The wire's resources turned into valid values, or refused with a reason.
//!
//! Everything a decision relies on is checked here, once: whoever holds a
//! [`Function`] need not ask again. Defaults are the server's; none is filled in here.
//! (Both ends of the conversion are foreign types, so it is functions, not `TryFrom`.)

mod access;
pub(crate) mod revision;
mod schedule;
mod setting;
pub(crate) mod trigger;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateless_common::settings;
use gateless_core::config::{AsyncPolicy, Function, SecretKey, TrafficTarget, Visibility};
use gateless_core::name::{FunctionName, RevisionName, check_label, secret_and_key};
use gateless_proto::v1;
use zeroize::Zeroizing;

use self::setting::{Kept, check, read};
pub use self::trigger::{Source, Trigger, trigger};

/// Why a resource is refused: where in it, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct Error {
    path: String,
    problem: String,
}

impl Error {
    fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            problem: problem.into(),
        }
    }

    fn within(mut self, parent: impl fmt::Display) -> Self {
        self.path = format!("{parent}.{}", self.path);
        self
    }
}

fn ensure(holds: bool, path: &str, problem: impl FnOnce() -> String) -> Result<(), Error> {
    if holds {
        Ok(())
    } else {
        Err(Error::new(path, problem()))
    }
}

fn required<T>(value: Option<T>, path: &str) -> Result<T, Error> {
    value.ok_or_else(|| Error::new(path, "is missing"))
}

fn label(text: &str, path: &str) -> Result<(), Error> {
    check_label(text).map_err(|e| Error::new(path, e.to_string()))
}

const fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A secret's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName {
    /// The namespace its users live in.
    pub namespace: String,
    /// Unique within the namespace.
    pub name: String,
}

/// A secret's values by key. `Debug` shows the keys only.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Namespace and name.
    pub name: SecretName,
    /// Value by key.
    pub data: BTreeMap<String, Bytes>,
    /// Catalogue version of its last change.
    pub generation: u64,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("name", &self.name)
            .field("keys", &self.data.keys())
            .finish_non_exhaustive()
    }
}

/// Converts a function with all its revisions.
///
/// # Errors
/// Says which field of it is wrong, and why.
pub fn function(wire: &v1::Function) -> Result<Function, Error> {
    let name = FunctionName::new(&wire.namespace, &wire.name)
        .map_err(|e| Error::new("name", e.to_string()))?;
    ensure(!wire.uid.is_empty(), "uid", || "is empty".into())?;
    ensure(!wire.revisions.is_empty(), "revisions", || {
        "is empty".into()
    })?;
    let mut seen = HashSet::new();
    let mut revisions = Vec::with_capacity(wire.revisions.len());
    for (index, one) in wire.revisions.iter().enumerate() {
        let at = |e: Error| e.within(format_args!("revisions[{index}]"));
        ensure(seen.insert(&one.name), "name", || {
            format!("{:?} occurs twice", one.name)
        })
        .map_err(at)?;
        revisions.push(Arc::new(revision::revision(&name, one).map_err(at)?));
    }
    let candidate = match wire.candidate.as_str() {
        "" => None,
        text => {
            let known = wire.revisions.iter().any(|r| r.name == text);
            ensure(known, "candidate", || format!("no revision {text:?}"))?;
            let full = RevisionName::new(name.clone(), text);
            Some(full.map_err(|e| Error::new("candidate", e.to_string()))?)
        }
    };
    let visibility = match wire.visibility() {
        v1::Visibility::Public => Visibility::Public,
        v1::Visibility::ClusterOnly => Visibility::ClusterOnly,
        v1::Visibility::Unspecified => return Err(Error::new("visibility", "is not known")),
    };
    let access = access::access(wire.access.as_ref(), name.namespace())?;
    Ok(Function {
        name,
        uid: wire.uid.as_str().into(),
        revisions,
        traffic: traffic(wire)?,
        candidate,
        settle: Duration::from_millis(wire.candidate_settle_ms),
        gave_back_at_ms: wire.gave_back_at_ms,
        visibility,
        access,
        async_policy: async_policy(required(wire.r#async.as_ref(), "async")?)?,
        callback_signing: callback_signing(wire.r#async.as_ref())?,
    })
}

fn traffic(wire: &v1::Function) -> Result<Vec<TrafficTarget>, Error> {
    let mut tags = HashSet::new();
    let mut sum = 0_u64;
    let mut targets = Vec::with_capacity(wire.traffic.len());
    for (index, target) in wire.traffic.iter().enumerate() {
        let at = |e: Error| e.within(format_args!("traffic[{index}]"));
        let mut revisions = wire.revisions.iter();
        let revision = revisions.position(|r| r.name == target.revision);
        let revision = revision
            .ok_or_else(|| Error::new("revision", format!("no revision {:?}", target.revision)))
            .map_err(at)?;
        let percent = u8::try_from(target.percent).unwrap_or(u8::MAX);
        ensure(percent <= 100, "percent", || "is above 100".into()).map_err(at)?;
        let tag = match target.tag.as_str() {
            "" => None,
            tag => {
                label(tag, "tag").map_err(at)?;
                ensure(tags.insert(tag), "tag", || format!("{tag:?} occurs twice")).map_err(at)?;
                Some(Arc::from(tag))
            }
        };
        sum += u64::from(percent);
        targets.push(TrafficTarget {
            revision,
            percent,
            tag,
        });
    }
    ensure(targets.is_empty() || sum == 100, "traffic", || {
        format!("percentages sum to {sum}, not 100")
    })?;
    Ok(targets)
}

fn callback_signing(wire: Option<&v1::AsyncPolicy>) -> Result<Option<SecretKey>, Error> {
    match wire.map_or("", |wire| &wire.callback_signing) {
        "" => Ok(None),
        text => {
            let at = |why: &str| Error::new("async.callback_signing", why.to_owned());
            let (secret, key) = secret_and_key(text).map_err(at)?;
            Ok(Some(SecretKey {
                secret: secret.into(),
                key: key.into(),
            }))
        }
    }
}

fn async_policy(wire: &v1::AsyncPolicy) -> Result<AsyncPolicy, Error> {
    let at = |e: Error| e.within("async");
    let read = settings!(async => read AsyncPolicy, wire, {}).map_err(at)?;
    ensure(
        read.backoff_base <= read.backoff_max,
        "backoff_base_ms",
        || "is above backoff_max_ms".into(),
    )
    .map_err(at)?;
    Ok(read)
}

/// Converts a secret.
///
/// # Errors
/// Says which field of it is wrong, and why; never shows a value.
pub fn secret(wire: &v1::Secret) -> Result<Secret, Error> {
    label(&wire.namespace, "namespace")?;
    label(&wire.name, "name")?;
    let data = &wire.data;
    ensure(data.keys().all(|key| !key.is_empty()), "data", || {
        "a key is empty".into()
    })?;
    // Wiped when nobody has it any more.
    let value = |(key, value): (&String, &Vec<u8>)| {
        let value = Zeroizing::new(value.clone());
        (key.clone(), Bytes::from_owner(value))
    };
    Ok(Secret {
        name: SecretName {
            namespace: wire.namespace.clone(),
            name: wire.name.clone(),
        },
        data: data.iter().map(value).collect(),
        generation: wire.generation,
    })
}

#[cfg(test)]
pub(crate) mod tests;
