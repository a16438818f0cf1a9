//! Connections to one instance or one peer: HTTP/1.1 one call at a time, HTTP/2 shared.
//!
//! Last in, first out, so that few connections stay warm and idle ones age out. A connection that ends before a request is
//! in it is replaced here; whether a request is sent again that was in one is for the caller. Deliberately
//! without health or limits: those are the balancer's and the gate's.

mod h2;
mod idle;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use gateless_core::pulse::State;
use gateless_core::time::Time;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;

use super::alarm::Spare;
use super::connection::{Connection, Use};
use super::connector::{Connector, Wire};
use super::framing::{self, Fault};
use super::permit::Permit;
use super::pulse::{OnChange, Pulse};
use super::unprocessed::Unprocessed;
use crate::clock;
use crate::endpoint::body::Body;
use idle::{Idle, IdleList};

/// Idle connections kept per endpoint; further ones are closed.
pub const MAX_IDLE: usize = 512;
/// Reuse limit: Node closes idle connections after 5 s, and a call sent into that race is lost.
pub const MAX_IDLE_FOR: Duration = Duration::from_secs(4);
/// To a host that does not answer.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Why an exchange failed.
#[derive(Debug)]
pub enum Error {
    /// Nothing was sent: safe to send again. The request comes back.
    Unsent(Box<Request<Body>>, String),
    /// It was not processed, as the other end says.
    Unprocessed(Unprocessed, String),
    /// It may have been seen. `stale` when the connection had served others, and ended without a word.
    Sent {
        /// What the connection says.
        error: hyper::Error,
        /// A request that may run twice is sent again.
        stale: bool,
    },
    /// It was answered, but not so that the answer could be passed on.
    Answer(Fault),
}

/// Idle connections to one address, and how to make more.
pub struct Pool {
    address: String,
    connector: Connector,
    /// A lock, because checkout must be atomic; a few instructions long.
    idle: Arc<Mutex<IdleList>>,
    /// Async, because only one task should dial.
    h2: tokio::sync::Mutex<Option<http2::SendRequest<Body>>>,
    /// Whether the HTTP/2 connection was used since the sweep looked last.
    h2_used: AtomicBool,
    /// A task closes what is idle for too long; it ends when there is nothing.
    sweeping: AtomicBool,
    /// For deadlines of calls to it.
    pub(crate) alarms: Spare,
    /// Answers and parts of them that calls got.
    pub(crate) heard: AtomicU64,
    /// Of a peer: an instance is on this host, and cannot be cut off.
    pulse: Option<Pulse>,
}

/// In the extensions of an answer over a connection that was made for it: how long that took.
#[derive(Debug, Clone, Copy)]
pub struct Connected(pub Duration);

/// How a request goes over a connection.
#[derive(Clone, Default)]
pub struct How {
    /// The function may run twice: it is sent again if its connection turns out to have ended.
    pub repeatable: bool,
    /// Not over a connection that served others: one has ended under this request.
    pub fresh: bool,
    /// Kept by the connection until its other end is done with the request.
    pub permit: Option<Arc<dyn Permit>>,
}

/// An HTTP/1.1 connection in use; give it back with [`Conn::finish`] once the answer is read. Dropped before, it keeps its
/// permit until the other end closes it.
pub struct Conn {
    /// None when it ended with its answer.
    sender: Option<http1::SendRequest<Body>>,
    uses: Arc<Use>,
    pool: Arc<Pool>,
    only_once: bool,
}

impl Conn {
    /// It takes no other request after this.
    pub fn only_once(&mut self) {
        self.only_once = true;
    }

    /// Its answer is through: back into the pool, for the next call.
    pub fn finish(self) {
        let again = self.uses.answered();
        let Some(sender) = self.sender.filter(|_| !self.only_once) else {
            return;
        };
        let mut idle = self.pool.idle.lock();
        if again {
            idle.keep_alive.answered_again();
        }
        let kept = idle.put(Idle {
            sender,
            uses: self.uses,
            since: clock::now(),
        });
        drop(idle);
        if kept {
            self.pool.sweep();
        }
    }
}

impl Pool {
    /// For `host:port` of an instance. Connects when first used.
    #[must_use]
    pub fn new(address: String) -> Self {
        Self {
            address,
            idle: Arc::default(),
            connector: Connector::Plain,
            h2: tokio::sync::Mutex::default(),
            h2_used: AtomicBool::new(false),
            sweeping: AtomicBool::new(false),
            alarms: Spare::default(),
            heard: AtomicU64::new(0),
            pulse: None,
        }
    }

