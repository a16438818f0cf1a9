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
use crate::queue::types::{Accepted, CallId, CallbackState, Idempotency, Record};
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
                let known = state.known(&record.function, record.idempotency.as_ref())?;
                accepted.push(match known {
                    Some(id) => Accepted { id, replayed: true },
                    None => Accepted {
                        id: self.put(&mut state, record, &policy, Call::new),
                        replayed: false,
                    },
                });
            }
            drop(state);
            self.notify();
            Ok(accepted)
        })
    }

    fn find(
        &self,
        function: &FunctionName,
        idempotency: &Idempotency,
    ) -> BoxFuture<'_, Result<Option<Accepted>, Error>> {
        let known = self.state().known(function, Some(idempotency));
        let accepted = known.map(|id| id.map(|id| Accepted { id, replayed: true }));
        Box::pin(std::future::ready(accepted))
    }
}

impl Memory {
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
        if let Some(Idempotency { key, digest }) = &record.idempotency {
            let key = (record.function.clone(), key.clone());
            state.keys.insert(key, (id.clone(), *digest));
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

    /// The call a key was used for.
    pub(super) fn known(
        &self,
        function: &FunctionName,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<CallId>, Error> {
        let Some(Idempotency { key, digest }) = idempotency else {
            return Ok(None);
        };
        match self.keys.get(&(function.clone(), key.clone())) {
            None => Ok(None),
            Some((id, before)) if before == digest => Ok(Some(id.clone())),
            Some((id, _)) => Err(Error::IdempotencyConflict(id.to_string())),
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
            if self
                .known(&record.function, record.idempotency.as_ref())?
                .is_some()
            {
                continue;
            }
            if let Some(Idempotency { key, digest }) = &record.idempotency {
                match keys.insert((&record.function, key), digest) {
                    Some(before) if before == digest => continue,
                    Some(_) => return Err(Error::IdempotencyConflict(key.clone())),
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
