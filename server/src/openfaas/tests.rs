//! The mapping, from what faas-cli really sends.

use super::deployment::{duration_ms, memory};
use super::images::Image;
use super::*;
use crate::domain::spec::Metric;

fn deployment(json: serde_json::Value) -> Deployment {
    serde_json::from_value(json).unwrap()
}

fn component() -> Image {
    Image::Component("hello.wasm".into())
}

#[track_caller]
fn check_refused(json: serde_json::Value, field: &str) {
    let refused = apply(&deployment(json), &component(), Some("d")).unwrap_err();
    assert_eq!(refused.field, field);
}

#[test]
fn what_faas_cli_sends_becomes_a_spec() {
    let sent = deployment(serde_json::json!({
        "service": "hello", "image": "acme/hello:1", "network": "", "envProcess": "",
        "envVars": {"MODE": "fast"}, "secrets": ["api-key"],
        "labels": {"team": "a", "com.openfaas.scale.min": "2", "com.openfaas.scale.max": "9",
            "com.openfaas.scale.zero": "true", "com.openfaas.scale.type": "capacity",
            "com.openfaas.scale.target": "7", "com.openfaas.scale.target-proportion": "0.9",
            "com.openfaas.scale.zero-duration": "15m"},
        "annotations": {"topic": "x"}, "limits": {"memory": "64Mi", "cpu": ""}
    }));
    let made = apply(&sent, &component(), Some("digest")).unwrap();
    let scaling = &made.spec.scaling;
    assert_eq!(
        (scaling.min_scale, scaling.initial_scale, scaling.max_scale),
        (0, 2, 9)
    );
    assert_eq!(
        (scaling.metric, scaling.target),
        (Metric::Concurrency, Some(7.0))
    );
    assert!((scaling.target_utilization_percent - 90.0).abs() < 1e-9);
    assert_eq!(scaling.scale_to_zero_retention_ms, 900_000);
    assert_eq!(made.spec.secrets[0].env, "API_KEY");
    let wasm = made.spec.wasm.unwrap();
    assert_eq!(
        (wasm.component.sha256.as_str(), wasm.memory_bytes),
        ("digest", 64 << 20)
    );
    assert_eq!(made.labels[IMAGE_LABEL], "acme/hello:1");
    assert_eq!(made.labels[&format!("{ANNOTATION}topic")], "x");
}

#[test]
fn what_has_no_equal_is_refused_by_name() {
    check_refused(serde_json::json!({"envProcess": "cat"}), "envProcess");
    check_refused(serde_json::json!({"constraints": ["a=b"]}), "constraints");
    check_refused(
        serde_json::json!({"readOnlyRootFilesystem": true}),
        "readOnlyRootFilesystem",
    );
    check_refused(serde_json::json!({"limits": {"cpu": "100m"}}), "limits.cpu");
    check_refused(
        serde_json::json!({"limits": {"memory": "lots"}}),
        "limits.memory",
    );
    check_refused(
        serde_json::json!({"requests": {"memory": "1Mi"}}),
        "requests",
    );
    let label = serde_json::json!({"labels": {"com.openfaas.scale.type": "cpu"}});
    check_refused(label, "labels.com.openfaas.scale.type");
    let label = serde_json::json!({"labels": {"com.openfaas.scale.min": "many"}});
    check_refused(label, "labels.com.openfaas.scale.min");
}

#[test]
fn a_process_keeps_its_limit_of_cpu() {
    let process = Image::Process {
        bundle: None,
        command: vec!["serve".into()],
    };
    let made = |cpu: &str| {
        let sent = deployment(serde_json::json!({"limits": {"cpu": cpu}}));
        apply(&sent, &process, None)
    };
    let limited = made("500m").unwrap().spec.process.unwrap();
    assert_eq!(limited.cpu_millicores, Some(500));
    assert_eq!(made("lots").unwrap_err().field, "limits.cpu");
}

#[test]
fn without_labels_one_instance_stays() {
    let made = apply(&deployment(serde_json::json!({})), &component(), Some("d")).unwrap();
    assert_eq!(
        (made.spec.scaling.min_scale, made.spec.scaling.max_scale),
        (1, 20)
    );
}

#[test]
fn quantities_and_durations_are_read_as_people_write_them() {
    assert_eq!(memory("128Mi"), Some(128 << 20));
    assert_eq!(memory("1G"), Some(1_000_000_000));
    assert_eq!(memory("1024"), Some(1024));
    assert_eq!(memory("1.5Gi"), None);
    assert_eq!(duration_ms("1h30m"), Some(5_400_000));
    assert_eq!(duration_ms("90"), None);
}
