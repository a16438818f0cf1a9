//! A bell for the whole server: something changed, look again.
//!
//! It says neither what changed nor how: whoever wakes reads the store or the registry, which are the truth. So it
//! belongs to neither of those two, and both ring it.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells whoever waits that something changed: the catalogue, or what sidecars report. Clones are the same bell.
#[derive(Debug, Clone)]
pub struct Changes(Arc<watch::Sender<u64>>);

impl Default for Changes {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Changes {
    /// Wakes everybody who subscribed. Never waits.
    pub fn bump(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// A receiver that wakes at later changes; one that comes late sees the last only.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}
