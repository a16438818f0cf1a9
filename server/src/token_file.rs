//! The file an admin's token is made into, in the server's data folder: only its owner can read it.
//!
//! Deliberately no other way to hand one out: what is printed ends in journals, terminals' histories and the logs of CI.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use gateless_common::io::{PRIVATE, replacement};

use crate::audit::{Draft, Log};
use crate::auth::{self, Auth, TokenInfo};
use crate::clock;
use crate::store::recorded::Changes;

const NAME: &str = "admin-token";

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token cannot be made.
    #[error(transparent)]
    Auth(#[from] auth::Error),
    /// The file cannot be written.
    #[error("writing {path}: {source}")]
    File {
        /// Where to.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

/// Where it is.
pub(crate) fn path(data: &Path) -> PathBuf {
    data.join(NAME)
}

/// An admin's token, and the file it is in.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken {
    /// Where it is.
    pub file: PathBuf,
    /// As it is sent.
    pub token: String,
}

impl AdminToken {
    /// The one in the server's data folder, if there is one.
    pub(crate) fn read(data: &Path) -> Option<Self> {
        let file = path(data);
        let text = fs::read_to_string(&file).ok()?;
        let token = text.trim().to_owned();
        Some(Self { file, token })
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminToken")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Makes a token into the file, as the audit log says then, replacing one that is there. `None`: none was to be made, and
/// the file is as it was.
///
/// # Errors
/// [`Error`]. A token that cannot be kept is taken back, as nobody has it.
pub(crate) async fn keep(
    data: &Path,
    (auth, log): (&Auth, &Log),
    action: &str,
    make: impl AsyncFnOnce() -> Result<Option<(String, TokenInfo)>, auth::Error>,
) -> Result<Option<AdminToken>, Error> {
    let path = path(data);
    let failed = |source| Error::File {
        path: path.clone(),
        source,
    };
    let mut file = replacement(&path, PRIVATE).map_err(failed)?;
    let changes = Changes::default();
    let Some((token, info)) = changes.of(make()).await? else {
        return Ok(None);
    };
    let made = Draft {
        action: action.to_owned(),
        changes: changes.take(),
        ..Draft::default()
    };
    if let Err(error) = log.append(made, clock::now()) {
        tracing::error!(%error, "a token is not in the audit log");
    }
    let written = writeln!(file, "{token}").and_then(|()| file.commit());
    if let Err(error) = written {
        auth.revoke(&info.id).await?;
        return Err(failed(error));
    }
    Ok(Some(AdminToken { file: path, token }))
}
