//! A function's answer on its way to the caller: keeps the permit and the
//! connection until the last byte, and watches the deadline and idle timeout meanwhile.
//! What becomes of one that nobody reads to its end is [`leave`]'s.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use gateless_core::balancer::Outcome;
use http_body::{Body as _, Frame, SizeHint};

pub use super::broken::Blamed;
use super::leave;
use crate::endpoint::alarm::Alarm;
use crate::endpoint::body::{Error, Inbound};
use crate::endpoint::patience::{Found, Patience};
use crate::endpoint::pool::Conn;
use crate::endpoint::unprocessed;
use crate::endpoint::watchdog::Watch;
use crate::runtime::{Endpoint, Lease};

/// What a call keeps until its answer is through.
pub struct Held {
    /// Goes back when it is dropped and no connection holds it.
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
            conn.finish();
        }
    }
}

/// An answer broke off in its middle, and who is to blame: the instance, with every call that was inside, or its host.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct BrokenOff {
    pub by: Blamed,
    pub cause: Error,
}

/// Charges an answer that broke off to the endpoint it came from. That of a component is its request's own: no other was inside.
fn broken_off(lease: &mut Lease, cause: Error) -> Error {
    let by = match &**lease.endpoint() {
        Endpoint::Component { .. } => return cause,
        Endpoint::Local { .. } => Blamed::Instance,
        Endpoint::Remote { .. } if unprocessed::is_told(&cause) => Blamed::Instance,
        Endpoint::Remote { .. } => Blamed::Peer,
    };
    lease.set_outcome(Outcome::Failed);
    BrokenOff { by, cause }.into()
}

/// An answer's body that carries its permit until the last byte.
pub struct Tracked {
    inner: Inbound,
    held: Option<Held>,
    /// Of its bounds; whoever serves the answer looks at them too, when nobody polls it.
    watch: Option<Watch>,
    /// The function lets us wait, and the alarm is set to how long it may.
    waiting: bool,
}

impl Tracked {
    /// Ends the stream with an error when `patience` does.
    pub(super) fn new(inner: Inbound, held: Held, patience: Patience) -> Self {
        let mut tracked = Self {
            inner,
            held: Some(held),
            watch: None,
            waiting: false,
        };
        if tracked.inner.is_end_stream() {
            tracked.finish();
        } else {
            tracked.watch = Some(Watch::over(patience));
        }
        tracked
    }

    fn finish(&mut self) {
        self.watch = None;
        if let Some(held) = self.held.take() {
            held.finish();
        }
    }

    /// Nobody reads on.
    fn give_up(&mut self) {
        self.watch = None;
        if let Some(held) = self.held.take() {
            let answer = mem::replace(&mut self.inner, Inbound::Whole(None));
            leave::in_mid_answer(answer, held);
        }
    }

    /// Ready when the answer's time is up. It has nothing at hand, so that its silence begins now.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(watch), Some(held)) = (&mut self.watch, &mut self.held) else {
            return Poll::Pending;
        };
        loop {
            if !self.waiting {
                let at = match watch.look() {
                    None => return Poll::Pending,
                    Some(Found::Over) => return Poll::Ready(()),
                    Some(Found::Until(at)) => at,
                };
                self.waiting = true;
                Alarm::set_in(&mut held.alarm, at);
            }
            let Some(alarm) = &mut held.alarm else {
                return Poll::Pending;
            };
            ready!(alarm.poll(cx));
            self.waiting = false;
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.give_up();
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
                if let Some(held) = &this.held {
                    held.lease.endpoint().heard();
                }
                if this.inner.is_end_stream() {
                    this.finish();
                } else if let Some(watch) = &mut this.watch {
                    watch.moved();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(cause))) => {
                this.watch = None;
                Poll::Ready(Some(Err(match this.held.take() {
                    Some(mut held) => broken_off(&mut held.lease, cause),
                    None => cause,
                })))
            }
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Pending => {
                ready!(this.poll_alarm(cx));
                this.give_up();
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
