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
    Entry, Error, ExportSummary, Health, Page, Result, Revision, Store, Transaction, Transactions,
    Watch, Write, export,
};

/// A [`Store`] in memory.
pub struct MemoryStore {
    inner: Arc<Inner>,
    transactions: bool,
}

struct Inner {
    shared: Arc<Shared>,
    /// How far apart revisions are.
    step: Revision,
    /// A lock, as a write is decided and applied in two steps.
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
        Self::with(bounds, 1, true)
    }

    /// An empty store that offers no more than every store must: no transactions, and revisions far apart.
    /// What works on it works on any.
    pub fn minimal(bounds: LogBounds) -> Self {
        Self::with(bounds, 7, false)
    }

    fn with(bounds: LogBounds, step: Revision, transactions: bool) -> Self {
        let state = State::new(Uuid::new_v4(), bounds);
        Self {
            transactions,
            inner: Arc::new(Inner {
                shared: Shared::new(state),
                step,
                writer: Mutex::new(()),
                closed: AtomicBool::new(false),
            }),
        }
    }

    /// Refuses writes from now on (`Some`), as a durable store does after its disk failed, or
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

    fn write(&self, transaction: Transaction) -> Result<Revision> {
        let _writer = self.writer.lock();
        self.writable()?;
        let (revision, plan) = {
            let state = self.shared.state.read();
            let mut planner = Planner::new(&state, self.step);
            (planner.add(transaction)?, planner.finish())
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

    fn write(&self, write: Write) -> BoxFuture<'_, Result<Revision>> {
        async move { self.inner.write(write.into()) }.boxed()
    }

    fn transactions(&self) -> Option<&dyn Transactions> {
        self.transactions.then_some(self)
    }

    fn watch<'a>(&'a self, prefix: &'a str, after: Revision) -> BoxFuture<'a, Result<Watch>> {
        future::ready(self.inner.shared.watch(prefix, after)).boxed()
    }

    fn revision(&self) -> BoxFuture<'_, Result<Revision>> {
        future::ready(Ok(self.inner.shared.revision())).boxed()
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

impl Transactions for MemoryStore {
    fn transact(&self, transaction: Transaction) -> BoxFuture<'_, Result<Revision>> {
        async move { self.inner.write(transaction) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{Subject, conformance_tests};

    fn subject(store: MemoryStore) -> Subject {
        Subject {
            store: Arc::new(store),
            dir: None,
        }
    }

    mod whole {
        use super::*;

        async fn make(bounds: LogBounds) -> Subject {
            subject(MemoryStore::new(bounds))
        }

        conformance_tests!(make, transactions: true);
    }

    mod minimal {
        use super::*;

        async fn make(bounds: LogBounds) -> Subject {
            subject(MemoryStore::minimal(bounds))
        }

        conformance_tests!(make, transactions: false);
    }
}
