//! Requests to hosts outside the cluster: the name is resolved here, each address judged by the sidecar, and the
//! connection made to one of those, so that a name that means another address a moment later changes nothing.
//!
//! As wasmtime's own `default_send_request` but for that. Redirects are the guest's: each is a request of its own.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Interval, interval, timeout};
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error as WasiError;
use wasmtime_wasi_http::io::TokioIo;

use crate::outgoing::{BoxFuture, Outgoing};

/// How long each part of an exchange may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// To connect, and to agree on the protocol.
    pub(crate) connect: Duration,
    /// To the answer's head.
    pub(crate) first_byte: Duration,
    /// Between two pieces of the answer's body.
    pub(crate) between_bytes: Duration,
}

/// What drives the connection while the answer's body is read.
pub(crate) type Driver = BoxFuture<Result<(), WasiError>>;

/// Roots of the public web, read once.
static TLS: LazyLock<TlsConnector> = LazyLock::new(|| {
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.into(),
    };
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
});

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Sends the request to an address that `outgoing` permits.
pub(crate) async fn send<B>(
    mut request: Request<B>,
    patience: Patience,
    outgoing: &dyn Outgoing,
) -> Result<(Response<Answer>, Driver), WasiError>
where
    B: Body<Data = Bytes, Error = WasiError> + Send + 'static,
{
    let connecting = connect(request.uri(), outgoing);
    let stream = timeout(patience.connect, connecting)
        .await
        .map_err(|_| WasiError::ConnectionTimeout)??;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // To whom it is sent is in the connection and in the header `host`.
    let path = request.uri().path_and_query();
    let path = path.map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().map_err(|_| WasiError::HttpRequestUriInvalid)?;

    let mut driver: Driver = Box::pin(async move { connection.await.map_err(WasiError::from) });
    let answering = async move {
        timeout(patience.first_byte, sender.send_request(request))
            .await
            .map_err(|_| WasiError::ConnectionReadTimeout)?
            .map_err(WasiError::from)
    };
    let mut answering = std::pin::pin!(answering);
    let answer = tokio::select! {
        biased;
        answer = &mut answering => answer?,
        ended = &mut driver => {
            ended?;
            driver = Box::pin(std::future::ready(Ok(())));
            answering.await?
        }
    };
    // An interval of nothing is a fault of the timer's.
    let mut late = interval(patience.between_bytes.max(Duration::from_nanos(1)));
    late.reset();
    let answer = answer.map(|incoming| Answer { incoming, late });
    Ok((answer, driver))
}

/// A connection to the first permitted address that answers.
async fn connect(uri: &Uri, outgoing: &dyn Outgoing) -> Result<Box<dyn Io>, WasiError> {
    let host = uri.host().ok_or(WasiError::HttpRequestUriInvalid)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let found = lookup_host((host, port)).await;
    let found: Vec<SocketAddr> = found.map_err(WasiError::Connect)?.collect();
    let permits = |address: &SocketAddr| outgoing.permits(*address);
    let permitted: Vec<_> = found.iter().copied().filter(permits).collect();
    if permitted.is_empty() && !found.is_empty() {
        return Err(WasiError::DestinationIpProhibited);
    }
    let stream = TcpStream::connect(&permitted[..]).await;
    let stream = stream.map_err(WasiError::Connect)?;
    if !is_tls {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(host.to_owned())?;
    let stream = TLS.connect(name, stream).await;
    Ok(Box::new(stream.map_err(WasiError::Tls)?))
}

/// An answer's body that fails when nothing comes for too long.
pub(crate) struct Answer {
    incoming: Incoming,
    late: Interval,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = WasiError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WasiError>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(Some(Ok(frame))) => {
                self.late.reset();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Pending => {
                ready!(self.late.poll_tick(cx));
                Poll::Ready(Some(Err(WasiError::ConnectionReadTimeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
