//! The catalogue as sidecars get it: `proto/gateless/v1/resources.proto`, every default filled in.

use gateless_common::time::millis;
use gateless_proto::v1 as proto;
use jiff::Timestamp;
use proto::resource::Kind;

use super::commit::{Versioned, keys, parse};
use super::secrets::SecretRecord;
use super::{Error, Result, Service};
use crate::domain::function::{Function, Revision};
use crate::domain::rollout;
use crate::domain::spec::{
    Auth, BundleFormat, Container, Metric, Process, Protocol, ReadinessKind, Runtime, Scaling,
    Spec, Visibility, Wasm,
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
                resource: kind.map(|(kind, records)| proto::Resource {
                    kind: Some(kind),
                    records,
                    sealed: None,
                }),
            })),
            Err(Error::Record { key, reason }) => {
                tracing::error!(key, reason, "a record is not readable and is not pushed");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// With the records it was made of.
    async fn convert(&self, entry: &Entry) -> Result<(Kind, Vec<proto::Record>)> {
        let own = kept(entry);
        if let Some(path) = entry.key.strip_prefix("secrets/") {
            let secret: Versioned<SecretRecord> = parse(entry)?;
            let (namespace, name) = path.split_once('/').unwrap_or((path, ""));
            let data = secret.value.data.into_iter();
            let secret = Kind::Secret(proto::Secret {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                data: data.map(|(key, value)| (key, value.into_bytes())).collect(),
                generation: secret.version,
            });
            return Ok((secret, vec![own]));
        }
        if entry.key.starts_with("triggers/") {
            let trigger = Kind::Trigger(super::triggers::resource(parse(entry)?));
            return Ok((trigger, vec![own]));
        }
        let record: Versioned<Function> = parse(entry)?;
        let pushed = rollout::pushed(&record.value);
        let (mut revisions, mut records) = (Vec::new(), vec![own]);
        // Oldest first, as the head list is.
        for head in record
            .value
            .revisions
            .iter()
            .filter(|r| pushed.contains(&r.name))
        {
            let key = keys::revision(&record.value.namespace, &record.value.name, &head.uid);
            if let Some(entry) = self.store.get(&key).await? {
                revisions.push(parse::<Revision>(&entry)?.value);
                records.push(kept(&entry));
            }
        }
        Ok((Kind::Function(function(&record, revisions)), records))
    }
}

fn kept(entry: &Entry) -> proto::Record {
    proto::Record {
        key: entry.key.clone(),
        value: entry.value.to_vec(),
    }
}

/// A setting as the wire has it: what is left out is 0.
trait Sent<T> {
    fn sent(self) -> T;
}

macro_rules! sent {
    ($($type:ty)*) => {$(
        impl Sent<$type> for $type {
            fn sent(self) -> $type {
                self
            }
        }

        impl Sent<$type> for Option<$type> {
            fn sent(self) -> $type {
                self.unwrap_or_default()
            }
        }
    )*};
}

sent! { u32 u64 f64 bool }

/// A message with every setting of a section, and the fields given.
macro_rules! message {
    (
        $message:ident, $of:expr, { $($shaped:ident: $value:expr,)* }
        $section:ident { $(
            $(#[doc = $doc:literal])+
            $json:ident / $toml:ident: $type:ty, $unit:ident = $default:expr, $range:expr $(, also $also:expr)?;
        )* }
    ) => {
        proto::$message {
            $($json: $of.$json.sent(),)*
            $($shaped: $value,)*
        }
    };
}

fn function(record: &Versioned<Function>, revisions: Vec<Revision>) -> proto::Function {
    let function = &record.value;
    let targets = traffic::resolve(function).into_iter();
    let newest = function.latest();
    let gave_back = newest.and_then(|head| head.gave_back.as_ref());
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
        access: Some(access(function)),
        r#async: Some(async_policy(&function.spec)),
        generation: record.version,
        candidate_settle_ms: millis(rollout::settle(function)),
        gave_back_at_ms: gave_back.map_or(0, |back| unix_ms(back.at)),
    }
}

/// 0 is none.
fn unix_ms(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).map_or(1, |ms| ms.max(1))
}

