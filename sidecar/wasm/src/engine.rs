//! The one engine of a host: wasmtime's configuration, the pool's slots, the modules and the ticker.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Config, Enabled, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::cache::Cache;
use crate::clock;
use crate::error::{CallError, Error, LoadError};
use crate::host;
use crate::instance::Instance;
use crate::modules::{Modules, Source};
use crate::outgoing::Outgoing;
use crate::settings::{InstanceSpec, Settings};
use crate::ticker::{Running, Ticker};
use crate::turns::Turns;
use crate::world::Wasi;

/// Core instances, memories and tables a slot of the pool stands for, on average: a component of one
/// language has one memory and up to twenty modules.
const CORE_INSTANCES: u32 = 32;
const MEMORIES: u32 = 2;
const TABLES: u32 = 4;

/// The most any one component may have.
const MAX_CORE_INSTANCES: u32 = 256;
/// Memories, and tables, of one core module.
const MAX_PER_MODULE: u32 = 8;
/// Elements of any one table.
const MAX_TABLE_ELEMENTS: usize = 200_000;

/// Runs components. A cheap handle; the engine ends with its last handle and instance.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

/// The engine for WASI 0.3, opened when the first component of that kind comes.
struct Later {
    settings: Settings,
    engine: OnceLock<Result<Engine, String>>,
}

struct Inner {
    settings: Settings,
    wasm: wasmtime::Engine,
    modules: Modules,
    slots: Arc<Semaphore>,
    /// Turns of calls that compute long, as many as there are cores: however many of them there
    /// are, a short call waits for one turn at most, and not for one of each.
    turns: Turns,
    idle: Arc<AtomicU32>,
    listed: Arc<Listed>,
    outgoing: Arc<dyn Outgoing>,
    ticker: Ticker,
    later: Option<Later>,
}

/// Instances that have idle guests. A lock because calls add and the ticker removes.
type Listed = Mutex<Vec<Weak<Instance>>>;

/// Numbers of the moment, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Modules in memory.
    pub modules: usize,
    /// Bytes of their code.
    pub module_bytes: u64,
    /// Modules loaded since the start.
    pub loads: u64,
    /// Components compiled since the start.
    pub compiled: u64,
    /// Guests that serve a call.
    pub calls: usize,
    /// Guests kept for reuse.
    pub idle: u32,
}

impl Engine {
    /// Opens the cache and sets up the pool; `outgoing` routes the guests' requests to other functions.
    pub fn open(settings: Settings, outgoing: Arc<dyn Outgoing>) -> Result<Self, Error> {
        Self::open_for(Wasi::V0_2, settings, outgoing)
    }

    fn open_for(
        wasi: Wasi,
        settings: Settings,
        outgoing: Arc<dyn Outgoing>,
    ) -> Result<Self, Error> {
        let later = settings.wasi_0_3.then(|| Later::new(&settings));
        let refused = |error: wasmtime::Error| Error::Engine(format!("{error:#}"));
        let wasm = wasmtime::Engine::new(&config(&settings, wasi)).map_err(refused)?;
        let cache = Cache::open(
            &settings.cache_dir,
            wasm.precompile_compatibility_hash(),
            settings.cache_bytes,
        )?;
        let linker = host::linker(&wasm, wasi).map_err(refused)?;
        let listed = Arc::new(Listed::default());
        let ticking = wasm.clone();
        let sweeping = listed.clone();
        let timeout = settings.idle_timeout;
        let ticker = Ticker::start(
            settings.tick,
            move || ticking.increment_epoch(),
            move || sweep(&sweeping, timeout),
        )
        .map_err(|error| Error::Engine(format!("cannot start its thread: {error}")))?;
        let modules = Modules::new(
            wasm.clone(),
            wasi,
            linker,
            cache,
            settings.memory_budget_bytes,
        );
        Ok(Self(Arc::new(Inner {
            slots: Arc::new(Semaphore::new(settings.max_concurrent as usize)),
            turns: Turns::new(cores()),
            idle: Arc::default(),
            settings,
            wasm,
            modules,
            listed,
            outgoing,
            ticker,
            later,
        })))
    }

    /// Compiles a component to the disk cache, unless it is there. Blocks; once per digest at a time.
    pub fn compile_ahead(&self, wasm: &Path, sha256: &str) -> Result<(), LoadError> {
        let source = Source {
            component: wasm,
            sha256,
        };
        self.of(source)?.0.modules.compile_ahead(source)
    }

    /// Whether starting an instance of it will neither compile nor read the whole of it.
    pub fn is_compiled(&self, sha256: &str) -> bool {
        let has = |engine: &Self| engine.0.modules.is_at_hand(sha256);
        has(self) || self.later().is_some_and(has)
    }

    /// Loads a function's module and returns what serves its calls. Blocks: a fraction of a millisecond
    /// when compiled, up to many seconds when not. Dropping the instance stops it; calls under way end
    /// in their own time.
    pub fn start(&self, spec: InstanceSpec) -> Result<Arc<Instance>, LoadError> {
        let engine = self.of(Source {
            component: &spec.component,
            sha256: &spec.sha256,
        })?;
        let turn = self.0.settings.tick / 2;
        Instance::start(engine.clone(), self.0.outgoing.clone(), turn, spec)
    }

