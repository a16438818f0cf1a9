//! A function's answer on its way to the caller: keeps the permit and the
//! connection until the last byte, and watches the deadline and idle timeout meanwhile.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gateless_core::time::Time;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;

use crate::clock;
use crate::endpoint::alarm::Alarm;
use crate::endpoint::body::{Error, Inbound};
use crate::endpoint::pool::Conn;
use crate::runtime::Lease;

/// What a call keeps until its answer is through.
pub struct Held {
    /// Goes back when dropped.
    pub lease: Lease,
    /// Goes back to its pool after a whole answer, is closed otherwise.
    pub conn: Option<Conn>,
    /// Of the call so far; goes on with its answer.
    pub(super) alarm: Option<Alarm>,
}

impl Held {
    /// The whole answer was there.
    pub(super) fn finish(self) {
        if let Some(alarm) = self.alarm {
            self.lease.endpoint().alarms().put_back(alarm);
        }
        if let Some(conn) = self.conn {
            conn.reuse();
        }
    }
}

/// An answer's body that carries its permit until the last byte.
pub struct Tracked {
    inner: Inbound,
    held: Option<Held>,
    deadline: Option<Time>,
    idle: Option<Duration>,
    /// The function lets us wait, and the alarm is set to how long it may.
    waiting: bool,
}

impl Tracked {
    /// Ends the stream with an error at `deadline`, or after `idle` without a byte.
    #[must_use]
    pub fn new(inner: Inbound, held: Held, deadline: Option<Time>, idle: Option<Duration>) -> Self {
        let mut tracked = Self {
            inner,
            held: Some(held),
            deadline,
            idle,
            waiting: false,
        };
        if tracked.inner.is_end_stream() {
            tracked.finish();
        }
        tracked
    }

    fn finish(&mut self) {
        if let Some(held) = self.held.take() {
            held.finish();
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let deadline = self.deadline.map(clock::instant);
        let idle = self.idle.map(|idle| Instant::now() + idle);
        deadline.into_iter().chain(idle).min()
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waiting {
            let (Some(at), Some(held)) = (self.next_timeout(), &mut self.held) else {
                return Poll::Pending;
            };
            self.waiting = true;
            match &mut held.alarm {
                Some(alarm) => alarm.set(at),
                none => *none = Some(Alarm::new(at)),
            }
        }
        let alarm = self.held.as_mut().and_then(|held| held.alarm.as_mut());
        alarm.map_or(Poll::Pending, |alarm| alarm.poll(cx))
    }
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.waiting = false;
                if this.inner.is_end_stream() {
                    this.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.held = None;
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Pending => {
                std::task::ready!(this.poll_alarm(cx));
                this.held = None;
                Poll::Ready(Some(Err("the function's answer took too long".into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
