//! The body types of the data plane: what comes in, and what is sent to callers, instances and peers.
//!
//! Enums and not boxes, so the common cases cost no allocation.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::framing;
use super::upload::{Limited, Replayed};

/// Any body error.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A body to send, to a caller, an instance or a peer.
pub enum Body {
    /// Known bytes, or nothing left.
    Full(Option<Bytes>),
    /// A request on its way in, cut off past a bound.
    Limited(Box<Limited>),
    Boxed(Pin<Box<dyn http_body::Body<Data = Bytes, Error = Error> + Send>>),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body")
    }
}

/// A body to read: of a caller's request, or of a function's answer.
pub enum Inbound {
    /// From a connection.
    Wire(Wire),
    /// From a component in this process that is through with it; `None` for no bytes.
    Whole(Option<Bytes>),
    /// From a component in this process.
    Boxed(Pin<Box<dyn http_body::Body<Data = Bytes, Error = Error> + Send>>),
    /// One that was read before, as far as that went.
    Replayed(Box<Replayed>),
}

/// A body from a connection, of which no part is missing without an error.
pub struct Wire {
    incoming: Incoming,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    H1,
    H2Request,
    H2Answer,
}

impl Inbound {
    /// A caller's request, as a connection has it.
    #[must_use]
    pub fn request(request: Request<Incoming>) -> Request<Self> {
        let kind = match request.version() {
            Version::HTTP_2 => Kind::H2Request,
            _ => Kind::H1,
        };
        request.map(|incoming| Self::Wire(Wire { incoming, kind }))
    }

    /// A function's answer, as a connection has it.
    #[must_use]
    pub fn answer(answer: Response<Incoming>) -> Response<Self> {
        let kind = match answer.version() {
            Version::HTTP_2 => Kind::H2Answer,
            _ => Kind::H1,
        };
        answer.map(|incoming| Self::Wire(Wire { incoming, kind }))
    }
}

impl Wire {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        Poll::Ready(match polled {
            // The library takes a reset without an error for an end.
            None if self.kind != Kind::H1 && !self.incoming.is_end_stream() => {
                Some(Err("the stream was reset before its end".into()))
            }
            None => None,
            Some(Ok(frame)) if frame.is_trailers() => Some(self.checked(frame)),
            Some(frame) => Some(frame.map_err(Into::into)),
        })
    }

    #[cold]
    fn checked(&self, trailers: Frame<Bytes>) -> Result<Frame<Bytes>, Error> {
        let is_empty = trailers.trailers_ref().is_some_and(HeaderMap::is_empty);
        // The library drops pseudo-headers there, which make a request malformed (RFC 9113, 8.1).
        if is_empty && self.kind == Kind::H2Request {
            return Err("trailers without a field".into());
        }
        framing::check_frame(trailers)
    }
}

impl http_body::Body for Inbound {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Wire(wire) => wire.poll_frame(cx),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Boxed(inner) => inner.as_mut().poll_frame(cx),
            Self::Replayed(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Wire(wire) => wire.incoming.is_end_stream(),
            Self::Whole(bytes) => bytes.is_none(),
            Self::Boxed(inner) => inner.is_end_stream(),
            Self::Replayed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Wire(wire) => wire.incoming.size_hint(),
            Self::Whole(bytes) => whole_size(bytes.as_ref()),
            Self::Boxed(inner) => inner.size_hint(),
            Self::Replayed(body) => body.size_hint(),
        }
    }
}

impl Body {
    #[must_use]
    pub const fn empty() -> Self {
        Self::Full(None)
    }

    /// Boxes any other body.
    pub fn boxed<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Error>,
    {
        Self::Boxed(Box::pin(http_body_util::BodyExt::map_err(body, Into::into)))
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Full(Some(text.into()))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Full((!bytes.is_empty()).then_some(bytes))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Limited(limited) => limited.poll_frame(cx),
            Self::Boxed(inner) => inner.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Limited(limited) => limited.is_end_stream(),
            Self::Boxed(inner) => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => whole_size(bytes.as_ref()),
            Self::Limited(limited) => limited.size_hint(),
            Self::Boxed(inner) => inner.size_hint(),
        }
    }
}

fn whole_size(bytes: Option<&Bytes>) -> SizeHint {
    SizeHint::with_exact(bytes.map_or(0, |bytes| bytes.len() as u64))
}
