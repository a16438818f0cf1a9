//! Taking calls in: one, or several of which either all are taken or none.
//!
//! First everything is checked, then everything is put into the batch: the batch is shared with
//! other operations, and nothing can be taken out of it again.

use std::collections::HashMap;

use bytes::Bytes;
use gateless_core::call::Call;
use gateless_core::config::AsyncPolicy;
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::time::Time;

use super::batch::{Batch, OVERHEAD};
use super::engine::{
    Engine, Key, former_idempotency_key, function_key, idempotency_key, unavailable,
};
use crate::queue::Error;
use crate::queue::codec::Stored;
use crate::queue::lifecycle::has_yielded;
use crate::queue::types::{CallbackState, KeyName};

/// Of the lease under which a call is taken in that is under way already.
pub(super) const ADOPTED_EPOCH: u32 = 1;

/// A call to take in.
pub(super) struct Accept {
    pub(super) key: Key,
    pub(super) now: Time,
    pub(super) function: FunctionName,
    pub(super) head: Vec<u8>,
    pub(super) body: Bytes,
    pub(super) callback: bool,
    /// Its key and what that stands for.
    pub(super) idempotency: Option<(KeyName, [u8; 32])>,
    pub(super) policy: AsyncPolicy,
    /// Its first attempt is under way already.
    pub(super) running: bool,
    /// How many are to have it, this sidecar among them.
    pub(super) copies: u32,
}

/// A call was taken in.
pub(super) struct Taken {
    pub(super) key: Key,
    pub(super) replayed: bool,
    /// The sidecar that its id names, when it was taken on from there.
    pub(super) origin: Option<NodeId>,
    pub(super) copies: u32,
    /// The token that its origin made for it, then.
    pub(super) token: String,
}

/// What is to be done with one of several.
enum Plan {
    /// It was accepted before.
    Before(Key),
    /// It is the same call as an earlier one of them.
    Same(usize),
    New,
}

/// What the calls planned so far will take up.
#[derive(Default)]
struct Planned<'a> {
    keys: HashMap<&'a KeyName, (usize, [u8; 32])>,
    waiting: HashMap<&'a FunctionName, u64>,
    calls: u64,
    bytes: u64,
}

impl Accept {
    fn size(&self) -> u64 {
        (self.head.len() + self.body.len()) as u64 + OVERHEAD
    }
}

