//! A request's body on its way out: bounded in size and silence, and able to come back.
//!
//! What has been read of it is kept, up to [`REPLAY`] bytes and in memory that is asked for, until there is an answer: a
//! request that the other end provably did not process is sent again, whole. A body that nobody reads to its end is read
//! and thrown away for a while: a connection closed over unread bytes takes the answer with it. Deliberately no decision
//! when to send again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;

use super::alarm::Alarm;
use super::body::{Error, Inbound};
use super::patience::{Cut, Upload};
use crate::clock;

/// Bytes of a body that are kept so that it can be sent again.
pub const REPLAY: usize = 64 << 10;
/// Of these, so many are kept without asking for room: no more than a small head has.
const UNASKED: usize = 4 << 10;
/// Thrown away at most.
const LINGER_BYTES: usize = 1 << 20;
const LINGER: Duration = Duration::from_secs(2);
/// Who has a body lets it go within this once its request has failed.
const COMES_BACK_WITHIN: Duration = Duration::from_secs(1);

/// Memory for [`REPLAY`] bytes; given back when dropped.
pub type Room = Box<dyn Send>;
/// Asks for it; `None` when there is none, and then the body cannot be sent again.
pub type AskRoom = Box<dyn FnOnce() -> Option<Room> + Send>;

/// What was read of a body, apart from the buffers that it was read into: a piece of one byte would keep all of its own.
struct Kept {
    bytes: BytesMut,
    /// The only piece so far, when it is large enough to be most of its buffer.
    piece: Bytes,
    room: Option<Room>,
    ask: Option<AskRoom>,
}

impl Kept {
    fn new(ask: AskRoom) -> Self {
        Self {
            bytes: BytesMut::new(),
            piece: Bytes::new(),
            room: None,
            ask: Some(ask),
        }
    }

    /// False when it is too much.
    fn put(&mut self, data: &Bytes) -> bool {
        let length = self.bytes.len() + self.piece.len() + data.len();
        if length > REPLAY {
            return false;
        }
        if length > UNASKED && self.room.is_none() {
            self.room = self.ask.take().and_then(|ask| ask());
            if self.room.is_none() {
                return false;
            }
            if self.bytes.is_empty() && self.piece.is_empty() {
                self.piece = data.clone();
                return true;
            }
            self.bytes.reserve(REPLAY - self.bytes.len());
        }
        if !self.piece.is_empty() {
            self.bytes.reserve(REPLAY);
            self.bytes
                .extend_from_slice(&std::mem::take(&mut self.piece));
        }
        self.bytes.extend_from_slice(data);
        true
    }

    fn finish(self) -> (Bytes, Option<Room>) {
        let bytes = match self.piece.is_empty() {
            true => self.bytes.freeze(),
            false => self.piece,
        };
        (bytes, self.room)
    }
}

/// What was read of a body already, and the rest of it.
pub struct Replayed {
    read: Bytes,
    room: Option<Room>,
    trailers: Option<HeaderMap>,
    rest: Inbound,
}

