//! The table from image names to what runs without a container engine: a component or a program. An image that it does not name is run
//! as it is, where a host has an engine.
//!
//! ```toml
//! [[image]]
//! name = "acme/hello:latest"
//! component = "hello.wasm"              # a wasi:http component
//!
//! [[image]]
//! name = "acme/resize:1.2"
//! bundle = "resize.tar.gz"              # or one executable file
//! command = ["python3", "main.py"]
//! ```
//!
//! Files are relative to the table's own folder and read when a function is deployed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Why the table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("table of images {path}: {cause}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It is not what it must be.
    #[error("table of images {path}: {cause}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: Box<toml::de::Error>,
    },
    /// An entry says too little or too much.
    #[error("table of images: {name}: {what}")]
    Entry {
        /// The image.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    image: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    component: Option<PathBuf>,
    bundle: Option<PathBuf>,
    #[serde(default)]
    command: Vec<String>,
}

/// What an image name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// A `wasi:http` component.
    Component(PathBuf),
    /// A program.
    Process {
        /// A `.tar.gz`, or one executable file; none: the command is one on the hosts.
        bundle: Option<PathBuf>,
        /// Program and arguments.
        command: Vec<String>,
    },
    /// Itself: what is in no table is run by the hosts' container engine.
    Container(String),
}

impl Image {
    /// The file to upload.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Component(file) => Some(file),
            Self::Process { bundle, .. } => bundle.as_deref(),
            Self::Container(_) => None,
        }
    }
}

/// Image names and what they stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Images(BTreeMap<String, Image>);

impl Images {
    /// Reads a table.
    ///
    /// # Errors
    /// [`Error`] names the file or the entry.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|cause| Error::Read {
            path: path.to_owned(),
            cause,
        })?;
        let document: Document = toml::from_str(&text).map_err(|cause| Error::Parse {
            path: path.to_owned(),
            cause: Box::new(cause),
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let entries = document.image.into_iter().map(|written| {
            let name = written.name.clone();
            Ok((name, image(written, folder)?))
        });
        Ok(Self(entries.collect::<Result<_, _>>()?))
    }

    /// What an image stands for; one that is not in the table is a container's.
    #[must_use]
    pub fn get(&self, name: &str) -> Image {
        let entry = self.0.get(name).cloned();
        entry.unwrap_or_else(|| Image::Container(name.to_owned()))
    }
}

fn image(written: Written, folder: &Path) -> Result<Image, Error> {
    let Written {
        name,
        component,
        bundle,
        command,
    } = written;
    let wrong = |what| Error::Entry {
        name: name.clone(),
        what,
    };
    match (component, bundle) {
        (Some(_), Some(_)) => Err(wrong("has both component and bundle")),
        (Some(component), None) if command.is_empty() => {
            Ok(Image::Component(folder.join(component)))
        }
        (Some(_), None) => Err(wrong("is a component, which has no command")),
        (None, _) if command.is_empty() => Err(wrong("needs a component or a command")),
        (None, bundle) => Ok(Image::Process {
            bundle: bundle.map(|bundle| folder.join(bundle)),
            command,
        }),
    }
}
