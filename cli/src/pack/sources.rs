//! The files `gateless dev` watches: which there are, and when each last changed.
//!
//! Deliberately compares times and sizes, not contents: editors that write the same bytes again
//! mean it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use super::ignore::{Ignore, Only};
use super::ignored;

/// More than a function has; a build's output was not left out.
const MAX_FILES: usize = 20_000;

/// What to watch.
pub(crate) struct Sources {
    root: PathBuf,
    ignore: Ignore,
    only: Option<Only>,
    /// The build's output, when it is below the root.
    except: Option<PathBuf>,
    own_output: bool,
}

/// One look at the sources.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Scan {
    /// By path from the root.
    pub(crate) files: BTreeMap<PathBuf, (Option<SystemTime>, u64)>,
    /// Absolute, or as the root is; a change in one of them is seen as an event.
    pub(crate) folders: BTreeSet<PathBuf>,
}

impl Sources {
    /// Of the function in `folder`: what `watch` names, else the bundle, or with a build everything
    /// but the bundle.
    pub(crate) fn new(
        folder: &Path,
        bundle: Option<&Path>,
        ignore: &[String],
        watch: Option<&[String]>,
        has_build: bool,
    ) -> io::Result<Self> {
        let plain = !has_build && watch.is_none();
        let (root, only) = match (watch, bundle) {
            (Some(watch), _) => (folder, Some(Only::new(watch.iter().map(String::as_str))?)),
            (None, _) if has_build => (folder, None),
            (None, Some(bundle)) if bundle.is_dir() => (bundle, None),
            // A program that somebody else builds.
            (None, Some(file)) => {
                let name = file.file_name().and_then(|name| name.to_str());
                (parent(file), Some(Only::new(name.into_iter())?))
            }
            (None, None) => (folder, Some(Only::new(std::iter::empty())?)),
        };
        let below = bundle.filter(|_| !plain && watch.is_none()).map(lexical);
        let below = below
            .as_ref()
            .and_then(|b| b.strip_prefix(lexical(root)).ok());
        let except = below
            .filter(|b| !b.as_os_str().is_empty())
            .map(ToOwned::to_owned);
        Ok(Self {
            ignore: ignored(root, ignore)?,
            root: root.to_owned(),
            only,
            own_output: has_build && watch.is_none(),
            except,
        })
    }

    /// Whether the build may write among what is watched: nobody said what its sources are.
    pub(crate) const fn contains_own_output(&self) -> bool {
        self.own_output
    }

    /// Looks at every file; one that goes away meanwhile is left out.
    pub(crate) fn scan(&self) -> io::Result<Scan> {
        let mut scan = Scan::default();
        self.walk(Path::new(""), &mut scan)?;
        Ok(scan)
    }

    fn walk(&self, at: &Path, scan: &mut Scan) -> io::Result<()> {
        let folder = self.root.join(at);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        };
        scan.folders.insert(folder);
        for entry in entries {
            let entry = entry?;
            let path = at.join(entry.file_name());
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if self.ignore.matches(&path, is_folder) || self.except.as_ref() == Some(&path) {
                continue;
            }
            if is_folder {
                if self
                    .only
                    .as_ref()
                    .is_none_or(|only| only.may_contain(&path))
                {
                    self.walk(&path, scan)?;
                }
            } else if self.only.as_ref().is_none_or(|only| only.contains(&path))
                && let Ok(meta) = entry.metadata()
            {
                scan.files.insert(path, (meta.modified().ok(), meta.len()));
            }
            if scan.files.len() > MAX_FILES {
                return Err(io::Error::other(format!(
                    "more than {MAX_FILES} files to watch in {}",
                    self.root.display()
                )));
            }
        }
        Ok(())
    }
}

/// The folder a file is in.
pub(crate) fn parent(file: &Path) -> &Path {
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Without `.` and with `a/..` taken out, so that two spellings of a path compare.
fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bundle: Option<&str>, watch: Option<&[&str]>, has_build: bool, expected: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            "function.toml",
            "a.py",
            "n.md",
            "src/x.ts",
            "dist/x.js",
            ".git/HEAD",
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let bundle = bundle.map(|b| dir.path().join(b));
        let watch: Option<Vec<String>> = watch.map(|w| w.iter().map(ToString::to_string).collect());
        let sources = Sources::new(
            dir.path(),
            bundle.as_deref(),
            &["*.md".to_owned()],
            watch.as_deref(),
            has_build,
        );
        let scan = sources.unwrap().scan().unwrap();
        let files: Vec<_> = scan.files.keys().map(|p| p.to_str().unwrap()).collect();
        assert_eq!(files, expected, "{bundle:?} {watch:?}");
        assert!(!scan.folders.iter().any(|f| f.ends_with(".git")));
    }

    #[test]
    fn sources_are_the_bundle_or_what_it_is_built_from() {
        check(Some("."), None, false, &["a.py", "dist/x.js", "src/x.ts"]);
        check(Some("dist"), None, false, &["x.js"]);
        check(Some("dist"), None, true, &["a.py", "src/x.ts"]);
        check(Some("./dist"), Some(&["src"]), true, &["src/x.ts"]);
        check(Some("dist/x.js"), None, false, &["x.js"]);
        check(None, None, false, &[]);
    }
}
