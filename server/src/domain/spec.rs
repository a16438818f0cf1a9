//! What a person writes about a function, and every default.
//!
//! These types are at once the API's schema and what the catalogue keeps: a spec is stored as it was
//! written with defaults filled in, except `scaling.target`, which follows other fields and is filled
//! in by [`Spec::resolved`]. Whether a spec is valid is [`super::validate`]'s business.

mod wasm;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::wasm::{Component, Wasm};

/// A function's spec. Every change of it makes a new revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Which of the runtime objects below says how instances are run.
    pub kind: Kind,
    /// For kind `process`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub process: Option<Process>,
    /// For kind `wasm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub wasm: Option<Wasm>,
    /// Environment variables; at most 256.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Environment variables taken from secrets of the same namespace; at most 64.
    #[serde(default)]
    pub secrets: Vec<SecretRef>,
    /// What an instance speaks on its port.
    #[serde(default)]
    pub protocol: Protocol,
    /// Who may call the function.
    #[serde(default)]
    pub visibility: Visibility,
    /// Bounds on one call.
    #[serde(default)]
    pub limits: Limits,
    /// Bounds on calls held while no instance is ready.
    #[serde(default)]
    pub hold: Hold,
    /// Retries of calls that failed before a response.
    #[serde(default)]
    pub retries: Retries,
    /// The autoscaler: Knative's KPA, with its names and defaults.
    #[serde(default)]
    pub scaling: Scaling,
    /// How queued (asynchronous) calls are delivered.
    #[serde(default, rename = "async")]
    pub async_policy: AsyncPolicy,
}

/// How instances are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A process that serves HTTP on `$PORT`.
    Process,
    /// A `wasi:http` component, run inside the sidecar.
    Wasm,
}

/// A process that serves HTTP on `$PORT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Program and arguments.
    #[schema(min_items = 1, max_items = 256, example = json!(["python3", "main.py"]))]
    pub command: Vec<String>,
    /// An uploaded artifact to unpack first; without it the command is one on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub bundle: Option<Bundle>,
    /// Relative to the bundle, or absolute without one.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// When an instance counts as ready.
    #[serde(default)]
    pub ready: Readiness,
    /// From spawn to ready, in milliseconds.
    #[serde(default = "ms::<60_000>")]
    #[schema(default = 60_000, minimum = 1, maximum = 3_600_000)]
    pub start_timeout_ms: u64,
    /// From SIGTERM to SIGKILL, in milliseconds.
    #[serde(default = "ms::<30_000>")]
    #[schema(default = 30_000, maximum = 3_600_000)]
    pub stop_grace_ms: u64,
    /// Pass a listening socket (`LISTEN_FDS=1`) besides `$PORT`.
    #[serde(default)]
    pub socket_activation: bool,
    /// Address-space limit in bytes; null: none.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
}

/// An uploaded artifact and how it is packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// 64 lowercase hex digits; the artifact must have been uploaded to the same namespace.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub sha256: String,
    /// How it is packed.
    pub format: BundleFormat,
    /// Bytes; filled in from the artifact when left out.
    #[serde(default)]
    pub size: u64,
}

/// How a bundle is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum BundleFormat {
    /// A gzipped tar archive.
    #[serde(rename = "tar.gz")]
    TarGz,
    /// One executable file.
    #[serde(rename = "executable")]
    Executable,
}

/// When an instance counts as ready.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Readiness {
    /// `tcp`: its port accepts a connection. `http`: a GET of `path` answers 2xx or 3xx.
    #[serde(default)]
    pub kind: ReadinessKind,
    /// For kind `http`.
    #[serde(default)]
    pub path: Option<String>,
}

/// How readiness is found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadinessKind {
    /// The port accepts a connection.
    #[default]
    Tcp,
    /// A GET answers 2xx or 3xx.
    Http,
}

/// An environment variable from a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    /// The variable's name.
    pub env: String,
    /// The secret's name.
    pub secret: String,
    /// The key within the secret.
    pub key: String,
}

/// What an instance speaks on its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge, as gRPC needs it.
    H2c,
}

/// Who may call a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Anyone who reaches a sidecar.
    #[default]
    Public,
    /// Only other functions.
    ClusterOnly,
}

