//! What commands that broke off leave behind is removed: revisions no function names.
//!
//! A revision's record is written before the function names it, and removed after the function forgot it. Whoever
//! dies in between leaves a record that changes nothing. Several servers may look for such at once.

use std::time::Duration;

use jiff::Timestamp;

use super::commit::{Versioned, keys, parse};
use super::{Error, Result, Service};
use crate::domain::function::{Function, Revision};
use crate::store::Entry;

/// A record this young may be about to be named: longer than any command, and than clocks of servers differ.
pub const GRACE: Duration = Duration::from_secs(3600);
/// Records looked at together.
const PAGE: usize = 500;

impl Service {
    /// Removes records of revisions that no function names, and says how many there were.
    ///
    /// # Errors
    /// The store's.
    pub async fn collect_revisions(&self, now: Timestamp) -> Result<u64> {
        let (mut removed, mut after) = (0, None::<String>);
        let mut function = None;
        loop {
            let page = self
                .store
                .scan("revisions/", after.as_deref(), PAGE)
                .await?;
            for entry in &page.entries {
                if self.is_garbage(entry, &mut function, now).await? && self.forget(entry).await? {
                    removed += 1;
                }
            }
            after = page.entries.last().map(|entry| entry.key.clone());
            if !page.more {
                return Ok(removed);
            }
        }
    }

    /// `function`: the one of the record before, as records come in the order of their functions.
    async fn is_garbage(
        &self,
        entry: &Entry,
        function: &mut Option<(String, Option<Function>)>,
        now: Timestamp,
    ) -> Result<bool> {
        let revision = match parse::<Revision>(entry) {
            Ok(Versioned { value, .. }) => value,
            Err(Error::Record { key, reason }) => {
                tracing::error!(key, reason, "a record is not readable and is left alone");
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let age = now.duration_since(revision.created_at);
        if age.unsigned_abs() < GRACE {
            return Ok(false);
        }
        let mut path = entry.key.split('/').skip(1);
        let (Some(namespace), Some(name)) = (path.next(), path.next()) else {
            return Ok(false);
        };
        let key = keys::function(namespace, name);
        if function.as_ref().is_none_or(|(of, _)| *of != key) {
            let found = self.load::<Function>(&key).await?;
            *function = Some((key, found.map(|found| found.value)));
        }
        let named = function.as_ref().and_then(|(_, found)| found.as_ref());
        Ok(!named.is_some_and(|function| function.has(&revision.uid)))
    }
}
