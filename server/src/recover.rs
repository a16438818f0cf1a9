//! A way back in for whoever has the server's data folder: an admin token, made while no server runs on it.
//!
//! Only from the machine itself: nothing of it is reachable over the network. The token goes into a file that only
//! its owner can read, never to where it could end in a journal.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateless_common::io::{PRIVATE, replacement};
use jiff::Timestamp;

use crate::auth::{self, Auth};
use crate::store::sled::Options;
use crate::store::{self, SledStore, Store};

/// In the server's data folder.
const TOKEN_FILE: &str = "admin-token";

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No server ever ran on that folder.
    #[error("there is no catalogue in {0}")]
    NoCatalogue(PathBuf),
    /// The catalogue does not open; a server that runs has it open.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The token cannot be made.
    #[error(transparent)]
    Auth(#[from] auth::Error),
    /// The token cannot be written; none was made then.
    #[error("writing {path}: {source}")]
    File {
        /// Where to.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

/// Makes an admin token and answers with the file it is in, replacing one that is there.
///
/// # Errors
/// [`Error`].
pub async fn recover(data: &Path) -> Result<PathBuf, Error> {
    let catalogue = data.join("catalogue");
    if !catalogue.is_dir() {
        return Err(Error::NoCatalogue(data.to_owned()));
    }
    let store = Arc::new(SledStore::open(catalogue, Options::default()).await?);
    let made = make(data, store.clone()).await;
    let closed = store.close().await;
    let path = made?;
    closed?;
    Ok(path)
}

async fn make(data: &Path, store: Arc<dyn Store>) -> Result<PathBuf, Error> {
    let path = data.join(TOKEN_FILE);
    let failed = |source| Error::File {
        path: path.clone(),
        source,
    };
    let auth = Auth::open(store).await?;
    // Opened before the token is made: one that cannot be kept is not.
    let mut file = replacement(&path, PRIVATE).map_err(failed)?;
    let token = auth.recover(Timestamp::now()).await?;
    writeln!(file, "{token}")
        .and_then(|()| file.commit())
        .map_err(failed)?;
    Ok(path)
}
