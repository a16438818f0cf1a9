//! The one thread that writes: group commit, and coming back after the disk failed.
//!
//! It takes everything that waits, puts it into one batch, makes that durable with one fsync
//! and answers everybody. While one fsync runs the next batch gathers, so the number of
//! calls a second doesn't hang on the time of an fsync.
//!
//! fjall refuses everything after a failed write until it is opened anew (rightly: after a
//! failed fsync nobody knows what is on disk). So the writer drops it, answers
//! `Unavailable`, and opens it again once the disk allows, rebuilding what is in memory.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use gateless_core::call::State;
use gateless_core::time::Time;
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::batch::{Batch, Op, Progress};
use super::engine::{Engine, Key, unavailable};
use crate::clock;
use crate::queue::Error;
use crate::queue::clock::Clock;
use crate::queue::codec::Stored;
use crate::queue::types::CallbackState;

/// Operations in one batch: bounds how long the first waits for the last.
const BATCH_OPS: usize = 4096;
/// Time between attempts to open the queue again.
const REOPEN_EVERY: Duration = Duration::from_millis(250);

/// An operation and its share of the memory for operations that wait; without one when it cannot wait for it,
/// which only a lease's end can't.
pub(super) type Queued = (Op, Option<OwnedSemaphorePermit>);

