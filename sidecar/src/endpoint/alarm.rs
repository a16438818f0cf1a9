//! Timers for deadlines that hardly ever come: putting one off costs nothing.
//!
//! Entering and leaving the runtime's timer wheel for each call costs more than everything
//! the call's permit does. So an [`Alarm`] stays in the wheel at the earlier moment, looks
//! again when that comes, and is used by one call after the other.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::time::{Instant, Sleep};

use crate::clock;

/// A timer that is cheap to put off.
#[derive(Debug)]
pub(crate) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    due: Instant,
}

impl Alarm {
    pub(crate) fn new(due: Instant) -> Self {
        let sleep = Box::pin(tokio::time::sleep_until(due));
        Self { sleep, due }
    }

    /// Another moment, from now on.
    pub(crate) fn set(&mut self, due: Instant) {
        self.due = due;
        if due < self.sleep.deadline() {
            self.sleep.as_mut().reset(due);
        }
    }

    /// Another moment for the alarm in `slot`, which gets one if it has none.
    pub(crate) fn set_in(slot: &mut Option<Self>, due: Instant) -> &mut Self {
        let alarm = slot.get_or_insert_with(|| Self::new(due));
        alarm.set(due);
        alarm
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            if clock::instant_now() >= self.due {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.due);
        }
    }
}

/// Alarms nobody uses now, for those who need one; bounded.
#[derive(Debug, Default)]
pub struct Spare(Mutex<Vec<Alarm>>);

/// Further ones are dropped. A spare one may keep the memory of the connection that had it
/// last, until it rings.
const MAX_SPARE: usize = 256;

impl Spare {
    /// One that rings at `due`.
    pub(crate) fn take(&self, due: Instant) -> Alarm {
        // Not in the condition: the lock would last until the end of its block.
        let spare = self.0.lock().pop();
        match spare {
            Some(mut alarm) => {
                alarm.set(due);
                alarm
            }
            None => Alarm::new(due),
        }
    }

    pub(crate) fn put_back(&self, alarm: Alarm) {
        let mut spare = self.0.lock();
        if spare.len() < MAX_SPARE {
            spare.push(alarm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    const STEP: Duration = Duration::from_secs(10);

    async fn rings_after(alarm: &mut Alarm) -> Duration {
        let began = Instant::now();
        poll_fn(|cx| alarm.poll(cx)).await;
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn alarm_rings_when_it_was_last_set_to() {
        let mut alarm = Alarm::new(Instant::now() + STEP);
        alarm.set(Instant::now() + STEP * 3);
        assert_eq!(rings_after(&mut alarm).await, STEP * 3);
        alarm.set(Instant::now() + STEP * 2);
        alarm.set(Instant::now() + STEP);
        assert_eq!(rings_after(&mut alarm).await, STEP);
    }

    #[tokio::test(start_paused = true)]
    async fn used_alarm_serves_the_next_call_at_its_own_time() {
        let spare = Spare::default();
        let first = spare.take(Instant::now() + STEP);
        spare.put_back(first);
        tokio::time::advance(STEP * 2).await;
        let mut second = spare.take(Instant::now() + STEP);
        assert_eq!(rings_after(&mut second).await, STEP);
    }
}
