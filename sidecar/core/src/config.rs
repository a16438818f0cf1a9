//! What a sidecar must know of a function, as valid values.
//!
//! The shell converts the wire's messages into these with `TryFrom`; a value that exists
//! is one every decision can rely on. Deliberately no `Serialize`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateless_common::settings;

use crate::access::Access;
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
    /// So long an instance of the candidate has to hold before it counts as one that works.
    pub settle: Duration,
    /// When the newest revision last gave its calls back, as the server has it; 0: never.
    pub gave_back_at_ms: u64,
    /// Who may call it.
    pub visibility: Visibility,
    /// What it asks of its callers besides.
    pub access: Access,
    /// How queued calls are delivered.
    pub async_policy: AsyncPolicy,
    /// The secret, and the key of it, that its callbacks are signed by; `None`: they are not.
    pub callback_signing: Option<SecretKey>,
}

/// A secret of a function's namespace, and a key of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretKey {
    /// The secret's name.
    pub secret: Arc<str>,
    /// Of the value in it.
    pub key: Arc<str>,
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
    /// With namespace and function, unique in the catalogue.
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
    /// How an instance that says nothing is probed.
    pub liveness: Liveness,
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
    /// A container that serves HTTP, in the host's container engine.
    Container(Container),
}

/// What a [`Runtime`] is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Of [`Runtime::Process`].
    Process,
    /// Of [`Runtime::Wasm`].
    Wasm,
    /// Of [`Runtime::Container`].
    Container,
}

impl Kind {
    /// As the API names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Wasm => "wasm",
            Self::Container => "container",
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
            Self::Container(_) => Kind::Container,
        }
    }

    /// The uploaded artifact an instance is started from.
    #[must_use]
    pub fn artifact(&self) -> Option<&str> {
        match self {
            Self::Process(process) => process.bundle.as_ref().map(|b| b.sha256.as_str()),
            Self::Wasm(wasm) => Some(&wasm.component_sha256),
            Self::Container(_) => None,
        }
    }

    /// The process, if it is one.
    #[must_use]
    pub const fn process(&self) -> Option<&Process> {
        match self {
            Self::Process(process) => Some(process),
            Self::Wasm(_) | Self::Container(_) => None,
        }
    }

    /// The component, if it is one.
    #[must_use]
    pub const fn wasm(&self) -> Option<&Wasm> {
        match self {
            Self::Wasm(wasm) => Some(wasm),
            Self::Process(_) | Self::Container(_) => None,
        }
    }

    /// The container, if it is one.
    #[must_use]
    pub const fn container(&self) -> Option<&Container> {
        match self {
            Self::Container(container) => Some(container),
            Self::Process(_) | Self::Wasm(_) => None,
        }
    }
}

/// Bytes, in fields whose names do not say so.
pub type ByteCount = u64;

/// Thousandths of a CPU, in fields whose names do not say so.
pub type Millicores = u32;

/// What a setting is inside of a sidecar, by its unit.
macro_rules! kept {
    (millis) => { Duration };
    (millis_or_none) => { Option<Duration> };
    (bytes) => { ByteCount };
    (bytes_or_none) => { Option<ByteCount> };
    (millicores_or_none) => { Option<Millicores> };
    (count) => { u32 };
    (count_or_none) => { Option<u32> };
    (number) => { f64 };
    (derived) => { f64 };
    (flag) => { bool };
}

