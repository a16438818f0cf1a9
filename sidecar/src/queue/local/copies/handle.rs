//! What the rest of the queue asks of the copies on this disk, and how calls are taken in with copies.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateless_core::copies::{Claim, Event, Key as CopyKey, Own, Taken};
use gateless_core::name::NodeId;
use prost::Message;

use super::super::accept::{Accept, Taken as Accepted, known};
use super::super::batch::{OVERHEAD, Op};
use super::super::engine::{Engine, Key, idempotency_key, unavailable};
use super::super::{Local, Shared};
use super::{CopyOp, CopyRow, row};
use crate::queue::Error;
use crate::queue::codec::Head;
use crate::queue::copies::{Copier, Outgoing};
use crate::queue::types::{CallId, KeyName};

impl Local {
    /// Has this done with copies; returns what was done, when it is on disk.
    ///
    /// # Errors
    /// The queue cannot write.
    pub(in crate::queue) async fn write_copies(
        &self,
        ops: Vec<CopyOp>,
    ) -> Result<Vec<Event>, Error> {
        let held = ops.iter().map(|op| match op {
            CopyOp::Hold(_, _, head, body) => head.len() + body.len(),
            _ => 0,
        });
        let bytes = held.sum();
        self.writes
            .submit(bytes, |reply| Op::Copies(ops, reply))
            .await
    }

    /// Every copy, and every call taken on that others are still to hear of, as events.
    pub(in crate::queue) async fn read_copies(&self) -> Result<Vec<Event>, Error> {
        self.read(|_, engine| {
            let mut events = Vec::new();
            for (keyspace, is_taken) in [(&engine.copies, false), (&engine.taken, true)] {
                for entry in keyspace.iter() {
                    let (key, value) = entry.into_inner().map_err(unavailable)?;
                    let row = CopyRow::decode(&*value).ok();
                    let Some((key, row)) = Key::try_from(&key[..]).ok().zip(row) else {
                        tracing::error!("skipping a copy of a call that cannot be read");
                        continue;
                    };
                    let held = row.held();
                    events.push(match is_taken {
                        false => Event::Held(key, held),
                        true => {
                            let taken = Taken {
                                claim: held.owner,
                                origin: held.origin,
                                holders: held.holders,
                            };
                            Event::TakenOn(key, taken)
                        }
                    });
                }
            }
            Ok(events)
        })
        .await
    }

    /// What the own queue says of calls, and the claims under which it would deliver them; and whether an attempt was begun.
    pub(in crate::queue) async fn own(
        &self,
        keys: Vec<CopyKey>,
    ) -> Result<Vec<(CopyKey, Own, Claim, bool)>, Error> {
        self.read(move |shared, engine| {
            let own = keys.into_iter().map(|key| own(shared, engine, key));
            own.collect()
        })
        .await
    }

    /// Which queue this is.
    pub(in crate::queue) fn run(&self) -> u64 {
        self.shared.run
    }

    /// From now on calls are copied by it; said once.
    pub(in crate::queue) fn copy_by(&self, copier: Arc<dyn Copier>) {
        self.shared.copier.set(copier).ok();
    }

    /// Whether it has calls that are not finished and that others may have, too.
    pub(in crate::queue) fn has_copied(&self) -> bool {
        let index = self.shared.index.lock();
        index
            .iter()
            .any(|(_, stored)| stored.copies > 1 || stored.origin.is_some())
    }

    /// Takes calls in here while others take copies; both have them on disk when it returns.
    pub(in crate::queue::local) async fn take_in_with_copies(
        &self,
        copier: &dyn Copier,
        mut accepts: Vec<Accept>,
    ) -> Result<Vec<Accepted>, Error> {
        let mut outgoing = Vec::new();
        for accept in &mut accepts {
            let planned = copier.planned();
            if planned < 2 || self.is_known(accept)? {
                continue;
            }
            accept.copies = planned;
            outgoing.push(self.outgoing(accept));
        }
        if outgoing.is_empty() {
            return self.take_in_in_time(accepts).await;
        }
        let keys: Vec<Key> = outgoing.iter().map(|call| call.key).collect();
        let _placing = Placing::new(&self.shared, &keys);
        let (taken, placed) = tokio::join!(self.take_in_in_time(accepts), copier.place(outgoing));
        let mut taken = taken?;
        let mut fewer = Vec::new();
        for (key, copies) in keys.into_iter().zip(placed) {
            let taken = taken.iter_mut().find(|taken| taken.key == key);
            if let Some(taken) = taken.filter(|taken| taken.copies != copies) {
                taken.copies = copies;
                fewer.push(CopyOp::Count(key, copies));
            }
        }
        if !fewer.is_empty() {
            self.write_copies(fewer).await?;
        }
        Ok(taken)
    }

