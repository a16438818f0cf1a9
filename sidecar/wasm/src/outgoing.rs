//! HTTP requests a guest makes. Those for other functions go to the sidecar's router, through the trait
//! [`Outgoing`]; the rest go out from here, to the hosts on the function's list and nowhere else.
//!
//! Deliberately no connection pool: requests to outside hosts are rare beside calls between functions. How one of these is made
//! is in `outside`.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error as WasiError, RequestOptions, WasiBody, WasiHttpHooks,
};

use crate::instance::Shared;
use crate::meter::Call;
use crate::outside::{self, Patience};
use crate::settings::Identity;

/// Any error of a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body on its way to or from the sidecar's router.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A boxed future.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The sidecar's router, as a guest's outgoing requests see it.
pub trait Outgoing: Send + Sync + 'static {
    /// Takes the request if it is for a function of this cluster, and gives it back if it is not. The URI
    /// has scheme and authority. The future is dropped with the guest, and a response's body too.
    fn route(&self, from: Caller, request: Request<Body>) -> Routed;

    /// Whether a request for outside may be sent to this address, which its host's name means just now.
    fn permits(&self, address: SocketAddr) -> bool;
}

/// What became of an outgoing request.
pub enum Routed {
    /// It is for a function; here comes the response.
    Taken(BoxFuture<Result<Response<Body>, OutgoingError>>),
    /// It is for somebody else; the function's list of hosts decides.
    Outside(Box<Request<Body>>),
}

/// Knows no function: every request is for outside, where it may go nowhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRoutes;

impl Outgoing for NoRoutes {
    fn route(&self, _: Caller, request: Request<Body>) -> Routed {
        Routed::Outside(Box::new(request))
    }

    fn permits(&self, _: SocketAddr) -> bool {
        false
    }
}

/// Where an outgoing request comes from.
#[derive(Debug, Clone)]
pub struct Caller {
    pub identity: Arc<Identity>,
    /// Extensions of the request the guest is serving (trace, hops, whatever the sidecar put there).
    pub extensions: http::Extensions,
    /// When the call the guest is serving must be over.
    pub deadline: Option<Instant>,
}

/// Why the router has no response. Whatever *has* a status is a response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingError {
    #[error("the request is denied")]
    Denied,
    /// Nothing to send it to.
    #[error("the destination is not available")]
    Unavailable,
    /// No answer in time.
    #[error("the destination did not answer in time")]
    Timeout,
    /// Too many hops.
    #[error("the functions call each other in a loop")]
    Loop,
    #[error("{0}")]
    Other(String),
}

impl From<OutgoingError> for WasiError {
    fn from(error: OutgoingError) -> Self {
        match error {
            OutgoingError::Denied => Self::HttpRequestDenied,
            OutgoingError::Unavailable => Self::DestinationUnavailable,
            OutgoingError::Timeout => Self::HttpResponseTimeout,
            OutgoingError::Loop => Self::LoopDetected,
            OutgoingError::Other(reason) => Self::InternalError(Some(reason)),
        }
    }
}

/// Longest wait for a connection to an outside host, and for its first byte, unless the guest asks for less.
const CONNECT: Duration = Duration::from_secs(10);
const FIRST_BYTE: Duration = Duration::from_secs(60);

/// Largest piece of a body a guest hands over in one write; two of them are buffered.
const CHUNK: usize = 64 << 10;

/// The guest's way out; one per store.
pub(crate) struct Hooks {
    pub(crate) shared: Arc<Shared>,
    pub(crate) call: Arc<Call>,
}

/// A response, and what must run while its body is read.
type Sent<Io> = Result<(Response<WasiBody>, Io), WasiError>;
type Io = BoxFuture<Result<(), WasiError>>;
type UnpinnedIo = Box<dyn Future<Output = Result<(), WasiError>> + Send>;

impl WasiHttpHooks for Hooks {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        DEFAULT_FORBIDDEN_HEADERS.contains(name)
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        1
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _done: Box<dyn Future<Output = Result<(), WasiError>> + Send>,
    ) -> Box<dyn Future<Output = Sent<UnpinnedIo>> + Send> {
        if !self.call.begin_outgoing(&self.shared.limits) {
            return Box::new(std::future::ready(Err(WasiError::ConnectionLimitReached)));
        }
        let place = Place(self.call.clone());
        let from = Caller {
            identity: self.shared.identity.clone(),
            extensions: self.call.extensions.clone(),
            deadline: self.call.deadline,
        };
        let request = request.map(|body| body.map_err(BoxError::from).boxed_unsync());
        let first_byte = options.and_then(|options| options.first_byte_timeout);
        let sending = match self.shared.outgoing.route(from, request) {
            Routed::Taken(response) => routed(response, first_byte, place),
            Routed::Outside(request) if self.shared.allowed.allows(request.uri()) => {
                let outgoing = self.shared.outgoing.clone();
                outside(*request, options.unwrap_or_default(), outgoing, place)
            }
            Routed::Outside(_) => Box::pin(std::future::ready(Err(WasiError::HttpRequestDenied))),
        };
        Box::new(async move {
            let (response, io) = sending.await?;
            let io: UnpinnedIo = Box::new(io);
            Ok((response, io))
        })
    }
}

