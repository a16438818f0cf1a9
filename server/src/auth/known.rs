//! What is known of tokens, sessions and keys: a copy of the catalogue's, kept by following it and by nothing else.
//!
//! So it does not matter which server on the store issued a token or revoked it. Whoever changes something waits
//! until it is known here, too. While a store cannot be followed, what is known stays in force.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::sync::watch;

use super::keys::Ring;
use super::sessions::{self, NOTED_EVERY, Record, Session};
use super::token::Principal;
use super::{Error, KEYS, SESSIONS, TOKENS, TokenInfo};
use crate::clock;
use crate::store::{Entry, Event, Revision, Store, Update};

/// A copy of what is under [`super::PREFIX`].
pub(super) struct Known {
    /// A lock, as the follower changes it while requests are checked; never across `.await`.
    inner: RwLock<Inner>,
    progress: watch::Sender<Progress>,
}

#[derive(Default)]
struct Inner {
    live: HashMap<String, Arc<TokenInfo>>,
    /// By the hash of their ids.
    sessions: HashMap<String, Arc<Session>>,
    ring: Option<Arc<Ring>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    revision: Revision,
    /// Nothing more will be learnt: the store is closed.
    ended: bool,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            inner: RwLock::default(),
            progress: watch::Sender::new(Progress::default()),
        }
    }
}

impl Known {
    /// Takes in what the follower learnt, then wakes whoever waits for it.
    pub(super) fn apply(&self, update: Update) {
        let revision = match update {
            Update::Reset(listing) => {
                let mut fresh = Inner::default();
                for entry in listing.entries {
                    fresh.put(&entry);
                }
                *self.inner.write() = fresh;
                listing.revision
            }
            Update::Changed(batch) => {
                let mut inner = self.inner.write();
                for event in &batch.events {
                    match event {
                        Event::Put(entry) => inner.put(entry),
                        Event::Delete { key, .. } => inner.delete(key),
                    }
                }
                batch.revision
            }
        };
        self.progress
            .send_modify(|progress| progress.revision = revision);
    }

    /// The store is closed.
    pub(super) fn end(&self) {
        self.progress.send_modify(|progress| progress.ended = true);
    }

    /// Waits until a change of a token or the keys is known.
    pub(super) async fn reached(&self, revision: Revision) -> Result<(), Error> {
        let mut progress = self.progress.subscribe();
        let there = |progress: &Progress| progress.ended || progress.revision >= revision;
        match progress.wait_for(there).await {
            Ok(progress) if progress.revision >= revision => Ok(()),
            _ => Err(Error::Store(crate::store::Error::Closed)),
        }
    }

    pub(super) fn ring(&self) -> Result<Arc<Ring>, Error> {
        let ring = self.inner.read().ring.clone();
        ring.ok_or(Error::NoKeys)
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<TokenInfo>> {
        self.inner.read().live.get(id).cloned()
    }

    pub(super) fn tokens(&self) -> Vec<Arc<TokenInfo>> {
        self.inner.read().live.values().cloned().collect()
    }

    pub(super) fn session(&self, hash: &str) -> Option<Arc<Session>> {
        self.inner.read().sessions.get(hash).cloned()
    }

    pub(super) fn sessions(&self) -> Vec<Arc<Session>> {
        self.inner.read().sessions.values().cloned().collect()
    }

    /// Why a session or token that was once checked is no longer good.
    pub(super) fn standing(&self, principal: &Principal, now: Timestamp) -> Result<(), Error> {
        self.token_standing(&principal.token, now)?;
        let Some(session) = &principal.session else {
            return Ok(());
        };
        match self.session(&session.hash) {
            // The one that is known, as it may have been noted anew.
            Some(session) if !session.is_over(now) => Ok(()),
            _ => Err(Error::SessionEnded),
        }
    }

    /// Why a token that was once checked is no longer good.
    pub(super) fn token_standing(&self, token: &TokenInfo, now: Timestamp) -> Result<(), Error> {
        if token.expires_at <= now {
            return Err(Error::Expired);
        }
        let inner = self.inner.read();
        if !inner.live.contains_key(&token.id) {
            return Err(Error::Revoked);
        }
        let ring = inner.ring.as_ref();
        match ring.is_some_and(|ring| ring.find(&token.key_id).is_some()) {
            true => Ok(()),
            false => Err(Error::ROTATED),
        }
    }

    /// Comes true when a token or session is no longer good, and says why. As long as somebody waits for that, the
    /// session is used.
    pub(super) fn ended(
        self: &Arc<Self>,
        principal: Principal,
        store: Arc<dyn Store>,
    ) -> impl Future<Output = Error> + Send + use<> {
        let known = Arc::clone(self);
        async move {
            let mut progress = known.progress.subscribe();
            let left = principal.expires_at().duration_since(clock::now());
            let left = Duration::try_from(left).unwrap_or_default();
            let mut expiry = std::pin::pin!(tokio::time::sleep(left));
            let mut in_use = tokio::time::interval(NOTED_EVERY);
            loop {
                // Mark what is known as seen first: what comes after it wakes `changed` below.
                progress.borrow_and_update();
                if let Err(error) = known.standing(&principal, clock::now()) {
                    return error;
                }
                tokio::select! {
                    changed = progress.changed() => if changed.is_err() {
                        return Error::Store(crate::store::Error::Closed);
                    },
                    () = &mut expiry => return match &principal.session {
                        Some(_) => Error::SessionEnded,
                        None => Error::Expired,
                    },
                    _ = in_use.tick(), if principal.session.is_some() => {
                        // The record that is known may be a newer one.
                        let session = principal.session.as_ref();
                        let session = session.and_then(|session| known.session(&session.hash));
                        if let Some(session) = session {
                            sessions::used(&store, &session, clock::now());
                        }
                    }
                }
            }
        }
    }
}

impl Inner {
    fn put(&mut self, entry: &Entry) {
        if entry.key == KEYS {
            match Ring::from_bytes(&entry.value) {
                Ok(ring) => self.ring = Some(Arc::new(ring)),
                Err(error) => tracing::error!(%error, "the signing keys are not readable"),
            }
            return;
        }
        if let Some(hash) = entry.key.strip_prefix(SESSIONS) {
            match serde_json::from_slice::<Record>(&entry.value) {
                Ok(record) => {
                    let session = Session::new(hash.to_owned(), record);
                    self.sessions.insert(hash.to_owned(), Arc::new(session));
                }
                Err(error) => tracing::error!(%error, "a session's record is not readable"),
            }
            return;
        }
        // Others are looked at when they are asked for.
        if !entry.key.starts_with(TOKENS) {
            return;
        }
        match serde_json::from_slice::<TokenInfo>(&entry.value) {
            Ok(token) => {
                self.live.insert(token.id.clone(), Arc::new(token));
            }
            Err(error) => {
                tracing::error!(key = entry.key, %error, "a token's record is not readable");
            }
        }
    }

    fn delete(&mut self, key: &str) {
        if key == KEYS {
            self.ring = None;
        } else if let Some(id) = key.strip_prefix(TOKENS) {
            self.live.remove(id);
        } else if let Some(hash) = key.strip_prefix(SESSIONS) {
            self.sessions.remove(hash);
        }
    }
}
