//! A driver whose instances are HTTP servers inside this process, for tests of everything above.
//!
//! Behaves as [`super::process`] does, which the contract suite holds both to, with a script per
//! revision instead of a program. A [`World`] outlives its drivers as a host's processes outlive a
//! sidecar, so adoption can be tested too. Deliberately starts no process and touches no disk.

mod life;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gateless_core::config::{Kind, Revision};
use gateless_core::name::{InstanceId, RevisionName};
use gateless_core::resources::Resources;
use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::process::now_ms;
use super::{
    Adopted, Driver, Event, ExitReason, LAST_LOG_LINES, LogLine, LogQuery, LogStream, Shutdown,
    StartRequest, Target,
};
use life::Life;

const LOG_LINES: usize = 10_000;

/// What the instances of a revision do; the default serves at once.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// From start to ready.
    pub start_delay: Duration,
    /// Each answer takes this long.
    pub answer_delay: Duration,
    /// Instead of being ready.
    pub failure: Option<Failure>,
}

/// How a start fails, after the script's delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// As a process that exits with this code.
    Exit(i32),
    /// As a process that never listens.
    Never,
    /// As a command that does not exist.
    Spawn,
}

/// What the instances of all drivers on it share: scripts, counts, and the instances themselves.
#[derive(Debug)]
pub struct World {
    scripts: Mutex<HashMap<RevisionName, Script>>,
    instances: Mutex<HashMap<InstanceId, Instance>>,
    lines: Mutex<Vec<LogLine>>,
    follow: broadcast::Sender<LogLine>,
    started: AtomicU64,
    requests: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
struct Instance {
    request: Brief,
    address: Option<SocketAddr>,
    requests: Arc<AtomicU64>,
    crash: mpsc::Sender<i32>,
    /// As [`Driver::kill`] says.
    killed: mpsc::Sender<String>,
    /// It neither answers nor runs.
    frozen: watch::Sender<bool>,
    /// Ends its server.
    dead: CancellationToken,
    server: TaskTracker,
    /// Whether some driver watches it.
    stop: CancellationToken,
}

/// What of its start request is needed later.
#[derive(Debug, Clone)]
struct Brief {
    revision: RevisionName,
    revision_uid: Arc<str>,
    started_at_ms: u64,
    secrets_version: u64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            scripts: Mutex::default(),
            instances: Mutex::default(),
            lines: Mutex::default(),
            follow: broadcast::channel(1024).0,
            started: AtomicU64::new(0),
            requests: Arc::default(),
        }
    }
}

impl World {
    /// Lines, oldest first; with `follow` it ends when the receiver is dropped.
    pub fn logs(&self, query: LogQuery) -> mpsc::Receiver<LogLine> {
        let (sender, receiver) = mpsc::channel(256);
        let lines = self.lines.lock();
        let mut live = self.follow.subscribe();
        let wanted = lines.iter().filter(|line| matches(&query, line));
        let mut history: Vec<LogLine> = wanted.cloned().collect();
        drop(lines);
        history.drain(
            ..history
                .len()
                .saturating_sub(query.tail.unwrap_or(LOG_LINES)),
        );
        tokio::spawn(async move {
            for line in history {
                if sender.send(line).await.is_err() {
                    return;
                }
            }
            if !query.follow {
                return;
            }
            loop {
                let line = tokio::select! {
                    line = live.recv() => line,
                    () = sender.closed() => return,
                };
                match line {
                    Ok(line) if matches(&query, &line) => drop(sender.send(line).await),
                    Err(broadcast::error::RecvError::Closed) => return,
                    _ => {}
                }
            }
        });
        receiver
    }

    /// Instances of `revision` started from now on follow `script`.
    pub fn script(&self, revision: &RevisionName, script: Script) {
        self.scripts.lock().insert(revision.clone(), script);
    }

