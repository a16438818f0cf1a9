//! What `gateless new` writes: the files of `templates/`, carried in the binary.
//!
//! `{{name}}` stands for the function's name. Deliberately no other placeholder and no logic in a
//! template: each is a function one could have written by hand.

use clap::ValueEnum;

/// A language to begin in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// A program with axum.
    Rust,
    /// A script with Node's own modules.
    Node,
    /// A script with Python's own modules.
    Python,
    /// A program with Go's own packages.
    Go,
    /// A component of Rust, run inside the sidecar.
    WasmRust,
    /// A component of JavaScript, run inside the sidecar.
    WasmJs,
    /// A component of Python, run inside the sidecar.
    WasmPython,
}

macro_rules! files {
    ($folder:literal: $($file:literal),+) => {
        &[$(($file, include_str!(concat!("../../templates/", $folder, "/", $file)))),+]
    };
}

impl Template {
    /// Paths and texts, as they stand in the repository.
    const fn sources(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Rust => files!("rust": "function.toml", "Cargo.toml", "src/main.rs"),
            Self::Node => files!("node": "function.toml", "main.js"),
            Self::Python => files!("python": "function.toml", "main.py"),
            Self::Go => files!("go": "function.toml", "go.mod", "main.go"),
            Self::WasmRust => {
                files!("wasm-rust": "function.toml", "Cargo.toml", "src/lib.rs")
            }
            Self::WasmJs => {
                files!("wasm-js": "function.toml", "package.json", "main.js", "function.wit")
            }
            Self::WasmPython => {
                files!("wasm-python": "function.toml", "main.py", "function.wit")
            }
        }
    }

    /// Paths and texts for a function called `name`.
    pub(crate) fn files(self, name: &str) -> Vec<(&'static str, String)> {
        let fill = |text: &str| text.replace("{{name}}", name);
        self.sources()
            .iter()
            .map(|(path, text)| (*path, fill(text)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn folder(template: Template) -> PathBuf {
        let name = template.to_possible_value().unwrap().get_name().to_owned();
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../templates")
            .join(name)
    }

    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else {
                out.push(path);
            }
        }
    }

    #[test]
    fn every_file_of_templates_is_carried() {
        let mut there = Vec::new();
        walk(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates"),
            &mut there,
        );
        let mut carried: Vec<PathBuf> = Template::value_variants()
            .iter()
            .flat_map(|t| {
                t.files("x")
                    .into_iter()
                    .map(|(path, _)| folder(*t).join(path))
            })
            .collect();
        there.sort();
        carried.sort();
        assert_eq!(there, carried);
    }

    #[test]
    fn every_template_is_a_valid_function_of_its_name() {
        for template in Template::value_variants() {
            let files = template.files("shop-7");
            assert!(
                files.iter().all(|(_, text)| !text.contains("{{")),
                "{template:?}"
            );
            let (_, text) = files
                .iter()
                .find(|(path, _)| *path == "function.toml")
                .unwrap();
            let manifest = crate::manifest::Manifest::parse(text, "function.toml").unwrap();
            assert_eq!(manifest.name.as_deref(), Some("shop-7"), "{template:?}");
        }
    }
}
