//! Which folders isolated functions see because `PATH` names them.
//!
//! Interpreters are often installed in people's home folders, of which functions see nothing: what is on the sidecar's own `PATH` is
//! there to be run. Decides only; what is a folder comes in as a function.

use std::path::{Path, PathBuf};

/// Of the folders of `PATH`: each of them, and where it is `PREFIX/bin` of an installation with a `PREFIX/lib`, or a version manager's
/// `PREFIX/shims`, all of the prefix. Never one that something hidden is in, and no home folder as a whole.
pub(super) fn folders(
    path: impl Iterator<Item = PathBuf>,
    hidden: &[PathBuf],
    is_folder: impl Fn(&Path) -> bool,
) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in path.filter(|folder| folder.is_absolute() && is_folder(folder)) {
        let shown = prefix(&folder, &is_folder).unwrap_or(&folder);
        let shown = [shown, &folder]
            .into_iter()
            .find(|shown| !hidden.iter().any(|hidden| touches(shown, hidden)));
        if let Some(shown) = shown
            && !found.iter().any(|found| shown.starts_with(found))
        {
            found.push(shown.to_owned());
        }
    }
    found
}

/// The installation that a folder of programs belongs to.
fn prefix<'a>(folder: &'a Path, is_folder: &impl Fn(&Path) -> bool) -> Option<&'a Path> {
    let prefix = folder.parent()?;
    // The system's own are seen anyway; what is right below a home folder is a person's.
    let is_installation = match folder.file_name()?.to_str()? {
        "bin" => is_folder(&prefix.join("lib")),
        "shims" => true,
        _ => false,
    };
    let is_home = prefix == Path::new("/root")
        || prefix.parent() == Some(Path::new("/home"))
        || prefix.file_name().is_some_and(|name| name == ".local");
    (is_installation && !is_home && prefix.parent().is_some()).then_some(prefix)
}

/// Whether showing the one would show the other, or what is in it.
fn touches(shown: &Path, hidden: &Path) -> bool {
    hidden.starts_with(shown) || shown.starts_with(hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDERS: [&str; 9] = [
        "/usr/bin",
        "/usr/lib",
        "/home/me/bin",
        "/home/me/lib",
        "/home/me/.local/bin",
        "/home/me/.local/lib",
        "/home/me/.pyenv/shims",
        "/home/me/.nvm/v20/bin",
        "/home/me/.nvm/v20/lib",
    ];

    fn check(path: &[&str], hidden: &[&str], expected: &[&str]) {
        let hidden: Vec<PathBuf> = hidden.iter().map(PathBuf::from).collect();
        let is_folder = |folder: &Path| FOLDERS.iter().any(|known| Path::new(known) == folder);
        let found = folders(path.iter().map(PathBuf::from), &hidden, is_folder);
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        assert_eq!(found, expected, "{path:?} with {hidden:?} hidden");
    }

    #[test]
    fn an_installation_is_seen_as_a_whole() {
        check(&["/home/me/.nvm/v20/bin"], &[], &["/home/me/.nvm/v20"]);
        check(&["/home/me/.pyenv/shims"], &[], &["/home/me/.pyenv"]);
        check(&["/usr/bin", "/usr/bin"], &[], &["/usr"]);
    }

    #[test]
    fn of_what_is_a_persons_only_the_programs_are_seen() {
        check(
            &["/home/me/bin", "/home/me/.local/bin"],
            &[],
            &["/home/me/bin", "/home/me/.local/bin"],
        );
    }

    #[test]
    fn nothing_hidden_comes_to_light() {
        let hidden = ["/home/me/.pyenv/data"];
        check(
            &["/home/me/.pyenv/shims"],
            &hidden,
            &["/home/me/.pyenv/shims"],
        );
        check(
            &["/home/me/.pyenv/shims"],
            &["/home/me/.pyenv/shims/x"],
            &[],
        );
        check(&["/home/me/.pyenv/shims"], &["/home/me"], &[]);
    }

    #[test]
    fn what_is_no_folder_or_depends_on_where_one_is_is_passed_over() {
        check(&["", ".", "bin", "/nowhere/bin"], &[], &[]);
    }
}
