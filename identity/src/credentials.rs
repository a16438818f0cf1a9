//! A key that was made here, and the certificate for it.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use gateless_common::time::UnixMillis;
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use ring::digest;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::spiffe::Id;
use crate::{Error, verify};

/// A key without a certificate. It is ECDSA P-256, and leaves this process for its owner's folder alone.
pub struct NewKey(KeyPair);

impl NewKey {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(KeyPair::generate()?))
    }

    /// A certificate signing request, DER. It names nobody: the authority decides on the name.
    ///
    /// # Errors
    /// None that are known.
    pub fn request(&self) -> Result<Vec<u8>, Error> {
        let params = CertificateParams::default();
        Ok(params.serialize_request(&self.0)?.der().to_vec())
    }

    /// SHA-256 of the public key, hex.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let public = self.0.subject_public_key_info();
        hex::encode(digest::digest(&digest::SHA256, &public))
    }

    /// With the certificates that came for it, its own first.
    ///
    /// # Errors
    /// When they are not for this key, or name nobody.
    pub fn certified(&self, chain: Vec<Vec<u8>>) -> Result<Credentials, Error> {
        Credentials::new(self.0.serialize_der(), chain)
    }
}

/// A key and its certificate.
#[derive(Debug)]
pub struct Credentials {
    /// Who has them.
    pub id: Id,
    /// When the certificate was issued.
    pub issued: UnixMillis,
    /// When it ends.
    pub expires: UnixMillis,
    /// As TLS takes them.
    pub(crate) certified: Arc<CertifiedKey>,
    key: Vec<u8>,
}

impl Credentials {
    /// `key` is PKCS#8, `chain` DER with its own certificate first.
    ///
    /// # Errors
    /// When one is not readable, they do not belong together, or the certificate names no server or sidecar.
    pub fn new(key: Vec<u8>, chain: Vec<Vec<u8>>) -> Result<Self, Error> {
        let chain: Vec<CertificateDer<'static>> = chain.into_iter().map(Into::into).collect();
        let first = chain.first();
        let first = first.ok_or(Error::Malformed("there is no certificate"))?;
        let named = verify::name(first)?;
        let malformed = |_| Error::Malformed("the certificate is not readable");
        let (_, parsed) = X509Certificate::from_der(first).map_err(malformed)?;
        let end = parsed.validity().not_after.timestamp();
        let expires = Duration::from_secs(u64::try_from(end).unwrap_or(0));
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.clone()));
        let signing = rustls::crypto::ring::sign::any_supported_type(&private);
        let signing = signing.map_err(|_| Error::Malformed("the key is not readable"))?;
        let certified = CertifiedKey::new(chain, signing);
        let matches = certified.keys_match();
        matches.map_err(|_| Error::Malformed("the certificate is for another key"))?;
        Ok(Self {
            id: Id::from_str(&named.id)?,
            issued: named.issued,
            expires: UnixMillis::from_epoch(expires),
            certified: Arc::new(certified),
            key,
        })
    }

    /// When it is time for new ones: half of their life is over.
    #[must_use]
    pub fn renew_at(&self) -> UnixMillis {
        let half = self.expires.since(self.issued) / 2;
        UnixMillis(self.issued.0.saturating_add(UnixMillis::from_epoch(half).0))
    }

    /// The key, PKCS#8.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The certificates, DER.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.certified.cert.iter().map(AsRef::as_ref)
    }

    /// The name of the authority that issued it, DER.
    pub(crate) fn issuer(&self) -> Option<Vec<u8>> {
        let first = self.certified.cert.first()?;
        let certificate = webpki::EndEntityCert::try_from(first).ok()?;
        Some(certificate.issuer().to_vec())
    }
}
