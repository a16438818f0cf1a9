//! What each operation writes: one [`Work`] is one batch, one fsync.
//!
//! Operations are applied to the index one after another as they are put into the batch, so
//! each sees what those before it did. Deliberately doesn't commit and answers nobody before
//! the commit: that is the writer's part.

use std::collections::HashMap;

use fjall::OwnedWriteBatch;
use gateless_core::call::{Action, Event};
use gateless_core::config::AsyncPolicy;
use gateless_core::name::FunctionName;
use gateless_core::time::Time;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::accept::{Accept, Taken};
use super::engine::{Engine, Key, unavailable};
use crate::queue::Error;
use crate::queue::codec::Stored;
use crate::queue::types::{CallId, CallResult};
use crate::telemetry::observe;

/// Counted for each call besides its bytes: keys, state, indices.
pub(super) const OVERHEAD: u64 = 512;
/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// Sends an operation's answer, once it is known whether the batch is on disk.
type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// One operation.
pub(super) enum Op {
    /// All of them or none.
    Accept(Vec<Accept>, Reply<Vec<Taken>>),
    Step(Box<Step>, Reply<Stepped>),
    Callback(CallbackDone, Reply<()>),
    /// Forgets a dead letter.
    Purge(Key, Reply<()>),
    /// Forgets what has expired; answers when to come again.
    Sweep(Reply<Option<Time>>),
    /// Stops the writer.
    Close(oneshot::Sender<()>),
}

/// A step in a call's life.
pub(super) struct Step {
    pub(super) key: Key,
    pub(super) event: Event,
    pub(super) result: Option<CallResult>,
    pub(super) policy: AsyncPolicy,
}

/// It was made.
pub(super) struct Stepped {
    pub(super) action: Action,
    pub(super) cancelled: CancellationToken,
}

/// How a callback attempt ended.
pub(super) struct CallbackDone {
    pub(super) key: Key,
    /// Expiry of the call when the callback was given out: it differs after a replay.
    pub(super) expires_at: Time,
    pub(super) delivered: bool,
    pub(super) retryable: bool,
}

/// Calls and what became of them.
type Changed = Vec<(Key, FunctionName, observe::Call)>;

/// One batch in the making.
pub(super) struct Work<'a> {
    pub(super) shared: &'a Shared,
    pub(super) engine: &'a Engine,
    pub(super) batch: OwnedWriteBatch,
    pub(super) now: Time,
    /// What the batch does to finished calls, which the engine doesn't show yet.
    pub(super) closed: HashMap<Key, Option<Stored>>,
    pub(super) idempotency: HashMap<Vec<u8>, Option<(Key, [u8; 32])>>,
    answers: Vec<Answer>,
    pub(super) stored: u64,
    /// Attempts that begin in this batch: if it fails nobody makes them.
    pub(super) starting: Vec<Key>,
    pub(super) aborted: Vec<CancellationToken>,
    pub(super) activated: bool,
    /// Callbacks to put in line, which nobody may see before the batch is on disk: unlike a
    /// call they are not begun by another operation.
    pub(super) callbacks: Vec<(Time, Key)>,
    pub(super) sweep_from: &'a mut Time,
    /// For the observer, if anybody watches.
    pub(super) changed: Option<Changed>,
    pub(super) room: Result<(), Error>,
}

impl<'a> Work<'a> {
    /// An empty batch. `room` says whether the disk has space for more calls.
    pub(super) fn new(
        shared: &'a Shared,
        engine: &'a Engine,
        sweep_from: &'a mut Time,
        room: Result<(), Error>,
    ) -> Self {
        Self {
            shared,
            engine,
            batch: engine.batch(),
            now: shared.config.clock.now(),
            closed: HashMap::new(),
            idempotency: HashMap::new(),
            answers: Vec::new(),
            stored: shared.index.lock().stored,
            starting: Vec::new(),
            aborted: Vec::new(),
            activated: false,
            callbacks: Vec::new(),
            sweep_from,
            changed: shared
                .observer
                .get()
                .is_some_and(|observer| observer.is_watched())
                .then(Vec::new),
            room,
        }
    }