    /// Numbers of the moment.
    pub fn stats(&self) -> Stats {
        let held = self.0.modules.held();
        let mut stats = Stats {
            modules: held.modules,
            module_bytes: held.bytes,
            loads: held.loads,
            compiled: held.compiled,
            calls: self.0.ticker.calls(),
            idle: self.0.idle.load(Ordering::Relaxed),
        };
        if let Some(later) = self.later() {
            let more = later.stats();
            stats.modules += more.modules;
            stats.module_bytes += more.module_bytes;
            stats.loads += more.loads;
            stats.compiled += more.compiled;
            stats.calls += more.calls;
            stats.idle += more.idle;
        }
        stats
    }

    /// The engine for WASI 0.3, if it is open.
    fn later(&self) -> Option<&Self> {
        self.0.later.as_ref()?.engine.get()?.as_ref().ok()
    }

    /// The engine for a component: the one that has it, or else the one for what it exports.
    fn of(&self, source: Source<'_>) -> Result<&Self, LoadError> {
        let has = |engine: &&Self| engine.0.modules.is_at_hand(source.sha256);
        if let Some(engine) = [Some(self), self.later()].into_iter().flatten().find(has) {
            return Ok(engine);
        }
        let bytes = source.read()?;
        if Wasi::of(&bytes) == Wasi::V0_2 {
            return Ok(self);
        }
        let later = self.0.later.as_ref().ok_or(LoadError::Wasi03)?;
        let opened = later.engine.get_or_init(|| {
            let (settings, outgoing) = (later.settings.clone(), self.0.outgoing.clone());
            Self::open_for(Wasi::V0_3, settings, outgoing).map_err(|error| error.to_string())
        });
        opened
            .as_ref()
            .map_err(|error| LoadError::Engine(error.clone()))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn wasm(&self) -> &wasmtime::Engine {
        &self.0.wasm
    }

    pub(crate) fn modules(&self) -> &Modules {
        &self.0.modules
    }

    pub(crate) fn running(&self) -> Running {
        self.0.ticker.running()
    }

    /// A slot of the pool, after a bounded wait.
    pub(crate) async fn slot(
        &self,
        deadline: Option<Instant>,
    ) -> Result<OwnedSemaphorePermit, CallError> {
        if let Ok(slot) = self.0.slots.clone().try_acquire_owned() {
            return Ok(slot);
        }
        let latest = clock::now() + self.0.settings.slot_wait;
        let latest = deadline.map_or(latest, |deadline| deadline.min(latest));
        let slot = tokio::time::timeout_at(latest.into(), self.0.slots.clone().acquire_owned());
        match slot.await {
            Ok(Ok(slot)) => Ok(slot),
            _ => Err(CallError::Busy {
                slots: self.0.settings.max_concurrent,
            }),
        }
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.0.turns
    }

    /// A place for one idle guest; whoever takes it counts it down again.
    pub(crate) fn idle_place(&self) -> Option<Arc<AtomicU32>> {
        let idle = &self.0.idle;
        if idle.fetch_add(1, Ordering::Relaxed) >= self.0.settings.max_idle {
            idle.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(idle.clone())
    }

    pub(crate) fn list_idle(&self, instance: &Arc<Instance>) {
        self.0.listed.lock().push(Arc::downgrade(instance));
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Drops what was idle for too long; says whether anything is left.
fn sweep(listed: &Listed, timeout: std::time::Duration) -> bool {
    let now = clock::now();
    let mut instances = std::mem::take(&mut *listed.lock());
    instances.retain(|instance| {
        instance
            .upgrade()
            .is_some_and(|instance| instance.sweep(now, timeout))
    });
    let mut listed = listed.lock();
    listed.append(&mut instances);
    !listed.is_empty()
}

impl Later {
    fn new(settings: &Settings) -> Self {
        let mut name = settings
            .cache_dir
            .file_name()
            .unwrap_or_default()
            .to_owned();
        name.push("-0.3");
        let settings = Settings {
            wasi_0_3: false,
            cache_dir: settings.cache_dir.with_file_name(name),
            ..settings.clone()
        };
        Self {
            settings,
            engine: OnceLock::new(),
        }
    }
}

fn config(settings: &Settings, wasi: Wasi) -> Config {
    let slots = settings.max_concurrent.saturating_add(settings.max_idle);
    let max_memory = usize::try_from(settings.max_memory_bytes).unwrap_or(usize::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES))
        .total_memories(slots.saturating_mul(MEMORIES))
        .total_tables(slots.saturating_mul(TABLES))
        .total_stacks(slots)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_module(MAX_PER_MODULE)
        .max_tables_per_module(MAX_PER_MODULE)
        .max_memory_size(max_memory)
        .table_elements(MAX_TABLE_ELEMENTS)
        .linear_memory_keep_resident(settings.keep_resident_bytes)
        .table_keep_resident(settings.keep_resident_bytes.min(16 << 10))
        .pagemap_scan(Enabled::Auto);
    let concurrent = wasi == Wasi::V0_3;
    let mut config = Config::new();
    config
        .wasm_component_model_async(concurrent)
        .concurrency_support(concurrent)
        .allocation_strategy(pool)
        .memory_init_cow(true)
        .epoch_interruption(true)
        // Shared memories would escape the limiter.
        .wasm_threads(false)
        // Registering frames for native debuggers costs time at every load.
        .native_unwind_info(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(&self.stats()).finish()
    }
}