macro_rules! settings {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$field_doc])* #[schema(default = $default)] pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

settings! {
    /// Bounds on one call. Durations in milliseconds.
    Limits {
        /// From arrival to the last byte: hold, queue, start and run; 0: none.
        timeout_ms: u64 = 300_000,
        /// From forwarding to response headers; 0: none.
        response_start_timeout_ms: u64 = 300_000,
        /// Without a byte in either direction; 0: none.
        idle_timeout_ms: u64 = 300_000,
        /// Bytes of a request's body.
        max_request_body_bytes: u64 = 104_857_600,
        /// Calls in flight per instance, a hard limit; 0: none, for kind `wasm` 100.
        container_concurrency: u32 = 0,
    }
}

settings! {
    /// Bounds on calls held per revision and sidecar.
    Hold {
        /// Calls.
        max_requests: u32 = 1_000,
        /// Bytes buffered of them.
        max_bytes: u64 = 16_777_216,
        /// Milliseconds in hold.
        max_wait_ms: u64 = 60_000,
    }
}

settings! {
    /// Retries of calls that failed before a response. Refusals by a full gate are no retries.
    Retries {
        /// Attempts in all; 1: no retry.
        max_attempts: u32 = 2,
        /// Retries as a share of calls, in percent.
        budget_percent: u32 = 20,
    }
}

settings! {
    /// How queued calls are delivered. Durations in milliseconds.
    AsyncPolicy {
        /// Attempts before the dead-letter queue.
        max_attempts: u32 = 5,
        /// Upper bound of the first delay between attempts.
        backoff_base_ms: u64 = 1_000,
        /// Upper bound of any delay between attempts.
        backoff_max_ms: u64 = 60_000,
        /// Of a call since it was accepted.
        max_age_ms: u64 = 3_600_000,
        /// Of one attempt.
        attempt_timeout_ms: u64 = 300_000,
        /// How long results are kept.
        result_ttl_ms: u64 = 86_400_000,
        /// Calls waiting per sidecar; past it new ones are refused with 429.
        max_queued: u32 = 100_000,
        /// Attempts in flight per sidecar.
        max_in_flight: u32 = 100,
        /// Bytes of a result's body.
        max_result_bytes: u64 = 1_048_576,
    }
}

/// The autoscaler's settings. Durations in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Scaling {
    /// What is counted.
    pub metric: Metric,
    /// Per instance. Left out: the container concurrency if set, else 100; for `rps` 200.
    pub target: Option<f64>,
    /// Share of the target to aim at.
    #[schema(default = 70, minimum = 1, maximum = 100)]
    pub target_utilization_percent: f64,
    /// Fewest instances.
    #[schema(default = 0)]
    pub min_scale: u32,
    /// Most instances; 0: no bound.
    #[schema(default = 0)]
    pub max_scale: u32,
    /// Started when a revision is new. 0 (with `min_scale` 0): it counts as ready at once.
    #[schema(default = 1)]
    pub initial_scale: u32,
    /// Fewest instances when scaling up from zero.
    #[schema(default = 1)]
    pub activation_scale: u32,
    /// Window of the stable average.
    #[schema(default = 60_000)]
    pub stable_window_ms: u64,
    /// Window of the panic average, in percent of the stable window.
    #[schema(default = 10)]
    pub panic_window_percent: f64,
    /// In percent of the target.
    #[schema(default = 200)]
    pub panic_threshold_percent: f64,
    /// Most growth per decision, as a factor.
    #[schema(default = 1000)]
    pub max_scale_up_rate: f64,
    /// Most shrinkage per decision, as a divisor.
    #[schema(default = 2)]
    pub max_scale_down_rate: f64,
    /// How long a lower count must have been wanted.
    #[schema(default = 0)]
    pub scale_down_delay_ms: u64,
    /// How long the last instance is kept for the network to learn of it.
    #[schema(default = 30_000)]
    pub scale_to_zero_grace_ms: u64,
    /// How long the last instance is kept at least.
    #[schema(default = 0)]
    pub scale_to_zero_retention_ms: u64,
    /// Spare capacity wanted; -1: unlimited.
    #[schema(default = 211)]
    pub target_burst_capacity: f64,
}