    /// Puts an operation into the batch.
    pub(super) fn apply(&mut self, op: Op) {
        match op {
            Op::Accept(accepts, reply) => {
                let result = self.accept(accepts);
                self.answer(reply, result);
            }
            Op::Step(step, reply) => {
                let result = self.step(*step);
                self.answer(reply, result);
            }
            Op::Callback(done, reply) => {
                let result = self.callback(&done);
                self.answer(reply, result);
            }
            Op::Purge(key, reply) => {
                let result = self.purge(key);
                self.answer(reply, result);
            }
            Op::Sweep(reply) => {
                let result = self.sweep();
                self.answer(reply, result);
            }
            Op::Close(reply) => drop(reply),
        }
    }

    fn answer<T: Send + 'static>(&mut self, reply: Reply<T>, result: Result<T, Error>) {
        self.answers.push(Box::new(move |committed| {
            // Whoever asked may have gone away: nothing to be done about that.
            let _ = reply.send(committed.and(result));
        }));
    }

    /// Writes the batch, then answers everybody.
    pub(super) fn commit(mut self) -> Result<(), (Error, Vec<Key>)> {
        let committed = if self.batch.is_empty() {
            Ok(())
        } else {
            #[cfg(test)]
            let _held = self.shared.hold_commits.lock();
            self.engine.set_stored_bytes(&mut self.batch, self.stored);
            self.batch.commit().map_err(unavailable)
        };
        if committed.is_ok() {
            let mut index = self.shared.index.lock();
            index.stored = self.stored;
            for (due, key) in self.callbacks.drain(..) {
                index.put_callback(due, key);
                self.shared.callback_bell.notify_one();
            }
            drop(index);
            tell(self.shared, self.changed.take());
            self.aborted.iter().for_each(CancellationToken::cancel);
        } else {
            // Nothing is confirmed from here on until the queue is open again.
            self.shared.up.send_replace(false);
        }
        for answer in self.answers {
            answer(committed.clone());
        }
        if self.activated {
            self.shared.activity.send_modify(|version| *version += 1);
        }
        committed.map_err(|error| (error, self.starting))
    }

    pub(super) fn changed(&mut self, key: Key, stored: &Stored) {
        if let Some(changed) = &mut self.changed {
            let last = stored.call.attempts.last();
            let change = observe::Call {
                state: stored.call.state.as_str(),
                attempt: last.map_or(0, |attempt| attempt.number),
                status: last.and_then(|attempt| attempt.status),
            };
            changed.push((key, stored.function.clone(), change));
        }
    }

    fn step(&mut self, step: Step) -> Result<Stepped, Error> {
        let key = step.key;
        let open = self.shared.index.lock().get(key).cloned();
        let was_open = open.is_some();
        let mut stored = match open {
            Some(stored) => stored,
            None => self.finished(key)?,
        };
        let before = stored.clone();
        let policy = &step.policy;
        let action = stored
            .call
            .on_event(self.now, &step.event, policy, rand::random())
            .map_err(|conflict| Error::Conflict {
                id: self.id(key).to_string(),
                state: conflict.0,
            })?;
        let mut cancelled = CancellationToken::new();
        match action {
            Action::Dispatch(_) => {
                stored.ttl = policy.result_ttl;
                self.starting.push(key);
                self.write_open(key, stored);
                cancelled = self.shared.index.lock().attempt(key);
            }
            Action::Enqueue(_) => {
                self.shared.index.lock().attempt_ended(key);
                if !was_open {
                    self.reopen(key, &before, &mut stored);
                }
                self.write_open(key, stored);
            }
            Action::Finish | Action::Abort => self.close(key, stored, step.result, action),
        }
        Ok(Stepped { action, cancelled })
    }

    fn write_open(&mut self, key: Key, stored: Stored) {
        self.changed(key, &stored);
        self.batch.insert(&self.engine.open, key, stored.to_bytes());
        self.activated |= self.shared.index.lock().put(key, stored);
    }

    pub(super) fn id(&self, key: Key) -> CallId {
        CallId::from_key(key, self.shared.config.node.clone())
    }
}

/// Tells the observer what is on disk now.
fn tell(shared: &Shared, changed: Option<Changed>) {
    let Some(observer) = shared.observer.get() else {
        return;
    };
    for (key, function, change) in changed.unwrap_or_default() {
        let id = CallId::from_key(key, shared.config.node.clone());
        observer.call(id.to_string(), &function, change);
    }
}
