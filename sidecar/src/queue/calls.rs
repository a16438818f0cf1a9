//! What callers and admins see of the calls in a queue, and what they may change.
//!
//! A change is decided by a plain function of the call as it is, which the engine applies in one step: a broker
//! compares and swaps, and asks again when somebody was faster. So no engine decides anything.

use std::time::Duration;

use futures_util::future::BoxFuture;
use gateless_core::call::{Call, Conflict};
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::time::Time;

use super::filter::{Filter, Page};
use super::token::Proof;
use super::types::{CallId, CallResult, Depth, Record, View};
use super::{Error, lifecycle};

/// Answers about calls, and changes them.
pub trait Calls: Send + Sync + 'static {
    /// Which sidecar has the call.
    fn locate(&self, id: &CallId) -> Location;

    /// What reads a call of this queue, for whoever made it.
    fn token(&self, id: &CallId) -> String;

    /// Whether that was shown.
    fn is_token(&self, id: &CallId, shown: &Proof) -> bool;

    /// What is known of a call.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the queue cannot read.
    fn get<'a>(&'a self, id: &'a CallId) -> BoxFuture<'a, Result<View, Error>>;

    /// The function's answer.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotFinished`], [`Error::NoResult`], or the queue cannot read.
    fn result<'a>(&'a self, id: &'a CallId) -> BoxFuture<'a, Result<CallResult, Error>>;

    /// The call as it was made.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the queue cannot read.
    fn request<'a>(&'a self, id: &'a CallId) -> BoxFuture<'a, Result<Record, Error>>;

    /// Calls, newest first.
    ///
    /// # Errors
    /// The queue cannot read.
    fn list(&self, filter: Filter) -> BoxFuture<'_, Result<Page, Error>>;

    /// How long each function's queue is.
    fn depths(&self) -> Vec<Depth>;

    /// Changes a call as `decide` says, whoever holds it: a lease of it is over.
    ///
    /// # Errors
    /// [`Error::Conflict`] when `decide` finds that it doesn't fit the call's state; [`Error::NotFound`]; or the
    /// queue cannot write.
    fn change<'a>(&'a self, id: &'a CallId, decide: Decide) -> BoxFuture<'a, Result<(), Error>>;

    /// Changes every call of a function that is `among` those; says how many it fitted.
    ///
    /// # Errors
    /// The queue cannot read or write.
    fn change_all<'a>(
        &'a self,
        function: &'a FunctionName,
        among: Among,
        decide: Decide,
    ) -> BoxFuture<'a, Result<u64, Error>>;
}

impl dyn Calls {
    /// Calls a call off, its attempt too if one is under way.
    ///
    /// # Errors
    /// As [`Calls::change`].
    pub async fn cancel(&self, id: &CallId) -> Result<View, Error> {
        self.change(id, lifecycle::cancel).await?;
        self.get(id).await
    }

    /// Calls a call off that another sidecar took, too, while this one was away.
    ///
    /// # Errors
    /// As [`Calls::change`].
    pub async fn yield_to_other(&self, id: &CallId) -> Result<(), Error> {
        self.change(id, lifecycle::yielded).await
    }

    /// Runs a finished call again, with fresh attempts and age.
    ///
    /// # Errors
    /// As [`Calls::change`].
    pub async fn replay(&self, id: &CallId) -> Result<View, Error> {
        self.change(id, lifecycle::replay).await?;
        self.get(id).await
    }

    /// Runs a function's dead letters again; says how many.
    ///
    /// # Errors
    /// As [`Calls::change_all`].
    pub async fn replay_dead(&self, function: &FunctionName) -> Result<u64, Error> {
        self.change_all(function, Among::Dead, lifecycle::replay)
            .await
    }

    /// Forgets a function's dead letters; says how many.
    ///
    /// # Errors
    /// As [`Calls::change_all`].
    pub async fn purge_dead(&self, function: &FunctionName) -> Result<u64, Error> {
        self.change_all(function, Among::Dead, lifecycle::purge)
            .await
    }

    /// Forgets a function's calls that succeeded or were cancelled, and their results; says how many.
    ///
    /// # Errors
    /// As [`Calls::change_all`].
    pub async fn purge_history(&self, function: &FunctionName) -> Result<u64, Error> {
        self.change_all(function, Among::History, lifecycle::forget)
            .await
    }

    /// There is nobody left to deliver to: every call of the function that isn't under way becomes a dead
    /// letter. Says how many.
    ///
    /// # Errors
    /// As [`Calls::change_all`].
    pub async fn function_deleted(&self, function: &FunctionName) -> Result<u64, Error> {
        self.change_all(function, Among::Waiting, lifecycle::function_deleted)
            .await
    }
}

/// Where a call is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In this queue, if it is anywhere.
    Here,
    /// On that sidecar.
    Sidecar(NodeId),
}

/// Which calls of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// Neither finished nor under way.
    Waiting,
    /// In the dead-letter queue.
    Dead,
    /// Finished, and not there.
    History,
}

/// Decides what becomes of a call at that time. May be asked more than once.
pub type Decide = fn(&Call, Time) -> Result<Decision, Conflict>;

/// What becomes of a call.
#[derive(Debug, Clone)]
pub enum Decision {
    Change(Change),
    /// Nothing is kept of it.
    Forget,
}

/// A call after a step of its life.
#[derive(Debug, Clone)]
pub struct Change {
    /// As it is from now on. One that waits is given out when its deadline comes.
    pub call: Call,
    /// How long it is to be kept once it is finished; `None`: as before.
    pub keep: Option<Duration>,
    /// The function's answer, when it is finished and there was one.
    pub result: Option<CallResult>,
    /// When it is finished: its callback, if it has one, is due.
    pub callback: bool,
}
