//! The durable queue on this host's disk.
//!
//! [`Local`] is a cheap handle. Writes go through one writer thread (`writer`) and return
//! when they are on disk; reads go to the engine (`engine`) directly; what is due is in
//! memory (`index`). What has expired is removed by a task of its own (`sweep`). Deliberately knows neither HTTP
//! nor how a call is delivered, and decides nothing of a call's life.

mod accept;
mod anchor;
mod batch;
mod calls;
mod closed;
mod copies;
mod engine;
mod history;
mod index;
mod list;
mod read;
mod sweep;
#[cfg(test)]
pub(super) mod tests;
mod work;
mod writer;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::BoxFuture;
use gateless_common::limits::QUEUED_BODY_BYTES;
use gateless_core::config::AsyncPolicy;
use gateless_core::name::{FunctionName, NodeId};
use gateless_core::policy::Admitted;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::accept::{Accept, Taken};
use self::batch::{Op, Reply};
use self::copies::HeldBytes;
pub(super) use self::copies::{CopyOp, CopyRow};
use self::engine::{Engine, Key, unavailable};
use self::index::Index;
use self::writer::{Queued, Writer};
use super::clock::Clock;
use super::codec::{Head, Stored};
use super::copies::Copier;
use super::token::Tokens;
use super::types::{Accepted, CallId, KeyName, Known, Record};
use super::{Error, Inbox};
use crate::telemetry::observe::Observer;

/// Memory for operations that wait for the writer, KiB.
const WAITING_KIB: u32 = 64 * 1024;

/// Settings of a [`Local`] queue.
#[derive(Debug, Clone)]
pub struct Config {
    /// Made if missing; its parent is made too.
    pub folder: PathBuf,
    /// Part of every id.
    pub node: NodeId,
    /// Of one request body, bytes.
    pub max_body: u64,
    /// Of method, path and headers together, bytes.
    pub max_head: u64,
    /// Of all calls that are not finished, bytes.
    pub max_bytes: u64,
    /// Of calls that succeeded or were cancelled and their results, bytes: past it the oldest are forgotten.
    pub max_history_bytes: u64,
    /// Of dead letters, bytes: past it the oldest are forgotten.
    pub max_dead_bytes: u64,
    /// Calls not finished and callbacks not made: each takes about 400 bytes of memory.
    pub max_open: u64,
    /// Free space on the disk below which no call is accepted, bytes.
    pub min_free_bytes: u64,
    /// How long dead letters are kept, at least the function's `result_ttl`.
    pub dead_ttl: Duration,
    /// After this long without an answer of the disk a caller gets an error.
    pub commit_timeout: Duration,
    /// What ages go by. A steady one is carried on from what is noted in the folder.
    pub clock: Clock,
}

impl Config {
    /// The defaults: bodies up to 6 MiB (as AWS Lambda's), 16 GiB that wait, 8 GiB of history, 4 GiB of dead letters, a
    /// million open calls, 256 MiB of disk in reserve, dead letters for 14 days.
    #[must_use]
    pub fn new(folder: PathBuf, node: NodeId) -> Self {
        Self {
            folder,
            node,
            max_body: QUEUED_BODY_BYTES,
            max_head: 64 << 10,
            max_bytes: 16 << 30,
            max_history_bytes: 8 << 30,
            max_dead_bytes: 4 << 30,
            max_open: 1_000_000,
            min_free_bytes: 256 << 20,
            dead_ttl: Duration::from_secs(14 * 86_400),
            commit_timeout: Duration::from_secs(30),
            clock: Clock::steady(),
        }
    }
}

/// Handle to the queue. Cheap to clone.
#[derive(Clone)]
pub struct Local {
    shared: Arc<Shared>,
    writes: Writes,
    /// Stops the sweep with the last handle.
    _closed: Arc<DropGuard>,
}

/// What handle and writer both hold.
struct Shared {
    config: Config,
    /// Of this queue's calls.
    tokens: Tokens,
    /// A lock, held for single steps and never across a commit: the writer changes calls,
    /// [`super::Work`] takes what is due.
    index: Mutex<Index>,
    /// `None` while the disk fails.
    engine: ArcSwapOption<Engine>,
    up: watch::Sender<bool>,
    /// Changes when a function without open calls gets one.
    activity: watch::Sender<u64>,
    /// Notified when a callback is due at another time than before.
    callbacks_changed: Notify,
    /// Nothing is waited for any longer.
    closed: CancellationToken,
    /// Finds holders of copies, where there are others.
    copier: OnceLock<Arc<dyn Copier>>,
    /// Calls that are about to be taken in, and whose copies others may have already.
    placing: Mutex<HashSet<Key>>,
    /// What is held for others.
    held: Mutex<HeldBytes>,
    /// Which queue this is: one whose folder was emptied is another.
    run: u64,
    /// Gets every change once it is on disk.
    observer: OnceLock<Arc<Observer>>,
    /// Lets a test stop the writer before a commit.
    #[cfg(test)]
    hold_commits: Arc<Mutex<()>>,
}

