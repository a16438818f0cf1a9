//! Functions and revisions as the catalogue keeps them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::spec::Spec;
use super::traffic::Target;

/// A function. Its version is the store's revision of its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Changes when it is deleted and created again.
    pub uid: String,
    /// When it was first applied.
    pub created_at: Timestamp,
    /// When the catalogue last changed it.
    pub updated_at: Timestamp,
    /// Free text for people and filters.
    pub labels: BTreeMap<String, String>,
    /// As last applied.
    pub spec: Spec,
    /// As declared; `latest` is not resolved.
    pub traffic: Vec<Target>,
    /// Every revision it still has, oldest first.
    pub revisions: Vec<RevisionHead>,
    /// Whose calls it takes where its spec asks for a key; by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, CallerKey>,
    /// Number of the newest revision there ever was.
    pub last_number: u64,
}

/// A caller's key to one function. The key itself is kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerKey {
    /// SHA-256 of the key, 64 lowercase hex digits.
    pub sha256: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops being one; left out: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// What decisions need to know of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionHead {
    /// For example `hello-00001`.
    pub name: String,
    /// The revision's own: names its record.
    pub uid: String,
    /// Its number.
    pub number: u64,
    /// When an instance had been ready for long enough (or none had to be).
    pub ready_at: Option<Timestamp>,
    /// It took calls once and ended soon after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gave_back: Option<GaveBack>,
}

/// Why a revision lost the calls it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GaveBack {
    /// When.
    pub at: Timestamp,
    /// How its instance ended.
    pub cause: String,
}

/// A revision: immutable but for `ready_at`, which is in its head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// For example `hello-00001`.
    pub name: String,
    /// Unique over all time.
    pub uid: String,
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// With every default filled in.
    pub spec: Spec,
}

impl Function {
    /// The newest revision.
    pub fn latest(&self) -> Option<&RevisionHead> {
        self.revisions.last()
    }

    /// The newest revision that was ever ready: where `latest` traffic goes.
    pub fn latest_ready(&self) -> Option<&RevisionHead> {
        self.revisions.iter().rev().find(|r| r.ready_at.is_some())
    }

    /// The newest revision while it was never ready, or gave its calls back and has to show anew that it works.
    pub fn candidate(&self) -> Option<&RevisionHead> {
        self.latest().filter(|r| r.ready_at.is_none())
    }

    /// One of its revisions.
    pub fn revision(&self, name: &str) -> Option<&RevisionHead> {
        self.revisions.iter().find(|r| r.name == name)
    }

    /// Whether a revision's uid is that of one of its own.
    pub fn has(&self, uid: &str) -> bool {
        self.revisions.iter().any(|r| r.uid == uid)
    }

    /// `NAMESPACE/NAME`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}