    /// Whether it was accepted before under its key: then there is nothing to copy.
    fn is_known(&self, accept: &Accept) -> Result<bool, Error> {
        let engine = self.shared.engine.load_full();
        match (&accept.idempotency, engine) {
            (Some((name, _)), Some(engine)) => Ok(known(&engine, name)?.is_some()),
            _ => Ok(false),
        }
    }

    fn outgoing(&self, accept: &Accept) -> Outgoing {
        let id = self.id(accept.key, None);
        Outgoing {
            key: accept.key,
            name: accept.idempotency.as_ref().map(|(name, _)| name.clone()),
            digest: accept.idempotency.as_ref().map(|(_, digest)| *digest),
            head: accept.head.clone().into(),
            body: accept.body.clone(),
            token: self.shared.tokens.of(&id),
            result_ttl: accept.policy.result_ttl,
            run: self.shared.run,
        }
    }

    /// A copy as it is to be held, of what came over the wire.
    ///
    /// # Errors
    /// It is none.
    pub(in crate::queue) fn to_hold(
        &self,
        key: CopyKey,
        mut row: CopyRow,
        (head, body, token): (&[u8], Bytes, String),
        age: Duration,
    ) -> Result<CopyOp, Error> {
        let mut head = Head::from_bytes(head)?;
        let size = (head.encoded_len() + body.len()) as u64;
        let limit = self.shared.config.max_body + self.shared.config.max_head;
        if size > limit {
            return Err(Error::BodyTooLarge { size, limit });
        }
        let now = self.shared.config.clock.now();
        head.accepted_at = (now - age).as_nanos();
        head.token = token;
        row.bytes = size + OVERHEAD;
        Ok(CopyOp::Hold(key, row, head.to_bytes(), body))
    }

    /// The call of a key of which a copy is here, what it was used for, and its token.
    pub(in crate::queue::local) fn known_copy(
        engine: &Engine,
        name: &KeyName,
    ) -> Result<Option<(CallId, [u8; 32], String)>, Error> {
        let value = engine.copy_keys.get(idempotency_key(name));
        let Some(value) = value.map_err(unavailable)? else {
            return Ok(None);
        };
        let Some((key, digest)) = value.split_first_chunk::<16>() else {
            return Ok(None);
        };
        let id = row(engine, key)?.map(|row| CallId::from_key(*key, NodeId::new(&row.origin)));
        let head = engine.copy_heads.get(key).map_err(unavailable)?;
        let token = head.and_then(|head| Some(Head::from_bytes(&head).ok()?.token));
        let known = id.zip(digest.try_into().ok()).zip(token);
        Ok(known.map(|((id, digest), token)| (id, digest, token)))
    }
}

fn own(shared: &Shared, engine: &Engine, key: Key) -> Result<(Key, Own, Claim, bool), Error> {
    // First, as it is in the index before it is no longer among these.
    let is_placing = shared.placing.lock().contains(&key);
    let open = shared.index.lock().get(key).cloned();
    let (own, stored) = match open {
        Some(stored) => (Own::Open, Some(stored)),
        None => match engine.state(key)? {
            Some(stored) if stored.call.state.finished_at().is_some() => (Own::Over, Some(stored)),
            // It is about to be given up.
            Some(stored) => (Own::Open, Some(stored)),
            None if is_placing => (Own::Open, None),
            None => (Own::Nothing, None),
        },
    };
    let claim = Claim {
        epoch: stored.as_ref().map_or(0, |stored| stored.claim),
        node: shared.config.node.clone(),
        run: shared.run,
    };
    Ok((
        key,
        own,
        claim,
        stored.is_some_and(|stored| stored.is_begun()),
    ))
}

/// Calls that are about to be taken in, as long as it lives: who asks about one of them is told that it is open.
struct Placing<'a> {
    shared: &'a Shared,
    keys: Vec<Key>,
}

impl<'a> Placing<'a> {
    fn new(shared: &'a Shared, keys: &[Key]) -> Self {
        shared.placing.lock().extend(keys);
        let keys = keys.to_vec();
        Self { shared, keys }
    }
}

impl Drop for Placing<'_> {
    fn drop(&mut self) {
        let mut placing = self.shared.placing.lock();
        for key in &self.keys {
            placing.remove(key);
        }
    }
}
