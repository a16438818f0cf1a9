//! Gossip's datagrams, encrypted and taken once.
//!
//! The keys are those of [`Trust`], which come over connections that are proven. Each process seals with a key of its
//! own, derived from the shared one and a random session, so its numbers are nonces that nobody else uses. Who has the
//! shared key can read and write gossip; that it is a certain sidecar, a connection to it proves.

use std::collections::HashMap;
use std::sync::Arc;

use gateless_core::replay::{Window, is_fresh};
use gateless_identity::{GossipKey, Trust};
use rand::RngCore as _;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

/// Version, key, session, number, milliseconds since 1970.
pub(super) const HEADER: usize = 1 + 4 + SESSION + 8 + 8;
pub(super) const TAG: usize = 16;
const SESSION: usize = 16;
/// Of the format. One, without it, was the time of a shared secret.
const VERSION: u8 = 2;
/// Keeps these keys apart from any others made of the same.
const PURPOSE: &[u8] = b"gateless gossip 2";
/// Processes heard of; past it, the one that was silent longest is forgotten.
const MAX_SESSIONS: usize = 4_096;

type Session = [u8; SESSION];

/// Why a datagram is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is not sealed with a key of ours.
    Stranger,
    /// It was there before.
    Replayed,
    /// Its sender, not heard of before, is of another time.
    Stale,
}

/// Seals and opens.
pub(super) struct Seal {
    version: u64,
    keys: Vec<GossipKey>,
    own: Option<Sending>,
    heard: HashMap<(u32, Session), Heard>,
    clock: u64,
}

struct Sending {
    id: u32,
    session: Session,
    key: LessSafeKey,
    number: u64,
}

struct Heard {
    key: LessSafeKey,
    window: Window,
    /// When it was heard last, in datagrams.
    at: u64,
}

impl Seal {
    pub(super) fn new(trust: &Trust) -> Self {
        let mut seal = Self {
            version: 0,
            keys: Vec::new(),
            own: None,
            heard: HashMap::new(),
            clock: 0,
        };
        seal.set(trust);
        seal
    }

    /// Uses what is trusted now. Who was revoked has none of these keys.
    pub(super) fn follow(&mut self, trust: &Arc<Trust>) {
        if trust.version != self.version {
            self.set(trust);
        }
    }

    fn set(&mut self, trust: &Trust) {
        self.version = trust.version;
        self.keys.clone_from(&trust.gossip_keys);
        let keys = &self.keys;
        self.heard
            .retain(|(id, _), _| keys.iter().any(|key| key.id == *id));
        let sealing = keys.first();
        if self.own.as_ref().map(|own| own.id) != sealing.map(|key| key.id) {
            self.own = sealing.and_then(Sending::new);
        }
    }

    /// Seals what is in `datagram` between [`HEADER`] and `HEADER + length`; how long it is then. None: there is no
    /// key.
    pub(super) fn seal(
        &mut self,
        datagram: &mut [u8],
        length: usize,
        now_ms: u64,
    ) -> Option<usize> {
        let own = self.own.as_mut()?;
        own.number += 1;
        let (header, rest) = datagram.split_at_mut(HEADER);
        header[0] = VERSION;
        header[1..5].copy_from_slice(&own.id.to_be_bytes());
        header[5..21].copy_from_slice(&own.session);
        header[21..29].copy_from_slice(&own.number.to_be_bytes());
        header[29..37].copy_from_slice(&now_ms.to_be_bytes());
        let (payload, after) = rest.split_at_mut(length);
        let (nonce, aad) = (nonce(own.number), Aad::from(&*header));
        let tag = own.key.seal_in_place_separate_tag(nonce, aad, payload);
        after.get_mut(..TAG)?.copy_from_slice(tag.ok()?.as_ref());
        Some(HEADER + length + TAG)
    }

    /// Opens a datagram in place: its content is behind [`HEADER`] then, and so long.
    pub(super) fn open(&mut self, datagram: &mut [u8], now_ms: u64) -> Result<usize, Refused> {
        let (header, sealed) = datagram
            .split_at_mut_checked(HEADER)
            .filter(|(header, _)| header[0] == VERSION)
            .ok_or(Refused::Stranger)?;
        let id = u32::from_be_bytes(field(header, 1));
        let session: Session = field(header, 5);
        let number = u64::from_be_bytes(field(header, 21));
        let sent_ms = u64::from_be_bytes(field(header, 29));
        let aad = Aad::from(&*header);
        self.clock += 1;
        if let Some(heard) = self.heard.get_mut(&(id, session)) {
            let opened = heard.key.open_in_place(nonce(number), aad, sealed);
            let length = opened.map_err(|_| Refused::Stranger)?.len();
            if !heard.window.take(number) {
                return Err(Refused::Replayed);
            }
            heard.at = self.clock;
            return Ok(length);
        }
        let shared = self.keys.iter().find(|key| key.id == id);
        let key = shared.and_then(|shared| derive(shared, &session));
        let key = key.ok_or(Refused::Stranger)?;
        let opened = key.open_in_place(nonce(number), aad, sealed);
        let length = opened.map_err(|_| Refused::Stranger)?.len();
        if !is_fresh(now_ms, sent_ms) {
            return Err(Refused::Stale);
        }
        if self.heard.len() >= MAX_SESSIONS {
            let oldest = self.heard.iter().min_by_key(|(_, heard)| heard.at);
            if let Some(oldest) = oldest.map(|(session, _)| *session) {
                self.heard.remove(&oldest);
            }
        }
        let heard = Heard {
            key,
            window: Window::new(number),
            at: self.clock,
        };
        self.heard.insert((id, session), heard);
        Ok(length)
    }
}

