//! `gateless import`: Knative and OpenFaaS YAML to `function.toml`s, or straight to the server.
//!
//! Writes what can run and reports on all of it. Deliberately asks no question and overwrites
//! nothing unless told to; what an image's program is here, `--image` says.

use std::fs;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::rollout::apply;
use super::{key_value, upload};
use crate::client::Client;
use crate::failure::{Exit, Failure};
use crate::import::{self, Images, Import, Imported, Note, Outcome, Target};
use crate::login::Remote;
use crate::manifest::Manifest;
use crate::output::{Format, Output, table};

/// Take functions over from Knative or OpenFaaS.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Knative Services or OpenFaaS stack.yml files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What runs instead of an image, also several times: a .wasm component, a folder, an
    /// executable file, or cmd:PROGRAM ARGS on the sidecars' hosts.
    #[arg(long, value_name = "IMAGE=TARGET", value_parser = key_value)]
    image: Vec<(String, String)>,
    /// Program and arguments for an image's folder, also several times.
    #[arg(long, value_name = "IMAGE=PROGRAM", value_parser = key_value)]
    command: Vec<(String, String)>,
    /// Where to write NAME/function.toml.
    #[arg(long, default_value = ".", value_name = "DIR")]
    out: PathBuf,
    /// Overwrite function.toml files that exist.
    #[arg(long)]
    force: bool,
    /// Upload and apply instead of writing files.
    #[arg(long)]
    apply: bool,
}

/// Reads all files before it writes or applies anything.
pub(crate) async fn import(
    remote: &Remote,
    out: &mut Output,
    args: &ImportArgs,
) -> Result<(), Failure> {
    let images = images(args)?;
    let mut all = Import::default();
    for file in &args.files {
        let read = read(file, &images)?;
        all.functions.extend(read.functions);
        all.notes.extend(read.notes);
    }
    let done = if args.apply {
        apply_all(&mut Client::new(remote).await?, out, &all.functions).await
    } else {
        check_new(args, &all.functions)?;
        write_all(args, &all.functions)?
    };
    let items = all.functions.iter().zip(done);
    let items: Vec<Value> = items.map(|(f, done)| item(f, done)).collect();
    show(out, &all, &items)?;
    verdict(&items)
}

fn read(file: &Path, images: &Images) -> Result<Import, Failure> {
    let shown = file.display();
    let text =
        fs::read_to_string(file).map_err(|e| Failure::io(format!("cannot read {shown}"), &e))?;
    let variable = |name: &str| std::env::var(name).ok();
    let import = import::read(&text, images, &variable).map_err(|error| {
        let place = match error.at {
            Some((line, column)) => format!("{shown}:{line}:{column}"),
            None => shown.to_string(),
        };
        Failure::usage(format!("cannot import {place}")).cause(error)
    })?;
    if import.functions.is_empty() {
        return Err(Failure::usage(format!("no function in {shown}")).hint(
            "give a serving.knative.dev/v1 Service, or an OpenFaaS stack.yml with functions",
        ));
    }
    Ok(import)
}

fn images(args: &ImportArgs) -> Result<Images, Failure> {
    let mut images = Images::default();
    for (image, text) in &args.image {
        images.targets.insert(image.clone(), target(text)?);
    }
    for (image, text) in &args.command {
        images.commands.insert(image.clone(), words(text)?);
    }
    Ok(images)
}

fn target(text: &str) -> Result<Target, Failure> {
    if let Some(program) = text.strip_prefix("cmd:") {
        return words(program).map(Target::Command);
    }
    let path = PathBuf::from(text);
    let meta = fs::metadata(&path).map_err(|e| {
        Failure::io(format!("cannot use {text} for an image"), &e)
            .hint("give a .wasm file, a folder, an executable file, or cmd:PROGRAM ARGS")
    })?;
    Ok(match path.extension().and_then(|e| e.to_str()) {
        _ if meta.is_dir() => Target::Folder(path),
        Some("wasm") => Target::Component(path),
        _ => Target::Executable(path),
    })
}

/// Words at blanks; with signs of the shell in it, a line for the shell.
fn words(text: &str) -> Result<Vec<String>, Failure> {
    if text.contains(['\'', '"', '$', '|', ';', '&', '<', '>', '\\', '*']) {
        return Ok(vec!["/bin/sh".into(), "-c".into(), text.into()]);
    }
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    if words.is_empty() {
        return Err(Failure::usage("a command is empty").hint("--image 'IMAGE=cmd:PROGRAM ARGS'"));
    }
    Ok(words)
}

