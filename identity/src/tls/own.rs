//! What rustls asks: which certificate to show, and whether the one shown is good.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme,
};
use webpki::anchor_from_trusted_cert;

use super::Trusted;
use crate::credentials::Credentials;
use crate::trust::fingerprint;
use crate::verify::{Refused, verify};

/// This part's certificate, which changes when it is renewed.
#[derive(Debug)]
pub(super) struct Own(ArcSwap<Credentials>);

impl Own {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self(ArcSwap::from_pointee(credentials))
    }

    pub(super) fn get(&self) -> Arc<Credentials> {
        self.0.load_full()
    }

    pub(super) fn set(&self, credentials: Credentials) {
        self.0.store(Arc::new(credentials));
    }
}

impl ResolvesServerCert for Own {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().certified.clone())
    }
}

impl ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().certified.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn algorithms() -> WebPkiSupportedAlgorithms {
    rustls::crypto::ring::default_provider().signature_verification_algorithms
}

/// Whom a certificate has to prove.
enum Expected {
    /// Somebody of this cluster; who it is, is looked at after the handshake.
    Member(Arc<Trusted>),
    /// A server whose authority has this fingerprint, which an operator handed over.
    Pinned(String),
}

/// Whether the certificate that the other end shows will do.
pub(super) struct Check {
    expected: Expected,
    algorithms: WebPkiSupportedAlgorithms,
    mandatory: bool,
}

impl Check {
    /// Of somebody of this cluster; `mandatory`: who shows none is sent away.
    pub(super) fn of_member(trust: &Arc<Trusted>, mandatory: bool) -> Self {
        Self {
            expected: Expected::Member(trust.clone()),
            algorithms: algorithms(),
            mandatory,
        }
    }

    /// Of a server whose authority has this fingerprint.
    pub(super) fn of_pinned(fingerprint: &str) -> Self {
        Self {
            expected: Expected::Pinned(fingerprint.to_owned()),
            algorithms: algorithms(),
            mandatory: true,
        }
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let checked = match &self.expected {
            Expected::Member(trust) => {
                let now_trusted = trust.now.load();
                verify(&now_trusted, certificate, others, now, trust.grace()).map(|_| ())
            }
            Expected::Pinned(pinned) => is_pinned_server(pinned, certificate, others, now),
        };
        checked.map_err(alert)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check")
    }
}

fn is_pinned_server(
    pinned: &str,
    certificate: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), Refused> {
    let is_pinned = |other: &&CertificateDer<'_>| hex::encode(fingerprint(other)) == pinned;
    let authority = others.iter().find(is_pinned).ok_or(Refused::Foreign)?;
    let anchor = anchor_from_trusted_cert(authority).map_err(Refused::Bad)?;
    let leaf = webpki::EndEntityCert::try_from(certificate).map_err(Refused::Bad)?;
    leaf.verify_for_usage(
        &[webpki::ring::ECDSA_P256_SHA256],
        &[anchor],
        others,
        now,
        webpki::KeyUsage::server_auth(),
        None,
        None,
    )
    .map_err(Refused::Bad)?;
    let named = crate::verify::name(certificate)?;
    let id: crate::Id = named.id.parse().map_err(|_| Refused::Nameless)?;
    match id.role {
        crate::Role::Server => Ok(()),
        crate::Role::Sidecar => Err(Refused::Another(id.to_string(), "a server".to_owned())),
    }
}

/// As the other end hears of it.
fn alert(refused: Refused) -> rustls::Error {
    let error = match &refused {
        Refused::Foreign => CertificateError::UnknownIssuer,
        Refused::Expired(_) => CertificateError::Expired,
        Refused::NotYet => CertificateError::NotValidYet,
        Refused::Revoked(_) => CertificateError::Revoked,
        _ => CertificateError::Other(OtherError(Arc::new(refused))),
    };
    rustls::Error::InvalidCertificate(error)
}

fn never() -> rustls::Error {
    rustls::Error::General("only TLS 1.3 is spoken here".into())
}

impl ServerCertVerifier for Check {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let checked = self.check(certificate, others, now);
        checked.map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(never())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Check {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    /// None: a part has one certificate, and shows it.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let checked = self.check(certificate, others, now);
        checked.map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(never())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
