//! A store that forgets: for tests, and for trying things out. Same rules as the durable one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{self, BoxFuture, FutureExt};
use parking_lot::Mutex;
use uuid::Uuid;

use super::plan::Planner;
use super::shared::{Shared, blocking};
use super::state::{LogBounds, State};
use super::{
    Commit, Entry, Error, ExportSummary, Health, Page, Result, Revision, Store, Watch, export,
};

/// A [`Store`] in memory.
pub struct MemoryStore {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// A lock, as a commit is decided and applied in two steps.
    writer: Mutex<()>,
    closed: AtomicBool,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(LogBounds::default())
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new(bounds: LogBounds) -> Self {
        let state = State::new(Uuid::new_v4(), bounds);
        Self {
            inner: Arc::new(Inner {
                shared: Shared::new(state),
                writer: Mutex::new(()),
                closed: AtomicBool::new(false),
            }),
        }
    }

    /// Refuses commits from now on (`Some`), as a durable store does after its disk failed, or
    /// accepts them again.
    pub fn set_read_only(&self, reason: Option<String>) {
        self.inner.shared.set_read_only(reason);
    }
}

impl Inner {
    fn writable(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        self.shared.writable()
    }

    fn commit(&self, commit: Commit) -> Result<Revision> {
        let _writer = self.writer.lock();
        self.writable()?;
        let (revision, plan) = {
            let state = self.shared.state.read();
            let mut planner = Planner::new(&state);
            (planner.add(commit)?, planner.finish())
        };
        if !plan.batches.is_empty() {
            self.shared.publish(|state| state.apply(plan));
        }
        Ok(revision)
    }

    fn import(&self, from: &mut dyn io::BufRead) -> Result<ExportSummary> {
        let export = export::read(from)?;
        let _writer = self.writer.lock();
        self.writable()?;
        let revision = self.shared.revision();
        if revision > 0 {
            return Err(Error::NotEmpty { revision });
        }
        let summary = export.summary();
        self.shared.publish(|state| state.replace(export));
        Ok(summary)
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>>> {
        future::ready(Ok(self.inner.shared.state.read().get(key).cloned())).boxed()
    }

    fn scan<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page>> {
        let page = self.inner.shared.state.read().scan(prefix, after, limit);
        future::ready(Ok(page)).boxed()
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Revision>> {
        async move { self.inner.commit(commit) }.boxed()
    }

    fn watch<'a>(&'a self, prefix: &'a str, from: Revision) -> BoxFuture<'a, Result<Watch>> {
        future::ready(self.inner.shared.watch(prefix, from)).boxed()
    }

    fn revision(&self) -> Revision {
        self.inner.shared.revision()
    }

    fn identity(&self) -> Uuid {
        self.inner.shared.state.read().identity
    }

    fn health(&self) -> Health {
        self.inner.shared.health()
    }

    fn export(&self, to: Box<dyn io::Write + Send>) -> BoxFuture<'_, Result<ExportSummary>> {
        self.inner.shared.export(to)
    }

    fn import(
        &self,
        mut from: Box<dyn io::BufRead + Send>,
    ) -> BoxFuture<'_, Result<ExportSummary>> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.import(&mut *from)).boxed()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.closed.store(true, Ordering::Release);
        self.inner.shared.close();
        future::ready(Ok(())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{Subject, conformance_tests};

    async fn make(bounds: LogBounds) -> Subject {
        Subject {
            store: Arc::new(MemoryStore::new(bounds)),
            dir: None,
        }
    }

    conformance_tests!(make);
}
