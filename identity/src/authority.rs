//! The authority: it names sidecars and servers, and says whom to trust.
//!
//! A new one is vouched for by the one before: its certificate comes twice, signed by itself and by that one. So who
//! has only heard of the old one believes what the new one issues, and a rotation waits for nobody. Pure but for
//! randomness: who may have a certificate is decided elsewhere, and where its key is kept, too.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateless_common::time::UnixMillis;
use gateless_proto::v1;
use prost::Message as _;
use rand::RngCore as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
    SerialNumber, SigningKey as _,
};
use ring::digest;
use serde::{Deserialize, Serialize};

use crate::spiffe::{Id, TrustDomain};
use crate::trust::{PURPOSE, fingerprint};
use crate::{Credentials, Error, NewKey};

/// How long a certificate is good, unless the server is told otherwise.
pub const CERTIFICATE_LIFE: Duration = Duration::from_secs(24 * 3600);
/// The shortest that a certificate may be good.
pub const MIN_CERTIFICATE_LIFE: Duration = Duration::from_secs(2);
/// How long an authority is good.
const AUTHORITY_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Certificates begin so long before they are made: clocks differ.
const BACKDATED: Duration = Duration::from_secs(3600);
/// The most bytes of a signing request.
const MAX_REQUEST: usize = 4 << 10;

/// The keys that issue, and the domain they do it for.
pub struct Authority {
    /// In whose names it issues.
    pub domain: TrustDomain,
    current: Signer,
    previous: Option<Signer>,
}

struct Signer {
    certificate: Vec<u8>,
    /// Its certificate as the one before it signed it.
    vouched: Option<Vec<u8>>,
    key: KeyPair,
    made: UnixMillis,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    trust_domain: String,
    current: StoredSigner,
    previous: Option<StoredSigner>,
}

#[derive(Serialize, Deserialize)]
struct StoredSigner {
    certificate: String,
    vouched: Option<String>,
    key: String,
    made_ms: u64,
}

/// Of the record of an authority.
const VERSION: u32 = 1;

impl Authority {
    /// A first one.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new(domain: TrustDomain, now: UnixMillis) -> Result<Self, Error> {
        Ok(Self {
            current: Signer::new(now, None)?,
            previous: None,
            domain,
        })
    }

    /// With a new key that the present one vouches for; the present one goes on being trusted.
    ///
    /// # Errors
    /// When there are two already.
    pub fn rotated(&self, now: UnixMillis) -> Result<Self, Error> {
        if self.previous.is_some() {
            return Err(Error::Malformed(
                "the authority before this one is still trusted: retire it first",
            ));
        }
        Ok(Self {
            domain: self.domain.clone(),
            current: Signer::new(now, Some(&self.current))?,
            previous: Some(self.current.copy()?),
        })
    }

    /// Without the one before, in which nobody trusts any more then.
    ///
    /// # Errors
    /// When there is none.
    pub fn retired(&self) -> Result<Self, Error> {
        if self.previous.is_none() {
            return Err(Error::Malformed("there is no authority before this one"));
        }
        let mut current = self.current.copy()?;
        current.vouched = None;
        Ok(Self {
            domain: self.domain.clone(),
            current,
            previous: None,
        })
    }

    /// A certificate for the key of a signing request, and what leads from it to every authority that is trusted.
    ///
    /// # Errors
    /// When the request is not readable or not signed with its key.
    pub fn issue(
        &self,
        id: &Id,
        request: &[u8],
        now: UnixMillis,
        life: Duration,
    ) -> Result<Issued, Error> {
        if request.len() > MAX_REQUEST {
            return Err(Error::Malformed("the signing request is too long"));
        }
        let request = CertificateSigningRequestParams::from_der(&request.into())?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named(id.name());
        let uri = id.to_string().try_into()?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.serial_number = Some(serial(now));
        between(&mut params, now, life);
        let public = &request.public_key;
        let leaf = params.signed_by(public, &self.current.issuer()?)?;
        let key = digest::digest(&digest::SHA256, &public.subject_public_key_info());
        let mut chain = vec![leaf.der().to_vec()];
        chain.extend(self.current.vouched.clone());
        Ok(Issued {
            chain,
            key: hex::encode(key),
            expires: UnixMillis::from_epoch(now.since_epoch() + life),
        })
    }

    /// Of this program's own, which proves itself also to who knows but a fingerprint.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn own(&self, id: &Id, now: UnixMillis, life: Duration) -> Result<Credentials, Error> {
        let key = NewKey::generate()?;
        let mut chain = self.issue(id, &key.request()?, now, life)?.chain;
        chain.extend(self.authorities());
        key.certified(chain)
    }

    /// The certificates to trust, DER; the one that issues first.
    #[must_use]
    pub fn authorities(&self) -> Vec<Vec<u8>> {
        let signers = [&self.current].into_iter().chain(&self.previous);
        signers.map(|signer| signer.certificate.clone()).collect()
    }

    /// SHA-256 of the certificate of the one that issues, hex.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(fingerprint(&self.current.certificate))
    }

    /// SHA-256 of the certificates and when they were made, the one that issues first.
    #[must_use]
    pub fn signers(&self) -> Vec<(String, UnixMillis)> {
        let signers = [&self.current].into_iter().chain(&self.previous);
        let of = |signer: &Signer| (hex::encode(fingerprint(&signer.certificate)), signer.made);
        signers.map(of).collect()
    }

    /// Signs what to trust with every key that is trusted. The domain and the authorities are put in.
    ///
    /// # Errors
    /// None that are known.
    pub fn sign(&self, mut trust: v1::Trust) -> Result<v1::SignedTrust, Error> {
        trust.trust_domain = self.domain.to_string();
        trust.authorities = self.authorities();
        let trust = trust.encode_to_vec();
        let message = [PURPOSE, &trust].concat();
        let signers = [&self.current].into_iter().chain(&self.previous);
        let signatures = signers.map(|signer| {
            Ok(v1::TrustSignature {
                authority: fingerprint(&signer.certificate).to_vec(),
                signature: signer.key.sign(&message)?,
            })
        });
        let signatures = signatures.collect::<Result<_, Error>>()?;
        Ok(v1::SignedTrust { trust, signatures })
    }

    /// For a file that only its owner reads.
    ///
    /// # Errors
    /// None that are known.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let stored = Stored {
            version: VERSION,
            trust_domain: self.domain.to_string(),
            current: self.current.stored(),
            previous: self.previous.as_ref().map(Signer::stored),
        };
        serde_json::to_vec_pretty(&stored).map_err(|_| Error::Malformed("an authority's record"))
    }

    /// As [`Authority::to_bytes`] wrote it.
    ///
    /// # Errors
    /// When it is not understood. The message holds nothing of a key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let unreadable = |_| Error::Malformed("the authority's record is not readable");
        let stored: Stored = serde_json::from_slice(bytes).map_err(unreadable)?;
        if stored.version != VERSION {
            return Err(Error::Malformed(
                "the authority's record is of another version",
            ));
        }
        Ok(Self {
            domain: stored.trust_domain.parse()?,
            current: stored.current.signer()?,
            previous: stored.previous.map(StoredSigner::signer).transpose()?,
        })
    }
}

