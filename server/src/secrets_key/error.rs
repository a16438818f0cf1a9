//! Why the catalogue's secrets cannot be sealed or opened: which key is missing, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::Source;
use crate::store;
use crate::store::sealed::{Keyring, Malformed};

/// Why the catalogue's secrets cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file that the server made is gone, and something is sealed by what was in it.
    #[error(
        "the catalogue's secrets are sealed by key {}, which was in {}, and that file is not there: put it back, or name \
         another place with --secrets-key-file or --secrets-key-command; nothing was changed",
        needed.join(", "), path.display()
    )]
    Gone {
        /// Where it was.
        path: PathBuf,
        /// The ids of the keys.
        needed: Vec<String>,
    },
    /// There are keys, and not the one that is needed.
    #[error(
        "the catalogue's secrets are sealed by key {}, and {from} has {}: add the line with that key; nothing was changed",
        needed.join(", "), found.join(", ")
    )]
    Wrong {
        /// Where the keys come from.
        from: String,
        /// The ids of those that are needed and not there.
        needed: Vec<String>,
        /// The ids of those that are there.
        found: Vec<String>,
    },
    /// What is there cannot be read as keys.
    #[error("{from}: {source}")]
    Malformed {
        /// Where the keys come from.
        from: String,
        /// What is wrong.
        source: Malformed,
    },
    /// The command brought no keys.
    #[error("{from} {reason}")]
    Command {
        /// Which.
        from: String,
        /// What became of it.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be done now.
    #[error("{0}")]
    State(String),
    /// The catalogue failed, or something in it does not open.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    pub(super) fn state(why: &str) -> Self {
        Self::State(why.to_owned())
    }

    pub(super) fn file(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

/// Whether every key that is needed is there.
pub(super) fn check(
    from: &Source,
    keyring: &Keyring,
    needed: impl IntoIterator<Item = String>,
) -> Result<(), Error> {
    let missing = needed.into_iter().filter(|id| keyring.find(id).is_none());
    let missing: Vec<String> = missing.collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Wrong {
        from: from.to_string(),
        needed: missing,
        found: keyring.ids().map(str::to_owned).collect(),
    })
}
