//! What is due in the local queue, given out under leases.
//!
//! A lease lives in memory: it dies with the process, and then the call is due again (`writer::rebuild`). Its
//! epoch is written with what is done under it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use gateless_core::call::Call;
use gateless_core::config::AsyncPolicy;
use gateless_core::name::FunctionName;
use gateless_core::policy::Admitted;
use gateless_core::time::Time;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::accept::ADOPTED_EPOCH;
use super::batch::{By, CallbackSent, Op};
use super::engine::Key;
use super::index::{Claimed, Leased};
use super::{Local, closed};
use crate::queue::types::{Callback, Record};
use crate::queue::work::{Delivery, Job, Kind, Lease, Receipt, Update};
use crate::queue::{Error, Work};

/// Time between attempts to read what is due.
const READ_AGAIN: Duration = Duration::from_millis(250);

impl Work for Local {
    fn functions<'a>(
        &'a self,
        served: &'a HashSet<FunctionName>,
    ) -> BoxFuture<'a, Vec<FunctionName>> {
        Box::pin(async move {
            let mut activity = self.shared.activity.subscribe();
            loop {
                let mut active = match self.shared.closed.is_cancelled() {
                    true => Vec::new(),
                    false => self.shared.index.lock().active(),
                };
                active.retain(|function| !served.contains(function));
                if !active.is_empty() {
                    return active;
                }
                tokio::select! {
                    // Its sender is in what `self` holds, so this can't fail.
                    _ = activity.changed() => {}
                    () = self.shared.closed.cancelled() => std::future::pending().await,
                }
            }
        })
    }

    fn next<'a>(
        &'a self,
        function: &'a FunctionName,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<Delivery<Job>>, Error>> {
        Box::pin(async move {
            let changed = self.shared.index.lock().changed(function);
            loop {
                self.writable().await?;
                let (claimed, next, open) = {
                    let mut index = self.shared.index.lock();
                    let claimed = index.claim(function, self.shared.config.clock.now(), max);
                    (claimed, index.next_due(function), index.open_of(function))
                };
                if !claimed.is_empty() {
                    let leases = claimed.into_iter().map(|claimed| self.lease(claimed));
                    match self.with_records(leases.collect()).await {
                        Err(Error::Unavailable(reason)) => {
                            self.read_failed(&reason).await;
                            continue;
                        }
                        deliveries => return deliveries,
                    }
                }
                if open == 0 {
                    return Ok(Vec::new());
                }
                self.wait(&changed, next).await?;
            }
        })
    }

    fn next_callbacks(&self, max: usize) -> BoxFuture<'_, Result<Vec<Delivery<Callback>>, Error>> {
        Box::pin(async move {
            loop {
                self.writable().await?;
                let (keys, next) = {
                    let now = self.shared.config.clock.now();
                    let mut index = self.shared.index.lock();
                    (index.claim_callbacks(now, max), index.next_callback())
                };
                if keys.is_empty() {
                    self.wait(&self.shared.callbacks_changed, next).await?;
                    continue;
                }
                let mut claimed = ClaimedCallbacks { local: self, keys };
                let read = self.read_callbacks(claimed.keys.clone()).await;
                let callbacks = match read {
                    Err(Error::Unavailable(reason)) => {
                        drop(claimed);
                        self.read_failed(&reason).await;
                        continue;
                    }
                    read => read?,
                };
                claimed.keys.clear();
                if !callbacks.is_empty() {
                    let deliveries = callbacks.into_iter();
                    return Ok(deliveries
                        .map(|(c, epoch)| self.deliver(c, epoch))
                        .collect());
                }
            }
        })
    }

    fn adopt(
        &self,
        record: Admitted<Record>,
        policy: &AsyncPolicy,
    ) -> BoxFuture<'_, Result<Delivery<Job>, Error>> {
        let policy = *policy;
        Box::pin(async move {
            let record = record.into_inner();
            let accept = self.to_accept(record.clone(), policy, true)?;
            let claimed = Claimed {
                key: accept.key,
                epoch: ADOPTED_EPOCH,
                call: Call::under_way(accept.now),
                cancelled: CancellationToken::new(),
                origin: None,
            };
            let leased = Leased {
                epoch: ADOPTED_EPOCH,
                cancelled: claimed.cancelled.clone(),
            };
            self.shared.index.lock().leases.insert(accept.key, leased);
            // Before it is taken in: whatever fails or is given up now ends the lease.
            let (_, call, lease) = self.lease(claimed);
            self.take_in(vec![accept]).await?;
            let record = Ok(record);
            let job = Job { record, call };
            Ok(Delivery { job, lease })
        })
    }

    fn update<'a>(
        &'a self,
        receipt: &'a Receipt,
        update: Update,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            loop {
                match self.try_update(receipt, update.clone()).await {
                    Err(Error::Unavailable(reason)) => {
                        let id = &receipt.id;
                        tracing::warn!(%id, reason, "keeping an update until the queue can write");
                    }
                    result => return result,
                }
                self.writable().await?;
            }
        })
    }

    fn release(&self, receipt: &Receipt, after: Duration) {
        let key = receipt.id.key();
        let (due, epoch) = (self.shared.config.clock.now() + after, receipt.epoch);
        match receipt.kind {
            Kind::Call => {
                if self.shared.index.lock().release(key, epoch, due) {
                    // An error means the writer is gone: then the next start sees to it.
                    let _ = self.writes.ops.send((Op::Recover(key, epoch), None));
                }
            }
            Kind::Callback => {
                let mut index = self.shared.index.lock();
                index.release_callback(key, epoch, due);
                self.shared.callbacks_changed.notify_one();
            }
        }
    }
}

