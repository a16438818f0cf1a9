//! What a sidecar must know of a function, as valid values.
//!
//! The shell converts the wire's messages into these with `TryFrom`; a value that exists
//! is one every decision can rely on. Deliberately no `Serialize`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::name::{FunctionName, RevisionName};

/// Who may call a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Anyone who reaches a sidecar.
    Public,
    /// Only callers on a sidecar's local listener: other functions.
    ClusterOnly,
}

/// A function: its revisions, who gets which share of calls, and its async policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Namespace and name.
    pub name: FunctionName,
    /// Changes when it is deleted and created again under the same name.
    pub uid: Arc<str>,
    /// Every revision that may be called or must be started, oldest first.
    pub revisions: Vec<Arc<Revision>>,
    /// Sums to 100, or empty while no revision was ever ready.
    pub traffic: Vec<TrafficTarget>,
    /// Newest revision while it has never been ready: started, but gets no traffic
    /// unless there is no other.
    pub candidate: Option<RevisionName>,
    /// Who may call it.
    pub visibility: Visibility,
    /// How queued calls are delivered.
    pub async_policy: AsyncPolicy,
}

impl Function {
    /// One of its revisions.
    #[must_use]
    pub fn revision(&self, name: &RevisionName) -> Option<&Arc<Revision>> {
        self.revisions.iter().find(|known| known.name == *name)
    }
}

/// A share of a function's calls, a tag, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficTarget {
    /// Index into [`Function::revisions`].
    pub revision: usize,
    /// 0 to 100.
    pub percent: u8,
    /// Reached by Host or path as TAG-NAME.
    pub tag: Option<Arc<str>>,
}

/// One immutable revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// Full name.
    pub name: RevisionName,
    /// Unique over all time.
    pub uid: Arc<str>,
    /// How to start an instance.
    pub runtime: Runtime,
    /// Environment, besides what the platform sets.
    pub env: BTreeMap<String, String>,
    /// Environment from secrets.
    pub secrets: Vec<SecretRef>,
    /// What an instance speaks.
    pub protocol: Protocol,
    /// Bounds on a call.
    pub limits: Limits,
    /// Bounds on held calls.
    pub hold: HoldLimits,
    /// Retries of failed (not refused) calls.
    pub retries: RetryPolicy,
    /// The autoscaler's settings.
    pub scaling: Scaling,
}

/// How an instance is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runtime {
    /// A process that serves HTTP on `$PORT`.
    Process(Process),
    /// A `wasi:http` component in the sidecar's own engine.
    Wasm(Wasm),
}

/// What a [`Runtime`] is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// [`Runtime::Process`].
    Process,
    /// [`Runtime::Wasm`].
    Wasm,
}

impl Kind {
    /// As the API names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Wasm => "wasm",
        }
    }
}

impl Runtime {
    /// Which it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Process(_) => Kind::Process,
            Self::Wasm(_) => Kind::Wasm,
        }
    }

    /// The uploaded artifact an instance is started from.
    #[must_use]
    pub fn artifact(&self) -> Option<&str> {
        match self {
            Self::Process(process) => process.bundle.as_ref().map(|b| b.sha256.as_str()),
            Self::Wasm(wasm) => Some(&wasm.component_sha256),
        }
    }

    /// The process, if it is one.
    #[must_use]
    pub const fn process(&self) -> Option<&Process> {
        match self {
            Self::Process(process) => Some(process),
            Self::Wasm(_) => None,
        }
    }

    /// The component, if it is one.
    #[must_use]
    pub const fn wasm(&self) -> Option<&Wasm> {
        match self {
            Self::Wasm(wasm) => Some(wasm),
            Self::Process(_) => None,
        }
    }
}

/// A `wasi:http` component in the sidecar's own engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wasm {
    /// Lower-case hex digest of the uploaded component.
    pub component_sha256: String,
    /// Bytes.
    pub component_size: u64,
    /// Requests follow one another in one instance; otherwise each has a fresh one.
    pub reuse: bool,
    /// Linear memory of one instance, all its memories together.
    pub memory_bytes: u64,
    /// Time on a CPU for one request.
    pub cpu_time: Duration,
    /// Elements of all its tables together.
    pub max_table_elements: u32,
    /// Bytes of one response's body.
    pub max_response_body: u64,
    /// Outside hosts it may call: `HOST`, `HOST:PORT`, `*.DOMAIN`. Empty: none.
    pub allowed_hosts: Vec<String>,
    /// Outgoing requests of one request at a time.
    pub max_outgoing_requests: u32,
}

/// A process that serves HTTP on `$PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Program and arguments, at least the program.
    pub command: Vec<String>,
    /// What to unpack first.
    pub bundle: Option<Bundle>,
    /// Relative to the bundle, or absolute without one.
    pub working_dir: Option<String>,
    /// When it counts as ready.
    pub ready: Readiness,
    /// From spawn to ready.
    pub start_timeout: Duration,
    /// From SIGTERM to SIGKILL.
    pub stop_grace: Duration,
    /// Pass a listening socket (`LISTEN_FDS=1`, descriptor 3) besides `$PORT`.
    pub socket_activation: bool,
    /// Address-space limit.
    pub memory_bytes: Option<u64>,
}