pub(super) struct Writer {
    shared: Arc<Shared>,
    engine: Option<Arc<Engine>>,
    progress: Progress,
    reopen_at: Time,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, engine: Arc<Engine>) -> Self {
        Self {
            shared,
            engine: Some(engine),
            progress: Progress::default(),
            reopen_at: clock::now(),
        }
    }

    /// Until it is closed, or every handle is dropped.
    pub(super) fn run(mut self, ops: &Receiver<Queued>) {
        let mut batch = Vec::new();
        loop {
            let first = if self.engine.is_some() {
                ops.recv().map_err(RecvTimeoutError::from)
            } else {
                ops.recv_timeout(self.reopen_at.since(clock::now()))
            };
            match first {
                Ok(op) => batch.push(op),
                Err(RecvTimeoutError::Timeout) => {
                    self.reopen();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            batch.extend(ops.try_iter().take(BATCH_OPS - 1));
            let closing = batch.iter().position(|(op, _)| matches!(op, Op::Close(_)));
            let close = closing.map(|at| batch.swap_remove(at));
            self.write(batch.drain(..));
            if let Some((Op::Close(reply), _)) = close {
                self.drop_engine();
                let _ = reply.send(());
                return;
            }
        }
        self.drop_engine();
    }

    fn write(&mut self, ops: impl Iterator<Item = Queued>) {
        let shared = self.shared.clone();
        let Some(engine) = self.engine.clone() else {
            // Dropping an operation answers it: unavailable.
            ops.for_each(drop);
            if clock::now() >= self.reopen_at {
                self.reopen();
            }
            return;
        };
        let room = has_room(&shared);
        let mut batch = Batch::new(&shared, &engine, &mut self.progress, room);
        let mut permits = Vec::new();
        for (op, permit) in ops {
            batch.apply(op);
            permits.push(permit);
        }
        if let Err(error) = batch.commit() {
            tracing::error!(%error, "queue cannot write, closing it until the disk allows");
            drop(engine);
            self.drop_engine();
            self.reopen_at = clock::now() + REOPEN_EVERY;
        }
    }

    /// Lets go of the database and waits for readers to do so: it is locked till then.
    fn drop_engine(&mut self) {
        self.shared.up.send_replace(false);
        self.shared.engine.store(None);
        let Some(mut engine) = self.engine.take() else {
            return;
        };
        for _ in 0..5000 {
            match Arc::try_unwrap(engine) {
                Ok(engine) => return drop(engine),
                Err(shared) => engine = shared,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        tracing::warn!("a reader of the queue takes very long");
    }

    fn reopen(&mut self) {
        self.reopen_at = clock::now() + REOPEN_EVERY;
        let opened = has_room_to_open(&self.shared)
            .and_then(|()| Engine::open(&self.shared.config.folder))
            .and_then(|engine| rebuild(&self.shared, &engine).map(|()| Arc::new(engine)));
        match opened {
            Ok(engine) => {
                tracing::info!("queue is open again");
                self.progress = Progress::default();
                self.engine = Some(engine.clone());
                self.shared.engine.store(Some(engine));
                self.shared.up.send_replace(true);
                self.shared.activity.send_modify(|version| *version += 1);
                self.shared.callbacks_changed.notify_one();
            }
            Err(error) => tracing::debug!(%error, "queue does not open yet"),
        }
    }
}

/// Calls are refused before the disk is full, so that those accepted can still be finished.
fn has_room(shared: &Shared) -> Result<(), Error> {
    let (free, wanted) = (free_bytes(shared)?, shared.config.min_free_bytes);
    if free >= wanted {
        return Ok(());
    }
    Err(unavailable(format_args!(
        "{free} bytes are free on its disk, fewer than the {wanted} kept in reserve"
    )))
}

/// Opening writes a little; on a full disk it would fail half-way, again and again.
fn has_room_to_open(shared: &Shared) -> Result<(), Error> {
    if free_bytes(shared)? >= 64 * 1024 {
        return Ok(());
    }
    Err(unavailable("its disk is full"))
}

fn free_bytes(shared: &Shared) -> Result<u64, Error> {
    let stat = rustix::fs::statvfs(&shared.config.folder).map_err(unavailable)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Fills the index from disk. Calls found running which nobody holds have lost their
/// attempt: they are due again, and that is on disk before this returns.
pub(super) fn rebuild(shared: &Shared, engine: &Engine) -> Result<(), Error> {
    let now = shared.config.clock.now();
    let mut batch = engine.batch();
    let mut index = shared.index.lock();
    index.clear();
    for entry in engine.open.iter() {
        let (key, value) = entry.into_inner().map_err(unavailable)?;
        let Ok(key) = Key::try_from(&key[..]) else {
            continue;
        };
        let mut stored = match Stored::from_bytes(&value) {
            Ok(stored) => stored,
            Err(error) => {
                let id = uuid::Uuid::from_bytes(key);
                tracing::error!(%error, %id, "skipping a call that cannot be read");
                continue;
            }
        };
        let held = index.leases.get(&key).map(|held| held.epoch);
        match held {
            // What was given out is on disk only once it was begun.
            Some(epoch) if epoch >= stored.epoch => stored.epoch = epoch,
            // Somebody else changed it, and that reached the disk although the commit failed.
            Some(_) => {
                let held = index.leases.remove(&key);
                held.inspect(|held| held.cancelled.cancel());
            }
            None => {}
        }
        if matches!(stored.call.state, State::Running(_)) && !index.leases.contains_key(&key) {
            stored.call.recover(now);
            batch.insert(&engine.open, key, stored.to_bytes());
        }
        index.put(key, stored);
        index.enqueue(key);
    }
    for entry in engine.callbacks.iter() {
        let key = entry.key().map_err(unavailable)?;
        let Ok(key) = Key::try_from(&key[..]) else {
            continue;
        };
        if let Some(stored) = engine.state(key)?
            && stored.callback == CallbackState::Pending
        {
            if !index.callback_leases.contains_key(&key) {
                index.put_callback(stored.callback_due, key);
            }
            index.callbacks_pending += 1;
        }
    }
    *shared.held.lock() = super::copies::held_bytes(engine)?;
    index.stored = index.iter().map(|(_, stored)| stored.stored).sum();
    for (function, kept) in engine.kept(index.stored, &mut batch)? {
        index.set_kept(function, kept);
    }
    if let Clock::Steady(clock) = &shared.config.clock
        && index.open_calls() > 0
    {
        engine.set_anchor(&mut batch, &clock.anchor());
    }
    drop(index);
    batch.commit().map_err(unavailable)
}
