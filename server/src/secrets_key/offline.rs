//! A catalogue sealed, or made plain again, while no server runs on it: for who does not want to wait, and for who goes back
//! to the version before.

use std::path::Path;

use gateless_common::io::unix_now;

use super::open::folder;
use super::standing::Standing;
use super::{Error, Source, error, scope};
use crate::store::sealed::{Keyring, seal_all, unseal_all, wrapping_keys};
use crate::store::sled::Options;
use crate::store::{SledStore, Store};

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// Where the keys come from.
    pub source: String,
    /// The key that wraps, or wrapped.
    pub key: String,
}

/// Seals all secrets of a catalogue that no server has open.
///
/// # Errors
/// [`Error`]; the catalogue is as it was then.
pub async fn seal(data: &Path, source: &Source) -> Result<Rewritten, Error> {
    let keyring = keys(data, source).await?;
    let done = done(source, &keyring);
    rewrite(data, keyring).await?;
    Standing::SEALED.save(data)?;
    Ok(done)
}

/// Makes all secrets of a catalogue that no server has open plain, as the version before reads them. A start of this version
/// after a week seals them again.
///
/// # Errors
/// [`Error`]; the catalogue is as it was then.
pub async fn unseal(data: &Path, source: &Source) -> Result<Rewritten, Error> {
    let keyring = keys(data, source).await?;
    let done = done(source, &keyring);
    let change = move |entries, _| unseal_all(entries, &keyring, scope);
    SledStore::rewrite(folder(data), Options::default(), change).await?;
    Standing::plain(unix_now()).save(data)?;
    Ok(done)
}

/// Seals what is plain.
pub(super) async fn rewrite(data: &Path, keyring: Keyring) -> Result<(), Error> {
    let change = move |entries, revision| seal_all(entries, revision, &keyring, scope);
    SledStore::rewrite(folder(data), Options::default(), change).await?;
    Ok(())
}

async fn keys(data: &Path, source: &Source) -> Result<Keyring, Error> {
    let catalogue = folder(data);
    if !catalogue.is_dir() {
        let folder = data.display();
        return Err(Error::State(format!("there is no catalogue in {folder}")));
    }
    let store = SledStore::open(catalogue, Options::default()).await?;
    let needed = wrapping_keys(&store).await;
    store.close().await?;
    let needed = needed?;
    let keyring = source.open(needed.iter().cloned().collect()).await?;
    error::check(source, &keyring, needed)?;
    Ok(keyring)
}

fn done(source: &Source, keyring: &Keyring) -> Rewritten {
    Rewritten {
        source: source.to_string(),
        key: keyring.current().id().to_owned(),
    }
}
