//! Taking calls into memory: all of them or none.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use gateless_common::limits::QUEUED_BODY_BYTES;
use gateless_core::call::Call;
use gateless_core::config::AsyncPolicy;
use gateless_core::name::FunctionName;
use gateless_core::policy::Admitted;
use gateless_core::time::Time;

use super::{Entry, Memory, State};
use crate::queue::lifecycle::has_yielded;
use crate::queue::types::{Accepted, CallId, CallbackState, KeyName, Known, Record};
use crate::queue::{Error, Inbox};

impl Inbox for Memory {
    fn max_body(&self) -> u64 {
        QUEUED_BODY_BYTES
    }

    fn has_room(&self, function: &FunctionName, policy: &AsyncPolicy) -> Result<(), Error> {
        let limit = u64::from(policy.max_queued);
        let bound = "async.max_queued";
        match self.state().waiting(function) >= limit {
            true => Err(Error::Full { bound, limit }),
            false => Ok(()),
        }
    }

    fn accept_many(
        &self,
        calls: Vec<(Admitted<Record>, AsyncPolicy)>,
    ) -> BoxFuture<'_, Result<Vec<Accepted>, Error>> {
        Box::pin(async move {
            let calls = calls.into_iter();
            let calls: Vec<_> = calls
                .map(|(record, policy)| (record.into_inner(), policy))
                .collect();
            let mut state = self.state();
            state.check(&calls)?;
            let mut accepted = Vec::with_capacity(calls.len());
            for (record, policy) in calls {
                accepted.push(match state.known(&record)? {
                    Some(id) => self.accepted(id, true),
                    None => {
                        let id = self.put(&mut state, record, &policy, Call::new);
                        self.accepted(id, false)
                    }
                });
            }
            drop(state);
            self.notify();
            Ok(accepted)
        })
    }

    fn find(&self, name: &KeyName) -> BoxFuture<'_, Result<Option<Known>, Error>> {
        let state = self.state();
        let known = state.used(name).map(|(id, digest)| Known {
            accepted: self.accepted(id.clone(), true),
            digest: *digest,
            begun: state.calls.get(id).is_none_or(|entry| {
                !entry.call.attempts.is_empty() || entry.call.state.finished_at().is_some()
            }),
        });
        Box::pin(std::future::ready(Ok(known)))
    }
}

impl Memory {
    fn accepted(&self, id: CallId, replayed: bool) -> Accepted {
        let token = self.shared.tokens.of(&id);
        Accepted {
            id,
            replayed,
            token,
            copies: 1,
        }
    }

    /// Puts in a call that was checked, in the state `begin` makes.
    pub(super) fn put(
        &self,
        state: &mut State,
        record: Record,
        policy: &AsyncPolicy,
        begin: impl Fn(Time) -> Call,
    ) -> CallId {
        let now = self.now();
        let id = CallId::new(now, self.shared.node.clone());
        if let Some((name, kept)) = record.key_name().zip(record.idempotency.as_ref()) {
            state.keys.insert(name, (id.clone(), kept.digest));
        }
        let callback = match record.callback {
            Some(_) => CallbackState::Pending,
            None => CallbackState::None,
        };
        let entry = Entry {
            record,
            accepted_at: now,
            call: begin(now),
            due: now,
            epoch: 0,
            lease: None,
            keep: policy.result_ttl,
            expires_at: now,
            result: None,
            callback,
            callback_tries: 0,
            callback_error: String::new(),
            callback_due: now,
            callback_leased: false,
        };
        state.calls.insert(id.clone(), entry);
        id
    }
}

impl State {
    fn waiting(&self, function: &FunctionName) -> u64 {
        let entries = self.calls.values();
        let waiting = entries.filter(|entry| entry.record.function == *function && entry.waits());
        waiting.count() as u64
    }

    /// What a key is used for; a call that has yielded has none.
    fn used(&self, name: &KeyName) -> Option<&(CallId, [u8; 32])> {
        let used = self.keys.get(name);
        used.filter(|(id, _)| {
            let call = self.calls.get(id).map(|entry| &entry.call);
            call.is_some_and(|call| !has_yielded(call))
        })
    }

    /// The call a key was used for.
    pub(super) fn known(&self, record: &Record) -> Result<Option<CallId>, Error> {
        let Some((name, kept)) = record.key_name().zip(record.idempotency.as_ref()) else {
            return Ok(None);
        };
        match self.used(&name) {
            None => Ok(None),
            Some((id, before)) if *before == kept.digest => Ok(Some(id.clone())),
            Some(_) => Err(Error::IdempotencyConflict),
        }
    }

    /// Refuses what would have to be refused in the middle of taking them in.
    pub(super) fn check(&self, calls: &[(Record, AsyncPolicy)]) -> Result<(), Error> {
        let mut waiting: HashMap<&FunctionName, u64> = HashMap::new();
        let mut keys = HashMap::new();
        for (record, policy) in calls {
            let (size, limit) = (record.body.len() as u64, QUEUED_BODY_BYTES);
            if size > limit {
                return Err(Error::BodyTooLarge { size, limit });
            }
            if self.known(record)?.is_some() {
                continue;
            }
            if let Some((name, kept)) = record.key_name().zip(record.idempotency.as_ref()) {
                match keys.insert(name, kept.digest) {
                    Some(before) if before == kept.digest => continue,
                    Some(_) => return Err(Error::IdempotencyConflict),
                    None => {}
                }
            }
            let also = waiting.entry(&record.function).or_default();
            let limit = u64::from(policy.max_queued);
            if self.waiting(&record.function) + *also >= limit {
                let bound = "async.max_queued";
                return Err(Error::Full { bound, limit });
            }
            *also += 1;
        }
        Ok(())
    }
}
