//! A Knative Service as a function.
//!
//! Its autoscaler is ours, so most settings keep their meaning and their defaults. Deliberately
//! nothing of Kubernetes's pod: no volumes, no security context, no node to choose.

use super::tree::{self, Tree};
use super::{Draft, Error, Images, Imported, Outcome, label, traffic};
use crate::manifest::units::Millis;

const ANNOTATIONS: &str = "/spec/template/metadata/annotations";
const GROUP: &str = "autoscaling.knative.dev~1";
const POD: &str = "/spec/template/spec";
const CONTAINER: &str = "/spec/template/spec/containers/0";
const VISIBILITY: &str = "networking.knative.dev/visibility";

#[derive(Clone, Copy)]
enum Kind {
    Whole,
    Decimal,
    Duration,
}

/// Annotation, key of `[scaling]`, kind of its value.
const SCALING: &[(&str, &str, Kind)] = &[
    ("min-scale", "min_scale", Kind::Whole),
    ("max-scale", "max_scale", Kind::Whole),
    ("initial-scale", "initial_scale", Kind::Whole),
    ("activation-scale", "activation_scale", Kind::Whole),
    ("target", "target", Kind::Decimal),
    (
        "target-utilization-percentage",
        "target_utilization_percent",
        Kind::Decimal,
    ),
    (
        "target-burst-capacity",
        "target_burst_capacity",
        Kind::Decimal,
    ),
    ("window", "stable_window", Kind::Duration),
    (
        "panic-window-percentage",
        "panic_window_percent",
        Kind::Decimal,
    ),
    (
        "panic-threshold-percentage",
        "panic_threshold_percent",
        Kind::Decimal,
    ),
    ("scale-down-delay", "scale_down_delay", Kind::Duration),
    (
        "scale-to-zero-pod-retention-period",
        "scale_to_zero_retention",
        Kind::Duration,
    ),
];

/// Why parts of a Service have no equal, by how their pointers begin.
const WHY: &[(&str, &str)] = &[
    ("/status", "written by the cluster"),
    ("/metadata/annotations", "functions have labels only"),
    ("/metadata/creationTimestamp", "written by the cluster"),
    ("/metadata/generation", "written by the cluster"),
    ("/metadata/resourceVersion", "written by the cluster"),
    ("/metadata/uid", "written by the cluster"),
    ("/metadata/managedFields", "written by the cluster"),
    (
        "/spec/template/spec/containers/0/startupProbe",
        "start_timeout bounds how long a start may take",
    ),
    (
        "/spec/template/spec/containers/0/resources/requests",
        "nothing is reserved ahead; a sidecar's --capacity says how much it runs",
    ),
    (
        "/spec/template/spec/containers/0/volumeMounts",
        "a process has its host's file system, a component has none",
    ),
    (
        "/spec/template/spec/containers/0/securityContext",
        "a process runs as the sidecar's user",
    ),
    (
        "/spec/template/spec/containers/0/imagePullPolicy",
        "no image is pulled",
    ),
    (
        "/spec/template/spec/containers/0/envFrom",
        "name each variable, under env or [[secrets]]",
    ),
    (
        "/spec/template/spec/initContainers",
        "do it in the [build] command, or as the program starts",
    ),
    (
        "/spec/template/spec/volumes",
        "a process has its host's file system, a component has none",
    ),
    (
        "/spec/template/spec/serviceAccountName",
        "functions have no account of the cluster",
    ),
    ("/spec/template/spec/imagePullSecrets", "no image is pulled"),
    (
        "/spec/template/spec/nodeSelector",
        "functions are placed by room and demand only",
    ),
    (
        "/spec/template/spec/affinity",
        "functions are placed by room and demand only",
    ),
    (
        "/spec/template/spec/tolerations",
        "functions are placed by room and demand only",
    ),
];

