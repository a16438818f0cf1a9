//! Fetches bundles when the catalogue first names them, not when a call waits for them.
//!
//! So a cold start needs no server and no download. One at a time, in the background; what
//! cannot be fetched is tried again when the catalogue changes or the server is back. It
//! starts nothing, and a start that comes first fetches for itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::control::{Catalogue, Handle};

/// Runs until the catalogue's source ends.
pub(crate) async fn run(control: Arc<Handle>) {
    let (mut catalogue, mut connected) = (control.catalogue(), control.connected());
    loop {
        let wanted = bundles(&catalogue.borrow_and_update());
        connected.mark_unchanged();
        for sha256 in wanted {
            if let Err(error) = control.fetch_artifact(&sha256).await {
                tracing::debug!(sha256, %error, "bundle not fetched ahead");
            }
            if catalogue.has_changed().unwrap_or(true) {
                break;
            }
        }
        let changed = tokio::select! {
            changed = catalogue.changed() => changed,
            changed = connected.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Bundles of every revision that can be called.
fn bundles(catalogue: &Catalogue) -> BTreeSet<String> {
    let revisions = catalogue
        .functions
        .values()
        .flat_map(|function| &function.revisions);
    revisions
        .filter_map(|revision| revision.runtime.artifact().map(str::to_owned))
        .collect()
}
