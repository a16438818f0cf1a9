//! The durable store on one machine: sled underneath, group commit, exports beside it.
//!
//! sled is the disk and nothing more: decisions, reads and watches are those of [`super::state`] and
//! [`super::plan`], loaded when the store opens. `docs/adr/0002-catalogue-store.md` says why sled,
//! and what we do not leave to it.

mod codec;
mod disk;
mod exports;
mod open;
mod rewrite;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::{self, BoxFuture, FutureExt};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use self::exports::Exporter;
use super::shared::{Shared, blocking};
use super::state::LogBounds;
use super::writer::{self, Request};
use super::{
    Entry, Error, ExportSummary, Health, Page, Result, Revision, Store, Transaction, Transactions,
    Watch, Write, export,
};

/// How a [`SledStore`] is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// How often an export is written if anything changed; default 60 s. This bounds what a
    /// corrupt store can lose.
    pub export_interval: Duration,
    /// How many exports are kept, at least 1; default 3.
    pub keep_exports: usize,
    /// How far back a watch can start.
    pub log: LogBounds,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            export_interval: Duration::from_secs(60),
            keep_exports: 3,
            log: LogBounds::default(),
        }
    }
}

/// That the store did not open and what became of it; for the operator to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The export it was restored from.
    pub from: PathBuf,
    /// The revision it is at now; changes after it are lost.
    pub revision: Revision,
    /// Where the broken store is kept, if there was one.
    pub set_aside: Option<PathBuf>,
    /// What was wrong with it.
    pub reason: String,
}

/// A durable [`Store`]; one process has a folder open at a time.
pub struct SledStore {
    shared: Arc<Shared>,
    restored: Option<Restored>,
    requests: Option<mpsc::Sender<Request>>,
    /// A lock, as closing takes it and a second close waits for the first.
    running: Arc<Mutex<Option<Running>>>,
}

/// In the order in which they are to end.
struct Running {
    writer: JoinHandle<()>,
    exporter: Exporter,
    lock: File,
}

impl Running {
    fn end(self, export: bool) {
        if self.writer.join().is_err() {
            tracing::error!("the catalogue's writer thread panicked");
        }
        if export {
            self.exporter.finish();
        } else {
            drop(self.exporter);
        }
        drop(self.lock);
    }
}

impl SledStore {
    /// Opens the store in `dir`, creates it if the folder is empty, restores it if it is broken.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Unrecoverable`], [`Error::NoSpace`] or [`Error::Io`].
    pub async fn open(dir: impl Into<PathBuf>, options: Options) -> Result<Self> {
        let dir = dir.into();
        blocking(move || Self::open_blocking(dir, &options)).await
    }

    fn open_blocking(dir: PathBuf, options: &Options) -> Result<Self> {
        let folder = open::open(&dir, options)?;
        let shared = Shared::new(folder.state);
        let exporter = Exporter::spawn(
            Arc::clone(&shared),
            folder.exports,
            options.export_interval,
            folder.last_export,
        )?;
        let (requests, writer) = writer::spawn(Arc::clone(&shared), folder.disk)
            .map_err(Error::io("starting the catalogue's writer thread"))?;
        let running = Running {
            writer,
            exporter,
            lock: folder.lock,
        };
        Ok(Self {
            shared,
            restored: folder.restored,
            requests: Some(requests),
            running: Arc::new(Mutex::new(Some(running))),
        })
    }

    /// Replaces the entries of a store that nobody has open by what `change` makes of them at the store's revision, which
    /// stays: a new database in place of the one there was, without a change log, and a new export in place of all
    /// there were. Interrupted, the store is the old one or the new one.
    ///
    /// # Errors
    /// Those of `change`, or of [`SledStore::open`]; then the old store stays.
    pub async fn rewrite(
        dir: impl Into<PathBuf>,
        options: Options,
        change: impl FnOnce(Vec<Entry>, Revision) -> Result<Vec<Entry>> + Send + 'static,
    ) -> Result<()> {
        let dir = dir.into();
        blocking(move || rewrite::rewrite(&dir, &options, change)).await
    }

    /// Whether opening it meant restoring it.
    pub fn restored(&self) -> Option<&Restored> {
        self.restored.as_ref()
    }

    async fn request<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T>>) -> Request,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or(Error::Closed)?;
        requests
            .send(request(reply))
            .await
            .map_err(|_| Error::Closed)?;
        // What is accepted is answered, also while closing; unless the writer itself broke.
        answer.await.unwrap_or_else(|_| {
            Err(Error::ReadOnly {
                reason: "its writer stopped; restart the server".to_owned(),
            })
        })
    }
}

impl Store for SledStore {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Entry>>> {
        future::ready(Ok(self.shared.state.read().get(key).cloned())).boxed()
    }

    fn scan<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page>> {
        let page = self.shared.state.read().scan(prefix, after, limit);
        future::ready(Ok(page)).boxed()
    }

    fn write(&self, write: Write) -> BoxFuture<'_, Result<Revision>> {
        self.transact(write.into())
    }

    fn transactions(&self) -> Option<&dyn Transactions> {
        Some(self)
    }

    fn watch<'a>(&'a self, prefix: &'a str, after: Revision) -> BoxFuture<'a, Result<Watch>> {
        future::ready(self.shared.watch(prefix, after)).boxed()
    }

    fn revision(&self) -> BoxFuture<'_, Result<Revision>> {
        future::ready(Ok(self.shared.revision())).boxed()
    }

    fn identity(&self) -> Uuid {
        self.shared.state.read().identity
    }

    fn health(&self) -> Health {
        self.shared.health()
    }

    fn export(&self, to: Box<dyn io::Write + Send>) -> BoxFuture<'_, Result<ExportSummary>> {
        self.shared.export(to)
    }

    fn import(
        &self,
        mut from: Box<dyn io::BufRead + Send>,
    ) -> BoxFuture<'_, Result<ExportSummary>> {
        async move {
            let export = blocking(move || export::read(&mut *from)).await?;
            self.request(|reply| Request::Import(export, reply)).await
        }
        .boxed()
    }

    fn back_up(&self) -> BoxFuture<'_, Result<()>> {
        let running = self.running.lock();
        let asker = running
            .as_ref()
            .and_then(|running| running.exporter.asker());
        drop(running);
        async move { asker.ok_or(Error::Closed)?.export().await }.boxed()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        async move {
            if let Some(requests) = &self.requests {
                // It fails only if the writer has ended already.
                let _gone = requests.send(Request::Close).await;
            }
            let running = Arc::clone(&self.running);
            blocking(move || {
                let mut running = running.lock();
                if let Some(running) = running.take() {
                    running.end(true);
                }
                Ok(())
            })
            .await?;
            self.shared.close();
            Ok(())
        }
        .boxed()
    }
}

impl Transactions for SledStore {
    fn transact(&self, transaction: Transaction) -> BoxFuture<'_, Result<Revision>> {
        self.request(|reply| Request::Write(transaction, reply))
            .boxed()
    }
}

impl Drop for SledStore {
    /// Without [`Store::close`]: nothing acknowledged is lost, but there is no last export.
    fn drop(&mut self) {
        self.requests = None;
        if let Some(running) = self.running.lock().take() {
            running.end(false);
        }
        self.shared.close();
    }
}
