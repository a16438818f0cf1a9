//! From Knative's and OpenFaaS's YAML to functions of ours, with a report of every field.
//!
//! Pure: text in, `function.toml`s and notes out. A field is either carried over, carried over with
//! a difference, or named as left out; none is dropped in silence. Deliberately no look at a
//! cluster or a registry: an image says nothing of how to run its program here, so a person says it.

mod knative;
mod openfaas;
mod template;
mod traffic;
mod tree;

use std::collections::BTreeMap;
use std::path::PathBuf;

use gateless_common::name::check_label;
use gateless_common::spec::millicores;
use serde::Serialize;
use serde_json::{Value, json};

use self::tree::Tree;
use crate::manifest::Manifest;

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It means the same here.
    Mapped,
    /// It is carried over, but means something a little different.
    Changed,
    /// It has no equal.
    NotMapped,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Note {
    /// Of the field, as people write it.
    pub(crate) path: String,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// Where it is now, or why not.
    pub(crate) detail: String,
}

/// What runs instead of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A `wasi:http` component.
    Component(PathBuf),
    /// A folder; it needs a command.
    Folder(PathBuf),
    /// One executable file.
    Executable(PathBuf),
    /// A program on the sidecars' hosts.
    Command(Vec<String>),
}

/// What a person said about images.
#[derive(Debug, Default)]
pub(crate) struct Images {
    /// By the image's name as the YAML spells it.
    pub(crate) targets: BTreeMap<String, Target>,
    /// Commands that go before the YAML's.
    pub(crate) commands: BTreeMap<String, Vec<String>>,
}

/// A function as it would be here.
#[derive(Debug)]
pub(crate) struct Imported {
    /// Where the YAML puts it.
    pub(crate) namespace: Option<String>,
    /// Its name.
    pub(crate) name: String,
    /// Its `function.toml`; paths are as `--image` gave them.
    pub(crate) manifest: toml::Table,
    /// The apply request, without the uploaded file's digest; null while it cannot run.
    pub(crate) body: Value,
    /// The file or folder to upload.
    pub(crate) upload: Option<PathBuf>,
    /// Why it cannot run yet, and the way out.
    pub(crate) missing: Option<String>,
    /// Traffic targets to set; empty: all to the newest revision.
    pub(crate) traffic: Vec<Value>,
    /// Every field of the YAML.
    pub(crate) report: Vec<Note>,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Import {
    /// In the file's order.
    pub(crate) functions: Vec<Imported>,
    /// Of what belongs to no function.
    pub(crate) notes: Vec<Note>,
}

/// A file that cannot be imported at all.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub(crate) struct Error {
    /// Line and column, if it is one place.
    pub(crate) at: Option<(u64, u64)>,
    /// What is the matter.
    pub(crate) cause: String,
}

impl Error {
    fn new(cause: impl Into<String>) -> Self {
        let cause = cause.into();
        Self { at: None, cause }
    }
}

