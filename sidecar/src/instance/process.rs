//! The process driver: an instance is a process of this host that serves HTTP on `$PORT`.
//!
//! Instances outlive the sidecar and are adopted by the next one, so nothing ties them to it: no
//! pipe, no inherited lock, no parent-death signal. What is known of them is on disk before they
//! run. How far an instance is isolated, and what it is ended by, is the sandbox's affair.

mod adopt;
mod bundle;
pub(super) mod leftovers;
mod manifest;
mod ports;
mod procfs;
mod readiness;
mod refusal;
mod spawn;
mod supervise;
#[cfg(test)]
mod tests;
mod walls;

use std::collections::HashMap;
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gateless_core::config::{Kind, Revision};
use gateless_core::name::{FunctionName, InstanceId, NodeId};
use gateless_core::resources::Resources;
use gateless_sandbox::Sandbox;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::exit;
use super::folder::Folder;
use super::logs::Logs;
use super::socket::Socket;
use super::{Adopted, Driver, Event, Shutdown, StartRequest, Target};
use bundle::{Bundles, Unpacked};
pub(super) use manifest::now_ms;
pub use ports::DEFAULT_RANGE;
use supervise::Running;

/// A node's process driver, as it is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// In every instance's environment.
    pub node: NodeId,
    /// Ports instances get; shared with the host's other sidecars.
    pub ports: RangeInclusive<u16>,
    /// `PATH` of instances, and where commands without a slash are found.
    pub path: String,
    /// Starting, running and stopping; a start beyond it fails.
    pub max_instances: usize,
    /// Spawned and closely watched at once.
    pub concurrent_starts: usize,
    /// What each is started in.
    pub sandbox: Arc<Sandbox>,
}

impl Config {
    /// The defaults: 1000 instances, 4 starts at once, the sidecar's own `PATH`.
    #[must_use]
    pub fn new(node: NodeId, sandbox: Arc<Sandbox>) -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        Self {
            node,
            ports: DEFAULT_RANGE,
            path: if path.is_empty() {
                "/usr/local/bin:/usr/bin:/bin".to_owned()
            } else {
                path
            },
            max_instances: 1000,
            concurrent_starts: 4,
            sandbox,
        }
    }
}

/// Runs instances as processes of this host.
#[derive(Debug)]
pub struct ProcessDriver {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Handle {
    function: FunctionName,
    stop: Stop,
    /// What it runs from, kept as long as it is here.
    bundle: Option<Arc<Unpacked>>,
}

/// Ends an instance from outside, and tells of its process.
#[derive(Debug, Clone, Default)]
struct Stop {
    asked: CancellationToken,
    /// It is to be killed, because of this.
    killed: CancellationToken,
    cause: Arc<OnceLock<String>>,
    /// Of its process; 0 before there is one.
    leader: Arc<AtomicI32>,
    /// That it runs as; 0 before it has one of its own.
    user: Arc<AtomicU32>,
}

impl Stop {
    fn kill(&self, cause: &str) {
        // The first cause is the one that counts.
        self.cause.set(cause.to_owned()).ok();
        self.killed.cancel();
    }

    fn cause(&self) -> &str {
        self.cause.get().map_or("", String::as_str)
    }
}

/// An instance that runs.
struct Live {
    function: FunctionName,
    leader: i32,
    /// 0: it has none of its own.
    user: u32,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    folder: Arc<Folder>,
    bundles: Bundles,
    logs: Logs,
    boot: String,
    /// Says on this host that the node's sidecar lives.
    _alive: OwnedFd,
    /// To the forwarder, which waits for the receiver; bounded by two events an instance.
    events: mpsc::UnboundedSender<Event>,
    /// A lock, as starts and ends are rare and the map is never held while waiting.
    instances: Mutex<HashMap<InstanceId, Handle>>,
    starts: Arc<Semaphore>,
    /// Spawned and not ready.
    starting: AtomicU32,
    runtime: tokio::runtime::Handle,
    tasks: TaskTracker,
    /// Every task ends at its next pause, and the instances go on.
    left: CancellationToken,
    /// No start is accepted any more.
    closing: CancellationToken,
    swept: Notify,
}

impl ProcessDriver {
    /// Runs instances in `folder`, and writes what they say to `logs`. Must run inside the runtime its tasks
    /// will use.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(
        config: Config,
        folder: Arc<Folder>,
        logs: Logs,
        events: mpsc::Sender<Event>,
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            bundles: Bundles::open(
                folder.bundles(),
                bundle::Bounds::default(),
                config.sandbox.holds_files(),
            )?,
            logs,
            boot: procfs::boot_id(),
            _alive: leftovers::announce(config.node.as_str())?,
            events: sender,
            instances: Mutex::default(),
            starts: Arc::new(Semaphore::new(config.concurrent_starts.max(1))),
            starting: AtomicU32::new(0),
            runtime: tokio::runtime::Handle::current(),
            tasks: TaskTracker::new(),
            left: CancellationToken::new(),
            closing: CancellationToken::new(),
            swept: Notify::new(),
            folder,
            config,
        });
        inner.runtime.spawn(forward(receiver, events));
        let left = inner.left.clone();
        let sweeping = sweep(Arc::downgrade(&inner));
        inner
            .runtime
            .spawn(left.run_until_cancelled_owned(sweeping));
        Ok(Self { inner })
    }
}

