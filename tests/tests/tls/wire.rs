//! A TLS connection by hand: which certificate is shown, what was agreed on, and bytes.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::fixture::Up;

/// What a client asks for.
pub(crate) struct Asks<'a> {
    /// A name, or an address, which is not said.
    pub(crate) name: &'a str,
    pub(crate) protocols: &'a [&'a str],
    pub(crate) version: &'static rustls::SupportedProtocolVersion,
}

impl Default for Asks<'_> {
    fn default() -> Self {
        Self {
            name: "localhost",
            protocols: &[],
            version: &rustls::version::TLS13,
        }
    }
}

/// Connects to a listener, and believes the authority.
pub(crate) async fn connect(
    up: &Up,
    listener: &str,
    asks: &Asks<'_>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(up.authority.der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let mut config = builder
        .with_protocol_versions(&[asks.version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let protocols = asks.protocols.iter();
    config.alpn_protocols = protocols.map(|name| name.as_bytes().to_vec()).collect();
    let tcp = TcpStream::connect(up.address(listener)).await?;
    let name = ServerName::try_from(asks.name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// The certificate that was shown.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    certificates[0].clone().into_owned()
}
