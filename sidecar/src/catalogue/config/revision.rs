//! One revision: how to run it, its bounds, its scaling.

use gateless_common::limits::ARTIFACT_BYTES;
use gateless_common::name::is_sha256;
use gateless_common::settings;
use gateless_core::config::{
    Bundle, BundleFormat, Container, HoldLimits, Limits, Liveness, Metric, Process, Protocol,
    Readiness, RetryPolicy, Revision, Runtime, Scaling, SecretRef, Wasm,
};
use gateless_core::name::{FunctionName, RevisionName};
use gateless_proto::v1;
use gateless_proto::v1::runtime::Kind;

use super::setting::{Kept, check, read};
use super::{Error, ensure, label, required};

pub(super) fn revision(function: &FunctionName, wire: &v1::Revision) -> Result<Revision, Error> {
    let name = RevisionName::new(function.clone(), &wire.name)
        .map_err(|e| Error::new("name", e.to_string()))?;
    ensure(!wire.uid.is_empty(), "uid", || "is empty".into())?;
    for (key, value) in &wire.env {
        let good = env_name(key) && !value.contains('\0');
        ensure(good, "env", || {
            format!("{key:?} or its value is impossible")
        })?;
    }
    let secrets = wire.secrets.iter().map(secret_ref);
    let protocol = match wire.protocol() {
        v1::Protocol::Http1 => Protocol::Http1,
        v1::Protocol::H2c => Protocol::H2c,
        v1::Protocol::Unspecified => return Err(Error::new("protocol", "is not known")),
    };
    Ok(Revision {
        name,
        uid: wire.uid.as_str().into(),
        runtime: runtime(required(wire.runtime.as_ref(), "runtime")?)
            .map_err(|e| e.within("runtime"))?,
        env: wire.env.clone().into_iter().collect(),
        secrets: secrets.collect::<Result<_, _>>()?,
        protocol,
        limits: settings!(limits => read Limits, required(wire.limits.as_ref(), "limits")?, {})
            .map_err(|e| e.within("limits"))?,
        hold: settings!(hold => read HoldLimits, required(wire.hold.as_ref(), "hold")?, {})
            .map_err(|e| e.within("hold"))?,
        retries:
            settings!(retries => read RetryPolicy, required(wire.retries.as_ref(), "retries")?, {})
                .map_err(|e| e.within("retries"))?,
        liveness: wire
            .liveness
            .as_ref()
            .map_or(Ok(Liveness::DEFAULT), liveness)
            .map_err(|e| e.within("liveness"))?,
        scaling: scaling(required(wire.scaling.as_ref(), "scaling")?)
            .map_err(|e| e.within("scaling"))?,
    })
}

fn env_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['=', '\0'])
}

fn secret_ref(wire: &v1::SecretRef) -> Result<SecretRef, Error> {
    label(&wire.secret, "secrets")?;
    ensure(env_name(&wire.env), "secrets", || {
        format!("{:?} is no variable's name", wire.env)
    })?;
    ensure(!wire.key.is_empty(), "secrets", || {
        format!("{} names no key of {}", wire.env, wire.secret)
    })?;
    Ok(SecretRef {
        env: wire.env.clone(),
        secret: wire.secret.clone(),
        key: wire.key.clone(),
    })
}

fn runtime(wire: &v1::Runtime) -> Result<Runtime, Error> {
    match &wire.kind {
        Some(Kind::Process(wire)) => {
            let process = process(wire).map_err(|e| e.within("process"))?;
            Ok(Runtime::Process(process))
        }
        Some(Kind::Wasm(wire)) => Ok(Runtime::Wasm(wasm(wire).map_err(|e| e.within("wasm"))?)),
        Some(Kind::Container(wire)) => {
            let container = container(wire).map_err(|e| e.within("container"))?;
            Ok(Runtime::Container(container))
        }
        None => Err(Error::new(
            "kind",
            "is missing, or none that this sidecar can run",
        )),
    }
}

fn wasm(wire: &v1::WasmRuntime) -> Result<Wasm, Error> {
    ensure(
        is_sha256(&wire.component_sha256),
        "component_sha256",
        || "must be 64 lower-case hex digits".into(),
    )?;
    ensure(
        wire.component_size <= ARTIFACT_BYTES,
        "component_size",
        || format!("is above {ARTIFACT_BYTES}"),
    )?;
    settings!(wasm => read Wasm, wire, {
        component_sha256: wire.component_sha256.clone(),
        component_size: wire.component_size,
        allowed_hosts: wire.allowed_hosts.clone(),
    })
}

