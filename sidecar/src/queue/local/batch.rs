//! What each operation writes: one [`Batch`] is one commit, one fsync.
//!
//! Operations are applied to the index one after another as they are put into the batch, so
//! each sees what those before it did. Deliberately doesn't commit and answers nobody before
//! the commit: that is the writer's part.

use std::collections::{HashMap, HashSet};

use fjall::OwnedWriteBatch;
use gateless_core::call::State;
use gateless_core::call::callback::Next;
use gateless_core::copies::Event;
use gateless_core::name::FunctionName;
use gateless_core::time::Time;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::accept::{Accept, Taken};
use super::copies::CopyOp;
use super::engine::{Engine, Key, unavailable};
use super::history::Removal;
use crate::queue::Error;
use crate::queue::calls::{Change, Decide, Decision};
use crate::queue::codec::Stored;
use crate::queue::types::{CallId, KeyName};
use crate::telemetry::observe;

/// Counted for each call besides its bytes: keys, state, indices.
pub(super) const OVERHEAD: u64 = 512;
/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// Sends an operation's answer, once it is known whether the batch is on disk.
type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

pub(super) enum Op {
    /// All of them or none.
    Accept(Vec<Accept>, Reply<Vec<Taken>>),
    /// A step in a call's life.
    Change(Key, By, Reply<()>),
    /// A callback was sent.
    Callback(CallbackSent, Reply<()>),
    /// The attempt under a lease of this epoch is lost.
    Recover(Key, u32),
    /// What becomes of copies, of calls that were taken on, and of those that others took on.
    Copies(Vec<CopyOp>, Reply<Vec<Event>>),
    /// Forgets what has expired; answers when to come again.
    Sweep(Reply<Option<Time>>),
    /// Stops the writer.
    Close(oneshot::Sender<()>),
}

/// Who changes a call.
pub(super) enum By {
    /// The holder of a lease of this epoch.
    Holder(u32, Box<Change>),
    Anybody(Decide),
}

/// How sending a callback ended.
pub(super) struct CallbackSent {
    pub(super) key: Key,
    pub(super) epoch: u32,
    pub(super) next: Next,
    /// Why it was not delivered; empty when it was.
    pub(super) error: String,
}

/// How far the writer is with what it does now and then.
#[derive(Default)]
pub(super) struct Progress {
    /// Nothing expires before.
    pub(super) sweep_from: Time,
    /// The queue's time is noted again then.
    pub(super) note_from: Time,
    /// What makes way.
    pub(super) removal: Removal,
}

/// Calls and what became of them.
type Changed = Vec<(CallId, FunctionName, observe::Call)>;

/// One batch in the making.
pub(super) struct Batch<'a> {
    pub(super) shared: &'a Shared,
    pub(super) engine: &'a Engine,
    pub(super) batch: OwnedWriteBatch,
    pub(super) now: Time,
    /// What the batch does to finished calls, which the engine doesn't show yet.
    pub(super) closed: HashMap<Key, Option<Stored>>,
    pub(super) idempotency: HashMap<KeyName, Option<(Key, [u8; 32])>>,
    answers: Vec<Answer>,
    pub(super) stored: u64,
    /// Functions of which something else is kept than before.
    pub(super) touched: HashSet<FunctionName>,
    pub(super) activated: bool,
    /// Calls to be given out once the batch is on disk.
    pub(super) waiting: Vec<Key>,
    /// Calls whose lease is over once it is.
    ended: Vec<Key>,
    /// Those leases among them which somebody else ended.
    cancelled: Vec<CancellationToken>,
    /// Callbacks to be given out once it is.
    pub(super) callbacks: Vec<(Time, Key)>,
    pub(super) progress: &'a mut Progress,
    /// For the observer, if anybody watches.
    pub(super) changed: Option<Changed>,
    pub(super) room: Result<(), Error>,
}

