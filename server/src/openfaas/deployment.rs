//! A deployment as our spec.

use std::collections::BTreeMap;

use gateless_common::spec::millicores;
use serde_json::json;

use super::images::Image;
use super::{ANNOTATION, Deployment, IMAGE_LABEL, SECRET_KEY, variable};
use crate::domain::rollout::Apply;
use crate::domain::spec::{Metric, SecretRef, Spec};

const SCALE: &str = "com.openfaas.scale.";
/// OpenFaaS's defaults, where the function says nothing.
const MIN: u32 = 1;
const MAX: u32 = 20;
const TARGET: f64 = 50.0;

/// Something of the deployment that cannot be had here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Refused {
    /// The wire's name of the field.
    pub field: String,
    /// What is the matter, and the way out.
    pub why: String,
}

fn refuse<T>(field: impl Into<String>, why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused {
        field: field.into(),
        why: why.into(),
    })
}

/// What is to be applied. `artifact`: digest of the image's file, if it has one.
///
/// # Errors
/// The first field that has no equal.
pub fn apply(
    deployment: &Deployment,
    image: &Image,
    artifact: Option<&str>,
) -> Result<Apply, Refused> {
    without_equal(deployment, image)?;
    let mut spec = runtime(image, artifact.unwrap_or_default())?;
    spec.env = deployment.env_vars.clone().unwrap_or_default();
    if let Some(container) = &mut spec.container {
        container.read_only_root = deployment.read_only_root_filesystem;
        if !deployment.env_process.is_empty() {
            // What the image's watchdog starts, and for the classic one the way it is told.
            let process = deployment.env_process.clone();
            spec.env.insert("fprocess".to_owned(), process);
        }
    }
    let secrets = deployment.secrets.iter().flatten();
    spec.secrets = secrets
        .map(|name| SecretRef {
            env: variable(name),
            secret: name.clone(),
            key: SECRET_KEY.to_owned(),
        })
        .collect();
    if let Some(limits) = &deployment.limits {
        if !limits.memory.is_empty() {
            limit_memory(&mut spec, &limits.memory)?;
        }
        if !limits.cpu.is_empty() {
            limit_cpu(&mut spec, &limits.cpu)?;
        }
    }
    let empty = BTreeMap::new();
    let labels = deployment.labels.as_ref().unwrap_or(&empty);
    scale(&mut spec, labels)?;
    let mut kept = labels.clone();
    kept.insert(IMAGE_LABEL.to_owned(), deployment.image.clone());
    for (key, value) in deployment.annotations.iter().flatten() {
        kept.insert(format!("{ANNOTATION}{key}"), value.clone());
    }
    Ok(Apply { spec, labels: kept })
}

fn without_equal(deployment: &Deployment, image: &Image) -> Result<(), Refused> {
    let is_container = matches!(image, Image::Container(_));
    if !is_container && !deployment.env_process.is_empty() {
        return refuse(
            "envProcess",
            "nothing forks a process for each call here; the image's entry in the server's table says what serves HTTP",
        );
    }
    if deployment.constraints.iter().flatten().next().is_some() {
        return refuse(
            "constraints",
            "functions are placed by room and demand only; leave them out",
        );
    }
    if !is_container && deployment.read_only_root_filesystem {
        return refuse(
            "readOnlyRootFilesystem",
            "a process has the host's file system and a component has none; leave it out",
        );
    }
    let asked = deployment.requests.as_ref();
    if asked.is_some_and(|r| !r.cpu.is_empty() || !r.memory.is_empty()) {
        return refuse(
            "requests",
            "nothing is reserved ahead; a sidecar's --capacity says how much it runs",
        );
    }
    Ok(())
}

/// Built as people write it, so that every default is the same.
fn runtime(image: &Image, artifact: &str) -> Result<Spec, Refused> {
    let document = match image {
        Image::Component(_) => {
            json!({"kind": "wasm", "wasm": {"component": {"sha256": artifact}}})
        }
        Image::Container(image) => {
            json!({"kind": "container", "container": {"image": image}})
        }
        Image::Process {
            bundle: None,
            command,
        } => json!({"kind": "process", "process": {"command": command}}),
        Image::Process {
            bundle: Some(file),
            command,
        } => {
            let packed = file.to_string_lossy().ends_with(".tar.gz");
            let format = if packed { "tar.gz" } else { "executable" };
            let bundle = json!({"sha256": artifact, "format": format});
            json!({"kind": "process", "process": {"command": command, "bundle": bundle}})
        }
    };
    serde_json::from_value(document).or_else(|error| refuse("image", error.to_string()))
}

