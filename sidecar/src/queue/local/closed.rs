//! Finished calls: how they are kept, opened again for a replay, and forgotten.
//!
//! The second half of [`Batch`]; the first, in `batch`, is the life before that.

use std::time::Duration;

use gateless_core::call::callback::Next;
use gateless_core::time::Time;

use super::accept::found;
use super::batch::{Batch, CallbackSent, OVERHEAD};
use super::engine::{
    Key, expiry_key, former_idempotency_key, function_key, idempotency_key, split_expiry_key,
    unavailable,
};
use super::history::signed;
use crate::queue::Error;
use crate::queue::codec::{Stored, result_to_bytes};
use crate::queue::types::{CallResult, CallbackState};

/// Expired calls removed in one batch.
const SWEPT_AT_ONCE: usize = 500;
/// So much longer a result is kept whose callback isn't made yet.
const KEPT_FOR_CALLBACK: Duration = Duration::from_secs(60);

impl Batch<'_> {
    pub(super) fn close(
        &mut self,
        key: Key,
        mut stored: Stored,
        result: Option<CallResult>,
        callback: bool,
    ) {
        let engine = self.engine;
        let is_dead = stored.is_dead();
        self.stored = self.stored.saturating_sub(stored.stored);
        let kept = if is_dead {
            stored.ttl.max(self.shared.config.dead_ttl)
        } else {
            stored.ttl
        };
        stored.expires_at = self.now + kept;
        if let Some(result) = result {
            stored.status = Some(result.status);
            stored.result_bytes = result.body.len() as u64;
            stored.stored += stored.result_bytes + OVERHEAD;
            self.batch
                .insert(&engine.results, key, result_to_bytes(&result));
        }
        self.changed(key, &stored);
        self.keep(&stored, signed(stored.stored), 1);
        let mut index = self.shared.index.lock();
        index.take(key);
        if is_dead {
            self.batch
                .insert(&engine.dead, function_key(&stored.function, &key), []);
        }
        if !callback {
            stored.callback = CallbackState::None;
        }
        if stored.callback == CallbackState::Pending {
            stored.callback_due = self.now;
            self.callbacks.push((self.now, key));
            index.callbacks_pending += 1;
            self.batch.insert(&engine.callbacks, key, []);
        }
        drop(index);
        self.batch.remove(&engine.open, key);
        self.batch.insert(&engine.closed, key, stored.to_bytes());
        self.batch
            .insert(&engine.expiry, expiry_key(stored.expires_at, key), []);
        self.closed.insert(key, Some(stored));
    }

    /// Undoes [`Batch::close`] for a replay.
    pub(super) fn reopen(&mut self, key: Key, before: &Stored, stored: &mut Stored) {
        let engine = self.engine;
        self.keep(before, -signed(before.stored), -1);
        let mut index = self.shared.index.lock();
        if before.is_dead() {
            self.batch
                .remove(&engine.dead, function_key(&before.function, &key));
        }
        if before.callback == CallbackState::Pending {
            self.callbacks.retain(|(_, other)| *other != key);
            index.take_callback(before.callback_due, key);
            index.callback_leases.remove(&key);
            index.callbacks_pending = index.callbacks_pending.saturating_sub(1);
            self.batch.remove(&engine.callbacks, key);
        }
        drop(index);
        if before.has_result() {
            let size = before.result_bytes + OVERHEAD;
            stored.stored = before.stored.saturating_sub(size);
            self.batch.remove(&engine.results, key);
        }
        self.stored = self.stored.saturating_add(stored.stored);
        self.batch.remove(&engine.closed, key);
        self.batch
            .remove(&engine.expiry, expiry_key(before.expires_at, key));
        self.closed.insert(key, None);
        if before.callback != CallbackState::None {
            stored.callback = CallbackState::Pending;
        }
        stored.callback_tries = 0;
        stored.callback_error.clear();
        (stored.status, stored.result_bytes, stored.dropped) = (None, 0, false);
    }

    /// State of a finished call.
    pub(super) fn finished(&self, key: Key) -> Result<Stored, Error> {
        let stored = match self.closed.get(&key) {
            Some(stored) => stored.clone(),
            None => {
                let value = self.engine.closed.get(key).map_err(unavailable)?;
                value.map(|v| Stored::from_bytes(&v)).transpose()?
            }
        };
        stored.ok_or_else(|| Error::NotFound(self.id(key).to_string()))
    }

    pub(super) fn callback(&mut self, sent: &CallbackSent) -> Result<(), Error> {
        let key = sent.key;
        let mut stored = match self.finished(key) {
            Ok(stored) if stored.epoch == sent.epoch => stored,
            // Replayed or forgotten meanwhile: a replay's callback is another one.
            _ => return Err(self.stale(key, sent.epoch)),
        };
        if stored.callback != CallbackState::Pending {
            return Err(self.stale(key, sent.epoch));
        }
        stored.callback_tries += u32::from(sent.next.counts());
        stored.callback_error.clone_from(&sent.error);
        let mut index = self.shared.index.lock();
        index.callback_leases.remove(&key);
        if let Next::Again(at) | Next::Unmade(at) = sent.next {
            stored.callback_due = at;
            self.callbacks.push((at, key));
        } else {
            stored.callback = match sent.next {
                Next::Delivered => CallbackState::Delivered,
                _ => CallbackState::Failed,
            };
            index.callbacks_pending = index.callbacks_pending.saturating_sub(1);
            self.batch.remove(&self.engine.callbacks, key);
        }
        drop(index);
        self.batch
            .insert(&self.engine.closed, key, stored.to_bytes());
        self.closed.insert(key, Some(stored));
        Ok(())
    }

    pub(super) fn sweep(&mut self) -> Result<Option<Time>, Error> {
        if self.shared.index.lock().open_calls() > 0 {
            self.note_time();
        }
        let from = expiry_key(self.progress.sweep_from.min(self.now), [0; 16]);
        let entries = self.engine.expiry.range(from..);
        for (count, entry) in entries.enumerate() {
            let entry = entry.key().map_err(unavailable)?;
            let Some((at, key)) = split_expiry_key(&entry) else {
                continue;
            };
            if at > self.now || count >= SWEPT_AT_ONCE {
                return Ok(Some(at));
            }
            self.progress.sweep_from = at;
            match self.finished(key) {
                Ok(stored) if stored.expires_at != at => {
                    self.batch.remove(&self.engine.expiry, &entry[..]);
                }
                Ok(stored) if stored.callback == CallbackState::Pending => {
                    self.keep_for_callback(key, stored);
                }
                Ok(stored) => self.forget(key, &stored)?,
                Err(_) => self.batch.remove(&self.engine.expiry, &entry[..]),
            }
        }
        Ok(None)
    }

    /// A result isn't forgotten before its callback is through.
    fn keep_for_callback(&mut self, key: Key, mut stored: Stored) {
        let engine = self.engine;
        self.batch
            .remove(&engine.expiry, expiry_key(stored.expires_at, key));
        stored.expires_at = self.now + KEPT_FOR_CALLBACK;
        self.batch
            .insert(&engine.expiry, expiry_key(stored.expires_at, key), []);
        self.batch.insert(&engine.closed, key, stored.to_bytes());
        self.closed.insert(key, Some(stored));
    }

    /// Removes every trace of a finished call.
    pub(super) fn forget(&mut self, key: Key, stored: &Stored) -> Result<(), Error> {
        let engine = self.engine;
        if let Some(name) = engine.head(key)?.and_then(|head| head.key_name()) {
            for place in [idempotency_key(&name), former_idempotency_key(&name)] {
                // It may be another call's by now, or another caller's.
                if found(engine, &place)?.is_some_and(|(other, _)| other == key) {
                    self.batch.remove(&engine.idempotency, place);
                    self.idempotency.insert(name.clone(), None);
                }
            }
        }
        self.keep(stored, -signed(stored.stored), -1);
        let mut index = self.shared.index.lock();
        if stored.is_dead() {
            self.batch
                .remove(&engine.dead, function_key(&stored.function, &key));
        }
        if stored.callback == CallbackState::Pending {
            self.callbacks.retain(|(_, other)| *other != key);
            index.take_callback(stored.callback_due, key);
            index.callbacks_pending = index.callbacks_pending.saturating_sub(1);
            self.batch.remove(&engine.callbacks, key);
        }
        drop(index);
        for keyspace in [
            &engine.heads,
            &engine.bodies,
            &engine.closed,
            &engine.results,
        ] {
            self.batch.remove(keyspace, key);
        }
        self.batch
            .remove(&engine.by_function, function_key(&stored.function, &key));
        self.batch
            .remove(&engine.expiry, expiry_key(stored.expires_at, key));
        self.closed.insert(key, None);
        Ok(())
    }
}
