//! A store in which what is secret lies sealed: in the store below it, and in every export of that.
//!
//! The one place that values pass in both directions, so that none is written plain by whoever writes it. Each scope (a
//! namespace, or the cluster) has a data key, which lies in the store beside what it seals, wrapped by a key from outside
//! ([`Keyring`]). It does not know which keys are secret: whoever opens it says so ([`ScopeOf`]). A value that does not
//! open is passed on as it is, and is no record that anybody can read: one damaged value keeps nothing else from anyone.

mod data_key;
mod keyring;
mod rewrite;
#[cfg(test)]
mod tests;
mod vault;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use uuid::Uuid;

pub use self::data_key::is_sealed;
pub use self::keyring::{Keyring, MAX_WRAPPING_KEYS, Malformed};
pub use self::rewrite::{seal_all, unseal_all};
pub use self::vault::{KEYS, Vault, Wrapped, wrapping_keys};
use super::{
    Batch, Entry, Error, Event, ExportSummary, Health, Page, Result, Revision, Store, Transaction,
    Transactions, Watch, Write,
};

/// Whose data key seals the value of a key; `None`: it is no secret.
pub type ScopeOf = fn(&str) -> Option<&str>;

/// A store whose secrets are sealed below it. Clones are the same.
#[derive(Clone)]
pub struct Sealed(Arc<Inner>);

struct Inner {
    below: Arc<dyn Store>,
    vault: Arc<Vault>,
    scope: ScopeOf,
    /// Whether what is written is sealed. What is read is opened in any case.
    seals: bool,
}

impl Sealed {
    /// Over another store. With `seals` not set what is written stays plain, for the version before to read.
    pub fn new(below: Arc<dyn Store>, vault: Arc<Vault>, scope: ScopeOf, seals: bool) -> Self {
        Self(Arc::new(Inner {
            below,
            vault,
            scope,
            seals,
        }))
    }
}

impl Inner {
    async fn opened(&self, mut entry: Entry) -> Entry {
        let Some(scope) = (self.scope)(&entry.key) else {
            return entry;
        };
        if !is_sealed(&entry.value) {
            return entry;
        }
        match self.vault.open_value(scope, &entry.key, &entry.value).await {
            Ok(plain) => entry.value = plain,
            Err(error) => tracing::error!(key = entry.key, %error, "a sealed value does not open"),
        }
        entry
    }

    async fn all_opened(&self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut opened = Vec::with_capacity(entries.len());
        for entry in entries {
            opened.push(self.opened(entry).await);
        }
        opened
    }

    async fn batch(&self, batch: Batch) -> Batch {
        let mut events = Vec::with_capacity(batch.events.len());
        for event in batch.events {
            events.push(match event {
                Event::Put(entry) => Event::Put(self.opened(entry).await),
                deleted @ Event::Delete { .. } => deleted,
            });
        }
        Batch { events, ..batch }
    }

    async fn sealed(&self, write: Write) -> Result<Write> {
        let scope = (self.scope)(&write.key).filter(|_| self.seals);
        let (Some(scope), Some(plain)) = (scope, &write.value) else {
            return Ok(write);
        };
        let sealed = self.vault.seal(scope, &write.key, plain).await?;
        Ok(Write::put(write.key, sealed)?.expecting(write.expect))
    }

    async fn all_sealed(&self, writes: Vec<Write>) -> Result<Vec<Write>> {
        let mut sealed = Vec::with_capacity(writes.len());
        for write in writes {
            sealed.push(self.sealed(write).await?);
        }
        Ok(sealed)
    }
}

impl Store for Sealed {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>>> {
        async move {
            Ok(match self.0.below.get(key).await? {
                Some(entry) => Some(self.0.opened(entry).await),
                None => None,
            })
        }
        .boxed()
    }

    fn scan<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page>> {
        async move {
            let page = self.0.below.scan(prefix, after, limit).await?;
            let entries = self.0.all_opened(page.entries).await;
            Ok(Page { entries, ..page })
        }
        .boxed()
    }

    fn write(&self, write: Write) -> BoxFuture<'_, Result<Revision>> {
        async move { self.0.below.write(self.0.sealed(write).await?).await }.boxed()
    }

    fn transactions(&self) -> Option<&dyn Transactions> {
        self.0
            .below
            .transactions()
            .map(|_| self as &dyn Transactions)
    }

    fn watch<'a>(&'a self, prefix: &'a str, after: Revision) -> BoxFuture<'a, Result<Watch>> {
        async move {
            let watch = self.0.below.watch(prefix, after).await?;
            let inner = Arc::clone(&self.0);
            let opened = watch.then(move |batch| {
                let inner = Arc::clone(&inner);
                async move {
                    match batch {
                        Ok(batch) => Ok(inner.batch(batch).await),
                        Err(error) => Err(error),
                    }
                }
            });
            Ok(opened.boxed())
        }
        .boxed()
    }

    fn revision(&self) -> BoxFuture<'_, Result<Revision>> {
        self.0.below.revision()
    }

    fn identity(&self) -> Uuid {
        self.0.below.identity()
    }

    fn health(&self) -> Health {
        self.0.below.health()
    }

    /// As it lies below: sealed.
    fn export(&self, to: Box<dyn io::Write + Send>) -> BoxFuture<'_, Result<ExportSummary>> {
        self.0.below.export(to)
    }

    fn import(&self, from: Box<dyn io::BufRead + Send>) -> BoxFuture<'_, Result<ExportSummary>> {
        self.0.below.import(from)
    }

    fn back_up(&self) -> BoxFuture<'_, Result<()>> {
        self.0.below.back_up()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.0.below.close()
    }
}

impl Transactions for Sealed {
    fn transact(&self, transaction: Transaction) -> BoxFuture<'_, Result<Revision>> {
        async move {
            let below = self.0.below.transactions().ok_or(Error::Closed)?;
            let Transaction { checks, writes } = transaction;
            let writes = self.0.all_sealed(writes).await?;
            below.transact(Transaction::new(checks, writes)?).await
        }
        .boxed()
    }
}

/// Memory that is wiped when nobody holds it any more.
fn wiped(plain: zeroize::Zeroizing<Vec<u8>>) -> Bytes {
    Bytes::from_owner(plain)
}
