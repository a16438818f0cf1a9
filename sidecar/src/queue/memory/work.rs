//! Giving out what is due in memory.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use gateless_core::call::callback::Next;
use gateless_core::call::{Call, State as CallState};
use gateless_core::config::AsyncPolicy;
use gateless_core::name::FunctionName;
use gateless_core::policy::Admitted;
use tokio_util::sync::CancellationToken;

use super::{Entry, Memory};
use crate::queue::types::{CallId, Callback, CallbackState, Record};
use crate::queue::work::{Delivery, Job, Kind, Lease, Receipt, Update};
use crate::queue::{Error, Work};

impl Work for Memory {
    fn functions<'a>(
        &'a self,
        served: &'a HashSet<FunctionName>,
    ) -> BoxFuture<'a, Vec<FunctionName>> {
        Box::pin(self.wait(|state, _| {
            let open = state.calls.values();
            let open = open.filter(|entry| entry.call.state.finished_at().is_none());
            let mut functions: BTreeSet<_> = open.map(|e| e.record.function.clone()).collect();
            functions.retain(|function| !served.contains(function));
            match functions.is_empty() {
                true => Err(None),
                false => Ok(functions.into_iter().collect()),
            }
        }))
    }

    fn next<'a>(
        &'a self,
        function: &'a FunctionName,
        max: usize,
    ) -> BoxFuture<'a, Result<Vec<Delivery<Job>>, Error>> {
        Box::pin(async move {
            let found = self.wait(|state, now| {
                let entries = state.calls.iter_mut();
                let mine = entries.filter(|(_, entry)| entry.record.function == *function);
                let (mut open, mut waiting) = (false, Vec::new());
                for (id, entry) in mine {
                    open |= entry.call.state.finished_at().is_none();
                    if entry.waits() && entry.lease.is_none() {
                        waiting.push((entry.due, id.clone(), entry));
                    }
                }
                waiting.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
                let next = waiting.first().map(|(due, ..)| *due);
                if open && next.is_none_or(|due| due > now) {
                    return Err(next);
                }
                let due = waiting.into_iter().take_while(|(due, ..)| *due <= now);
                let claimed = due.take(max).map(|(_, id, entry)| self.claim(id, entry));
                Ok(claimed.collect())
            });
            Ok(found.await)
        })
    }

    fn next_callbacks(&self, max: usize) -> BoxFuture<'_, Result<Vec<Delivery<Callback>>, Error>> {
        Box::pin(async move {
            let found = self.wait(|state, now| {
                let entries = state.calls.iter_mut();
                let due = entries.filter(|(_, entry)| entry.callback_is_due(now));
                let claimed = due.take(max).map(|(id, e)| self.claim_callback(id, e));
                let claimed: Vec<_> = claimed.collect();
                if !claimed.is_empty() {
                    return Ok(claimed);
                }
                let later = state.calls.values().filter(|entry| {
                    !entry.callback_leased && entry.callback == CallbackState::Pending
                });
                Err(later
                    .map(|entry| entry.callback_due)
                    .filter(|due| *due > now)
                    .min())
            });
            Ok(found.await)
        })
    }

    fn adopt(
        &self,
        record: Admitted<Record>,
        policy: &AsyncPolicy,
    ) -> BoxFuture<'_, Result<Delivery<Job>, Error>> {
        let policy = *policy;
        Box::pin(async move {
            let mut state = self.state();
            // It waits for nothing, so the bound of those that do isn't its own.
            let unbounded = AsyncPolicy {
                max_queued: u32::MAX,
                ..policy
            };
            let calls = [(record.into_inner(), unbounded)];
            state.check(&calls)?;
            let [(record, _)] = calls;
            let known = state.known(&record)?;
            if let Some(id) = known {
                return Err(Error::IdempotencyTaken(id.to_string()));
            }
            let id = self.put(&mut state, record, &policy, Call::under_way);
            let delivery = self.claim(id.clone(), state.entry(&id)?);
            drop(state);
            self.notify();
            Ok(delivery)
        })
    }

    fn update<'a>(
        &'a self,
        receipt: &'a Receipt,
        update: Update,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(std::future::ready(self.try_update(receipt, update)))
    }

    fn release(&self, receipt: &Receipt, after: Duration) {
        let (now, mut state) = (self.now(), self.state());
        let Some(entry) = state.calls.get_mut(&receipt.id) else {
            return;
        };
        match receipt.kind {
            _ if entry.epoch != receipt.epoch => return,
            Kind::Callback => {
                (entry.callback_leased, entry.callback_due) = (false, now + after);
            }
            Kind::Call => {
                entry.lease = None;
                if let CallState::Running(_) = entry.call.state {
                    entry.call.recover(now);
                    entry.due = now;
                } else {
                    entry.due = entry.due.max(now + after);
                }
            }
        }
        drop(state);
        self.notify();
    }
}

impl Memory {
    fn claim(&self, id: CallId, entry: &mut Entry) -> Delivery<Job> {
        let cancelled = CancellationToken::new();
        entry.epoch += 1;
        entry.lease = Some(cancelled.clone());
        let record = Record {
            // Only looked at when a call is accepted.
            idempotency: None,
            ..entry.record.clone()
        };
        let (epoch, kind) = (entry.epoch, Kind::Call);
        let receipt = Receipt { id, epoch, kind };
        Delivery {
            job: Job {
                record: Ok(record),
                call: entry.call.clone(),
            },
            lease: Lease::new(receipt, cancelled, Arc::new(self.clone())),
        }
    }

    fn claim_callback(&self, id: &CallId, entry: &mut Entry) -> Delivery<Callback> {
        entry.callback_leased = true;
        let callback = Callback {
            id: id.clone(),
            function: entry.record.function.clone(),
            principal: entry.record.principal.clone(),
            url: entry.record.callback.clone().unwrap_or_default(),
            attempt: entry.callback_tries + 1,
            finished: entry.call.state.finished_at().unwrap_or_default(),
            state: entry.call.state.as_str(),
            result: entry.result.clone(),
            took: entry
                .call
                .attempts
                .last()
                .map(|a| a.took)
                .unwrap_or_default(),
        };
        let receipt = Receipt {
            id: id.clone(),
            epoch: entry.epoch,
            kind: Kind::Callback,
        };
        let lease = Lease::new(receipt, CancellationToken::new(), Arc::new(self.clone()));
        Delivery {
            job: callback,
            lease,
        }
    }

    fn try_update(&self, receipt: &Receipt, update: Update) -> Result<(), Error> {
        let (now, mut state) = (self.now(), self.state());
        let entry = state.entry(&receipt.id)?;
        let stale = || Error::Stale {
            id: receipt.id.to_string(),
            epoch: receipt.epoch,
        };
        if entry.epoch != receipt.epoch {
            return Err(stale());
        }
        match update {
            Update::Call(change) if entry.lease.is_some() => {
                entry.apply(change, now);
                if !matches!(entry.call.state, CallState::Running(_)) {
                    entry.lease = None;
                }
            }
            Update::Callback(next, error) if entry.callback_leased => {
                entry.callback_leased = false;
                entry.callback_tries += u32::from(next.counts());
                entry.callback_error = error;
                match next {
                    Next::Again(at) | Next::Unmade(at) => entry.callback_due = at,
                    Next::Delivered => entry.callback = CallbackState::Delivered,
                    Next::GivenUp => entry.callback = CallbackState::Failed,
                }
            }
            Update::Call(_) | Update::Callback(..) => return Err(stale()),
        }
        drop(state);
        self.notify();
        Ok(())
    }
}