    /// For `host:port` of a peer, which is watched while calls may be there. `on_change` is called
    /// with true when it falls silent, and with false when it answers again.
    #[must_use]
    pub(crate) fn of_peer(address: String, connector: Connector, on_change: OnChange) -> Self {
        let pulse = Pulse::new(address.clone(), connector.clone(), on_change);
        Self {
            connector,
            pulse: Some(pulse),
            ..Self::new(address)
        }
    }

    /// Whether it is known not to answer; does not ask.
    pub(crate) fn is_silent(&self) -> bool {
        let pulse = self.pulse.as_ref();
        pulse.is_some_and(|pulse| pulse.known() != State::Answers)
    }

    /// Whether a call may be sent there now.
    pub(crate) fn answers(&self) -> bool {
        let pulse = self.pulse.as_ref();
        pulse.is_none_or(|pulse| pulse.state() == State::Answers)
    }

    /// Whether the peer has answered just now, or does so at once.
    pub(crate) async fn is_confirmed(&self) -> bool {
        match &self.pulse {
            Some(pulse) => pulse.confirmed().await,
            None => true,
        }
    }

    /// Whether calls that were there were given up, as the peer was silent for too long.
    pub(crate) fn is_lost(&self) -> bool {
        let pulse = self.pulse.as_ref();
        pulse.is_some_and(|pulse| pulse.known() == State::Lost)
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    fn conn(self: &Arc<Self>, sender: Option<http1::SendRequest<Body>>, uses: Arc<Use>) -> Conn {
        uses.answers();
        Conn {
            sender,
            uses,
            pool: self.clone(),
            only_once: false,
        }
    }

    /// Sends over HTTP/1.1.
    ///
    /// # Errors
    /// [`Error::Unsent`] when no connection could be had that anything was sent over.
    pub async fn send_h1(
        self: &Arc<Self>,
        mut request: Request<Body>,
        how: &How,
    ) -> Result<(Response<Incoming>, Conn), Error> {
        loop {
            let idle = match how.fresh {
                true => None,
                false => self.checkout(how.repeatable),
            };
            let stale = idle.is_some();
            let mut connected = None;
            let (mut sender, uses) = match idle {
                Some(idle) => idle,
                None => {
                    let began = clock::now();
                    match self.connect_h1().await {
                        Ok(fresh) => {
                            connected = Some(Connected(clock::now().since(began)));
                            fresh
                        }
                        Err(error) => return Err(Error::Unsent(Box::new(request), error)),
                    }
                }
            };
            uses.begin(!how.repeatable, how.permit.clone());
            let sending = sender.try_send_request(request);
            let mut sender = Some(sender);
            let mut error = match answer(sending, &mut sender, &uses).await {
                Ok(response) => {
                    let mut response = checked(response, false)?;
                    if let Some(connected) = connected {
                        response.extensions_mut().insert(connected);
                    }
                    let mut conn = self.conn(sender, uses);
                    conn.only_once = framing::closes(&response);
                    return Ok((response, conn));
                }
                Err(error) => error,
            };
            if error.message().is_some() {
                uses.unsent();
            }
            match error.take_message() {
                Some(unsent) if stale => request = unsent,
                Some(unsent) => {
                    let cause = error.into_error().to_string();
                    return Err(Error::Unsent(Box::new(unsent), cause));
                }
                None => {
                    if stale {
                        self.idle.lock().keep_alive.ended_under(clock::now());
                    }
                    return Err(sent(error.into_error(), &uses, stale));
                }
            }
        }
    }

    /// Sends over HTTP/1.1 on a connection of its own, which may become another protocol.
    ///
    /// # Errors
    /// As [`Pool::send_h1`].
    pub async fn send_upgrade(
        self: &Arc<Self>,
        request: Request<Body>,
        how: &How,
    ) -> Result<(Response<Incoming>, Conn), Error> {
        let (mut sender, uses) = match self.connect_h1().await {
            Ok(fresh) => fresh,
            Err(error) => return Err(Error::Unsent(Box::new(request), error)),
        };
        uses.begin(!how.repeatable, how.permit.clone());
        let sending = sender.try_send_request(request);
        let mut sender = Some(sender);
        let sent = answer(sending, &mut sender, &uses).await;
        let response = sent.map_err(|mut error| match error.take_message() {
            Some(unsent) => {
                uses.unsent();
                Error::Unsent(Box::new(unsent), error.into_error().to_string())
            }
            None => self::sent(error.into_error(), &uses, false),
        })?;
        let mut conn = self.conn(sender, uses);
        conn.only_once();
        Ok((checked(response, true)?, conn))
    }

    fn checkout(&self, repeatable: bool) -> Option<(http1::SendRequest<Body>, Arc<Use>)> {
        let idle = self.idle.lock().take(clock::now(), repeatable)?;
        Some((idle.sender, idle.uses))
    }

    /// Sees to it that what is idle for too long is closed, also when nobody calls any more.
    fn sweep(self: &Arc<Self>) {
        if self.sweeping.load(Ordering::Relaxed) || self.sweeping.swap(true, Ordering::AcqRel) {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(sweep(Arc::downgrade(self)))),
            Err(_) => self.sweeping.store(false, Ordering::Release),
        }
    }

