//! Asks a peer whether it is there for as long as calls may go to it, and cuts its connections when it is not.
//!
//! Asked over a connection of its own to the very listener that takes the calls: whatever keeps those
//! from being answered keeps this, too. Any answer will do, and so will a refusal of the connection,
//! as a peer refuses new ones while it finishes the calls it has. What silence means is core's to say.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use gateless_core::pulse::{ASK_EVERY, LOOK_EVERY, Pulse as Core, State};
use gateless_core::time::Time;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::connection::AbortHandle;
use super::connector::Connector;
use crate::clock;

/// Every sidecar answers it at every door.
const PATH: &str = "/_gateless/livez";
/// A question that takes longer is asked again on a new connection: what the old one lost is sent again
/// by the kernel at ever longer intervals.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);
/// Rounds without a connection and without a call after which nobody is asked any more: about 5 s.
const UNUSED_ROUNDS: u32 = 25;

type Asking = SendRequest<Empty<Bytes>>;
/// Called when a peer falls silent (true), and when it answers again (false).
pub(crate) type OnChange = Arc<dyn Fn(bool) + Send + Sync>;

/// What is known of a peer.
#[derive(Clone, Copy)]
struct Seen {
    state: State,
    /// The last one came then; none since it is asked: zero.
    answered: Time,
}

/// Watches one peer. It is not watched any more once all clones are dropped.
pub(super) struct Pulse(Arc<Inner>);

const UNKNOWN: Seen = Seen {
    state: State::Answers,
    answered: Time::ZERO,
};

struct Inner {
    address: String,
    connector: Connector,
    seen: watch::Sender<Seen>,
    /// Connections calls travel over. A lock, as they come from all threads; dead ones are swept.
    connections: Mutex<Vec<Weak<AbortHandle>>>,
    running: AtomicBool,
    used: AtomicBool,
    on_change: OnChange,
}

impl Pulse {
    pub(super) fn new(address: String, connector: Connector, on_change: OnChange) -> Self {
        Self(Arc::new(Inner {
            address,
            connector,
            seen: watch::Sender::new(UNKNOWN),
            connections: Mutex::default(),
            running: AtomicBool::new(false),
            used: AtomicBool::new(false),
            on_change,
        }))
    }

    /// A call is about to go there: what is known of the peer. It is asked from now on.
    pub(super) fn state(&self) -> State {
        self.0.used.store(true, Ordering::Release);
        if !self.0.running.load(Ordering::Acquire) && !self.0.running.swap(true, Ordering::AcqRel) {
            tokio::spawn(watch_peer(Arc::downgrade(&self.0)));
        }
        self.known()
    }

    /// What is known of the peer, whether it is asked or not.
    pub(super) fn known(&self) -> State {
        self.0.seen.borrow().state
    }

    /// When it does not answer.
    pub(super) async fn silent(&self) {
        let mut seen = self.0.seen.subscribe();
        if seen
            .wait_for(|seen| seen.state != State::Answers)
            .await
            .is_err()
        {
            std::future::pending().await
        }
    }

    /// Whether it has answered just now, or does so before it is suspected.
    pub(super) async fn confirmed(&self) -> bool {
        // Begins to ask, if nobody does.
        self.state();
        let late = clock::now() - 2 * ASK_EVERY;
        let mut seen = self.0.seen.subscribe();
        let known = |seen: &Seen| seen.state != State::Answers || seen.answered > late;
        let known = seen.wait_for(known).await;
        known.is_ok_and(|seen| seen.state == State::Answers)
    }

    /// For a new connection, which is cut when the peer is lost.
    pub(super) fn abort_handle(&self) -> Arc<AbortHandle> {
        let handle = Arc::<AbortHandle>::default();
        self.0.connections.lock().push(Arc::downgrade(&handle));
        handle
    }
}

impl Inner {
    fn is(&self, state: State) {
        let before = self.seen.borrow().state;
        if before == state {
            return;
        }
        self.seen.send_modify(|seen| seen.state = state);
        if before == State::Answers || state == State::Answers {
            (self.on_change)(state != State::Answers);
        }
        match state {
            State::Lost => {
                let handles = std::mem::take(&mut *self.connections.lock());
                let handles: Vec<_> = handles.iter().filter_map(Weak::upgrade).collect();
                tracing::warn!(peer = %self.address, connections = handles.len(), "a peer does not answer: calls there are given up");
                handles.iter().for_each(|handle| handle.abort());
            }
            State::Suspect => tracing::debug!(peer = %self.address, "a peer is slow to answer"),
            State::Answers => tracing::info!(peer = %self.address, "a peer answers again"),
        }
    }

    /// Whether any call may be there, or has been meant to go there lately.
    fn is_of_use(&self, unused: &mut u32) -> bool {
        let mut connections = self.connections.lock();
        connections.retain(|handle| handle.strong_count() > 0);
        let used = self.used.swap(false, Ordering::AcqRel) || !connections.is_empty();
        *unused = if used { 0 } else { *unused + 1 };
        *unused < UNUSED_ROUNDS
    }

    /// Nobody asks any more, so nothing is known. False when a call came in between.
    fn rests(&self) -> bool {
        self.is(State::Answers);
        self.seen.send_replace(UNKNOWN);
        self.running.store(false, Ordering::Release);
        !self.used.load(Ordering::Acquire) || self.running.swap(true, Ordering::AcqRel)
    }
}

async fn watch_peer(peer: Weak<Inner>) {
    let mut core = Core::new(clock::now());
    let (mut kept, mut unused) = (None, 0);
    loop {
        let Some(this) = peer.upgrade() else { return };
        if !this.is_of_use(&mut unused) && this.rests() {
            return;
        }
        match answer(&this, &mut core, kept.take()).await {
            Ok(connection) => {
                kept = connection;
                let now = clock::now();
                core.answered(now);
                this.seen.send_modify(|seen| seen.answered = now);
            }
            Err(error) => {
                tracing::trace!(peer = %this.address, %error, "a peer was not heard");
                core.look(clock::now());
            }
        }
        this.is(core.state());
        drop(this);
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Asks once, and looks at the silence meanwhile.
async fn answer(this: &Inner, core: &mut Core, kept: Option<Asking>) -> io::Result<Option<Asking>> {
    let asked = tokio::time::timeout(ASK_TIMEOUT, ask(this, kept));
    tokio::pin!(asked);
    loop {
        tokio::select! {
            biased;
            answered = &mut asked => return answered.unwrap_or_else(|late| Err(late.into())),
            () = tokio::time::sleep(LOOK_EVERY) => this.is(core.look(clock::now())),
        }
    }
}

/// The connection if it can be used again; none when the peer lives but takes no new one.
async fn ask(peer: &Inner, kept: Option<Asking>) -> io::Result<Option<Asking>> {
    let mut connection = match kept.filter(SendRequest::is_ready) {
        Some(connection) => connection,
        None => {
            let stream = match peer.connector.connect(&peer.address).await {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
                connected => connected?,
            };
            let handshake = http1::handshake(TokioIo::new(stream)).await;
            let (sender, connection) = handshake.map_err(io::Error::other)?;
            tokio::spawn(connection);
            sender
        }
    };
    let request = Request::get(PATH).header(header::HOST, &peer.address);
    let request = request.body(Empty::new()).map_err(io::Error::other)?;
    let answer = connection.send_request(request).await;
    let body = answer.map_err(io::Error::other)?.into_body();
    body.collect().await.map_err(io::Error::other)?;
    Ok(Some(connection))
}

#[cfg(test)]
mod tests;