impl Replayed {
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if !self.read.is_empty() {
            // Whoever keeps it now asks for room.
            self.room = None;
            let read = std::mem::take(&mut self.read);
            return Poll::Ready(Some(Ok(Frame::data(read))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Pin::new(&mut self.rest).poll_frame(cx)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.trailers.is_none() && self.rest.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let (read, rest) = (self.read.len() as u64, self.rest.size_hint());
        if let Some(rest) = rest.exact() {
            return SizeHint::with_exact(read + rest);
        }
        let mut size = SizeHint::new();
        size.set_lower(read + rest.lower());
        size
    }
}

/// A body that was lent to a request; comes back when whoever had the request lets it go.
pub struct Lent(oneshot::Receiver<Inbound>);

impl Lent {
    /// The body as it was, if it can be sent again.
    pub async fn come_back(&mut self) -> Option<Inbound> {
        let back = tokio::time::timeout(COMES_BACK_WITHIN, &mut self.0);
        back.await.ok()?.ok()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.close();
        if let Ok(body) = self.0.try_recv() {
            throw_away(body);
        }
    }
}

/// A request body with a bound on its size, and on the silence of who sends it.
pub struct Limited {
    /// Taken when it is dropped.
    inner: Inbound,
    left: u64,
    stall: Option<Duration>,
    alarm: Option<Alarm>,
    /// Its caller lets us wait, and the alarm is set to how long it may.
    waiting: bool,
    upload: Arc<Upload>,
    /// Read so far; `None` once that is more than may be kept, or there is an answer.
    kept: Option<Kept>,
    trailers: Option<HeaderMap>,
    back: Option<oneshot::Sender<Inbound>>,
}

impl Limited {
    /// At most `limit` bytes, and at most `stall` without one while they are wanted; what has come is told beside it, and
    /// why it was cut off if it was.
    #[must_use]
    pub fn new(inner: Inbound, limit: u64, stall: Option<Duration>) -> (Box<Self>, Arc<Upload>) {
        let upload = Arc::<Upload>::default();
        let limited = Self {
            inner,
            left: limit,
            stall,
            alarm: None,
            waiting: false,
            upload: upload.clone(),
            kept: None,
            trailers: None,
            back: None,
        };
        (Box::new(limited), upload)
    }

    /// The same, and where it comes back to when it is dropped, as long as it can be sent again. `ask` is asked once there
    /// is more than little to keep for that.
    #[must_use]
    pub fn lend(
        inner: Inbound,
        limit: u64,
        stall: Option<Duration>,
        ask: AskRoom,
    ) -> (Box<Self>, Arc<Upload>, Lent) {
        let (mut limited, upload) = Self::new(inner, limit, stall);
        let (back, lent) = oneshot::channel();
        limited.back = Some(back);
        limited.kept = Some(Kept::new(ask));
        (limited, upload, Lent(lent))
    }

    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(stall) = self.stall else {
            return Poll::Pending;
        };
        if !self.waiting {
            self.waiting = true;
            Alarm::set_in(&mut self.alarm, clock::instant_now() + stall);
        }
        let alarm = self.alarm.as_mut();
        alarm.map_or(Poll::Pending, |alarm| alarm.poll(cx))
    }

    fn keep(&mut self, data: &Bytes) {
        if self.kept.as_mut().is_some_and(|kept| !kept.put(data)) {
            self.kept = None;
        }
    }

    /// Nobody waits for it to come back any more once there is an answer, however long the rest of it takes.
    fn forget_if_answered(&mut self, cx: &mut Context<'_>) {
        if self.kept.is_some()
            && let Some(back) = &mut self.back
            && back.poll_closed(cx).is_ready()
        {
            self.kept = None;
        }
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.forget_if_answered(cx);
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if polled.is_pending() {
            ready!(self.poll_stalled(cx));
            return self.cut_off(Cut::Stalled, "the request body stopped coming");
        }
        self.waiting = false;
        match &polled {
            Poll::Ready(Some(Err(_))) => {
                self.upload.cut_off(Cut::BrokenOff);
                self.kept = None;
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.upload.moved();
                    let Some(left) = self.left.checked_sub(data.len() as u64) else {
                        return self.cut_off(Cut::TooLarge, "request body too large");
                    };
                    self.left = left;
                    self.keep(data);
                } else if self.kept.is_some() {
                    self.trailers = frame.trailers_ref().cloned();
                }
            }
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }

    fn cut_off(&mut self, why: Cut, cause: &str) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.upload.cut_off(why);
        self.kept = None;
        Poll::Ready(Some(Err(cause.into())))
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let inner = std::mem::replace(&mut self.inner, Inbound::Whole(None));
        let rest = match (self.back.take(), self.kept.take()) {
            (Some(back), Some(kept)) => {
                let (read, room) = kept.finish();
                let trailers = self.trailers.take();
                let body = match read.is_empty() && trailers.is_none() {
                    true => inner,
                    false => Inbound::Replayed(Box::new(Replayed {
                        read,
                        room,
                        trailers,
                        rest: inner,
                    })),
                };
                match back.send(body) {
                    Ok(()) => return,
                    // There is an answer.
                    Err(body) => body,
                }
            }
            _ => inner,
        };
        throw_away(rest);
    }
}

/// Reads what a caller still sends, in a task of its own, so that it sees its answer.
pub fn throw_away(mut body: Inbound) {
    if body.is_end_stream() {
        return;
    }
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    runtime.spawn(tokio::time::timeout(LINGER, async move {
        let mut left = LINGER_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let size = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(size) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }));
}

#[cfg(test)]
mod tests;
