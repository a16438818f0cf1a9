//! Components in memory: shared by every instance with the same digest, loaded once however many ask at
//! once, and unloaded least recently used first when their code outgrows the budget. A module with calls
//! or idle instances in it stays; so the budget can be exceeded, by at most one module a slot of the pool.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::cache::Cache;
use crate::error::LoadError;
use crate::host::State;
use crate::world::{Pre, Wasi};

/// What memories are counted in.
const PAGE: u64 = 64 << 10;

/// Components compiled at once. Each uses every core already.
const COMPILERS: usize = 2;

/// One component, ready to be instantiated.
pub(crate) struct Loaded {
    pub(crate) pre: Pre,
    /// The largest memory and table it begins with.
    pub(crate) memory: u64,
    pub(crate) table: u64,
    bytes: u64,
    used: AtomicU64,
}

/// Where a component comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) component: &'a Path,
    pub(crate) sha256: &'a str,
}

impl Source<'_> {
    pub(crate) fn read(&self) -> Result<Vec<u8>, LoadError> {
        fs::read(self.component).map_err(|error| LoadError::File {
            path: self.component.to_owned(),
            reason: error.to_string(),
        })
    }
}

/// Every component of the host.
pub(crate) struct Modules {
    engine: Engine,
    wasi: Wasi,
    linker: Linker<State>,
    cache: Cache,
    budget: u64,
    /// Held for look-ups and for choosing what goes, never while anything is loaded.
    loaded: Mutex<Map>,
    /// One per component that is being compiled or loaded.
    flights: Mutex<HashMap<String, Flight>>,
    compilers: Compilers,
    /// Moves on with every load; a module used since is newer.
    clock: AtomicU64,
    compiled: AtomicU64,
}

/// Held by who does the work; then says how it failed.
type Flight = Arc<Mutex<Option<LoadError>>>;

#[derive(Default)]
struct Map {
    modules: HashMap<String, Arc<Loaded>>,
    bytes: u64,
}

/// What [`Modules`] holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) modules: usize,
    pub(crate) bytes: u64,
    pub(crate) loads: u64,
    pub(crate) compiled: u64,
}

impl Modules {
    pub(crate) fn new(
        engine: Engine,
        wasi: Wasi,
        linker: Linker<State>,
        cache: Cache,
        budget: u64,
    ) -> Self {
        Self {
            engine,
            wasi,
            linker,
            cache,
            budget,
            loaded: Mutex::default(),
            flights: Mutex::default(),
            compilers: Compilers::default(),
            clock: AtomicU64::new(1),
            compiled: AtomicU64::new(0),
        }
    }

    pub(crate) fn held(&self) -> Held {
        let map = self.loaded.lock();
        Held {
            modules: map.modules.len(),
            bytes: map.bytes,
            loads: self.clock.load(Ordering::Relaxed) - 1,
            compiled: self.compiled.load(Ordering::Relaxed),
        }
    }

    /// Notes the use of a module.
    pub(crate) fn touch(&self, module: &Loaded) {
        let now = self.clock.load(Ordering::Relaxed);
        module.used.store(now, Ordering::Relaxed);
    }

    /// Whether [`Modules::load`] would be quick.
    pub(crate) fn is_at_hand(&self, sha256: &str) -> bool {
        self.get(sha256).is_some() || self.cache.known(sha256).is_some()
    }

    /// Compiles to the disk cache, and says now what is wrong with the component. Blocks.
    pub(crate) fn compile_ahead(&self, source: Source<'_>) -> Result<(), LoadError> {
        self.alone(source.sha256, || match self.cache.find(source.sha256) {
            Some(_) => Ok(()),
            None => self.compile(source).map(drop),
        })
    }

