//! A function's answer on its way to the caller: keeps the permit and the
//! connection until the last byte, and watches the deadline and idle timeout meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gateless_core::time::Time;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::pool::Conn;
use crate::body::Error;
use crate::clock;
use crate::runtime::Lease;

/// What a call keeps until its answer is through.
pub struct Held {
    /// Goes back when dropped.
    pub lease: Lease,
    /// Goes back to its pool after a whole answer, is closed otherwise.
    pub conn: Option<Conn>,
}

/// See the module.
pub struct Tracked {
    inner: Incoming,
    held: Option<Held>,
    deadline: Option<Time>,
    idle: Option<Duration>,
    /// Made only once the function lets us wait.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Tracked {
    /// Ends the stream with an error at `deadline`, or after `idle` without a byte.
    #[must_use]
    pub fn new(
        inner: Incoming,
        held: Held,
        deadline: Option<Time>,
        idle: Option<Duration>,
    ) -> Self {
        let mut tracked = Self {
            inner,
            held: Some(held),
            deadline,
            idle,
            timer: None,
        };
        if tracked.inner.is_end_stream() {
            tracked.finish();
        }
        tracked
    }

    fn finish(&mut self) {
        if let Some(mut held) = self.held.take()
            && let Some(conn) = held.conn.take()
        {
            conn.reuse();
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let deadline = self.deadline.map(clock::instant);
        let idle = self.idle.map(|idle| Instant::now() + idle);
        deadline.into_iter().chain(idle).min()
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.is_none() {
            let Some(at) = self.next_timeout() else {
                return Poll::Pending;
            };
            self.timer = Some(Box::pin(tokio::time::sleep_until(at)));
        }
        match self.timer.as_mut() {
            Some(timer) => timer.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    pub(crate) fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.timer = None;
                if this.inner.is_end_stream() {
                    this.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.held = None;
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Pending => {
                std::task::ready!(this.poll_timer(cx));
                this.held = None;
                Poll::Ready(Some(Err("the function's answer took too long".into())))
            }
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
