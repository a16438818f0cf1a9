//! What happens, for people who watch: published here by whoever knows, sent to listeners as it comes.
//!
//! Nothing waits for a listener: one that is too slow is told that it missed something. Sidecars are
//! observed (`observer`) only while somebody listens and for a while after.

pub mod event;
pub mod history;
pub mod merge;
pub mod ring;

use std::sync::Arc;
use std::time::Duration;

use gateless_common::share::{Pool, Share};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

pub use self::event::{Action, Decision, Event, Sample, What};
use self::history::{History, Mark};
use self::ring::{Item, Resume, Ring};
use crate::clock;

/// Events kept for listeners that come back.
pub const KEPT: usize = 4096;
/// Events a listener may be behind.
const BEHIND: usize = 4096;
/// Listeners at a time; of one tenant at most as many as are still free.
pub const MAX_LISTENERS: u64 = 64;
/// For so long after the last listener sidecars go on being observed, so that a chart has a past.
pub const LINGER: Duration = Duration::from_secs(600);

/// Gives events their numbers and hands them to listeners.
pub struct Bus {
    /// A short lock, never across `.await`: an event gets its number and goes out in one step.
    ring: Mutex<Ring>,
    live: broadcast::Sender<Item>,
    seats: Pool<String>,
    /// When somebody last listened or looked; `None`: never.
    interest: Mutex<Option<Instant>>,
    woken: Notify,
    /// A short lock, never across `.await`.
    history: Mutex<History>,
}

impl Default for Bus {
    fn default() -> Self {
        let boot = format!("{:016x}", rand::random::<u64>());
        Self {
            ring: Mutex::new(Ring::new(boot, KEPT)),
            live: broadcast::Sender::new(BEHIND),
            seats: Pool::new(MAX_LISTENERS),
            interest: Mutex::default(),
            woken: Notify::new(),
            history: Mutex::default(),
        }
    }
}

/// All places are taken, or as many as one tenant may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "as many listeners are connected as may be: {MAX_LISTENERS}, of one tenant no more than are left for others"
)]
pub struct Full;

/// Where a listener begins.
#[derive(Debug)]
pub enum Start {
    /// With what comes from now on; the id of the newest event before.
    Fresh(String),
    /// Where it was.
    Resumed,
    /// It missed something; the id of the newest event.
    TooOld(String),
}

/// One who listens.
pub struct Listener {
    /// How it begins.
    pub start: Start,
    past: std::vec::IntoIter<Item>,
    live: broadcast::Receiver<Item>,
    bus: Arc<Bus>,
    _seat: Share<String>,
}

/// What a listener hears.
#[derive(Debug)]
pub enum Heard {
    /// An event.
    Item(Item),
    /// So many were missed; the id of the newest.
    Missed(u64, String),
}

impl Bus {
    /// Tells everybody. Never waits.
    pub fn publish(&self, event: Event) {
        let mut ring = self.ring.lock();
        let item = ring.push(event);
        // Nobody listens: that is no error.
        drop(self.live.send(item));
    }

    /// A listener for `tenant`, from after the event `last` on if that is still known.
    ///
    /// # Errors
    /// [`Full`].
    pub fn listen(self: &Arc<Self>, tenant: String, last: Option<&str>) -> Result<Listener, Full> {
        let seat = self.seats.take(vec![(tenant, 1)], 1).ok_or(Full)?;
        let ring = self.ring.lock();
        let live = self.live.subscribe();
        let (start, past) = match last.map(|id| ring.after(id)) {
            None => (Start::Fresh(ring.last_id()), Vec::new()),
            Some(Resume::After(items)) => (Start::Resumed, items),
            Some(Resume::TooOld) => (Start::TooOld(ring.last_id()), Vec::new()),
        };
        drop(ring);
        self.touch();
        Ok(Listener {
            start,
            past: past.into_iter(),
            live,
            bus: Arc::clone(self),
            _seat: seat,
        })
    }

    /// An event's id.
    pub fn id(&self, number: u64) -> String {
        self.ring.lock().id(number)
    }

    /// Somebody looks at how functions are.
    pub fn touch(&self) {
        *self.interest.lock() = Some(clock::instant());
        self.woken.notify_one();
    }

    /// Whether sidecars are to be observed.
    pub fn is_wanted(&self, now: Instant) -> bool {
        let listening = self.live.receiver_count() > 0;
        let lately = self
            .interest
            .lock()
            .is_some_and(|last| now.duration_since(last) < LINGER);
        listening || lately
    }

    /// Returns when somebody has looked.
    pub(crate) async fn looked(&self) {
        self.woken.notified().await;
    }

    /// Reads or writes the past of functions.
    pub fn with_history<T>(&self, with: impl FnOnce(&mut History) -> T) -> T {
        with(&mut self.history.lock())
    }

    /// A sidecar connected or went, drains or takes instances again, or is behind.
    pub fn sidecar(&self, sidecar: &str, action: Action, lag: u64) {
        let now = clock::now();
        // How far it is behind changes all the time.
        if action != Action::Lag {
            let mark = Mark {
                kind: action,
                subject: sidecar.to_owned(),
                message: String::new(),
            };
            self.history.lock().marked(now, None, mark);
        }
        let what = What::Sidecar {
            sidecar: sidecar.to_owned(),
            action,
            lag,
        };
        self.publish(what.of_all(now));
    }

    /// A trigger in the catalogue was made, changed or deleted.
    pub fn trigger(&self, name: (&str, &str), function: &str, action: &str) {
        let what = What::Trigger {
            trigger: name.1.to_owned(),
            action: action.to_owned(),
            message: String::new(),
        };
        self.publish(what.of(name.0, function, clock::now()));
    }

    /// Something became of a function in the catalogue.
    pub fn function(&self, name: (&str, &str), action: Action, revision: &str, message: String) {
        let now = clock::now();
        let mark = Mark {
            kind: action,
            subject: revision.to_owned(),
            message: message.clone(),
        };
        let function = (name.0.to_owned(), name.1.to_owned());
        self.history.lock().marked(now, Some(&function), mark);
        let what = What::Function {
            action,
            revision: revision.to_owned(),
            message,
        };
        self.publish(what.of(name.0, name.1, now));
    }
}

impl Listener {
    /// The next event; `None`: there will be none.
    pub async fn next(&mut self) -> Option<Heard> {
        if let Some(item) = self.past.next() {
            return Some(Heard::Item(item));
        }
        match self.live.recv().await {
            Ok(item) => Some(Heard::Item(item)),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                let ring = self.bus.ring.lock();
                // From here on, or it would hear what the id says it has.
                self.live = self.bus.live.subscribe();
                Some(Heard::Missed(missed, ring.last_id()))
            }
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        *self.bus.interest.lock() = Some(clock::instant());
    }
}

#[cfg(test)]
mod tests;
