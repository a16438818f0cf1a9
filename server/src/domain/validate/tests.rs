//! One row per rule: a change of a valid document and the pointers it must be refused with.

use json_patch::merge;
use serde_json::{Value, json};

use super::*;
use crate::domain::Error;

fn valid() -> Value {
    json!({"labels": {}, "spec": {"kind": "process", "process": {"command": ["serve"]}}})
}

fn check(change: Value, expected: &[&str]) {
    let mut document = valid();
    merge(&mut document, &change);
    let spec: Spec = serde_json::from_value(document["spec"].clone()).unwrap();
    let labels = serde_json::from_value(document["labels"].clone()).unwrap();
    let found: Vec<String> = match apply(&spec, &labels) {
        Ok(()) => Vec::new(),
        Err(Error::Invalid(errors)) => errors.into_iter().map(|e| e.pointer).collect(),
        Err(other) => unreachable!("{other}"),
    };
    assert_eq!(found, expected, "{change}");
}

#[test]
fn a_valid_document_passes() {
    check(json!({}), &[]);
    check(
        json!({"labels": {"team/x": "a b"}, "spec": {
            "env": {"A": "1"},
            "secrets": [{"env": "B", "secret": "s", "key": "k.x"}],
            "process": {"ready": {"kind": "http", "path": "/healthz?x=1"}, "working_dir": "/srv"},
            "scaling": {"min_scale": 1, "max_scale": 3, "target_burst_capacity": -1},
        }}),
        &[],
    );
}

#[test]
fn every_rule_of_a_process_names_its_field() {
    let process = |value: Value| json!({"spec": {"process": value}});
    let bundle = json!({"sha256": "0".repeat(64), "format": "tar.gz"});
    let rows = [
        (json!({"spec": {"process": null}}), "/spec/process"),
        (process(json!({"command": []})), "/spec/process/command"),
        (
            process(json!({"command": [" "]})),
            "/spec/process/command/0",
        ),
        (
            process(json!({"command": ["a", "b\0"]})),
            "/spec/process/command/1",
        ),
        (
            process(json!({"bundle": {"sha256": "AB", "format": "tar.gz"}})),
            "/spec/process/bundle/sha256",
        ),
        (
            process(json!({"working_dir": "x"})),
            "/spec/process/working_dir",
        ),
        (
            process(json!({"working_dir": "/x", "bundle": bundle})),
            "/spec/process/working_dir",
        ),
        (
            process(json!({"working_dir": "/a/../b"})),
            "/spec/process/working_dir",
        ),
        (
            process(json!({"ready": {"kind": "http"}})),
            "/spec/process/ready/path",
        ),
        (
            process(json!({"ready": {"path": "/x"}})),
            "/spec/process/ready/path",
        ),
        (
            process(json!({"ready": {"kind": "http", "path": "/x\r\nhost: y"}})),
            "/spec/process/ready/path",
        ),
        (
            process(json!({"start_timeout_ms": 0})),
            "/spec/process/start_timeout_ms",
        ),
        (
            process(json!({"memory_bytes": 1})),
            "/spec/process/memory_bytes",
        ),
    ];
    for (change, pointer) in rows {
        check(change, &[pointer]);
    }
}

#[test]
fn every_rule_of_a_component_names_its_field() {
    let component = json!({"sha256": "0".repeat(64)});
    let wasm = |value: Value| {
        let mut spec = json!({"kind": "wasm", "process": null, "wasm": {"component": component}});
        merge(&mut spec["wasm"], &value);
        json!({"spec": spec})
    };
    check(
        wasm(json!({"reuse": true, "allowed_hosts": ["*.example.com:443"]})),
        &[],
    );
    let spec = |value: Value| {
        let mut document = wasm(json!({}));
        merge(&mut document["spec"], &value);
        document
    };
    let command = json!({"command": ["x"]});
    let hosts = vec!["a.example"; 65];
    let rows = [
        (spec(json!({"wasm": null})), "/spec/wasm"),
        (spec(json!({"process": command})), "/spec/process"),
        (
            spec(json!({"kind": "process", "process": command})),
            "/spec/wasm",
        ),
        (spec(json!({"protocol": "h2c"})), "/spec/protocol"),
        (
            spec(json!({"scaling": {"target": 101}})),
            "/spec/scaling/target",
        ),
        (
            wasm(json!({"component": {"sha256": "AB"}})),
            "/spec/wasm/component/sha256",
        ),
        (
            wasm(json!({"component": {"size": 1_u64 << 40}})),
            "/spec/wasm/component/size",
        ),
        (wasm(json!({"memory_bytes": 1})), "/spec/wasm/memory_bytes"),
        (
            wasm(json!({"memory_bytes": (1_u64 << 32) + 1})),
            "/spec/wasm/memory_bytes",
        ),
        (wasm(json!({"cpu_time_ms": 0})), "/spec/wasm/cpu_time_ms"),
        (
            wasm(json!({"max_table_elements": 0})),
            "/spec/wasm/max_table_elements",
        ),
        (
            wasm(json!({"max_response_body_bytes": 0})),
            "/spec/wasm/max_response_body_bytes",
        ),
        (
            wasm(json!({"max_outgoing_requests": 1001})),
            "/spec/wasm/max_outgoing_requests",
        ),
        (
            wasm(json!({"allowed_hosts": hosts})),
            "/spec/wasm/allowed_hosts",
        ),
        (
            wasm(json!({"allowed_hosts": ["a", "http://b"]})),
            "/spec/wasm/allowed_hosts/1",
        ),
    ];
    for (change, pointer) in rows {
        check(change, &[pointer]);
    }
}