impl Sending {
    fn new(shared: &GossipKey) -> Option<Self> {
        let mut session = [0; SESSION];
        rand::rng().fill_bytes(&mut session);
        Some(Self {
            id: shared.id,
            key: derive(shared, &session)?,
            session,
            number: 0,
        })
    }
}

fn derive(shared: &GossipKey, session: &Session) -> Option<LessSafeKey> {
    let secret = Salt::new(HKDF_SHA256, PURPOSE).extract(&shared.key);
    let info = [&session[..]];
    let key = secret.expand(&info, &CHACHA20_POLY1305).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - 8..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// A field of a header, which is long enough.
fn field<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[at..at + N]);
    bytes
}

#[cfg(test)]
mod tests {
    use gateless_identity::fixture::Cluster;

    use super::*;

    const NOW: u64 = 1_000_000_000;

    fn sealed(seal: &mut Seal, text: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0; HEADER + text.len() + TAG];
        datagram[HEADER..HEADER + text.len()].copy_from_slice(text);
        let length = seal.seal(&mut datagram, text.len(), NOW).unwrap();
        assert_eq!(length, datagram.len());
        datagram
    }

    fn open(seal: &mut Seal, datagram: &[u8], now: u64) -> Result<Vec<u8>, Refused> {
        let mut copy = datagram.to_vec();
        let length = seal.open(&mut copy, now)?;
        Ok(copy[HEADER..HEADER + length].to_vec())
    }

    #[test]
    fn datagram_is_opened_once_by_who_has_the_key_and_read_by_nobody_else() {
        let mut cluster = Cluster::new();
        let (mut a, mut b) = (Seal::new(&cluster.trust()), Seal::new(&cluster.trust()));
        let first = sealed(&mut a, b"news of everybody");
        assert!(!first.windows(4).any(|part| part == b"news"));
        assert_eq!(open(&mut b, &first, NOW).unwrap(), b"news of everybody");
        assert_eq!(open(&mut b, &first, NOW), Err(Refused::Replayed));
        let (second, third) = (sealed(&mut a, b"2"), sealed(&mut a, b"3"));
        assert_eq!(open(&mut b, &third, NOW).unwrap(), b"3");
        assert_eq!(open(&mut b, &second, NOW).unwrap(), b"2");
        assert_eq!(open(&mut b, &second, NOW), Err(Refused::Replayed));
        for at in [0, 1, 5, 21, 29, HEADER, third.len() - 1] {
            let mut altered = third.clone();
            altered[at] ^= 1;
            assert_eq!(open(&mut b, &altered, NOW), Err(Refused::Stranger), "{at}");
        }
        for length in [0, 1, HEADER, HEADER + TAG - 1] {
            assert_eq!(open(&mut b, &third[..length], NOW), Err(Refused::Stranger));
        }
        let mut stranger = Seal::new(&Cluster::new().trust());
        assert_eq!(open(&mut stranger, &third, NOW), Err(Refused::Stranger));
        // To who has just started, the past is not new.
        let mut late = Seal::new(&cluster.trust());
        assert_eq!(open(&mut late, &third, NOW + 300_001), Err(Refused::Stale));
        assert_eq!(open(&mut late, &third, NOW).unwrap(), b"3");
        // Everybody has the next key before it seals, and the one before for a while after.
        cluster.add_gossip_key(false);
        b.follow(&Arc::new(cluster.trust()));
        let with_old = sealed(&mut a, b"4");
        assert_eq!(open(&mut b, &with_old, NOW).unwrap(), b"4");
        cluster.seal_with_newest();
        let next = Arc::new(cluster.trust());
        a.follow(&next);
        let with_new = sealed(&mut a, b"5");
        assert_eq!(open(&mut b, &with_new, NOW).unwrap(), b"5");
        // Who was revoked has no key that is left.
        cluster.revoke("c");
        a.follow(&Arc::new(cluster.trust()));
        let after = sealed(&mut a, b"6");
        assert_eq!(open(&mut b, &after, NOW), Err(Refused::Stranger));
    }
}
