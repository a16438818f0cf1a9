//! `function.toml`: the friendly spelling of a function, mapped to the API's spec.
//!
//! docs/function-toml.md describes it. An unknown key is an error with its line. Deliberately
//! not here: packing the bundle (`pack`) and the rules about values (the server's).

mod report;
mod runtime;
#[cfg(test)]
mod schema;
mod sections;
pub(crate) mod units;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use gateless_common::settings;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(crate) use self::report::explain;
use self::report::toml_failure;
pub(crate) use self::runtime::Runtime;
pub(crate) use self::sections::Build;
use self::sections::{
    Access, Async, Container, Hold, Limits, Liveness, Retries, Scaling, Secret, Wasm, written,
};
use self::units::{Bytes, Millicores, Millis};
use crate::failure::Failure;
use crate::pack::Artifact;

/// The JSON Schema of `function.toml`, for editors.
pub(crate) const SCHEMA: &str = include_str!("../../openapi/function.schema.json");

/// The keys of a whole file: those given, and the settings of a process, which have no table of their own.
macro_rules! manifest {
    (
        $(#[$attribute:meta])* $name:ident { $(
            $(#[$shaped_attribute:meta])* $visibility:vis $shaped:ident: $shaped_type:ty,
        )* }
        $section:ident { $(
            $(#[doc = $doc:literal])+
            $json:ident / $toml:ident: $type:ty, $unit:ident = $default:expr, $range:expr $(, also $also:expr)?;
        )* }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[$shaped_attribute])* $visibility $shaped: $shaped_type,)*
            $($(#[doc = $doc])+ $toml: Option<written!($unit)>,)*
        }

        impl $name {
            /// The settings of a process that are given, by their names in the API.
            fn process_settings(&self) -> Map<String, Value> {
                let mut map = Map::new();
                $(put(&mut map, stringify!($json), self.$toml);)*
                map
            }
        }
    };
}

settings!(process => manifest
    /// A whole `function.toml`.
    ///
    /// These comments are also the descriptions in openapi/function.schema.json.
    Manifest {
        /// Name of the function, a DNS label: a-z, 0-9, -.
        pub(crate) name: Option<String>,
        /// Namespace; --namespace and GATELESS_NAMESPACE go before it.
        pub(crate) namespace: Option<String>,
        /// Program and arguments; a text is run by /bin/sh -c. It serves HTTP on $PORT.
        pub(crate) command: Option<Command>,
        /// Folder or one executable file, relative to function.toml.
        pub(crate) bundle: Option<String>,
        /// A WebAssembly component that exports wasi:http/incoming-handler, relative to function.toml;
        /// instead of command and bundle.
        pub(crate) component: Option<String>,
        /// A container's image as `docker pull` takes it, run by the hosts' container engine; instead of command and bundle.
        pub(crate) image: Option<String>,
        /// Left out of the bundle, as in .gitignore.
        #[serde(default)]
        pub(crate) ignore: Vec<String>,
        /// Folder the command runs in, relative to the bundle.
        working_dir: Option<String>,
        /// "answer": a request is answered, whatever the status; a path that answers 2xx or 3xx; or "tcp": the port accepts connections.
        ready: Option<String>,
        /// "http1", or "h2c" for gRPC.
        protocol: Option<String>,
        /// "public", or "cluster_only": other functions only.
        visibility: Option<String>,
        /// For people and for filters.
        #[serde(default)]
        labels: BTreeMap<String, String>,
        /// Environment variables.
        #[serde(default)]
        env: BTreeMap<String, String>,
        /// Variables whose values are secrets of the namespace.
        #[serde(default)]
        secrets: Vec<Secret>,
        /// How the bundle is made, and what of.
        #[serde(default)]
        pub(crate) build: Build,
        /// What a component may do and use.
        wasm: Option<Wasm>,
        /// How a container runs, and what it may use.
        container: Option<Container>,
        /// What it asks of its callers.
        access: Option<Access>,
        /// Of one call; 0 switches a limit off.
        limits: Option<Limits>,
        /// Of calls that wait for an instance, per sidecar.
        hold: Option<Hold>,
        /// Of calls that failed before a response.
        retries: Option<Retries>,
        /// Of instances that say nothing: who does not answer is replaced.
        liveness: Option<Liveness>,
        /// Knative's pod autoscaler, its names and defaults.
        scaling: Option<Scaling>,
        /// Of calls to /async-function/...
        #[serde(rename = "async")]
        async_: Option<Async>,
    }
);

/// Program and arguments.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Command(pub(crate) Vec<String>);

