//! The container driver: an instance is a container of the host's engine, which speaks Docker's API.
//!
//! Every container has a network of its own, in which it listens on the same port as all others, and an address that only this host
//! reaches. What the next sidecar has to know of it is in its labels, and the engine keeps it running meanwhile. Deliberately no engine
//! of its own, no registry client and no privileges: what the engine is asked for is in `request.rs`.

mod adopt;
mod engine;
mod image;
mod life;
mod network;
mod output;
mod request;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use gateless_core::config::{Container, Kind, Revision};
use gateless_core::name::{FunctionName, InstanceId, NodeId};
use gateless_core::resources::Resources;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::engine::{Client, Found};
use self::image::Images;
pub use self::network::DoorRequest;
use self::network::Network;
use self::request::Place;
use super::engine::{Choice, State};
use super::exit;
use super::folder::Folder;
use super::logs::Logs;
use super::{Adopted, Driver, Event, Shutdown, StartRequest, Target};

/// Created and started at once: an engine does not start them faster for being asked for more.
const STARTS: usize = 4;

/// A node's container driver, as it is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whose containers they are.
    pub node: NodeId,
    /// What runs them.
    pub engine: Choice,
    /// Starting, running and stopping; a start beyond it fails.
    pub max_instances: usize,
}

/// Runs instances as containers of the host's engine.
#[derive(Debug)]
pub struct ContainerDriver {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Handle {
    function: FunctionName,
    stop: Stop,
    address: Option<IpAddr>,
}

/// Ends an instance from outside.
#[derive(Debug, Clone, Default)]
struct Stop {
    asked: CancellationToken,
    /// It is to be killed, because of this.
    killed: CancellationToken,
    cause: Arc<OnceLock<String>>,
}

impl Stop {
    fn cause(&self) -> &str {
        self.cause.get().map_or("", String::as_str)
    }
}

#[derive(Debug)]
struct Inner {
    config: Config,
    place: Place,
    folder: Arc<Folder>,
    logs: Logs,
    images: Images,
    network: Network,
    engine: watch::Receiver<Found>,
    /// To the forwarder, which waits for the receiver; bounded by two events an instance.
    events: mpsc::UnboundedSender<Event>,
    /// A lock, as starts and ends are rare and the map is never held while waiting.
    instances: Mutex<HashMap<InstanceId, Handle>>,
    starts: Semaphore,
    runtime: tokio::runtime::Handle,
    tasks: TaskTracker,
    /// Every task ends at its next pause, and the containers go on.
    left: CancellationToken,
    /// No start is accepted any more.
    closing: CancellationToken,
    /// What an earlier sidecar left is known: from then on a container that nobody knows is nobody's.
    adopted: CancellationToken,
    /// A container could not be removed when its instance ended.
    remains: Notify,
}

impl ContainerDriver {
    /// Looks for the engine, and goes on doing so; `doors` gets requests for local doors in the containers' network. Must run inside
    /// the runtime its tasks will use.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(
        config: Config,
        folder: Arc<Folder>,
        logs: Logs,
        events: mpsc::Sender<Event>,
    ) -> io::Result<(Self, mpsc::Receiver<DoorRequest>)> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (doors, requests) = mpsc::channel(network::DOOR_REQUESTS);
        let (found, engine) = watch::channel(Found::off());
        let place = Place {
            node: config.node.to_string(),
            folder: folder.mark().to_owned(),
            network: format!("gateless-{}", config.node),
        };
        let runtime = tokio::runtime::Handle::current();
        runtime.spawn(engine::look_after(config.engine.clone(), found));
        let inner = Arc::new(Inner {
            images: Images::open(folder.images())?,
            network: Network::new(doors),
            place,
            folder,
            logs,
            engine,
            events: sender,
            instances: Mutex::default(),
            starts: Semaphore::new(STARTS),
            runtime,
            tasks: TaskTracker::new(),
            left: CancellationToken::new(),
            closing: CancellationToken::new(),
            adopted: CancellationToken::new(),
            remains: Notify::new(),
            config,
        });
        inner.runtime.spawn(forward(receiver, events));
        let sweeping = adopt::sweep(Arc::downgrade(&inner), inner.engine.clone());
        let left = inner.left.clone();
        inner
            .runtime
            .spawn(left.run_until_cancelled_owned(sweeping));
        Ok((Self { inner }, requests))
    }

    /// How the engine is, and how it changes.
    #[must_use]
    pub fn engine(&self) -> watch::Receiver<State> {
        let mut found = self.inner.engine.clone();
        let (sender, state) = watch::channel(found.borrow().state.clone());
        self.inner.runtime.spawn(async move {
            loop {
                sender.send_replace(found.borrow_and_update().state.clone());
                tokio::select! {
                    changed = found.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        });
        state
    }
}

impl Drop for ContainerDriver {
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

impl Inner {
    fn run(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let task = self.left.clone().run_until_cancelled_owned(task);
        self.runtime.spawn(self.tasks.track_future(task));
    }

    fn emit(&self, event: Event) {
        let _ = self.events.send(event);
    }

    fn client(&self) -> Result<Arc<Client>, String> {
        let found = self.engine.borrow();
        let client = found.client.clone();
        client.ok_or_else(|| format!("this host has no container engine: {}", found.state))
    }

    /// The id of the revision's image, once it is here.
    async fn image(
        &self,
        client: &Client,
        revision: &Revision,
        container: &Container,
    ) -> Result<String, String> {
        let name = &container.image;
        let telling =
            || tracing::info!(revision = %revision.name, image = name, "image is fetched");
        let uid = &revision.uid;
        self.images.ensure(client, uid, name, telling).await
    }

    fn knows(&self, id: &InstanceId) -> bool {
        self.instances.lock().contains_key(id)
    }

    fn note_address(&self, id: &InstanceId, address: IpAddr) {
        if let Some(handle) = self.instances.lock().get_mut(id) {
            handle.address = Some(address);
        }
    }

    /// Only saves the next sidecar a question.
    fn note_ready(&self, id: &InstanceId) {
        let _ = std::fs::write(self.folder.container(id.as_str()), b"");
    }

    fn forget(&self, id: &InstanceId, removed: bool) {
        let _ = std::fs::remove_file(self.folder.container(id.as_str()));
        self.instances.lock().remove(id);
        if !removed {
            self.remains.notify_one();
        }
    }

    /// `Err`: why there is no room for it; `Ok(None)`: it is already known.
    fn admit(&self, request: &StartRequest) -> Result<Option<Stop>, String> {
        let id = request.id.as_str();
        // It becomes a container's and a file's name.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if id.is_empty() || !id.bytes().all(allowed) {
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
            return Err(format!("the sidecar already has {count} containers"));
        }
        let handle = Handle {
            function: request.revision.name.function().clone(),
            stop: Stop::default(),
            address: None,
        };
        let stop = handle.stop.clone();
        instances.insert(request.id.clone(), handle);
        Ok(Some(stop))
    }

    fn take_over(self: &Arc<Self>, running: life::Running) -> Adopted {
        let manifest = running.manifest.clone();
        let speaker = running.speaker.clone();
        let handle = Handle {
            function: speaker.revision.function().clone(),
            stop: Stop::default(),
            address: Some(running.address.ip()),
        };
        let stop = handle.stop.clone();
        let adopted = Adopted {
            id: speaker.id.clone(),
            revision: speaker.revision,
            revision_uid: manifest.revision_uid.into(),
            target: Target::Http {
                address: running.address,
            },
            ready: running.ready,
            started_at_ms: manifest.started_at_ms,
            secrets_version: manifest.secrets_version,
        };
        self.instances.lock().insert(speaker.id, handle);
        self.run(life::go_on(self.clone(), running, stop));
        adopted
    }
}

impl Driver for ContainerDriver {
    fn kind(&self) -> Kind {
        Kind::Container
    }

    /// A slot, and a place at the engine, of which a host without one has none. Its memory and CPU are limits and no reservations, as
    /// with processes.
    fn cost(&self, _: &Revision) -> Resources {
        Resources::CONTAINER
    }

    fn start(&self, request: StartRequest) {
        match self.inner.admit(&request) {
            Ok(Some(stop)) => {
                self.inner
                    .run(life::start(self.inner.clone(), request, stop));
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
            // The first cause is the one that counts.
            handle.stop.cause.set(cause.to_owned()).ok();
            handle.stop.killed.cancel();
        }
    }

    /// Gets the image of a revision ahead of its first start; whether it is here already.
    fn prepare(&self, revision: &Arc<Revision>) -> bool {
        let Some(container) = revision.runtime.container().cloned() else {
            return true;
        };
        let Ok(client) = self.inner.client() else {
            // Looked at again when the catalogue changes; a start gets it in any case.
            return false;
        };
        let (inner, revision) = (self.inner.clone(), revision.clone());
        self.inner.run(async move {
            if let Err(error) = inner.image(&client, &revision, &container).await {
                // Whoever starts it gets the same error, and its function's status shows it.
                tracing::info!(revision = %revision.name, error, "image not fetched ahead");
            }
        });
        true
    }

    fn function_at(&self, address: IpAddr) -> Option<FunctionName> {
        let instances = self.inner.instances.lock();
        let mut all = instances.values();
        let found = all.find(|handle| handle.address == Some(address));
        found.map(|handle| handle.function.clone())
    }

    fn adopt(&self) -> BoxFuture<'_, Vec<Adopted>> {
        let inner = self.inner.clone();
        async move {
            let found = adopt::take_stock(&inner).await;
            let adopted = found.into_iter().map(|one| inner.take_over(one)).collect();
            inner.adopted.cancel();
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
            let inner = &self.inner;
            inner.tasks.close();
            inner.tasks.wait().await;
            inner.left.cancel();
            if let (Shutdown::Stop, Ok(client)) = (how, inner.client()) {
                inner.network.remove(&client, &inner.place).await;
            }
        }
        .boxed()
    }
}