fn limit_memory(spec: &mut Spec, text: &str) -> Result<(), Refused> {
    let Some(bytes) = memory(text) else {
        return refuse(
            "limits.memory",
            format!("{text:?} is no quantity such as 128Mi"),
        );
    };
    if let Some(process) = &mut spec.process {
        process.memory_bytes = Some(bytes);
    }
    if let Some(wasm) = &mut spec.wasm {
        wasm.memory_bytes = bytes;
    }
    if let Some(container) = &mut spec.container {
        container.memory_bytes = Some(bytes);
    }
    Ok(())
}

fn limit_cpu(spec: &mut Spec, text: &str) -> Result<(), Refused> {
    if spec.wasm.is_some() {
        return refuse(
            "limits.cpu",
            "a component has no share of CPUs; wasm.cpu_time_ms bounds each call",
        );
    }
    let Some(millicores) = millicores(text) else {
        return refuse(
            "limits.cpu",
            format!("{text:?} is no quantity such as 500m or 0.5"),
        );
    };
    if let Some(process) = &mut spec.process {
        process.cpu_millicores = Some(millicores);
    }
    if let Some(container) = &mut spec.container {
        container.cpu_millicores = Some(millicores);
    }
    Ok(())
}

/// A Kubernetes quantity of bytes.
pub(super) fn memory(text: &str) -> Option<u64> {
    let units = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("m", 1 << 20),
        ("", 1),
    ];
    let (number, unit) = units
        .iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))?;
    number.trim().parse::<u64>().ok()?.checked_mul(unit)
}

fn scale(spec: &mut Spec, labels: &BTreeMap<String, String>) -> Result<(), Refused> {
    let of = |key: &str| labels.get(&format!("{SCALE}{key}")).map(String::as_str);
    let min: u32 = number("min", of("min"))?.unwrap_or(MIN);
    let zero: bool = number("zero", of("zero"))?.unwrap_or(false);
    let scaling = &mut spec.scaling;
    scaling.min_scale = if zero { 0 } else { min };
    scaling.initial_scale = min.max(1);
    scaling.max_scale = number("max", of("max"))?.unwrap_or(MAX).max(min);
    let target: Option<f64> = number("target", of("target"))?;
    match of("type").unwrap_or("rps") {
        "rps" => {
            scaling.metric = Metric::Rps;
            scaling.target = Some(target.unwrap_or(TARGET));
        }
        "capacity" => {
            scaling.metric = Metric::Concurrency;
            scaling.target = Some(target.unwrap_or(TARGET));
        }
        other => {
            return refuse(
                format!("labels.{SCALE}type"),
                format!("{other:?}: functions are scaled by rps or capacity (calls in flight)"),
            );
        }
    }
    if let Some(share) = number::<f64>("target-proportion", of("target-proportion"))? {
        scaling.target_utilization_percent = share * 100.0;
    }
    if let Some(text) = of("zero-duration") {
        let Some(idle) = duration_ms(text) else {
            return refuse(
                format!("labels.{SCALE}zero-duration"),
                format!("{text:?} is no duration such as 15m"),
            );
        };
        scaling.scale_to_zero_retention_ms = idle;
    }
    Ok(())
}

fn number<T: std::str::FromStr>(key: &str, text: Option<&str>) -> Result<Option<T>, Refused> {
    match text.map(str::parse) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => refuse(
            format!("labels.{SCALE}{key}"),
            format!("{:?} is not what it must be", text.unwrap_or_default()),
        ),
    }
}

/// Go's way of writing one, as far as people use it: `90s`, `15m`, `1h30m`.
pub(super) fn duration_ms(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut digits = String::new();
    for letter in text.chars() {
        let unit = match letter {
            '0'..='9' => {
                digits.push(letter);
                continue;
            }
            's' => 1_000,
            'm' => 60_000,
            'h' => 3_600_000,
            _ => return None,
        };
        let part = digits.parse::<u64>().ok()?.checked_mul(unit)?;
        total = total.checked_add(part)?;
        digits.clear();
    }
    digits.is_empty().then_some(total)
}
