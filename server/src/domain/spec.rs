//! What a person writes about a function.
//!
//! Its numbers and flags, with defaults and ranges, come from the table in `gateless_common::spec`.
//! These types are at once the API's schema and what the catalogue keeps: a spec is stored as it was written with defaults
//! filled in, except `scaling.target`, which follows other fields and is filled in by [`Spec::resolved`].
//! Whether a spec is valid is [`super::validate`]'s business.

mod settings;

use std::collections::BTreeMap;

use gateless_common::spec::{COMPONENT_CONCURRENCY, CONCURRENCY_TARGET, Field, RPS_TARGET, Value};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::settings::{
    Access, AsyncPolicy, Container, Hold, Limits, Liveness, Process, Retries, Scaling, Wasm,
};

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
    /// For kind `container`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub container: Option<Container>,
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
    /// What it asks of its callers.
    #[serde(default)]
    pub access: Access,
    /// Bounds on one call.
    #[serde(default)]
    pub limits: Limits,
    /// Bounds on calls held while no instance is ready.
    #[serde(default)]
    pub hold: Hold,
    /// Retries of calls that failed before a response.
    #[serde(default)]
    pub retries: Retries,
    /// Probes of instances that say nothing.
    #[serde(default)]
    pub liveness: Liveness,
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
    /// A container that serves HTTP, run by the host's container engine.
    Container,
}

/// How a valid spec runs instances: the one runtime object that its kind names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Runtime<'a> {
    /// Of [`Kind::Process`].
    Process(&'a Process),
    /// Of [`Kind::Wasm`].
    Wasm(&'a Wasm),
    /// Of [`Kind::Container`].
    Container(&'a Container),
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
    /// `answer`: it answers a request, whatever the status. `http`: a GET of `path` answers 2xx or 3xx. `tcp`: its port
    /// accepts a connection, although nobody may be behind it yet.
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
    /// A request is answered, whatever the status.
    #[default]
    Answer,
    /// The port accepts a connection.
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

/// What a caller of a function has to prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// Nothing.
    #[default]
    None,
    /// That it has one of the function's keys.
    Key,
    /// That it has a token of the issuer in `jwt`.
    Jwt,
}

/// Whose tokens (RFC 7519) a function takes, and which of them. Signed by RSA, ECDSA or EdDSA; they expire, and name a subject.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// What `iss` is: an `https` URL, or `http` on the sidecar's own host.
    pub issuer: String,
    /// Where its keys are (RFC 7517), as a URL of the same kind. Left out: where `ISSUER/.well-known/openid-configuration` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub jwks_uri: Option<String>,
    /// One of these is in `aud`; 1 to 64.
    #[schema(min_items = 1, max_items = 64)]
    pub audiences: Vec<String>,
    /// Claims that a token has besides, and their values: as text, or in a list, or in the words of `scope`. At most 64.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
    /// Claims that the function gets as headers `x-gateless-claim-NAME`, which no caller can send. At most 64.
    #[serde(default)]
    pub forwarded_claims: Vec<String>,
    /// Whether the function gets the token, too.
    #[serde(default)]
    pub forward_token: bool,
}

/// Which pages of other sites browsers let call a function (cross-origin resource sharing, as the Fetch standard has it).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// `https://example.com`, `https://*.example.com` or `*`; 1 to 64.
    #[schema(min_items = 1, max_items = 64)]
    pub origins: Vec<String>,
    /// Methods they may use; empty: every one. At most 64.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Request headers they may send; empty: every one. At most 64.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Answer headers they may read, besides those they always may; at most 64.
    #[serde(default)]
    pub exposed_headers: Vec<String>,
    /// Whether cookies and credentials may come with a call; not with the origin `*`.
    #[serde(default)]
    pub credentials: bool,
    /// Seconds for which a browser need not ask again; at most 86,400.
    #[serde(default)]
    #[schema(maximum = 86_400)]
    pub max_age_seconds: u32,
}

/// An uploaded component.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// 64 lowercase hex digits; the artifact must have been uploaded to the same namespace.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub sha256: String,
    /// Bytes; filled in from the artifact when left out.
    #[serde(default)]
    pub size: u64,
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

impl Spec {
    /// The target in force: the one written, or the default that follows from other fields.
    pub fn target(&self) -> f64 {
        match (self.scaling.target, self.scaling.metric) {
            (Some(target), _) => target,
            (None, Metric::Rps) => RPS_TARGET,
            (None, Metric::Concurrency) => match self.container_concurrency() {
                0 => CONCURRENCY_TARGET,
                limit => f64::from(limit),
            },
        }
    }

    /// The container concurrency in force. A component runs inside the sidecar, so it always has one.
    pub fn container_concurrency(&self) -> u32 {
        match (self.limits.container_concurrency, self.kind) {
            (0, Kind::Wasm) => COMPONENT_CONCURRENCY,
            (written, _) => written,
        }
    }

    /// How it runs instances; `None` while it is not valid, so that kind and objects may disagree.
    pub fn runtime(&self) -> Option<Runtime<'_>> {
        match (self.kind, &self.process, &self.wasm, &self.container) {
            (Kind::Process, Some(process), None, None) => Some(Runtime::Process(process)),
            (Kind::Wasm, None, Some(wasm), None) => Some(Runtime::Wasm(wasm)),
            (Kind::Container, None, None, Some(one)) => Some(Runtime::Container(one)),
            _ => None,
        }
    }

    /// The uploaded artifact it names, if any.
    pub fn artifact(&self) -> Option<&str> {
        match self.runtime()? {
            Runtime::Process(process) => process.bundle.as_ref().map(|b| b.sha256.as_str()),
            Runtime::Wasm(wasm) => Some(&wasm.component.sha256),
            Runtime::Container(_) => None,
        }
    }

    /// With every default filled in; what is shown and what makes a revision.
    #[must_use]
    pub fn resolved(&self) -> Self {
        let mut spec = self.clone();
        spec.scaling.target = Some(self.target());
        spec.limits.container_concurrency = self.container_concurrency();
        spec
    }

    /// Every secret that it names.
    pub fn secret_names(&self) -> impl Iterator<Item = &str> {
        let own = self.secrets.iter().map(|reference| &*reference.secret);
        own.chain(self.callback_signing().map(|(secret, _)| secret))
    }

    /// The secret, and the key of it, that callbacks are signed by.
    #[must_use]
    pub fn callback_signing(&self) -> Option<(&str, &str)> {
        let signing = self.async_policy.callback_signing.as_deref()?;
        gateless_common::name::secret_and_key(signing).ok()
    }

    /// Every setting with its value, in the table's order.
    pub fn settings(&self) -> impl Iterator<Item = (&'static Field, Value)> {
        let process = self.process.iter().flat_map(Process::settings);
        let wasm = self.wasm.iter().flat_map(Wasm::settings);
        let container = self.container.iter().flat_map(Container::settings);
        let runtime = process.chain(wasm).chain(container);
        let calls = self.access.settings().chain(self.limits.settings());
        let calls = calls.chain(self.hold.settings());
        let calls = calls.chain(self.retries.settings());
        let calls = calls.chain(self.liveness.settings());
        let rest = self.scaling.settings().chain(self.async_policy.settings());
        runtime.chain(calls).chain(rest)
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
        assert_eq!(shown["process"]["ready"]["kind"], "answer");
        assert_eq!(shown["liveness"]["failure_threshold"], 3);
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