impl<'a> Batch<'a> {
    /// An empty batch. `room` says whether the disk has space for more calls.
    pub(super) fn new(
        shared: &'a Shared,
        engine: &'a Engine,
        progress: &'a mut Progress,
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
            touched: HashSet::new(),
            activated: false,
            waiting: Vec::new(),
            ended: Vec::new(),
            cancelled: Vec::new(),
            callbacks: Vec::new(),
            progress,
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
            Op::Change(key, by, reply) => {
                let result = self.change(key, by);
                self.answer(reply, result);
            }
            Op::Callback(sent, reply) => {
                let result = self.callback(&sent);
                self.answer(reply, result);
            }
            Op::Recover(key, epoch) => self.recover(key, epoch),
            Op::Copies(ops, reply) => {
                let result = self.copies(ops);
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
    pub(super) fn commit(mut self) -> Result<(), Error> {
        self.make_way();
        let committed = if self.batch.is_empty() {
            Ok(())
        } else {
            #[cfg(test)]
            let _held = self.shared.hold_commits.lock();
            self.note_time();
            self.count();
            self.batch.commit().map_err(unavailable)
        };
        if committed.is_ok() {
            let mut index = self.shared.index.lock();
            index.stored = self.stored;
            for key in self.ended.drain(..) {
                index.leases.remove(&key);
            }
            for key in self.waiting.drain(..) {
                index.enqueue(key);
            }
            for (due, key) in self.callbacks.drain(..) {
                index.put_callback(due, key);
                self.shared.callbacks_changed.notify_one();
            }
            drop(index);
            report(self.shared, self.changed.take());
            self.cancelled.iter().for_each(CancellationToken::cancel);
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
        committed
    }

    /// Writes what is kept with the batch.
    fn count(&mut self) {
        let index = self.shared.index.lock();
        for function in self.touched.drain() {
            let kept = index.kept_of(&function);
            self.engine.set_kept(&mut self.batch, &function, kept);
        }
        let finished = index.kept.history + index.kept.dead_bytes;
        let all = self.stored.saturating_add(finished);
        self.engine.set_stored_bytes(&mut self.batch, all);
    }

    pub(super) fn changed(&mut self, key: Key, stored: &Stored) {
        if let Some(changed) = &mut self.changed {
            let last = stored.call.attempts.last();
            let change = observe::Call {
                state: stored.call.state.as_str(),
                attempt: last.map_or(0, |attempt| attempt.number),
                status: last.and_then(|attempt| attempt.status),
            };
            let node = stored.origin.as_ref().unwrap_or(&self.shared.config.node);
            let id = CallId::from_key(key, node.clone());
            changed.push((id, stored.function.clone(), change));
        }
    }

    fn change(&mut self, key: Key, by: By) -> Result<(), Error> {
        let open = self.shared.index.lock().get(key).cloned();
        let was_open = open.is_some();
        let (mut stored, change, held) = match by {
            By::Holder(epoch, change) => {
                let stored = open.filter(|stored| stored.epoch == epoch);
                let stale = || self.stale(key, epoch);
                (stored.ok_or_else(stale)?, *change, true)
            }
            By::Anybody(decide) => {
                let stored = match open {
                    Some(stored) => stored,
                    None => self.finished(key)?,
                };
                let conflict = |state| Error::Conflict {
                    id: self.id(key).to_string(),
                    state,
                };
                match decide(&stored.call, self.now).map_err(|c| conflict(c.0))? {
                    Decision::Change(change) => (stored, change, false),
                    Decision::Forget if was_open => {
                        return Err(conflict(stored.call.state.as_str()));
                    }
                    Decision::Forget => return self.forget(key, &stored),
                }
            }
        };
        if !held {
            // A lease that was given out before this is over.
            stored.epoch = stored.epoch.wrapping_add(1);
        }
        if !was_open {
            let before = stored.clone();
            self.reopen(key, &before, &mut stored);
        }
        stored.call = change.call;
        stored.ttl = change.keep.unwrap_or(stored.ttl);
        if !matches!(stored.call.state, State::Running(_)) {
            self.end_lease(key, held);
        }
        match stored.call.state.finished_at() {
            None => self.write_open(key, stored),
            Some(_) => self.close(key, stored, change.result, change.callback),
        }
        Ok(())
    }

    pub(super) fn end_lease(&mut self, key: Key, by_holder: bool) {
        self.ended.push(key);
        if !by_holder && let Some(held) = self.shared.index.lock().leases.get(&key) {
            self.cancelled.push(held.cancelled.clone());
        }
    }

    /// Nobody will report how the attempt ended.
    fn recover(&mut self, key: Key, epoch: u32) {
        let open = self.shared.index.lock().get(key).cloned();
        if let Some(mut stored) = open.filter(|stored| stored.epoch == epoch)
            && matches!(stored.call.state, State::Running(_))
        {
            stored.call.recover(self.now);
            self.write_open(key, stored);
        }
    }

    pub(super) fn stale(&self, key: Key, epoch: u32) -> Error {
        let id = self.id(key).to_string();
        Error::Stale { id, epoch }
    }

    fn write_open(&mut self, key: Key, stored: Stored) {
        self.changed(key, &stored);
        self.batch.insert(&self.engine.open, key, stored.to_bytes());
        if stored.call.next_deadline().is_some() {
            self.waiting.push(key);
        }
        self.activated |= self.shared.index.lock().put(key, stored);
    }

    /// The id of a call of the own queue, whoever accepted it.
    pub(super) fn id(&self, key: Key) -> CallId {
        let origin = self
            .shared
            .index
            .lock()
            .get(key)
            .and_then(|stored| stored.origin.clone());
        CallId::from_key(
            key,
            origin.unwrap_or_else(|| self.shared.config.node.clone()),
        )
    }
}

/// Reports to the observer what is on disk now.
fn report(shared: &Shared, changed: Option<Changed>) {
    let Some(observer) = shared.observer.get() else {
        return;
    };
    for (id, function, change) in changed.unwrap_or_default() {
        observer.call(id.to_string(), &function, change);
    }
}
