//! Copies of other sidecars' calls on this disk, beside the own queue and bounded apart from it; calls that were taken on from others,
//! and own calls that others took on.
//!
//! Deliberately decides nothing of that: `gateless_core::copies` does, and hears of what was done once it is on disk.

mod handle;

use std::time::Duration;

use bytes::Bytes;
use gateless_core::call::Call;
use gateless_core::copies::{Claim, Event, Held, Key as CopyKey, MAX_HOLDERS, Taken};
use gateless_core::name::NodeId;
use gateless_core::time::Time;
use prost::Message;

use super::accept::known;
use super::batch::Batch;
use super::engine::{Engine, Key, function_key, idempotency_key, unavailable};
use super::read::view;
use crate::queue::Error;
use crate::queue::clock::Skew;
use crate::queue::codec::{Head, Stored};
use crate::queue::types::{CallId, CallbackState, KeyName, View};

/// Copies that are held for others, and their bytes: beyond either a copy is refused, and its home asks another.
const MAX_COPIES: u64 = 1_000_000;
const MAX_COPY_BYTES: u64 = 8 << 30;

/// What is held for others.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct HeldBytes {
    copies: u64,
    bytes: u64,
}

/// A copy as it lies on disk, without its head and body.
#[derive(Clone, PartialEq, Message)]
pub(in crate::queue) struct CopyRow {
    #[prost(uint64, tag = "1")]
    pub(in crate::queue) epoch: u64,
    #[prost(string, tag = "2")]
    pub(in crate::queue) owner: String,
    #[prost(uint64, tag = "3")]
    pub(in crate::queue) run: u64,
    #[prost(string, tag = "4")]
    pub(in crate::queue) origin: String,
    #[prost(string, repeated, tag = "5")]
    pub(in crate::queue) holders: Vec<String>,
    #[prost(bytes = "vec", tag = "6")]
    pub(in crate::queue) digest: Vec<u8>,
    #[prost(uint64, tag = "7")]
    pub(in crate::queue) result_ttl: u64,
    #[prost(uint64, tag = "8")]
    pub(in crate::queue) bytes: u64,
}

/// What is to be written of copies.
pub(in crate::queue) enum CopyOp {
    /// A call to hold, its head and its body.
    Hold(CopyKey, CopyRow, Vec<u8>, Bytes),
    Drop(CopyKey),
    Follow(CopyKey, Claim),
    /// A copy becomes a call of the own queue.
    TakeOn(CopyKey, Claim),
    /// A call of the own queue becomes a copy.
    HandOver(CopyKey, Claim),
    /// A call of the own queue was finished elsewhere.
    End(CopyKey),
    /// Nobody is to be told any more that it was taken on.
    Known(CopyKey),
    /// So many have a call of the own queue.
    Count(CopyKey, u32),
}

/// Which queue has that secret.
pub(super) fn run(secret: &[u8; 32]) -> u64 {
    gateless_common::stable_hash(&[b"run of a queue", secret])
}

impl CopyRow {
    pub(in crate::queue) fn held(&self) -> Held {
        let holders = self.holders.iter().take(MAX_HOLDERS);
        Held {
            owner: self.claim(),
            origin: NodeId::new(&self.origin),
            holders: holders.map(|node| NodeId::new(node)).collect(),
        }
    }

    fn claim(&self) -> Claim {
        Claim {
            epoch: self.epoch,
            node: NodeId::new(&self.owner),
            run: self.run,
        }
    }

    fn under(mut self, claim: &Claim) -> Self {
        (self.epoch, self.owner, self.run) = (claim.epoch, claim.node.to_string(), claim.run);
        self
    }
}

fn row(engine: &Engine, key: &Key) -> Result<Option<CopyRow>, Error> {
    let value = engine.copies.get(key).map_err(unavailable)?;
    let damaged = |error: prost::DecodeError| Error::Damaged(error.to_string());
    value
        .map(|v| CopyRow::decode(&*v).map_err(damaged))
        .transpose()
}

/// What is on disk of copies.
pub(super) fn held_bytes(engine: &Engine) -> Result<HeldBytes, Error> {
    let mut held = HeldBytes::default();
    for entry in engine.copies.iter() {
        let (_, value) = entry.into_inner().map_err(unavailable)?;
        let bytes = CopyRow::decode(&*value).map_or(0, |row| row.bytes);
        held.copies += 1;
        held.bytes += bytes;
    }
    Ok(held)
}

/// A copy as it is shown: as it was accepted.
pub(super) fn copy_view(engine: &Engine, id: CallId, skew: Skew) -> Result<View, Error> {
    let missing = || Error::NotFound(id.to_string());
    let row = row(engine, &id.key())?.filter(|row| row.origin == id.node().as_str());
    let row = row.ok_or_else(missing)?;
    let head = engine.copy_heads.get(id.key()).map_err(unavailable)?;
    let head = Head::from_bytes(&head.ok_or_else(missing)?)?;
    let stored = taken_on(&row, &head)?;
    let mut view = view(id, head, stored, skew);
    view.is_copy = true;
    Ok(view)
}

