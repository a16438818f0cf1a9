//! What a function runs as: the keys of a file that belong to one kind of runtime, told apart once.
//!
//! As in the API there is one variant a kind, with what that kind has and nothing of another's. A file is flat, because a
//! process has no table of its own in it.

use std::path::Path;

use gateless_common::spec;
use serde_json::{Map, Value, json};

use super::{Command, Container, Manifest, Wasm, put, readiness};
use crate::failure::Failure;
use crate::pack::{self, Artifact};

/// What a function runs as.
#[derive(Debug)]
pub(crate) enum Runtime<'a> {
    /// A program that serves HTTP.
    Process {
        /// Program and arguments; without them it is the bundle, if that is one program.
        command: Option<&'a Command>,
        working_dir: Option<&'a String>,
        ready: Option<&'a String>,
        /// By their names in the API.
        settings: Map<String, Value>,
        /// Left out of the bundle.
        ignore: &'a [String],
    },
    /// A component.
    Wasm(Option<&'a Wasm>),
    /// A container.
    Container {
        /// As `docker pull` takes it.
        image: &'a str,
        settings: Option<&'a Container>,
    },
}

impl<'a> Runtime<'a> {
    /// # Errors
    /// When keys of two kinds are given.
    pub(super) fn of(manifest: &'a Manifest) -> Result<Self, Failure> {
        let settings = manifest.process_settings();
        let of_processes = a_key_of_processes(manifest, &settings);
        if let Some(image) = &manifest.image {
            let foreign = of_processes
                .or(manifest.component.is_some().then_some("component"))
                .or(manifest.wasm.is_some().then_some("[wasm]"));
            return match foreign {
                None => Ok(Self::Container {
                    image,
                    settings: manifest.container.as_ref(),
                }),
                Some(key) => Err(Failure::usage(format!("a container has no {key}"))
                    .cause("its image says what runs")
                    .hint(
                        "leave it out; what a container may use and how it runs is in [container]",
                    )),
            };
        }
        if manifest.container.is_some() {
            return Err(Failure::usage("[container] is for images only").hint(
                "name one with image = \"registry.example/name:tag\", or leave [container] out",
            ));
        }
        if manifest.component.is_some() {
            return match of_processes {
                None => Ok(Self::Wasm(manifest.wasm.as_ref())),
                Some(key) => Err(Failure::usage(format!("a component has no {key}"))
                    .cause("the sidecar runs it itself, for every call")
                    .hint("leave it out; limits of a component are in [wasm]")),
            };
        }
        if manifest.wasm.is_some() {
            return Err(Failure::usage("[wasm] is for components only")
                .hint("name one with component = \"function.wasm\", or leave [wasm] out"));
        }
        Ok(Self::Process {
            command: manifest.command.as_ref(),
            working_dir: manifest.working_dir.as_ref(),
            ready: manifest.ready.as_ref(),
            settings,
            ignore: &manifest.ignore,
        })
    }

    /// What is uploaded for it.
    pub(crate) fn pack(&self, path: &Path) -> Result<Artifact, Failure> {
        match self {
            Self::Process { ignore, .. } => pack::pack(path, ignore),
            Self::Wasm(_) => pack::component(path),
            Self::Container { .. } => Err(Failure::usage("a container has no bundle")
                .hint("its image is what runs; leave --bundle and --component out")),
        }
    }

    /// As the API's spec has it: its kind, and what is under the key of that name.
    pub(super) fn to_spec(
        &self,
        artifact: Option<&Artifact>,
    ) -> Result<(&'static str, Value), Failure> {
        match self {
            Self::Process {
                command,
                working_dir,
                ready,
                settings,
                ..
            } => {
                let mut process = settings.clone();
                process.insert("command".into(), json!(words(*command, artifact)?));
                if let Some(artifact) = artifact {
                    process.insert("bundle".into(), artifact.to_json());
                }
                put(&mut process, "working_dir", *working_dir);
                if let Some(ready) = ready {
                    process.insert("ready".into(), readiness(ready)?);
                }
                Ok(("process", Value::Object(process)))
            }
            Self::Wasm(settings) => {
                let mut wasm = json!(settings.cloned().unwrap_or_default());
                if let Some(artifact) = artifact {
                    wasm["component"] = json!({"sha256": artifact.sha256, "size": artifact.size});
                }
                Ok(("wasm", wasm))
            }
            Self::Container { image, settings } => {
                let mut container = json!(settings.cloned().unwrap_or_default());
                container["image"] = json!(image);
                if let Some(ready) = container["ready"].as_str() {
                    container["ready"] = readiness(ready)?;
                }
                Ok(("container", container))
            }
        }
    }
}

/// The first key that only a process has, as the file spells it.
fn a_key_of_processes(manifest: &Manifest, settings: &Map<String, Value>) -> Option<&'static str> {
    let shaped = [
        ("command", manifest.command.is_some()),
        ("bundle", manifest.bundle.is_some()),
        ("working_dir", manifest.working_dir.is_some()),
        ("ready", manifest.ready.is_some()),
    ];
    let shaped = shaped.iter().filter(|(_, given)| *given);
    let settings = spec::settings("process")
        .iter()
        .filter(|field| settings.contains_key(field.json));
    shaped
        .map(|(key, _)| *key)
        .chain(settings.map(|field| field.toml))
        .next()
}

fn words(command: Option<&Command>, artifact: Option<&Artifact>) -> Result<Vec<String>, Failure> {
    match (command, artifact.and_then(Artifact::executable_name)) {
        (Some(Command(words)), _) if !words.is_empty() => Ok(words.clone()),
        (None, Some(name)) => Ok(vec![format!("./{name}")]),
        _ => Err(Failure::usage("the function has no command")
            .cause("a process function needs a program that serves HTTP on $PORT")
            .hint("add command = [\"python3\", \"main.py\"] to function.toml, or end the arguments with -- COMMAND")),
    }
}
