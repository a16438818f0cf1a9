//! A request's body on its way out: bounded in size and silence, and able to come back.
//!
//! What has been read of it is kept, up to [`REPLAY`] bytes, until there is an answer: a request that the other end
//! provably did not process is sent again, whole. A body that nobody reads to its end is read and thrown away for a
//! while: a connection closed over unread bytes takes the answer with it. Deliberately no decision when to send again.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
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
/// Thrown away at most.
const LINGER_BYTES: usize = 1 << 20;
const LINGER: Duration = Duration::from_secs(2);
/// Who has a body lets it go within this once its request has failed.
const COMES_BACK_WITHIN: Duration = Duration::from_secs(1);

/// What was read of a body already, and the rest of it.
pub struct Replayed {
    read: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    rest: Inbound,
}

impl Replayed {
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(data) = self.read.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
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
        let read: usize = self.read.iter().map(Bytes::len).sum();
        let (read, rest) = (read as u64, self.rest.size_hint());
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
    /// Read so far; `None` once that is more than may be kept.
    kept: Option<(VecDeque<Bytes>, usize)>,
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

    /// The same, and where it comes back to when it is dropped, as long as it can be sent again.
    #[must_use]
    pub fn lend(
        inner: Inbound,
        limit: u64,
        stall: Option<Duration>,
    ) -> (Box<Self>, Arc<Upload>, Lent) {
        let (mut limited, upload) = Self::new(inner, limit, stall);
        let (back, lent) = oneshot::channel();
        limited.back = Some(back);
        limited.kept = Some((VecDeque::new(), 0));
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
        let Some((read, bytes)) = &mut self.kept else {
            return;
        };
        *bytes += data.len();
        // Nobody waits for it any more once there is an answer.
        if *bytes > REPLAY || self.back.as_ref().is_none_or(oneshot::Sender::is_closed) {
            self.kept = None;
        } else {
            read.push_back(data.clone());
        }
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
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
            (Some(back), Some((read, _))) => {
                let trailers = self.trailers.take();
                let body = match read.is_empty() && trailers.is_none() {
                    true => inner,
                    false => Inbound::Replayed(Box::new(Replayed {
                        read,
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
mod tests {
    use super::*;
    use crate::endpoint::body::Body;
    use http_body_util::StreamBody;

    /// Pieces, then trailers.
    fn pieces(pieces: Vec<Vec<u8>>) -> Inbound {
        let data = pieces
            .into_iter()
            .map(|piece| Frame::data(Bytes::from(piece)));
        let mut trailers = HeaderMap::new();
        trailers.insert("x-last", http::HeaderValue::from_static("1"));
        let frames = data.chain([Frame::trailers(trailers)]);
        let frames = frames.map(Ok::<_, Error>).collect::<Vec<_>>();
        Inbound::Boxed(Box::pin(StreamBody::new(futures_util::stream::iter(
            frames,
        ))))
    }

    /// Sends so many frames of it, then lets it go.
    async fn sent(body: Inbound, frames: usize) -> Option<Inbound> {
        let (limited, _, mut lent) = Limited::lend(body, u64::MAX, None);
        let mut body = Body::Limited(limited);
        for _ in 0..frames {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        lent.come_back().await
    }

    #[tokio::test]
    async fn body_comes_back_whole_however_far_it_got() {
        for frames in 0..4 {
            let mut body = pieces(vec![b"one".to_vec(), b"two".to_vec()]);
            for _ in 0..3 {
                body = sent(body, frames).await.unwrap();
            }
            let whole = body.collect().await.unwrap();
            assert_eq!(whole.trailers().unwrap()["x-last"], "1");
            assert_eq!(whole.to_bytes(), "onetwo");
        }
    }

    #[tokio::test]
    async fn body_of_which_too_much_was_read_does_not_come_back() {
        let large = || pieces(vec![vec![b'x'; REPLAY], vec![b'x'; 1]]);
        assert!(sent(large(), 1).await.is_some());
        assert!(sent(large(), 2).await.is_none());
    }

    #[tokio::test]
    async fn body_that_broke_off_does_not_come_back() {
        let frames = [
            Ok(Frame::data(Bytes::from_static(b"half"))),
            Err("gone".into()),
        ];
        let frames = StreamBody::new(futures_util::stream::iter(frames));
        let (limited, upload, mut lent) = Limited::lend(Inbound::Boxed(Box::pin(frames)), 9, None);
        assert!(Body::Limited(limited).collect().await.is_err());
        assert_eq!(upload.cut(), Some(Cut::BrokenOff));
        assert!(lent.come_back().await.is_none());
    }
}
