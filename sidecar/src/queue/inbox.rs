//! How calls come into a queue.
//!
//! Deliberately knows nothing of what happens to them afterwards.

use futures_util::future::BoxFuture;
use gateless_core::config::AsyncPolicy;
use gateless_core::name::FunctionName;
use gateless_core::policy::Admitted;

use super::Error;
use super::types::{Accepted, KeyName, Known, Record};

/// Takes calls in: only those that the policy has let through, which their type says.
pub trait Inbox: Send + Sync + 'static {
    /// Largest body of a call, bytes.
    fn max_body(&self) -> u64;

    /// Whether a call of `function` would find room now: asked before its body is read, so that one which would not
    /// costs nothing. What is accepted is decided when it is taken in.
    ///
    /// # Errors
    /// The bound that is reached, as [`Inbox::accept_many`] would name it.
    fn has_room(&self, function: &FunctionName, policy: &AsyncPolicy) -> Result<(), Error>;

    /// Takes several calls in: all of them, or none. When this returns they are durable; the answers are in
    /// their order. An idempotency key used before gives the call it was used for.
    ///
    /// # Errors
    /// A bound is reached, the queue cannot write, or a key was used for something else.
    fn accept_many(
        &self,
        calls: Vec<(Admitted<Record>, AsyncPolicy)>,
    ) -> BoxFuture<'_, Result<Vec<Accepted>, Error>>;

    /// The call that was accepted under an idempotency key here, if one was.
    ///
    /// # Errors
    /// The queue cannot read.
    fn find(&self, name: &KeyName) -> BoxFuture<'_, Result<Option<Known>, Error>>;

    /// Takes one call in.
    ///
    /// # Errors
    /// As [`Inbox::accept_many`].
    fn accept(
        &self,
        record: Admitted<Record>,
        policy: &AsyncPolicy,
    ) -> BoxFuture<'_, Result<Accepted, Error>> {
        let accepted = self.accept_many(vec![(record, *policy)]);
        Box::pin(async move {
            let nothing = || Error::Unavailable("it took nothing in".into());
            accepted.await?.pop().ok_or_else(nothing)
        })
    }
}