fn why(pointer: &str) -> Option<&'static str> {
    let other = |index: &str| index.parse::<u32>().is_ok_and(|index| index > 0);
    if pointer
        .strip_prefix("/spec/template/spec/containers/")
        .is_some_and(other)
    {
        return Some("one program makes a function; deploy the others as functions");
    }
    let found = WHY.iter().find(|(known, _)| *known == pointer);
    found.map(|(_, why)| *why)
}

/// One `serving.knative.dev/v1` Service.
pub(super) fn service(mut tree: Tree, images: &Images) -> Result<Imported, Error> {
    let name = tree.text("/metadata/name").unwrap_or_default();
    let name = label("metadata.name", name)?;
    let namespace = tree.text("/metadata/namespace");
    let namespace = namespace
        .map(|n| label("metadata.namespace", n))
        .transpose()?;
    let mut draft = Draft::new(tree);
    container(&mut draft, images);
    environment(&mut draft);
    limits(&mut draft);
    scaling(&mut draft);
    labels(&mut draft);
    let traffic = traffic::targets(&mut draft.tree);
    draft.finish(name, namespace, traffic, why)
}

fn container(draft: &mut Draft, images: &Images) {
    let at = |field: &str| format!("{CONTAINER}/{field}");
    let (command, args) = (at("command"), at("args"));
    let own = draft.tree.texts(&command).map(|mut words| {
        words.extend(draft.tree.texts(&args).unwrap_or_default());
        words
    });
    let used = draft.run(&at("image"), images, own);
    for pointer in [command, args] {
        if draft.tree.peek(&pointer).is_none() {
            continue;
        }
        let whole = draft.tree.peek(&at("command")).is_some();
        if used && whole {
            draft.tree.note(&pointer, Outcome::Mapped, "command");
        } else {
            let detail = "--image or --command says what runs; add them there";
            draft.tree.note(&pointer, Outcome::NotMapped, detail);
        }
    }
    draft.memory(&at("resources/limits/memory"));
    draft.cpu(&at("resources/limits/cpu"));
    if draft.tree.peek(&at("name")).is_some() {
        draft.tree.mark(&at("name"));
    }
    port(draft);
    readiness(draft);
    liveness(draft);
}

fn port(draft: &mut Draft) {
    let port = format!("{CONTAINER}/ports/0");
    let (name, number) = (format!("{port}/name"), format!("{port}/containerPort"));
    match draft.tree.text(&name).as_deref() {
        Some("h2c") => {
            draft.set("protocol", "h2c");
            draft.tree.note(&name, Outcome::Mapped, "protocol");
        }
        Some("http1") => draft.tree.note(&name, Outcome::Mapped, "protocol"),
        Some(_) => {
            let detail = "only http1 and h2c have a meaning";
            draft.tree.note(&name, Outcome::NotMapped, detail);
        }
        None => {}
    }
    if draft.tree.peek(&number).is_some() {
        let detail = "the program listens on $PORT, another one for each instance";
        draft.tree.note(&number, Outcome::Changed, detail);
    }
}

fn readiness(draft: &mut Draft) {
    let probe = format!("{CONTAINER}/readinessProbe");
    let (http, tcp) = (format!("{probe}/httpGet"), format!("{probe}/tcpSocket"));
    if draft.is_component() && draft.tree.peek(&probe).is_some() {
        let detail = "a component is ready once it is loaded";
        draft.tree.note(&probe, Outcome::NotMapped, detail);
        return;
    }
    let path = format!("{http}/path");
    if draft.tree.peek(&http).is_some() {
        let text = draft.tree.text(&path).unwrap_or_else(|| "/".into());
        let slash = if text.starts_with('/') { "" } else { "/" };
        draft.set("ready", format!("{slash}{text}"));
        draft.tree.note(&path, Outcome::Mapped, "ready");
        let port = format!("{http}/port");
        if draft.tree.peek(&port).is_some() {
            let detail = "asked on the instance's own $PORT";
            draft.tree.note(&port, Outcome::Changed, detail);
        }
    } else if draft.tree.peek(&tcp).is_some() {
        draft.set("ready", "tcp");
        let detail = "ready = \"tcp\", on the instance's own $PORT";
        draft.tree.note(&tcp, Outcome::Changed, detail);
    }
}

