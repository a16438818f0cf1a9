//! A function's folder: its `function.toml`, its build, its bundle.
//!
//! What `deploy`, `diff` and `dev` have in common. Deliberately no talking to the server.

pub(crate) mod build;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use crate::commands::key_value;
use crate::failure::Failure;
use crate::manifest::units::show_bytes;
use crate::manifest::{self, Command, Manifest, Runtime};
use crate::output::Output;
use crate::pack::Artifact;
use crate::pack::sources::parent;

/// Which function, from where.
#[derive(Debug, Args)]
pub(crate) struct ProjectArgs {
    /// A function.toml, or the folder with one.
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Name of the function; with --bundle, --component, --image or a COMMAND no function.toml is needed.
    #[arg(long)]
    name: Option<String>,
    /// Folder or executable file to run from, relative to here.
    #[arg(long, value_name = "PATH")]
    bundle: Option<PathBuf>,
    /// A wasi:http component to run, relative to here; a .wasm file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bundle", "command"])]
    component: Option<PathBuf>,
    /// A container's image to run, as `docker pull` takes it.
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["bundle", "component", "command"])]
    image: Option<String>,
    /// Environment variable, also several times.
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = key_value)]
    env: Vec<(String, String)>,
    /// Any other key of function.toml, for example scaling.max_scale=3.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Do not run the [build] command.
    #[arg(long)]
    no_build: bool,
    /// Program and arguments, after --.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// A function as its folder describes it.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) name: String,
    pub(crate) manifest: Manifest,
    /// Where `function.toml` is, or would be.
    pub(crate) file: PathBuf,
    /// Where the build runs.
    pub(crate) folder: PathBuf,
    /// What is packed, if anything.
    pub(crate) bundle: Option<PathBuf>,
    /// The file, unless `--set` put something else over it.
    text: Option<String>,
    build: bool,
}

impl ProjectArgs {
    /// The `function.toml`.
    pub(crate) fn file(&self) -> PathBuf {
        if self.path.is_dir() {
            self.path.join("function.toml")
        } else {
            self.path.clone()
        }
    }

    /// Reads `function.toml`, and the flags over it.
    pub(crate) fn load(&self) -> Result<Project, Failure> {
        let file = self.file();
        let given = self.component.as_ref().or(self.bundle.as_ref());
        let runs = given.is_some() || self.image.is_some() || !self.command.is_empty();
        let from_flags = self.name.is_some() && runs;
        let text = if from_flags && !file.exists() {
            String::new()
        } else {
            manifest::read(&file)?
        };
        let mut manifest = Manifest::parse_with(&text, &file.display().to_string(), &self.set)?;
        if !self.command.is_empty() {
            manifest.command = Some(Command(self.command.clone()));
        }
        if self.image.is_some() {
            manifest.image.clone_from(&self.image);
        }
        manifest.extend_env(self.env.iter().cloned());
        let name = self.name.clone().or_else(|| manifest.name.clone());
        let name = name.ok_or_else(|| {
            Failure::usage("the function has no name")
                .hint("add name = \"...\" to function.toml, or pass --name")
        })?;
        let folder = parent(&file).to_owned();
        let packed = manifest.component.as_ref().or(manifest.bundle.as_ref());
        let bundle = match (given, packed) {
            (Some(path), _) => Some(path.clone()),
            (None, Some(path)) if path == "." => Some(folder.clone()),
            (None, Some(path)) => Some(folder.join(path)),
            (None, None) => None,
        };
        if let Some(path) = &self.component {
            manifest.component = Some(path.display().to_string());
        }
        Ok(Project {
            name,
            manifest,
            file,
            folder,
            bundle,
            text: self.set.is_empty().then_some(text),
            build: !self.no_build,
        })
    }
}

impl Project {
    /// Runs the `[build]` command, if there is one, with its output on stderr.
    pub(crate) async fn build(
        &self,
        out: &mut Output,
        interrupt: build::Interrupt,
    ) -> Result<(), Failure> {
        match &self.manifest.build.command {
            Some(Command(words)) if self.build => {
                build::run(out, words, &self.folder, interrupt).await
            }
            _ => Ok(()),
        }
    }

    /// Packs the bundle; the apply request's body, and the file to upload first.
    pub(crate) fn pack(&self, out: &mut Output) -> Result<(Value, Option<Artifact>), Failure> {
        let artifact = match &self.bundle {
            Some(path) => Some(pack_bundle(out, path, &self.manifest.runtime()?)?),
            None => None,
        };
        let body = self.manifest.to_request(artifact.as_ref())?;
        Ok((body, artifact))
    }

    /// The server's refusal, shown in `function.toml`.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        match &self.text {
            Some(text) => manifest::explain(failure, text, &self.file.display().to_string()),
            None => failure,
        }
    }
}

fn pack_bundle(out: &mut Output, path: &Path, runtime: &Runtime<'_>) -> Result<Artifact, Failure> {
    let artifact = runtime.pack(path)?;
    out.note(format!(
        "packed {}, {}, sha256 {}",
        path.display(),
        show_bytes(artifact.size),
        artifact.sha256
    ));
    Ok(artifact)
}
