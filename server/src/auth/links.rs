//! Codes that begin one session, for links: `gateless up` and `gateless dashboard` print them.
//!
//! A code is good once and for [`LIFE`]; a token has one at a time, so that the next takes the place of the last and there are
//! never more than tokens. The catalogue keeps the hash, so any server on it takes the code.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sessions::{hash, new_id, seconds};
use super::{Auth, Error, LINKS, Principal};
use crate::store::{self, Expect, Write};

/// How long a code is good.
pub const LIFE: Duration = Duration::from_secs(300);

/// A code as the catalogue keeps it, under its token's id.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    hash: String,
    expires_at: Timestamp,
}

impl Auth {
    /// A code that begins one session of the token's, and until when.
    ///
    /// # Errors
    /// [`Error::OfSession`] for a session, which ends with all that came of it; [`Error::Store`].
    pub async fn link(
        &self,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<(String, Timestamp), Error> {
        if principal.session.is_some() {
            return Err(Error::OfSession);
        }
        let id = &principal.token.id;
        let life = jiff::SignedDuration::from_secs(seconds(LIFE));
        let latest = now.checked_add(life).unwrap_or(now);
        let expires_at = latest.min(principal.expires_at());
        let secret = new_id();
        let record = Record {
            hash: hash(&secret),
            expires_at,
        };
        let value = serde_json::to_vec(&record).map_err(std::io::Error::from)?;
        self.store
            .write(Write::put(format!("{LINKS}{id}"), value)?)
            .await?;
        Ok((format!("{id}.{secret}"), expires_at))
    }

    /// Begins the session that a code is for; the code is good no more then.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that is wrong, used or too old, and those of [`Auth::begin_session`].
    pub async fn follow_link(
        &self,
        code: &str,
        now: Timestamp,
    ) -> Result<(String, Principal), Error> {
        const NOT_GOOD: Error =
            Error::Invalid("the link was used, replaced by a newer one, or is too old");
        let (id, secret) = code.split_once('.').ok_or(NOT_GOOD)?;
        if id.is_empty() || id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(NOT_GOOD);
        }
        let key = format!("{LINKS}{id}");
        let entry = self.store.get(&key).await?.ok_or(NOT_GOOD)?;
        let record: Record = serde_json::from_slice(&entry.value).map_err(|_| NOT_GOOD)?;
        // Hashes of what nobody can choose: how long the comparison takes says nothing.
        if record.hash != hash(secret) || record.expires_at <= now {
            return Err(NOT_GOOD);
        }
        let used = Write::delete(key)?.expecting(Expect::At(entry.revision));
        match self.store.write(used).await {
            Ok(_) => {}
            Err(store::Error::Conflict { .. }) => return Err(NOT_GOOD),
            Err(error) => return Err(error.into()),
        }
        let token = self.known.get(id).ok_or(Error::Revoked)?;
        let principal = Principal {
            token,
            session: None,
        };
        self.known.standing(&principal, now)?;
        self.begin(principal.token, now).await
    }
}
