//! Tokens: issuing, checking, revoking. A token is a JWT signed with Ed25519, so whoever checks one
//! needs no secret; what it may do is in [`policy`].
//!
//! A token is valid only while its id is listed: the catalogue keeps its metadata (never the token),
//! this module a copy in memory. Revoking removes it from both.

pub mod keys;
pub mod policy;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header, Validation};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::keys::Keys;
use crate::store::{Commit, Store};

/// The most tokens that are live at a time; issuing past it is refused.
pub const MAX_TOKENS: usize = 10_000;
/// The longest life of a token, in seconds: one year.
pub const MAX_TTL_SECONDS: u64 = 365 * 24 * 3600;
const ISSUER: &str = "gateless";
const PREFIX: &str = "tokens/";

/// What a token's holder may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything in its namespace; with namespace `*` also tokens, keys and sidecars.
    Admin,
    /// Functions, secrets, artifacts and their calls.
    Deployer,
    /// Reads functions; reads, cancels and replays their calls.
    Invoker,
    /// Reads.
    Viewer,
}

/// A token's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenInfo {
    /// Names it for revocation.
    pub id: String,
    /// The one namespace it is good for; `*`: all.
    #[schema(example = "default")]
    pub namespace: String,
    /// What its holder may do.
    pub role: Role,
    /// For people.
    pub description: String,
    /// The signing key.
    pub key_id: String,
    /// When it was issued.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it stops being valid.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// What is asked of a new token.
#[derive(Debug, Clone)]
pub struct Grant {
    /// A namespace or `*`.
    pub namespace: String,
    /// What its holder may do.
    pub role: Role,
    /// How long.
    pub ttl_seconds: u64,
    /// For people.
    pub description: String,
}

/// Who asks, once the token was checked.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The token's metadata.
    pub token: Arc<TokenInfo>,
}

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
    /// Too many live tokens.
    #[error("there are {MAX_TOKENS} live tokens, the most there may be")]
    TooMany,
    /// No such token.
    #[error("there is no token {0}")]
    Unknown(String),
    /// The catalogue failed.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// The keys' file failed.
    #[error("the signing keys: {0}")]
    Keys(#[from] std::io::Error),
    /// Signing failed.
    #[error("signing a token: {0}")]
    Sign(jsonwebtoken::errors::Error),
}

/// The tokens of one catalogue.
pub struct Auth {
    store: Arc<dyn Store>,
    /// A lock, as rotation replaces the keys while requests are checked; never across `.await`.
    keys: RwLock<Keys>,
    /// A lock for the same reason.
    live: RwLock<HashMap<String, Arc<TokenInfo>>>,
}

