//! Whom a client believes over https: the host's authorities, or what somebody gave it.
//!
//! A certificate that was given is an authority, or the very one that a server shows: so a server with a certificate that
//! it signed itself can be believed without believing anybody else.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use reqwest::Url;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::error::Error;

/// Whose certificates are believed.
#[derive(Debug, Clone, Default)]
pub struct Trust(Option<Vec<CertificateDer<'static>>>);

impl Trust {
    /// These, in PEM, and no others: authorities, or a server's own certificate.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is no certificate in it.
    pub fn only(pem: &[u8]) -> Result<Self, Error> {
        let invalid = || Error::Invalid("there is no certificate in PEM in it".into());
        let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let found = found.map_err(|_| invalid())?;
        match found.is_empty() {
            true => Err(invalid()),
            false => Ok(Self(Some(found))),
        }
    }

    /// This one, DER, and no other.
    #[must_use]
    pub fn only_der(certificate: &[u8]) -> Self {
        Self(Some(vec![CertificateDer::from(certificate.to_vec())]))
    }

    /// Whether a server at `host` that shows these certificates, its own first, is believed.
    ///
    /// # Errors
    /// Why it is not, in words.
    pub fn check(&self, host: &str, chain: &[Vec<u8>]) -> Result<(), String> {
        let chain: Vec<_> = chain
            .iter()
            .map(|der| CertificateDer::from(&**der))
            .collect();
        let (first, others) = chain.split_first().ok_or("it shows no certificate")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host).map_err(|_| "its name is no host name")?;
        let checked = Verifier::new(self.clone()).check(first, others, &name, UnixTime::now());
        checked.map_err(|error| why(&error))
    }

    pub(crate) fn config(&self) -> Result<ClientConfig, Error> {
        config(Arc::new(Verifier::new(self.clone())))
    }
}

fn config(verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(rustls::ALL_VERSIONS);
    let builder = builder.map_err(|error| Error::Invalid(error.to_string()))?;
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = [b"h2".to_vec(), b"http/1.1".to_vec()].into();
    Ok(config)
}

/// The certificates that the server at an https URL shows, its own first, whether they are believed or not. It is sent nothing but
/// the greeting that they are the answer to.
///
/// # Errors
/// [`Error::Unreachable`] when nobody is there, or somebody who speaks no TLS.
pub async fn certificates_of(url: &str) -> Result<Vec<Vec<u8>>, Error> {
    let whom = format!("the server at {url}");
    let parsed = Url::parse(url).map_err(|error| Error::Invalid(error.to_string()))?;
    let seen = Arc::new(Seen::default());
    let http = reqwest::Client::builder()
        .connect_timeout(crate::client::CONNECT_TIMEOUT)
        .timeout(crate::client::CONNECT_TIMEOUT)
        .no_proxy()
        .tls_backend_preconfigured(config(seen.clone())?)
        .build()
        .map_err(|error| Error::transport(&whom, &error))?;
    let refused = http.get(parsed).send().await;
    let chain = std::mem::take(&mut *seen.0.lock().unwrap_or_else(PoisonError::into_inner));
    match (refused, chain.is_empty()) {
        (_, false) => Ok(chain),
        (Err(error), true) => Err(Error::transport(&whom, &error)),
        (Ok(_), true) => Err(Error::Invalid(format!("{url} is no https address"))),
    }
}

/// An error of TLS, in words.
fn why(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            // One that signed itself is no server's to those who look for an authority.
            CertificateError::UnknownIssuer | CertificateError::Other(_) => {
                "no authority that is believed issued its certificate".to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name".to_owned()
            }
            other => format!("its certificate is not believed: {other}"),
        },
        other => other.to_string(),
    }
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER
        .get_or_init(|| Arc::new(ring::default_provider()))
        .clone()
}

/// The host's authorities; where it has none, those of the public web.
fn of_host() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let load = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Arc::new(roots)
    };
    ROOTS.get_or_init(load).clone()
}

/// Reads the host's authorities when somebody is first met: most are met in clear, on one's own machine.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    by_authority: OnceLock<Result<Arc<WebPkiServerVerifier>, rustls::Error>>,
}

impl Verifier {
    fn new(trust: Trust) -> Self {
        Self {
            trust,
            by_authority: OnceLock::new(),
        }
    }

    fn by_authority(&self) -> Result<Arc<WebPkiServerVerifier>, rustls::Error> {
        let make = || {
            let roots = match &self.trust.0 {
                None => of_host(),
                Some(given) => {
                    let mut roots = RootCertStore::empty();
                    roots.add_parsable_certificates(given.iter().cloned());
                    Arc::new(roots)
                }
            };
            let built = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
            built.map_err(|error| rustls::Error::General(error.to_string()))
        };
        self.by_authority.get_or_init(make).clone()
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let given = self.trust.0.as_ref();
        if given.is_some_and(|given| given.iter().any(|given| given == certificate)) {
            // The very one: nobody else vouches for it.
            return verify_server_name(&ParsedCertificate::try_from(certificate)?, name);
        }
        let by_authority = self.by_authority()?;
        let checked = by_authority.verify_server_cert(certificate, others, name, &[], now);
        checked.map(|_| ())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let checked = self.check(certificate, others, name, now);
        checked.map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Notes what is shown, and goes no further.
#[derive(Default)]
struct Seen(Mutex<Vec<Vec<u8>>>);

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seen")
    }
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(certificate).chain(others);
        let chain = chain.map(|der| der.to_vec()).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
