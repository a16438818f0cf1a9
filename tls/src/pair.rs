//! A certificate with its key, as it is read from PEM.
//!
//! Deliberately no file: where the bytes are from is [`crate::source`]'s. What a fault says has nothing of the key in it.

use std::sync::Arc;
use std::time::Duration;

use gateless_common::time::UnixMillis;
use ring::digest;
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Bytes of a file with certificates or a key.
pub const MAX_PEM_BYTES: usize = 256 << 10;

/// Why a certificate and a key are no pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no certificate in it.
    #[error("there is no certificate in PEM in it")]
    NoCertificate,
    /// One of the certificates is not readable.
    #[error("a certificate in it is not readable")]
    BadCertificate,
    /// There is no key in it.
    #[error("there is no private key in PEM in it")]
    NoKey,
    /// A kind of key that is not supported.
    #[error("the key is none of RSA, ECDSA (P-256, P-384) or Ed25519, or is not readable")]
    BadKey,
    /// The two do not belong together.
    #[error("the key is not that of the first certificate")]
    Mismatch,
}

/// A certificate, its chain and its key.
#[derive(Debug)]
pub struct Pair {
    names: Vec<String>,
    expires: UnixMillis,
    fingerprint: String,
    digest: Vec<u8>,
    certified: Arc<CertifiedKey>,
}

impl Pair {
    /// Reads a chain, its own certificate first, and the key for that one.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn parse(chain: &[u8], key: &[u8]) -> Result<Self, Fault> {
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| Fault::BadCertificate)?;
        let first = certificates.first().ok_or(Fault::NoCertificate)?;
        let (names, expires) = of_certificate(first)?;
        for other in &certificates[1..] {
            X509Certificate::from_der(other).map_err(|_| Fault::BadCertificate)?;
        }
        let fingerprint = hex::encode(digest::digest(&digest::SHA256, first));
        let mut whole = digest::Context::new(&digest::SHA256);
        certificates.iter().for_each(|der| whole.update(der));
        // The library's own error quotes what it read.
        let private = PrivateKeyDer::from_pem_slice(key).map_err(|_| Fault::NoKey)?;
        whole.update(private.secret_der());
        let signing = rustls::crypto::ring::sign::any_supported_type(&private);
        let signing = signing.map_err(|_| Fault::BadKey)?;
        let certified = CertifiedKey::new(certificates, signing);
        certified.keys_match().map_err(|_| Fault::Mismatch)?;
        Ok(Self {
            names,
            expires,
            fingerprint,
            digest: whole.finish().as_ref().to_vec(),
            certified: Arc::new(certified),
        })
    }

    /// The host names it is for, in lower case; `*.example.com` is for each name with one label more.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// When it ends.
    #[must_use]
    pub const fn expires(&self) -> UnixMillis {
        self.expires
    }

    /// SHA-256 of its own certificate, hex.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether both are of the very same bytes.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// Another of the very same bytes.
    #[cfg(test)]
    pub(crate) fn copy(&self) -> Self {
        Self {
            names: self.names.clone(),
            expires: self.expires,
            fingerprint: self.fingerprint.clone(),
            digest: self.digest.clone(),
            certified: self.certified.clone(),
        }
    }

    /// Whether it can sign as the client asks.
    pub(crate) fn suits(&self, schemes: &[SignatureScheme]) -> bool {
        self.certified.key.choose_scheme(schemes).is_some()
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }
}

/// The names it is for, and when it ends.
fn of_certificate(der: &[u8]) -> Result<(Vec<String>, UnixMillis), Fault> {
    let (_, parsed) = X509Certificate::from_der(der).map_err(|_| Fault::BadCertificate)?;
    let end = parsed.validity().not_after.timestamp();
    let expires = Duration::from_secs(u64::try_from(end).unwrap_or(0));
    let named = parsed.subject_alternative_name();
    let named = named.map_err(|_| Fault::BadCertificate)?;
    let all = named
        .iter()
        .flat_map(|extension| &extension.value.general_names);
    let dns = all.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.trim_end_matches('.').to_ascii_lowercase()),
        _ => None,
    });
    Ok((dns.collect(), UnixMillis::from_epoch(expires)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::made;

    #[test]
    fn names_are_those_of_hosts_in_lower_case() {
        let (chain, key) = made(&["A.example", "*.B.example", "192.0.2.1"]);
        let pair = Pair::parse(chain.as_bytes(), key.as_bytes()).unwrap();
        assert_eq!(pair.names(), ["a.example", "*.b.example"]);
        assert_eq!(pair.fingerprint().len(), 64);
    }

    #[test]
    fn what_is_no_pair_is_refused_by_what_is_wrong_with_it() {
        let (chain, key) = made(&["a.example"]);
        let (other, _) = made(&["a.example"]);
        let broken = chain.replace("MII", "AAA");
        let cut = &key[..key.len() / 2];
        let check = |chain: &str, key: &str, fault: Fault| {
            let found = Pair::parse(chain.as_bytes(), key.as_bytes()).unwrap_err();
            assert_eq!(found, fault);
            // Nothing of the key is quoted.
            let said = format!("{found} {found:?}");
            let lines = key.lines().filter(|line| line.len() > 20);
            lines.for_each(|line| assert!(!said.contains(line)));
        };
        check("", &key, Fault::NoCertificate);
        check(&key, &key, Fault::NoCertificate);
        check(&broken, &key, Fault::BadCertificate);
        check(&chain, "", Fault::NoKey);
        check(&chain, cut, Fault::NoKey);
        check(&chain, &chain, Fault::NoKey);
        check(&other, &key, Fault::Mismatch);
    }
}
