//! Ends a connection in time, although nothing may happen on it.
//!
//! Polled beside what serves the connection, in the same task; what is over is [`crate::deadlines`]' to say. The
//! task must stay the same: its waker is noted once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::activity::{Activity, Handle, Order};
use crate::clock;
use crate::deadlines::{Deadlines, Found, Timeouts};

/// What is to be done with what serves the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// End it once its calls are answered, and poll it again.
    Drain,
    Cut,
}

#[derive(Debug)]
pub(crate) struct Supervisor {
    activity: Arc<Activity>,
    deadlines: Deadlines,
    alarm: Pin<Box<Sleep>>,
    /// The alarm wakes this task when its time has come.
    armed: bool,
    /// An order to drain was seen.
    draining: bool,
    /// [`Step::Drain`] was said.
    told: bool,
}

impl Supervisor {
    pub(crate) fn new(
        activity: Arc<Activity>,
        timeouts: Timeouts,
        unread: Option<Duration>,
        opened: Instant,
    ) -> Self {
        let deadlines = Deadlines::new(timeouts, unread, opened);
        Self {
            alarm: Box::pin(tokio::time::sleep_until(deadlines.first())),
            activity,
            deadlines,
            armed: false,
            draining: false,
            told: false,
        }
    }

    /// After what serves the connection was polled and is not done.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if !self.armed {
            self.activity.register(cx.waker());
        }
        let seen = self.activity.seen();
        self.deadlines.note(seen, clock::now);
        match self.activity.ordered() {
            Order::Serve => {}
            Order::Close if seen.under_way == 0 => return Poll::Ready(Step::Cut),
            Order::Close | Order::Drain => {
                if !self.draining {
                    self.draining = true;
                    let at = self.deadlines.drain(clock::now());
                    self.look_at(at);
                }
                // Not before: the HTTP library would close a connection on which a first request may be on its way.
                if seen.begun > 0 && !std::mem::replace(&mut self.told, true) {
                    return Poll::Ready(Step::Drain);
                }
            }
        }
        // Polled once for each moment, as the task is the same; and asked what it is after that, which costs nothing.
        while self.alarm.is_elapsed()
            || (!std::mem::replace(&mut self.armed, true)
                && self.alarm.as_mut().poll(cx).is_ready())
        {
            let now = clock::now();
            match self.deadlines.look(now) {
                Found::Until(at) => self.look_at(at),
                Found::Idle => {
                    self.told = true;
                    let at = self.deadlines.drain(now);
                    self.look_at(at);
                    return Poll::Ready(Step::Drain);
                }
                Found::Unread => {
                    // What lies in the kernel is not read either.
                    Handle(self.activity.clone()).reset_on_close();
                    return Poll::Ready(Step::Cut);
                }
                Found::NoHead | Found::Lingered => return Poll::Ready(Step::Cut),
            }
        }
        Poll::Pending
    }

    fn look_at(&mut self, at: Instant) {
        if at < self.alarm.deadline() || self.alarm.is_elapsed() {
            self.alarm.as_mut().reset(at);
            self.armed = false;
        }
    }
}