/// What the autoscaler counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Calls in flight and held at once.
    #[default]
    Concurrency,
    /// Calls a second.
    Rps,
}

const fn ms<const N: u64>() -> u64 {
    N
}

const fn count<const N: u32>() -> u32 {
    N
}

impl Default for Scaling {
    fn default() -> Self {
        Self {
            metric: Metric::Concurrency,
            target: None,
            target_utilization_percent: 70.0,
            min_scale: 0,
            max_scale: 0,
            initial_scale: 1,
            activation_scale: 1,
            stable_window_ms: 60_000,
            panic_window_percent: 10.0,
            panic_threshold_percent: 200.0,
            max_scale_up_rate: 1000.0,
            max_scale_down_rate: 2.0,
            scale_down_delay_ms: 0,
            scale_to_zero_grace_ms: 30_000,
            scale_to_zero_retention_ms: 0,
            target_burst_capacity: 211.0,
        }
    }
}

impl Spec {
    /// The target in force: the one written, or the default that follows from other fields.
    pub fn target(&self) -> f64 {
        match (self.scaling.target, self.scaling.metric) {
            (Some(target), _) => target,
            (None, Metric::Rps) => 200.0,
            (None, Metric::Concurrency) => match self.container_concurrency() {
                0 => 100.0,
                limit => f64::from(limit),
            },
        }
    }

    /// The container concurrency in force. A component runs inside the sidecar, so it always has one.
    pub fn container_concurrency(&self) -> u32 {
        match (self.limits.container_concurrency, self.kind) {
            (0, Kind::Wasm) => 100,
            (written, _) => written,
        }
    }

    /// The uploaded artifact it names, if any.
    pub fn artifact(&self) -> Option<&str> {
        let bundle = self.process.as_ref().and_then(|p| p.bundle.as_ref());
        let component = self.wasm.as_ref().map(|wasm| &wasm.component.sha256);
        bundle
            .map(|bundle| &bundle.sha256)
            .or(component)
            .map(String::as_str)
    }

    /// With every default filled in; what is shown and what makes a revision.
    #[must_use]
    pub fn resolved(&self) -> Self {
        let mut spec = self.clone();
        spec.scaling.target = Some(self.target());
        spec.limits.container_concurrency = self.container_concurrency();
        spec
    }

    /// Nothing is started for a new revision, so it counts as ready at once.
    pub fn starts_empty(&self) -> bool {
        self.scaling.initial_scale == 0 && self.scaling.min_scale == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Spec {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn everything_but_the_command_has_a_default() {
        let spec = parse(r#"{"kind": "process", "process": {"command": ["x"]}}"#);
        let shown = serde_json::to_value(spec.resolved()).unwrap();
        assert_eq!(shown["limits"]["timeout_ms"], 300_000);
        assert_eq!(shown["scaling"]["target"], 100.0);
        assert_eq!(shown["async"]["max_attempts"], 5);
        assert_eq!(shown["process"]["ready"]["kind"], "tcp");
        let again: Spec = serde_json::from_value(shown).unwrap();
        assert_eq!(again, spec.resolved());
    }

    #[test]
    fn the_target_follows_what_it_depends_on() {
        let with = |scaling: &str, limits: &str| {
            parse(&format!(
                r#"{{"kind": "process", "scaling": {scaling}, "limits": {limits}}}"#
            ))
            .target()
        };
        assert_eq!(with("{}", "{}"), 100.0);
        assert_eq!(with("{}", r#"{"container_concurrency": 4}"#), 4.0);
        assert_eq!(
            with(r#"{"metric": "rps"}"#, r#"{"container_concurrency": 4}"#),
            200.0
        );
        assert_eq!(with(r#"{"target": 7}"#, "{}"), 7.0);
    }

    #[test]
    fn a_component_always_has_a_container_concurrency() {
        let text = r#"{"kind": "wasm", "wasm": {"component": {"sha256": "x"}}}"#;
        let shown = parse(text).resolved();
        assert_eq!(shown.limits.container_concurrency, 100);
        assert_eq!(shown.scaling.target, Some(100.0));
        let text = r#"{"kind": "wasm", "limits": {"container_concurrency": 7}}"#;
        assert_eq!(parse(text).resolved().limits.container_concurrency, 7);
    }
}
