//! How calls and callbacks come out of a queue: as deliveries, each under a lease.
//!
//! While a lease holds nobody else is given the same thing. It ends when its delivery is settled, released or
//! dropped, when the call is changed by somebody else (cancelled), and when the process dies. Each lease has an
//! epoch; an update under one that is over changes nothing and is answered [`Error::Stale`].

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use gateless_core::call::{self, Call};
use gateless_core::config::AsyncPolicy;
use gateless_core::name::FunctionName;
use gateless_core::policy::Admitted;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::calls::Change;
use super::types::{CallId, Callback, Record};

/// Gives out what is due.
pub trait Work: Send + Sync + 'static {
    /// Waits until functions which are not `served` have calls that aren't finished; returns those.
    fn functions<'a>(
        &'a self,
        served: &'a HashSet<FunctionName>,
    ) -> BoxFuture<'a, Vec<FunctionName>>;

    /// Waits until calls of the function are due and gives out at most `max` of them, the longest due first.
    /// Empty when every call of the function is finished. Nothing is lost when this is dropped.
    ///
    /// # Errors
    /// Only when the queue is closed: while it cannot read or write this waits.
    fn next<'a>(
        &'a self,
        function: &'a FunctionName,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<Delivery<Job>>, Error>>;

    /// Waits until callbacks are due and gives out at most `max` of them.
    ///
    /// # Errors
    /// As [`Work::next`].
    fn next_callbacks(&self, max: usize) -> BoxFuture<'_, Result<Vec<Delivery<Callback>>, Error>>;

    /// Takes in a call whose first attempt is already under way (`Prefer: wait` ran out), and gives out that
    /// attempt as begun. One whose idempotency key was used before is refused: its exchange can't become
    /// another call's.
    ///
    /// # Errors
    /// As [`super::Inbox::accept_many`], and [`Error::IdempotencyTaken`].
    fn adopt(
        &self,
        record: Admitted<Record>,
        policy: &AsyncPolicy,
    ) -> BoxFuture<'_, Result<Delivery<Job>, Error>>;

    /// Writes down what a delivery led to; waits while the queue cannot write. When this returns it is durable.
    /// Used through [`Lease`].
    ///
    /// # Errors
    /// [`Error::Stale`] when the lease is over; or when the queue is closed or damaged.
    fn update<'a>(
        &'a self,
        receipt: &'a Receipt,
        update: Update,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Ends a lease without a result. What was not begun is due again after that time, unchanged; an attempt
    /// that was begun is interrupted ([`Call::recover`]). Used through [`Lease`].
    fn release(&self, receipt: &Receipt, after: Duration);
}

/// What a lease is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An attempt of a call.
    Call,
    /// Sending its callback.
    Callback,
}

/// Names a lease to its engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub id: CallId,
    /// Grows with every lease of the call.
    pub epoch: u32,
    /// What of it.
    pub kind: Kind,
}

/// What a delivery led to.
#[derive(Debug, Clone)]
pub enum Update {
    /// The call is as this says from now on.
    Call(Change),
    /// So it goes on with its callback.
    /// And why it was not delivered; empty when it was.
    Callback(call::callback::Next, String),
}

/// A call to be attempted.
#[derive(Debug)]
pub struct Job {
    /// What to send, unless it can't be read any more.
    pub record: Result<Record, Error>,
    /// The call as it was when it was given out.
    pub call: Call,
}

/// Something that is due, given out to one holder.
#[derive(Debug)]
pub struct Delivery<T> {
    /// What it is.
    pub job: T,
    /// The right to it. Dropping it gives it back.
    pub lease: Lease,
}

/// The right to settle a delivery; dropping it is a release at once.
pub struct Lease {
    receipt: Receipt,
    cancelled: CancellationToken,
    /// `None` once it is over.
    work: Option<Arc<dyn Work>>,
}

impl Lease {
    /// For engines: a lease that was just given out by `work`. `cancelled` fires when somebody else ends it.
    #[must_use]
    pub fn new(receipt: Receipt, cancelled: CancellationToken, work: Arc<dyn Work>) -> Self {
        Self {
            receipt,
            cancelled,
            work: Some(work),
        }
    }

    #[must_use]
    pub const fn id(&self) -> &CallId {
        &self.receipt.id
    }

    /// Grows with every lease of the call.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.receipt.epoch
    }

    /// Fires when the call is cancelled or otherwise taken away.
    #[must_use]
    pub const fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// Writes down that the attempt begins; the lease goes on.
    ///
    /// # Errors
    /// As [`Work::update`].
    pub async fn begin(&self, change: Change) -> Result<(), Error> {
        match &self.work {
            Some(work) => work.update(&self.receipt, Update::Call(change)).await,
            None => Ok(()),
        }
    }

    /// Writes down how it ended; the lease is over.
    ///
    /// # Errors
    /// As [`Work::update`].
    pub async fn settle(mut self, update: Update) -> Result<(), Error> {
        if let Some(work) = &self.work {
            work.update(&self.receipt, update).await?;
        }
        self.work = None;
        Ok(())
    }

    /// Gives it back unchanged; it is due again after that time.
    pub fn release(mut self, after: Duration) {
        if let Some(work) = self.work.take() {
            work.release(&self.receipt, after);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            work.release(&self.receipt, Duration::ZERO);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.receipt.fmt(f)
    }
}
