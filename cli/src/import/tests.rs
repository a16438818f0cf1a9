//! YAML as people have it becomes the functions docs/knative.md promises.

use serde_json::json;

use super::*;

const SERVICE: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: checkout
  namespace: shop
  uid: 5d0e
  labels:
    networking.knative.dev/visibility: cluster-local
    team: payments
spec:
  template:
    metadata:
      name: checkout-v7
      annotations:
        autoscaling.knative.dev/class: kpa.autoscaling.knative.dev
        autoscaling.knative.dev/metric: rps
        autoscaling.knative.dev/target: "150"
        autoscaling.knative.dev/minScale: "2"
        autoscaling.knative.dev/max-scale: "20"
        autoscaling.knative.dev/initial-scale: "3"
        autoscaling.knative.dev/activationScale: "2"
        autoscaling.knative.dev/target-utilization-percentage: "80"
        autoscaling.knative.dev/scale-down-delay: 15m
        autoscaling.knative.dev/window: 1m30s
        autoscaling.knative.dev/panic-window-percentage: "12.5"
        autoscaling.knative.dev/panic-threshold-percentage: "150.0"
        autoscaling.knative.dev/scale-to-zero-pod-retention-period: 1m5s
        autoscaling.knative.dev/targetBurstCapacity: "-1"
        sidecar.istio.io/inject: "false"
    spec:
      containerConcurrency: 10
      timeoutSeconds: 120
      responseStartTimeoutSeconds: 30
      idleTimeoutSeconds: 45
      serviceAccountName: payer
      containers:
        - image: registry.example.org/shop/checkout:7
          command: [node]
          args: [server.js, --fast]
          ports: [{name: h2c, containerPort: 8080}]
          env:
            - {name: MODE, value: live}
            - name: DB_PASSWORD
              valueFrom: {secretKeyRef: {name: db, key: password}}
            - name: REGION
              valueFrom: {configMapKeyRef: {name: settings, key: region}}
          readinessProbe:
            httpGet: {path: /healthz, port: 8080}
            periodSeconds: 5
          livenessProbe:
            httpGet: {path: /alive, port: 8080}
            periodSeconds: 20
            failureThreshold: 5
            initialDelaySeconds: 3
          resources:
            limits: {memory: 256Mi, cpu: "1"}
            requests: {cpu: 100m}
  traffic:
    - {latestRevision: true, percent: 90, tag: current}
    - {revisionName: checkout-v6, percent: 10, tag: old}
"#;

const STACK: &str = r#"
version: 1.0
provider:
  name: openfaas
  gateway: http://127.0.0.1:8080
functions:
  resize:
    lang: node20
    handler: ./resize
    image: ${REGISTRY:-example}/resize:${TAG}
    namespace: media
    environment:
      level: 1.10
      debug: true
    environment_file: [env.yml]
    secrets: [api-key]
    labels:
      com.openfaas.scale.min: 2
      com.openfaas.scale.max: "8"
      com.openfaas.scale.zero: "true"
      com.openfaas.scale.zero-duration: 15m
      com.openfaas.scale.type: capacity
      com.openfaas.scale.target: 10
      com.openfaas.scale.target-proportion: 0.7
      com.openfaas.scale.factor: 20
      team: media
    annotations:
      topic: uploads
    limits: {memory: 128m, cpu: 100m}
    requests: {memory: 64Mi}
    constraints: [node.kind == fast]
    readonly_root_filesystem: true
    fprocess: node index.js
"#;

fn images(pairs: &[(&str, Target)]) -> Images {
    Images {
        targets: pairs
            .iter()
            .map(|(image, target)| ((*image).to_owned(), target.clone()))
            .collect(),
        commands: BTreeMap::new(),
    }
}

fn import(text: &str, images: &Images) -> Import {
    let variable = |name: &str| (name == "TAG").then(|| "9".to_owned());
    read(text, images, &variable).unwrap()
}

fn paths(notes: &[Note], outcome: Outcome) -> Vec<&str> {
    let found = notes.iter().filter(|note| note.outcome == outcome);
    found.map(|note| note.path.as_str()).collect()
}

#[test]
fn a_knative_service_keeps_its_settings() {
    let folder = Target::Folder("dist".into());
    let images = images(&[("registry.example.org/shop/checkout:7", folder)]);
    let import = import(SERVICE, &images);
    assert_eq!(import.notes[0].path, "v1 ConfigMap settings");
    let [found] = import.functions.as_slice() else {
        panic!("one function: {import:?}");
    };
    assert_eq!(found.name, "checkout");
    assert_eq!(found.namespace.as_deref(), Some("shop"));
    assert_eq!(
        found.body,
        json!({
            "labels": {"team": "payments"},
            "spec": {
                "kind": "process",
                "process": {
                    "command": ["node", "server.js", "--fast"],
                    "ready": {"kind": "http", "path": "/healthz"},
                    "memory_bytes": 268_435_456,
                    "cpu_millicores": 1_000,
                },
                "env": {"MODE": "live"},
                "secrets": [{"env": "DB_PASSWORD", "secret": "db", "key": "password"}],
                "protocol": "h2c",
                "visibility": "cluster_only",
                "limits": {
                    "timeout_ms": 120_000, "response_start_timeout_ms": 30_000,
                    "idle_timeout_ms": 45_000, "container_concurrency": 10,
                },
                "liveness": {"path": "/alive", "period_ms": 20_000, "failure_threshold": 5},
                "scaling": {
                    "metric": "rps", "target": 150.0, "min_scale": 2, "max_scale": 20,
                    "initial_scale": 3, "activation_scale": 2,
                    "target_utilization_percent": 80.0, "scale_down_delay_ms": 900_000,
                    "stable_window_ms": 90_000, "panic_window_percent": 12.5,
                    "panic_threshold_percent": 150.0, "scale_to_zero_retention_ms": 65_000,
                    "target_burst_capacity": -1.0,
                },
            },
        })
    );
    assert_eq!(
        found.traffic,
        [json!({"revision": null, "latest": true, "percent": 100, "tag": "current"})]
    );
}

