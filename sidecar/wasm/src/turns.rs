//! Turns to compute, for calls that computed for long already: as many at a time as there are cores, so
//! that a short call waits for one turn at most and not for one of every long call.
//!
//! A turn lasts one poll. Nobody holds one while not polled: a call whose caller stopped reading, and so
//! polls it no more, can keep nobody waiting. Order is first come, first woken; who is woken and does not
//! come loses its place, and whoever waits looks again by itself after a while.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Sleep;

/// A waiter looks again after this long, even if nobody woke it.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// All turns of an engine.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Mutex<Queue>>);

struct Queue {
    free: usize,
    /// Bounded by the slots of the pool: a call waits once.
    waiting: VecDeque<(u64, Waker)>,
    tickets: u64,
}

/// A turn; over when dropped.
pub(crate) struct Turn(Turns);

/// One call's place in the queue.
#[derive(Default)]
pub(crate) struct Place {
    ticket: Option<u64>,
    look_again: Option<Pin<Box<Sleep>>>,
}

impl Turns {
    pub(crate) fn new(cores: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue {
            free: cores.max(1),
            waiting: VecDeque::new(),
            tickets: 0,
        })))
    }

    /// A turn, or a place in the queue.
    pub(crate) fn poll(&self, place: &mut Place, cx: &mut Context<'_>) -> Poll<Turn> {
        loop {
            {
                let mut queue = self.0.lock();
                if queue.free > 0 {
                    queue.free -= 1;
                    queue.leave(place.ticket.take());
                    place.look_again = None;
                    return Poll::Ready(Turn(self.clone()));
                }
                queue.enter(&mut place.ticket, cx.waker());
            }
            let timer = place
                .look_again
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(LOOK_AGAIN)));
            ready!(timer.as_mut().poll(cx));
            place.look_again = None;
        }
    }

    /// The call is over.
    pub(crate) fn forget(&self, place: &mut Place) {
        if place.ticket.is_some() {
            self.0.lock().leave(place.ticket.take());
        }
    }
}

impl Queue {
    fn enter(&mut self, ticket: &mut Option<u64>, waker: &Waker) {
        let known = ticket.and_then(|ticket| {
            let mut waiting = self.waiting.iter_mut();
            waiting.find(|(number, _)| *number == ticket)
        });
        if let Some((_, old)) = known {
            old.clone_from(waker);
            return;
        }
        self.tickets += 1;
        self.waiting.push_back((self.tickets, waker.clone()));
        *ticket = Some(self.tickets);
    }

    fn leave(&mut self, ticket: Option<u64>) {
        if let Some(ticket) = ticket {
            self.waiting.retain(|(number, _)| *number != ticket);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queue = self.0.0.lock();
        queue.free += 1;
        let next = queue.waiting.pop_front();
        drop(queue);
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(turns: &Turns, place: &mut Place) -> Option<Turn> {
        let mut cx = Context::from_waker(Waker::noop());
        match turns.poll(place, &mut cx) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn who_is_woken_and_never_comes_keeps_nobody_waiting() {
        let turns = Turns::new(1);
        let (mut first, mut stalled, mut third) = Default::default();
        let turn = poll(&turns, &mut first).unwrap();
        assert!(poll(&turns, &mut stalled).is_none());
        assert!(poll(&turns, &mut third).is_none());
        drop(turn);
        let waiting = std::future::poll_fn(|cx| turns.poll(&mut third, cx));
        let turn = tokio::time::timeout(Duration::from_secs(1), waiting).await;
        drop(turn.unwrap());
        turns.forget(&mut stalled);
        assert!(turns.0.lock().waiting.is_empty());
    }

    #[tokio::test]
    async fn no_more_at_a_time_than_cores() {
        let turns = Turns::new(2);
        let mut places: [Place; 3] = Default::default();
        let held: Vec<_> = places[..2]
            .iter_mut()
            .filter_map(|p| poll(&turns, p))
            .collect();
        assert_eq!(held.len(), 2);
        assert!(poll(&turns, &mut places[2]).is_none());
        drop(held);
        assert!(poll(&turns, &mut places[2]).is_some());
    }
}
