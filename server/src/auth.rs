//! Tokens: issuing, checking, revoking. A token is a JWT signed with Ed25519, so whoever checks one
//! needs no secret; what it may do is in [`policy`].
//!
//! A token is valid only while its id is listed: the catalogue keeps its metadata (never the token) and the keys,
//! [`known`] a copy in memory that follows it. Revoking removes the entry, on every server of the store.

pub mod keys;
mod known;
pub mod links;
pub mod policy;
pub mod sessions;
mod token;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use tokio_util::task::AbortOnDropHandle;

use self::keys::Ring;
use self::known::Known;
pub use self::token::{Grant, Principal, Role, TokenInfo};
use crate::store::{self, Expect, Follow, Revision, Store, Write, recorded};

/// The most live tokens of one namespace; those for all namespaces (`*`) are counted as one. Issuing past it is
/// refused, so nobody can take the places of others.
pub const MAX_NAMESPACE_TOKENS: usize = 1_000;
/// The most live tokens of all namespaces together, besides those for all of them.
pub const MAX_TOKENS: usize = 10_000;
/// The longest life of a token, in seconds: one year.
pub const MAX_TTL_SECONDS: u64 = 365 * 24 * 3600;
const ISSUER: &str = "gateless";
/// Everything that is followed.
const PREFIX: &str = "auth/";
const TOKENS: &str = "auth/tokens/";
const SESSIONS: &str = "auth/sessions/";
const LINKS: &str = "auth/links/";
const KEYS: &str = "auth/keys";
/// Expired tokens removed at a time, and together.
const PRUNED: usize = 1_000;
const PRUNED_AT_ONCE: usize = 16;
/// How often a rotation is tried again because another server rotated, too.
const ATTEMPTS: usize = 8;

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    jti: String,
    sub: String,
    ns: String,
    role: Role,
    iat: i64,
    exp: i64,
}

/// Why a token is refused, or an operation on tokens failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No token.
    #[error("this route needs a token")]
    Missing,
    /// Not one of ours, altered, or signed with a key that is no longer live.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// Too old.
    #[error("the token expired")]
    Expired,
    /// Revoked.
    #[error("the token was revoked")]
    Revoked,
    /// The session was ended, or its time is over.
    #[error("the session has ended")]
    SessionEnded,
    /// A session asks for what would outlive it.
    #[error("a session cannot make a link: it would renew itself for ever")]
    OfSession,
    /// Too many live tokens.
    #[error("there are {limit} live tokens of {of}, the most there may be")]
    TooMany {
        /// Of one namespace, of `*`, or of all namespaces together.
        of: String,
        /// The bound.
        limit: usize,
    },
    /// No such token.
    #[error("there is no token {0}")]
    Unknown(String),
    /// The catalogue failed.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// The keys' record is not what it must be.
    #[error("the signing keys: {0}")]
    Keys(#[from] std::io::Error),
    /// The keys' record is gone or not readable.
    #[error("the catalogue has no signing keys that can be read")]
    NoKeys,
    /// Others rotated the keys again and again.
    #[error("the signing keys are being rotated by others at the same time")]
    Contended,
    /// Signing failed.
    #[error("signing a token: {0}")]
    Sign(jsonwebtoken::errors::Error),
}

impl Error {
    const ALTERED: Self = Self::Invalid("it is malformed or was altered");
    const ROTATED: Self = Self::Invalid("its signing key was rotated away");
}

/// The tokens of one catalogue.
pub struct Auth {
    store: Arc<dyn Store>,
    known: Arc<Known>,
    /// Whose session begins: a lock across the store's answer, as a bound holds only for one after the other.
    beginning: tokio::sync::Mutex<()>,
    _follower: AbortOnDropHandle<()>,
}