impl Drop for ProcessDriver {
    fn drop(&mut self) {
        self.inner.left.cancel();
    }
}

/// A slow receiver delays events, never the supervision of instances.
async fn forward(mut from: mpsc::UnboundedReceiver<Event>, to: mpsc::Sender<Event>) {
    while let Some(event) = from.recv().await {
        if to.send(event).await.is_err() {
            return;
        }
    }
}

/// Ends what the kernel did not give up when its instance ended.
async fn sweep(inner: std::sync::Weak<Inner>) {
    loop {
        let Some(strong) = inner.upgrade() else {
            return;
        };
        strong.swept.notified().await;
        let sweep = move || {
            let known = |id: &str| strong.knows(&InstanceId::new(id));
            strong.sweep_groups(strong.config.node.as_str(), known);
        };
        let _ = tokio::task::spawn_blocking(sweep).await;
    }
}

impl Inner {
    fn run(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let task = self.left.clone().run_until_cancelled_owned(task);
        self.runtime.spawn(self.tasks.track_future(task));
    }

    fn emit(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Ends what is left in control groups of a node's instances that `keep` does not know.
    fn sweep_groups(&self, node: &str, keep: impl Fn(&str) -> bool) {
        self.config.sandbox.sweep(node, keep);
    }

    fn knows(&self, id: &InstanceId) -> bool {
        self.instances.lock().contains_key(id)
    }

    /// Notes what an instance runs from.
    fn hold(&self, id: &InstanceId, bundle: Arc<Unpacked>) {
        if let Some(handle) = self.instances.lock().get_mut(id) {
            handle.bundle = Some(bundle);
        }
    }

    fn running(&self) -> Vec<Live> {
        let instances = self.instances.lock();
        let all = instances
            .values()
            .map(|Handle { function, stop, .. }| Live {
                function: function.clone(),
                leader: stop.leader.load(Ordering::Acquire),
                user: stop.user.load(Ordering::Relaxed),
            });
        all.filter(|one| one.leader > 0).collect()
    }

    async fn forget(self: &Arc<Self>, id: &InstanceId) {
        let folder = self.folder.instance(id.as_str());
        let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
        self.instances.lock().remove(id);
        self.swept.notify_one();
    }

    /// `Err`: why there is no room for it; `Ok(None)`: it is already known.
    fn admit(&self, request: &StartRequest) -> Result<Option<Stop>, String> {
        let id = request.id.as_str();
        // It becomes a folder's name.
        if id.is_empty()
            || !id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(format!(
                "instance id {id:?} is not made of letters, digits and -"
            ));
        }
        let mut instances = self.instances.lock();
        if instances.contains_key(&request.id) {
            return Ok(None);
        }
        if self.closing.is_cancelled() {
            return Err("the sidecar is shutting down".to_owned());
        }
        if instances.len() >= self.config.max_instances {
            let count = self.config.max_instances;
            return Err(format!("the sidecar already has {count} instances"));
        }
        let handle = Handle {
            function: request.revision.name.function().clone(),
            stop: Stop::default(),
            bundle: None,
        };
        let stop = handle.stop.clone();
        instances.insert(request.id.clone(), handle);
        Ok(Some(stop))
    }
}