fn access(function: &Function) -> proto::Access {
    let access = &function.spec.access;
    let keys = function.keys.iter().map(|(name, key)| proto::CallerKey {
        name: name.clone(),
        digest: hex::decode(&key.sha256).unwrap_or_default(),
        expires_at_ms: key.expires_at.map_or(0, unix_ms),
    });
    let cors = access.cors.clone();
    let jwt = access.jwt.clone().filter(|_| access.auth == Auth::Jwt);
    gateless_common::settings!(access => message Access, access, {
        needs_key: access.auth != Auth::None || !access.allow.is_empty(),
        needs_no_key: access.auth == Auth::None && !access.allow.is_empty(),
        allow: access.allow.clone(),
        jwt: jwt.map(|jwt| proto::TokenIssuer {
            issuer: jwt.issuer,
            jwks_uri: jwt.jwks_uri.unwrap_or_default(),
            audiences: jwt.audiences,
            claims: jwt.claims.into_iter().collect(),
            forwarded_claims: jwt.forwarded_claims,
            forward_token: jwt.forward_token,
        }),
        keys: keys.collect(),
        networks: access.networks.clone(),
        cors: cors.map(|cors| proto::Cors {
            origins: cors.origins,
            methods: cors.methods,
            headers: cors.headers,
            exposed_headers: cors.exposed_headers,
            credentials: cors.credentials,
            max_age_seconds: cors.max_age_seconds,
        }),
    })
}

fn revision(revision: Revision) -> proto::Revision {
    let spec = revision.spec;
    let scaling = scaling(&spec);
    proto::Revision {
        name: revision.name,
        uid: revision.uid,
        runtime: spec.runtime().map(runtime),
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
        limits: Some(gateless_common::settings!(limits => message Limits, spec.limits, {})),
        hold: Some(gateless_common::settings!(hold => message HoldLimits, spec.hold, {})),
        retries: Some(gateless_common::settings!(retries => message RetryPolicy, spec.retries, {})),
        liveness: Some(
            gateless_common::settings!(liveness => message Liveness, spec.liveness, {
                path: spec.liveness.path.unwrap_or_default(),
            }),
        ),
        scaling: Some(scaling),
    }
}

fn runtime(runtime: Runtime<'_>) -> proto::Runtime {
    let kind = match runtime {
        Runtime::Process(spec) => proto::runtime::Kind::Process(process(spec.clone())),
        Runtime::Wasm(spec) => proto::runtime::Kind::Wasm(wasm(spec.clone())),
        Runtime::Container(spec) => proto::runtime::Kind::Container(container(spec.clone())),
    };
    proto::Runtime { kind: Some(kind) }
}

fn wasm(wasm: Wasm) -> proto::WasmRuntime {
    gateless_common::settings!(wasm => message WasmRuntime, wasm, {
        component_sha256: wasm.component.sha256,
        component_size: wasm.component.size,
        allowed_hosts: wasm.allowed_hosts,
    })
}

fn container(container: Container) -> proto::ContainerRuntime {
    gateless_common::settings!(container => message ContainerRuntime, container, {
        image: container.image,
        command: container.command,
        args: container.args,
        user: container.user.unwrap_or_default(),
        tmpfs: container.tmpfs,
        ready_kind: match container.ready.kind {
            ReadinessKind::Answer => "answer",
            ReadinessKind::Tcp => "tcp",
            ReadinessKind::Http => "http",
        }
        .to_owned(),
        ready_path: container.ready.path.unwrap_or_default(),
    })
}

fn process(process: Process) -> proto::ProcessRuntime {
    let bundle = process.bundle;
    let format = bundle.as_ref().map(|bundle| match bundle.format {
        BundleFormat::TarGz => "tar.gz",
        BundleFormat::Executable => "executable",
    });
    gateless_common::settings!(process => message ProcessRuntime, process, {
        command: process.command,
        bundle_format: format.unwrap_or_default().to_owned(),
        bundle_size: bundle.as_ref().map_or(0, |bundle| bundle.size),
        bundle_sha256: bundle.map(|bundle| bundle.sha256).unwrap_or_default(),
        working_dir: process.working_dir.unwrap_or_default(),
        ready_kind: match process.ready.kind {
            ReadinessKind::Answer | ReadinessKind::Tcp => "tcp",
            ReadinessKind::Http => "http",
        }
        .to_owned(),
        ready_path: process.ready.path.unwrap_or_default(),
        ready_answer: process.ready.kind == ReadinessKind::Answer,
    })
}

fn scaling(spec: &Spec) -> proto::Scaling {
    let scaling = Scaling {
        target: Some(spec.target()),
        ..spec.scaling.clone()
    };
    gateless_common::settings!(scaling => message Scaling, scaling, {
        metric: match scaling.metric {
            Metric::Concurrency => "concurrency",
            Metric::Rps => "rps",
        }
        .to_owned(),
    })
}

fn async_policy(spec: &Spec) -> proto::AsyncPolicy {
    gateless_common::settings!(async => message AsyncPolicy, spec.async_policy, {
        callback_signing: spec.async_policy.callback_signing.clone().unwrap_or_default(),
    })
}
