//! What is read of the queue, on blocking threads: a read may go to the disk.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use gateless_core::name::FunctionName;
use gateless_core::time::Time;

use super::copies::copy_view;
use super::engine::{Engine, Key, function_prefix, unavailable};
use super::{Local, Shared};
use crate::queue::Error;
use crate::queue::clock::Skew;
use crate::queue::codec::{Head, Stored, result_from_bytes};
use crate::queue::token::proof;
use crate::queue::types::{CallId, CallResult, Callback, CallbackState, Record, View};

/// Calls replayed, purged or given up at once.
const AT_ONCE: usize = 256;

impl Local {
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared, &Engine) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = self.shared.clone();
        let read = tokio::task::spawn_blocking(move || {
            let engine = shared.engine.load_full();
            let engine: Arc<Engine> =
                engine.ok_or_else(|| Error::Unavailable("it is closed".into()))?;
            read(&shared, &engine)
        });
        read.await.map_err(unavailable)?
    }

    pub(super) async fn read_view(&self, id: CallId) -> Result<View, Error> {
        let key = self.key(&id).ok();
        self.read(move |shared, engine| {
            let skew = shared.config.clock.skew();
            let Some(key) = key.filter(|key| !matches!(engine.state(*key), Ok(None))) else {
                return copy_view(engine, id, skew);
            };
            let (head, stored) = call(engine, &id, key)?;
            Ok(view(id, head, stored, skew))
        })
        .await
    }

    /// The records of calls given out. One that can't be read is an error of its own, so that its call can end;
    /// that the disk fails is one of all.
    pub(super) async fn read_records(
        &self,
        ids: Vec<CallId>,
    ) -> Result<Vec<Result<Record, Error>>, Error> {
        self.read(move |_, engine| {
            let records = ids.into_iter().map(|id| match record(engine, &id) {
                Err(error @ Error::Unavailable(_)) => Err(error),
                record => Ok(record),
            });
            records.collect()
        })
        .await
    }

    pub(super) async fn read_result(&self, id: CallId) -> Result<CallResult, Error> {
        let key = self.key(&id)?;
        self.read(move |shared, engine| {
            let (head, stored) = call(engine, &id, key)?;
            let state = stored.call.state;
            if state.finished_at().is_none() {
                let (id, state) = (id.to_string(), state.as_str());
                return Err(Error::NotFinished { id, state });
            }
            if let Some(value) = engine.results.get(key).map_err(unavailable)? {
                return result_from_bytes(&value);
            }
            if stored.dropped {
                let (id, state) = (id.to_string(), state.as_str());
                return Err(Error::ResultDropped { id, state });
            }
            let view = view(id, head, stored, shared.config.clock.skew());
            Err(Error::NoResult {
                id: view.id.to_string(),
                state: state.as_str(),
                reason: view.reason(),
            })
        })
        .await
    }

    /// The callbacks of these calls and the epochs they belong to, without those that are no longer to be made.
    pub(super) async fn read_callbacks(
        &self,
        keys: Vec<Key>,
    ) -> Result<Vec<(Callback, u32)>, Error> {
        let node = self.shared.config.node.clone();
        self.read(move |_, engine| {
            let mut callbacks = Vec::new();
            for key in keys {
                let origin = engine.state(key)?.and_then(|stored| stored.origin);
                let id = CallId::from_key(key, origin.unwrap_or_else(|| node.clone()));
                match callback(engine, id, key) {
                    Ok(callback) => callbacks.extend(callback),
                    Err(error @ Error::Unavailable(_)) => return Err(error),
                    Err(error) => tracing::debug!(%error, "no callback to make"),
                }
            }
            Ok(callbacks)
        })
        .await
    }

    pub(super) async fn read_request(&self, id: CallId) -> Result<Record, Error> {
        self.key(&id)?;
        self.read(move |_, engine| record(engine, &id)).await
    }

    /// Every dead letter there is of a function now.
    pub(super) async fn dead(&self, function: &FunctionName) -> Result<Vec<Key>, Error> {
        let prefix = function_prefix(function);
        self.read(move |_, engine| keys_under(&engine.dead, &prefix))
            .await
    }

    /// Every call there is of a function now, finished or not.
    pub(super) async fn all_of(&self, function: &FunctionName) -> Result<Vec<Key>, Error> {
        let prefix = function_prefix(function);
        self.read(move |_, engine| keys_under(&engine.by_function, &prefix))
            .await
    }

    /// Does something to each of these calls; says to how many it could be done.
    pub(super) async fn each<F>(&self, keys: Vec<Key>, act: impl Fn(Key) -> F) -> Result<u64, Error>
    where
        F: Future<Output = Result<(), Error>>,
    {
        let mut results = stream::iter(keys).map(act).buffer_unordered(AT_ONCE);
        let mut count = 0;
        while let Some(result) = results.next().await {
            match result {
                Ok(()) => count += 1,
                // Somebody else was faster.
                Err(Error::NotFound(_) | Error::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }
}

pub(super) fn call(engine: &Engine, id: &CallId, key: Key) -> Result<(Head, Stored), Error> {
    let missing = || Error::NotFound(id.to_string());
    let stored = engine.state(key)?.ok_or_else(missing)?;
    Ok((engine.head(key)?.ok_or_else(missing)?, stored))
}

fn record(engine: &Engine, id: &CallId) -> Result<Record, Error> {
    let missing = || Error::NotFound(id.to_string());
    let head = engine.head(id.key())?.ok_or_else(missing)?;
    let body = match head.body_bytes {
        0 => Bytes::new(),
        _ => {
            let body = engine.bodies.get(id.key()).map_err(unavailable)?;
            Bytes::copy_from_slice(&body.ok_or_else(missing)?)
        }
    };
    head.into_record(body)
}

/// `None` when the call isn't finished or its callback isn't pending any more.
fn callback(engine: &Engine, id: CallId, key: Key) -> Result<Option<(Callback, u32)>, Error> {
    let (head, stored) = call(engine, &id, key)?;
    let Some(finished) = stored.call.state.finished_at() else {
        return Ok(None);
    };
    if stored.callback != CallbackState::Pending {
        return Ok(None);
    }
    let value = engine.results.get(key).map_err(unavailable)?;
    let callback = Callback {
        principal: head.principal(),
        url: head
            .callback
            .ok_or_else(|| Error::NotFound(id.to_string()))?,
        id,
        function: stored.function,
        attempt: stored.callback_tries.saturating_add(1),
        finished,
        state: stored.call.state.as_str(),
        result: value.map(|v| result_from_bytes(&v)).transpose()?,
        took: stored
            .call
            .attempts
            .last()
            .map(|a| a.took)
            .unwrap_or_default(),
    };
    Ok(Some((callback, stored.epoch)))
}

pub(super) fn view(id: CallId, head: Head, stored: Stored, skew: Skew) -> View {
    let (trigger, principal) = (head.trigger(), head.principal());
    View {
        id,
        skew,
        function: stored.function,
        method: head.method,
        path: head.path,
        trigger,
        accepted_at: Time::from_nanos(head.accepted_at),
        call: stored.call,
        status: stored.status,
        callback: head.callback,
        callback_state: stored.callback,
        callback_error: stored.callback_error,
        principal,
        idempotency_key: head.idempotency_key,
        body_bytes: head.body_bytes,
        result_bytes: stored.result_bytes,
        proof: (!head.token.is_empty()).then(|| proof(head.token.as_bytes())),
        copies: stored.copies,
        is_copy: false,
    }
}

fn keys_under(keyspace: &fjall::Keyspace, prefix: &[u8]) -> Result<Vec<Key>, Error> {
    let mut keys = Vec::new();
    for entry in keyspace.prefix(prefix) {
        let entry = entry.key().map_err(unavailable)?;
        keys.extend(Key::try_from(&entry[prefix.len()..]));
    }
    Ok(keys)
}