impl Driver for ProcessDriver {
    fn kind(&self) -> Kind {
        Kind::Process
    }

    /// A slot. Its memory is a limit and no reservation, as `container_concurrency` calls rarely all need it at once; so is its CPU, of
    /// which a limit above what a host has means no more than all of it. Only what a function asked to have kept free would be placed by.
    fn cost(&self, _: &Revision) -> Resources {
        Resources::SLOT
    }

    fn start(&self, request: StartRequest) {
        match self.inner.admit(&request) {
            Ok(Some(stop)) => {
                self.inner
                    .run(supervise::start(self.inner.clone(), request, stop));
            }
            Ok(None) => {}
            Err(message) => self.inner.emit(Event::Exited {
                id: request.id,
                exit: exit::spawn_failed(message),
            }),
        }
    }

    fn stop(&self, id: &InstanceId) {
        if let Some(handle) = self.inner.instances.lock().get(id) {
            handle.stop.asked.cancel();
        }
    }

    fn kill(&self, id: &InstanceId, cause: &str) {
        if let Some(handle) = self.inner.instances.lock().get(id) {
            handle.stop.kill(cause);
        }
    }

    fn is_stopped(&self, id: &InstanceId) -> bool {
        let leader = {
            let instances = self.inner.instances.lock();
            let handle = instances.get(id);
            handle.map_or(0, |handle| handle.stop.leader.load(Ordering::Relaxed))
        };
        leader > 0 && procfs::is_stopped(leader)
    }

    fn function_of(&self, socket: &Socket) -> Option<FunctionName> {
        let running = self.inner.running();
        // Where each has a user of its own that says it; else it is below the process that was started.
        let is_its = |one: &Live| match one.user {
            0 => procfs::has_below(one.leader, socket.inode),
            user => user == socket.user,
        };
        running.into_iter().find(is_its).map(|one| one.function)
    }

    fn adopt(&self) -> BoxFuture<'_, Vec<Adopted>> {
        let inner = self.inner.clone();
        async move {
            let shared = inner.clone();
            let stock = tokio::task::spawn_blocking(move || adopt::take_stock(&shared)).await;
            let (survivors, remains) = stock.unwrap_or_default();
            for adopt::Remains { folder, id } in remains {
                inner.logs.finish(&id).await;
                let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
            }
            let adopted = survivors
                .into_iter()
                .filter_map(|survivor| inner.take_over(survivor))
                .collect();
            let _ = tokio::task::spawn_blocking(move || inner.bundles.evict()).await;
            adopted
        }
        .boxed()
    }

    fn shutdown(&self, how: Shutdown) -> BoxFuture<'_, ()> {
        self.inner.closing.cancel();
        match how {
            Shutdown::Leave => self.inner.left.cancel(),
            Shutdown::Stop => {
                for handle in self.inner.instances.lock().values() {
                    handle.stop.asked.cancel();
                }
            }
        }
        async move {
            self.inner.tasks.close();
            self.inner.tasks.wait().await;
            self.inner.left.cancel();
        }
        .boxed()
    }
}

impl Inner {
    fn take_over(self: &Arc<Self>, survivor: adopt::Survivor) -> Option<Adopted> {
        let manifest = survivor.spawned.manifest.clone();
        let id = InstanceId::new(&manifest.id);
        let running = Running::new(survivor.spawned, survivor.watcher)
            .inspect_err(|error| tracing::error!(instance = %id, %error, "cannot watch it"))
            .ok()?;
        let handle = Handle {
            function: survivor.revision.function().clone(),
            stop: Stop::default(),
            bundle: manifest
                .bundle
                .as_deref()
                .map(|name| self.bundles.adopt(name)),
        };
        let stop = handle.stop.clone();
        let adopted = Adopted {
            id: id.clone(),
            revision: survivor.revision,
            revision_uid: manifest.revision_uid.into(),
            target: Target::Http {
                address: running.address(),
            },
            ready: survivor.ready,
            started_at_ms: manifest.started_at_ms,
            secrets_version: manifest.secrets_version,
        };
        self.instances.lock().insert(id, handle);
        self.run(supervise::go_on(
            self.clone(),
            running,
            survivor.ready,
            stop,
        ));
        Some(adopted)
    }
}
