//! Following what is under a prefix for as long as the store lives: what is there, then every change.
//!
//! A follower that fell behind the change log, or whose watch broke off, is told to start over. It never ends
//! because of a store that is away for a while, and it holds nothing but its place. What is done with a change is
//! its caller's.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use gateless_common::backoff::{Backoff, Reconnect};

use super::{Batch, Error, Listing, Result, Store, Watch, list};

/// Between two attempts to reach a store that fails.
const RETRY: Backoff = Backoff {
    base: Duration::from_millis(100),
    max: Duration::from_secs(5),
};

/// What a follower learns.
#[derive(Debug)]
pub enum Update {
    /// Whatever was known is void; this is everything there is now. It comes first, and again after a gap.
    Reset(Listing),
    /// The next change.
    Changed(Batch),
}

/// A place in the history of a prefix.
pub struct Follow {
    store: Arc<dyn Store>,
    prefix: &'static str,
    /// Whether a reset brings the entries, or only says when.
    entries: bool,
    watch: Option<Watch>,
    retry: Reconnect,
}

impl Follow {
    /// Brings the entries under `prefix`, then every change of them.
    pub fn entries(store: Arc<dyn Store>, prefix: &'static str) -> Self {
        Self {
            store,
            prefix,
            entries: true,
            watch: None,
            retry: Reconnect::new(RETRY),
        }
    }

    /// Brings changes only; a reset says from when on, and that some may be missing.
    pub fn changes(store: Arc<dyn Store>, prefix: &'static str) -> Self {
        Self {
            entries: false,
            ..Self::entries(store, prefix)
        }
    }

    /// The next update; `None` once the store is closed. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Update> {
        loop {
            let failed = match &mut self.watch {
                None => match start(&self.store, self.prefix, self.entries).await {
                    Ok((listing, watch)) => {
                        self.watch = Some(watch);
                        return Some(Update::Reset(listing));
                    }
                    Err(error) => error,
                },
                Some(watch) => match watch.next().await? {
                    Ok(batch) => {
                        self.retry.succeeded();
                        return Some(Update::Changed(batch));
                    }
                    Err(error) => error,
                },
            };
            self.watch = None;
            match failed {
                // Not a fault: it lists again, from where the log reaches back to.
                Error::Compacted { .. } => {}
                Error::Closed => return None,
                error => self.pause(&error).await,
            }
        }
    }

    async fn pause(&mut self, error: &Error) {
        tracing::warn!(%error, prefix = self.prefix, "the catalogue cannot be followed; trying again");
        tokio::time::sleep(self.retry.failed(rand::random())).await;
    }
}

async fn start(store: &Arc<dyn Store>, prefix: &str, entries: bool) -> Result<(Listing, Watch)> {
    let listing = match entries {
        true => list(&**store, prefix).await?,
        false => Listing {
            entries: Vec::new(),
            revision: store.revision().await?,
        },
    };
    let watch = store.watch(prefix, listing.revision).await?;
    Ok((listing, watch))
}
