//! The catalogue as sidecars get it: `proto/gateless/v1/resources.proto`, every default filled in.

use gateless_proto::v1 as proto;
use proto::resource::Kind;

use super::commit::{Versioned, keys, parse};
use super::secrets::SecretRecord;
use super::{Error, Result, Service};
use crate::domain::function::{Function, Revision};
use crate::domain::rollout;
use crate::domain::spec::{
    self, BundleFormat, Metric, Process, Protocol, ReadinessKind, Spec, Visibility, Wasm,
};
use crate::domain::traffic;
use crate::store::Entry;

/// Prefixes of the keys that are pushed; a key is the resource's name.
pub const PUSHED: [&str; 3] = ["functions/", "secrets/", "triggers/"];

impl Service {
    /// A resource by name as it is now; unset when it is not there.
    ///
    /// A record that does not parse is left out, loudly: one broken record must not keep the rest from
    /// the sidecars, who keep the last good one.
    ///
    /// # Errors
    /// The store's.
    pub async fn resource(&self, name: &str) -> Result<Option<proto::Change>> {
        let entry = self.store.get(name).await?;
        let made = match &entry {
            None => Ok(None),
            Some(entry) => self.convert(entry).await.map(Some),
        };
        match made {
            Ok(kind) => Ok(Some(proto::Change {
                name: name.to_owned(),
                resource: kind.map(|kind| proto::Resource { kind: Some(kind) }),
            })),
            Err(Error::Record { key, reason }) => {
                tracing::error!(key, reason, "a record is not readable and is not pushed");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn convert(&self, entry: &Entry) -> Result<Kind> {
        if let Some(path) = entry.key.strip_prefix("secrets/") {
            let secret: Versioned<SecretRecord> = parse(entry)?;
            let (namespace, name) = path.split_once('/').unwrap_or((path, ""));
            let data = secret.value.data.into_iter();
            return Ok(Kind::Secret(proto::Secret {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                data: data.map(|(key, value)| (key, value.into_bytes())).collect(),
                generation: secret.version,
            }));
        }
        if entry.key.starts_with("triggers/") {
            return Ok(Kind::Trigger(super::triggers::resource(parse(entry)?)));
        }
        let record: Versioned<Function> = parse(entry)?;
        let pushed = rollout::pushed(&record.value);
        let mut revisions = Vec::new();
        // Oldest first, as the head list is.
        for head in record
            .value
            .revisions
            .iter()
            .filter(|r| pushed.contains(&r.name))
        {
            let key = keys::revision(&record.value.namespace, &record.value.name, &head.uid);
            let revision = self.load::<Revision>(&key).await?;
            revisions.extend(revision.map(|revision| revision.value));
        }
        Ok(Kind::Function(function(&record, revisions)))
    }
}

fn function(record: &Versioned<Function>, revisions: Vec<Revision>) -> proto::Function {
    let function = &record.value;
    let targets = traffic::resolve(function).into_iter();
    proto::Function {
        namespace: function.namespace.clone(),
        name: function.name.clone(),
        uid: function.uid.clone(),
        revisions: revisions.into_iter().map(revision).collect(),
        traffic: targets
            .map(|target| proto::TrafficTarget {
                revision: target.revision,
                percent: target.percent,
                tag: target.tag.unwrap_or_default(),
            })
            .collect(),
        candidate: function
            .candidate()
            .map(|r| r.name.clone())
            .unwrap_or_default(),
        visibility: match function.spec.visibility {
            Visibility::Public => proto::Visibility::Public,
            Visibility::ClusterOnly => proto::Visibility::ClusterOnly,
        }
        .into(),
        r#async: Some(async_policy(&function.spec)),
        generation: record.version,
    }
}

fn revision(revision: Revision) -> proto::Revision {
    let spec = revision.spec;
    let scaling = scaling(&spec);
    proto::Revision {
        name: revision.name,
        uid: revision.uid,
        runtime: Some(proto::Runtime {
            kind: match spec.kind {
                spec::Kind::Process => "process",
                spec::Kind::Wasm => "wasm",
            }
            .to_owned(),
            process: spec.process.map(process),
            wasm: spec.wasm.map(wasm),
        }),
        env: spec.env.into_iter().collect(),
        secrets: spec
            .secrets
            .into_iter()
            .map(|secret| proto::SecretRef {
                env: secret.env,
                secret: secret.secret,
                key: secret.key,
            })
            .collect(),
        protocol: match spec.protocol {
            Protocol::Http1 => proto::Protocol::Http1,
            Protocol::H2c => proto::Protocol::H2c,
        }
        .into(),
        limits: Some(proto::Limits {
            timeout_ms: spec.limits.timeout_ms,
            response_start_timeout_ms: spec.limits.response_start_timeout_ms,
            idle_timeout_ms: spec.limits.idle_timeout_ms,
            max_request_body_bytes: spec.limits.max_request_body_bytes,
            container_concurrency: spec.limits.container_concurrency,
        }),
        hold: Some(proto::HoldLimits {
            max_requests: spec.hold.max_requests,
            max_bytes: spec.hold.max_bytes,
            max_wait_ms: spec.hold.max_wait_ms,
        }),
        retries: Some(proto::RetryPolicy {
            max_attempts: spec.retries.max_attempts,
            budget_percent: spec.retries.budget_percent,
        }),
        scaling: Some(scaling),
    }
}

fn wasm(wasm: Wasm) -> proto::WasmRuntime {
    proto::WasmRuntime {
        component_sha256: wasm.component.sha256,
        component_size: wasm.component.size,
        reuse: wasm.reuse,
        memory_bytes: wasm.memory_bytes,
        cpu_time_ms: wasm.cpu_time_ms,
        max_table_elements: wasm.max_table_elements,
        max_response_body_bytes: wasm.max_response_body_bytes,
        allowed_hosts: wasm.allowed_hosts,
        max_outgoing_requests: wasm.max_outgoing_requests,
    }
}

fn process(process: Process) -> proto::ProcessRuntime {
    let bundle = process.bundle;
    let format = bundle.as_ref().map(|bundle| match bundle.format {
        BundleFormat::TarGz => "tar.gz",
        BundleFormat::Executable => "executable",
    });
    proto::ProcessRuntime {
        command: process.command,
        bundle_format: format.unwrap_or_default().to_owned(),
        bundle_size: bundle.as_ref().map_or(0, |bundle| bundle.size),
        bundle_sha256: bundle.map(|bundle| bundle.sha256).unwrap_or_default(),
        working_dir: process.working_dir.unwrap_or_default(),
        ready_kind: match process.ready.kind {
            ReadinessKind::Tcp => "tcp",
            ReadinessKind::Http => "http",
        }
        .to_owned(),
        ready_path: process.ready.path.unwrap_or_default(),
        start_timeout_ms: process.start_timeout_ms,
        stop_grace_ms: process.stop_grace_ms,
        socket_activation: process.socket_activation,
        memory_bytes: process.memory_bytes.unwrap_or(0),
    }
}

fn scaling(spec: &Spec) -> proto::Scaling {
    let scaling = &spec.scaling;
    proto::Scaling {
        metric: match scaling.metric {
            Metric::Concurrency => "concurrency",
            Metric::Rps => "rps",
        }
        .to_owned(),
        target: spec.target(),
        target_utilization_percent: scaling.target_utilization_percent,
        min_scale: scaling.min_scale,
        max_scale: scaling.max_scale,
        initial_scale: scaling.initial_scale,
        activation_scale: scaling.activation_scale,
        stable_window_ms: scaling.stable_window_ms,
        panic_window_percent: scaling.panic_window_percent,
        panic_threshold_percent: scaling.panic_threshold_percent,
        max_scale_up_rate: scaling.max_scale_up_rate,
        max_scale_down_rate: scaling.max_scale_down_rate,
        scale_down_delay_ms: scaling.scale_down_delay_ms,
        scale_to_zero_grace_ms: scaling.scale_to_zero_grace_ms,
        scale_to_zero_retention_ms: scaling.scale_to_zero_retention_ms,
        target_burst_capacity: scaling.target_burst_capacity,
    }
}

fn async_policy(spec: &Spec) -> proto::AsyncPolicy {
    let policy = &spec.async_policy;
    proto::AsyncPolicy {
        max_attempts: policy.max_attempts,
        backoff_base_ms: policy.backoff_base_ms,
        backoff_max_ms: policy.backoff_max_ms,
        max_age_ms: policy.max_age_ms,
        attempt_timeout_ms: policy.attempt_timeout_ms,
        result_ttl_ms: policy.result_ttl_ms,
        max_queued: policy.max_queued,
        max_in_flight: policy.max_in_flight,
        max_result_bytes: policy.max_result_bytes,
    }
}