impl Batch<'_> {
    /// Takes all of them in, or none.
    pub(super) fn accept(&mut self, accepts: Vec<Accept>) -> Result<Vec<Taken>, Error> {
        let mut planned = Planned::default();
        let mut plans = Vec::with_capacity(accepts.len());
        for (index, accept) in accepts.iter().enumerate() {
            plans.push(self.plan(index, accept, &mut planned)?);
        }
        let mut taken: Vec<Taken> = Vec::with_capacity(accepts.len());
        for (accept, plan) in accepts.into_iter().zip(plans) {
            let earlier = match plan {
                Plan::New => None,
                Plan::Before(key) => Some(key),
                Plan::Same(index) => Some(taken[index].key),
            };
            taken.push(match earlier {
                Some(key) => self.replayed(key)?,
                None => self.put(accept),
            });
        }
        Ok(taken)
    }

    fn plan<'a>(
        &self,
        index: usize,
        accept: &'a Accept,
        planned: &mut Planned<'a>,
    ) -> Result<Plan, Error> {
        if let Some((name, digest)) = &accept.idempotency {
            match self.known(name)? {
                Some((_, before)) if before != *digest => return Err(Error::IdempotencyConflict),
                Some((key, _)) if accept.running => {
                    return Err(Error::IdempotencyTaken(self.id(key).to_string()));
                }
                Some((key, _)) => return Ok(Plan::Before(key)),
                None => {}
            }
            match planned.keys.get(name) {
                Some((same, before)) if before == digest => return Ok(Plan::Same(*same)),
                Some(_) => return Err(Error::IdempotencyConflict),
                None => drop(planned.keys.insert(name, (index, *digest))),
            }
        }
        self.room.clone()?;
        self.check_bounds(accept, planned)?;
        *planned.waiting.entry(&accept.function).or_default() += 1;
        planned.calls += 1;
        planned.bytes += accept.size();
        Ok(Plan::New)
    }

    /// The call a key was used for, and what it was.
    fn known(&self, name: &KeyName) -> Result<Option<(Key, [u8; 32])>, Error> {
        match self.idempotency.get(name) {
            Some(found) => Ok(*found),
            None => known(self.engine, name),
        }
    }

    fn check_bounds(&self, accept: &Accept, planned: &Planned<'_>) -> Result<(), Error> {
        let index = self.shared.index.lock();
        let config = &self.shared.config;
        let also = planned.waiting.get(&accept.function).copied();
        let waiting = match accept.running {
            true => 0,
            false => index.waiting(&accept.function) + also.unwrap_or(0),
        };
        let open = index.open_calls() + planned.calls;
        check_counts(waiting, &accept.policy, open, config.max_open)?;
        let stored = self.stored.saturating_add(planned.bytes);
        if stored.saturating_add(accept.size()) > config.max_bytes {
            let (bound, limit) = ("queue.max_bytes", config.max_bytes);
            return Err(Error::Full { bound, limit });
        }
        Ok(())
    }

    fn replayed(&self, key: Key) -> Result<Taken, Error> {
        let open = self.shared.index.lock().get(key).cloned();
        let stored = match open {
            Some(stored) => Some(stored),
            None => self.engine.state(key)?,
        };
        Ok(Taken {
            key,
            replayed: true,
            copies: stored.as_ref().map_or(0, |stored| stored.copies),
            origin: stored.and_then(|stored| stored.origin),
            token: self
                .engine
                .head(key)?
                .map(|head| head.token)
                .unwrap_or_default(),
        })
    }

    fn put(&mut self, accept: Accept) -> Taken {
        let size = accept.size();
        let (call, epoch) = match accept.running {
            true => (Call::under_way(accept.now), ADOPTED_EPOCH),
            false => (Call::new(accept.now), 0),
        };
        let stored = Stored {
            function: accept.function.clone(),
            call,
            epoch,
            callback: if accept.callback {
                CallbackState::Pending
            } else {
                CallbackState::None
            },
            callback_tries: 0,
            callback_error: String::new(),
            callback_due: Time::ZERO,
            expires_at: Time::ZERO,
            stored: size,
            status: None,
            result_bytes: 0,
            ttl: accept.policy.result_ttl,
            dropped: false,
            origin: None,
            claim: 0,
            copies: accept.copies,
        };
        let (engine, key) = (self.engine, accept.key);
        self.batch.insert(&engine.heads, key, accept.head);
        if !accept.body.is_empty() {
            self.batch.insert(&engine.bodies, key, &accept.body[..]);
        }
        let by_function = function_key(&accept.function, &key);
        self.batch.insert(&engine.by_function, by_function, []);
        self.batch.insert(&engine.open, key, stored.to_bytes());
        if let Some((name, digest)) = accept.idempotency {
            let value = [&key[..], &digest].concat();
            let former = former_idempotency_key(&name);
            // A version before this one looks there, should the sidecar be set back to it. What it wrote itself stays.
            if found(engine, &former).is_ok_and(|other| other.is_none()) {
                self.batch
                    .insert(&engine.idempotency, former, value.clone());
            }
            self.batch
                .insert(&engine.idempotency, idempotency_key(&name), value);
            self.idempotency.insert(name, Some((key, digest)));
        }
        self.stored += size;
        self.changed(key, &stored);
        if !accept.running {
            self.waiting.push(key);
        }
        self.activated |= self.shared.index.lock().put(key, stored);
        Taken {
            key,
            replayed: false,
            origin: None,
            copies: accept.copies,
            token: String::new(),
        }
    }
}

/// Whether one more call may wait, beside `waiting` of its function and `open` of all.
pub(super) fn check_counts(
    waiting: u64,
    policy: &AsyncPolicy,
    open: u64,
    max_open: u64,
) -> Result<(), Error> {
    let max_queued = u64::from(policy.max_queued);
    let (bound, limit) = match waiting >= max_queued {
        true => ("async.max_queued", max_queued),
        false if open >= max_open => ("queue.max_open", max_open),
        false => return Ok(()),
    };
    Err(Error::Full { bound, limit })
}

/// The call a key was used for, and what it was, as on disk.
pub(super) fn known(engine: &Engine, name: &KeyName) -> Result<Option<(Key, [u8; 32])>, Error> {
    if let Some((key, digest)) = found(engine, &idempotency_key(name))? {
        // A version that knows no callers may have forgotten the call and not its key; one that has yielded has none.
        let state = engine.state(key)?;
        let is_kept = state.is_some_and(|stored| !has_yielded(&stored.call));
        return Ok(is_kept.then_some((key, digest)));
    }
    let Some((key, digest)) = found(engine, &former_idempotency_key(name))? else {
        return Ok(None);
    };
    let of_caller = engine.head(key)?.and_then(|head| head.key_name());
    Ok((of_caller.as_ref() == Some(name)).then_some((key, digest)))
}

/// Which call is in such a place, and what its key stood for.
pub(super) fn found(engine: &Engine, name: &[u8]) -> Result<Option<(Key, [u8; 32])>, Error> {
    let value = engine.idempotency.get(name).map_err(unavailable)?;
    Ok(value.as_deref().and_then(|v| {
        let (key, digest) = v.split_first_chunk::<16>()?;
        Some((*key, digest.try_into().ok()?))
    }))
}