    /// The module if it can be had at once: in memory, or on disk with known content. `None` means that
    /// [`Modules::load`] must do it, on a thread that may block.
    pub(crate) fn load_now(&self, source: Source<'_>) -> Option<Arc<Loaded>> {
        if let Some(module) = self.get(source.sha256) {
            return Some(module);
        }
        let path = self.cache.known(source.sha256)?;
        let flight = self.flight(source.sha256);
        let _alone = flight.try_lock()?;
        let module = self.get(source.sha256).or_else(|| {
            let module = self.open(&path).ok()?;
            Some(self.insert(source.sha256, module))
        });
        self.land(source.sha256, &flight);
        module
    }

    /// The module, from wherever it can be had. Blocks.
    pub(crate) fn load(&self, source: Source<'_>) -> Result<Arc<Loaded>, LoadError> {
        self.alone(source.sha256, || {
            if let Some(module) = self.get(source.sha256) {
                return Ok(module);
            }
            let found = self.cache.find(source.sha256);
            let module = match found.map(|path| self.open(&path)) {
                Some(Ok(module)) => module,
                Some(Err(error)) => {
                    tracing::warn!(sha256 = source.sha256, %error, "compiled component does not load; compiling it again");
                    self.cache.reject(source.sha256);
                    self.compile(source)?
                }
                None => self.compile(source)?,
            };
            Ok(self.insert(source.sha256, module))
        })
    }

    fn get(&self, sha256: &str) -> Option<Arc<Loaded>> {
        self.loaded.lock().modules.get(sha256).cloned()
    }

    /// Does the work once: whoever comes meanwhile waits, and gets the error if there was one.
    fn alone<T>(
        &self,
        sha256: &str,
        work: impl FnOnce() -> Result<T, LoadError>,
    ) -> Result<T, LoadError> {
        let flight = self.flight(sha256);
        let mut failed = flight.lock();
        if let Some(error) = &*failed {
            return Err(error.clone());
        }
        let result = work();
        *failed = result.as_ref().err().cloned();
        self.land(sha256, &flight);
        result
    }

    fn flight(&self, sha256: &str) -> Flight {
        let mut flights = self.flights.lock();
        flights.entry(sha256.to_owned()).or_default().clone()
    }

    /// Who comes from now on begins anew.
    fn land(&self, sha256: &str, flight: &Flight) {
        let mut flights = self.flights.lock();
        if flights.get(sha256).is_some_and(|f| Arc::ptr_eq(f, flight)) {
            flights.remove(sha256);
        }
    }

    fn compile(&self, source: Source<'_>) -> Result<Loaded, LoadError> {
        let bytes = source.read()?;
        let found = hex::encode(Sha256::digest(&bytes));
        if found != source.sha256 {
            return Err(LoadError::Digest {
                expected: source.sha256.to_owned(),
                found,
            });
        }
        check_kind(&bytes)?;
        let code = {
            let _turn = self.compilers.take();
            self.engine
                .precompile_component(&bytes)
                .map_err(|error| LoadError::Invalid(format!("{error:#}")))?
        };
        self.compiled.fetch_add(1, Ordering::Relaxed);
        match self.cache.insert(source.sha256, &code) {
            Ok(path) => self
                .open(&path)
                .inspect_err(|_| self.cache.reject(source.sha256)),
            Err(error) => {
                // A full disk is no reason not to serve; only the next load is slow again.
                tracing::warn!(%error, "cannot keep a compiled component");
                self.prepare(Component::from_binary(&self.engine, &bytes))
            }
        }
    }

    /// Maps a checked entry.
    fn open(&self, path: &Path) -> Result<Loaded, LoadError> {
        self.prepare(map(&self.engine, path))
    }

    fn prepare(&self, component: wasmtime::Result<Component>) -> Result<Loaded, LoadError> {
        let component = component.map_err(|error| LoadError::Invalid(format!("{error:#}")))?;
        let bytes = {
            let range = component.image_range();
            (range.end as usize).saturating_sub(range.start as usize) as u64
        };
        let needs = component.resources_required();
        let pages = needs
            .as_ref()
            .and_then(|needs| needs.max_initial_memory_size);
        let pre = self
            .linker
            .instantiate_pre(&component)
            .and_then(|pre| Pre::new(self.wasi, pre))
            .map_err(|error| self.misfit(&component, &error))?;
        Ok(Loaded {
            pre,
            memory: pages.unwrap_or(0).saturating_mul(PAGE),
            table: needs
                .as_ref()
                .and_then(|n| n.max_initial_table_size)
                .unwrap_or(0),
            bytes,
            used: AtomicU64::new(0),
        })
    }

