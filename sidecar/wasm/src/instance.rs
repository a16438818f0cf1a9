//! A function's presence on this host: its limits and environment, a weak hold on its module, and its idle
//! guests. Cheap enough to have ten thousand of. How a call goes is in `call`.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::engine::Engine;
use crate::error::{CallError, LoadError};
use crate::guest::Live;
use crate::lines::LogSink;
use crate::modules::{Loaded, Source};
use crate::outgoing::{AllowList, Outgoing};
use crate::settings::{Identity, InstanceSpec, Limits, Reuse};

/// A started function.
pub struct Instance {
    pub(crate) engine: Engine,
    pub(crate) shared: Arc<Shared>,
    component: PathBuf,
    sha256: String,
    reuse: Option<Reuse>,
    /// Weak, so that the module can be evicted while nobody calls. A lock for the moment of the upgrade.
    module: Mutex<Weak<Loaded>>,
    /// Held across a load, so that a thousand waiting calls take one blocking thread.
    loading: tokio::sync::Mutex<()>,
    idle: Mutex<IdlePool>,
    /// CPU time of a call, exponentially averaged, nanoseconds.
    cost: AtomicU64,
}

/// Mean CPU time of a call from which on a function's calls step back, nanoseconds.
const HEAVY: u64 = 100_000;

/// What the stores of one instance have in common.
pub(crate) struct Shared {
    pub(crate) identity: Arc<Identity>,
    pub(crate) limits: Limits,
    pub(crate) allowed: AllowList,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) log: LogSink,
    pub(crate) outgoing: Arc<dyn Outgoing>,
    /// How long a guest may compute before it yields.
    pub(crate) turn: Duration,
}

#[derive(Default)]
struct IdlePool {
    guests: Vec<Idle>,
    /// Whether the engine knows that there is something to sweep here.
    is_listed: bool,
}

struct Idle {
    live: Live,
    since: Instant,
    _place: IdlePlace,
}

/// One of the engine's places for idle guests.
struct IdlePlace(Arc<AtomicU32>);

impl Drop for IdlePlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Instance {
    pub(crate) fn start(
        engine: Engine,
        outgoing: Arc<dyn Outgoing>,
        turn: Duration,
        spec: InstanceSpec,
    ) -> Result<Arc<Self>, LoadError> {
        let shared = Shared {
            identity: Arc::new(spec.identity),
            limits: spec.limits,
            allowed: AllowList::new(&spec.allowed_hosts),
            env: spec.env,
            log: spec.log,
            outgoing,
            turn,
        };
        let instance = Self {
            engine,
            shared: Arc::new(shared),
            component: spec.component,
            sha256: spec.sha256,
            reuse: spec.reuse,
            module: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            idle: Mutex::default(),
            cost: AtomicU64::new(0),
        };
        let module = instance.engine.modules().load(instance.source())?;
        instance.fits(&module)?;
        drop(instance.hold(module));
        Ok(Arc::new(instance))
    }

    /// Lets everybody else who is ready run first, if calls of this function compute for long. The runtime
    /// runs whoever was woken last before those that wait already: a few connections with heavy calls, each
    /// asking again as soon as it was answered, would be served over and over, and all others late.
    pub(crate) async fn step_back(&self) {
        if self.cost.load(Ordering::Relaxed) > HEAVY {
            tokio::task::yield_now().await;
        }
    }

    /// A call is over. Counts of calls that end at the same time may be lost; light calls of a light
    /// function write nothing, or its cores would take turns at the number.
    pub(crate) fn account(&self, nanos: u64) {
        let before = self.cost.load(Ordering::Relaxed);
        if before.max(nanos) < HEAVY / 2 {
            return;
        }
        self.cost
            .store(before - before / 8 + nanos / 8, Ordering::Relaxed);
    }

    /// Whose instance this is.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// The component's digest.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    fn source(&self) -> Source<'_> {
        Source {
            component: &self.component,
            sha256: &self.sha256,
        }
    }

    /// Says before the first call what can be known before it.
    fn fits(&self, module: &Loaded) -> Result<(), LoadError> {
        let limits = &self.shared.limits;
        if module.memory > limits.memory_bytes {
            return Err(LoadError::Memory {
                needs: module.memory,
                limit: limits.memory_bytes,
            });
        }
        if module.table > limits.table_elements {
            return Err(LoadError::Tables {
                needs: module.table,
                limit: limits.table_elements,
            });
        }
        Ok(())
    }

    /// The module, loaded again if it was evicted. A load goes on when the deadline passes.
    pub(crate) async fn module(
        self: &Arc<Self>,
        deadline: Option<Instant>,
    ) -> Result<Arc<Loaded>, CallError> {
        if let Some(module) = self.held() {
            self.engine.modules().touch(&module);
            return Ok(module);
        }
        if let Some(module) = self.engine.modules().load_now(self.source()) {
            return Ok(self.hold(module));
        }
        let Some(deadline) = deadline else {
            return self.load().await;
        };
        let loaded = tokio::time::timeout_at(deadline.into(), self.load());
        loaded.await.unwrap_or(Err(CallError::Deadline))
    }

    /// Loads on a thread that may block, one call of this instance at a time.
    async fn load(self: &Arc<Self>) -> Result<Arc<Loaded>, CallError> {
        let _one = self.loading.lock().await;
        if let Some(module) = self.held() {
            return Ok(module);
        }
        let instance = self.clone();
        let load = move || instance.engine.modules().load(instance.source());
        let loaded = tokio::task::spawn_blocking(load).await;
        let module = loaded.map_err(|_| LoadError::Interrupted)??;
        Ok(self.hold(module))
    }

    fn held(&self) -> Option<Arc<Loaded>> {
        self.module.lock().upgrade()
    }

    fn hold(&self, module: Arc<Loaded>) -> Arc<Loaded> {
        *self.module.lock() = Arc::downgrade(&module);
        module
    }

    /// The guest that was used last, whose memory is warmest.
    pub(crate) fn take_idle(&self) -> Option<Live> {
        self.reuse?;
        Some(self.idle.lock().guests.pop()?.live)
    }

    /// Keeps a guest that served its call whole, until `since`, if this function wants that and there is room.
    pub(crate) fn recycle(self: &Arc<Self>, mut live: Live, since: Instant) {
        live.store.data().finish();
        let Some(reuse) = self.reuse else { return };
        if live.requests >= reuse.max_requests || !live.store.data_mut().is_reusable() {
            return;
        }
        let Some(place) = self.engine.idle_place().map(IdlePlace) else {
            return;
        };
        let idle = Idle {
            live,
            since,
            _place: place,
        };
        let mut pool = self.idle.lock();
        if pool.guests.len() >= reuse.max_idle as usize {
            drop(pool);
            drop(idle); // after the lock: freeing a store takes system calls
            return;
        }
        pool.guests.push(idle);
        let is_new = !std::mem::replace(&mut pool.is_listed, true);
        drop(pool);
        if is_new {
            self.engine.list_idle(self);
        }
    }

    /// Drops guests idle for longer than `timeout`; says whether any are left.
    pub(crate) fn sweep(&self, now: Instant, timeout: Duration) -> bool {
        let mut pool = self.idle.lock();
        // Pushed at the end and taken from it, so the oldest are in front.
        let fresh = pool
            .guests
            .partition_point(|idle| now.saturating_duration_since(idle.since) >= timeout);
        let old: Vec<_> = pool.guests.drain(..fresh).collect();
        pool.is_listed = !pool.guests.is_empty();
        let is_listed = pool.is_listed;
        drop(pool);
        drop(old);
        is_listed
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("identity", &self.shared.identity)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}
