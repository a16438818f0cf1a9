//! A server's catalogue opened with its keys, and sealed first where that is due. It starts nothing half: without every key
//! that is needed there is no store.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateless_common::io::unix_now;

use super::standing::{Found, Standing, Step};
use super::{Error, SecretsKey, Source, error, offline, scope};
use crate::store::sealed::{Keyring, Sealed, Vault, is_sealed, wrapping_keys};
use crate::store::sled::{Options, Restored};
use crate::store::{SledStore, Store, list};

/// A server's store, opened.
pub struct Opened {
    /// The engine.
    pub engine: Arc<SledStore>,
    /// What everybody uses: the same, with its secrets in the clear.
    pub store: Arc<dyn Store>,
    /// The keys.
    pub keys: Arc<SecretsKey>,
    /// Set when the store was broken and restored from an export.
    pub restored: Option<Restored>,
}

pub(super) fn folder(data: &Path) -> PathBuf {
    data.join("catalogue")
}

/// Opens the catalogue of a data folder.
///
/// # Errors
/// [`Error`]; it names the key that is missing. Nothing was changed then.
pub async fn open(data: &Path, source: &Source) -> Result<Opened, Error> {
    let mut engine = SledStore::open(folder(data), Options::default()).await?;
    let restored = engine.restored().cloned();
    let (step, keyring) = match look(data, source, &engine).await {
        Ok(looked) => looked,
        Err(error) => return Err(close(&engine, error).await),
    };
    if step == Step::Rewrite {
        engine.close().await?;
        drop(engine);
        tracing::warn!("the catalogue's secrets are being sealed");
        offline::rewrite(data, keyring.clone()).await?;
        engine = SledStore::open(folder(data), Options::default()).await?;
    }
    let engine = Arc::new(engine);
    match over(data, source, Arc::clone(&engine), step, keyring).await {
        Ok((store, keys)) => Ok(Opened {
            engine,
            store,
            keys,
            restored,
        }),
        Err(error) => Err(close(&engine, error).await),
    }
}

/// Else the folder would stay locked in a process that goes on.
async fn close(engine: &SledStore, error: Error) -> Error {
    drop(engine.close().await);
    error
}

/// What is to be done, and the keys to do it with.
async fn look(data: &Path, source: &Source, store: &dyn Store) -> Result<(Step, Keyring), Error> {
    let needed: BTreeSet<String> = wrapping_keys(store).await?;
    let entries = list(store, "").await?.entries;
    let mut secret = entries.iter().filter(|entry| scope(&entry.key).is_some());
    let found = Found {
        is_new: store.revision().await? == 0,
        data_keys: !needed.is_empty(),
        plain: secret.any(|entry| !is_sealed(&entry.value)),
    };
    let step = Standing::load(data)?.decide(found, unix_now());
    let keyring = source.open(needed.iter().cloned().collect()).await?;
    error::check(source, &keyring, needed)?;
    Ok((step, keyring))
}

type Parts = (Arc<dyn Store>, Arc<SecretsKey>);

async fn over(
    data: &Path,
    source: &Source,
    engine: Arc<SledStore>,
    step: Step,
    keyring: Keyring,
) -> Result<Parts, Error> {
    let seals_at = match step {
        Step::Sealed | Step::Rewrite => {
            Standing::SEALED.save(data)?;
            None
        }
        Step::Plain { since, until } => {
            Standing::plain(since).save(data)?;
            tracing::warn!(
                "the catalogue's secrets lie in plain text, as the version before reads them: a start after a week seals \
                 them, gateless server secrets-key seal does now"
            );
            Some(until)
        }
    };
    let below: Arc<dyn Store> = engine;
    let vault = Vault::open(Arc::clone(&below), keyring).await?;
    let seals = seals_at.is_none();
    let sealed = Sealed::new(Arc::clone(&below), Arc::clone(&vault), scope, seals);
    let keys = SecretsKey::new(source.clone(), vault, below, seals_at);
    Ok((Arc::new(sealed), Arc::new(keys)))
}
