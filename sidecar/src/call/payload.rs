//! A request's body before it is sent: whole, so that it can be sent again, or a stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;

use super::bodies::{Account, Memory};
use crate::call::error::Error;
use crate::endpoint::body::{Body, Inbound};
use crate::endpoint::patience::{Cut, Upload};
use crate::endpoint::upload::{self, AskRoom, Lent, Limited};

/// Bodies up to this many bytes are read whole before they go to another host, so that a
/// refusal there costs nothing.
pub(super) const SMALL: u64 = 64 << 10;
/// A caller that has said how long its body is, and sends nothing of the rest for so long, is given up: its call may
/// keep a place that others wait for.
pub(super) const UPLOAD_STALL: Duration = Duration::from_secs(20);
/// A body that is read whole has come by then, however slowly.
const UPLOAD_WITHIN: Duration = Duration::from_secs(300);

/// A request's body, and whether it can be sent again.
pub enum Payload {
    /// Can be sent any number of times.
    Whole(Bytes),
    /// Can be sent once, and again when it comes back.
    Stream(Unread),
    /// Is being sent.
    Lent(Lent),
    Spent,
}

impl Payload {
    /// A request's body, empty ones without a stream.
    #[must_use]
    pub fn new(incoming: Inbound) -> Self {
        if incoming.is_end_stream() {
            Self::Whole(Bytes::new())
        } else {
            Self::Stream(Unread::new(incoming))
        }
    }

    /// Whether it can be sent (again).
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Whole(_))
    }

    /// Whether nothing can be sent any more.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        matches!(self, Self::Spent | Self::Lent(_))
    }

    /// Bytes it keeps in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Stream(_) | Self::Lent(_) | Self::Spent => 0,
        }
    }

    /// What was read whole; nothing otherwise.
    #[must_use]
    pub fn whole(&self) -> Bytes {
        match self {
            Self::Whole(bytes) => bytes.clone(),
            Self::Stream(_) | Self::Lent(_) | Self::Spent => Bytes::new(),
        }
    }

    /// Whether it says it has at most `limit` bytes.
    #[must_use]
    pub fn fits(&self, limit: u64) -> bool {
        match self {
            Self::Whole(bytes) => bytes.len() as u64 <= limit,
            Self::Stream(unread) => unread.exact_size().is_some_and(|size| size <= limit),
            Self::Lent(_) | Self::Spent => false,
        }
    }

    /// Whether it is a stream that says it is small.
    #[must_use]
    pub fn is_small_stream(&self) -> bool {
        match self {
            Self::Stream(unread) => unread.exact_size().is_some_and(|size| size <= SMALL),
            Self::Whole(_) | Self::Lent(_) | Self::Spent => false,
        }
    }

    /// Reads a stream whole, up to `limit` bytes, into memory of `account`; what it takes of it is given back when what
    /// comes out is dropped.
    ///
    /// # Errors
    /// When there is no memory for it, and when the caller's body fails or is larger.
    pub async fn make_whole(
        &mut self,
        limit: u64,
        account: Account,
    ) -> Result<Option<Memory>, Error> {
        let incoming = match std::mem::replace(self, Self::Spent) {
            Self::Stream(unread) => unread,
            other => {
                let size = other.bytes();
                *self = other;
                return if size > limit {
                    Err(Error::BodyTooLarge(limit))
                } else {
                    Ok(None)
                };
            }
        };
        if incoming.least_size() > limit {
            return Err(Error::BodyTooLarge(limit));
        }
        // Before its first byte: one that is not let in costs nothing, and is thrown away as it comes.
        let mut memory = account.open(incoming.exact_size()).ok_or(Error::NoMemory)?;
        let Some(incoming) = incoming.into_inner() else {
            return Ok(None);
        };
        let (limited, upload) = Limited::new(incoming, limit, Some(UPLOAD_STALL));
        let collected = collect(Body::Limited(limited), &mut memory);
        match (
            tokio::time::timeout(UPLOAD_WITHIN, collected).await,
            upload.cut(),
        ) {
            (Ok(Ok(whole)), _) => {
                *self = Self::Whole(whole);
                Ok(Some(memory))
            }
            (Err(_), _) => Err(Error::BodyStalled(UPLOAD_WITHIN)),
            (_, Some(Cut::TooLarge)) => Err(Error::BodyTooLarge(limit)),
            (_, Some(Cut::Stalled)) => Err(Error::BodyStalled(UPLOAD_STALL)),
            (Ok(Err(error)), Some(Cut::BrokenOff) | None) => Err(error),
        }
    }

    /// A body to send, cut off past `limit` bytes; what has come of it is told beside it, if it is a stream. One that is
    /// to be sent again is kept in what `ask` has room for.
    pub fn take(
        &mut self,
        limit: u64,
        ask: impl FnOnce() -> AskRoom,
    ) -> (Body, Option<Arc<Upload>>) {
        match std::mem::replace(self, Self::Spent) {
            Self::Whole(bytes) => {
                *self = Self::Whole(bytes.clone());
                (Body::from(bytes), None)
            }
            Self::Stream(unread) => match unread.into_inner() {
                Some(incoming) => {
                    // One that says how long it is has no reason to pause; a conversation has.
                    let whole = incoming.size_hint().exact().is_some();
                    let stall = whole.then_some(UPLOAD_STALL);
                    let (limited, upload, lent) = Limited::lend(incoming, limit, stall, ask());
                    *self = Self::Lent(lent);
                    (Body::Limited(limited), Some(upload))
                }
                None => (Body::empty(), None),
            },
            Self::Lent(_) | Self::Spent => (Body::empty(), None),
        }
    }

    /// After a request that failed: takes the body back, if it can be sent again.
    pub async fn come_back(&mut self) {
        if let Self::Lent(lent) = self {
            let body = lent.come_back().await;
            *self = body.map_or(Self::Spent, Self::new);
        }
    }
}