/// What was issued.
#[derive(Debug, Clone)]
pub struct Issued {
    /// DER, the certificate first.
    pub chain: Vec<Vec<u8>>,
    /// SHA-256 of the public key it is for, hex.
    pub key: String,
    /// When it ends.
    pub expires: UnixMillis,
}

impl Signer {
    fn new(now: UnixMillis, before: Option<&Self>) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut name = [0; 4];
        rand::rng().fill_bytes(&mut name);
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&format!("Gateless authority {}", hex::encode(name)));
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        params.serial_number = Some(serial(now));
        between(&mut params, now, AUTHORITY_LIFE);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
        let certificate = params.self_signed(&key)?.der().to_vec();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let vouched = before.map(|before| {
            let vouched = params.signed_by(&key, &before.issuer()?)?;
            Ok::<_, Error>(vouched.der().to_vec())
        });
        Ok(Self {
            vouched: vouched.transpose()?,
            certificate,
            key,
            made: now,
        })
    }

    fn issuer(&self) -> Result<Issuer<'static, &KeyPair>, Error> {
        let certificate = self.certificate.as_slice().into();
        Ok(Issuer::from_ca_cert_der(&certificate, &self.key)?)
    }

    fn copy(&self) -> Result<Self, Error> {
        self.stored().signer()
    }

    fn stored(&self) -> StoredSigner {
        StoredSigner {
            certificate: STANDARD.encode(&self.certificate),
            vouched: self.vouched.as_ref().map(|bytes| STANDARD.encode(bytes)),
            key: STANDARD.encode(self.key.serialized_der()),
            made_ms: self.made.0,
        }
    }
}

impl StoredSigner {
    fn signer(self) -> Result<Signer, Error> {
        let bytes = |text: String| {
            let decoded = STANDARD.decode(text);
            decoded.map_err(|_| Error::Malformed("the authority's record is not base64"))
        };
        Ok(Signer {
            certificate: bytes(self.certificate)?,
            vouched: self.vouched.map(bytes).transpose()?,
            key: KeyPair::try_from(bytes(self.key)?)?,
            made: UnixMillis(self.made_ms),
        })
    }
}

fn named(name: &str) -> rcgen::DistinguishedName {
    let mut names = rcgen::DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// When it was issued, 8 bytes, and 8 random ones: what a sidecar had before it was revoked is told from what it got
/// after by that. The first bit is zero for three hundred million years.
fn serial(now: UnixMillis) -> SerialNumber {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(now.0 | SERIAL).to_be_bytes());
    rand::rng().fill_bytes(&mut bytes[8..]);
    SerialNumber::from_slice(&bytes)
}

/// A bit that is set in each, as DER drops zeros in front.
pub(crate) const SERIAL: u64 = 1 << 62;

fn between(params: &mut CertificateParams, now: UnixMillis, life: Duration) {
    let at = |since: Duration| (SystemTime::UNIX_EPOCH + since).into();
    params.not_before = at(now.since_epoch().saturating_sub(BACKDATED));
    params.not_after = at(now.since_epoch() + life);
}