    /// Closes what is too old, and says when to look again; `None` when nothing is left.
    fn close_idle(&self) -> Option<Time> {
        let now = clock::now();
        let (_closed, next) = self.idle.lock().expire(now);
        // One that is being dialled is being used.
        let Ok(mut h2) = self.h2.try_lock() else {
            return Some(now + MAX_IDLE_FOR);
        };
        if h2.is_some() && !self.h2_used.swap(false, Ordering::AcqRel) {
            // Calls that are under way are answered before it closes.
            *h2 = None;
        }
        let h2 = h2.is_some().then(|| now + MAX_IDLE_FOR);
        next.into_iter().chain(h2).min()
    }

    async fn connect_h1(&self) -> Result<(http1::SendRequest<Body>, Arc<Use>), String> {
        let uses = Arc::<Use>::default();
        let io = TokioIo::new(self.dial().await?.for_requests(uses.clone()));
        let handshake = http1::Builder::new()
            .max_headers(framing::MAX_HEADERS)
            .max_header_size(framing::MAX_HEAD_BYTES)
            .handshake::<_, Body>(io)
            .await;
        let (sender, connection) = handshake.map_err(|e| e.to_string())?;
        let (seen, idle) = (uses.clone(), Arc::downgrade(&self.idle));
        tokio::spawn(async move {
            // How it ended shows in the exchange; of an idle end, how early it came.
            connection.with_upgrades().await.ok();
            seen.end();
            if let (Some(answered), Some(idle)) = (seen.idle_since(), idle.upgrade()) {
                idle.lock().keep_alive.ended(clock::now(), answered);
            }
        });
        Ok((sender, uses))
    }

    async fn dial(&self) -> Result<Connection, String> {
        let Some(pulse) = &self.pulse else {
            let stream = self.connect().await?;
            return Ok(Connection::new(stream, None));
        };
        let stream = tokio::select! {
            stream = self.connect() => stream?,
            () = pulse.silent() => return Err(format!("{} does not answer", self.address)),
        };
        Ok(Connection::new(stream, Some(pulse.abort_handle())))
    }

    async fn connect(&self) -> Result<Wire, String> {
        let connecting = self.connector.connect(&self.address);
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(format!("{}: {error}", self.address)),
            Err(_) => Err(format!(
                "{}: no connection within {CONNECT_TIMEOUT:?}",
                self.address
            )),
        }
    }
}

/// A connection that is lent at the moment it looks is not idle: the next one to be given back begins another sweep.
async fn sweep(pool: Weak<Pool>) {
    // Nothing is too old before.
    let mut next = clock::now() + MAX_IDLE_FOR;
    loop {
        tokio::time::sleep_until(clock::instant(next)).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut oldest = pool.close_idle();
        if oldest.is_none() {
            pool.sweeping.store(false, Ordering::Release);
            // What came in between found a sweep that was about to end.
            oldest = pool.close_idle();
            if oldest.is_none() || pool.sweeping.swap(true, Ordering::AcqRel) {
                return;
            }
        }
        next = oldest.unwrap_or(next);
    }
}

/// Waits for the answer over a connection, which may end at any moment and is let go of then.
///
/// What is put into a channel while its receiver is dropped may stay in it for as long as a sender lives (tokio's `mpsc`), and
/// hyper hands requests over by such a channel: so nobody keeps a connection that has ended, and waits for it.
async fn answer(
    sending: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Body>>>>,
    sender: &mut Option<http1::SendRequest<Body>>,
    uses: &Use,
) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
    let mut sending = pin!(sending);
    poll_fn(|cx| {
        if let Poll::Ready(sent) = sending.as_mut().poll(cx) {
            return Poll::Ready(sent);
        }
        match uses.is_over(cx) && sender.take().is_some() {
            true => sending.as_mut().poll(cx),
            false => Poll::Pending,
        }
    })
    .await
}

/// A request that did not come back from a connection of HTTP/1.
fn sent(error: hyper::Error, uses: &Use, stale: bool) -> Error {
    if uses.has_written() {
        return Error::Sent { error, stale };
    }
    Error::Unprocessed(Unprocessed::ConnectionEnded, error.to_string())
}

/// An answer that can be passed on.
fn checked(
    mut response: Response<Incoming>,
    may_switch: bool,
) -> Result<Response<Incoming>, Error> {
    match framing::check(&mut response, may_switch) {
        Ok(()) => Ok(response),
        Err(fault) => Err(Error::Answer(fault)),
    }
}
