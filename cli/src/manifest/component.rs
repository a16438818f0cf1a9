//! `component` and `[wasm]`: the other way to say how a function runs.
//!
//! Deliberately no look into the file: the server says what it is.

use serde_json::{Map, Value, json};

use super::Manifest;
use crate::failure::Failure;
use crate::pack::Artifact;

impl Manifest {
    /// The API's `wasm` object.
    pub(super) fn component(
        &self,
        path: &str,
        artifact: Option<&Artifact>,
    ) -> Result<Map<String, Value>, Failure> {
        let strange = [
            ("command", self.command.is_some()),
            ("bundle", self.bundle.is_some()),
            ("ignore", !self.ignore.is_empty()),
            ("working_dir", self.working_dir.is_some()),
            ("ready", self.ready.is_some()),
            ("start_timeout", self.start_timeout.is_some()),
            ("stop_grace", self.stop_grace.is_some()),
            ("socket_activation", self.socket_activation.is_some()),
            ("memory", self.memory.is_some()),
        ];
        if let Some((key, _)) = strange.iter().find(|(_, is_set)| *is_set) {
            let hint = match *key {
                "memory" => "a component's memory is memory in [wasm]".to_owned(),
                key => format!("leave {key} out, or component if it is a process"),
            };
            return Err(
                Failure::usage(format!("the function has component and {key}"))
                    .cause("a component runs inside the sidecar: no command, no files, no port")
                    .hint(hint),
            );
        }
        let artifact = artifact.ok_or_else(|| Failure::usage(format!("{path} was not packed")))?;
        let mut wasm = match &self.wasm {
            Some(wasm) => match json!(wasm) {
                Value::Object(wasm) => wasm,
                _ => Map::new(),
            },
            None => Map::new(),
        };
        let component = json!({"sha256": artifact.sha256, "size": artifact.size});
        wasm.insert("component".into(), component);
        Ok(wasm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Manifest {
        Manifest::parse(text, "function.toml").unwrap()
    }

    fn artifact() -> (tempfile::TempDir, Artifact) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wasm");
        std::fs::write(&path, "\0asm").unwrap();
        let artifact = crate::pack::component(&path).unwrap();
        (folder, artifact)
    }

    #[test]
    fn a_component_becomes_kind_wasm_in_the_apis_units() {
        let text = r#"
component = "x.wasm"
[env]
A = "1"
[wasm]
reuse = true
memory = "64MiB"
cpu_time = "2s"
max_table_elements = 500
max_response_body = "1MB"
allowed_hosts = ["*.example.com:443"]
max_outgoing_requests = 4
"#;
        let (_folder, artifact) = artifact();
        let request = manifest(text).to_request(Some(&artifact)).unwrap();
        let spec = &request["spec"];
        assert_eq!(spec["kind"], "wasm");
        assert!(spec.get("process").is_none(), "{spec}");
        assert_eq!(spec["env"]["A"], "1");
        let expected = json!({
            "component": {"sha256": artifact.sha256, "size": 4},
            "reuse": true, "memory_bytes": 64 << 20, "cpu_time_ms": 2_000, "max_table_elements": 500,
            "max_response_body_bytes": 1_000_000, "allowed_hosts": ["*.example.com:443"],
            "max_outgoing_requests": 4,
        });
        assert_eq!(spec["wasm"], expected);
    }

    #[test]
    fn a_function_is_a_component_or_a_process() {
        let (_folder, artifact) = artifact();
        for line in [
            "command = [\"x\"]",
            "bundle = \".\"",
            "ready = \"/\"",
            "memory = \"1MiB\"",
        ] {
            let manifest = manifest(&format!("component = \"x.wasm\"\n{line}\n"));
            let key = line.split(' ').next().unwrap();
            let failure = manifest.to_request(Some(&artifact)).unwrap_err();
            let text = failure.to_string();
            assert!(text.contains(&format!("has component and {key}")), "{text}");
        }
        let failure = manifest("command = [\"x\"]\n[wasm]\nreuse = true\n").to_request(None);
        assert!(failure.unwrap_err().to_string().contains("no component"));
    }
}
