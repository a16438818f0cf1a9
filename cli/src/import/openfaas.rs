//! An OpenFaaS `stack.yml` as functions.
//!
//! Scaling labels, secrets and annotations become what the server's OpenFaaS API makes of them, so
//! a function imported and one deployed by faas-cli are the same. Deliberately builds nothing: the
//! handler and its template are faas-cli's.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::tree::{self, Tree};
use super::{Draft, Error, Images, Import, Imported, Outcome, label};
use crate::manifest::units::Millis;

/// As the server's OpenFaaS API has them.
const IMAGE_LABEL: &str = "openfaas/image";
const ANNOTATION: &str = "openfaas-annotation/";
const SECRET_KEY: &str = "value";
const SCALE: &str = "com.openfaas.scale.";

/// Why fields of a function have no equal.
const WHY: &[(&str, &str)] = &[
    (
        "/constraints",
        "functions are placed by room and demand only",
    ),
    (
        "/requests",
        "nothing is reserved ahead; a sidecar's --capacity says how much it runs",
    ),
    (
        "/readonly_root_filesystem",
        "a process has its host's file system, a component has none",
    ),
    (
        "/fprocess",
        "nothing forks a process for each call; --image says what serves HTTP",
    ),
    ("/environment_file", "put its variables under environment"),
    (
        "/handler",
        "faas-cli builds it; name what it built with --image",
    ),
    (
        "/lang",
        "faas-cli builds it; name what it built with --image",
    ),
    (
        "/build_args",
        "for faas-cli's build; see [build] in function.toml",
    ),
    (
        "/build_options",
        "for faas-cli's build; see [build] in function.toml",
    ),
    (
        "/build_secrets",
        "for faas-cli's build; see [build] in function.toml",
    ),
    (
        "/additional_context",
        "for faas-cli's build; see [build] in function.toml",
    ),
    (
        "/copy",
        "for faas-cli's build; see [build] in function.toml",
    ),
    (
        "/skip_build",
        "for faas-cli's build; see [build] in function.toml",
    ),
    (
        "/provider/gateway",
        "there is no gateway; --server names the server",
    ),
    ("/configuration", "for faas-cli's templates"),
];

fn why(pointer: &str) -> Option<&'static str> {
    let found = WHY.iter().find(|(prefix, _)| *prefix == pointer);
    found.map(|(_, why)| *why)
}

/// Scalars as they are written: `1.10` is a text in OpenFaaS, and a number in YAML.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Raw {
    functions: BTreeMap<String, RawFunction>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawFunction {
    environment: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

/// The documents' texts; none if they are not all of this shape.
pub(super) fn raw(text: &str) -> Vec<Raw> {
    super::parse(text).unwrap_or_default()
}

/// All functions of one document.
pub(super) fn stack(
    import: &mut Import,
    mut document: Value,
    raw: Option<&Raw>,
    images: &Images,
) -> Result<(), Error> {
    let functions = document["functions"].take();
    let mut rest = Tree::new("", document);
    rest.mark("/functions");
    if rest.text("/version").is_some() {
        rest.note("/version", Outcome::Mapped, "the format's version");
    }
    match rest.text("/provider/name").as_deref() {
        Some("openfaas" | "faas") => rest.note("/provider/name", Outcome::Mapped, "openfaas"),
        Some(other) => {
            return Err(Error::new(format!(
                "provider.name is {other:?}; only stacks of openfaas are imported"
            )));
        }
        None => {}
    }
    import.notes.extend(rest.finish(why));
    for (name, function) in functions.as_object().cloned().unwrap_or_default() {
        let tree = Tree::new(&format!("functions.{name}"), function);
        let raw = raw.and_then(|r| r.functions.get(&name));
        let name = label("a function's name", name)?;
        import.functions.push(one(name, tree, raw, images)?);
    }
    Ok(())
}

fn one(
    name: String,
    mut tree: Tree,
    raw: Option<&RawFunction>,
    images: &Images,
) -> Result<Imported, Error> {
    let namespace = tree.text("/namespace");
    let namespace = namespace.map(|n| label("namespace", n)).transpose()?;
    let image = tree.text("/image");
    let mut draft = Draft::new(tree);
    draft.run("/image", images, None);
    draft.memory("/limits/memory");
    draft.cpu("/limits/cpu");
    let environment = raw.and_then(|r| r.environment.as_ref());
    for (key, pointer, value) in entries(&mut draft.tree, "/environment", environment) {
        let detail = format!("env.{key}");
        draft.tree.note(&pointer, Outcome::Mapped, &detail);
        draft.entry("env", &key, value);
    }
    secrets(&mut draft);
    let labels = raw.and_then(|r| r.labels.as_ref());
    let labels = entries(&mut draft.tree, "/labels", labels);
    scaling(&mut draft, &labels);
    let annotations = raw.and_then(|r| r.annotations.as_ref());
    for (key, pointer, value) in entries(&mut draft.tree, "/annotations", annotations) {
        let kept = format!("{ANNOTATION}{key}");
        let detail = match key.as_str() {
            "topic" | "schedule" => {
                format!("label {kept}; calls by it: gateless trigger set, see docs/triggers.md")
            }
            _ => format!("label {kept}"),
        };
        draft.tree.note(&pointer, Outcome::Changed, &detail);
        draft.entry("labels", &kept, value);
    }
    if let Some(image) = image {
        draft.entry("labels", IMAGE_LABEL, image);
    }
    draft.finish(name, namespace, Vec::new(), why)
}

/// Key, pointer and text of a map's entries, as they are written where that is known.
fn entries(
    tree: &mut Tree,
    map: &str,
    raw: Option<&BTreeMap<String, String>>,
) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for key in tree.keys(map) {
        let pointer = format!("{map}/{}", tree::escape(&key));
        if let Some(text) = tree.text(&pointer) {
            let text = raw.and_then(|r| r.get(&key)).cloned().unwrap_or(text);
            found.push((key, pointer, text));
        }
    }
    found
}

