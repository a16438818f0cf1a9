//! A send buffer for level-triggered messages: one slot per key, the latest wins.
//!
//! So it is bounded by the number of keys, a slow receiver costs freshness but never
//! memory, and `push` neither waits nor fails for want of room. Deliberately no history:
//! whoever needs every message must use a queue.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use futures_util::Stream;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// One connection's outgoing messages; a new connection gets a new one.
pub(crate) struct Outbox<K, M> {
    slots: Mutex<Slots<K, M>>,
    ready: Notify,
    closed: CancellationToken,
}

struct Slots<K, M> {
    latest: HashMap<K, M>,
    // Keys in `latest`, in the order they became pending, so that none starves.
    order: VecDeque<K>,
}

impl<K: Clone + Eq + Hash + Send + 'static, M: Send + 'static> Outbox<K, M> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            slots: Mutex::new(Slots {
                latest: HashMap::new(),
                order: VecDeque::new(),
            }),
            ready: Notify::new(),
            closed: CancellationToken::new(),
        })
    }

    /// Replaces what is pending under `key`. False when the connection is gone.
    pub(crate) fn push(&self, key: K, message: M) -> bool {
        if self.closed.is_cancelled() {
            return false;
        }
        let mut slots = self.slots.lock();
        if slots.latest.insert(key.clone(), message).is_none() {
            slots.order.push_back(key);
        }
        drop(slots);
        self.ready.notify_one();
        true
    }

    /// Ends the stream; what is pending is dropped.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// Resolves when it has been closed.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    async fn next(&self) -> Option<M> {
        loop {
            if self.closed.is_cancelled() {
                return None;
            }
            if let Some(message) = self.pop() {
                return Some(message);
            }
            tokio::select! {
                () = self.ready.notified() => {}
                () = self.closed.cancelled() => {}
            }
        }
    }

    fn pop(&self) -> Option<M> {
        let mut slots = self.slots.lock();
        let key = slots.order.pop_front()?;
        slots.latest.remove(&key)
    }

    /// `first`, then whatever is pushed, until it is closed. Only one stream may be taken.
    pub(crate) fn stream(
        self: Arc<Self>,
        first: Option<M>,
    ) -> impl Stream<Item = M> + Send + 'static {
        futures_util::stream::unfold((self, first), |(outbox, first)| async move {
            let message = match first {
                Some(message) => message,
                None => outbox.next().await?,
            };
            Some((message, (outbox, None)))
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn latest_message_of_a_key_wins_and_order_is_kept() {
        let outbox = Outbox::new();
        for (key, message) in [("a", 1), ("b", 2), ("a", 3)] {
            assert!(outbox.push(key, message));
        }
        let mut stream = Box::pin(outbox.clone().stream(Some(0)));
        assert_eq!(stream.next().await, Some(0));
        assert_eq!(stream.next().await, Some(3));
        assert_eq!(stream.next().await, Some(2));
        outbox.push("c", 4);
        outbox.close();
        assert_eq!(stream.next().await, None);
        assert!(!outbox.push("d", 5));
    }
}
