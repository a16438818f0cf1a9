//! What is answered of the calls in memory, and what changes them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use gateless_core::call::{Conflict, State as CallState};
use gateless_core::name::FunctionName;
use gateless_core::time::Time;

use super::{Entry, Memory, State};
use crate::queue::Error;
use crate::queue::calls::{Among, Calls, Decide, Decision, Location};
use crate::queue::clock::Skew;
use crate::queue::filter::{Filter, Page};
use crate::queue::token::Proof;
use crate::queue::types::{CallId, CallResult, Depth, Record, View};

impl Calls for Memory {
    fn locate(&self, id: &CallId) -> Location {
        match *id.node() == self.shared.node {
            true => Location::Here,
            false => Location::Sidecar(id.node().clone()),
        }
    }

    fn token(&self, id: &CallId) -> String {
        self.shared.tokens.of(id)
    }

    fn is_token(&self, id: &CallId, shown: &Proof) -> bool {
        self.shared.tokens.fits(id, shown)
    }

    fn get<'a>(&'a self, id: &'a CallId) -> BoxFuture<'a, Result<View, Error>> {
        let view = self.state().entry(id).map(|entry| entry.view(id));
        Box::pin(std::future::ready(view))
    }

    fn result<'a>(&'a self, id: &'a CallId) -> BoxFuture<'a, Result<CallResult, Error>> {
        let result = self.state().entry(id).and_then(|entry| entry.result(id));
        Box::pin(std::future::ready(result))
    }

    fn request<'a>(&'a self, id: &'a CallId) -> BoxFuture<'a, Result<Record, Error>> {
        let record = self.state().entry(id).map(|entry| entry.record.clone());
        Box::pin(std::future::ready(record))
    }

    fn list(&self, filter: Filter) -> BoxFuture<'_, Result<Page, Error>> {
        let state = self.state();
        let (from, to) = filter.keys();
        let newest_first = state.calls.iter().rev();
        let mine = newest_first.filter(|(id, entry)| {
            let function = &entry.record.function;
            function.namespace() == filter.namespace
                && filter.function.as_ref().is_none_or(|f| f == function)
                && (from..to).contains(&id.key())
        });
        let mut wanted = mine
            .map(|(id, entry)| entry.view(id))
            .filter(|call| filter.wants(call));
        let calls: Vec<View> = wanted.by_ref().take(filter.limit).collect();
        let scanned_to = match wanted.next() {
            Some(_) => calls.last().map(|call| call.id.clone()),
            None => None,
        };
        Box::pin(std::future::ready(Ok(Page { calls, scanned_to })))
    }

    fn depths(&self) -> Vec<Depth> {
        let (now, state) = (self.now(), self.state());
        let mut depths: BTreeMap<&FunctionName, Depth> = BTreeMap::new();
        for entry in state.calls.values() {
            let function = &entry.record.function;
            let depth = depths.entry(function).or_insert_with(|| Depth {
                function: function.clone(),
                queued: 0,
                running: 0,
                retrying: 0,
                dead: 0,
                due: 0,
                oldest: Duration::ZERO,
            });
            entry.count(depth, now);
        }
        let counted = |d: &Depth| d.queued + d.running + d.retrying + d.dead > 0;
        depths.into_values().filter(counted).collect()
    }

    fn change<'a>(&'a self, id: &'a CallId, decide: Decide) -> BoxFuture<'a, Result<(), Error>> {
        let (now, mut state) = (self.now(), self.state());
        let changed = state.change(id, decide, now);
        drop(state);
        self.notify();
        Box::pin(std::future::ready(changed))
    }

    fn change_all<'a>(
        &'a self,
        function: &'a FunctionName,
        among: Among,
        decide: Decide,
    ) -> BoxFuture<'a, Result<u64, Error>> {
        let (now, mut state) = (self.now(), self.state());
        let mine = state.calls.iter().filter(|(_, entry)| {
            entry.record.function == *function
                && match among {
                    Among::Waiting => entry.waits(),
                    Among::Dead => matches!(entry.call.state, CallState::Dead(..)),
                    Among::History => !matches!(entry.call.state, CallState::Dead(..)),
                }
        });
        let ids: Vec<_> = mine.map(|(id, _)| id.clone()).collect();
        let changed = ids
            .iter()
            .filter(|id| state.change(id, decide, now).is_ok());
        let count = changed.count() as u64;
        drop(state);
        self.notify();
        Box::pin(std::future::ready(Ok(count)))
    }
}

impl State {
    fn change(&mut self, id: &CallId, decide: Decide, now: Time) -> Result<(), Error> {
        let entry = self.entry(id)?;
        let conflict = |Conflict(state)| Error::Conflict {
            id: id.to_string(),
            state,
        };
        match decide(&entry.call, now).map_err(conflict)? {
            Decision::Forget => drop(self.calls.remove(id)),
            Decision::Change(change) => {
                entry.apply(change, now);
                entry.epoch += 1;
                entry.lease.take().inspect(|lease| lease.cancel());
            }
        }
        Ok(())
    }
}

impl Entry {
    fn view(&self, id: &CallId) -> View {
        let record = &self.record;
        View {
            id: id.clone(),
            skew: Skew::default(),
            function: record.function.clone(),
            method: record.method.clone(),
            path: record.path.clone(),
            trigger: record.trigger(),
            accepted_at: self.accepted_at,
            call: self.call.clone(),
            status: self.result.as_ref().map(|r| r.status),
            callback: record.callback.clone(),
            callback_state: self.callback,
            callback_error: self.callback_error.clone(),
            principal: record.principal.clone(),
            idempotency_key: record.idempotency.as_ref().map(|i| i.key.clone()),
            body_bytes: record.body.len() as u64,
            result_bytes: self.result.as_ref().map_or(0, |r| r.body.len() as u64),
            proof: None,
            copies: 1,
            is_copy: false,
        }
    }

    fn result(&self, id: &CallId) -> Result<CallResult, Error> {
        let (view, state) = (self.view(id), self.call.state.as_str());
        let id = id.to_string();
        if self.call.state.finished_at().is_none() {
            return Err(Error::NotFinished { id, state });
        }
        let reason = view.reason();
        let none = Error::NoResult { id, state, reason };
        self.result.clone().ok_or(none)
    }

    fn count(&self, depth: &mut Depth, now: Time) {
        let counter = match self.call.state {
            CallState::Queued => &mut depth.queued,
            CallState::Running(_) => &mut depth.running,
            CallState::Retrying(_) => &mut depth.retrying,
            CallState::Dead(..) => &mut depth.dead,
            CallState::Succeeded(_) | CallState::Cancelled(_) => return,
        };
        *counter += 1;
        if self.waits() && self.lease.is_none() && self.due <= now {
            depth.due += 1;
            depth.oldest = depth.oldest.max(now.since(self.due));
        }
    }
}
