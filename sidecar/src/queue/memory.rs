//! A queue in memory, for tests: it does all that [`super::contract`] asks and keeps nothing.
//!
//! Every look goes over all calls, under one lock. Deliberately the plainest engine there can be, so that it
//! shows what the traits ask of one, and so that delivery is tested without a disk.

mod calls;
mod inbox;
mod work;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use gateless_core::call::Call;
use gateless_core::name::NodeId;
use gateless_core::time::Time;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::calls::Change;
use super::clock::Clock;
use super::token::Tokens;
use super::types::{CallId, CallResult, CallbackState, KeyName, Record};

/// Handle to the queue. Cheap to clone.
#[derive(Clone)]
pub struct Memory {
    shared: Arc<Shared>,
}

struct Shared {
    node: NodeId,
    tokens: Tokens,
    clock: Clock,
    /// A lock, held for single steps.
    state: Mutex<State>,
    /// Changes with every change.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    calls: BTreeMap<CallId, Entry>,
    keys: HashMap<KeyName, (CallId, [u8; 32])>,
}

/// A call and what the queue itself must know of it.
struct Entry {
    record: Record,
    accepted_at: Time,
    call: Call,
    /// When it is due, if it waits.
    due: Time,
    epoch: u32,
    /// Of its holder.
    lease: Option<CancellationToken>,
    keep: Duration,
    expires_at: Time,
    result: Option<CallResult>,
    callback: CallbackState,
    callback_tries: u32,
    callback_error: String,
    callback_due: Time,
    callback_leased: bool,
}

impl Memory {
    /// An empty one.
    #[must_use]
    pub fn new(node: NodeId, clock: Clock) -> Self {
        let shared = Shared {
            node,
            tokens: Tokens::new(&rand::random()),
            clock,
            state: Mutex::default(),
            changed: watch::Sender::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// What there is, without what has expired.
    fn state(&self) -> MutexGuard<'_, State> {
        let (now, mut state) = (self.now(), self.shared.state.lock());
        let State { calls, keys } = &mut *state;
        calls.retain(|_, entry| {
            entry.call.state.finished_at().is_none()
                || entry.callback == CallbackState::Pending
                || entry.expires_at > now
        });
        keys.retain(|_, (id, _)| calls.contains_key(id));
        state
    }

    fn notify(&self) {
        self.shared.changed.send_modify(|version| *version += 1);
    }

    /// Waits until `look` finds something. It says when to look again if nothing changes before.
    async fn wait<T>(
        &self,
        mut look: impl FnMut(&mut State, Time) -> Result<T, Option<Time>>,
    ) -> T {
        let mut changed = self.shared.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let looked = look(&mut self.state(), self.now());
            let next = match looked {
                Ok(found) => return found,
                Err(next) => next,
            };
            tokio::select! {
                // Its sender is in what `self` holds, so this can't fail.
                _ = changed.changed() => {}
                () = self.shared.clock.sleep_until(next) => {}
            }
        }
    }
}

impl State {
    fn entry(&mut self, id: &CallId) -> Result<&mut Entry, Error> {
        let missing = || Error::NotFound(id.to_string());
        self.calls.get_mut(id).ok_or_else(missing)
    }
}

impl Entry {
    fn waits(&self) -> bool {
        self.call.next_deadline().is_some()
    }

    /// Makes a change; who may make it is seen to before.
    fn apply(&mut self, change: Change, now: Time) {
        let was_finished = self.call.state.finished_at().is_some();
        self.call = change.call;
        self.keep = change.keep.unwrap_or(self.keep);
        if let Some(due) = self.call.next_deadline() {
            self.due = due;
        }
        let finished = self.call.state.finished_at().is_some();
        if was_finished && !finished {
            self.result = None;
            if self.record.callback.is_some() {
                self.callback = CallbackState::Pending;
            }
            (self.callback_tries, self.callback_leased) = (0, false);
            self.callback_error.clear();
        }
        if finished {
            (self.result, self.expires_at) = (change.result, now + self.keep);
            self.callback_due = now;
            if !change.callback {
                self.callback = CallbackState::None;
            }
        }
    }

    fn callback_is_due(&self, now: Time) -> bool {
        self.call.state.finished_at().is_some()
            && self.callback == CallbackState::Pending
            && !self.callback_leased
            && self.callback_due <= now
    }
}