fn secrets(draft: &mut Draft) {
    for (index, name) in draft
        .tree
        .texts("/secrets")
        .into_iter()
        .flatten()
        .enumerate()
    {
        let variable = name.to_ascii_uppercase().replace(['-', '.'], "_");
        draft.secret(&variable, &name, SECRET_KEY);
        let detail =
            format!("in ${variable}, not in a file; gateless secret set {name} {SECRET_KEY}=-");
        let pointer = format!("/secrets/{index}");
        draft.tree.note(&pointer, Outcome::Changed, &detail);
    }
}

/// OpenFaaS's scaling labels and their defaults; all labels are also kept as such.
fn scaling(draft: &mut Draft, labels: &[(String, String, String)]) {
    let of = |name: &str| {
        let key = format!("{SCALE}{name}");
        let found = labels.iter().find(|(label, ..)| *label == key);
        found.map(|(_, _, text)| text.as_str())
    };
    let number = |name: &str| of(name).and_then(|text| text.parse::<f64>().ok());
    let whole = |name: &str| of(name).and_then(|text| text.parse::<u32>().ok());
    let min = whole("min").unwrap_or(1);
    let max = whole("max").unwrap_or(20).max(min);
    let zero = of("zero") == Some("true");
    draft.set("scaling.min_scale", i64::from(if zero { 0 } else { min }));
    draft.set("scaling.initial_scale", i64::from(min.max(1)));
    draft.set("scaling.max_scale", i64::from(max));
    let capacity = of("type") == Some("capacity");
    draft.set(
        "scaling.metric",
        if capacity { "concurrency" } else { "rps" },
    );
    draft.set(
        "scaling.target",
        tree::decimal(number("target").unwrap_or(50.0)),
    );
    if let Some(share) = number("target-proportion") {
        let percent = tree::decimal((share * 1e4).round() / 1e2);
        draft.set("scaling.target_utilization_percent", percent);
    }
    let idle = of("zero-duration").and_then(|text| text.parse::<Millis>().ok());
    if let Some(Millis(idle)) = idle {
        draft.set("scaling.scale_to_zero_retention", tree::duration(idle));
    }
    for (key, pointer, text) in labels {
        draft.entry("labels", key, text.clone());
        let Some(name) = key.strip_prefix(SCALE) else {
            draft.tree.note(pointer, Outcome::Mapped, "labels");
            continue;
        };
        let (target, good) = match name {
            "min" => ("min_scale", whole(name).is_some()),
            "max" => ("max_scale", whole(name).is_some()),
            "zero" => ("min_scale = 0", matches!(text.as_str(), "true" | "false")),
            "target" => ("target", number(name).is_some()),
            "type" => ("metric", matches!(text.as_str(), "rps" | "capacity")),
            "target-proportion" => ("target_utilization_percent", number(name).is_some()),
            "zero-duration" => ("scale_to_zero_retention", idle.is_some()),
            _ => ("", false),
        };
        if good {
            let detail = format!("scaling.{target}");
            draft.tree.note(pointer, Outcome::Mapped, &detail);
        } else {
            let detail = format!("{text:?} has no equal; kept as a label only");
            draft.tree.note(pointer, Outcome::NotMapped, &detail);
        }
    }
}
