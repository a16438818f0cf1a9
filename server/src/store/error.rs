//! What can go wrong in the store. Each message names the thing, the cause and the way out; no HTTP here.

use std::io;
use std::path::PathBuf;

use super::Revision;

/// An operation of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key was not as expected; nothing was written.
    #[error(
        "{key} is not as the write expected (it is at revision {actual:?}); read it again and retry"
    )]
    Conflict {
        /// The first key that was not.
        key: String,
        /// Its revision now; `None` if it does not exist.
        actual: Option<Revision>,
    },
    /// The change log does not reach back that far.
    #[error("changes up to revision {compacted} are compacted; list again and watch from there")]
    Compacted {
        /// The oldest revision a watch can start after.
        compacted: Revision,
    },
    /// The request can never work.
    #[error("invalid store request: {reason}")]
    Invalid {
        /// Which bound or rule it breaks.
        reason: String,
    },
    /// Writes are refused since an earlier one failed. The outcome of this one is unknown.
    #[error("the catalogue is read-only: {reason}")]
    ReadOnly {
        /// Why, and what to do.
        reason: String,
    },
    /// The disk is too full to accept a write or an artifact; it works again once there is room.
    #[error(
        "{path} has {available_bytes} bytes free and {needed_bytes} are needed; free some space, then retry"
    )]
    NoSpace {
        /// A folder on the full file system.
        path: PathBuf,
        /// What is left.
        available_bytes: u64,
        /// What must be left.
        needed_bytes: u64,
    },
    /// The store was closed.
    #[error("the catalogue is closed: the server is shutting down")]
    Closed,
    /// Import needs a store without history.
    #[error(
        "the catalogue is at revision {revision}; import needs an empty one (start with another data folder)"
    )]
    NotEmpty {
        /// Its revision.
        revision: Revision,
    },
    /// An export is torn, altered, or no export at all.
    #[error("the export is not usable: {reason}")]
    Export {
        /// What is wrong and in which line.
        reason: String,
    },
    /// Another version of the program wrote it.
    #[error(
        "{what} has format {found} and this version reads format {reads}; {}",
        if found > reads { "use the newer version that wrote it" } else { "no later version reads it" }
    )]
    Format {
        /// The store's folder, or an export.
        what: String,
        /// The format it has.
        found: u32,
        /// The format this version reads and writes.
        reads: u32,
    },
    /// Another process has the store open.
    #[error("{path} is in use by another process; stop it, or use another data folder")]
    Locked {
        /// The store's folder.
        path: PathBuf,
    },
    /// The store does not open and there is no valid export to restore it from.
    #[error(
        "the catalogue in {path} does not open ({reason}) and there is no valid export in {exports}; \
         put a valid export there, or move both away to start with an empty catalogue"
    )]
    Unrecoverable {
        /// The store's folder.
        path: PathBuf,
        /// Where exports are looked for.
        exports: PathBuf,
        /// What failed.
        reason: String,
    },
    /// Something sealed does not open, or cannot be sealed.
    #[error("{what} cannot be opened: {reason}")]
    Sealed {
        /// A key of the store, or whose data key.
        what: String,
        /// Why; nothing of the content is in it.
        reason: String,
    },
    /// The operating system refused a file operation.
    #[error("{what}: {source}")]
    Io {
        /// The operation and the file.
        what: String,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: an I/O error with what was attempted.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// The same failure for the next write of a group that failed as a whole.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::NoSpace {
                path,
                available_bytes,
                needed_bytes,
            } => Self::NoSpace {
                path: path.clone(),
                available_bytes: *available_bytes,
                needed_bytes: *needed_bytes,
            },
            Self::ReadOnly { reason } => Self::ReadOnly {
                reason: reason.clone(),
            },
            other => Self::ReadOnly {
                reason: other.to_string(),
            },
        }
    }
}
