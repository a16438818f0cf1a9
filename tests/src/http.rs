//! HTTP clients for tests: no proxy, and over https whom a test says to believe.

use std::sync::Arc;

use reqwest::ClientBuilder;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// A client that believes nobody over https.
pub fn client() -> ClientBuilder {
    believing(&[], &[])
}

/// A client that believes these authorities over https, and nobody else, and speaks these protocols there.
///
/// # Panics
/// When one is no certificate.
pub fn believing(authorities: &[CertificateDer<'static>], protocols: &[&str]) -> ClientBuilder {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let protocols = protocols.iter();
    tls.alpn_protocols = protocols.map(|name| name.as_bytes().to_vec()).collect();
    reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(tls)
}