/// A struct with the settings of a section, after the fields given. Their rows are in `gateless_common::settings!`.
macro_rules! object {
    (
        $(#[$attribute:meta])* $name:ident {
            $($(#[$shaped_attribute:meta])* $shaped:ident: $shaped_type:ty,)*
        }
        $section:ident { $(
            $(#[doc = $doc:literal])+
            $json:ident / $toml:ident: $type:ty, $unit:ident = $default:expr, $range:expr $(, also $also:expr)?;
        )* }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[$shaped_attribute])* pub $shaped: $shaped_type,)*
            $($(#[doc = $doc])+ pub $toml: kept!($unit),)*
        }
    };
}

settings!(wasm => object
    /// A `wasi:http` component in the sidecar's own engine.
    #[derive(Eq)]
    Wasm {
        /// Lower-case hex digest of the uploaded component.
        component_sha256: String,
        /// Bytes.
        component_size: u64,
        /// Outside hosts it may call: `HOST`, `HOST:PORT`, `*.DOMAIN`. Empty: none.
        allowed_hosts: Vec<String>,
    }
);

settings!(container => object
    /// A container that serves HTTP, in the host's container engine.
    #[derive(Eq)]
    Container {
        /// As `docker pull` takes it.
        image: String,
        /// In place of the image's entry point; empty: the image's.
        command: Vec<String>,
        /// In place of the image's arguments; empty: the image's.
        args: Vec<String>,
        /// `USER` or `USER:GROUP`; `None`: the image's.
        user: Option<String>,
        /// Folders in memory, as absolute paths.
        tmpfs: Vec<String>,
        /// When it counts as ready.
        ready: Readiness,
    }
);

settings!(process => object
    /// A process that serves HTTP on `$PORT`.
    #[derive(Eq)]
    Process {
        /// Program and arguments, at least the program.
        command: Vec<String>,
        /// What to unpack first.
        bundle: Option<Bundle>,
        /// Relative to the bundle, or absolute without one.
        working_dir: Option<String>,
        /// When it counts as ready.
        ready: Readiness,
    }
);

/// An uploaded bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Lower-case hex digest.
    pub sha256: String,
    /// How it is packed.
    pub format: BundleFormat,
    /// Length of the archive, in bytes.
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

/// When a process or container counts as ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It answers a request, whatever the status.
    Answer,
    /// Its port accepts a connection.
    Tcp,
    /// A GET of this path answers 2xx or 3xx.
    Http(String),
}

/// An environment variable from a secret in the function's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    /// Name of the environment variable.
    pub env: String,
    /// Name of the secret, in the function's namespace.
    pub secret: String,
    /// Key within the secret.
    pub key: String,
}

/// What an instance speaks on its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, with keep-alive.
    Http1,
    /// HTTP/2 with prior knowledge, as gRPC needs it.
    H2c,
}

/// A setting's default as a sidecar keeps it, by its unit.
macro_rules! kept_default {
    (millis, $value:expr) => {
        Duration::from_millis($value)
    };
    (millis_or_none, $value:expr) => {
        if $value == 0 {
            None
        } else {
            Some(Duration::from_millis($value))
        }
    };
    (count_or_none, $value:expr) => {
        if $value == 0 { None } else { Some($value) }
    };
    (derived, $value:expr) => {
        gateless_common::spec::CONCURRENCY_TARGET
    };
    ($unit:ident, $value:expr) => {
        $value
    };
}

/// As `object`, and with the table's defaults: the server sends every setting, so they are for
/// what has no function to ask, and for tests.
macro_rules! defaulted {
    (
        $(#[$attribute:meta])* $name:ident {
            $($(#[$shaped_attribute:meta])* $shaped:ident: $shaped_type:ty = $shaped_default:expr,)*
        }
        $section:ident { $(
            $(#[doc = $doc:literal])+
            $json:ident / $toml:ident: $type:ty, $unit:ident = $default:expr, $range:expr $(, also $also:expr)?;
        )* }
    ) => {
        object! {
            $(#[$attribute])* $name { $($(#[$shaped_attribute])* $shaped: $shaped_type,)* }
            $section { $(
                $(#[doc = $doc])+
                $json / $toml: $type, $unit = $default, $range $(, also $also)?;
            )* }
        }

        impl $name {
            /// What the API has when nothing is written.
            pub const DEFAULT: Self = Self {
                $($shaped: $shaped_default,)*
                $($toml: kept_default!($unit, $default),)*
            };
        }

        impl Default for $name {
            fn default() -> Self {
                Self::DEFAULT
            }
        }
    };
}

settings!(limits => defaulted
    /// Bounds on one call; `None` switches a limit off.
    #[derive(Copy, Eq)]
    Limits {}
);

settings!(hold => defaulted
    /// Bounds on the held calls of one revision at one sidecar.
    #[derive(Copy, Eq)]
    HoldLimits {}
);

settings!(retries => defaulted
    /// Retries of calls that failed before a response.
    #[derive(Copy, Eq)]
    RetryPolicy {}
);

settings!(liveness => defaulted
    /// Probes of instances that say nothing, with Kubernetes' names and defaults.
    ///
    /// Source: Kubernetes `core/v1` `Probe`.
    #[derive(Eq)]
    Liveness {
        /// What a probe gets; `None`: what the protocol has for it.
        path: Option<String> = None,
    }
);

/// What the autoscaler counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Calls in flight (and held) at once.
    Concurrency,
    /// Calls a second.
    Rps,
}

settings!(scaling => defaulted
    /// Knative's pod autoscaler settings, with its names and defaults.
    ///
    /// Source: Knative serving `config/core/configmaps/autoscaler.yaml` and
    /// `pkg/apis/autoscaling/register.go`.
    #[derive(Copy)]
    Scaling {
        /// What is counted.
        metric: Metric = Metric::Concurrency,
    }
);

settings!(async => defaulted
    /// How queued calls are delivered.
    #[derive(Copy, Eq)]
    AsyncPolicy {}
);