    /// How many starts there were, failed ones too.
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::SeqCst)
    }

    /// How many requests all instances ever got.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// How many requests a living instance got.
    pub fn requests_of(&self, id: &InstanceId) -> u64 {
        let instances = self.instances.lock();
        let count = instances.get(id).map(|instance| instance.requests.clone());
        count.map_or(0, |count| count.load(Ordering::SeqCst))
    }

    /// The instance ends as a process that exits with `code`.
    pub fn crash(&self, id: &InstanceId, code: i32) {
        if let Some(instance) = self.instances.lock().get(id) {
            let _ = instance.crash.try_send(code);
        }
    }

    /// The instance answers nothing from now on, as a process that is stopped, or goes on.
    pub fn freeze(&self, id: &InstanceId, frozen: bool) {
        if let Some(instance) = self.instances.lock().get(id) {
            instance.frozen.send_replace(frozen);
        }
    }

    /// The instance writes a line.
    pub fn say(&self, id: &InstanceId, stream: LogStream, line: &str) {
        let revision = self
            .instances
            .lock()
            .get(id)
            .map(|instance| instance.request.revision.clone());
        let Some(revision) = revision else { return };
        let line = LogLine {
            time_ms: now_ms(),
            revision,
            instance: id.clone(),
            stream,
            line: line.to_owned(),
        };
        // Under the lock, so that a follower sees each line once: in the history or after it.
        let mut lines = self.lines.lock();
        if lines.len() >= LOG_LINES {
            lines.remove(0);
        }
        lines.push(line.clone());
        let _ = self.follow.send(line);
    }

    fn last_lines(&self, id: &InstanceId) -> Vec<String> {
        let lines = self.lines.lock();
        let own = lines.iter().rev().filter(|line| line.instance == *id);
        let mut last: Vec<String> = own
            .take(LAST_LOG_LINES)
            .map(|line| line.line.clone())
            .collect();
        last.reverse();
        last
    }
}

/// Runs instances in this process.
#[derive(Debug)]
pub struct FakeDriver {
    world: Arc<World>,
    events: mpsc::Sender<Event>,
    tasks: TaskTracker,
    left: CancellationToken,
    closing: CancellationToken,
}

impl FakeDriver {
    /// A driver on this world; only one at a time makes sense.
    #[must_use]
    pub fn new(world: Arc<World>, events: mpsc::Sender<Event>) -> Self {
        Self {
            world,
            events,
            tasks: TaskTracker::new(),
            left: CancellationToken::new(),
            closing: CancellationToken::new(),
        }
    }

    fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = self.left.clone().run_until_cancelled_owned(task);
        self.tasks.spawn(task);
    }

    fn watch(&self, life: Life) {
        let (world, events) = (self.world.clone(), self.events.clone());
        self.run(async move {
            let id = life.id.clone();
            let mut exit = life.live(&world, &events).await;
            exit.last_log_lines = world.last_lines(&id);
            let gone = world.instances.lock().remove(&id);
            if let Some(instance) = gone {
                instance.dead.cancel();
                instance.server.close();
                instance.server.wait().await;
            }
            let _ = events.send(Event::Exited { id, exit }).await;
        });
    }
}

impl Drop for FakeDriver {
    fn drop(&mut self) {
        self.left.cancel();
    }
}

impl Driver for FakeDriver {
    fn kind(&self) -> Kind {
        Kind::Process
    }

    fn cost(&self, _: &Revision) -> Resources {
        Resources::SLOT
    }