    /// Why a component cannot be linked. Looked into only then: listing exports is no part of a cold start.
    fn misfit(&self, component: &Component, error: &wasmtime::Error) -> LoadError {
        let exports: Vec<_> = component
            .component_type()
            .exports(&self.engine)
            .map(|(name, _)| name.to_owned())
            .collect();
        if exports
            .iter()
            .any(|name| name.starts_with(self.wasi.handler()))
        {
            return LoadError::Import(format!("{error:#}"));
        }
        LoadError::World(match exports.as_slice() {
            [] => "nothing".to_owned(),
            some => some.join(", "),
        })
    }

    fn insert(&self, sha256: &str, module: Loaded) -> Arc<Loaded> {
        self.cache.touch(sha256);
        let now = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        module.used.store(now, Ordering::Relaxed);
        let module = Arc::new(module);
        let evicted = {
            let mut map = self.loaded.lock();
            map.bytes += module.bytes;
            map.modules.insert(sha256.to_owned(), module.clone());
            map.evict(self.budget)
        };
        drop(evicted); // unmapping is for after the lock
        module
    }
}

impl Map {
    /// Takes out what nobody uses, oldest first, to nine tenths of the budget: choosing looks at every
    /// module, so it should not happen at every load.
    fn evict(&mut self, budget: u64) -> Vec<Arc<Loaded>> {
        let mut evicted = Vec::new();
        if self.bytes <= budget {
            return evicted;
        }
        let mut unused: Vec<_> = self
            .modules
            .iter()
            .filter(|(_, module)| Arc::strong_count(module) == 1)
            .map(|(sha256, module)| (module.used.load(Ordering::Relaxed), sha256.clone()))
            .collect();
        unused.sort_unstable();
        for (_, sha256) in unused {
            if self.bytes <= budget / 10 * 9 {
                break;
            }
            if let Some(module) = self.modules.remove(&sha256) {
                self.bytes -= module.bytes;
                evicted.push(module);
            }
        }
        evicted
    }
}

/// Says what a file is if it is no component.
fn check_kind(bytes: &[u8]) -> Result<(), LoadError> {
    let Some(preamble) = bytes.first_chunk::<8>() else {
        return Err(match bytes.starts_with(b"\0asm") || bytes.is_empty() {
            true => LoadError::Invalid(format!("the file has only {} bytes", bytes.len())),
            false => LoadError::NotWasm,
        });
    };
    if !preamble.starts_with(b"\0asm") {
        return Err(LoadError::NotWasm);
    }
    match preamble[6] {
        0 => Err(LoadError::CoreModule),
        _ => Ok(()),
    }
}

#[allow(
    unsafe_code,
    reason = "mapping machine code: only files of `Cache` get here, whose content this installation sealed or wrote itself"
)]
fn map(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file holds what `Engine::precompile_component` made (its seal was checked), it is only
    // ever replaced by renaming another over it, and wasmtime checks version and settings itself.
    unsafe { Component::deserialize_file(engine, path) }
}

/// Turns for compiling.
#[derive(Default)]
struct Compilers {
    busy: Mutex<usize>,
    freed: parking_lot::Condvar,
}

struct Turn<'a>(&'a Compilers);

impl Compilers {
    fn take(&self) -> Turn<'_> {
        let mut busy = self.busy.lock();
        while *busy >= COMPILERS {
            self.freed.wait(&mut busy);
        }
        *busy += 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.busy.lock() -= 1;
        self.0.freed.notify_one();
    }
}
