//! One revision: how to run it, its bounds, its scaling.

use std::time::Duration;

use gateless_common::limits::ARTIFACT_BYTES;
use gateless_common::name::is_sha256;
use gateless_core::config::{
    Bundle, BundleFormat, HoldLimits, Limits, Metric, Process, Protocol, Readiness, RetryPolicy,
    Revision, Runtime, Scaling, SecretRef, Wasm,
};
use gateless_core::name::{FunctionName, RevisionName};
use gateless_proto::v1;

use super::{Error, ensure, label, millis, required};

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
    let hold = required(wire.hold.as_ref(), "hold")?;
    let limits = required(wire.limits.as_ref(), "limits")?;
    Ok(Revision {
        name,
        uid: wire.uid.as_str().into(),
        runtime: runtime(required(wire.runtime.as_ref(), "runtime")?)
            .map_err(|e| e.within("runtime"))?,
        env: wire.env.clone().into_iter().collect(),
        secrets: secrets.collect::<Result<_, _>>()?,
        protocol,
        limits: Limits {
            timeout: limit(limits.timeout_ms),
            response_start_timeout: limit(limits.response_start_timeout_ms),
            idle_timeout: limit(limits.idle_timeout_ms),
            max_request_body: limits.max_request_body_bytes,
            container_concurrency: count(limits.container_concurrency),
        },
        hold: HoldLimits {
            max_requests: hold.max_requests,
            max_bytes: hold.max_bytes,
            max_wait: millis(hold.max_wait_ms),
        },
        retries: retries(required(wire.retries.as_ref(), "retries")?)?,
        scaling: scaling(required(wire.scaling.as_ref(), "scaling")?)
            .map_err(|e| e.within("scaling"))?,
    })
}

fn limit(ms: u64) -> Option<Duration> {
    (ms > 0).then(|| millis(ms))
}

