//! `function.toml` maps to the API as docs/function-toml.md says.

use serde_json::json;

use super::*;
use crate::failure::Exit;

fn check(text: &str, expected: &Value) {
    let manifest = Manifest::parse(text, "function.toml").unwrap();
    assert_eq!(&manifest.to_request(None).unwrap(), expected, "{text}");
}

#[test]
fn friendly_values_become_the_apis_units() {
    check(
        r#"
name = "resize"
command = ["python3", "main.py"]
ready = "/healthz"
start_timeout = "10s"
memory = "256MiB"
visibility = "cluster_only"
[labels]
team = "media"
[env]
MODE = "fast"
[[secrets]]
env = "KEY"
secret = "store"
key = "api"
[limits]
timeout = "1m30s"
idle_timeout = 0
max_request_body = "10MB"
container_concurrency = 4
[hold]
max_bytes = "1MiB"
max_wait = "5s"
[scaling]
metric = "rps"
target = 50
max_scale = 3
stable_window = "6s"
[async]
max_attempts = 3
backoff_base = "200ms"
result_ttl = "1d"
max_result = "64KiB"
"#,
        &json!({
            "labels": {"team": "media"},
            "spec": {
                "kind": "process",
                "process": {
                    "command": ["python3", "main.py"],
                    "ready": {"kind": "http", "path": "/healthz"},
                    "start_timeout_ms": 10_000,
                    "memory_bytes": 268_435_456,
                },
                "env": {"MODE": "fast"},
                "secrets": [{"env": "KEY", "secret": "store", "key": "api"}],
                "visibility": "cluster_only",
                "limits": {
                    "timeout_ms": 90_000, "idle_timeout_ms": 0,
                    "max_request_body_bytes": 10_000_000, "container_concurrency": 4,
                },
                "hold": {"max_bytes": 1_048_576, "max_wait_ms": 5_000},
                "scaling": {"metric": "rps", "target": 50.0, "max_scale": 3, "stable_window_ms": 6_000},
                "async": {
                    "max_attempts": 3, "backoff_base_ms": 200,
                    "result_ttl_ms": 86_400_000, "max_result_bytes": 65_536,
                },
            },
        }),
    );
}

#[test]
fn a_component_is_run_by_the_sidecar_and_has_nothing_of_a_process() {
    check(
        r#"
component = "f.wasm"
[wasm]
reuse = true
memory = "64MiB"
cpu_time = "1s"
max_response_body = "1MB"
allowed_hosts = ["example.com"]
"#,
        &json!({"labels": {}, "spec": {
            "kind": "wasm", "env": {}, "secrets": [],
            "wasm": {
                "reuse": true, "memory_bytes": 67_108_864, "cpu_time_ms": 1_000,
                "max_response_body_bytes": 1_000_000, "allowed_hosts": ["example.com"],
            },
        }}),
    );
    for (text, key) in [
        ("component = \"f.wasm\"\ncommand = [\"x\"]", "command"),
        ("command = [\"x\"]\n[wasm]\nreuse = true", "[wasm]"),
    ] {
        let manifest = Manifest::parse(text, "f").unwrap();
        let failure = manifest.to_request(None).unwrap_err().to_string();
        assert!(failure.contains(key), "{failure}");
    }
}

#[test]
fn an_image_is_run_by_a_container_engine_and_has_nothing_of_a_process() {
    check(
        r#"
image = "registry.example/acme/resize:1"
[container]
port = 9000
args = ["-v"]
user = "1000"
memory = "64MiB"
cpu = 0.5
read_only_root = true
tmpfs = ["/tmp"]
ready = "/healthz"
start_timeout = "10s"
"#,
        &json!({"labels": {}, "spec": {
            "kind": "container", "env": {}, "secrets": [],
            "container": {
                "image": "registry.example/acme/resize:1", "port": 9_000, "args": ["-v"], "user": "1000",
                "memory_bytes": 67_108_864, "cpu_millicores": 500, "read_only_root": true, "tmpfs": ["/tmp"],
                "ready": {"kind": "http", "path": "/healthz"}, "start_timeout_ms": 10_000,
            },
        }}),
    );
    for (text, key) in [
        ("image = \"a\"\ncommand = [\"x\"]", "command"),
        ("image = \"a\"\nmemory = \"64MiB\"", "memory"),
        ("image = \"a\"\ncomponent = \"f.wasm\"", "component"),
        ("command = [\"x\"]\n[container]\nport = 9000", "[container]"),
    ] {
        let manifest = Manifest::parse(text, "f").unwrap();
        let failure = manifest.to_request(None).unwrap_err().to_string();
        assert!(failure.contains(key), "{failure}");
    }
}

#[test]
fn a_text_command_is_run_by_the_shell() {
    let manifest = Manifest::parse("command = \"exec serve $PORT\"", "f").unwrap();
    assert_eq!(
        manifest.command,
        Some(Command(vec![
            "/bin/sh".into(),
            "-c".into(),
            "exec serve $PORT".into()
        ]))
    );
}

#[test]
fn an_unknown_key_is_an_error_with_its_line() {
    let failure = Manifest::parse("name = \"a\"\n\n[scaling]\nmax = 3\n", "f.toml").unwrap_err();
    let document = failure.document();
    assert_eq!(failure.exit(), Exit::Usage);
    assert_eq!(document["errors"][0]["pointer"], "f.toml:4:1");
    let detail = document["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("`max`"), "{detail}");
    assert!(detail.contains("max_scale"), "{detail}");
}

#[test]
fn a_duration_without_a_unit_is_refused() {
    let failure = Manifest::parse("start_timeout = 30\n", "f.toml").unwrap_err();
    let text = failure.to_string();
    assert!(text.contains("no unit"), "{text}");
    assert!(text.contains("f.toml:1"), "{text}");
}

#[test]
fn a_function_without_a_command_says_how_to_give_one() {
    let failure = Manifest::default().to_request(None).unwrap_err();
    assert!(failure.to_string().contains("command = ["));
}

#[test]
fn set_overrides_one_key_and_is_checked_like_the_file() {
    let sets = |s: &[&str]| s.iter().map(ToString::to_string).collect::<Vec<_>>();
    let manifest = Manifest::parse_with(
        "name = \"a\"\ncommand = [\"x\"]\n[scaling]\nmax_scale = 1\n",
        "f",
        &sets(&["scaling.max_scale=3", "limits.timeout=5s", "env.A=b"]),
    )
    .unwrap();
    let request = manifest.to_request(None).unwrap();
    assert_eq!(request["spec"]["scaling"]["max_scale"], 3);
    assert_eq!(request["spec"]["limits"]["timeout_ms"], 5000);
    assert_eq!(request["spec"]["env"]["A"], "b");

    let failure = Manifest::parse_with("", "f", &sets(&["scaling.max=3"])).unwrap_err();
    assert!(
        failure.to_string().contains("--set scaling.max=3"),
        "{failure}"
    );
}
