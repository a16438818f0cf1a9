//! What everybody trusts besides the authorities, as the catalogue keeps it: who was revoked, and the keys that gossip
//! is sealed with. The rules are pure; time comes in.

use std::time::Duration;

use gateless_common::time::UnixMillis;
use gateless_identity::MAX_REMOVED;
use gateless_proto::v1;
use rand::RngCore as _;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::store::{self, Expect, Revision, Store, Write};

pub(super) const KEY: &str = "identity/trust";
/// A key for gossip seals for so long.
const SEALS_FOR: Duration = Duration::from_secs(24 * 3600);
/// Everybody has a new one before anybody seals with it, and the old one for as long after that.
const OVERLAP: Duration = Duration::from_secs(600);

/// What is known of the authorities.
#[derive(Debug, Clone)]
pub struct Standing {
    /// In whose names certificates are issued.
    pub trust_domain: String,
    /// SHA-256 of the authorities' certificates and when they were made, the one that issues first.
    pub authorities: Vec<(String, UnixMillis)>,
    /// Of what is trusted: higher is newer.
    pub version: u64,
    /// The newest key for gossip was made then.
    pub gossip_key_made: UnixMillis,
    /// Sidecars that were revoked and are remembered.
    pub revoked: usize,
}

/// The record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) version: u64,
    pub(super) revoked: Vec<Revoked>,
    /// Sidecars that are gone for good, the first removed first.
    #[serde(default)]
    pub(super) removed: Vec<String>,
    /// The first seals.
    gossip: Vec<GossipKey>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Revoked {
    node: String,
    #[serde(with = "super::millis")]
    at: UnixMillis,
    /// Until when it is remembered.
    #[serde(with = "super::millis")]
    until: UnixMillis,
}

#[derive(Clone, Serialize, Deserialize)]
struct GossipKey {
    id: u32,
    key: String,
    #[serde(with = "super::millis")]
    made: UnixMillis,
}

impl std::fmt::Debug for GossipKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GossipKey({:08x}, ..)", self.id)
    }
}

impl GossipKey {
    fn new(now: UnixMillis) -> Self {
        let mut key = [0; 32];
        rand::rng().fill_bytes(&mut key);
        Self {
            id: rand::random(),
            key: hex::encode(key),
            made: now,
        }
    }
}

impl Record {
    fn new(now: UnixMillis) -> Self {
        Self {
            version: now.0,
            revoked: Vec::new(),
            removed: Vec::new(),
            gossip: vec![GossipKey::new(now)],
        }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(self).map_err(Error::record)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes).map_err(Error::record)
    }

    /// The next version. By the clock where it can be: also after a restore from an export it is newer than what
    /// sidecars have.
    pub(super) fn newer(&mut self, now: UnixMillis) {
        self.version = now.0.max(self.version + 1);
    }

    /// When the newest key for gossip was made.
    pub(super) fn newest_key(&self) -> UnixMillis {
        let made = self.gossip.iter().map(|key| key.made);
        made.max().unwrap_or_default()
    }

    /// What was issued to it until now is good for nothing, and it can read no gossip that comes.
    pub(super) fn revoke(&mut self, node: &str, now: UnixMillis, remembered: Duration) {
        self.revoked.retain(|revoked| revoked.node != node);
        self.revoked.push(Revoked {
            node: node.to_owned(),
            at: now,
            until: UnixMillis::from_epoch(now.since_epoch() + remembered),
        });
        self.gossip = vec![GossipKey::new(now)];
    }

    /// It is gone for good, with all that was on its disk, and it is revoked.
    pub(super) fn remove(&mut self, node: &str, now: UnixMillis, remembered: Duration) {
        self.revoke(node, now, remembered);
        if !self.removed.iter().any(|removed| removed == node) {
            self.removed.push(node.to_owned());
        }
        let surplus = self.removed.len().saturating_sub(MAX_REMOVED);
        self.removed.drain(..surplus);
    }

    /// What time does; whether it did anything. A key is handed out, seals after that, and goes when the next one
    /// has sealed for a while.
    pub(super) fn age(&mut self, now: UnixMillis) -> bool {
        let revoked = self.revoked.len();
        self.revoked.retain(|revoked| revoked.until > now);
        let newest = self.newest_key();
        let known_for = now.since(newest);
        let seals = self.gossip.first().map_or(UnixMillis(0), |key| key.made);
        let keys = self.gossip.len();
        let changed = if seals < newest {
            let due = known_for >= OVERLAP;
            if due {
                self.gossip.sort_by_key(|key| std::cmp::Reverse(key.made));
            }
            due
        } else if known_for >= SEALS_FOR {
            self.gossip.push(GossipKey::new(now));
            true
        } else {
            if known_for >= 2 * OVERLAP {
                self.gossip.truncate(1);
            }
            keys != self.gossip.len()
        };
        changed || revoked != self.revoked.len()
    }

    /// For the wire; domain and authorities are the authority's to put in.
    pub(super) fn trust(&self, grace: Duration) -> v1::Trust {
        let revoked = self.revoked.iter().map(|revoked| v1::Revoked {
            node_id: revoked.node.clone(),
            until_ms: revoked.at.0,
        });
        let gossip = self.gossip.iter().map(|key| v1::GossipKey {
            id: key.id,
            key: hex::decode(&key.key).unwrap_or_default(),
        });
        v1::Trust {
            version: self.version,
            revoked: revoked.collect(),
            removed: self.removed.clone(),
            gossip_keys: gossip.collect(),
            grace_ms: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX),
            ..v1::Trust::default()
        }
    }
}

