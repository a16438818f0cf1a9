//! What the sidecar may choose: for the whole engine ([`Settings`]) and for one function
//! ([`InstanceSpec`]). Values arrive valid; where they come from is none of this crate's business.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::lines::LogSink;

/// Bounds and places of one [`Engine`](crate::Engine).
#[derive(Clone)]
pub struct Settings {
    /// Whether components of WASI 0.3 run, too, in a second engine that is opened when the first of them
    /// comes: with a pool, a cache (beside the other, `-0.3` after its name) and a memory budget of its own.
    /// Off by default: wasmtime calls its implementation experimental and gives no patch releases for it.
    pub wasi_0_3: bool,
    /// Directory of compiled components; made when missing, for this user only.
    pub cache_dir: PathBuf,
    /// Bytes the cache may take on disk; past it the least recently loaded entries go.
    pub cache_bytes: u64,
    /// Bytes of loaded code; past it the least recently used modules without calls are unloaded.
    pub memory_budget_bytes: u64,
    /// Calls that run at once over all functions. Each takes a slot of the pool.
    pub max_concurrent: u32,
    /// Idle instances kept for reuse, over all functions. They take slots of their own.
    pub max_idle: u32,
    /// How long an idle instance is kept.
    pub idle_timeout: Duration,
    /// How long a call may wait for a slot before it fails with [`CallError::Busy`](crate::CallError::Busy).
    pub slot_wait: Duration,
    /// Time between two looks at the CPU time of running guests, and about how long a guest computes before
    /// other tasks of the same thread get their turn.
    pub tick: Duration,
    /// How long a guest may go on after its response was delivered whole.
    pub after_response: Duration,
    /// The largest memory any function may have.
    pub max_memory_bytes: u64,
    /// Bytes of memory kept with a slot between calls: cleared by hand instead of given back to the kernel.
    pub keep_resident_bytes: usize,
}

impl Settings {
    /// Sane bounds for one host, with the cache in `cache_dir`.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            wasi_0_3: false,
            cache_dir: cache_dir.into(),
            cache_bytes: 8 << 30,
            memory_budget_bytes: 512 << 20,
            max_concurrent: 1_000,
            max_idle: 200,
            idle_timeout: Duration::from_secs(10),
            slot_wait: Duration::from_secs(1),
            tick: Duration::from_millis(5),
            after_response: Duration::from_secs(5),
            max_memory_bytes: 4 << 30,
            keep_resident_bytes: 256 << 10,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("cache_dir", &self.cache_dir)
            .field("memory_budget_bytes", &self.memory_budget_bytes)
            .field("max_concurrent", &self.max_concurrent)
            .finish_non_exhaustive()
    }
}

/// Bounds of one call. Each is named in the error of the call that hits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories of the instance together.
    pub memory_bytes: u64,
    /// Time the guest may compute for one call; waiting does not count.
    pub cpu_time: Duration,
    /// All tables of the instance together.
    pub table_elements: u64,
    /// Core instances a component may be made of.
    pub core_instances: u32,
    /// Bytes of a response's body.
    pub response_body_bytes: u64,
    /// Fields of a response's head.
    pub response_headers: u32,
    /// Names and values of a response's head together. Any one set of fields a guest makes may take twice
    /// this much memory.
    pub response_header_bytes: u32,
    /// Outgoing requests of one call.
    pub outgoing_total: u32,
    /// Outgoing requests of one call at the same time, their responses' bodies included.
    pub outgoing_concurrent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 128 << 20,
            cpu_time: Duration::from_secs(10),
            table_elements: 100_000,
            core_instances: 64,
            response_body_bytes: 64 << 20,
            response_headers: 128,
            response_header_bytes: 32 << 10,
            outgoing_total: 50,
            outgoing_concurrent: 8,
        }
    }
}

/// Whether calls may follow one another in one instance. Off means a fresh instance for every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reuse {
    /// Idle instances kept for this function.
    pub max_idle: u32,
    /// Calls an instance serves before it is thrown away, which bounds whatever it leaks.
    pub max_requests: u32,
}

impl Default for Reuse {
    fn default() -> Self {
        Self {
            max_idle: 32,
            max_requests: 10_000,
        }
    }
}

/// Whose code runs; goes with every outgoing request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Namespace of the function.
    pub namespace: String,
    /// Name of the function.
    pub function: String,
    /// Revision of the function.
    pub revision: String,
    /// The sidecar's own id of this instance.
    pub instance: String,
}

/// Everything an [`Instance`](crate::Instance) needs.
#[derive(Clone)]
pub struct InstanceSpec {
    /// The component's file; read only when it must be compiled.
    pub component: PathBuf,
    /// Lower-case hex SHA-256 of that file.
    pub sha256: String,
    /// Environment, secrets included. Never logged.
    pub env: Vec<(String, String)>,
    /// Bounds of a call.
    pub limits: Limits,
    /// Outside hosts the function may call: `host`, `host:port`, `*.domain` or `*`. Empty means none.
    pub allowed_hosts: Vec<String>,
    /// `None`: a fresh instance for every call.
    pub reuse: Option<Reuse>,
    /// Where the lines of stdout and stderr go.
    pub log: LogSink,
    /// Whose instance this is.
    pub identity: Identity,
}

impl fmt::Debug for InstanceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceSpec")
            .field("identity", &self.identity)
            .field("sha256", &self.sha256)
            .field("limits", &self.limits)
            .field("reuse", &self.reuse)
            .finish_non_exhaustive()
    }
}
