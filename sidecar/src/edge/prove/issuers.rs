//! Issuers of tokens: their keys, fetched when they are needed and kept for as long as they are good.
//!
//! When that is, [`gateless_core::issuer_keys`] says. What is fetched goes only where the egress policy allows, in bounded time
//! and size, and nobody's slow issuer holds up another's: each has its own lock, and its own bound on who waits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateless_core::access::{Auth, Issuer};
use gateless_core::issuer_keys::{FETCH_EVERY, Found, IssuerKeys};
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use jsonwebtoken::jwk::JwkSet;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::{Semaphore, watch};

use super::token::{self, Claims, Key, Rejected};
use crate::catalogue::Catalogue;
use crate::clock;
use crate::endpoint::egress::{self, Client, Outside};

/// For an issuer's keys, its configuration included.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Of an issuer's answer.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// Calls that wait at once for the keys of one issuer.
pub(super) const MAX_WAITING: usize = 64;
/// Issuers that are kept before it is looked which are in use.
const MANY: usize = 64;

/// All whose tokens functions take.
pub struct Issuers {
    client: Client,
    catalogue: watch::Receiver<Arc<Catalogue>>,
    /// A short lock, never across an await. Bounded by the functions of the catalogue, which have one each.
    known: Mutex<Known>,
}

struct Known {
    by_name: HashMap<Name, Arc<Entry>>,
    /// At so many it is looked which are in use.
    look_at: usize,
}

/// What its keys depend on.
type Name = (String, Option<String>);

struct Entry {
    /// A short lock, never across an await.
    keys: Mutex<IssuerKeys<Arc<Key>>>,
    /// Who fetches.
    fetching: tokio::sync::Mutex<()>,
    waiting: Semaphore,
}

/// Why a token was not taken.
#[derive(Debug)]
pub(super) enum Failed {
    Rejected(Rejected),
    /// Nobody knows whether it is good.
    Unavailable {
        cause: String,
        wait: Duration,
    },
}

/// What is read of an OpenID configuration (OpenID Connect Discovery 1.0, 3).
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

impl Issuers {
    pub(crate) fn new(outside: &Outside, catalogue: watch::Receiver<Arc<Catalogue>>) -> Self {
        Self {
            client: outside.client(),
            catalogue,
            known: Mutex::new(Known {
                by_name: HashMap::new(),
                look_at: MANY,
            }),
        }
    }

    /// What a token says, if it is a good one, `now` seconds after 1970.
    pub(super) async fn verify(
        &self,
        issuer: &Arc<Issuer>,
        token: &str,
        now: u64,
    ) -> Result<Claims, Failed> {
        let id = token::key_id(token).map_err(Failed::Rejected)?;
        let entry = self.entry(issuer);
        let keys = self.keys(&entry, issuer, id.as_deref()).await?;
        token::verify(token, &keys, issuer, now).map_err(Failed::Rejected)
    }

    fn entry(&self, issuer: &Issuer) -> Arc<Entry> {
        let mut known = self.known.lock();
        let name = name(issuer);
        if let Some(entry) = known.by_name.get(&name) {
            return entry.clone();
        }
        if known.by_name.len() >= known.look_at {
            let catalogue = self.catalogue.borrow().clone();
            let functions = catalogue.functions.values();
            let used: HashSet<_> = functions
                .filter_map(|function| match &function.access.auth {
                    Auth::Jwt(issuer) => Some(self::name(issuer)),
                    Auth::None | Auth::Key(_) => None,
                })
                .collect();
            known.by_name.retain(|name, _| used.contains(name));
            known.look_at = (2 * known.by_name.len()).max(MANY);
        }
        let entry = Arc::new(Entry {
            keys: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
            waiting: Semaphore::new(MAX_WAITING),
        });
        known.by_name.insert(name, entry.clone());
        entry
    }

