//! Connections to addresses outside the cluster that the egress policy allows.
//!
//! A name is resolved here and each of its addresses judged, and the connection is made to one of those: so a name
//! that means another address a moment later changes nothing. What is allowed is core's.

use std::error::Error as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gateless_common::url::is_this_host;
use gateless_core::egress::{Egress, Refused};
use http::Uri;
use http::uri::Scheme;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, lookup_host};

/// For a connection to be there, its name resolved: less than any exchange over it may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Where a URL leads.
fn port(uri: &Uri) -> u16 {
    let is_https = uri.scheme() == Some(&Scheme::HTTPS);
    uri.port_u16().unwrap_or(if is_https { 443 } else { 80 })
}

/// Makes requests to who is outside the cluster, over http or https, where the policy allows it.
pub(crate) type Client = legacy::Client<HttpsConnector<Connector>, Full<Bytes>>;

/// What connections to the outside are made by: which addresses, and whose certificates.
#[derive(Debug, Clone)]
pub struct Outside {
    pub egress: Arc<Egress>,
    tls: Arc<ClientConfig>,
}

impl Outside {
    /// With the authorities of the public web, and those of the operator's.
    #[must_use]
    pub fn new(egress: Arc<Egress>, authorities: &[CertificateDer<'static>]) -> Self {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.into(),
        };
        roots.add_parsable_certificates(authorities.iter().cloned());
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = Arc::new(tls);
        Self { egress, tls }
    }

    pub(crate) fn client(&self) -> Client {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config((*self.tls).clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector(self.egress.clone()));
        legacy::Client::builder(TokioExecutor::new()).build(connector)
    }
}

/// Reads the certificates of authorities from a file in PEM.
///
/// # Errors
/// When it cannot be read, or has none.
pub fn authorities(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
    let text = std::fs::read(file)?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| invalid(error.to_string()))?;
    let roots = RootCertStore::empty().add_parsable_certificates(found.iter().cloned());
    match roots {
        (0, _) | (_, 1..) => Err(invalid("it is no list of certificates in PEM".to_owned())),
        _ => Ok(found),
    }
}

/// Judges what a URL says by itself: an address, or a name that always means this host.
///
/// # Errors
/// What kind of address it is that is refused. A name is judged by its addresses, when it is connected to.
pub fn check(egress: &Egress, uri: &Uri) -> Result<(), Refused> {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = match host.parse() {
        Ok(address) => address,
        Err(_) if is_this_host(host) => IpAddr::from([127, 0, 0, 1]),
        Err(_) => return Ok(()),
    };
    egress.check(SocketAddr::new(address, port(uri)))
}

/// Why a host could not be reached, without a library's words.
pub(crate) fn cause(error: &legacy::Error) -> String {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(mut io) = inner.downcast_ref::<io::Error>() {
            while let Some(inner) = io.get_ref().and_then(|inner| inner.downcast_ref()) {
                io = inner;
            }
            let tls = io.get_ref().and_then(|inner| inner.downcast_ref());
            if let Some(rustls::Error::InvalidCertificate(why)) = tls {
                return format!("its certificate is not believed: {why}");
            }
            return match (io.kind(), io.raw_os_error()) {
                // Of the egress policy.
                (io::ErrorKind::PermissionDenied, None) => io.to_string(),
                (kind, Some(_)) => format!("its host cannot be reached: {kind}"),
                _ if tls.is_some() => "it speaks no TLS that is understood here".to_owned(),
                (_, None) if error.is_connect() => "its host's name is not known".to_owned(),
                (kind, None) => format!("the connection broke off: {kind}"),
            };
        }
        source = inner.source();
    }
    match error.is_connect() {
        true => "its host cannot be reached".to_owned(),
        false => "the connection broke off before the answer".to_owned(),
    }
}