#[test]
fn every_rule_of_a_container_names_its_field() {
    let container = |value: Value| {
        let image = json!({"image": "registry.example/acme/hello:1"});
        let mut spec = json!({"kind": "container", "process": null, "container": image});
        merge(&mut spec["container"], &value);
        json!({"spec": spec})
    };
    let whole = json!({
        "command": ["/serve"], "args": ["-v"], "user": "1000:1000", "tmpfs": ["/tmp"], "port": 9_000,
        "memory_bytes": 64 << 20, "cpu_millicores": 500, "read_only_root": true,
    });
    check(container(whole), &[]);
    let mut other = container(json!({}));
    other["spec"]["process"] = json!({"command": ["x"]});
    check(other, &["/spec/process"]);
    let mut none = container(json!({}));
    none["spec"]["container"] = Value::Null;
    check(none, &["/spec/container"]);
    let rows = [
        (json!({"image": ""}), "image"),
        (json!({"image": "http://x"}), "image"),
        (json!({"command": [""]}), "command/0"),
        (json!({"args": ["a\0"]}), "args/0"),
        (json!({"user": "a b"}), "user"),
        (json!({"tmpfs": ["tmp"]}), "tmpfs/0"),
        (json!({"tmpfs": vec!["/a"; 17]}), "tmpfs"),
        (json!({"port": 0}), "port"),
        (json!({"port": 70_000}), "port"),
        (json!({"memory_bytes": 1}), "memory_bytes"),
        (json!({"max_processes": 0}), "max_processes"),
        (json!({"ready": {"kind": "http"}}), "ready/path"),
    ];
    for (change, field) in rows {
        check(container(change), &[&format!("/spec/container/{field}")]);
    }
}

#[test]
fn every_other_rule_names_its_field() {
    let scaling = |value: Value| json!({"spec": {"scaling": value}});
    let rows = [
        (json!({"spec": {"env": {"A=B": "x"}}}), "/spec/env/A=B"),
        (json!({"spec": {"env": {"PORT": "x"}}}), "/spec/env/PORT"),
        (json!({"spec": {"env": {"A": "x\0"}}}), "/spec/env/A"),
        (
            json!({"spec": {"secrets": [{"env": "A", "secret": "S", "key": "k"}]}}),
            "/spec/secrets/0/secret",
        ),
        (
            json!({"spec": {"env": {"A": "1"}, "secrets": [{"env": "A", "secret": "s", "key": "k"}]}}),
            "/spec/secrets/0/env",
        ),
        (json!({"labels": {"a b": "x"}}), "/labels/a b"),
        (json!({"labels": {"a": "x\n"}}), "/labels/a"),
        (
            json!({"spec": {"limits": {"container_concurrency": 1001}}}),
            "/spec/limits/container_concurrency",
        ),
        (
            json!({"spec": {"limits": {"timeout_ms": 86_400_001}}}),
            "/spec/limits/timeout_ms",
        ),
        (
            json!({"spec": {"hold": {"max_requests": 0}}}),
            "/spec/hold/max_requests",
        ),
        (
            json!({"spec": {"retries": {"budget_percent": 101}}}),
            "/spec/retries/budget_percent",
        ),
        (
            scaling(json!({"min_scale": 4, "max_scale": 3})),
            "/spec/scaling/min_scale",
        ),
        (
            scaling(json!({"activation_scale": 0})),
            "/spec/scaling/activation_scale",
        ),
        (scaling(json!({"target": 0})), "/spec/scaling/target"),
        (
            json!({"spec": {"scaling": {"target": 5}, "limits": {"container_concurrency": 4}}}),
            "/spec/scaling/target",
        ),
        (
            scaling(json!({"target_utilization_percent": 0})),
            "/spec/scaling/target_utilization_percent",
        ),
        (
            scaling(json!({"target_burst_capacity": -2})),
            "/spec/scaling/target_burst_capacity",
        ),
        (
            scaling(json!({"max_scale_up_rate": 1})),
            "/spec/scaling/max_scale_up_rate",
        ),
        (
            scaling(json!({"stable_window_ms": 10})),
            "/spec/scaling/stable_window_ms",
        ),
        (
            json!({"spec": {"async": {"max_attempts": 0}}}),
            "/spec/async/max_attempts",
        ),
        (
            json!({"spec": {"async": {"backoff_base_ms": 9, "backoff_max_ms": 8}}}),
            "/spec/async/backoff_base_ms",
        ),
    ];
    for (change, pointer) in rows {
        check(change, &[pointer]);
    }
}

#[test]
fn all_faults_are_reported_at_once() {
    check(
        json!({"spec": {
            "process": {"command": []},
            "hold": {"max_requests": 0},
            "async": {"max_attempts": 0},
        }}),
        &[
            "/spec/process/command",
            "/spec/hold/max_requests",
            "/spec/async/max_attempts",
        ],
    );
}