    /// The keys that may have signed a token, fetched if need be.
    async fn keys(
        &self,
        entry: &Arc<Entry>,
        issuer: &Arc<Issuer>,
        id: Option<&str>,
    ) -> Result<Vec<Arc<Key>>, Failed> {
        let unavailable = |cause: &str, wait| Failed::Unavailable {
            cause: cause.to_owned(),
            wait,
        };
        let mut cause = "it was asked a moment ago".to_owned();
        for _ in 0..2 {
            let found = entry.keys.lock().find(clock::now(), id);
            match found {
                Found::Keys { keys, refresh } => {
                    if refresh {
                        self.refresh(entry, issuer);
                    }
                    return Ok(keys);
                }
                Found::Unknown => break,
                Found::Unavailable(wait) => return Err(unavailable(&cause, wait)),
                Found::Fetch => {}
            }
            let Ok(_place) = entry.waiting.try_acquire() else {
                let cause = "too many calls wait for them";
                return Err(unavailable(cause, Duration::from_secs(1)));
            };
            let _one = entry.fetching.lock().await;
            // Whoever fetched meanwhile did it for everybody.
            if matches!(entry.keys.lock().find(clock::now(), id), Found::Fetch)
                && let Err(error) = fetch(&self.client, entry, issuer).await
            {
                cause = error;
            }
        }
        Err(Failed::Rejected(Rejected::Signature))
    }

    /// Fetches without anybody who waits, unless somebody does it already.
    fn refresh(&self, entry: &Arc<Entry>, issuer: &Arc<Issuer>) {
        let (client, entry, issuer) = (self.client.clone(), entry.clone(), issuer.clone());
        tokio::spawn(async move {
            if let Ok(_one) = entry.fetching.try_lock() {
                fetch(&client, &entry, &issuer).await.ok();
            }
        });
    }
}

fn name(issuer: &Issuer) -> Name {
    (issuer.issuer.clone(), issuer.jwks_uri.clone())
}

/// Asks for an issuer's keys, and writes down how that went.
async fn fetch(client: &Client, entry: &Entry, issuer: &Issuer) -> Result<(), String> {
    let asked = tokio::time::timeout(TIMEOUT, ask(client, issuer)).await;
    let asked = asked.unwrap_or_else(|_| Err(format!("no answer within {} s", TIMEOUT.as_secs())));
    let failed = asked.as_ref().err().cloned();
    entry.keys.lock().fetched(clock::now(), asked.ok());
    match failed {
        None => Ok(()),
        Some(error) => {
            let (issuer, again) = (&issuer.issuer, FETCH_EVERY.as_secs());
            tracing::warn!(
                issuer,
                error,
                again,
                "the keys of an issuer of tokens cannot be had"
            );
            Err(error)
        }
    }
}

async fn ask(client: &Client, issuer: &Issuer) -> Result<Vec<(Option<String>, Arc<Key>)>, String> {
    let uri = match &issuer.jwks_uri {
        Some(uri) => uri.clone(),
        None => {
            let base = issuer.issuer.trim_end_matches('/');
            let known = get(client, &format!("{base}/.well-known/openid-configuration")).await?;
            let known: Discovered = serde_json::from_slice(&known)
                .map_err(|_| "its OpenID configuration names no issuer and jwks_uri")?;
            if known.issuer != issuer.issuer {
                return Err("its OpenID configuration is of another issuer".to_owned());
            }
            known.jwks_uri
        }
    };
    let set = get(client, &uri).await?;
    let set: JwkSet = serde_json::from_slice(&set).map_err(|_| "its keys are no JWK set")?;
    let keys = set.keys.iter();
    let keys = keys.filter_map(|jwk| Some((jwk.common.key_id.clone(), Arc::new(Key::of(jwk)?))));
    let keys: Vec<_> = keys.collect();
    match keys.is_empty() {
        true => Err("it has no key that signs by RSA, ECDSA or EdDSA".to_owned()),
        false => Ok(keys),
    }
}

/// What is at a URL; redirects are not followed.
async fn get(client: &Client, url: &str) -> Result<Bytes, String> {
    gateless_common::url::check_confidential(url)
        .map_err(|wrong| format!("{} {wrong}", shown(url)))?;
    let uri: Uri = url.parse().map_err(|_| "its address is no URL")?;
    let request = Request::get(uri)
        .header(header::ACCEPT, "application/json")
        .body(Full::default())
        .map_err(|error| error.to_string())?;
    let answer = client.request(request).await;
    let answer = answer.map_err(|error| egress::cause(&error))?;
    if answer.status() != StatusCode::OK {
        return Err(format!("{} answered {}", shown(url), answer.status()));
    }
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES);
    let body = body.collect().await;
    let body =
        body.map_err(|_| format!("the answer of {} broke off or is too large", shown(url)))?;
    Ok(body.to_bytes())
}

/// A URL in a message, without what may be secret in it.
fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