    fn start(&self, request: StartRequest) {
        self.world.started.fetch_add(1, Ordering::SeqCst);
        let process = request.revision.runtime.process();
        let start_timeout = process.map_or(Duration::ZERO, |process| process.start_timeout);
        let revision = request.revision.name.clone();
        let script = self
            .world
            .scripts
            .lock()
            .get(&revision)
            .cloned()
            .unwrap_or_default();
        let (crash, crashes) = mpsc::channel(1);
        let (killed, kills) = mpsc::channel(1);
        let (frozen, freezes) = watch::channel(false);
        let life = Life {
            id: request.id.clone(),
            script,
            start_timeout,
            stop: CancellationToken::new(),
            dead: CancellationToken::new(),
            server: TaskTracker::new(),
            crashes,
            kills,
            freezes,
            requests: Arc::default(),
            ready: false,
        };
        let instance = Instance {
            request: Brief {
                revision,
                revision_uid: request.revision.uid.clone(),
                started_at_ms: now_ms(),
                secrets_version: request.secrets_version,
            },
            address: None,
            requests: life.requests.clone(),
            crash,
            killed,
            frozen,
            dead: life.dead.clone(),
            server: life.server.clone(),
            stop: life.stop.clone(),
        };
        {
            let mut instances = self.world.instances.lock();
            if instances.contains_key(&request.id) {
                return;
            }
            if self.closing.is_cancelled() {
                let message = "the sidecar is shutting down".to_owned();
                let exit = life::exit(ExitReason::SpawnFailed, message, false);
                let id = request.id;
                let _ = self.events.try_send(Event::Exited { id, exit });
                return;
            }
            instances.insert(request.id, instance);
        }
        self.watch(life);
    }

    fn stop(&self, id: &InstanceId) {
        if let Some(instance) = self.world.instances.lock().get(id) {
            instance.stop.cancel();
        }
    }

    fn kill(&self, id: &InstanceId, cause: &str) {
        if let Some(instance) = self.world.instances.lock().get(id) {
            let _ = instance.killed.try_send(cause.to_owned());
        }
    }

    fn is_stopped(&self, id: &InstanceId) -> bool {
        let instances = self.world.instances.lock();
        instances.get(id).is_some_and(|one| *one.frozen.borrow())
    }

    fn adopt(&self) -> BoxFuture<'_, Vec<Adopted>> {
        let mut adopted = Vec::new();
        let mut lives = Vec::new();
        // What was only starting dies with its driver here: no process of its own goes on.
        self.world
            .instances
            .lock()
            .retain(|_, instance| instance.address.is_some());
        for (id, instance) in self.world.instances.lock().iter_mut() {
            let Some(address) = instance.address else {
                continue;
            };
            let (crash, crashes) = mpsc::channel(1);
            instance.crash = crash;
            let (killed, kills) = mpsc::channel(1);
            instance.killed = killed;
            instance.stop = CancellationToken::new();
            lives.push(Life {
                id: id.clone(),
                script: Script::default(),
                start_timeout: Duration::MAX,
                stop: instance.stop.clone(),
                dead: instance.dead.clone(),
                server: instance.server.clone(),
                crashes,
                kills,
                freezes: instance.frozen.subscribe(),
                requests: instance.requests.clone(),
                ready: true,
            });
            adopted.push(Adopted {
                id: id.clone(),
                revision: instance.request.revision.clone(),
                revision_uid: instance.request.revision_uid.clone(),
                target: Target::Http { address },
                ready: true,
                started_at_ms: instance.request.started_at_ms,
                secrets_version: instance.request.secrets_version,
            });
        }
        for life in lives {
            self.watch(life);
        }
        std::future::ready(adopted).boxed()
    }

    fn shutdown(&self, how: Shutdown) -> BoxFuture<'_, ()> {
        self.closing.cancel();
        match how {
            Shutdown::Leave => self.left.cancel(),
            Shutdown::Stop => {
                for instance in self.world.instances.lock().values() {
                    instance.stop.cancel();
                }
            }
        }
        async move {
            self.tasks.close();
            self.tasks.wait().await;
        }
        .boxed()
    }
}

fn matches(query: &LogQuery, line: &LogLine) -> bool {
    query.function == *line.revision.function()
        && query
            .revision
            .as_ref()
            .is_none_or(|name| *name == line.revision)
        && query
            .instance
            .as_ref()
            .is_none_or(|id| *id == line.instance)
        && query.is_in_time(line.time_ms)
}
