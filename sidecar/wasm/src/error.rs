//! Every way this crate fails, in words for the person whose function it is. No HTTP status here: the
//! sidecar maps these once, in its own table.

use std::path::PathBuf;
use std::time::Duration;

use gateless_common::wasi::HANDLERS;

/// The engine cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cache directory cannot be made or read.
    #[error("cannot use the directory {path} for compiled components: {source}")]
    Cache {
        /// The directory or a file in it.
        path: PathBuf,
        source: std::io::Error,
    },
    /// Wasmtime refuses the settings, most often because the address space for the pool is too small.
    #[error("cannot make the wasm engine: {0}")]
    Engine(String),
}

/// A component cannot be compiled or loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read, or its compiled form not written.
    #[error("cannot use {path}: {reason}")]
    File { path: PathBuf, reason: String },
    /// The file is not the one that was asked for.
    #[error("the component's file has SHA-256 {found}, not {expected}; upload it again")]
    Digest {
        /// What was asked for.
        expected: String,
        /// What the file is.
        found: String,
    },
    #[error("the file is not WebAssembly: it does not begin with \\0asm")]
    NotWasm,
    /// A core module.
    #[error(
        "the file is a core WebAssembly module, not a component; build it for wasm32-wasip2, or make a component of it with `wasm-tools component new`"
    )]
    CoreModule,
    /// Ends too early, or breaks the format.
    #[error("the component is damaged or cut off: {0}")]
    Invalid(String),
    /// A component, but no HTTP handler.
    #[error("the component does not export {HANDLERS}; it exports {0}")]
    World(String),
    /// A handler of WASI 0.3 where that is off.
    #[error(
        "the component is for WASI 0.3, which this sidecar does not run; start it with --wasi-0-3"
    )]
    Wasi03,
    /// The engine for its kind does not open.
    #[error("{0}")]
    Engine(String),
    /// It wants something this host does not have.
    #[error("the component imports what this host does not offer: {0}")]
    Import(String),
    /// It begins with more memory than the function may have.
    #[error("the component begins with {needs} bytes of memory, more than the function's {limit}")]
    Memory {
        /// What it declares.
        needs: u64,
        /// The function's limit.
        limit: u64,
    },
    /// It begins with larger tables than the function may have.
    #[error("the component begins with {needs} table elements, more than the function's {limit}")]
    Tables {
        /// What it declares.
        needs: u64,
        /// The function's limit.
        limit: u64,
    },
    /// A task of the host ended while it compiled; only at shutdown.
    #[error("loading was interrupted")]
    Interrupted,
}

/// A call that did not end well. The instance that served it is gone; its neighbours noticed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("the function wanted more memory than its limit of {limit} bytes: {trap}")]
    Memory {
        /// The limit in bytes.
        limit: u64,
        /// What the guest did about it.
        trap: String,
    },
    /// Limit of tables.
    #[error("the function wanted larger tables than its limit of {limit} elements: {trap}")]
    Tables {
        /// The limit in elements.
        limit: u64,
        /// What the guest did about it.
        trap: String,
    },
    /// Limit of core instances.
    #[error("the function's component consists of more than its limit of {limit} core instances")]
    Instances { limit: u32 },
    #[error("the function computed longer than its limit of {} ms", limit.as_millis())]
    CpuTime { limit: Duration },
    /// The call's deadline passed.
    #[error("the function did not finish before the call's deadline")]
    Deadline,
    /// The guest trapped.
    #[error("the function trapped: {0}")]
    Trap(String),
    /// The guest called `exit`.
    #[error("the function exited with code {0} instead of answering")]
    Exit(i32),
    /// The response's body is too long.
    #[error("the function's response is longer than its limit of {limit} bytes")]
    ResponseTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The response's head is too long.
    #[error("the function's response has more than {count} headers or {bytes} bytes of them")]
    ResponseHeaders {
        /// The limit of fields.
        count: u32,
        /// The limit of bytes.
        bytes: u32,
    },
    /// The guest gave up after it was refused outgoing requests.
    #[error(
        "the function made more than {total} outgoing requests, or more than {concurrent} at once: {trap}"
    )]
    Outgoing {
        /// The limit for the whole call.
        total: u32,
        /// The limit at the same time.
        concurrent: u32,
        /// What the guest did about it.
        trap: String,
    },
    /// The guest returned without a response.
    #[error("the function returned without setting a response")]
    NoResponse,
    /// The guest did not `finish` its response's body, or wrote another length than it promised.
    #[error("the function left its response unfinished")]
    Unfinished,
    /// The guest answered with an error of `wasi:http` instead of a response.
    #[error("the function answered with an error: {0}")]
    Answered(String),
    /// Every slot was taken for as long as a call may wait for one.
    #[error("all {slots} slots for wasm calls of this host are taken")]
    Busy {
        /// How many there are.
        slots: u32,
    },
    /// The component cannot be loaded (again).
    #[error(transparent)]
    Load(#[from] LoadError),
}