/// What became of one function: its status, and where it is or why not.
type Done = (&'static str, String);

fn skipped(function: &Imported) -> Option<Done> {
    let missing = function.missing.as_ref()?;
    Some(("not_runnable", missing.clone()))
}

fn file_of(args: &ImportArgs, function: &Imported) -> PathBuf {
    args.out.join(&function.name).join("function.toml")
}

/// Nothing is written if anything would be overwritten, or written twice.
fn check_new(args: &ImportArgs, functions: &[Imported]) -> Result<(), Failure> {
    let runnable = functions.iter().filter(|f| f.missing.is_none());
    let mut files: Vec<PathBuf> = runnable.map(|f| file_of(args, f)).collect();
    files.sort();
    if let Some([twice, _]) = files.windows(2).find(|pair| pair[0] == pair[1]) {
        let title = format!("two functions would be in {}", twice.display());
        return Err(Failure::usage(title).hint("import them one by one, each with its own --out"));
    }
    match files.iter().find(|file| file.exists()) {
        Some(file) if !args.force => {
            let title = format!("{} exists already", file.display());
            Err(Failure::new(Exit::Conflict, "exists", title)
                .hint("choose another --out, or overwrite it with --force"))
        }
        _ => Ok(()),
    }
}

fn write_all(args: &ImportArgs, functions: &[Imported]) -> Result<Vec<Done>, Failure> {
    let write = |function: &Imported| {
        if let Some(done) = skipped(function) {
            return Ok(done);
        }
        let file = file_of(args, function);
        write(&file, function)
            .map_err(|e| Failure::io(format!("cannot write {}", file.display()), &e))?;
        Ok(("written", file.display().to_string()))
    };
    functions.iter().map(write).collect()
}

fn write(file: &Path, function: &Imported) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut manifest = function.manifest.clone();
    if let Some(path) = &function.upload {
        let path = relative(&fs::canonicalize(folder)?, &fs::canonicalize(path)?);
        for key in ["component", "bundle"] {
            if let Some(value) = manifest.get_mut(key) {
                *value = path.display().to_string().into();
            }
        }
    }
    fs::write(file, manifest.to_string())
}

/// How to get from `folder` to `path`, both absolute.
fn relative(folder: &Path, path: &Path) -> PathBuf {
    let (from, to): (Vec<Component<'_>>, Vec<_>) =
        (folder.components().collect(), path.components().collect());
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[same..].iter().map(|_| Component::ParentDir);
    let found: PathBuf = up.chain(to[same..].iter().copied()).collect();
    if found.as_os_str().is_empty() {
        return PathBuf::from(".");
    }
    found
}

/// Applies one after the other; one that fails does not keep the others away.
async fn apply_all(client: &mut Client, out: &mut Output, functions: &[Imported]) -> Vec<Done> {
    let namespace = client.namespace().to_owned();
    let mut all = Vec::new();
    for function in functions {
        if let Some(done) = skipped(function) {
            all.push(done);
            continue;
        }
        if !client.namespace_is_explicit() {
            client.set_namespace(function.namespace.as_deref().unwrap_or(&namespace));
        }
        all.push(match apply_one(client, out, function).await {
            Ok(revision) => ("applied", format!("revision {revision}")),
            Err(failure) => ("failed", failure.to_string()),
        });
    }
    all
}

async fn apply_one(
    client: &Client,
    out: &mut Output,
    function: &Imported,
) -> Result<String, Failure> {
    let manifest = Manifest::parse(&function.manifest.to_string(), "function.toml")?;
    let artifact = match &function.upload {
        Some(path) => Some(manifest.runtime()?.pack(path)?),
        None => None,
    };
    if let Some(artifact) = &artifact {
        upload::upload(client, out, artifact).await?;
    }
    let body = manifest.to_request(artifact.as_ref())?;
    let applied = apply(client, &function.name, &body, false).await?;
    if !function.traffic.is_empty() {
        let path = client.path(&["functions", &function.name, "traffic"]);
        let body = json!({"targets": function.traffic});
        let mut request = client.request(Method::PUT, &path).json(&body);
        if applied["version"].is_u64() {
            request = request.header("if-match", format!("\"{}\"", applied["version"]));
        }
        client.send(request).await?;
    }
    Ok(crate::output::at(&applied, "/status/latest_revision"))
}

fn item(function: &Imported, (status, detail): Done) -> Value {
    json!({
        "name": function.name,
        "namespace": function.namespace,
        "status": status,
        "detail": detail,
        "body": function.body,
        "traffic": function.traffic,
        "report": function.report,
    })
}

fn show(out: &mut Output, all: &Import, items: &[Value]) -> Result<(), Failure> {
    if out.format() != Format::Table {
        return out.document(&json!({"functions": items, "notes": all.notes}));
    }
    let row = |name: &str, note: &Note| {
        let outcome = match note.outcome {
            Outcome::Mapped => "mapped",
            Outcome::Changed => "changed",
            Outcome::NotMapped => "not mapped",
        };
        let (path, detail) = (note.path.clone(), note.detail.clone());
        vec![name.to_owned(), path, outcome.to_owned(), detail]
    };
    let of_files = all.notes.iter().map(|note| row("-", note));
    let functions = all.functions.iter();
    let of_functions = functions.flat_map(|f| f.report.iter().map(|note| row(&f.name, note)));
    let rows: Vec<Vec<String>> = of_files.chain(of_functions).collect();
    let mut text = table(&["FUNCTION", "FIELD", "OUTCOME", "DETAIL"], &rows);
    text.push('\n');
    for item in items {
        let part = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let status = part("status").replace('_', " ");
        let detail = part("detail");
        let detail = detail.strip_prefix("not runnable yet: ").unwrap_or(&detail);
        text.push_str(&format!("{}: {status}: {detail}\n", part("name")));
    }
    let written = |item: &Value| item["status"] == "written" && item["traffic"] != json!([]);
    if items.iter().any(written) {
        out.note("traffic tags are set by --apply only; function.toml has none");
    }
    out.raw(text.as_bytes())
}

fn verdict(items: &[Value]) -> Result<(), Failure> {
    let open = |item: &&Value| item["status"] == "not_runnable" || item["status"] == "failed";
    let names: Vec<&str> = items
        .iter()
        .filter(open)
        .filter_map(|i| i["name"].as_str())
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    let title = format!(
        "{} of {} functions are not imported",
        names.len(),
        items.len()
    );
    Err(Failure::new(Exit::Failure, "not_imported", title).cause(names.join(", ")))
}