impl Auth {
    /// Loads what the catalogue lists, makes the first keys if there are none, and follows both from now on.
    /// Called in a runtime.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Keys`] or [`Error::NoKeys`].
    pub async fn open(store: Arc<dyn Store>) -> Result<Self, Error> {
        if store.get(KEYS).await?.is_none() {
            let first = Write::put(KEYS, Ring::new()?.to_bytes()?)?.expecting(Expect::Absent);
            match store.write(first).await {
                // Another server on the store was faster.
                Ok(_) | Err(store::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let known = Arc::new(Known::default());
        let mut follow = Follow::entries(Arc::clone(&store), PREFIX);
        match follow.next().await {
            Some(update) => known.apply(update),
            None => return Err(store::Error::Closed.into()),
        }
        known.ring()?;
        let follower = Arc::clone(&known);
        let follower = tokio::spawn(async move {
            while let Some(update) = follow.next().await {
                follower.apply(update);
            }
            follower.end();
        });
        Ok(Self {
            store,
            known,
            beginning: tokio::sync::Mutex::default(),
            _follower: AbortOnDropHandle::new(follower),
        })
    }

    /// Whether anybody can administer all namespaces: with a token that is live and signed with a live key.
    pub fn has_admin(&self, now: Timestamp) -> bool {
        let admin = |token: &TokenInfo| {
            token.role == Role::Admin
                && token.namespace == "*"
                && self.known.token_standing(token, now).is_ok()
        };
        self.known.tokens().iter().any(|token| admin(token))
    }

    /// A first admin token, if there is no other.
    ///
    /// # Errors
    /// Those of [`Auth::issue`].
    pub async fn first_admin(&self, now: Timestamp) -> Result<Option<(String, TokenInfo)>, Error> {
        match self.has_admin(now) {
            true => Ok(None),
            false => self.issue(Grant::admin("first admin"), now).await.map(Some),
        }
    }

    /// An admin token for whoever has the server's data folder; no bound keeps it from being made.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn recover(&self, now: Timestamp) -> Result<(String, TokenInfo), Error> {
        let grant = Grant::admin("made by gateless server recover");
        self.make(grant, now).await
    }

    /// A new token and its metadata; the token is nowhere kept.
    ///
    /// # Errors
    /// [`Error::TooMany`], [`Error::Store`].
    pub async fn issue(&self, grant: Grant, now: Timestamp) -> Result<(String, TokenInfo), Error> {
        if self.check_room(&grant.namespace).is_err() {
            // What has expired leaves its places, and is none of what is asked for.
            recorded::apart(self.prune(now)).await?;
            self.check_room(&grant.namespace)?;
        }
        self.make(grant, now).await
    }

    /// Servers that issue in the same moment may pass a bound by as many.
    fn check_room(&self, namespace: &str) -> Result<(), Error> {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for token in self.known.tokens() {
            *counts.entry(token.namespace.clone()).or_default() += 1;
        }
        let of_all = counts.remove("*").unwrap_or(0);
        let together = counts.values().sum::<usize>();
        let (own, together) = match namespace {
            "*" => (of_all, 0),
            namespace => (counts.get(namespace).copied().unwrap_or(0), together),
        };
        let (of, limit) = match () {
            () if own >= MAX_NAMESPACE_TOKENS => (namespace, MAX_NAMESPACE_TOKENS),
            () if together >= MAX_TOKENS => ("all namespaces", MAX_TOKENS),
            () => return Ok(()),
        };
        let of = of.to_owned();
        Err(Error::TooMany { of, limit })
    }

    async fn make(&self, grant: Grant, now: Timestamp) -> Result<(String, TokenInfo), Error> {
        let ttl = i64::try_from(grant.ttl_seconds.min(MAX_TTL_SECONDS)).unwrap_or(i64::MAX);
        let issued = now.as_second();
        let expires = issued.saturating_add(ttl);
        let id = uuid::Uuid::now_v7().simple().to_string();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            jti: id.clone(),
            sub: format!("token:{id}"),
            ns: grant.namespace.clone(),
            role: grant.role,
            iat: issued,
            exp: expires,
        };
        let ring = self.known.ring()?;
        let key = ring.current();
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(key.id().to_owned());
        let token = jsonwebtoken::encode(&header, &claims, key.encoding()).map_err(Error::Sign)?;
        let info = TokenInfo {
            id,
            namespace: grant.namespace,
            role: grant.role,
            description: grant.description,
            key_id: key.id().to_owned(),
            created_at: Timestamp::from_second(issued).unwrap_or(now),
            expires_at: Timestamp::from_second(expires).unwrap_or(now),
        };
        let key = format!("{TOKENS}{}", info.id);
        let value = serde_json::to_vec(&info).map_err(std::io::Error::from)?;
        let listed = Write::put(key, value)?.expecting(Expect::Absent);
        self.known.reached(self.store.write(listed).await?).await?;
        Ok((token, info))
    }

    /// Who holds this token.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Expired`] or [`Error::Revoked`].
    pub fn check(&self, token: &str, now: Timestamp) -> Result<Principal, Error> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Error::ALTERED)?;
        let kid = header.kid.unwrap_or_default();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        // Expiry is checked below, against the caller's clock.
        validation.validate_exp = false;
        let ring = self.known.ring()?;
        let key = ring.find(&kid).ok_or(Error::ROTATED)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key.decoding(), &validation);
        let claims = claims.map_err(|_| Error::ALTERED)?.claims;
        if claims.exp <= now.as_second() {
            return Err(Error::Expired);
        }
        let token = self.known.get(&claims.jti).ok_or(Error::Revoked)?;
        self.known.token_standing(&token, now)?;
        let session = None;
        Ok(Principal { token, session })
    }

    /// Comes true when what a token or session may do ended, and says why: it was revoked or ended, on whichever server, it
    /// expired, or its key was rotated away. What lasts longer than a moment waits for this beside its own end.
    pub fn ended(&self, principal: &Principal) -> impl Future<Output = Error> + Send + use<> {
        self.known.ended(principal.clone(), Arc::clone(&self.store))
    }

    /// Live tokens by id.
    pub fn list(&self, now: Timestamp) -> Vec<TokenInfo> {
        let live = self.known.tokens();
        let unexpired = live.iter().filter(|token| token.expires_at > now);
        let mut tokens: Vec<_> = unexpired.map(|token| (**token).clone()).collect();
        tokens.sort_by(|a, b| a.id.cmp(&b.id));
        tokens
    }

    /// One live token.
    pub fn get(&self, id: &str) -> Option<Arc<TokenInfo>> {
        self.known.get(id)
    }

    /// Makes a token invalid at once; on other servers as soon as they learn of it.
    ///
    /// # Errors
    /// [`Error::Unknown`] or [`Error::Store`].
    pub async fn revoke(&self, id: &str) -> Result<(), Error> {
        match self.remove(format!("{TOKENS}{id}")).await? {
            Some(revision) => {
                self.remove(format!("{LINKS}{id}")).await?;
                self.known.reached(revision).await
            }
            None => Err(Error::Unknown(id.chars().take(64).collect())),
        }
    }

    /// `None`: it is not listed.
    async fn remove(&self, key: String) -> Result<Option<Revision>, Error> {
        let removal = Write::delete(key)?.expecting(Expect::Present);
        match self.store.write(removal).await {
            Ok(revision) => Ok(Some(revision)),
            Err(store::Error::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A new signing key; the one before stays valid, older ones do not. Answers with both ids.
    ///
    /// # Errors
    /// [`Error::Keys`], [`Error::Contended`] or [`Error::Store`].
    pub async fn rotate(&self) -> Result<(String, String), Error> {
        for _ in 0..ATTEMPTS {
            let entry = self.store.get(KEYS).await?.ok_or(Error::NoKeys)?;
            let before = Ring::from_bytes(&entry.value)?;
            let after = before.rotated()?;
            let rotated =
                Write::put(KEYS, after.to_bytes()?)?.expecting(Expect::At(entry.revision));
            match self.store.write(rotated).await {
                Ok(revision) => {
                    self.known.reached(revision).await?;
                    let (current, previous) = (after.current().id(), before.current().id());
                    return Ok((current.to_owned(), previous.to_owned()));
                }
                Err(store::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended)
    }

    /// Removes what expired, and sessions that are over.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn prune(&self, now: Timestamp) -> Result<(), Error> {
        let live = self.known.tokens();
        let expired = live.into_iter().filter(|token| token.expires_at <= now);
        let tokens =
            expired.flat_map(|token| [TOKENS, LINKS].map(|of| format!("{of}{}", token.id)));
        let sessions = self.known.sessions();
        let over = sessions.into_iter().filter(|session| {
            session.is_over(now) || self.known.get(&session.record.token_id).is_none()
        });
        let sessions = over.map(|session| format!("{SESSIONS}{}", session.hash));
        // Another server may have been faster.
        let all = tokens.chain(sessions).take(PRUNED);
        let removals = all.map(|key| self.remove(key));
        let mut removals = stream::iter(removals).buffer_unordered(PRUNED_AT_ONCE);
        let mut last = None;
        while let Some(removed) = removals.next().await {
            last = last.max(removed?);
        }
        match last {
            Some(revision) => self.known.reached(revision).await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