/// The way to the writer.
#[derive(Clone)]
struct Writes {
    ops: mpsc::Sender<Queued>,
    /// Bounds what waits for the writer.
    waiting: Arc<Semaphore>,
}

impl Writes {
    /// Has an operation made that holds about so many bytes.
    async fn submit<T>(&self, bytes: usize, op: impl FnOnce(Reply<T>) -> Op) -> Result<T, Error> {
        let kib = u32::try_from(bytes / 1024)
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let waiting = self
            .waiting
            .clone()
            .acquire_many_owned(kib.min(WAITING_KIB));
        let permit = waiting.await.map_err(unavailable)?;
        let (reply, answer) = oneshot::channel();
        self.ops
            .send((op(reply), Some(permit)))
            .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

fn closed() -> Error {
    Error::Unavailable("it is closed".into())
}

impl Local {
    /// Opens the queue, making it if there is none, and recovers: calls that were running
    /// when the process died are due again. Blocks; not for an async thread.
    ///
    /// # Errors
    /// When another process has it open, or the disk fails.
    pub fn open(config: Config) -> Result<Self, Error> {
        let engine = Arc::new(Engine::open(&config.folder)?);
        if let Clock::Steady(clock) = &config.clock {
            clock.resume(engine.anchor()?.as_ref());
        }
        let secret = engine.token_secret()?;
        let tokens = Tokens::new(&secret);
        let shared = Arc::new(Shared {
            config,
            tokens,
            index: Mutex::default(),
            engine: ArcSwapOption::new(Some(engine.clone())),
            up: watch::Sender::new(true),
            activity: watch::Sender::new(0),
            callbacks_changed: Notify::new(),
            closed: CancellationToken::new(),
            copier: OnceLock::new(),
            placing: Mutex::default(),
            held: Mutex::default(),
            run: copies::run(&secret),
            observer: OnceLock::new(),
            #[cfg(test)]
            hold_commits: Arc::default(),
        });
        writer::rebuild(&shared, &engine)?;
        let (ops, receiver) = mpsc::channel();
        let writer = Writer::new(shared.clone(), engine);
        std::thread::Builder::new()
            .name("queue-writer".into())
            .spawn(move || writer.run(&receiver))
            .map_err(unavailable)?;
        let writes = Writes {
            ops,
            waiting: Arc::new(Semaphore::new(WAITING_KIB as usize)),
        };
        sweep::start(&shared, &writes);
        Ok(Self {
            _closed: Arc::new(shared.closed.clone().drop_guard()),
            shared,
            writes,
        })
    }

    /// Writes what waits and closes the queue: it can be opened again after this. Every
    /// handle answers `Unavailable` from then on.
    pub async fn close(&self) {
        self.shared.closed.cancel();
        let (reply, closed) = oneshot::channel();
        if let Ok(permit) = self.writes.waiting.clone().acquire_owned().await
            && self
                .writes
                .ops
                .send((Op::Close(reply), Some(permit)))
                .is_ok()
        {
            // An error means the writer is gone, and the queue closed.
            let _ = closed.await;
        }
    }

    /// From now on reports changes to `observer`; only the first one ever given gets them.
    pub fn observe(&self, observer: Arc<Observer>) {
        self.shared.observer.set(observer).ok();
    }

    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Whether it can write at present.
    #[must_use]
    pub fn up(&self) -> watch::Receiver<bool> {
        self.shared.up.subscribe()
    }

    async fn take_in_in_time(&self, accepts: Vec<Accept>) -> Result<Vec<Taken>, Error> {
        let limit = self.shared.config.commit_timeout;
        let taken = tokio::time::timeout(limit, self.take_in(accepts)).await;
        taken.map_err(|_| {
            Error::Unavailable(
                "its disk does not answer; the calls may be taken all the same once it does".into(),
            )
        })?
    }

    async fn take_in(&self, accepts: Vec<Accept>) -> Result<Vec<Taken>, Error> {
        let bytes = accepts.iter().map(|a| a.head.len() + a.body.len()).sum();
        self.writes
            .submit(bytes, |reply| Op::Accept(accepts, reply))
            .await
    }

    fn to_accept(
        &self,
        record: Record,
        policy: AsyncPolicy,
        running: bool,
    ) -> Result<Accept, Error> {
        let config = &self.shared.config;
        let size = record.body.len() as u64;
        if size > config.max_body {
            let limit = config.max_body;
            return Err(Error::BodyTooLarge { size, limit });
        }
        let now = config.clock.now();
        let head = Head::new(&record, now).to_bytes();
        let size = head.len() as u64;
        if size > config.max_head {
            let limit = config.max_head;
            return Err(Error::HeadTooLarge { size, limit });
        }
        let digest = record.idempotency.as_ref().map(|i| i.digest);
        let idempotency = record.key_name().zip(digest);
        Ok(Accept {
            key: CallId::new(now, config.node.clone()).key(),
            now,
            function: record.function,
            head,
            body: record.body,
            callback: record.callback.is_some(),
            idempotency,
            policy,
            running,
            copies: 1,
        })
    }

    /// Another sidecar's call isn't here, unless it was taken on from there.
    fn key(&self, id: &CallId) -> Result<Key, Error> {
        let (key, own) = (id.key(), &self.shared.config.node);
        let is_here = || {
            let index = self.shared.index.lock();
            let open = index.get(key).map(|stored| stored.origin.clone());
            drop(index);
            let engine = self.shared.engine.load();
            let finished = || {
                engine
                    .as_ref()?
                    .state(key)
                    .ok()?
                    .map(|stored| stored.origin)
            };
            open.or_else(finished).flatten().as_ref() == Some(id.node())
        };
        match id.node() == own || is_here() {
            true => Ok(key),
            false => Err(Error::NotFound(id.to_string())),
        }
    }

    /// The id of a call of this sidecar, or of the one it was taken on from.
    fn id(&self, key: Key, origin: Option<NodeId>) -> CallId {
        CallId::from_key(
            key,
            origin.unwrap_or_else(|| self.shared.config.node.clone()),
        )
    }

    fn accepted(&self, taken: Taken) -> Accepted {
        let id = self.id(taken.key, taken.origin);
        let token = match taken.token.is_empty() {
            true => self.shared.tokens.of(&id),
            false => taken.token,
        };
        Accepted {
            id,
            replayed: taken.replayed,
            token,
            copies: taken.copies,
        }
    }
}

impl Inbox for Local {
    fn max_body(&self) -> u64 {
        self.shared.config.max_body
    }

    fn has_room(&self, function: &FunctionName, policy: &AsyncPolicy) -> Result<(), Error> {
        let index = self.shared.index.lock();
        let max_open = self.shared.config.max_open;
        accept::check_counts(
            index.waiting(function),
            policy,
            index.open_calls(),
            max_open,
        )
    }

    fn accept_many(
        &self,
        calls: Vec<(Admitted<Record>, AsyncPolicy)>,
    ) -> BoxFuture<'_, Result<Vec<Accepted>, Error>> {
        Box::pin(async move {
            let calls = calls.into_iter();
            let accepts =
                calls.map(|(record, policy)| self.to_accept(record.into_inner(), policy, false));
            let accepts: Vec<Accept> = accepts.collect::<Result<_, _>>()?;
            // Only here: an update that was given up on might still be made, and then nobody
            // would see to it. A call is delivered, whoever waits for the answer.
            let taken = match self.shared.copier.get() {
                Some(copier) => self.take_in_with_copies(&**copier, accepts).await?,
                None => self.take_in_in_time(accepts).await?,
            };
            let taken = taken.into_iter();
            Ok(taken.map(|taken| self.accepted(taken)).collect())
        })
    }

    fn find(&self, name: &KeyName) -> BoxFuture<'_, Result<Option<Known>, Error>> {
        let name = name.clone();
        Box::pin(async move {
            let found = self.read(move |_, engine| {
                let Some((key, digest)) = accept::known(engine, &name)? else {
                    // Nothing is known of whether it was begun, which its home may be asked.
                    let copy = Self::known_copy(engine, &name)?.map(|(id, digest, token)| {
                        let taken = Taken {
                            key: id.key(),
                            replayed: true,
                            copies: 0,
                            origin: Some(id.node().clone()),
                            token,
                        };
                        (taken, digest, false)
                    });
                    return Ok(copy);
                };
                let state = engine.state(key)?;
                let begun = state.as_ref().is_none_or(Stored::is_begun);
                let taken = Taken {
                    key,
                    replayed: true,
                    copies: state.as_ref().map_or(0, |stored| stored.copies),
                    origin: state.and_then(|stored| stored.origin),
                    token: engine.head(key)?.map(|head| head.token).unwrap_or_default(),
                };
                Ok(Some((taken, digest, begun)))
            });
            let known = |(taken, digest, begun)| Known {
                accepted: self.accepted(taken),
                digest,
                begun,
            };
            Ok(found.await?.map(known))
        })
    }
}
