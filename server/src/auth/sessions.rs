//! Sessions of browsers: opaque ids, of which only the hash is kept. A session acts for one token and never outlives it.
//!
//! It ends when it is ended, when it was not used for [`IDLE`], after [`LIFE`] in any case, and when others of the same token
//! or namespace need its place ([`surplus`]). It does not know that the id travels in a cookie.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rand::RngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::token::{Principal, TokenInfo};
use super::{Auth, Error, SESSIONS};
use crate::store::{self, Expect, Store, Write};

/// A session that nothing was asked in for this long ends. An open stream counts as asking.
pub const IDLE: Duration = Duration::from_secs(2 * 3600);
/// The longest life of a session.
pub const LIFE: Duration = Duration::from_secs(12 * 3600);
/// How exactly the catalogue knows when a session was used last; between, only the server it was used at does.
pub(super) const NOTED_EVERY: Duration = Duration::from_secs(600);
/// The most sessions of one token; one more ends the one that was used least recently.
pub const MAX_TOKEN_SESSIONS: usize = 8;
/// The most sessions of one namespace's tokens; those of `*` are counted as one. One more ends one of the same.
pub const MAX_NAMESPACE_SESSIONS: usize = 1_000;
/// The most sessions of all namespaces together, besides those for all of them. One more ends one of the namespace that has
/// the most.
pub const MAX_SESSIONS: usize = 10_000;

/// A session as the catalogue keeps it, under the hash of its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The token it acts for.
    pub(super) token_id: String,
    /// The token's namespace.
    pub(super) namespace: String,
    /// When it began.
    pub(super) created_at: Timestamp,
    /// When it was used last, to within [`NOTED_EVERY`].
    pub(super) seen_at: Timestamp,
    /// When it ends, whatever is asked in it.
    pub(super) expires_at: Timestamp,
}

/// A session that is known.
#[derive(Debug)]
pub struct Session {
    pub(super) hash: String,
    pub(super) record: Record,
    /// When it was used here, in seconds.
    used: AtomicI64,
    /// When the catalogue was last told, in seconds.
    noted: AtomicI64,
}

impl Session {
    pub(super) fn new(hash: String, record: Record) -> Self {
        let seen = record.seen_at.as_second();
        let (used, noted) = (AtomicI64::new(seen), AtomicI64::new(seen));
        Self {
            hash,
            record,
            used,
            noted,
        }
    }

    /// When it ends in any case, unless its token ends before.
    pub fn expires_at(&self) -> Timestamp {
        self.record.expires_at
    }

    /// Names it in logs: enough to tell it from others, too little to be it.
    pub fn short(&self) -> &str {
        self.hash.get(..12).unwrap_or_default()
    }

    /// It is used now; `true`: the caller is to note it in the catalogue, and nobody else is.
    fn touch(&self, now: Timestamp) -> bool {
        let now = now.as_second();
        self.used.fetch_max(now, Ordering::Relaxed);
        let noted = self.noted.load(Ordering::Relaxed);
        now.saturating_sub(noted) >= seconds(NOTED_EVERY)
            && self
                .noted
                .compare_exchange(noted, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    pub(super) fn used(&self) -> i64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether its own time is over, its token's apart.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let idle = now.as_second().saturating_sub(self.used());
        self.record.expires_at <= now || idle >= seconds(IDLE)
    }
}

/// In whole seconds.
pub(super) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// What only its holder knows: 256 random bits.
pub(super) fn new_id() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

/// What the catalogue knows an id by.
pub(super) fn hash(id: &str) -> String {
    hex::encode(Sha256::digest(id.as_bytes()))
}

/// The session that has to end for one more of `token` in `namespace`, if any: never one of another namespace, but
/// where all have too many together.
pub(super) fn surplus<'a>(
    sessions: impl Iterator<Item = &'a Session> + Clone,
    token: &str,
    namespace: &str,
) -> Option<&'a Session> {
    let oldest_of = |belongs: &dyn Fn(&Record) -> bool, most: usize| {
        let belonging = sessions.clone().filter(|session| belongs(&session.record));
        (belonging.clone().count() >= most)
            .then(|| belonging.min_by_key(|session| (session.used(), &session.hash)))
            .flatten()
    };
    let of_token = |record: &Record| record.token_id == token;
    let of_namespace = |record: &Record| record.namespace == namespace;
    let own = oldest_of(&of_token, MAX_TOKEN_SESSIONS)
        .or_else(|| oldest_of(&of_namespace, MAX_NAMESPACE_SESSIONS));
    if own.is_some() || namespace == "*" {
        return own;
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for session in sessions.clone().filter(|s| s.record.namespace != "*") {
        *counts.entry(&session.record.namespace).or_default() += 1;
    }
    if counts.values().sum::<usize>() < MAX_SESSIONS {
        return None;
    }
    let (largest, _) = counts
        .iter()
        .max_by_key(|(name, count)| (**count, **name))?;
    oldest_of(&|record| record.namespace == *largest, 0)
}