impl Manifest {
    /// Reads `text`; `file` is only for messages.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self, Failure> {
        toml::from_str(text).map_err(|error| toml_failure(&error, text, file))
    }

    /// Reads `text` with `KEY=VALUE` overrides on top, for example `scaling.max_scale=3`.
    ///
    /// The file is checked by itself first, so that its errors name its lines.
    pub(crate) fn parse_with(text: &str, file: &str, sets: &[String]) -> Result<Self, Failure> {
        let plain = Self::parse(text, file)?;
        if sets.is_empty() {
            return Ok(plain);
        }
        let mut table: toml::Table =
            toml::from_str(text).map_err(|error| toml_failure(&error, text, file))?;
        for set in sets {
            apply_set(&mut table, set)?;
            let merged = table.to_string();
            Self::parse(&merged, "--set").map_err(|failure| {
                let detail = failure.document()["errors"][0]["detail"].clone();
                Failure::usage(format!("--set {set} does not fit"))
                    .cause(detail.as_str().unwrap_or("not a value for this key"))
                    .hint("see docs/function-toml.md for the keys and their types")
            })?;
        }
        Self::parse(&table.to_string(), "--set")
    }

    /// What the function runs as.
    ///
    /// # Errors
    /// When keys of two kinds are given.
    pub(crate) fn runtime(&self) -> Result<Runtime<'_>, Failure> {
        Runtime::of(self)
    }

    /// The body of the apply request.
    pub(crate) fn to_request(&self, artifact: Option<&Artifact>) -> Result<Value, Failure> {
        let (kind, runtime) = self.runtime()?.to_spec(artifact)?;
        let mut spec = Map::new();
        spec.insert("kind".into(), json!(kind));
        spec.insert(kind.into(), runtime);
        spec.insert("env".into(), json!(self.env));
        spec.insert("secrets".into(), json!(self.secrets));
        put(&mut spec, "protocol", self.protocol.as_ref());
        put(&mut spec, "visibility", self.visibility.as_ref());
        put(&mut spec, "access", self.access.as_ref());
        put(&mut spec, "limits", self.limits.as_ref());
        put(&mut spec, "hold", self.hold.as_ref());
        put(&mut spec, "retries", self.retries.as_ref());
        put(&mut spec, "liveness", self.liveness.as_ref());
        put(&mut spec, "scaling", self.scaling.as_ref());
        put(&mut spec, "async", self.async_.as_ref());
        Ok(json!({"spec": spec, "labels": self.labels}))
    }

    /// Adds variables given as flags.
    pub(crate) fn extend_env(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        self.env.extend(variables);
    }
}

fn put(map: &mut Map<String, Value>, key: &str, value: Option<impl Serialize>) {
    if let Some(value) = value {
        map.insert(key.into(), json!(value));
    }
}

fn readiness(ready: &str) -> Result<Value, Failure> {
    match ready {
        kind @ ("answer" | "tcp") => Ok(json!({"kind": kind})),
        path if path.starts_with('/') => Ok(json!({"kind": "http", "path": path})),
        other => Err(Failure::usage(format!("ready = {other:?} is not known"))
            .hint("write \"answer\", \"tcp\", or a path such as \"/healthz\"")),
    }
}

/// Sets a dotted key; the value is TOML, or a text when it is not.
fn apply_set(table: &mut toml::Table, set: &str) -> Result<(), Failure> {
    let bad = || Failure::usage(format!("--set {set:?} is not KEY=VALUE"));
    let (key, value) = set.split_once('=').ok_or_else(bad)?;
    let value = value
        .parse::<toml::Value>()
        .unwrap_or_else(|_| toml::Value::String(value.to_owned()));
    let mut parts: Vec<&str> = key.split('.').map(str::trim).collect();
    let last = parts.pop().filter(|l| !l.is_empty()).ok_or_else(bad)?;
    let mut inner = table;
    for part in parts {
        inner = inner
            .entry(part)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(bad)?;
    }
    inner.insert(last.into(), value);
    Ok(())
}

/// Reads the file at `path`, a `function.toml` or a folder with one.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::io(format!("cannot read {}", path.display()), &error)
            .hint("give the path of a function.toml or its folder, or use --name with --bundle or -- COMMAND")
    })
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Command;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts, or one text for /bin/sh")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Command, E> {
                Ok(Command(vec!["/bin/sh".into(), "-c".into(), text.into()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Command, A::Error> {
                let mut words = Vec::new();
                while let Some(word) = seq.next_element()? {
                    words.push(word);
                }
                Ok(Command(words))
            }
        }
        deserializer.deserialize_any(Words)
    }
}

#[cfg(test)]
mod tests;
