//! Whom to believe: the authorities, who was revoked, what gossip is sealed with. Signed, and therefore good from
//! whoever hands it on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gateless_common::time::UnixMillis;
use gateless_proto::v1;
use prost::Message as _;
use ring::digest;
use rustls::pki_types::{CertificateDer, TrustAnchor};
use webpki::{EndEntityCert, anchor_from_trusted_cert, ring::ECDSA_P256_SHA256};

use crate::Error;
use crate::spiffe::TrustDomain;

/// What comes before a trust in what is signed.
pub(crate) const PURPOSE: &[u8] = b"gateless trust 1\0";
/// For how long after its end a certificate is good while no server can be reached, unless the server says otherwise.
pub const GRACE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The most authorities, revocations and keys that are taken in.
const MAX_AUTHORITIES: usize = 4;
const MAX_REVOKED: usize = 10_000;
const MAX_GOSSIP_KEYS: usize = 8;
/// The most sidecars that are remembered as gone for good; past it the one removed first is forgotten.
pub const MAX_REMOVED: usize = 4096;

/// A key that gossip is sealed with. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct GossipKey {
    /// Names it in every datagram.
    pub id: u32,
    /// Itself.
    pub key: [u8; 32],
}

impl std::fmt::Debug for GossipKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GossipKey({:08x}, ..)", self.id)
    }
}

/// What a part of a cluster trusts.
#[derive(Debug, Clone)]
pub struct Trust {
    /// In whose domain.
    pub domain: TrustDomain,
    /// Higher is newer.
    pub version: u64,
    /// The first seals.
    pub gossip_keys: Vec<GossipKey>,
    /// For how long after its end a certificate is good while no server can be reached.
    pub grace: Duration,
    pub(crate) anchors: Vec<TrustAnchor<'static>>,
    authorities: Vec<CertificateDer<'static>>,
    /// By sidecar: what was issued until then is good for nothing.
    revoked: BTreeMap<String, UnixMillis>,
    /// Sidecars that are gone for good.
    removed: BTreeSet<String>,
    /// To hand on.
    signed: v1::SignedTrust,
}

impl Trust {
    /// Reads what an authority signed that `known` trusts.
    ///
    /// # Errors
    /// When nobody whom `known` trusts signed it, or it is not readable.
    pub fn open(signed: v1::SignedTrust, known: &Self) -> Result<Self, Error> {
        Self::signed_by(signed, &known.authorities)
    }

    /// Reads what the authority with this fingerprint (SHA-256 of its certificate, hex) signed; it is in it itself.
    ///
    /// # Errors
    /// As [`Trust::open`].
    pub fn pinned(signed: v1::SignedTrust, pinned: &str) -> Result<Self, Error> {
        let inside = v1::Trust::decode(signed.trust.as_slice())
            .map_err(|_| Error::Malformed("what to trust is not readable"))?;
        let mut inside = inside.authorities.into_iter();
        let found = inside.find(|authority| hex::encode(fingerprint(authority)) == pinned);
        let found = found.map(CertificateDer::from);
        Self::signed_by(signed, found.as_slice())
    }

    /// Reads what was saved: whoever can write to one's own folder is believed.
    ///
    /// # Errors
    /// When it is not readable.
    pub fn saved(bytes: &[u8]) -> Result<Self, Error> {
        let signed = v1::SignedTrust::decode(bytes)
            .map_err(|_| Error::Malformed("what to trust is not readable"))?;
        Self::read(signed)
    }

    /// Reads what was signed in this process.
    ///
    /// # Errors
    /// When it is not readable.
    pub fn read(signed: v1::SignedTrust) -> Result<Self, Error> {
        let trust = v1::Trust::decode(signed.trust.as_slice())
            .map_err(|_| Error::Malformed("what to trust is not readable"))?;
        let authorities: Vec<CertificateDer<'static>> = trust
            .authorities
            .into_iter()
            .take(MAX_AUTHORITIES)
            .map(Into::into)
            .collect();
        let anchors = authorities.iter().map(|authority| {
            let anchor = anchor_from_trusted_cert(authority);
            anchor.map(|anchor| anchor.to_owned())
        });
        let anchors = anchors.collect::<Result<Vec<_>, _>>();
        let anchors = anchors.map_err(|_| Error::Malformed("an authority is not readable"))?;
        if anchors.is_empty() {
            return Err(Error::Malformed("there is no authority to trust"));
        }
        let revoked = trust.revoked.into_iter().take(MAX_REVOKED);
        let revoked = revoked.map(|revoked| (revoked.node_id, UnixMillis(revoked.until_ms)));
        let keys = trust.gossip_keys.into_iter().take(MAX_GOSSIP_KEYS);
        let keys = keys.map(|key| {
            let bytes = <[u8; 32]>::try_from(key.key.as_slice());
            let key = bytes.map(|bytes| GossipKey {
                id: key.id,
                key: bytes,
            });
            key.map_err(|_| Error::Malformed("a key for gossip has another length"))
        });
        Ok(Self {
            domain: trust.trust_domain.parse()?,
            version: trust.version,
            grace: Duration::from_millis(trust.grace_ms),
            gossip_keys: keys.collect::<Result<_, _>>()?,
            revoked: revoked.collect(),
            removed: trust.removed.into_iter().take(MAX_REMOVED).collect(),
            anchors,
            authorities,
            signed,
        })
    }

    /// To hand on.
    #[must_use]
    pub fn signed(&self) -> &v1::SignedTrust {
        &self.signed
    }

    /// Whether what was issued to a sidecar at that moment is good for nothing.
    #[must_use]
    pub fn is_revoked(&self, node: &str, issued: UnixMillis) -> bool {
        self.is_removed(node) || self.revoked.get(node).is_some_and(|until| issued <= *until)
    }

    /// Whether an operator said that a sidecar is gone for good, with all that was on its disk.
    #[must_use]
    pub fn is_removed(&self, node: &str) -> bool {
        self.removed.contains(node)
    }

    /// Whether the authority with this fingerprint (SHA-256 of its certificate, hex) is trusted.
    #[must_use]
    pub fn has_authority(&self, pinned: &str) -> bool {
        let mut authorities = self.authorities.iter();
        authorities.any(|authority| hex::encode(fingerprint(authority)) == pinned)
    }

    /// Whether another authority than this certificate's issues now, so that a new certificate is due.
    #[must_use]
    pub(crate) fn has_other_issuer(&self, issuer: &[u8]) -> bool {
        let current = self.authorities.first();
        let current = current.and_then(|der| EndEntityCert::try_from(der).ok());
        current.is_some_and(|current| current.subject() != issuer)
    }

    fn signed_by(
        signed: v1::SignedTrust,
        authorities: &[CertificateDer<'_>],
    ) -> Result<Self, Error> {
        let message = [PURPOSE, &signed.trust].concat();
        let good = authorities.iter().any(|authority| {
            let name = fingerprint(authority);
            let mut signatures = signed.signatures.iter();
            let found = signatures.find(|signature| signature.authority == name);
            found.is_some_and(|found| is_signed(authority, &message, &found.signature))
        });
        match good {
            true => Self::read(signed),
            false => Err(Error::Malformed(
                "what to trust is not signed by an authority that is trusted",
            )),
        }
    }
}

fn is_signed(authority: &CertificateDer<'_>, message: &[u8], signature: &[u8]) -> bool {
    let authority = EndEntityCert::try_from(authority);
    let checked = authority.map(|a| a.verify_signature(ECDSA_P256_SHA256, message, signature));
    matches!(checked, Ok(Ok(())))
}

pub(crate) fn fingerprint(certificate: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, certificate);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}
