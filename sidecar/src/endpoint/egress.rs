//! Connections to addresses outside the cluster that the egress policy allows.
//!
//! A name is resolved here and each of its addresses judged, and the connection is made to one of those: so a name
//! that means another address a moment later changes nothing. What is allowed is core's.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use gateless_core::egress::{Egress, Refused};
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};

/// Where a plain `http` URL leads when it names no port.
const HTTP: u16 = 80;

/// Judges what a URL says by itself: an address, or a name that always means this host.
///
/// # Errors
/// What kind of address it is that is refused. A name is judged by its addresses, when it is connected to.
pub fn check(egress: &Egress, uri: &Uri) -> Result<(), Refused> {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let address = match host.parse() {
        Ok(address) => address,
        // RFC 6761, 6.3.
        Err(_) if name == "localhost" || name.ends_with(".localhost") => {
            IpAddr::from([127, 0, 0, 1])
        }
        Err(_) => return Ok(()),
    };
    egress.check(SocketAddr::new(address, uri.port_u16().unwrap_or(HTTP)))
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
        Box::pin(async move {
            let host = uri.host().unwrap_or_default();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let found = lookup_host((host, uri.port_u16().unwrap_or(HTTP))).await?;
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
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