fn container(wire: &v1::ContainerRuntime) -> Result<Container, Error> {
    let is_one_word = !wire.image.is_empty() && wire.image.bytes().all(|b| b.is_ascii_graphic());
    ensure(is_one_word, "image", || "names no image".into())?;
    let mut words = wire.command.iter().chain(&wire.args);
    let no_nul = words.all(|text| !text.contains('\0')) && !wire.user.contains('\0');
    ensure(no_nul, "command", || "contains a NUL".into())?;
    let absolute = wire.tmpfs.iter().all(|path| path.starts_with('/'));
    ensure(absolute, "tmpfs", || "must be absolute paths".into())?;
    let ready = match wire.ready_kind.as_str() {
        "answer" => Readiness::Answer,
        "tcp" => Readiness::Tcp,
        "http" => Readiness::Http(path("ready_path", &wire.ready_path)?),
        other => {
            let problem = format!("{other:?} is neither answer, tcp nor http");
            return Err(Error::new("ready_kind", problem));
        }
    };
    settings!(container => read Container, wire, {
        image: wire.image.clone(),
        command: wire.command.clone(),
        args: wire.args.clone(),
        user: Some(wire.user.clone()).filter(|user| !user.is_empty()),
        tmpfs: wire.tmpfs.clone(),
        ready: ready,
    })
}

fn process(wire: &v1::ProcessRuntime) -> Result<Process, Error> {
    let program = wire.command.first().is_some_and(|p| !p.is_empty());
    ensure(program, "command", || "names no program".into())?;
    let no_nul = wire.command.iter().all(|text| !text.contains('\0'));
    ensure(no_nul, "command", || "contains a NUL".into())?;
    let bundle = bundle(wire)?;
    let working_dir = working_dir(&wire.working_dir, bundle.is_some())?;
    let ready = readiness(wire)?;
    settings!(process => read Process, wire, {
        command: wire.command.clone(),
        working_dir: working_dir,
        bundle: bundle,
        ready: ready,
    })
}

fn bundle(wire: &v1::ProcessRuntime) -> Result<Option<Bundle>, Error> {
    if wire.bundle_sha256.is_empty() {
        return Ok(None);
    }
    ensure(is_sha256(&wire.bundle_sha256), "bundle_sha256", || {
        "must be 64 lower-case hex digits".into()
    })?;
    ensure(wire.bundle_size <= ARTIFACT_BYTES, "bundle_size", || {
        format!("is above {ARTIFACT_BYTES}")
    })?;
    let format = match wire.bundle_format.as_str() {
        "tar.gz" => BundleFormat::TarGz,
        "executable" => BundleFormat::Executable,
        other => {
            let problem = format!("{other:?} is neither tar.gz nor executable");
            return Err(Error::new("bundle_format", problem));
        }
    };
    Ok(Some(Bundle {
        sha256: wire.bundle_sha256.clone(),
        format,
        size: wire.bundle_size,
    }))
}

fn working_dir(text: &str, in_bundle: bool) -> Result<Option<String>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let absolute = text.starts_with('/');
    let inside = !absolute && text.split('/').all(|part| part != "..");
    let good = if in_bundle { inside } else { absolute };
    ensure(good && !text.contains('\0'), "working_dir", || {
        let rule = if in_bundle {
            "must be relative and stay inside the bundle"
        } else {
            "must be absolute when there is no bundle"
        };
        rule.into()
    })?;
    Ok(Some(text.to_owned()))
}

fn readiness(wire: &v1::ProcessRuntime) -> Result<Readiness, Error> {
    match wire.ready_kind.as_str() {
        _ if wire.ready_answer => Ok(Readiness::Answer),
        "tcp" => Ok(Readiness::Tcp),
        "http" => Ok(Readiness::Http(path("ready_path", &wire.ready_path)?)),
        other => {
            let problem = format!("{other:?} is neither tcp nor http");
            Err(Error::new("ready_kind", problem))
        }
    }
}

fn path(field: &'static str, path: &str) -> Result<String, Error> {
    let good = path.starts_with('/') && path.parse::<http::uri::PathAndQuery>().is_ok();
    ensure(good, field, || {
        format!("{path:?} is no path that begins with /")
    })?;
    Ok(path.to_owned())
}

fn liveness(wire: &v1::Liveness) -> Result<Liveness, Error> {
    let given = Some(&wire.path).filter(|path| !path.is_empty());
    let path = given.map(|given| path("path", given)).transpose()?;
    settings!(liveness => read Liveness, wire, { path: path, })
}

fn scaling(wire: &v1::Scaling) -> Result<Scaling, Error> {
    let metric = match wire.metric.as_str() {
        "concurrency" => Metric::Concurrency,
        "rps" => Metric::Rps,
        other => {
            let problem = format!("{other:?} is neither concurrency nor rps");
            return Err(Error::new("metric", problem));
        }
    };
    let read = settings!(scaling => read Scaling, wire, { metric: metric, })?;
    ensure(
        read.max_scale.is_none_or(|max| read.min_scale <= max),
        "min_scale",
        || "is above max_scale".into(),
    )?;
    Ok(read)
}
