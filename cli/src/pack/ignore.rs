//! Which files stay out of a bundle: `.gitignore`'s common half.
//!
//! `*` and `?` match within a name, `**` across folders; a pattern with a slash in it is
//! anchored at the bundle's root, one without matches at any depth; `dir/` only folders;
//! `!pattern` takes back. Deliberately no character classes and no nested ignore files.

use std::path::Path;

/// Never part of a bundle: history, caches, and what is read before packing.
const ALWAYS: &[&str] = &[
    ".git/",
    "/function.toml",
    ".gatelessignore",
    "/.gateless/",
    "__pycache__/",
    ".DS_Store",
];

/// An ordered list of patterns; the last that matches decides.
pub(super) struct Ignore(Vec<Pattern>);

struct Pattern {
    parts: Vec<String>,
    folders_only: bool,
    take_back: bool,
}

impl Ignore {
    /// Blank lines and lines beginning with `#` are comments.
    pub(super) fn new<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let lines = ALWAYS.iter().copied().chain(lines);
        Self(lines.filter_map(Pattern::parse).collect())
    }

    /// Whether `path`, relative to the bundle's root, stays out.
    pub(super) fn matches(&self, path: &Path, is_folder: bool) -> bool {
        let names: Vec<String> = path
            .components()
            .map(|c| c.as_os_str().to_string_lossy().into_owned())
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let last = self.0.iter().rev().find(|pattern| {
            (is_folder || !pattern.folders_only) && match_path(&pattern.parts, &names)
        });
        last.is_some_and(|pattern| !pattern.take_back)
    }
}

impl Pattern {
    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (line, take_back) = line.strip_prefix('!').map_or((line, false), |l| (l, true));
        let (line, folders_only) = line.strip_suffix('/').map_or((line, false), |l| (l, true));
        let anchored = line.contains('/');
        let mut parts: Vec<String> = line
            .split('/')
            .filter(|part| !part.is_empty())
            .map(ToOwned::to_owned)
            .collect();
        if !anchored {
            parts.insert(0, "**".into());
        }
        Some(Self {
            parts,
            folders_only,
            take_back,
        })
    }
}

/// Paths given in `[build] watch`, anchored at the folder of `function.toml`.
///
/// Patterns as above; a folder means everything in it.
#[derive(Debug, Clone)]
pub(super) struct Only(Vec<Vec<String>>);

impl Only {
    pub(super) fn new<'a>(patterns: impl Iterator<Item = &'a str>) -> Self {
        let parts = |pattern: &str| -> Vec<String> {
            let names = pattern.split('/').filter(|n| !n.is_empty() && *n != ".");
            names.map(ToOwned::to_owned).collect()
        };
        Self(patterns.map(parts).collect())
    }

    /// Whether the file or folder is named, or is in a folder that is.
    pub(super) fn contains(&self, path: &Path) -> bool {
        let names = names(path);
        (0..=names.len()).any(|n| {
            self.0
                .iter()
                .any(|pattern| match_path(pattern, &names[..n]))
        })
    }

    /// Whether something below the folder may be named.
    pub(super) fn may_contain(&self, folder: &Path) -> bool {
        let names = names(folder);
        let leads_there = |pattern: &Vec<String>| {
            pattern.len() > names.len() && match_path(&pattern[..names.len()], &names)
        };
        let deep = |pattern: &Vec<String>| pattern.iter().any(|part| part == "**");
        self.contains(folder) || self.0.iter().any(|p| deep(p) || leads_there(p))
    }
}

fn names(path: &Path) -> Vec<&str> {
    path.components()
        .filter_map(|c| c.as_os_str().to_str())
        .collect()
}

fn match_path(pattern: &[String], names: &[&str]) -> bool {
    match pattern.split_first() {
        None => names.is_empty(),
        Some((first, rest)) if first == "**" => {
            (0..=names.len()).any(|skip| match_path(rest, &names[skip..]))
        }
        Some((first, rest)) => names.split_first().is_some_and(|(name, names)| {
            match_name(first.as_bytes(), name.as_bytes()) && match_path(rest, names)
        }),
    }
}

/// `*` and `?` within one name, by backtracking to the last star only.
fn match_name(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, n));
            p += 1;
        } else if pattern.get(p).is_some_and(|&c| c == b'?' || c == name[n]) {
            p += 1;
            n += 1;
        } else if let Some((after, from)) = star {
            p = after;
            n = from + 1;
            star = Some((after, n));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patterns: &[&str], path: &str, is_folder: bool, expected: bool) {
        let ignore = Ignore::new(patterns.iter().copied());
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
    }

    #[test]
    fn watched_paths_are_anchored_and_folders_mean_what_is_in_them() {
        let only = Only::new(["src", "*.go", "web/*/index.html", "./Cargo.toml"].into_iter());
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
