//! What happens on a connection, where the parts that need to know see it: its stream, its calls, its supervisor and
//! the door.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock;
use crate::deadlines::Seen;

/// What the door wants of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Serve,
    /// End once the calls under way are answered, and a first one that may be on its way.
    Drain,
    /// End now, if it is idle; else as with `Drain`.
    Close,
}

/// Where a door waits for a place: a connection that ends gives one, and so does one that has become idle.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Doors that wait: those that share their connections.
    waiting: AtomicU32,
    notify: Notify,
}

impl Room {
    /// A door waits for as long as the answer lives. It is to ask after this, and then to wait for [`Room::given`].
    pub(crate) fn wait(&self) -> Waiting<'_> {
        // In one order with what calls end by: either the door sees that one has ended, or that sees the door.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Waiting(self)
    }

    /// Returns once there may be room, also when that was since the last time.
    pub(crate) async fn given(&self) {
        self.notify.notified().await;
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::SeqCst)
    }

    pub(crate) fn give(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.notify.notify_one();
        }
    }
}

/// A door that waits.
pub(crate) struct Waiting<'a>(&'a Room);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// The door's.
    room: Arc<Room>,
    /// Calls under way in the lower half, calls begun in the upper one: one step of the hot path changes both.
    calls: AtomicU64,
    /// Reads that brought bytes.
    reads: AtomicU32,
    /// Writes that took bytes.
    writes: AtomicU32,
    within_head: AtomicBool,
    http2: AtomicBool,
    /// Whether the caller of the call under way can read an interim response.
    reads_interim: AtomicBool,
    order: AtomicU8,
    reset: AtomicBool,
    task: AtomicWaker,
    /// Whether somebody wants to know of answers that nobody reads.
    watches_readers: AtomicBool,
    /// Answers of which a piece was taken, and since when the next was not asked for; a lock, a few instructions long.
    /// Bounded by the calls that a connection may have.
    unread: Mutex<HashMap<u64, Instant>>,
    answers: AtomicU64,
}

const BEGUN: u64 = 1 << 32;

impl Activity {
    pub(crate) fn new(room: Arc<Room>) -> Self {
        Self {
            room,
            ..Self::default()
        }
    }

    /// `reads_interim` is for HTTP/1 only.
    pub(crate) fn begin_call(&self, reads_interim: bool) {
        self.reads_interim.store(reads_interim, Ordering::Relaxed);
        self.calls.fetch_add(BEGUN + 1, Ordering::AcqRel);
    }

    pub(crate) fn end_call(&self) {
        let before = self.calls.fetch_sub(1, Ordering::SeqCst);
        if before as u32 == 1 {
            self.room.give();
        }
    }

    pub(crate) fn reads_interim(&self) -> bool {
        self.reads_interim.load(Ordering::Relaxed)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.calls.load(Ordering::SeqCst) as u32 == 0
    }

    pub(crate) fn seen(&self) -> Seen {
        let calls = self.calls.load(Ordering::Acquire);
        Seen {
            begun: (calls >> 32) as u32,
            under_way: calls as u32,
            reads: self.reads.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
            within_head: self.within_head.load(Ordering::Relaxed),
            http2: self.http2.load(Ordering::Relaxed),
            unread_since: match self.watches_readers.load(Ordering::Relaxed) {
                true => self.unread.lock().values().min().copied(),
                false => None,
            },
        }
    }

    /// Notes from now on which answers nobody reads.
    pub(crate) fn watch_readers(&self) {
        self.watches_readers.store(true, Ordering::Relaxed);
    }

    /// A number for an answer, where it is noted whether that is read.
    pub(crate) fn number_answer(&self) -> Option<u64> {
        let watches = self.watches_readers.load(Ordering::Relaxed);
        watches.then(|| self.answers.fetch_add(1, Ordering::Relaxed))
    }

    /// A piece of an answer was taken.
    pub(crate) fn gave(&self, answer: u64) {
        self.unread.lock().insert(answer, clock::now());
    }

    /// The next one is asked for, or the answer is through.
    pub(crate) fn asked(&self, answer: u64) {
        self.unread.lock().remove(&answer);
    }

    /// By the stream, the only one that writes these.
    pub(crate) fn read(&self, within_head: bool, http2: bool) {
        let reads = self.reads.load(Ordering::Relaxed).wrapping_add(1);
        self.reads.store(reads, Ordering::Relaxed);
        self.within_head.store(within_head, Ordering::Relaxed);
        self.http2.store(http2, Ordering::Relaxed);
    }

    /// By the stream.
    pub(crate) fn wrote(&self) {
        let writes = self.writes.load(Ordering::Relaxed).wrapping_add(1);
        self.writes.store(writes, Ordering::Relaxed);
    }

    /// Wakes who serves the connection. An order is not taken back, and `Close` is the last.
    pub(crate) fn order(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        self.task.wake();
    }

    pub(crate) fn ordered(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Serve,
            1 => Order::Drain,
            _ => Order::Close,
        }
    }

    /// Returns when it is to be closed, whatever it does.
    pub(crate) async fn closed(&self) {
        std::future::poll_fn(|cx| {
            self.task.register(cx.waker());
            match self.ordered() {
                Order::Close => Poll::Ready(()),
                Order::Serve | Order::Drain => Poll::Pending,
            }
        })
        .await;
    }

    /// Orders wake this task from now on.
    pub(crate) fn register(&self, waker: &std::task::Waker) {
        self.task.register(waker);
    }

    pub(crate) fn is_reset(&self) -> bool {
        self.reset.load(Ordering::Relaxed)
    }
}

/// A connection, from outside.
#[derive(Debug, Clone)]
pub struct Handle(pub(crate) Arc<Activity>);

impl Handle {
    /// Once its stream is dropped, the connection is reset: what has been written and not been read is thrown away.
    /// Else the kernel would keep it, and go on asking who does not read.
    pub fn reset_on_close(&self) {
        self.0.reset.store(true, Ordering::Relaxed);
    }
}
