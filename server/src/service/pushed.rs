//! Which changes of the catalogue concern sidecars, whoever made them: this server or another on the same store.
//!
//! Learnt from a watch alone, so that several servers agree. Only changes since this server started are counted:
//! what was before, a sidecar is sent when it connects.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::resources::PUSHED;
use crate::changes::Changes;
use crate::clock;
use crate::domain::function::{Function, RevisionHead};
use crate::domain::rollout::probation::Ages;
use crate::store::{Event, Follow, Revision, Store, Update};

const SECRETS: &str = "secrets/";
const FUNCTIONS: &str = "functions/";
/// The most changes counted; who is further behind is that far behind at least.
const MOST: usize = 10_000;

/// The versions of those changes.
#[derive(Clone)]
pub(super) struct Pushed {
    versions: Arc<Mutex<BTreeSet<Revision>>>,
    /// The version up to which the store was followed.
    followed: Arc<watch::Sender<Revision>>,
    /// Of every secret that was changed since this server started, by key.
    secrets: Arc<Mutex<BTreeMap<String, Revision>>>,
    /// For how long revisions have had their calls.
    ages: Arc<Mutex<Ages>>,
    started: Instant,
}

impl Default for Pushed {
    /// Of a server that starts now.
    fn default() -> Self {
        Self {
            versions: Arc::default(),
            followed: Arc::default(),
            secrets: Arc::default(),
            ages: Arc::new(Mutex::new(Ages::new(clock::now()))),
            started: clock::instant(),
        }
    }
}

impl Pushed {
    /// A function is about to be changed here, or was elsewhere.
    pub(super) fn changed(&self, function: &Function) {
        let now = self.since_start();
        self.ages.lock().changed(function, now);
    }

    /// For how long a revision has had its calls; `None`: it has none.
    pub(super) fn age(&self, head: &RevisionHead) -> Option<Duration> {
        let now = self.since_start();
        self.ages.lock().of(head, now)
    }

    fn since_start(&self) -> Duration {
        clock::instant().duration_since(self.started)
    }

    /// The version of a secret's last change.
    pub(super) fn secret(&self, key: &str) -> Option<Revision> {
        self.secrets.lock().get(key).copied()
    }

    /// A secret was changed here: whoever asks next must know, also before the watch tells.
    pub(super) fn secret_changed(&self, key: &str, version: Revision) {
        let mut secrets = self.secrets.lock();
        let known = secrets.entry(key.to_owned()).or_default();
        *known = version.max(*known);
    }

    fn learn(&self, event: &Event) {
        match event {
            Event::Put(entry) if entry.key.starts_with(SECRETS) => {
                self.secret_changed(&entry.key, entry.revision);
            }
            Event::Delete { key, .. } if key.starts_with(SECRETS) => {
                self.secrets.lock().remove(key);
            }
            // One that is not readable is told of by who uses it.
            Event::Put(entry) if entry.key.starts_with(FUNCTIONS) => {
                if let Ok(function) = serde_json::from_slice(&entry.value) {
                    self.changed(&function);
                }
            }
            Event::Put(_) | Event::Delete { .. } => {}
        }
    }

    /// How many there were after a version.
    pub(super) fn since(&self, version: Revision) -> u64 {
        let versions = self.versions.lock();
        let later = (Bound::Excluded(version), Bound::Unbounded);
        versions.range(later).count() as u64
    }

    /// The last of them; 0: none since this server started.
    pub(super) fn last(&self) -> Revision {
        self.versions.lock().last().copied().unwrap_or_default()
    }

    /// Up to which version they are known.
    pub(super) fn followed(&self) -> watch::Receiver<Revision> {
        self.followed.subscribe()
    }

    fn add(&self, version: Revision) {
        let mut versions = self.versions.lock();
        versions.insert(version);
        if versions.len() > MOST {
            versions.pop_first();
        }
    }

    /// Follows the store, and wakes whoever waits for changes, until the handle is dropped or the store is closed.
    pub(super) fn follow(&self, store: Arc<dyn Store>, changes: Changes) -> AbortOnDropHandle<()> {
        let pushed = self.clone();
        let task = async move {
            let mut follow = Follow::changes(store, "");
            let mut first = true;
            while let Some(update) = follow.next().await {
                if let Update::Changed(batch) = &update {
                    batch.events.iter().for_each(|event| pushed.learn(event));
                }
                let (concerns, version) = match update {
                    Update::Changed(batch) => (batch.events.iter().any(concerns), batch.revision),
                    // After a gap: something that concerns them may have been in it.
                    Update::Reset(listing) => (!first, listing.revision),
                };
                if concerns {
                    pushed.add(version);
                }
                pushed.followed.send_replace(version);
                if concerns || first {
                    changes.bump();
                }
                first = false;
            }
        };
        AbortOnDropHandle::new(tokio::spawn(task))
    }
}

fn concerns(event: &Event) -> bool {
    PUSHED.iter().any(|prefix| event.key().starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted_and_not_subtracted() {
        let pushed = Pushed::default();
        for version in [7, 100, 5_000] {
            pushed.add(version);
        }
        let since = [0, 6, 7, 99, 100, 4_999, 5_000, u64::MAX];
        let counts = since.map(|version| pushed.since(version));
        assert_eq!(counts, [3, 3, 2, 2, 1, 1, 0, 0]);
        for version in 0..2 * MOST as u64 {
            pushed.add(version);
        }
        assert_eq!(pushed.since(0), MOST as u64);
    }
}
