//! What the catalogue's secrets are sealed by: where its keys come from, when sealing begins, and how the keys change.
//!
//! A new catalogue is sealed from its first write. One that the version before made stays plain for a while, which that
//! version can go back to, and is written anew after it (`docs/adr/0019`). What is sealed is said here ([`scope`]); how, the
//! store knows.

mod error;
mod offline;
mod open;
mod source;
mod standing;

use std::sync::Arc;
use std::time::Duration;

use gateless_common::backoff::{Backoff, Reconnect};
use gateless_common::time::UnixMillis;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use self::error::Error;
pub use self::offline::{Rewritten, seal, unseal};
pub use self::open::{Opened, open};
pub use self::source::{COMMAND_WITHIN, MAX_TEXT_BYTES, Source};
pub use self::standing::PLAIN_FOR;
use crate::store::Store;
use crate::store::sealed::{Keyring, Vault, Wrapped};

/// The scope of what belongs to no namespace: a namespace is a DNS label.
const CLUSTER: &str = "*";
/// Between two tries to wrap data keys anew while the store fails.
const AGAIN: Backoff = Backoff {
    base: Duration::from_secs(1),
    max: Duration::from_secs(60),
};

/// Whose data key seals the value of a key of the catalogue; `None`: it is no secret.
pub fn scope(key: &str) -> Option<&str> {
    match key {
        // What tokens are signed by, and what gossip is sealed by.
        "auth/keys" | "identity/trust" => Some(CLUSTER),
        _ => key.strip_prefix("secrets/")?.split('/').next(),
    }
}

/// How secrets are sealed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Where the keys come from.
    pub source: String,
    /// When a start seals what is plain; `None`: all of it is sealed.
    pub seals_at: Option<UnixMillis>,
    /// The keys there are, and how many data keys each wraps; the one that wraps first.
    pub keys: Vec<Wrapped>,
}

impl State {
    /// Whether every data key is wrapped by the current key.
    pub fn settled(&self) -> bool {
        self.keys.iter().skip(1).all(|key| key.data_keys == 0)
    }
}

/// The keys of a server that runs.
pub struct SecretsKey {
    source: Source,
    vault: Arc<Vault>,
    below: Arc<dyn Store>,
    seals_at: Option<UnixMillis>,
    /// Held while the keys are changed.
    changing: tokio::sync::Mutex<()>,
    /// Wakes the task that wraps data keys anew.
    rotated: Notify,
}

impl SecretsKey {
    /// Over the store that has what is sealed.
    pub fn new(
        source: Source,
        vault: Arc<Vault>,
        below: Arc<dyn Store>,
        seals_at: Option<UnixMillis>,
    ) -> Self {
        Self {
            source,
            vault,
            below,
            seals_at,
            changing: tokio::sync::Mutex::default(),
            rotated: Notify::new(),
        }
    }

    /// How secrets are sealed now.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn state(&self) -> Result<State, Error> {
        Ok(State {
            source: self.source.to_string(),
            seals_at: self.seals_at,
            keys: self.vault.wrapped().await?,
        })
    }

    /// Another key wraps the data keys from now on: a new one where the server keeps the file, else the one that stands
    /// first at the source by now. Those there were stay until [`SecretsKey::retire`]; data keys are wrapped anew in the
    /// background.
    ///
    /// # Errors
    /// [`Error::State`] when there is no other key or there are too many, and those of the source.
    pub async fn rotate(&self) -> Result<State, Error> {
        let _alone = self.changing.lock().await;
        let before = self.vault.keyring();
        let keyring = match self.source.own() {
            Some(file) => {
                let rotated = before.rotated().ok_or_else(|| {
                    Error::state(
                        "there are as many keys as there may be: retire those before first",
                    )
                })?;
                // Durable before anything is wrapped by it.
                source::write(file, &rotated)?;
                rotated
            }
            None => self.read().await?,
        };
        if keyring.current().id() == before.current().id() {
            return Err(Error::State(format!(
                "{} still has key {} first: put a new key in the line before it, and rotate again",
                self.source,
                before.current().id()
            )));
        }
        tracing::warn!(
            key = keyring.current().id(),
            "another key seals the catalogue's secrets"
        );
        self.vault.use_keyring(keyring);
        self.rotated.notify_one();
        self.state().await
    }

    /// The keys before the current one are used no more, once nothing needs them: no data key, and not the store's own
    /// newest export. Exports that somebody keeps elsewhere need the key they were made with.
    ///
    /// # Errors
    /// [`Error::State`] while a data key needs one, [`Error::Store`], and those of the source.
    pub async fn retire(&self) -> Result<State, Error> {
        let _alone = self.changing.lock().await;
        let state = self.state().await?;
        if !state.settled() {
            return Err(Error::state(
                "data keys are still wrapped by the keys before: they are being wrapped anew, try again",
            ));
        }
        self.below.back_up().await?;
        let keyring = match self.source.own() {
            Some(file) => {
                let retired = self.vault.keyring().retired();
                source::write(file, &retired)?;
                retired
            }
            None => self.read().await?,
        };
        self.vault.use_keyring(keyring);
        self.state().await
    }

    /// What stands at the source, if it has every key that is needed.
    async fn read(&self) -> Result<Keyring, Error> {
        let keyring = self.source.read().await?;
        let needed = self.vault.wrapped().await?.into_iter();
        let needed = needed.filter(|key| key.data_keys > 0).map(|key| key.id);
        error::check(&self.source, &keyring, needed)?;
        Ok(keyring)
    }

    /// Wraps data keys anew whenever the key changed, and what an earlier run left. Runs until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut retry = Reconnect::new(AGAIN);
        loop {
            let done = self.vault.wrap_anew().await;
            match done {
                Ok(0) => retry = Reconnect::new(AGAIN),
                Ok(data_keys) => {
                    let key = self.vault.keyring().current().id().to_owned();
                    tracing::info!(key, data_keys, "data keys are wrapped by the current key");
                }
                Err(ref error) => tracing::error!(%error, "data keys cannot be wrapped anew"),
            }
            let wait = async {
                match done {
                    Ok(_) => self.rotated.notified().await,
                    Err(_) => tokio::time::sleep(retry.failed(rand::random())).await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = wait => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_sealed_under_its_namespace() {
        assert_eq!(scope("secrets/shop/db"), Some("shop"));
        assert_eq!(scope("auth/keys"), Some(CLUSTER));
        assert_eq!(scope("identity/trust"), Some(CLUSTER));
        for plain in [
            "functions/shop/db",
            "auth/tokens/x",
            "sealing/keys/shop",
            "secretsx",
        ] {
            assert_eq!(scope(plain), None, "{plain}");
        }
    }
}
