//! A response's body: what the guest wrote so far, and the guest itself for as long as it writes more.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::error::CallError;
use crate::guest::{Guest, Live};
use crate::outgoing::BoxError;

/// The body of a guest's response. Errors are [`CallError`]s, boxed. Dropping it ends the guest, unless
/// everything was delivered: then the guest may finish what it does after its response.
pub struct ResponseBody {
    /// Frames of a guest that is through.
    frames: VecDeque<Frame<Bytes>>,
    /// Where the guest writes to; `None` once it ended.
    source: Option<HyperOutgoingBody>,
    /// The guest, while it runs.
    guest: Option<Guest>,
    limit: u64,
    /// Bytes that may still be delivered.
    left: u64,
    /// Bytes that the head promised and that are yet to come.
    promised: Option<u64>,
}

type Next = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

impl ResponseBody {
    fn new(limit: u64) -> Self {
        Self {
            frames: VecDeque::new(),
            source: None,
            guest: None,
            limit,
            left: limit,
            promised: None,
        }
    }

    /// Of a guest that returned already: takes what it wrote, and lets the guest go at once.
    pub(crate) fn whole(
        source: HyperOutgoingBody,
        guest: Guest,
        live: Live,
        limit: u64,
    ) -> Result<Self, CallError> {
        let mut body = Self::new(limit);
        let mut source = source;
        body.drain(&mut source)?;
        guest.recycle(live);
        Ok(body)
    }

    /// Of a guest that goes on.
    pub(crate) fn streamed(
        source: HyperOutgoingBody,
        guest: Guest,
        promised: Option<u64>,
        limit: u64,
    ) -> Self {
        let mut body = Self::new(limit);
        body.source = Some(source);
        body.guest = Some(guest);
        body.promised = promised;
        body
    }

    /// Takes what is left in the channel of a guest that returned: a few frames, and then the end. A
    /// guest that left the channel open would never end it.
    fn drain(&mut self, source: &mut HyperOutgoingBody) -> Result<(), CallError> {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            // Unconstrained: tokio's fairness may not pretend that the channel is empty.
            let next = std::future::poll_fn(|cx| Pin::new(&mut *source).poll_frame(cx));
            match pin!(tokio::task::unconstrained(next)).poll(&mut cx) {
                Poll::Ready(Some(Ok(frame))) => self.frames.push_back(frame),
                Poll::Ready(Some(Err(_))) => return Err(CallError::Unfinished),
                Poll::Ready(None) => return Ok(()),
                Poll::Pending => return Err(CallError::Unfinished),
            }
        }
    }

    /// All of it, if the guest is through and it is one piece or none; then nothing is left.
    pub fn take_whole(&mut self) -> Option<Bytes> {
        if self.source.is_some() || self.frames.len() > 1 {
            return None;
        }
        let Some(frame) = self.frames.pop_front() else {
            return Some(Bytes::new());
        };
        match frame.into_data() {
            Ok(data) if data.len() as u64 <= self.left => Some(data),
            Ok(data) => self.put_back(Frame::data(data)),
            Err(trailers) => self.put_back(trailers),
        }
    }

    fn put_back(&mut self, frame: Frame<Bytes>) -> Option<Bytes> {
        self.frames.push_front(frame);
        None
    }

    fn deliver(&mut self, frame: Frame<Bytes>) -> Next {
        if let Some(data) = frame.data_ref() {
            let length = data.len() as u64;
            let Some(left) = self.left.checked_sub(length) else {
                return self.fail(CallError::ResponseTooLarge { limit: self.limit });
            };
            self.left = left;
            self.promised = self.promised.map(|bytes| bytes.saturating_sub(length));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    /// Ends the guest and the body.
    fn fail(&mut self, error: CallError) -> Next {
        self.frames.clear();
        self.source = None;
        self.guest = None;
        Poll::Ready(Some(Err(error.into())))
    }

    /// The guest returned while the body was read.
    fn on_return(&mut self, live: Live) -> Result<(), CallError> {
        if let Some(mut source) = self.source.take() {
            self.drain(&mut source)?;
        }
        if let Some(guest) = self.guest.take() {
            guest.recycle(live);
        }
        Ok(())
    }

    /// The body is delivered; most guests return right after that.
    fn on_end(&mut self, cx: &mut Context<'_>) {
        self.source = None;
        let Some(mut guest) = self.guest.take() else {
            return;
        };
        match guest.poll(cx) {
            Poll::Ready(Ok(live)) => guest.recycle(live),
            Poll::Ready(Err(error)) => guest.log_late(&error),
            Poll::Pending => guest.linger(),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Next {
        let this = self.get_mut();
        let mut has_run = false;
        loop {
            if let Some(frame) = this.frames.pop_front() {
                return this.deliver(frame);
            }
            let Some(source) = &mut this.source else {
                return Poll::Ready(None);
            };
            match Pin::new(source).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => return this.deliver(frame),
                // The only error of this channel: dropped without `finish`, or after too few bytes.
                Poll::Ready(Some(Err(_))) => return this.fail(CallError::Unfinished),
                Poll::Ready(None) => {
                    this.on_end(cx);
                    return Poll::Ready(None);
                }
                Poll::Pending if has_run => return Poll::Pending,
                Poll::Pending => {}
            }
            let Some(guest) = &mut this.guest else {
                return this.fail(CallError::Unfinished);
            };
            has_run = true;
            match guest.poll(cx) {
                Poll::Ready(Ok(live)) => {
                    if let Err(error) = this.on_return(live) {
                        return this.fail(error);
                    }
                }
                Poll::Ready(Err(error)) => return this.fail(error),
                Poll::Pending => {} // it may have written: look once more
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.source.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.source.is_none() {
            let data = self.frames.iter().filter_map(Frame::data_ref);
            return SizeHint::with_exact(data.map(|data| data.len() as u64).sum());
        }
        self.promised
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A reader that knows the length stops at the last byte, without asking for the end.
        if self.promised == Some(0)
            && let Some(guest) = self.guest.take()
        {
            guest.linger();
        }
    }
}