/// An uploaded bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Lower-case hex digest.
    pub sha256: String,
    /// How it is packed.
    pub format: BundleFormat,
    /// Bytes.
    pub size: u64,
}

/// How a bundle is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleFormat {
    /// A gzipped tar archive.
    TarGz,
    /// One executable file.
    Executable,
}

/// When a process counts as ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Its port accepts a connection.
    Tcp,
    /// A GET of this path answers 2xx or 3xx.
    Http(String),
}

/// An environment variable from a secret in the function's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    /// Variable name.
    pub env: String,
    /// Secret name.
    pub secret: String,
    /// Key within the secret.
    pub key: String,
}

/// What an instance speaks on its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge, as gRPC needs it.
    H2c,
}

/// Bounds on one call; `None` switches a limit off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Arrival to last byte: hold, queue, start and run.
    pub timeout: Option<Duration>,
    /// Forwarding to response headers.
    pub response_start_timeout: Option<Duration>,
    /// Without a byte in either direction.
    pub idle_timeout: Option<Duration>,
    /// Bytes.
    pub max_request_body: u64,
    /// In flight per instance, hard.
    pub container_concurrency: Option<u32>,
}

/// Bounds on the held calls of one revision at one sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldLimits {
    /// Calls.
    pub max_requests: u32,
    /// Bytes buffered of their bodies and heads.
    pub max_bytes: u64,
    /// In hold, whatever the call's own deadline.
    pub max_wait: Duration,
}

/// Retries of calls that failed before a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// At least 1; 1 means no retry.
    pub max_attempts: u32,
    /// Retries as a share of requests, 0 to 100.
    pub budget_percent: u32,
}

/// What the autoscaler counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Calls in flight (and held) at once.
    Concurrency,
    /// Calls a second.
    Rps,
}

/// Knative's pod autoscaler settings, with its names and defaults.
///
/// Source: Knative serving `config/core/configmaps/autoscaler.yaml` and
/// `pkg/apis/autoscaling/register.go`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// Default concurrency.
    pub metric: Metric,
    /// Per instance; default 100, for rps 200; container concurrency when that is set.
    pub target: f64,
    /// Share of `target` to aim at, 1 to 100; default 70.
    pub target_utilization_percent: f64,
    /// Default 0.
    pub min_scale: u32,
    /// Default none.
    pub max_scale: Option<u32>,
    /// Started when a revision is new; default 1.
    pub initial_scale: u32,
    /// Least number when scaling up from zero; default 1.
    pub activation_scale: u32,
    /// Default 60 s.
    pub stable_window: Duration,
    /// Of the stable window; default 10.
    pub panic_window_percent: f64,
    /// Of the target; default 200.
    pub panic_threshold_percent: f64,
    /// Default 1000.
    pub max_scale_up_rate: f64,
    /// Default 2.
    pub max_scale_down_rate: f64,
    /// Default 0.
    pub scale_down_delay: Duration,
    /// Default 30 s.
    pub scale_to_zero_grace: Duration,
    /// Default 0.
    pub scale_to_zero_retention: Duration,
    /// Default 211, as in Knative's config-autoscaler.
    pub target_burst_capacity: f64,
}

impl Default for Scaling {
    fn default() -> Self {
        Self {
            metric: Metric::Concurrency,
            target: 100.0,
            target_utilization_percent: 70.0,
            min_scale: 0,
            max_scale: None,
            initial_scale: 1,
            activation_scale: 1,
            stable_window: Duration::from_secs(60),
            panic_window_percent: 10.0,
            panic_threshold_percent: 200.0,
            max_scale_up_rate: 1000.0,
            max_scale_down_rate: 2.0,
            scale_down_delay: Duration::ZERO,
            scale_to_zero_grace: Duration::from_secs(30),
            scale_to_zero_retention: Duration::ZERO,
            target_burst_capacity: 211.0,
        }
    }
}

/// How queued calls are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsyncPolicy {
    /// Before the dead-letter queue, at least 1.
    pub max_attempts: u32,
    /// First delay's upper bound.
    pub backoff_base: Duration,
    /// Upper bound of any delay.
    pub backoff_max: Duration,
    /// Since acceptance.
    pub max_age: Duration,
    /// Of one attempt.
    pub attempt_timeout: Duration,
    /// How long results are kept.
    pub result_ttl: Duration,
    /// Waiting calls per sidecar.
    pub max_queued: u32,
    /// Attempts in flight per sidecar.
    pub max_in_flight: u32,
    /// Of a result's body.
    pub max_result_bytes: u64,
}