/// Reads all documents of `text`; `variable` looks up what a `stack.yml` takes from the environment.
pub(crate) fn read(
    text: &str,
    images: &Images,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Import, Error> {
    let mut import = Import::default();
    let (text, unset) = if is_stack(text) {
        template::substitute(text, variable)
    } else {
        (text.to_owned(), Vec::new())
    };
    let empty = unset.join(", ");
    for name in unset {
        import.notes.push(Note {
            path: format!("${{{name}}}"),
            outcome: Outcome::Changed,
            detail: "not set and without a default: empty".into(),
        });
    }
    let documents: Vec<Value> = parse(&text).map_err(|mut error| {
        if !empty.is_empty() {
            error.cause = format!("{}\nvariables that are not set: {empty}", error.cause);
        }
        error
    })?;
    let raw = if is_stack(&text) {
        openfaas::raw(&text)
    } else {
        Vec::new()
    };
    for (index, document) in documents.into_iter().enumerate() {
        if document["kind"] == "List" && document["items"].is_array() {
            let items = document["items"].as_array().cloned().unwrap_or_default();
            for (item, value) in items.into_iter().enumerate() {
                one(
                    &mut import,
                    Tree::new(&format!("items[{item}]"), value),
                    images,
                )?;
            }
        } else if document["functions"].is_object() {
            openfaas::stack(&mut import, document, raw.get(index), images)?;
        } else {
            one(&mut import, Tree::new("", document), images)?;
        }
    }
    Ok(import)
}

/// One object of a cluster.
fn one(import: &mut Import, mut tree: Tree, images: &Images) -> Result<(), Error> {
    let group = tree.text("/apiVersion").unwrap_or_default();
    let kind = tree.text("/kind").unwrap_or_default();
    if kind == "Service" && group == "serving.knative.dev/v1" {
        import.functions.push(knative::service(tree, images)?);
        return Ok(());
    }
    let name = tree.text("/metadata/name").unwrap_or_default();
    import.notes.push(Note {
        path: format!("{group} {kind} {name}").trim().to_owned(),
        outcome: Outcome::NotMapped,
        detail: "only a serving.knative.dev/v1 Service or an OpenFaaS stack.yml is imported".into(),
    });
    Ok(())
}

fn is_stack(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("functions:"))
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<Vec<T>, Error> {
    serde_saphyr::from_str_multiple(text).map_err(|error| Error {
        at: error.location().map(|l| (l.line(), l.column())),
        cause: error.to_string(),
    })
}

/// A function on its way: the tree it is read from, and what is known of it.
struct Draft {
    tree: Tree,
    table: toml::Table,
    upload: Option<PathBuf>,
    missing: Option<String>,
}

impl Draft {
    fn new(tree: Tree) -> Self {
        Self {
            tree,
            table: toml::Table::new(),
            upload: None,
            missing: None,
        }
    }

    /// Sets a dotted key of `function.toml`.
    fn set(&mut self, key: &str, value: impl Into<toml::Value>) {
        match key.split_once('.') {
            None => {
                self.table.insert(key.to_owned(), value.into());
            }
            Some((section, key)) => self.entry(section, key, value),
        }
    }

    /// Sets a key, with whatever signs in it, of a section.
    fn entry(&mut self, section: &str, key: &str, value: impl Into<toml::Value>) {
        let inner = self.table.entry(section.to_owned());
        let inner = inner.or_insert_with(|| toml::Table::new().into());
        if let Some(inner) = inner.as_table_mut() {
            inner.insert(key.to_owned(), value.into());
        }
    }

    /// Adds a `[[secrets]]`.
    fn secret(&mut self, variable: &str, secret: &str, key: &str) {
        let mut entry = toml::Table::new();
        for (name, value) in [("env", variable), ("secret", secret), ("key", key)] {
            entry.insert(name.into(), value.into());
        }
        let list = self.table.entry("secrets");
        let list = list.or_insert_with(|| toml::Value::Array(Vec::new()));
        if let Some(list) = list.as_array_mut() {
            list.push(entry.into());
        }
    }

    fn is_component(&self) -> bool {
        self.table.contains_key("component")
    }

    /// What runs instead of the image at `pointer`; `own` is the YAML's command. True if `own` is used.
    fn run(&mut self, pointer: &str, images: &Images, own: Option<Vec<String>>) -> bool {
        let image = self.tree.text(pointer).unwrap_or_default();
        let said = images.commands.get(&image).cloned();
        let used = said.is_none() && own.is_some();
        let command = said.or(own);
        let words = |words: Vec<String>| -> toml::Value { words.into() };
        let Some(target) = images.targets.get(&image) else {
            let way = format!("not runnable yet: add --image {image}=TARGET");
            self.tree.note(pointer, Outcome::NotMapped, &way);
            self.missing = Some(way);
            return used;
        };
        match target.clone() {
            Target::Component(path) => {
                self.runs(pointer, "component", path);
                return false;
            }
            Target::Command(program) => {
                let detail = format!("command = {program:?}");
                self.tree.note(pointer, Outcome::Changed, &detail);
                self.set("command", words(program));
                return false;
            }
            Target::Executable(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let command = command.unwrap_or_else(|| vec![format!("./{name}")]);
                self.set("command", words(command));
                self.runs(pointer, "bundle", path);
            }
            Target::Folder(path) => {
                match command {
                    Some(command) => self.set("command", words(command)),
                    None => {
                        self.missing = Some(format!(
                            "not runnable yet: add --command '{image}=PROGRAM ARGS', a folder needs one"
                        ));
                    }
                }
                self.runs(pointer, "bundle", path);
            }
        }
        used
    }

    fn runs(&mut self, pointer: &str, key: &str, path: PathBuf) {
        let shown = path.display().to_string();
        let detail = format!("{key} = {shown:?}");
        self.tree.note(pointer, Outcome::Changed, &detail);
        self.set(key, shown);
        self.upload = Some(path);
    }

    /// The memory limit at `pointer`, for the kind of function it became.
    fn memory(&mut self, pointer: &str) {
        let key = if self.is_component() {
            "wasm.memory"
        } else {
            "memory"
        };
        let Some(text) = self.tree.text(pointer) else {
            return;
        };
        let Some(bytes) = tree::quantity(&text) else {
            let detail = format!("{text:?} is no quantity such as 128Mi");
            self.tree.note(pointer, Outcome::NotMapped, &detail);
            return;
        };
        self.set(key, tree::size(bytes));
        if self.is_component() {
            self.tree.note(pointer, Outcome::Mapped, key);
        } else {
            let detail = "memory; it bounds the address space, not what is resident";
            self.tree.note(pointer, Outcome::Changed, detail);
        }
    }

    /// The limit of CPU at `pointer`, which a component has none of.
    fn cpu(&mut self, pointer: &str) {
        let Some(text) = self.tree.text(pointer) else {
            return;
        };
        let (outcome, detail) = if self.is_component() {
            let detail = "a component has no share of CPUs; [wasm] cpu_time bounds each call";
            (Outcome::NotMapped, detail.to_owned())
        } else if millicores(&text).is_none() {
            let detail = format!("{text:?} is no quantity such as 500m or 0.5");
            (Outcome::NotMapped, detail)
        } else {
            self.set("cpu", text);
            (Outcome::Mapped, "cpu".to_owned())
        };
        self.tree.note(pointer, outcome, &detail);
    }

    /// The function, once its YAML is read; what was not read is noted with `why`.
    fn finish(
        mut self,
        name: String,
        namespace: Option<String>,
        traffic: Vec<Value>,
        why: fn(&str) -> Option<&'static str>,
    ) -> Result<Imported, Error> {
        self.set("name", name.clone());
        if let Some(namespace) = &namespace {
            self.set("namespace", namespace.clone());
        }
        let body = match &self.missing {
            Some(_) => json!(null),
            None => body(&self.table)?,
        };
        Ok(Imported {
            namespace,
            name,
            manifest: self.table,
            body,
            upload: self.upload,
            missing: self.missing,
            traffic,
            report: self.tree.finish(why),
        })
    }
}

/// What applying this `function.toml` would send.
fn body(table: &toml::Table) -> Result<Value, Error> {
    Manifest::parse(&table.to_string(), "function.toml")
        .and_then(|manifest| manifest.to_request(None))
        .map_err(|failure| Error::new(failure.to_string()))
}

/// A name becomes a folder and a part of host names.
fn label(what: &str, text: String) -> Result<String, Error> {
    match check_label(&text) {
        Ok(()) => Ok(text),
        Err(rule) => Err(Error::new(format!(
            "{what} is {text:?}, not a DNS label: it {rule}"
        ))),
    }
}

#[cfg(test)]
mod tests;
