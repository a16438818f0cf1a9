//! The async path: calls that are answered 202 and delivered later, at least once.
//!
//! [`Queue`] is what callers and admins see of a durable queue, [`Source`] what the
//! dispatcher needs besides; [`local`] is the one on this host's disk. Both are narrow so
//! that another engine (NATS JetStream) can stand behind them.
//!
//! Promises: nothing is answered before it is on disk, and a call answered 202 ends done or
//! in the dead-letter queue, whatever is killed when. Deliberately not promised: exactly
//! once, or any order between calls that run at the same time.

pub mod callback;
pub mod clock;
mod codec;
pub mod deliver;
pub mod dispatcher;
pub mod error;
mod headers;
pub mod http;
pub mod invoke;
pub mod local;
pub mod types;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use gateless_core::config::AsyncPolicy;
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::time::Time;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use self::clock::Clock;
pub use self::dispatcher::Dispatcher;
pub use self::error::Error;
pub use self::invoke::{Invoke, InvokeError, Lookup, Policies};
pub use self::local::Local;
use self::types::{
    Accepted, CallId, CallResult, Callback, Depth, Ended, Filter, Idempotency, Record, Started,
    View,
};
use crate::telemetry::metrics::Length;

/// A durable queue of calls.
pub trait Queue: Send + Sync + 'static {
    /// The sidecar whose queue it is.
    fn node(&self) -> &NodeId;

    /// Takes a call; when this returns it is on disk.
    fn accept(
        &self,
        record: Record,
        policy: &AsyncPolicy,
    ) -> BoxFuture<'_, Result<Accepted, Error>>;

    /// Takes several calls in one commit: all of them, or none. The answers are in their order.
    fn accept_many(
        &self,
        calls: Vec<(Record, AsyncPolicy)>,
    ) -> BoxFuture<'_, Result<Vec<Accepted>, Error>>;

    /// The call that was accepted under an idempotency key, if one was.
    fn accepted_before(
        &self,
        function: &FunctionName,
        idempotency: &Idempotency,
    ) -> BoxFuture<'_, Result<Option<Accepted>, Error>>;

    /// Takes a call whose first attempt is already under way (`Prefer: wait` ran out). Tell
    /// how that ended with [`Queue::finish`]; if this process dies first, it is tried again.
    /// The token fires when the call is cancelled. One whose idempotency key was used before is
    /// refused: its exchange can't become another call's.
    fn begin_running(
        &self,
        record: Record,
        policy: &AsyncPolicy,
    ) -> BoxFuture<'_, Result<(CallId, CancellationToken), Error>>;

    /// Tells how the attempt under way ended.
    fn finish(
        &self,
        id: &CallId,
        ended: Ended,
        policy: &AsyncPolicy,
    ) -> BoxFuture<'_, Result<(), Error>>;

    /// Calls a call off, its attempt too if one is under way.
    fn cancel(&self, id: &CallId) -> BoxFuture<'_, Result<View, Error>>;

    /// Runs a finished call again, with fresh attempts and age.
    fn replay(&self, id: &CallId) -> BoxFuture<'_, Result<View, Error>>;

    /// What is known of a call.
    fn get(&self, id: &CallId) -> BoxFuture<'_, Result<View, Error>>;

    /// The function's answer.
    fn result(&self, id: &CallId) -> BoxFuture<'_, Result<CallResult, Error>>;

    /// Calls, newest first.
    fn list(&self, filter: Filter) -> BoxFuture<'_, Result<Vec<View>, Error>>;

    /// How long each function's queue is.
    fn depths(&self) -> Vec<Depth>;

    /// Forgets a function's dead letters; says how many.
    fn purge_dead(&self, function: &FunctionName) -> BoxFuture<'_, Result<u64, Error>>;

    /// Runs a function's dead letters again; says how many.
    fn replay_dead(&self, function: &FunctionName) -> BoxFuture<'_, Result<u64, Error>>;
}

/// What the dispatcher takes from a queue.
pub trait Source: Queue {
    /// The clock its times are of.
    fn clock(&self) -> Clock;
    /// Whether it can write at present.
    fn up(&self) -> watch::Receiver<bool>;
    /// Changes when a function without open calls gets one.
    fn activity(&self) -> watch::Receiver<u64>;
    /// How many calls of a function aren't finished.
    fn open(&self, function: &FunctionName) -> u64;
    /// Functions with open calls.
    fn active(&self) -> Vec<FunctionName>;
    /// Rings when something of the function becomes due at another time than before.
    fn bell(&self, function: &FunctionName) -> Arc<Notify>;
    /// When the function's next call is due.
    fn next_due(&self, function: &FunctionName) -> Option<Time>;
    /// Gives out due calls, each once until it changes.
    fn claim(&self, function: &FunctionName, max: usize) -> Vec<CallId>;
    /// Gives one back.
    fn unclaim(&self, id: &CallId);
    /// Begins an attempt; when this returns that is on disk.
    fn start(&self, id: &CallId, policy: &AsyncPolicy) -> BoxFuture<'_, Result<Started, Error>>;
    /// There is nobody left to deliver to: every call of the function that isn't under way
    /// becomes a dead letter. Says how many.
    fn function_deleted(&self, function: &FunctionName) -> BoxFuture<'_, Result<u64, Error>>;
    /// Rings when a callback becomes due at another time than before.
    fn callback_bell(&self) -> Arc<Notify>;
    /// When the next callback is due.
    fn next_callback(&self) -> Option<Time>;
    /// Gives out due callbacks, each once.
    fn claim_callbacks(&self, max: usize) -> Vec<CallId>;
    /// Gives one back: it is due again after that.
    fn postpone_callback(&self, id: &CallId, wait: Duration);
    /// What to send.
    fn callback(&self, id: &CallId) -> BoxFuture<'_, Result<Callback, Error>>;
    /// Tells how that went.
    fn callback_done(
        &self,
        callback: &Callback,
        delivered: bool,
        retryable: bool,
    ) -> BoxFuture<'_, Result<(), Error>>;
    /// Forgets what has expired; says when to come again.
    fn sweep(&self) -> BoxFuture<'_, Result<Option<Time>, Error>>;
}

/// How long every queue is that isn't empty.
pub(crate) fn lengths(queue: &dyn Queue) -> Vec<Length> {
    let depths = queue.depths().into_iter();
    let lengths = depths.map(|depth| Length {
        queued: depth.queued + depth.running + depth.retrying,
        dead: depth.dead,
        function: depth.function,
    });
    lengths.collect()
}