fn routed(
    response: BoxFuture<Result<Response<Body>, OutgoingError>>,
    first_byte: Option<Duration>,
    place: Place,
) -> BoxFuture<Sent<Io>> {
    Box::pin(async move {
        let response = match first_byte {
            Some(limit) => tokio::time::timeout(limit, response)
                .await
                .map_err(|_| WasiError::HttpResponseTimeout)?,
            None => response.await,
        }?;
        let response = response.map(|body| keep(body.map_err(to_wasi), place));
        let io: Io = Box::pin(std::future::ready(Ok(())));
        Ok((response, io))
    })
}

fn outside(
    request: Request<Body>,
    options: RequestOptions,
    outgoing: Arc<dyn Outgoing>,
    place: Place,
) -> BoxFuture<Sent<Io>> {
    let request = request.map(|body| body.map_err(to_wasi).boxed_unsync());
    Box::pin(async move {
        let shortest =
            |asked: Option<Duration>, most: Duration| asked.map_or(most, |a| a.min(most));
        let patience = Patience {
            connect: shortest(options.connect_timeout, CONNECT),
            first_byte: shortest(options.first_byte_timeout, FIRST_BYTE),
            between_bytes: shortest(options.between_bytes_timeout, FIRST_BYTE),
        };
        let (response, io) = outside::send(request, patience, &*outgoing).await?;
        Ok((response.map(|body| keep(body, place)), io))
    })
}

/// Keeps what is known of an error through its travel as a box.
pub(crate) fn to_wasi(error: BoxError) -> WasiError {
    let error = match error.downcast::<WasiError>() {
        Ok(known) => return *known,
        Err(error) => error,
    };
    match error.downcast::<hyper::Error>() {
        Ok(known) => WasiError::Hyper(*known),
        Err(error) => WasiError::InternalError(Some(error.to_string())),
    }
}

/// One of the call's places for outgoing requests; given back when dropped.
struct Place(Arc<Call>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.end_outgoing();
    }
}

/// A body that keeps something until it is gone: read to its end or not.
struct Keeping<B, T> {
    body: Pin<Box<B>>,
    _kept: T,
}

/// See [`Keeping`].
pub(crate) fn keep<B, T>(body: B, kept: T) -> WasiBody
where
    B: http_body::Body<Data = Bytes, Error = WasiError> + Send + 'static,
    T: Unpin + Send + 'static,
{
    let keeping = Keeping {
        body: Box::pin(body),
        _kept: kept,
    };
    keeping.boxed_unsync()
}

impl<B, T> http_body::Body for Keeping<B, T>
where
    B: http_body::Body<Data = Bytes, Error = WasiError>,
    T: Unpin,
{
    type Data = Bytes;
    type Error = WasiError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WasiError>>> {
        self.body.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// The outside hosts of one function.
pub(crate) struct AllowList(Vec<Pattern>);

struct Pattern {
    /// Lower case; with a leading dot for `*.domain`; empty for `*`.
    host: String,
    port: Option<u16>,
}

impl AllowList {
    pub(crate) fn new(hosts: &[String]) -> Self {
        Self(hosts.iter().map(|host| Pattern::new(host)).collect())
    }

    fn allows(&self, uri: &http::Uri) -> bool {
        let Some(authority) = uri.authority() else {
            return false;
        };
        if authority.as_str().contains('@') {
            return false; // credentials in a URI: whose host is meant is a matter of opinion
        }
        let default = if uri.scheme() == Some(&http::uri::Scheme::HTTP) {
            80
        } else {
            443
        };
        let port = authority.port_u16().unwrap_or(default);
        let host = authority.host().to_ascii_lowercase();
        self.0.iter().any(|pattern| pattern.matches(&host, port))
    }
}

impl Pattern {
    fn new(text: &str) -> Self {
        let text = text.trim().to_ascii_lowercase();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => match port.parse() {
                Ok(port) => (host.to_owned(), Some(port)),
                Err(_) => (text.clone(), None),
            },
            _ => (text.clone(), None),
        };
        let host = host.strip_prefix('*').map(str::to_owned).unwrap_or(host);
        Self { host, port }
    }

    fn matches(&self, host: &str, port: u16) -> bool {
        let host_fits = if self.host.is_empty() || self.host.starts_with('.') {
            host.ends_with(&self.host) && host.len() > self.host.len()
        } else {
            host == self.host
        };
        host_fits && self.port.is_none_or(|wanted| wanted == port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, uri: &str, expected: bool) {
        let list = AllowList::new(&[pattern.to_owned()]);
        assert_eq!(
            list.allows(&uri.parse().unwrap()),
            expected,
            "{pattern} {uri}"
        );
    }

    #[test]
    fn hosts_are_matched_whole() {
        check("example.com", "https://example.com/x", true);
        check("example.com", "https://EXAMPLE.com:8443/x", true);
        check("example.com", "https://evil-example.com/", false);
        check("example.com", "https://example.com.evil/", false);
        check("example.com", "https://example.com@evil/", false);
        check("example.com:443", "https://example.com/", true);
        check("example.com:443", "http://example.com/", false);
        check("*.example.com", "https://a.example.com/", true);
        check("*.example.com", "https://example.com/", false);
        check("[::1]:80", "http://[::1]/", true);
        check("[::1]", "http://[::1]:7/", true);
        check("*", "http://anything/", true);
    }
}