#[test]
fn what_a_knative_service_has_and_we_have_not_is_named() {
    let images = images(&[(
        "registry.example.org/shop/checkout:7",
        Target::Folder("dist".into()),
    )]);
    let import = import(SERVICE, &images);
    let mut left = paths(&import.functions[0].report, Outcome::NotMapped);
    left.sort_unstable();
    let container = |field: &str| format!("spec.template.spec.containers[0].{field}");
    let mut expected = vec![
        "metadata.uid".to_owned(),
        "spec.template.metadata.annotations[\"sidecar.istio.io/inject\"]".to_owned(),
        "spec.template.spec.serviceAccountName".to_owned(),
        "spec.traffic[1]".to_owned(),
        container("env[2].valueFrom.configMapKeyRef.key"),
        container("env[2].valueFrom.configMapKeyRef.name"),
        container("livenessProbe.initialDelaySeconds"),
        container("readinessProbe.periodSeconds"),
        container("resources.requests"),
    ];
    expected.sort_unstable();
    assert_eq!(left, expected);
}

#[test]
fn a_stack_becomes_what_faas_cli_would_have_deployed() {
    let component = Target::Component("resize.wasm".into());
    let import = import(STACK, &images(&[("example/resize:9", component)]));
    assert_eq!(
        paths(&import.notes, Outcome::NotMapped),
        ["provider.gateway"]
    );
    let found = &import.functions[0];
    assert_eq!(found.missing, None);
    assert_eq!(found.namespace.as_deref(), Some("media"));
    let spec = &found.body["spec"];
    assert_eq!(
        spec["wasm"],
        json!({"memory_bytes": 134_217_728}),
        "{spec:#}"
    );
    assert_eq!(spec["env"], json!({"level": "1.10", "debug": "true"}));
    assert_eq!(
        spec["secrets"],
        json!([{"env": "API_KEY", "secret": "api-key", "key": "value"}])
    );
    assert_eq!(
        spec["scaling"],
        json!({
            "metric": "concurrency", "target": 10.0, "target_utilization_percent": 70.0,
            "min_scale": 0, "max_scale": 8, "initial_scale": 2,
            "scale_to_zero_retention_ms": 900_000,
        })
    );
    let labels = &found.body["labels"];
    assert_eq!(labels["openfaas/image"], "example/resize:9");
    assert_eq!(labels["openfaas-annotation/topic"], "uploads");
    assert_eq!(labels["com.openfaas.scale.max"], "8");
    let mut left = paths(&found.report, Outcome::NotMapped);
    left.sort_unstable();
    let mut expected = [
        "constraints",
        "environment_file",
        "fprocess",
        "handler",
        "labels[\"com.openfaas.scale.factor\"]",
        "lang",
        "limits.cpu",
        "readonly_root_filesystem",
        "requests",
    ]
    .map(|field| format!("functions.resize.{field}"));
    expected.sort_unstable();
    assert_eq!(left, expected);
}

#[test]
fn an_image_nobody_mapped_cannot_run_yet() {
    let import = import(STACK, &Images::default());
    let found = &import.functions[0];
    assert_eq!(
        found.missing.as_deref(),
        Some("not runnable yet: add --image example/resize:9=TARGET")
    );
    assert_eq!(found.body, Value::Null);
}

#[test]
fn the_newer_spelling_goes_before_the_older_one() {
    let text = "
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: a}
spec:
  template:
    metadata:
      annotations: {autoscaling.knative.dev/min-scale: '1', autoscaling.knative.dev/minScale: '9'}
    spec: {containers: [{image: i}]}
";
    let program = Target::Command(vec!["serve".into()]);
    let import = import(text, &images(&[("i", program)]));
    let found = &import.functions[0];
    assert_eq!(found.body["spec"]["scaling"], json!({"min_scale": 1}));
    assert_eq!(
        paths(&found.report, Outcome::NotMapped),
        ["spec.template.metadata.annotations[\"autoscaling.knative.dev/minScale\"]"]
    );
}

#[test]
fn broken_yaml_is_an_error_with_its_line() {
    let error = read("a: 1\nb: [1,\nc: }\n", &Images::default(), &|_| None).unwrap_err();
    assert!(matches!(error.at, Some((2..=4, _))), "{error:?}");
}

#[test]
fn a_name_that_leads_out_of_the_folder_is_refused() {
    let text = "functions:\n  ../../etc:\n    image: i\n";
    let error = read(text, &Images::default(), &|_| None).unwrap_err();
    assert!(error.to_string().contains("DNS label"), "{error}");
}

#[test]
fn variables_are_replaced_as_faas_cli_does() {
    let variable = |name: &str| (name == "A").then(|| "1".to_owned());
    let (text, unset) = template::substitute("${A} ${B:-x:y} ${C} $${D} ${1} ${", &variable);
    assert_eq!(text, "1 x:y  ${D} ${1} ${");
    assert_eq!(unset, ["C"]);
}