/// All of a body, as long as there is memory for it.
async fn collect(mut body: Body, memory: &mut Memory) -> Result<Bytes, Error> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::Body(error.to_string()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if !memory.fill(data.len()) {
            return Err(Error::NoMemory);
        }
        // Most come in one piece, which needs no copy.
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// A body nobody has read yet.
///
/// If nobody ever does, because the call is refused, what the caller sends on is read and
/// thrown away for a while: a connection closed over unread bytes takes the refusal with it.
pub struct Unread(Option<Inbound>);

impl Unread {
    /// Of a request.
    #[must_use]
    pub fn new(incoming: Inbound) -> Self {
        Self(Some(incoming))
    }

    fn into_inner(mut self) -> Option<Inbound> {
        self.0.take()
    }

    fn exact_size(&self) -> Option<u64> {
        self.0.as_ref()?.size_hint().exact()
    }

    fn least_size(&self) -> u64 {
        self.0.as_ref().map_or(0, |body| body.size_hint().lower())
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        if let Some(body) = self.0.take() {
            upload::throw_away(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::bodies::Bodies;
    use gateless_common::problem::Code;
    use http_body_util::StreamBody;
    use tokio::time::Instant;

    /// Pieces of ten bytes, `pause` before each, and silence after the last.
    fn trickle(pieces: u32, pause: Duration) -> Payload {
        let frames = futures_util::stream::unfold(0, move |at| async move {
            if at == pieces {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(pause).await;
            let frame = http_body::Frame::data(Bytes::from_static(&[b'x'; 10]));
            Some((Ok(frame), at + 1))
        });
        Payload::new(Inbound::Boxed(Box::pin(StreamBody::new(frames))))
    }

    async fn given_up_after(mut payload: Payload) -> (Duration, Error) {
        let began = Instant::now();
        let account = Bodies::default().of_nobody();
        let failed = payload.make_whole(1 << 20, account).await.unwrap_err();
        (began.elapsed(), failed)
    }

    #[tokio::test(start_paused = true)]
    async fn body_that_stops_coming_is_given_up() {
        let pause = UPLOAD_STALL / 2;
        let (after, failed) = given_up_after(trickle(3, pause)).await;
        assert_eq!(after, pause * 3 + UPLOAD_STALL);
        assert_eq!(failed.row().0, Code::BodyStalled);

        // And one that comes, but never ends.
        let (after, failed) = given_up_after(trickle(u32::MAX, pause)).await;
        assert_eq!(after, UPLOAD_WITHIN);
        assert_eq!(failed.row().0, Code::BodyStalled);
    }
}
