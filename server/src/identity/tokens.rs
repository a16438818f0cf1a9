//! Join tokens: how often each may be used, by whom it was, and until when it is good. Of a token its digest is kept.

use std::time::Duration;

use gateless_common::time::UnixMillis;
use gateless_identity::JoinToken;
use serde::{Deserialize, Serialize};

use super::{ATTEMPTS, Error};
use crate::store::{self, Expect, Revision, Store, Write, list as list_entries};

const PREFIX: &str = "identity/join-tokens/";
/// The most join tokens that are good at once.
pub const MAX_JOIN_TOKENS: usize = 1_000;
/// The most sidecars that may join with one.
pub const MAX_USES: u32 = 1_000;

/// What is asked of a new join token.
#[derive(Debug, Clone)]
pub struct JoinTokenGrant {
    /// How many sidecars may join with it; 1 to [`MAX_USES`].
    pub uses: u32,
    /// How long; up to a year, as any token.
    pub ttl: Duration,
    /// For people.
    pub description: String,
}

/// A join token, without what makes it one.
#[derive(Debug, Clone)]
pub struct JoinTokenInfo {
    /// Names it for revocation.
    pub id: String,
    /// How many sidecars may join with it.
    pub uses: u32,
    /// Those that did, by node id.
    pub joined: Vec<String>,
    /// For people.
    pub description: String,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it stops being good.
    pub expires_at: UnixMillis,
}

#[derive(Serialize, Deserialize)]
struct Record {
    id: String,
    digest: String,
    uses: u32,
    used: Vec<Used>,
    description: String,
    #[serde(with = "super::millis")]
    created_at: UnixMillis,
    #[serde(with = "super::millis")]
    expires_at: UnixMillis,
}

#[derive(Serialize, Deserialize)]
struct Used {
    node: String,
    key: String,
}

impl Record {
    fn info(self) -> JoinTokenInfo {
        JoinTokenInfo {
            id: self.id,
            uses: self.uses,
            joined: self.used.into_iter().map(|used| used.node).collect(),
            description: self.description,
            created_at: self.created_at,
            expires_at: self.expires_at,
        }
    }

    /// Whether it was good for one more; whether that changed it. The same sidecar with the same key may ask again,
    /// as the answer may have been lost.
    fn claim(&mut self, node: &str, key: &str, now: UnixMillis) -> Result<bool, Error> {
        if self.expires_at <= now {
            return Err(Error::BadToken);
        }
        if self.used.iter().any(|u| u.node == node && u.key == key) {
            return Ok(false);
        }
        if self.used.len() >= self.uses as usize {
            return Err(Error::BadToken);
        }
        self.used.push(Used {
            node: node.to_owned(),
            key: key.to_owned(),
        });
        Ok(true)
    }
}

async fn get(store: &dyn Store, id: &str) -> Result<Option<(Record, Revision)>, Error> {
    let Some(entry) = store.get(&format!("{PREFIX}{id}")).await? else {
        return Ok(None);
    };
    let record = serde_json::from_slice(&entry.value).map_err(Error::record)?;
    Ok(Some((record, entry.revision)))
}

async fn records(store: &dyn Store) -> Result<Vec<Record>, Error> {
    let entries = list_entries(store, PREFIX).await?.entries;
    let records = entries.iter().map(|e| serde_json::from_slice(&e.value));
    records.collect::<Result<_, _>>().map_err(Error::record)
}

fn write(record: &Record, expect: Expect) -> Result<Write, Error> {
    let value = serde_json::to_vec(record).map_err(Error::record)?;
    Ok(Write::put(format!("{PREFIX}{}", record.id), value)?.expecting(expect))
}

pub(super) async fn create(
    store: &dyn Store,
    token: &JoinToken,
    grant: JoinTokenGrant,
    now: UnixMillis,
) -> Result<JoinTokenInfo, Error> {
    prune(store, now).await?;
    if records(store).await?.len() >= MAX_JOIN_TOKENS {
        return Err(Error::TooManyTokens);
    }
    let record = Record {
        id: token.id.clone(),
        digest: token.digest(),
        uses: grant.uses,
        used: Vec::new(),
        description: grant.description,
        created_at: now,
        expires_at: UnixMillis::from_epoch(now.since_epoch() + grant.ttl),
    };
    store.write(write(&record, Expect::Absent)?).await?;
    Ok(record.info())
}

pub(super) async fn list(store: &dyn Store, now: UnixMillis) -> Result<Vec<JoinTokenInfo>, Error> {
    let mut records = records(store).await?;
    records.retain(|record| record.expires_at > now);
    records.sort_by_key(|record| record.created_at);
    Ok(records.into_iter().map(Record::info).collect())
}

/// Uses the token up by one, for one sidecar with one key.
pub(super) async fn claim(
    store: &dyn Store,
    token: &JoinToken,
    node: &str,
    key: &str,
    now: UnixMillis,
) -> Result<(), Error> {
    for _ in 0..ATTEMPTS {
        let (mut record, revision) = get(store, &token.id).await?.ok_or(Error::BadToken)?;
        if !token.is(&record.digest) {
            return Err(Error::BadToken);
        }
        if !record.claim(node, key, now)? {
            return Ok(());
        }
        match store.write(write(&record, Expect::At(revision))?).await {
            Ok(_) => return Ok(()),
            Err(store::Error::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::Contended)
}

pub(super) async fn revoke(store: &dyn Store, id: &str) -> Result<(), Error> {
    let unknown = || Error::UnknownToken(id.chars().take(64).collect());
    if !gateless_common::name::is_hex(id, 16) {
        return Err(unknown());
    }
    let removal = Write::delete(format!("{PREFIX}{id}"))?.expecting(Expect::Present);
    match store.write(removal).await {
        Ok(_) => Ok(()),
        Err(store::Error::Conflict { .. }) => Err(unknown()),
        Err(error) => Err(error.into()),
    }
}

/// Forgets those whose time is over.
pub(super) async fn prune(store: &dyn Store, now: UnixMillis) -> Result<(), Error> {
    for record in records(store).await? {
        if record.expires_at <= now {
            drop(revoke(store, &record.id).await);
        }
    }
    Ok(())
}