fn liveness(draft: &mut Draft) {
    let probe = format!("{CONTAINER}/livenessProbe");
    if draft.is_component() || draft.tree.peek(&probe).is_none() {
        return;
    }
    let path = format!("{probe}/httpGet/path");
    if let Some(text) = draft.tree.text(&path) {
        let slash = if text.starts_with('/') { "" } else { "/" };
        draft.set("liveness.path", format!("{slash}{text}"));
        draft.tree.note(&path, Outcome::Mapped, "liveness.path");
        let port = format!("{probe}/httpGet/port");
        if draft.tree.peek(&port).is_some() {
            let detail = "asked on the instance's own $PORT";
            draft.tree.note(&port, Outcome::Changed, detail);
        }
    }
    for (field, key) in [("periodSeconds", "period"), ("timeoutSeconds", "timeout")] {
        let pointer = format!("{probe}/{field}");
        let seconds = draft
            .tree
            .text(&pointer)
            .and_then(|text| text.parse::<u64>().ok());
        if let Some(seconds) = seconds {
            let key = format!("liveness.{key}");
            draft.set(&key, tree::duration(seconds.saturating_mul(1_000)));
            draft.tree.note(&pointer, Outcome::Mapped, &key);
        }
    }
    let pointer = format!("{probe}/failureThreshold");
    let failures = draft
        .tree
        .text(&pointer)
        .and_then(|text| text.parse::<i64>().ok());
    if let Some(failures) = failures {
        draft.set("liveness.failure_threshold", failures);
        draft
            .tree
            .note(&pointer, Outcome::Mapped, "liveness.failure_threshold");
    }
}

fn environment(draft: &mut Draft) {
    for index in 0..draft.tree.len(&format!("{CONTAINER}/env")) {
        let at = format!("{CONTAINER}/env/{index}");
        let Some(name) = draft.tree.text(&format!("{at}/name")) else {
            continue;
        };
        let from = format!("{at}/valueFrom");
        let secret = format!("{from}/secretKeyRef");
        if draft.tree.peek(&secret).is_some() {
            let of = |field: &str| format!("{secret}/{field}");
            let (from, key) = (draft.tree.text(&of("name")), draft.tree.text(&of("key")));
            if let (Some(from), Some(key)) = (from, key) {
                draft.secret(&name, &from, &key);
                let detail =
                    format!("[[secrets]] env = {name:?}; gateless secret set {from} {key}=-");
                draft.tree.note(&of("key"), Outcome::Mapped, &detail);
            }
        } else if draft.tree.peek(&from).is_none() {
            let pointer = format!("{at}/value");
            let value = draft.tree.text(&pointer).unwrap_or_default();
            let refers = value.contains("$(");
            draft.entry("env", &name, value);
            if refers {
                let detail = format!("env.{name}; $(NAME) in it is not replaced");
                draft.tree.note(&pointer, Outcome::Changed, &detail);
            } else {
                let detail = format!("env.{name}");
                draft.tree.note(&pointer, Outcome::Mapped, &detail);
            }
        }
    }
}

fn limits(draft: &mut Draft) {
    let seconds = [
        ("timeoutSeconds", "timeout"),
        ("responseStartTimeoutSeconds", "response_start_timeout"),
        ("idleTimeoutSeconds", "idle_timeout"),
    ];
    for (field, key) in seconds {
        let pointer = format!("{POD}/{field}");
        let convert = |text: &str| {
            let millis = text.parse::<u64>().ok()?.checked_mul(1000)?;
            Some(tree::duration(millis).into())
        };
        value(draft, &pointer, &format!("limits.{key}"), convert);
    }
    let pointer = format!("{POD}/containerConcurrency");
    value(draft, &pointer, "limits.container_concurrency", whole);
}

fn whole(text: &str) -> Option<toml::Value> {
    text.parse::<u32>().ok().map(|n| i64::from(n).into())
}

