//! Whether an uploaded artifact is a component sidecars can run: read once, remembered by its digest.
//!
//! The verdict follows from the bytes alone, so it never becomes wrong; it is not stored, as a later version of
//! the server may know better.

use std::collections::{HashMap, VecDeque};

use futures_util::TryStreamExt as _;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{Error, Kind, Result, Service};
use crate::domain::component::{self, Fault, Handler};
use crate::domain::spec::Wasm;
use crate::domain::validate::Faults;
use crate::store;
use crate::store::blobs::Digest;

/// Verdicts remembered; the oldest go. A few hundred bytes each.
const MAX_REMEMBERED: usize = 10_000;

type Verdict = Result<Handler, Fault>;

/// What is known of components.
pub(super) struct Components {
    /// A short lock, never across `.await`.
    known: Mutex<Known>,
    /// One at a time: an artifact is whole in memory while it is judged.
    turn: Semaphore,
}

#[derive(Default)]
struct Known {
    verdicts: HashMap<Digest, Verdict>,
    /// In the order they came in.
    order: VecDeque<Digest>,
}

impl Default for Components {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            turn: Semaphore::new(1),
        }
    }
}

impl Components {
    fn get(&self, digest: Digest) -> Option<Verdict> {
        self.known.lock().verdicts.get(&digest).cloned()
    }

    fn remember(&self, digest: Digest, verdict: Verdict) {
        let mut known = self.known.lock();
        if known.verdicts.insert(digest, verdict).is_none() {
            known.order.push_back(digest);
        }
        if known.order.len() > MAX_REMEMBERED
            && let Some(oldest) = known.order.pop_front()
        {
            known.verdicts.remove(&oldest);
        }
    }
}

impl Service {
    /// Judges the component and what its limits leave it to begin with.
    pub(super) async fn check_component(&self, wasm: &Wasm, faults: &mut Faults) -> Result<()> {
        let handler = match self.verdict(wasm.component.sha256.parse()?).await? {
            Ok(handler) => handler,
            Err(fault) => {
                faults.add("/spec/wasm/component", fault);
                return Ok(());
            }
        };
        let memory = handler.memory_bytes;
        if memory > wasm.memory_bytes {
            faults.add(
                "/spec/wasm/memory_bytes",
                format_args!("the component begins with {memory} bytes of memory"),
            );
        }
        let elements = handler.table_elements;
        if elements > u64::from(wasm.max_table_elements) {
            faults.add(
                "/spec/wasm/max_table_elements",
                format_args!("the component begins with a table of {elements} elements"),
            );
        }
        Ok(())
    }

    async fn verdict(&self, digest: Digest) -> Result<Verdict> {
        if let Some(verdict) = self.components.get(digest) {
            return Ok(verdict);
        }
        // Never closed, so it always gives a permit.
        let _turn = self.components.turn.acquire().await;
        if let Some(verdict) = self.components.get(digest) {
            return Ok(verdict);
        }
        let artifact = self.artifacts.get(digest).await?;
        let artifact =
            artifact.ok_or_else(|| Error::not_found(Kind::Artifact, digest.to_string()))?;
        let unreadable = |source| store::Error::Io {
            what: format!("reading artifact {digest}"),
            source,
        };
        let mut content = Vec::with_capacity(usize::try_from(artifact.size_bytes).unwrap_or(0));
        let mut chunks = artifact.content;
        while let Some(chunk) = chunks.try_next().await.map_err(unreadable)? {
            content.extend_from_slice(&chunk);
        }
        let judged = tokio::task::spawn_blocking(move || component::inspect(&content));
        let verdict = judged.await.map_err(|error| unreadable(error.into()))?;
        self.components.remember(digest, verdict.clone());
        Ok(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_verdict_is_forgotten_first() {
        let components = Components::default();
        let digest = |n: usize| Digest::of(&n.to_le_bytes());
        for n in 0..=MAX_REMEMBERED {
            let exports = Vec::new();
            components.remember(digest(n), Err(Fault::World { exports }));
        }
        assert!(components.get(digest(0)).is_none());
        assert!(components.get(digest(1)).is_some());
        assert!(components.get(digest(MAX_REMEMBERED)).is_some());
        let known = components.known.lock();
        assert_eq!(known.verdicts.len(), MAX_REMEMBERED);
        assert_eq!(known.order.len(), MAX_REMEMBERED);
    }
}
