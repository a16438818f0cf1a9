//! What is read of the queue, on blocking threads: a read may go to the disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use gateless_core::name::FunctionName;
use gateless_core::time::Time;

use super::engine::{Engine, Key, function_prefix, split_function_key, unavailable};
use super::{Local, Shared};
use crate::queue::Error;
use crate::queue::clock::Skew;
use crate::queue::codec::{Head, Stored, result_from_bytes};
use crate::queue::types::{CallId, CallResult, Callback, CallbackState, Filter, Record, View};

/// Entries looked at for one page, so that a rare state can't make a list read everything.
const SCANNED: usize = 20_000;
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
        let key = self.key(&id)?;
        self.read(move |shared, engine| {
            let (head, stored) = call(engine, &id, key)?;
            Ok(view(id, head, stored, shared.config.clock.skew()))
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
                let id = CallId::from_key(key, node.clone());
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

    pub(super) async fn read_list(&self, filter: Filter) -> Result<Vec<View>, Error> {
        let node = self.shared.config.node.clone();
        self.read(move |shared, engine| {
            let keys = candidates(shared, engine, &filter)?;
            let skew = shared.config.clock.skew();
            let mut views = Vec::new();
            for key in keys.into_iter().rev() {
                if views.len() >= filter.limit {
                    break;
                }
                let id = CallId::from_key(key, node.clone());
                // Forgotten since the index was read.
                let Ok((head, stored)) = call(engine, &id, key) else {
                    continue;
                };
                if filter.wants(stored.call.state.as_str()) {
                    views.push(view(id, head, stored, skew));
                }
            }
            Ok(views)
        })
        .await
    }

    /// Every dead letter there is of a function now.
    pub(super) async fn dead(&self, function: &FunctionName) -> Result<Vec<Key>, Error> {
        let prefix = function_prefix(function);
        self.read(move |_, engine| keys_under(&engine.dead, &prefix))
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

impl Filter {
    fn only(&self, states: &[&str]) -> bool {
        !self.states.is_empty() && self.states.iter().all(|s| states.contains(&s.as_str()))
    }
}

fn call(engine: &Engine, id: &CallId, key: Key) -> Result<(Head, Stored), Error> {
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
    if stored.call.state.finished_at().is_none() || stored.callback != CallbackState::Pending {
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

fn view(id: CallId, head: Head, stored: Stored, skew: Skew) -> View {
    View {
        id,
        skew,
        function: stored.function,
        method: head.method,
        path: head.path,
        accepted_at: Time::from_nanos(head.accepted_at),
        call: stored.call,
        status: stored.status,
        callback: head.callback,
        callback_state: stored.callback,
        callback_error: stored.callback_error,
        idempotency_key: head.idempotency_key,
        body_bytes: head.body_bytes,
        result_bytes: stored.result_bytes,
    }
}

/// Keys that may fit, oldest first: from memory for calls not finished, else from disk.
fn candidates(shared: &Shared, engine: &Engine, filter: &Filter) -> Result<BTreeSet<Key>, Error> {
    let before = filter.before.as_ref().map(CallId::key);
    let older = |key: &Key| before.is_none_or(|before| *key < before);
    if filter.only(&["queued", "running", "retrying"]) {
        let index = shared.index.lock();
        let mine = |stored: &Stored| match &filter.function {
            Some(function) => stored.function == *function,
            None => stored.function.namespace() == filter.namespace,
        };
        let fits = |(key, stored): &(&Key, &Stored)| {
            older(key) && mine(stored) && filter.wants(stored.call.state.as_str())
        };
        let mut keys = BTreeSet::new();
        for (key, _) in index.iter().filter(fits) {
            keys.insert(*key);
            // A few more than asked for, in case some change meanwhile.
            if keys.len() > filter.limit * 2 {
                keys.pop_first();
            }
        }
        return Ok(keys);
    }
    let keyspace = if filter.only(&["dead"]) {
        &engine.dead
    } else {
        &engine.by_function
    };
    let functions = match &filter.function {
        Some(function) => vec![function.clone()],
        None => functions_in(keyspace, &filter.namespace)?,
    };
    let share = if filter.states.is_empty() {
        filter.limit
    } else {
        SCANNED
    };
    let mut keys = BTreeSet::new();
    for function in functions {
        let prefix = function_prefix(&function);
        let end = [&prefix[..], &before.unwrap_or([0xff; 16])].concat();
        let entries = keyspace.range(prefix.clone()..end).rev();
        for entry in entries.take(share) {
            let entry = entry.key().map_err(unavailable)?;
            if let Ok(key) = Key::try_from(&entry[prefix.len()..]) {
                keys.insert(key);
            }
        }
        while keys.len() > SCANNED {
            keys.pop_first();
        }
    }
    Ok(keys)
}

/// Functions with entries there, by jumping from one to the next.
fn functions_in(keyspace: &fjall::Keyspace, namespace: &str) -> Result<Vec<FunctionName>, Error> {
    let mut functions = Vec::new();
    let mut from = [namespace, "\0"].concat().into_bytes();
    let end = [namespace, "\x01"].concat().into_bytes();
    while let Some(entry) = keyspace.range(from.clone()..end.clone()).next() {
        let key = entry.key().map_err(unavailable)?;
        let Some((function, _)) = split_function_key(&key) else {
            break;
        };
        from = [function.namespace(), "\0", function.name(), "\x01"]
            .concat()
            .into_bytes();
        functions.push(function);
    }
    Ok(functions)
}

fn keys_under(keyspace: &fjall::Keyspace, prefix: &[u8]) -> Result<Vec<Key>, Error> {
    let mut keys = Vec::new();
    for entry in keyspace.prefix(prefix) {
        let entry = entry.key().map_err(unavailable)?;
        keys.extend(Key::try_from(&entry[prefix.len()..]));
    }
    Ok(keys)
}