/// A session is used now; the catalogue learns of it now and then. One that cannot be noted ends a little early elsewhere.
pub(super) fn used(store: &Arc<dyn Store>, session: &Arc<Session>, now: Timestamp) {
    if !session.touch(now) {
        return;
    }
    let record = Record {
        seen_at: now,
        ..session.record.clone()
    };
    let (store, key) = (Arc::clone(store), format!("{SESSIONS}{}", session.hash));
    tokio::spawn(async move {
        // Not one that was ended meanwhile.
        let noted = match put(&key, &record, Expect::Present) {
            Ok(write) => store.write(write).await.map_err(Error::from),
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            tracing::debug!(%error, "a session's use was not noted");
        }
    });
}

fn put(key: &str, record: &Record, expect: Expect) -> Result<Write, Error> {
    let value = serde_json::to_vec(record).map_err(std::io::Error::from)?;
    Ok(Write::put(key, value)?.expecting(expect))
}

impl Auth {
    /// Begins a session that acts for a token, and answers with its id, which is nowhere kept.
    ///
    /// # Errors
    /// Those of [`Auth::check`], [`Error::Store`].
    pub async fn begin_session(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(String, Principal), Error> {
        let token = self.check(token, now)?.token;
        self.begin(token, now).await
    }

    /// [`Auth::begin_session`] for a token that was checked.
    pub(super) async fn begin(
        &self,
        token: Arc<TokenInfo>,
        now: Timestamp,
    ) -> Result<(String, Principal), Error> {
        let life = jiff::SignedDuration::from_secs(seconds(LIFE));
        let latest = now.checked_add(life).unwrap_or(token.expires_at);
        let record = Record {
            token_id: token.id.clone(),
            namespace: token.namespace.clone(),
            created_at: now,
            seen_at: now,
            expires_at: latest.min(token.expires_at),
        };
        // Each sees the one before it; other servers on the store may have begun more meanwhile.
        let _turn = self.beginning.lock().await;
        let known = self.known.sessions();
        let mut others: Vec<&Session> = known.iter().map(|session| &**session).collect();
        while let Some(surplus) = surplus(others.iter().copied(), &token.id, &token.namespace) {
            let hash = surplus.hash.clone();
            self.remove_session(&hash).await?;
            others.retain(|other| other.hash != hash);
        }
        let id = new_id();
        let hash = hash(&id);
        let write = put(&format!("{SESSIONS}{hash}"), &record, Expect::Absent)?;
        self.known.reached(self.store.write(write).await?).await?;
        let session = Some(Arc::new(Session::new(hash, record)));
        Ok((id, Principal { token, session }))
    }

    /// Whose session this is.
    ///
    /// # Errors
    /// [`Error::SessionEnded`], and those of its token.
    pub fn check_session(&self, id: &str, now: Timestamp) -> Result<Principal, Error> {
        let session = self.known.session(&hash(id));
        let session = session.ok_or(Error::SessionEnded)?;
        let token = self.known.get(&session.record.token_id);
        let token = token.ok_or(Error::Revoked)?;
        let session = Some(session);
        let principal = Principal { token, session };
        self.known.standing(&principal, now)?;
        if let Some(session) = &principal.session {
            used(&self.store, session, now);
        }
        Ok(principal)
    }

    /// Ends a session, on every server; one that has ended already stays so.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn end_session(&self, id: &str) -> Result<(), Error> {
        match self.remove_session(&hash(id)).await? {
            Some(revision) => self.known.reached(revision).await,
            None => Ok(()),
        }
    }

