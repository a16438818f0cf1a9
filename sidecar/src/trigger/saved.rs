//! What a restart must not forget of triggers: `DATA/triggers.json`, replaced as a whole.
//!
//! It may be up to a second old when the process is killed: what was fired since is fired again, and
//! the queue knows by its idempotency key that it has that call. Blocking: not for async tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use gateless_common::io::{PRIVATE, replace};
use gateless_core::time::Time;
use gateless_core::trigger::{Known, Level, SetBack, Uid};
use serde::{Deserialize, Serialize};

use super::stats::Counts;
use crate::queue::clock::millis;

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Saved {
    /// Up to when everything of a trigger is settled, Unix milliseconds by uid.
    settled_ms: BTreeMap<String, u64>,
    /// The last call of a trigger, by uid.
    calls: BTreeMap<String, String>,
    /// Triggers a time of which waits for their last call, by uid.
    waits: BTreeSet<String>,
    /// How often the clock was set back, and how far it had come, Unix milliseconds, by uid.
    set_back: BTreeMap<String, (u32, u64)>,
    /// What triggers did, by uid.
    pub(super) counts: BTreeMap<String, Counts>,
}

impl Saved {
    pub(super) fn new(
        levels: impl Iterator<Item = Level>,
        set_back: impl Iterator<Item = (Uid, SetBack)>,
        counts: BTreeMap<String, Counts>,
    ) -> Self {
        let (mut settled_ms, mut calls) = (BTreeMap::new(), BTreeMap::new());
        let mut waits = BTreeSet::new();
        for (uid, known) in levels {
            if known.waits {
                waits.insert(uid.to_string());
            }
            settled_ms.insert(uid.to_string(), millis(known.settled));
            calls.extend(known.call.map(|call| (uid.to_string(), call.to_string())));
        }
        Self {
            settled_ms,
            calls,
            waits,
            set_back: set_back
                .map(|(uid, SetBack { count, until })| (uid.to_string(), (count, millis(until))))
                .collect(),
            counts,
        }
    }

    pub(super) fn levels(&self) -> Vec<Level> {
        let settled = self.settled_ms.iter();
        settled
            .map(|(uid, ms)| {
                let settled = Time::from_millis(*ms);
                let call = self.calls.get(uid).map(|call| call.as_str().into());
                let known = Known {
                    settled,
                    call,
                    waits: self.waits.contains(uid),
                };
                (uid.as_str().into(), known)
            })
            .collect()
    }
}

impl Saved {
    pub(super) fn set_back(&self) -> Vec<(Uid, SetBack)> {
        let known = self.set_back.iter().map(|(uid, &(count, until))| {
            let until = Time::from_millis(until);
            (uid.as_str().into(), SetBack { count, until })
        });
        known.collect()
    }
}

/// What was saved; nothing if it is not there or does not read, which is logged.
pub(super) fn load(path: &Path) -> Saved {
    let read = || -> io::Result<Saved> {
        let bytes = fs::read(path)?;
        Ok(serde_json::from_slice(&bytes)?)
    };
    match read() {
        Ok(saved) => saved,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Saved::default(),
        Err(error) => {
            tracing::error!(%error, path = %path.display(),
                "what triggers fired is not readable; others may know it");
            Saved::default()
        }
    }
}

pub(super) fn save(path: &Path, saved: &Saved) -> io::Result<()> {
    replace(path, &serde_json::to_vec(saved)?, PRIVATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_also_a_released_versions_and_damage_is_nothing() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("triggers.json");
        assert_eq!(load(&path), Saved::default());
        let counts = Counts {
            delivered: 7,
            last_error: "ä".into(),
            ..Counts::default()
        };
        let counts = BTreeMap::from([("u".to_owned(), counts)]);
        let known = Known {
            settled: Time::from_millis(5000),
            call: Some("call".into()),
            waits: true,
        };
        let levels = vec![("u".into(), known)];
        let set_back = SetBack {
            count: 2,
            until: Time::from_millis(7000),
        };
        let set_back = vec![("u".into(), set_back)];
        let saved = Saved::new(
            levels.clone().into_iter(),
            set_back.clone().into_iter(),
            counts,
        );
        save(&path, &saved).unwrap();
        assert_eq!(load(&path), saved);
        assert_eq!(load(&path).levels(), levels);
        assert_eq!(load(&path).set_back(), set_back);
        let (kept, is_to_be_made) = crate::tests::released("triggers.json");
        if is_to_be_made {
            save(&kept, &saved).unwrap();
        }
        // It knew nothing of the call that a time made, nor of what waits for that.
        let known = Known {
            settled: Time::from_millis(5000),
            call: None,
            waits: false,
        };
        assert_eq!(load(&kept).levels(), [("u".into(), known)]);
        fs::write(&path, b"{\"settled_ms").unwrap();
        assert_eq!(load(&path), Saved::default());
    }
}