/// The record, made when there is none.
pub(super) async fn open(store: &dyn Store, now: UnixMillis) -> Result<Record, Error> {
    if store.get(KEY).await?.is_none() {
        let first = Write::put(KEY, Record::new(now).to_bytes()?)?.expecting(Expect::Absent);
        match store.write(first).await {
            // Another server on the store was faster.
            Ok(_) | Err(store::Error::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(load(store).await?.0)
}

pub(super) async fn load(store: &dyn Store) -> Result<(Record, Revision), Error> {
    let entry = store.get(KEY).await?;
    let entry =
        entry.ok_or_else(|| Error::record("the catalogue has no record of what to trust"))?;
    Ok((Record::from_bytes(&entry.value)?, entry.revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(record: &Record) -> Vec<u32> {
        record.gossip.iter().map(|key| key.id).collect()
    }

    #[test]
    fn key_for_gossip_is_handed_out_before_it_seals_and_stays_after_it_did() {
        let at = |after: Duration| UnixMillis::from_epoch(Duration::from_secs(1_000_000) + after);
        let mut record = Record::new(at(Duration::ZERO));
        let first = ids(&record)[0];
        assert!(!record.age(at(SEALS_FOR / 2)));
        assert!(record.age(at(SEALS_FOR)));
        let second = ids(&record)[1];
        assert_eq!(ids(&record), [first, second]);
        assert!(!record.age(at(SEALS_FOR + OVERLAP / 2)));
        assert!(record.age(at(SEALS_FOR + OVERLAP)));
        assert_eq!(ids(&record), [second, first]);
        assert!(!record.age(at(SEALS_FOR + OVERLAP)));
        assert!(record.age(at(SEALS_FOR + 2 * OVERLAP)));
        assert_eq!(ids(&record), [second]);
    }

    #[test]
    fn revoked_sidecar_knows_no_key_that_is_left_and_is_remembered_as_long_as_its_certificates() {
        let at = |secs| UnixMillis::from_epoch(Duration::from_secs(secs));
        let mut record = Record::new(at(10));
        let known = ids(&record);
        record.revoke("b", at(20), Duration::from_secs(100));
        record.revoke("b", at(30), Duration::from_secs(100));
        assert!(known.iter().all(|id| !ids(&record).contains(id)));
        let trust = record.trust(Duration::from_secs(7));
        assert_eq!(trust.revoked.len(), 1);
        assert_eq!((trust.revoked[0].until_ms, trust.grace_ms), (30_000, 7_000));
        assert!(!record.age(at(129)) && record.age(at(130)));
        assert!(record.trust(Duration::ZERO).revoked.is_empty());
        // A clock that was set back makes nothing older.
        let before = record.version;
        record.newer(at(1));
        assert_eq!(record.version, before + 1);
    }

    #[test]
    fn removed_sidecars_are_remembered_up_to_a_bound_and_revoked() {
        let at = |secs| UnixMillis::from_epoch(Duration::from_secs(secs));
        let mut record = Record::new(at(10));
        record.remove("first", at(20), Duration::from_secs(5));
        record.remove("first", at(21), Duration::from_secs(5));
        let trust = record.trust(Duration::ZERO);
        assert_eq!((trust.removed.len(), trust.revoked.len()), (1, 1));
        // Its certificates end; that it is gone stays.
        record.age(at(1_000));
        let trust = record.trust(Duration::ZERO);
        assert_eq!((trust.removed.len(), trust.revoked.len()), (1, 0));
        // A record of a version that removed none is read.
        let mut older = serde_json::to_value(&record).unwrap();
        older.as_object_mut().unwrap().remove("removed");
        let older = Record::from_bytes(older.to_string().as_bytes()).unwrap();
        assert!(older.removed.is_empty());
        for n in 0..MAX_REMOVED {
            record.remove(&n.to_string(), at(2_000), Duration::ZERO);
        }
        assert_eq!(record.removed.len(), MAX_REMOVED);
        assert_eq!(record.removed.first().map(String::as_str), Some("0"));
    }
}