/// Callbacks taken out of line; those left are put back.
struct ClaimedCallbacks<'a> {
    local: &'a Local,
    keys: Vec<Key>,
}

impl Drop for ClaimedCallbacks<'_> {
    fn drop(&mut self) {
        let shared = &self.local.shared;
        let now = shared.config.clock.now();
        for key in self.keys.drain(..) {
            shared.index.lock().put_callback(now, key);
            shared.callbacks_changed.notify_one();
        }
    }
}

impl Local {
    /// Returns once it can write.
    async fn writable(&self) -> Result<(), Error> {
        let mut up = self.shared.up.subscribe();
        tokio::select! {
            biased;
            () = self.shared.closed.cancelled() => Err(closed()),
            up = up.wait_for(|up| *up) => up.map(drop).map_err(|_| closed()),
        }
    }

    /// Waits before reading again: there is no telling when that works, unless the queue is opened anew.
    async fn read_failed(&self, reason: &str) {
        tracing::warn!(reason, "cannot read what is due");
        let mut up = self.shared.up.subscribe();
        // Without a change in time it is tried again all the same.
        let _ = tokio::time::timeout(READ_AGAIN, up.changed()).await;
    }

    /// Returns when something may have become due.
    async fn wait(&self, changed: &Notify, next: Option<Time>) -> Result<(), Error> {
        tokio::select! {
            biased;
            () = self.shared.closed.cancelled() => Err(closed()),
            () = changed.notified() => Ok(()),
            () = self.shared.config.clock.sleep_until(next) => Ok(()),
        }
    }

    fn lease(&self, claimed: Claimed) -> (Key, Call, Lease) {
        let receipt = Receipt {
            id: self.id(claimed.key, claimed.origin),
            epoch: claimed.epoch,
            kind: Kind::Call,
        };
        let lease = Lease::new(receipt, claimed.cancelled, Arc::new(self.clone()));
        (claimed.key, claimed.call, lease)
    }

    async fn with_records(
        &self,
        leases: Vec<(Key, Call, Lease)>,
    ) -> Result<Vec<Delivery<Job>>, Error> {
        let ids = leases.iter().map(|(_, _, lease)| lease.id().clone());
        let records = self.read_records(ids.collect()).await?;
        let both = leases.into_iter().zip(records);
        let delivery = |((_, call, lease), record)| Delivery {
            job: Job { record, call },
            lease,
        };
        Ok(both.map(delivery).collect())
    }

    fn deliver(&self, callback: Callback, epoch: u32) -> Delivery<Callback> {
        let id = callback.id.clone();
        let mut index = self.shared.index.lock();
        index.callback_leases.insert(id.key(), epoch);
        drop(index);
        let kind = Kind::Callback;
        let receipt = Receipt { id, epoch, kind };
        let work = Arc::new(self.clone());
        Delivery {
            job: callback,
            lease: Lease::new(receipt, CancellationToken::new(), work),
        }
    }

    async fn try_update(&self, receipt: &Receipt, update: Update) -> Result<(), Error> {
        let (key, epoch) = (receipt.id.key(), receipt.epoch);
        match update {
            Update::Call(change) => {
                let bytes = change.result.as_ref().map_or(0, |r| r.body.len());
                let by = By::Holder(epoch, Box::new(change));
                let change = |reply| Op::Change(key, by, reply);
                self.writes.submit(bytes, change).await
            }
            Update::Callback(next, error) => {
                let sent = CallbackSent {
                    key,
                    epoch,
                    next,
                    error,
                };
                let sent = |reply| Op::Callback(sent, reply);
                self.writes.submit(0, sent).await
            }
        }
    }

    /// Removes what has expired; says when to come again.
    #[cfg(test)]
    pub(super) async fn sweep(&self) -> Result<Option<Time>, Error> {
        self.writes.submit(0, Op::Sweep).await
    }
}
