//! Which files stay out of a bundle, and which `gateless dev` watches: `.gitignore`'s patterns.
//!
//! What a pattern means is the `ignore` crate's to say, as git has it. Deliberately one list for the whole
//! bundle: no ignore files in its folders, and none of the folders above it.

use std::io;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// Never part of a bundle: history, caches, and what is read before packing.
const ALWAYS: &[&str] = &[
    ".git/",
    "/function.toml",
    ".gatelessignore",
    "/.gateless/",
    "__pycache__/",
    ".DS_Store",
];

/// Patterns of which the last that matches a path decides; paths are relative to where they are anchored.
fn patterns<'a>(lines: impl Iterator<Item = &'a str>) -> io::Result<Gitignore> {
    let mut builder = GitignoreBuilder::new("");
    for line in lines {
        let bad = |error: ignore::Error| {
            let reason = error.to_string();
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{line:?} is no pattern of files: {reason}"),
            )
        };
        builder.add_line(None, line).map_err(bad)?;
    }
    builder.build().map_err(io::Error::other)
}

/// What stays out of a bundle.
pub(super) struct Ignore(Gitignore);

impl Ignore {
    /// Blank lines and lines beginning with `#` are comments.
    ///
    /// # Errors
    /// Of a line that is no pattern, with the line.
    pub(super) fn new<'a>(lines: impl Iterator<Item = &'a str>) -> io::Result<Self> {
        patterns(ALWAYS.iter().copied().chain(lines)).map(Self)
    }

    /// Whether `path`, relative to the bundle's root, stays out. Nobody asks for what is in a folder that
    /// does.
    pub(super) fn matches(&self, path: &Path, is_folder: bool) -> bool {
        self.0.matched(path, is_folder).is_ignore()
    }
}

/// Paths given in `[build] watch`, anchored at the folder of `function.toml`.
///
/// Patterns as above; a folder means everything in it.
#[derive(Debug, Clone)]
pub(super) struct Only {
    named: Gitignore,
    /// The folders on the way to what is named.
    on_the_way: Gitignore,
}

impl Only {
    /// # Errors
    /// Of a pattern that is none.
    pub(super) fn new<'a>(lines: impl Iterator<Item = &'a str>) -> io::Result<Self> {
        let (mut named, mut on_the_way) = (Vec::new(), Vec::new());
        for line in lines {
            let mut path = String::new();
            for name in line.split('/').filter(|n| !n.is_empty() && *n != ".") {
                if !path.is_empty() {
                    on_the_way.push(path.clone());
                }
                path.push('/');
                path.push_str(name);
                if name == "**" {
                    on_the_way.push(path.clone());
                }
            }
            named.push(path);
        }
        Ok(Self {
            named: patterns(named.iter().map(String::as_str))?,
            on_the_way: patterns(on_the_way.iter().map(String::as_str))?,
        })
    }

    /// Whether the file or folder is named, or is in a folder that is.
    pub(super) fn contains(&self, path: &Path) -> bool {
        let named = |part: &Path| self.named.matched(part, true).is_ignore();
        path.ancestors().any(named)
    }

    /// Whether something below the folder may be named.
    pub(super) fn may_contain(&self, folder: &Path) -> bool {
        self.contains(folder) || self.on_the_way.matched(folder, true).is_ignore()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patterns: &[&str], path: &str, is_folder: bool, expected: bool) {
        let ignore = Ignore::new(patterns.iter().copied()).unwrap();
        assert_eq!(
            ignore.matches(Path::new(path), is_folder),
            expected,
            "{patterns:?} {path}"
        );
    }

    #[test]
    fn patterns_mean_what_gitignore_means_by_them() {
        check(&["*.md"], "docs/a.md", false, true);
        check(&["*.md"], "docs/a.mdx", false, false);
        check(&["/a.md"], "docs/a.md", false, false);
        check(&["/a.md"], "a.md", false, true);
        check(&["build/"], "x/build", true, true);
        check(&["build/"], "x/build", false, false);
        check(&["docs/*.md"], "docs/a.md", false, true);
        check(&["docs/**/x"], "docs/a/b/x", false, true);
        check(&["docs/**/x"], "docs/x", false, true);
        check(&["*.log", "!keep.log"], "keep.log", false, false);
        check(&["# *"], "a", false, false);
        check(&["a?c*e"], "abcde", false, true);
        check(&["a*b*c"], "a1b2c3", false, false);
        check(&["*.[oa]"], "lib/x.o", false, true);
        check(&["*.[oa]"], "lib/x.c", false, false);
        check(&["\\#x"], "#x", false, true);
        let Err(error) = Ignore::new(["x{a"].into_iter()) else {
            panic!("an open brace is no pattern");
        };
        assert!(error.to_string().contains("\"x{a\""), "{error}");
    }

    #[test]
    fn watched_paths_are_anchored_and_folders_mean_what_is_in_them() {
        let only = Only::new(
            [
                "src",
                "*.go",
                "web/*/index.html",
                "./Cargo.toml",
                "deep/**/x",
            ]
            .into_iter(),
        );
        let only = only.unwrap();
        for (path, contains, may_contain) in [
            ("src", true, true),
            ("src/a/b.rs", true, true),
            ("x/src/b.rs", false, false),
            ("main.go", true, true),
            ("x/main.go", false, false),
            ("Cargo.toml", true, true),
            ("web", false, true),
            ("web/a", false, true),
            ("web/a/index.html", true, true),
            ("deep/a/b", false, true),
            ("deep/a/b/x", true, true),
            ("target", false, false),
        ] {
            let path = Path::new(path);
            let found = (only.contains(path), only.may_contain(path));
            assert_eq!(found, (contains, may_contain), "{path:?}");
        }
    }

    #[test]
    fn history_caches_and_the_manifest_always_stay_out() {
        check(&[], ".git", true, true);
        check(&[], "lib/__pycache__", true, true);
        check(&[], "function.toml", false, true);
        check(&[], "lib/function.toml", false, false);
        check(&[], "main.py", false, false);
    }
}