impl Auth {
    /// Loads what the catalogue lists.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn open(store: Arc<dyn Store>, keys: Keys) -> Result<Self, Error> {
        let mut live = HashMap::new();
        for entry in crate::service::scan_all(&*store, PREFIX).await? {
            match serde_json::from_slice::<TokenInfo>(&entry.value) {
                Ok(token) => {
                    live.insert(token.id.clone(), Arc::new(token));
                }
                Err(error) => {
                    tracing::error!(key = entry.key, %error, "a token's record is not readable");
                }
            }
        }
        Ok(Self {
            store,
            keys: RwLock::new(keys),
            live: RwLock::new(live),
        })
    }

    /// A first admin token, if nobody could otherwise administer: none that is live and signed with a
    /// live key. So whoever can restart the server can get back in.
    ///
    /// # Errors
    /// Those of [`Auth::issue`].
    pub async fn first_admin(&self, now: Timestamp) -> Result<Option<String>, Error> {
        let admin = |token: &TokenInfo| {
            token.role == Role::Admin
                && token.namespace == "*"
                && token.expires_at > now
                && self.keys.read().is_live(&token.key_id)
        };
        if self.live.read().values().any(|token| admin(token)) {
            return Ok(None);
        }
        let grant = Grant {
            namespace: "*".to_owned(),
            role: Role::Admin,
            ttl_seconds: MAX_TTL_SECONDS,
            description: "first admin".to_owned(),
        };
        Ok(Some(self.issue(grant, now).await?.0))
    }

    /// A new token and its metadata; the token is nowhere kept.
    ///
    /// # Errors
    /// [`Error::TooMany`], [`Error::Store`].
    pub async fn issue(&self, grant: Grant, now: Timestamp) -> Result<(String, TokenInfo), Error> {
        self.prune(now).await?;
        if self.live.read().len() >= MAX_TOKENS {
            return Err(Error::TooMany);
        }
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
        let (token, key_id) = {
            let keys = self.keys.read();
            let key = keys.current();
            let mut header = Header::new(Algorithm::EdDSA);
            header.kid = Some(key.id().to_owned());
            let token = jsonwebtoken::encode(&header, &claims, key.encoding());
            (token.map_err(Error::Sign)?, key.id().to_owned())
        };
        let info = TokenInfo {
            id: id.clone(),
            namespace: grant.namespace,
            role: grant.role,
            description: grant.description,
            key_id,
            created_at: Timestamp::from_second(issued).unwrap_or(now),
            expires_at: Timestamp::from_second(expires).unwrap_or(now),
        };
        let key = format!("{PREFIX}{id}");
        let value = serde_json::to_vec(&info).unwrap_or_default();
        let commit = Commit::new().absent(&key).put(&key, value);
        self.store.commit(commit).await?;
        self.live.write().insert(id, Arc::new(info.clone()));
        Ok((token, info))
    }

    /// Who holds this token.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Expired`] or [`Error::Revoked`].
    pub fn check(&self, token: &str, now: Timestamp) -> Result<Principal, Error> {
        const ALTERED: Error = Error::Invalid("it is malformed or was altered");
        let header = jsonwebtoken::decode_header(token).map_err(|_| ALTERED)?;
        let kid = header.kid.unwrap_or_default();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        // Expiry is checked below, against the caller's clock.
        validation.validate_exp = false;
        let claims = {
            let keys = self.keys.read();
            let key = keys
                .find(&kid)
                .ok_or(Error::Invalid("its signing key was rotated away"))?;
            jsonwebtoken::decode::<Claims>(token, key.decoding(), &validation)
                .map_err(|_| ALTERED)?
                .claims
        };
        if claims.exp <= now.as_second() {
            return Err(Error::Expired);
        }
        let live = self.live.read();
        let token = live.get(&claims.jti).ok_or(Error::Revoked)?;
        Ok(Principal {
            token: Arc::clone(token),
        })
    }

    /// Live tokens by id.
    pub fn list(&self, now: Timestamp) -> Vec<TokenInfo> {
        let live = self.live.read();
        let unexpired = live.values().filter(|token| token.expires_at > now);
        let mut tokens: Vec<_> = unexpired.map(|token| (**token).clone()).collect();
        tokens.sort_by(|a, b| a.id.cmp(&b.id));
        tokens
    }

    /// One live token.
    pub fn get(&self, id: &str) -> Option<Arc<TokenInfo>> {
        self.live.read().get(id).cloned()
    }

    /// Makes a token invalid at once.
    ///
    /// # Errors
    /// [`Error::Unknown`] or [`Error::Store`].
    pub async fn revoke(&self, id: &str) -> Result<(), Error> {
        if self.get(id).is_none() {
            return Err(Error::Unknown(id.chars().take(64).collect()));
        }
        let commit = Commit::new().delete(format!("{PREFIX}{id}"));
        self.store.commit(commit).await?;
        self.live.write().remove(id);
        Ok(())
    }

    /// A new signing key; the one before stays valid, older ones do not. Answers with both ids.
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub fn rotate(&self) -> Result<(String, String), Error> {
        let mut keys = self.keys.write();
        let previous = keys.current().id().to_owned();
        keys.rotate()?;
        Ok((keys.current().id().to_owned(), previous))
    }

    /// Removes what expired.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn prune(&self, now: Timestamp) -> Result<(), Error> {
        let expired: Vec<String> = {
            let live = self.live.read();
            let old = live.values().filter(|token| token.expires_at <= now);
            old.map(|token| token.id.clone()).take(1000).collect()
        };
        if expired.is_empty() {
            return Ok(());
        }
        let delete = |commit: Commit, id: &String| commit.delete(format!("{PREFIX}{id}"));
        let commit = expired.iter().fold(Commit::new(), delete);
        self.store.commit(commit).await?;
        let mut live = self.live.write();
        for id in &expired {
            live.remove(id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
