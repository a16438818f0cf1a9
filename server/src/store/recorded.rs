//! A store that can say what was changed in it while something was done: for the audit log.
//!
//! The one place every change passes, so that none is left out by whoever makes it. What is not recorded passes untouched.
//! It knows keys and bytes; which of them are to be shown is the audit log's business.

use std::future::Future;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use uuid::Uuid;

use super::{
    Entry, ExportSummary, Health, Page, Result, Revision, Store, Transaction, Transactions, Watch,
    Write,
};

tokio::task_local! {
    static CHANGES: Changes;
}

/// Does something whose changes belong to nobody who asked for something: they follow from time alone.
pub async fn apart<T>(work: impl Future<Output = T>) -> T {
    Changes::default().of(work).await
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// What it was; `None`: it was not there.
    pub before: Option<Bytes>,
    /// What it is; `None`: it was removed.
    pub after: Option<Bytes>,
}

/// What was changed so far; what was begun, and never heard of again, may have happened and is in it.
#[derive(Debug, Clone, Default)]
pub struct Changes(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// How many writes were begun; each has its number.
    begun: u64,
    changes: Vec<(u64, Change)>,
}

impl Changes {
    /// Does something and records what it changes, also when it is dropped before its end.
    pub async fn of<T>(&self, work: impl Future<Output = T>) -> T {
        CHANGES.scope(self.clone(), work).await
    }

    /// What there is.
    pub fn take(&self) -> Vec<Change> {
        let changes = std::mem::take(&mut self.0.lock().changes);
        changes.into_iter().map(|(_, change)| change).collect()
    }

    fn begin(&self, changes: Vec<Change>) -> u64 {
        let mut inner = self.0.lock();
        inner.begun += 1;
        let number = inner.begun;
        let numbered = changes.into_iter().map(|change| (number, change));
        inner.changes.extend(numbered);
        number
    }

    fn end(&self, write: u64, happened: bool) {
        if !happened {
            let mut inner = self.0.lock();
            inner.changes.retain(|(number, _)| *number != write);
        }
    }
}

/// A store whose changes can be recorded.
pub struct Recorded(Arc<dyn Store>);

impl Recorded {
    /// Over another store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    async fn record(
        &self,
        writes: &[Write],
        work: impl Future<Output = Result<Revision>>,
    ) -> Result<Revision> {
        let Ok(changes) = CHANGES.try_with(Clone::clone) else {
            return work.await;
        };
        let mut begun = Vec::new();
        for write in writes {
            // Whoever expects a revision changes just what it was read at.
            let before = self.0.get(&write.key).await?;
            begun.push(Change {
                key: write.key.clone(),
                before: before.map(|entry| entry.value),
                after: write.value.clone(),
            });
        }
        let number = changes.begin(begun);
        let done = work.await;
        changes.end(number, done.is_ok());
        done
    }
}

impl Store for Recorded {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>>> {
        self.0.get(key)
    }

    fn scan<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page>> {
        self.0.scan(prefix, after, limit)
    }

    fn write(&self, write: Write) -> BoxFuture<'_, Result<Revision>> {
        async move {
            let writes = std::slice::from_ref(&write);
            self.record(writes, self.0.write(write.clone())).await
        }
        .boxed()
    }

    fn transactions(&self) -> Option<&dyn Transactions> {
        self.0.transactions().map(|_| self as &dyn Transactions)
    }

    fn watch<'a>(&'a self, prefix: &'a str, after: Revision) -> BoxFuture<'a, Result<Watch>> {
        self.0.watch(prefix, after)
    }

    fn revision(&self) -> BoxFuture<'_, Result<Revision>> {
        self.0.revision()
    }

    fn identity(&self) -> Uuid {
        self.0.identity()
    }

    fn health(&self) -> Health {
        self.0.health()
    }

    fn export(&self, to: Box<dyn io::Write + Send>) -> BoxFuture<'_, Result<ExportSummary>> {
        self.0.export(to)
    }

    fn import(&self, from: Box<dyn io::BufRead + Send>) -> BoxFuture<'_, Result<ExportSummary>> {
        self.0.import(from)
    }

    fn back_up(&self) -> BoxFuture<'_, Result<()>> {
        self.0.back_up()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.0.close()
    }
}

impl Transactions for Recorded {
    fn transact(&self, transaction: Transaction) -> BoxFuture<'_, Result<Revision>> {
        async move {
            let Some(inner) = self.0.transactions() else {
                return Err(super::Error::Closed);
            };
            let writes = transaction.writes.clone();
            self.record(&writes, inner.transact(transaction)).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Expect, MemoryStore};

    fn put(key: &str, value: &'static str) -> Write {
        Write::put(key, Bytes::from_static(value.as_bytes())).unwrap()
    }

    #[tokio::test]
    async fn what_is_changed_meanwhile_is_known_with_what_it_was() {
        let store = Recorded::new(Arc::new(MemoryStore::default()));
        store.write(put("a", "1")).await.unwrap();
        let changes = Changes::default();
        let work = async {
            let at = store.write(put("a", "2")).await.unwrap();
            let failed = put("a", "3").expecting(Expect::At(at + 1));
            assert!(store.write(failed).await.is_err());
            let writes = vec![put("b", "4"), Write::delete("a").unwrap()];
            let all = Transaction::new(Vec::new(), writes).unwrap();
            store.transactions().unwrap().transact(all).await.unwrap();
        };
        changes.of(work).await;
        store.write(put("c", "5")).await.unwrap();
        let change =
            |key: &str, before: Option<&'static str>, after: Option<&'static str>| Change {
                key: key.into(),
                before: before.map(|text| Bytes::from_static(text.as_bytes())),
                after: after.map(|text| Bytes::from_static(text.as_bytes())),
            };
        assert_eq!(
            changes.take(),
            [
                change("a", Some("1"), Some("2")),
                change("b", None, Some("4")),
                change("a", Some("2"), None)
            ]
        );
    }
}