    pub(super) async fn remove_session(
        &self,
        hash: &str,
    ) -> Result<Option<store::Revision>, Error> {
        self.remove(format!("{SESSIONS}{hash}")).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: usize, token: &str, namespace: &str) -> Session {
        let at = Timestamp::from_second(i64::try_from(number).unwrap()).unwrap();
        let record = Record {
            token_id: token.into(),
            namespace: namespace.into(),
            created_at: at,
            seen_at: at,
            expires_at: Timestamp::MAX,
        };
        Session::new(number.to_string(), record)
    }

    fn ended(sessions: &[Session], token: &str, namespace: &str) -> Option<String> {
        surplus(sessions.iter(), token, namespace).map(|session| session.hash.clone())
    }

    #[test]
    fn the_least_used_of_the_same_token_makes_room() {
        let sessions: Vec<_> = (0..MAX_TOKEN_SESSIONS)
            .map(|n| session(n, "t", "a"))
            .collect();
        assert_eq!(ended(&sessions, "t", "a"), Some("0".into()));
        assert_eq!(ended(&sessions, "u", "a"), None);
        sessions[0].touch(Timestamp::from_second(1_000).unwrap());
        assert_eq!(ended(&sessions, "t", "a"), Some("1".into()));
        assert_eq!(ended(&sessions[1..], "t", "a"), None);
    }

    #[test]
    fn no_namespace_takes_anothers_places() {
        let many = |first: usize, count: usize, namespace: &str| -> Vec<Session> {
            let tokens = (first..first + count).map(|n| (n, (n / MAX_TOKEN_SESSIONS).to_string()));
            tokens
                .map(|(n, token)| session(n, &token, namespace))
                .collect()
        };
        let full = many(0, MAX_NAMESPACE_SESSIONS, "a");
        assert_eq!(ended(&full, "new", "a"), Some("0".into()));
        assert_eq!(ended(&full, "new", "b"), None);
        assert_eq!(ended(&full, "new", "*"), None);
        // All have many: the one with the most gives.
        let mut all = Vec::new();
        for (index, namespace) in ["b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]
            .iter()
            .enumerate()
        {
            all.extend(many(index * 2_000, 900 + index, namespace));
        }
        all.extend(many(100_000, 999, "*"));
        let total = all.iter().filter(|s| s.record.namespace != "*").count();
        all.extend(many(50_000, MAX_SESSIONS.saturating_sub(total), "small"));
        assert_eq!(ended(&all, "new", "z"), Some("20000".into()));
        assert_eq!(ended(&all, "new", "*"), None);
    }

    #[test]
    fn a_session_ends_idle_or_old() {
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        let mut one = session(0, "t", "a");
        one.record.expires_at = at(seconds(LIFE));
        assert!(!one.is_over(at(seconds(IDLE) - 1)));
        assert!(one.is_over(at(seconds(IDLE))));
        assert!(!one.touch(at(seconds(NOTED_EVERY) - 1)));
        assert!(one.touch(at(seconds(IDLE) - 1)));
        assert!(!one.is_over(at(seconds(IDLE))));
        one.touch(at(seconds(LIFE)));
        assert!(one.is_over(at(seconds(LIFE))));
    }

    #[test]
    fn an_id_is_long_and_only_its_hash_is_kept() {
        let (one, other) = (new_id(), new_id());
        assert_eq!(one.len(), 64);
        assert_ne!(one, other);
        assert_ne!(hash(&one), one);
        assert_eq!(hash("a").len(), 64);
    }
}
