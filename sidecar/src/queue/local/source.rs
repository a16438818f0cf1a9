//! What the dispatcher takes from the local queue.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use gateless_core::call::{Action, Event};
use gateless_core::config::AsyncPolicy;
use gateless_core::name::FunctionName;
use gateless_core::time::Time;
use tokio::sync::{Notify, watch};

use super::Local;
use super::ops::{CallbackDone, Op};
use crate::queue::clock::Clock;
use crate::queue::types::{Attempt, CallId, Callback, DEFAULT_POLICY, Started};
use crate::queue::{Error, Source};

impl Source for Local {
    fn clock(&self) -> Clock {
        self.shared.config.clock.clone()
    }

    fn up(&self) -> watch::Receiver<bool> {
        self.shared.up.subscribe()
    }

    fn activity(&self) -> watch::Receiver<u64> {
        self.shared.activity.subscribe()
    }

    fn open(&self, function: &FunctionName) -> u64 {
        self.shared.index.lock().open_of(function)
    }

    fn active(&self) -> Vec<FunctionName> {
        self.shared.index.lock().active()
    }

    fn bell(&self, function: &FunctionName) -> Arc<Notify> {
        self.shared.index.lock().bell(function)
    }

    fn next_due(&self, function: &FunctionName) -> Option<Time> {
        self.shared.index.lock().next_due(function)
    }

    fn claim(&self, function: &FunctionName, max: usize) -> Vec<CallId> {
        let now = self.shared.config.clock.now();
        let keys = self.shared.index.lock().claim(function, now, max);
        keys.into_iter().map(|key| self.id(key)).collect()
    }

    fn unclaim(&self, id: &CallId) {
        self.shared.index.lock().unclaim(id.key());
    }

    fn start(&self, id: &CallId, policy: &AsyncPolicy) -> BoxFuture<'_, Result<Started, Error>> {
        let (id, policy) = (id.clone(), *policy);
        Box::pin(async move {
            let stepped = self.step(&id, Event::Start, None, &policy).await?;
            let Action::Dispatch(number) = stepped.action else {
                return Ok(Started::Over);
            };
            let cancelled = stepped.cancelled;
            match self.read_started(&id).await {
                Ok((record, accepted_at)) => Ok(Started::Attempt(Box::new(Attempt {
                    number,
                    record,
                    accepted_at,
                    cancelled,
                }))),
                Err(error) => {
                    let error = error.to_string();
                    let failed = Event::Failed {
                        retryable: false,
                        error,
                    };
                    self.step(&id, failed, None, &policy).await?;
                    Ok(Started::Over)
                }
            }
        })
    }

    fn function_deleted(&self, function: &FunctionName) -> BoxFuture<'_, Result<u64, Error>> {
        let keys = self.shared.index.lock().idle(function);
        Box::pin(self.each(keys, move |key| async move {
            let (id, event) = (self.id(key), Event::FunctionDeleted);
            self.step(&id, event, None, &DEFAULT_POLICY).await.map(drop)
        }))
    }

    fn callback_bell(&self) -> Arc<Notify> {
        self.shared.callback_bell.clone()
    }

    fn next_callback(&self) -> Option<Time> {
        self.shared.index.lock().next_callback()
    }

    fn claim_callbacks(&self, max: usize) -> Vec<CallId> {
        let now = self.shared.config.clock.now();
        let keys = self.shared.index.lock().claim_callbacks(now, max);
        keys.into_iter().map(|key| self.id(key)).collect()
    }

    fn postpone_callback(&self, id: &CallId, wait: Duration) {
        let due = self.shared.config.clock.now() + wait;
        self.shared.index.lock().put_callback(due, id.key());
        self.shared.callback_bell.notify_one();
    }

    fn callback(&self, id: &CallId) -> BoxFuture<'_, Result<Callback, Error>> {
        let id = id.clone();
        Box::pin(self.read_callback(id))
    }

    fn callback_done(
        &self,
        callback: &Callback,
        delivered: bool,
        retryable: bool,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let done = CallbackDone {
            key: callback.id.key(),
            expires_at: callback.expires_at,
            delivered,
            retryable,
        };
        Box::pin(self.submit(0, move |reply| Op::Callback(done, reply)))
    }

    fn sweep(&self) -> BoxFuture<'_, Result<Option<Time>, Error>> {
        Box::pin(self.submit(0, Op::Sweep))
    }
}
