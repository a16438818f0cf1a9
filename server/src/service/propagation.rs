//! How far a change has come: which sidecars have it, which do not have it yet, and waiting for that.
//!
//! A change is made when the store has it, and holds where a sidecar has applied it. Whoever made it may want to know of both.

use std::time::Duration;

use super::{Result, Service};
use crate::clock;
use crate::sidecars::Propagation;
use crate::store::Revision;

impl Service {
    /// The version of the last change that concerns sidecars, as far as this server has followed the store.
    pub fn last_pushed(&self) -> Revision {
        self.pushed.last()
    }

    /// Waits until every connected sidecar has what was changed after the version `before`, or until `timeout`, and says how far
    /// that came. `None`: nothing was changed since that concerns sidecars.
    ///
    /// # Errors
    /// The store's.
    pub async fn propagation(
        &self,
        before: Revision,
        timeout: Duration,
    ) -> Result<Option<Propagation>> {
        let deadline = clock::instant() + timeout;
        let made = self.store.revision().await?;
        let mut followed = self.pushed.followed();
        let known = async {
            followed
                .wait_for(|followed| *followed >= made)
                .await
                .is_ok()
        };
        let known = tokio::time::timeout_at(deadline, known).await;
        let version = self.pushed.last();
        let version = match known {
            Ok(true) if version <= before => return Ok(None),
            Ok(true) => version,
            // This server is behind its own store: whether it concerns them is not known.
            _ => made,
        };
        let mut changes = self.changes.subscribe();
        loop {
            // Mark what is known as seen first: what comes after it wakes `changed` below.
            changes.borrow_and_update();
            let propagation = self.registry.propagation(version);
            if propagation.behind.count == 0 {
                return Ok(Some(propagation));
            }
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => return Ok(Some(propagation)),
                changed = changes.changed() => if changed.is_err() {
                    return Ok(Some(propagation));
                },
            }
        }
    }
}
