//! HTTP/1.1 or HTTP/2 on an accepted connection, with the bounds that every door has.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::http::{Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;

use crate::activity::Activity;
use crate::door::Accepted;
use crate::handshake::Transport;
use crate::supervisor::{Step, Supervisor};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Headers of a message.
pub const MAX_HEADERS: usize = 256;
/// Bytes of a message's head.
pub const MAX_HEAD_BYTES: usize = 64 << 10;
/// Calls at once over one HTTP/2 connection.
const MAX_STREAMS: u32 = 1_024;
/// Bytes of an HTTP/2 stream kept for a caller that does not read them; an HTTP/1 connection keeps as many as a head may have.
const MAX_BUFFERED: usize = 128 << 10;

/// Bounds of what is said on one connection.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Headers of a request.
    pub max_headers: usize,
    /// Bytes of a request's head over HTTP/1.1, and of an answer that is kept until the other end reads it; at least
    /// 8,192.
    pub max_head_bytes: usize,
    /// Bytes of a block of headers that is read over HTTP/2.
    pub max_header_list: u32,
    /// Calls at once over one HTTP/2 connection.
    pub max_streams: u32,
    /// Bytes of an HTTP/2 stream kept for a caller that does not read them.
    pub max_buffered: usize,
    /// Whether callers may end their side of a connection of HTTP/1 before they are answered; else that is taken for a
    /// departure at once.
    pub half_close: bool,
    /// Over HTTP/2 the other end is asked so often whether it is there, and has as long to say so; `None`: never.
    pub ping: Option<Duration>,
    /// For a piece of an answer to be read, or the connection is cut; `None`: whoever answers sees to that.
    pub unread: Option<Duration>,
}

impl Settings {
    /// What a door has that has no reason for anything else.
    pub const USUAL: Self = Self {
        max_headers: MAX_HEADERS,
        max_head_bytes: MAX_HEAD_BYTES,
        max_header_list: MAX_HEAD_BYTES as u32,
        max_streams: MAX_STREAMS,
        max_buffered: MAX_BUFFERED,
        half_close: true,
        ping: None,
        unread: None,
    };

    fn builder<E>(&self, executor: E) -> auto::Builder<E> {
        let mut builder = auto::Builder::new(executor);
        // Heads have their time from the supervisor.
        builder
            .http1()
            .header_read_timeout(None)
            .half_close(self.half_close)
            .max_headers(self.max_headers)
            .max_buf_size(self.max_head_bytes);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.max_streams)
            .max_send_buf_size(self.max_buffered)
            .adaptive_window(true)
            .max_header_list_size(self.max_header_list)
            .keep_alive_interval(self.ping);
        if let Some(ping) = self.ping {
            builder.http2().keep_alive_timeout(ping);
        }
        builder
    }
}

/// Why a connection was cut off, or how HTTP on it failed.
#[derive(Debug)]
pub enum Error {
    /// It was silent for too long, or another took its place.
    Cut,
    Http(BoxError),
}

/// Answers what is asked on `accepted` with `service`, until it ends.
///
/// # Errors
/// When it did not end in order, which is no reason for concern.
pub async fn serve<T, I, S, B, E>(
    mut accepted: Accepted<T, I>,
    settings: &Settings,
    executor: E,
    service: S,
) -> Result<(), Error>
where
    T: Transport,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: 'static,
    S::Error: Into<BoxError>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
    E: Http2ServerConnExec<Answering<S::Future>, Counted<B>>,
{
    let activity = accepted.stream.activity().clone();
    accepted.stream.watch_for_departure(!settings.half_close);
    if settings.unread.is_some() {
        activity.watch_readers();
    }
    let service = Counting {
        service,
        activity: activity.clone(),
    };
    let mut supervisor = Supervisor::new(
        activity.clone(),
        accepted.timeouts,
        settings.unread,
        accepted.opened,
    );
    let builder = settings.builder(executor);
    let io = TokioIo::new(accepted.stream);
    let serving = builder.serve_connection_with_upgrades(io, service);
    let mut serving = std::pin::pin!(serving);
    let served = std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(served) = serving.as_mut().poll(cx) {
                return Poll::Ready(served.map_err(Error::Http));
            }
            match ready!(supervisor.poll(cx)) {
                Step::Drain => serving.as_mut().graceful_shutdown(),
                Step::Cut => return Poll::Ready(Err(Error::Cut)),
            }
        }
    });
    let served = served.await;
    // Its stream may go on with another protocol, and is in use as long as it does.
    activity.begin_call(false);
    served
}

struct Counting<S> {
    service: S,
    activity: Arc<Activity>,
}

impl<S, B> Service<Request<Incoming>> for Counting<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
{
    type Response = Response<Counted<B>>;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let call = UnderWay::begin(&self.activity, request.version());
        Answering {
            answer: self.service.call(request),
            call: Some(call),
        }
    }
}

struct UnderWay(Arc<Activity>);

impl UnderWay {
    fn begin(activity: &Arc<Activity>, version: Version) -> Self {
        activity.begin_call(version == Version::HTTP_11);
        Self(activity.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.end_call();
    }
}

pin_project_lite::pin_project! {
    /// An answer on its way; its call is under way.
    pub struct Answering<F> {
        #[pin]
        answer: F,
        call: Option<UnderWay>,
    }
}

impl<F, B, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Counted<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(cx))?;
        let call = this.call.take();
        let reader = call.as_ref().and_then(Reader::of);
        Poll::Ready(Ok(answer.map(|body| Counted {
            body,
            reader,
            _call: call,
        })))
    }
}

/// Whether an answer is read is noted by the pieces of it that are asked for.
#[derive(Debug)]
struct Reader {
    activity: Arc<Activity>,
    answer: u64,
}

impl Reader {
    fn of(call: &UnderWay) -> Option<Self> {
        let answer = call.0.number_answer()?;
        let activity = call.0.clone();
        Some(Self { activity, answer })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.activity.asked(self.answer);
    }
}

pin_project_lite::pin_project! {
    /// An answer's body; its call is under way until it is dropped.
    pub struct Counted<B> {
        #[pin]
        body: B,
        reader: Option<Reader>,
        _call: Option<UnderWay>,
    }
}

impl<B: Body> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let Some(reader) = this.reader else {
            return this.body.poll_frame(cx);
        };
        reader.activity.asked(reader.answer);
        let frame = ready!(this.body.poll_frame(cx));
        if let Some(Ok(_)) = &frame {
            reader.activity.gave(reader.answer);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