fn scalable(kind: Kind, text: &str) -> Option<toml::Value> {
    match kind {
        Kind::Whole => whole(text),
        Kind::Decimal => {
            let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
            number.map(tree::decimal)
        }
        Kind::Duration => {
            let millis = text.parse::<Millis>().ok()?;
            Some(tree::duration(millis.0).into())
        }
    }
}

/// Carries one field over to `key`.
fn value(
    draft: &mut Draft,
    pointer: &str,
    key: &str,
    convert: impl Fn(&str) -> Option<toml::Value>,
) {
    let Some(text) = draft.tree.text(pointer) else {
        return;
    };
    if let Some(value) = convert(&text) {
        draft.set(key, value);
        draft.tree.note(pointer, Outcome::Mapped, key);
    } else {
        let detail = format!("{text:?} is no value for {key}");
        draft.tree.note(pointer, Outcome::NotMapped, &detail);
    }
}

/// `min-scale` is also written `minScale`.
fn older(name: &str) -> String {
    let mut parts = name.split('-');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (first, rest) = part.split_at(1);
        text.push_str(&first.to_ascii_uppercase());
        text.push_str(rest);
    }
    text
}

fn scaling(draft: &mut Draft) {
    for (name, key, kind) in SCALING {
        let newer = format!("{ANNOTATIONS}/{GROUP}{name}");
        let older = format!("{ANNOTATIONS}/{GROUP}{}", older(name));
        let key = format!("scaling.{key}");
        if newer != older && draft.tree.peek(&newer).is_some() && draft.tree.peek(&older).is_some()
        {
            let detail = format!("{name} is there too and goes before it");
            draft.tree.note(&older, Outcome::NotMapped, &detail);
        }
        let pointer = if draft.tree.peek(&newer).is_some() {
            newer
        } else {
            older
        };
        value(draft, &pointer, &key, |text| scalable(*kind, text));
    }
    let class = format!("{ANNOTATIONS}/{GROUP}class");
    match draft.tree.text(&class).as_deref() {
        Some("kpa.autoscaling.knative.dev") => {
            draft.tree.note(&class, Outcome::Mapped, "scaling");
        }
        Some(_) => {
            let detail = "the only autoscaler is Knative's own (kpa)";
            draft.tree.note(&class, Outcome::NotMapped, detail);
        }
        None => {}
    }
    let metric = format!("{ANNOTATIONS}/{GROUP}metric");
    match draft.tree.text(&metric).as_deref() {
        Some(known @ ("concurrency" | "rps")) => {
            draft.set("scaling.metric", known);
            draft.tree.note(&metric, Outcome::Mapped, "scaling.metric");
        }
        Some(_) => {
            let detail = "scaled by concurrency or rps; check scaling.target, its unit was another";
            draft.tree.note(&metric, Outcome::NotMapped, detail);
        }
        None => {}
    }
}

fn labels(draft: &mut Draft) {
    for (from, detail) in [
        (
            "/spec/template/metadata/labels",
            "labels, those of the function",
        ),
        ("/metadata/labels", "labels"),
    ] {
        for key in draft.tree.keys(from) {
            let pointer = format!("{from}/{}", tree::escape(&key));
            let Some(text) = draft.tree.text(&pointer) else {
                continue;
            };
            if key == VISIBILITY {
                visibility(draft, &pointer, &text);
                continue;
            }
            draft.entry("labels", &key, text);
            let own = detail == "labels";
            let outcome = if own {
                Outcome::Mapped
            } else {
                Outcome::Changed
            };
            draft.tree.note(&pointer, outcome, detail);
        }
    }
}

fn visibility(draft: &mut Draft, pointer: &str, text: &str) {
    if text == "cluster-local" {
        draft.set("visibility", "cluster_only");
        let detail = "visibility = \"cluster_only\"";
        draft.tree.note(pointer, Outcome::Mapped, detail);
    } else {
        let detail = "only cluster-local has a meaning";
        draft.tree.note(pointer, Outcome::NotMapped, detail);
    }
}
