//! What people bring from Knative and OpenFaaS, imported into a real server and called at a real sidecar.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test")]

use std::process::Output;

use gateless_tests::process::test_function_bin;
use gateless_tests::{Cluster, Shell};
use serde_json::{Value, json};

const SERVICE: &str = r#"
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: checkout, namespace: default, labels: {team: payments}}
spec:
  template:
    metadata:
      annotations:
        autoscaling.knative.dev/min-scale: "1"
        autoscaling.knative.dev/maxScale: "3"
        autoscaling.knative.dev/target: "7"
    spec:
      containerConcurrency: 10
      timeoutSeconds: 12
      containers:
        - image: registry.example.org/shop/checkout:7
          env: [{name: MODE, value: live}]
          volumeMounts: [{name: data, mountPath: /data}]
  traffic: [{latestRevision: true, percent: 100, tag: live}]
"#;

const STACK: &str = r#"
version: 1.0
provider: {name: openfaas, gateway: "http://127.0.0.1:8080"}
functions:
  resize:
    image: acme/resize:9
    environment: {MODE: fast}
    labels: {com.openfaas.scale.min: "1", com.openfaas.scale.max: "4"}
    constraints: ["node=gpu"]
  nobody:
    image: acme/nobody:1
"#;

/// The one document it printed, and its exit code.
fn document(output: &Output) -> (Value, i32) {
    let document = serde_json::from_slice(&output.stdout);
    let document = document.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (document, output.status.code().unwrap())
}

/// What the report says of a field.
fn outcome<'a>(function: &'a Value, field: &str) -> &'a Value {
    let report = function["report"].as_array().unwrap().iter();
    let mut of = report.filter(|note| note["path"].as_str().unwrap().contains(field));
    let found = of.next();
    &found.unwrap_or_else(|| panic!("nothing on {field} in {function:#}"))["outcome"]
}

#[tokio::test(flavor = "multi_thread")]
async fn knative_service_is_applied_called_and_reported_on() {
    let cluster = Cluster::small().await;
    let shell = Shell::of(&cluster);
    let program = test_function_bin();
    let service = shell.file("service.yaml", SERVICE);
    let image = format!(
        "registry.example.org/shop/checkout:7=cmd:{}",
        program.display()
    );
    let arguments = [
        "import", &service, "--image", &image, "--apply", "-o", "json",
    ];
    let (report, code) = document(&shell.run(&arguments));
    let function = &report["functions"][0];
    assert_eq!(
        (code, &function["status"]),
        (0, &json!("applied")),
        "{report:#}"
    );
    for (field, wanted) in [
        ("containerConcurrency", "mapped"),
        ("timeoutSeconds", "mapped"),
        ("maxScale", "mapped"),
        ("volumeMounts", "not_mapped"),
    ] {
        assert_eq!(outcome(function, field), wanted, "{field}");
    }
    cluster.api.wait_ready("checkout").await;
    let caller = cluster.sidecars[0].public();
    let env = caller
        .get("/function/checkout/env")
        .await
        .expect(200)
        .json();
    assert!(env.to_string().contains("live"), "{env:#}");
    caller.get("/function/live-checkout/").await.expect(200);
    let spec = &cluster.api.function("checkout").await["spec"];
    let limits = &spec["limits"];
    assert_eq!(limits["container_concurrency"], 10);
    assert_eq!(limits["timeout_ms"], 12_000);
    assert_eq!(
        (&spec["scaling"]["max_scale"], &spec["scaling"]["target"]),
        (&json!(3), &json!(7.0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn openfaas_stack_is_written_deployed_and_called() {
    let cluster = Cluster::small().await;
    let shell = Shell::of(&cluster);
    let stack = shell.file("stack.yml", STACK);
    let image = format!("acme/resize:9={}", test_function_bin().display());
    let arguments = [
        "import",
        &stack,
        "--image",
        &image,
        "--out",
        "functions",
        "-o",
        "json",
    ];
    let output = shell.run(&arguments);
    let (report, code) = document(&output);
    let functions = report["functions"].as_array().unwrap();
    let of = |name: &str| functions.iter().find(|f| f["name"] == name).unwrap();
    assert_eq!((code, &of("nobody")["status"]), (1, &json!("not_runnable")));
    assert_eq!(of("resize")["status"], "written");
    assert_eq!(outcome(of("resize"), "constraints"), "not_mapped");
    assert!(!cluster.file("functions/nobody").exists());
    let again = shell.run(&arguments);
    assert_eq!(
        again.status.code(),
        Some(4),
        "nothing is overwritten: {again:?}"
    );
    let deployed = shell.run(&["deploy", "functions/resize", "-o", "json"]);
    assert_eq!(deployed.status.code(), Some(0), "{deployed:?}");
    let caller = cluster.sidecars[0].public();
    let env = caller.get("/function/resize/env").await.expect(200).json();
    assert!(env.to_string().contains("fast"), "{env:#}");
    let spec = &cluster.api.function("resize").await["spec"];
    let bounds = (&spec["scaling"]["min_scale"], &spec["scaling"]["max_scale"]);
    assert_eq!(bounds, (&json!(1), &json!(4)));
}
