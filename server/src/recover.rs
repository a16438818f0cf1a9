//! A way back in for whoever has the server's data folder: an admin token, made while no server runs on it.
//!
//! Only from the machine itself: nothing of it is reachable over the network.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::audit::Log;
use crate::auth::Auth;
use crate::clock;
use crate::secrets_key::{self, Opened, Source};
use crate::store::recorded::Recorded;
use crate::store::{self, Store};
use crate::token_file;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No server ever ran on that folder.
    #[error("there is no catalogue in {0}")]
    NoCatalogue(PathBuf),
    /// The catalogue does not open; a server that runs has it open.
    #[error(transparent)]
    Catalogue(#[from] secrets_key::Error),
    /// The catalogue failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The token cannot be made or written.
    #[error(transparent)]
    Token(#[from] token_file::Error),
}

/// Makes an admin token and answers with the file it is in, replacing one that is there.
///
/// # Errors
/// [`Error`].
pub async fn recover(data: &Path, source: &Source) -> Result<PathBuf, Error> {
    let catalogue = data.join("catalogue");
    if !catalogue.is_dir() {
        return Err(Error::NoCatalogue(data.to_owned()));
    }
    let Opened { engine, store, .. } = secrets_key::open(data, source).await?;
    let made = make(data, store).await;
    let closed = engine.close().await;
    let path = made?;
    closed?;
    Ok(path)
}

async fn make(data: &Path, store: Arc<dyn Store>) -> Result<PathBuf, token_file::Error> {
    let log = Log::open(data.join("audit")).map_err(|source| token_file::Error::File {
        path: data.join("audit"),
        source,
    })?;
    let auth = Auth::open(Arc::new(Recorded::new(store))).await?;
    let made = token_file::keep(data, (&auth, &log), "gateless server recover", async || {
        auth.recover(clock::now()).await.map(Some)
    });
    let kept = made.await?;
    Ok(kept.map_or_else(|| token_file::path(data), |kept| kept.file))
}