fn taken_on(row: &CopyRow, head: &Head) -> Result<Stored, Error> {
    let function = head.function.parse();
    Ok(Stored {
        function: function.map_err(|error| Error::Damaged(format!("{error}")))?,
        call: Call::new(Time::from_nanos(head.accepted_at)),
        epoch: 0,
        callback: match head.callback {
            Some(_) => CallbackState::Pending,
            None => CallbackState::None,
        },
        callback_tries: 0,
        callback_error: String::new(),
        callback_due: Time::ZERO,
        expires_at: Time::ZERO,
        stored: row.bytes,
        status: None,
        result_bytes: 0,
        ttl: Duration::from_nanos(row.result_ttl),
        dropped: false,
        origin: Some(NodeId::new(&row.origin)),
        claim: row.epoch,
        copies: 1,
    })
}

impl Batch<'_> {
    /// Writes what is to be written; what is not, is said not to be.
    pub(super) fn copies(&mut self, ops: Vec<CopyOp>) -> Result<Vec<Event>, Error> {
        let mut events = Vec::with_capacity(ops.len());
        for op in ops {
            match op {
                CopyOp::Hold(key, row, head, body) => {
                    events.extend(self.hold(key, row, head, &body)?);
                }
                CopyOp::Drop(key) => {
                    self.drop_copy(key)?;
                    events.push(Event::Dropped(key));
                }
                CopyOp::Follow(key, claim) => match row(self.engine, &key)? {
                    Some(row) => {
                        let row = row.under(&claim);
                        self.batch
                            .insert(&self.engine.copies, key, row.encode_to_vec());
                        events.push(Event::Held(key, row.held()));
                    }
                    None => events.push(Event::Dropped(key)),
                },
                CopyOp::TakeOn(key, claim) => events.push(self.take_on(key, &claim)?),
                CopyOp::HandOver(key, claim) => events.extend(self.hand_over(key, &claim)?),
                CopyOp::End(key) => {
                    self.take_out(key)?;
                    self.batch.remove(&self.engine.taken, key);
                    events.push(Event::LetGo(key));
                }
                CopyOp::Known(key) => self.batch.remove(&self.engine.taken, key),
                CopyOp::Count(key, copies) => {
                    let mut index = self.shared.index.lock();
                    if let Some(stored) = index.set_copies(key, copies) {
                        self.batch.insert(&self.engine.open, key, stored.to_bytes());
                    }
                }
            }
        }
        Ok(events)
    }

    /// Nothing when there is no room for it, or the own queue has the call.
    fn hold(
        &mut self,
        key: Key,
        row: CopyRow,
        head: Vec<u8>,
        body: &Bytes,
    ) -> Result<Option<Event>, Error> {
        let engine = self.engine;
        let is_own = self.shared.index.lock().get(key).is_some() || engine.state(key)?.is_some();
        let mut held = self.shared.held.lock();
        let is_full = held.copies >= MAX_COPIES || held.bytes + row.bytes > MAX_COPY_BYTES;
        if is_own || is_full || self.room.is_err() {
            return Ok(None);
        }
        if !engine.copies.contains_key(key).map_err(unavailable)? {
            held.copies += 1;
            held.bytes += row.bytes;
        }
        drop(held);
        if let Some((name, digest)) = key_name(&row, &head)? {
            let value = [&key[..], &digest].concat();
            self.batch
                .insert(&engine.copy_keys, idempotency_key(&name), value);
        }
        self.batch.insert(&engine.copies, key, row.encode_to_vec());
        self.batch.insert(&engine.copy_heads, key, head);
        if !body.is_empty() {
            self.batch.insert(&engine.copy_bodies, key, &body[..]);
        }
        Ok(Some(Event::Held(key, row.held())))
    }

    fn drop_copy(&mut self, key: Key) -> Result<(), Error> {
        let engine = self.engine;
        let Some(row) = row(engine, &key)? else {
            return Ok(());
        };
        if let Some(head) = engine.copy_heads.get(key).map_err(unavailable)?
            && let Some((name, _)) = key_name(&row, &head)?
        {
            self.batch.remove(&engine.copy_keys, idempotency_key(&name));
        }
        for keyspace in [&engine.copies, &engine.copy_heads, &engine.copy_bodies] {
            self.batch.remove(keyspace, key);
        }
        let mut held = self.shared.held.lock();
        held.copies = held.copies.saturating_sub(1);
        held.bytes = held.bytes.saturating_sub(row.bytes);
        Ok(())
    }

    fn take_on(&mut self, key: Key, claim: &Claim) -> Result<Event, Error> {
        let engine = self.engine;
        let Some(row) = row(engine, &key)? else {
            return Ok(Event::Dropped(key));
        };
        if self.shared.index.lock().open_calls() >= self.shared.config.max_open {
            return Ok(Event::Unchanged(key));
        }
        let head = engine.copy_heads.get(key).map_err(unavailable)?;
        let body = engine.copy_bodies.get(key).map_err(unavailable)?;
        let Some(head) = head else {
            return Ok(Event::Dropped(key));
        };
        let named = key_name(&row, &head)?;
        self.drop_copy(key)?;
        let row = row.under(claim);
        let stored = taken_on(&row, &Head::from_bytes(&head)?)?;
        self.batch.insert(&engine.heads, key, &head[..]);
        if let Some(body) = body {
            self.batch.insert(&engine.bodies, key, &body[..]);
        }
        let by_function = function_key(&stored.function, &key);
        self.batch.insert(&engine.by_function, by_function, []);
        self.batch.insert(&engine.open, key, stored.to_bytes());
        self.batch.insert(&engine.taken, key, row.encode_to_vec());
        if let Some((name, digest)) = named {
            let value = [&key[..], &digest].concat();
            self.batch
                .insert(&engine.idempotency, idempotency_key(&name), value);
            self.idempotency.insert(name, Some((key, digest)));
        }
        self.stored += stored.stored;
        self.changed(key, &stored);
        self.waiting.push(key);
        self.activated |= self.shared.index.lock().put(key, stored);
        let held = row.held();
        let taken = Taken {
            claim: claim.clone(),
            origin: held.origin,
            holders: held.holders,
        };
        Ok(Event::TakenOn(key, taken))
    }

    fn hand_over(&mut self, key: Key, claim: &Claim) -> Result<Vec<Event>, Error> {
        let engine = self.engine;
        let before = engine.taken.get(key).map_err(unavailable)?;
        let before = before.and_then(|row| CopyRow::decode(&*row).ok());
        let head = engine.heads.get(key).map_err(unavailable)?;
        let body = engine.bodies.get(key).map_err(unavailable)?;
        let name = head
            .as_ref()
            .and_then(|head| Head::from_bytes(head).ok()?.key_name());
        let digest = match &name {
            Some(name) => known(engine, name)?.filter(|(of, _)| *of == key),
            None => None,
        };
        let Some((stored, head)) = self.take_out(key)?.zip(head) else {
            return Ok(vec![Event::LetGo(key)]);
        };
        self.batch.remove(&engine.taken, key);
        let own = self.shared.config.node.to_string();
        let row = CopyRow {
            origin: stored.origin.as_ref().map_or(own, ToString::to_string),
            holders: before.map(|row| row.holders).unwrap_or_default(),
            digest: digest
                .map(|(_, digest)| digest.to_vec())
                .unwrap_or_default(),
            result_ttl: u64::try_from(stored.ttl.as_nanos()).unwrap_or(u64::MAX),
            bytes: stored.stored,
            ..CopyRow::default()
        };
        let mut head = Head::from_bytes(&head)?;
        if head.token.is_empty() {
            let id = CallId::from_key(key, self.shared.config.node.clone());
            head.token = self.shared.tokens.of(&id);
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::copy_from_slice(&body));
        let mut events = vec![Event::LetGo(key)];
        let mut held = self.shared.held.lock();
        held.copies += 1;
        held.bytes += row.bytes;
        drop(held);
        let row = row.under(claim);
        let bytes = head.to_bytes();
        if let Some((name, digest)) = key_name(&row, &bytes)? {
            let value = [&key[..], &digest].concat();
            self.batch
                .insert(&engine.copy_keys, idempotency_key(&name), value);
        }
        self.batch.insert(&engine.copies, key, row.encode_to_vec());
        self.batch.insert(&engine.copy_heads, key, bytes);
        if !body.is_empty() {
            self.batch.insert(&engine.copy_bodies, key, &body[..]);
        }
        events.push(Event::Held(key, row.held()));
        Ok(events)
    }

    /// Takes a call that is not finished out of the own queue. Who holds a lease of it settles nothing any more.
    fn take_out(&mut self, key: Key) -> Result<Option<Stored>, Error> {
        let engine = self.engine;
        self.end_lease(key, false);
        let Some(stored) = self.shared.index.lock().take(key) else {
            return Ok(None);
        };
        let name = engine.head(key)?.and_then(|head| head.key_name());
        if let Some(name) = name
            && known(engine, &name)?.is_some_and(|(of, _)| of == key)
        {
            self.batch
                .remove(&engine.idempotency, idempotency_key(&name));
            self.idempotency.insert(name, None);
        }
        for keyspace in [&engine.heads, &engine.bodies, &engine.open] {
            self.batch.remove(keyspace, key);
        }
        let by_function = function_key(&stored.function, &key);
        self.batch.remove(&engine.by_function, by_function);
        self.stored = self.stored.saturating_sub(stored.stored);
        self.waiting.retain(|waiting| *waiting != key);
        Ok(Some(stored))
    }
}

/// The key of a copy of a call, and what it was used for.
fn key_name(row: &CopyRow, head: &[u8]) -> Result<Option<(KeyName, [u8; 32])>, Error> {
    let name = Head::from_bytes(head)?.key_name();
    Ok(name.zip(row.digest.as_slice().try_into().ok()))
}