fn count(number: u32) -> Option<u32> {
    (number > 0).then_some(number)
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

fn retries(wire: &v1::RetryPolicy) -> Result<RetryPolicy, Error> {
    ensure(wire.max_attempts > 0, "retries.max_attempts", || {
        "must be at least 1".into()
    })?;
    ensure(wire.budget_percent <= 100, "retries.budget_percent", || {
        "is above 100".into()
    })?;
    Ok(RetryPolicy {
        max_attempts: wire.max_attempts,
        budget_percent: wire.budget_percent,
    })
}

fn runtime(wire: &v1::Runtime) -> Result<Runtime, Error> {
    match wire.kind.as_str() {
        "process" => {
            let wire = required(wire.process.as_ref(), "process")?;
            let process = process(wire).map_err(|e| e.within("process"))?;
            Ok(Runtime::Process(process))
        }
        "wasm" => {
            let wire = required(wire.wasm.as_ref(), "wasm")?;
            Ok(Runtime::Wasm(wasm(wire).map_err(|e| e.within("wasm"))?))
        }
        other => Err(Error::new(
            "kind",
            format!("this sidecar cannot run {other:?}"),
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
    for (field, value) in [
        ("memory_bytes", wire.memory_bytes),
        ("cpu_time_ms", wire.cpu_time_ms),
        ("max_table_elements", wire.max_table_elements.into()),
        ("max_response_body_bytes", wire.max_response_body_bytes),
        ("max_outgoing_requests", wire.max_outgoing_requests.into()),
    ] {
        ensure(value > 0, field, || "must be at least 1".into())?;
    }
    Ok(Wasm {
        component_sha256: wire.component_sha256.clone(),
        component_size: wire.component_size,
        reuse: wire.reuse,
        memory_bytes: wire.memory_bytes,
        cpu_time: millis(wire.cpu_time_ms),
        max_table_elements: wire.max_table_elements,
        max_response_body: wire.max_response_body_bytes,
        allowed_hosts: wire.allowed_hosts.clone(),
        max_outgoing_requests: wire.max_outgoing_requests,
    })
}

fn process(wire: &v1::ProcessRuntime) -> Result<Process, Error> {
    let program = wire.command.first().is_some_and(|p| !p.is_empty());
    ensure(program, "command", || "names no program".into())?;
    let no_nul = wire.command.iter().all(|text| !text.contains('\0'));
    ensure(no_nul, "command", || "contains a NUL".into())?;
    ensure(wire.start_timeout_ms > 0, "start_timeout_ms", || {
        "must be at least 1".into()
    })?;
    let bundle = bundle(wire)?;
    Ok(Process {
        command: wire.command.clone(),
        working_dir: working_dir(&wire.working_dir, bundle.is_some())?,
        bundle,
        ready: readiness(wire)?,
        start_timeout: millis(wire.start_timeout_ms),
        stop_grace: millis(wire.stop_grace_ms),
        socket_activation: wire.socket_activation,
        memory_bytes: (wire.memory_bytes > 0).then_some(wire.memory_bytes),
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
        "tcp" => Ok(Readiness::Tcp),
        "http" => {
            let path = &wire.ready_path;
            let good = path.starts_with('/') && path.parse::<http::uri::PathAndQuery>().is_ok();
            ensure(good, "ready_path", || {
                format!("{path:?} is no path that begins with /")
            })?;
            Ok(Readiness::Http(path.clone()))
        }
        other => {
            let problem = format!("{other:?} is neither tcp nor http");
            Err(Error::new("ready_kind", problem))
        }
    }
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
    check_scaling(wire)?;
    Ok(Scaling {
        metric,
        target: wire.target,
        target_utilization_percent: wire.target_utilization_percent,
        min_scale: wire.min_scale,
        max_scale: count(wire.max_scale),
        initial_scale: wire.initial_scale,
        activation_scale: wire.activation_scale,
        stable_window: millis(wire.stable_window_ms),
        panic_window_percent: wire.panic_window_percent,
        panic_threshold_percent: wire.panic_threshold_percent,
        max_scale_up_rate: wire.max_scale_up_rate,
        max_scale_down_rate: wire.max_scale_down_rate,
        scale_down_delay: millis(wire.scale_down_delay_ms),
        scale_to_zero_grace: millis(wire.scale_to_zero_grace_ms),
        scale_to_zero_retention: millis(wire.scale_to_zero_retention_ms),
        target_burst_capacity: wire.target_burst_capacity,
    })
}

/// Ranges are those of Knative serving's `pkg/apis/autoscaling/register.go` and
/// `pkg/autoscaler/config/config.go`, except that windows may be shorter than 6 s.
fn check_scaling(wire: &v1::Scaling) -> Result<(), Error> {
    // NaN and infinity are in no range.
    for (value, low, high, path) in [
        (wire.target, 0.01, f64::MAX, "target"),
        (
            wire.target_utilization_percent,
            1.0,
            100.0,
            "target_utilization_percent",
        ),
        (
            wire.panic_window_percent,
            1.0,
            100.0,
            "panic_window_percent",
        ),
        (
            wire.panic_threshold_percent,
            110.0,
            1000.0,
            "panic_threshold_percent",
        ),
        (
            wire.max_scale_up_rate,
            1.0 + f64::EPSILON,
            f64::MAX,
            "max_scale_up_rate",
        ),
        (
            wire.max_scale_down_rate,
            1.0 + f64::EPSILON,
            f64::MAX,
            "max_scale_down_rate",
        ),
        (
            wire.target_burst_capacity,
            -1.0,
            f64::MAX,
            "target_burst_capacity",
        ),
    ] {
        ensure((low..=high).contains(&value), path, || {
            format!("{value} is not between {low} and {high}")
        })?;
    }
    let burst = wire.target_burst_capacity;
    ensure(
        burst >= 0.0 || burst <= -1.0,
        "target_burst_capacity",
        || "must be -1 (unlimited) or at least 0".into(),
    )?;
    ensure(wire.activation_scale > 0, "activation_scale", || {
        "must be at least 1".into()
    })?;
    ensure(wire.stable_window_ms > 0, "stable_window_ms", || {
        "must be at least 1".into()
    })?;
    ensure(
        count(wire.max_scale).is_none_or(|max| wire.min_scale <= max),
        "min_scale",
        || "is above max_scale".into(),
    )
}