/// Connects to allowed addresses only.
#[derive(Debug, Clone)]
pub(crate) struct Connector(pub(crate) Arc<Egress>);

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let egress = self.0.clone();
        let connecting = async move {
            let host = uri.host().unwrap_or_default();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let found = lookup_host((host, port(&uri))).await?;
            let (mut allowed, mut refused) = (Vec::new(), None);
            for address in found {
                match egress.check(address) {
                    Ok(()) => allowed.push(address),
                    Err(kind) => refused = Some(kind),
                }
            }
            if let (true, Some(kind)) = (allowed.is_empty(), refused) {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, kind));
            }
            let stream = TcpStream::connect(&allowed[..]).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        };
        Box::pin(async move {
            let connected = tokio::time::timeout(CONNECT_WITHIN, connecting).await;
            connected.map_err(io::Error::from)?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use tokio::net::TcpListener;
    use tower::Service;

    #[tokio::test]
    async fn names_are_judged_by_the_addresses_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // What the system's resolver reads as loopback, whatever it is spelt like.
        for host in [
            "127.0.0.1",
            "localhost",
            "127.1",
            "0x7f000001",
            "2130706433",
        ] {
            let uri: Uri = format!("http://{host}:{}/", address.port())
                .parse()
                .unwrap();
            let refused = Connector(Arc::default()).call(uri.clone()).await;
            let error = refused.expect_err(host);
            assert_eq!(
                error.kind(),
                io::ErrorKind::PermissionDenied,
                "{host}: {error}"
            );
            let exception = address.to_string().parse().unwrap();
            let named = Egress::new(vec![exception]);
            let connected = Connector(Arc::new(named)).call(uri).await;
            assert!(connected.is_ok(), "{host}");
        }
    }

    /// Answers one request over TLS, by a certificate of an authority of its own, which it gives back in PEM.
    async fn serve_https() -> (String, String) {
        let authority = rcgen::KeyPair::generate().unwrap();
        let mut own = rcgen::CertificateParams::new(Vec::new()).unwrap();
        own.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = own.self_signed(&authority).unwrap();
        let issuer = rcgen::Issuer::from_params(&own, &authority);
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned()];
        let leaf = rcgen::CertificateParams::new(names).unwrap();
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let tls = rustls::ServerConfig::builder().with_no_client_auth();
        let tls = tls.with_single_cert(vec![leaf.der().clone()], key).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "https://localhost:{}/",
            listener.local_addr().unwrap().port()
        );
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                // Who does not believe the certificate is heard no more.
                let Ok(stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let service = hyper::service::service_fn(async |_| {
                    Ok::<_, std::convert::Infallible>(http::Response::new(Full::new(Bytes::new())))
                });
                let serving = hyper::server::conn::http1::Builder::new();
                serving
                    .serve_connection(TokioIo::new(stream), service)
                    .await
                    .ok();
            }
            #[expect(unreachable_code, reason = "names the error of the block")]
            io::Result::Ok(())
        });
        let root = base64::prelude::BASE64_STANDARD.encode(root.der());
        let root = format!("-----BEGIN CERTIFICATE-----\n{root}\n-----END CERTIFICATE-----\n");
        (url, root)
    }

    #[tokio::test]
    async fn certificates_are_believed_of_the_operators_authorities_and_no_others() {
        let (url, root) = serve_https().await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), root).unwrap();
        let egress = Arc::new(Egress::new(vec!["127.0.0.1".parse().unwrap()]));
        let get = async |authorities: &[_]| {
            let request = http::Request::get(&url).body(Full::default()).unwrap();
            let client = Outside::new(egress.clone(), authorities).client();
            client.request(request).await
        };
        let stranger = get(&[]).await.unwrap_err();
        let why = cause(&stranger);
        assert!(why.starts_with("its certificate is not believed"), "{why}");
        let known = get(&authorities(file.path()).unwrap()).await.unwrap();
        assert_eq!(known.status(), 200);
        // Another name than the certificate's.
        let (none, other) = (
            Outside::new(Arc::default(), &[]),
            url.replace("localhost", "127.0.0.1"),
        );
        let request = http::Request::get(other).body(Full::default()).unwrap();
        assert!(none.client().request(request).await.is_err());
    }

    #[test]
    fn file_of_authorities_has_some() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in [
            "",
            "no certificate",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            std::fs::write(file.path(), text).unwrap();
            assert!(authorities(file.path()).is_err(), "{text}");
        }
        assert!(authorities(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn addresses_in_urls_are_judged_at_once() {
        for refused in [
            "http://127.0.0.1:80/",
            "http://LOCALHOST./x",
            "http://a.localhost/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://169.254.169.254/latest",
        ] {
            let uri = refused.parse().unwrap();
            assert!(check(&Egress::default(), &uri).is_err(), "{refused}");
        }
        for later in [
            "http://example.com/",
            "http://1.1.1.1/",
            "http://localhost.example/",
        ] {
            assert_eq!(check(&Egress::default(), &later.parse().unwrap()), Ok(()));
        }
    }
}
