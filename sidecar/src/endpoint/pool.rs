//! Connections to one instance or one peer: HTTP/1.1 one call at a time, HTTP/2 shared.
//!
//! Last in, first out, so that few connections stay warm and idle ones age out. Deliberately
//! without health or limits: those are the balancer's and the gate's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use gateless_core::pulse::State;
use gateless_core::time::Time;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::alarm::Spare;
use super::connection::{self, Connection};
use super::framing::{self, Fault};
use super::pulse::{OnChange, Pulse};
use crate::clock;
use crate::endpoint::body::Body;

/// Idle connections kept per endpoint; further ones are closed.
pub const MAX_IDLE: usize = 512;
/// Then they are closed: Node closes idle connections after 5 s, and a call sent into that race is lost. One of HTTP/2 is
/// closed after twice as long at most.
pub const MAX_IDLE_FOR: Duration = Duration::from_secs(4);
/// To a host that does not answer.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Why an exchange failed.
#[derive(Debug)]
pub enum Error {
    /// Nothing was sent: safe to send again. The request comes back.
    Unsent(Box<Request<Body>>, String),
    /// It may have been seen.
    Sent(hyper::Error),
    /// It was answered, but not so that the answer could be passed on.
    Answer(Fault),
}

/// Idle connections to one address, and how to make more.
pub struct Pool {
    address: String,
    /// A lock, because checkout must be atomic; a few instructions long.
    idle: Mutex<IdleList>,
    /// Async, because only one task should dial.
    h2: tokio::sync::Mutex<Option<http2::SendRequest<Body>>>,
    /// Whether the HTTP/2 connection was used since the sweep looked last.
    h2_used: AtomicBool,
    /// A task closes what is idle for too long; it ends when there is nothing.
    sweeping: AtomicBool,
    /// For deadlines of calls to it.
    pub(crate) alarms: Spare,
    /// Of a peer: an instance is on this host, and cannot be cut off.
    pulse: Option<Pulse>,
}

/// In order of age: the last one in is at the end, and the first one out.
#[derive(Default)]
struct IdleList(Vec<Idle>);

struct Idle {
    sender: http1::SendRequest<Body>,
    since: Time,
}

impl IdleList {
    /// Takes out those that are too old, and says when the next one is.
    fn expire(&mut self, now: Time) -> (Vec<Idle>, Option<Time>) {
        let is_old = |entry: &Idle| now.since(entry.since) >= MAX_IDLE_FOR;
        let old = self.0.partition_point(is_old);
        let old = self.0.drain(..old).collect();
        let next = self.0.first().map(|oldest| oldest.since + MAX_IDLE_FOR);
        (old, next)
    }
}

/// An HTTP/1.1 connection in use; give it back with [`Conn::reuse`] once the answer is read.
pub struct Conn {
    sender: http1::SendRequest<Body>,
    pool: Arc<Pool>,
}

impl Conn {
    /// Back into the pool, for the next call.
    pub fn reuse(self) {
        if self.sender.is_closed() {
            return;
        }
        let since = clock::now();
        let mut idle = self.pool.idle.lock();
        if idle.0.len() < MAX_IDLE {
            let sender = self.sender;
            idle.0.push(Idle { sender, since });
            drop(idle);
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
            idle: Mutex::default(),
            h2: tokio::sync::Mutex::default(),
            h2_used: AtomicBool::new(false),
            sweeping: AtomicBool::new(false),
            alarms: Spare::default(),
            pulse: None,
        }
    }

    /// For `host:port` of a peer, which is watched while calls may be there. `on_change` is called
    /// with true when it falls silent, and with false when it answers again.
    #[must_use]
    pub(crate) fn of_peer(address: String, on_change: OnChange) -> Self {
        let pulse = Some(Pulse::new(address.clone(), on_change));
        Self {
            pulse,
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

    /// Sends over HTTP/1.1.
    ///
    /// # Errors
    /// [`Error::Unsent`] when the connection broke before anything was sent.
    pub async fn send_h1(
        self: &Arc<Self>,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, Conn), Error> {
        while let Some(mut sender) = self.checkout() {
            match sender.try_send_request(request).await {
                Ok(response) => {
                    return Ok((
                        checked(response, false)?,
                        Conn {
                            sender,
                            pool: self.clone(),
                        },
                    ));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Error::Sent(error.into_error())),
                },
            }
        }
        let mut sender = match self.connect_h1().await {
            Ok(sender) => sender,
            Err(error) => return Err(Error::Unsent(Box::new(request), error)),
        };
        match sender.try_send_request(request).await {
            Ok(response) => Ok((
                checked(response, false)?,
                Conn {
                    sender,
                    pool: self.clone(),
                },
            )),
            Err(mut error) => Err(match error.take_message() {
                Some(unsent) => Error::Unsent(Box::new(unsent), error.into_error().to_string()),
                None => Error::Sent(error.into_error()),
            }),
        }
    }

    /// Sends over HTTP/1.1 on a connection of its own, which may become another protocol.
    ///
    /// # Errors
    /// As [`Pool::send_h1`].
    pub async fn send_upgrade(&self, request: Request<Body>) -> Result<Response<Incoming>, Error> {
        let mut sender = match self.connect_h1().await {
            Ok(sender) => sender,
            Err(error) => return Err(Error::Unsent(Box::new(request), error)),
        };
        let sent = sender.send_request(request).await;
        checked(sent.map_err(Error::Sent)?, true)
    }

    /// Sends over HTTP/2, sharing one connection.
    ///
    /// # Errors
    /// As [`Pool::send_h1`].
    pub async fn send_h2(
        self: &Arc<Self>,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, Error> {
        let mut sender = match self.h2().await {
            Ok(sender) => sender,
            Err(error) => return Err(Error::Unsent(Box::new(request), error)),
        };
        let sent = sender.try_send_request(request).await;
        let response = sent.map_err(|mut error| match error.take_message() {
            Some(unsent) => Error::Unsent(Box::new(unsent), error.into_error().to_string()),
            None => Error::Sent(error.into_error()),
        })?;
        checked(response, false)
    }

    fn checkout(&self) -> Option<http1::SendRequest<Body>> {
        let now = clock::now();
        let mut idle = self.idle.lock();
        // Those that are too old and still there are about to be closed.
        let is_usable =
            |entry: &Idle| now.since(entry.since) < MAX_IDLE_FOR && entry.sender.is_ready();
        let at = idle.0.iter().rposition(is_usable);
        match at {
            Some(at) => Some(idle.0.remove(at).sender),
            None => {
                idle.0.retain(|entry| !entry.sender.is_closed());
                None
            }
        }
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

    async fn connect_h1(&self) -> Result<http1::SendRequest<Body>, String> {
        let io = TokioIo::new(self.dial().await?);
        let handshake = http1::Builder::new()
            .max_headers(framing::MAX_HEADERS)
            .max_header_size(framing::MAX_HEAD_BYTES)
            .handshake::<_, Body>(io)
            .await;
        let (sender, connection) = handshake.map_err(|e| e.to_string())?;
        tokio::spawn(async move {
            // How it ended shows in the exchange; an idle end is nothing to report.
            connection.with_upgrades().await.ok();
        });
        Ok(sender)
    }

    async fn h2(self: &Arc<Self>) -> Result<http2::SendRequest<Body>, String> {
        let mut shared = self.h2.lock().await;
        self.h2_used.store(true, Ordering::Release);
        self.sweep();
        if let Some(sender) = shared.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let io = TokioIo::new(self.dial().await?);
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .adaptive_window(true)
            .max_header_list_size(framing::MAX_HEADER_LIST)
            .handshake::<_, Body>(io)
            .await
            .map_err(|e| e.to_string())?;
        tokio::spawn(async move {
            connection.await.ok();
        });
        *shared = Some(sender.clone());
        Ok(sender)
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
        connection::expect_silence(&stream).map_err(|e| e.to_string())?;
        Ok(Connection::new(stream, Some(pulse.abort_handle())))
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        let dialled =
            tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&self.address)).await;
        let stream = match dialled {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(format!("{}: {error}", self.address)),
            Err(_) => {
                return Err(format!(
                    "{}: no connection within {CONNECT_TIMEOUT:?}",
                    self.address
                ));
            }
        };
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        Ok(stream)
    }
}

async fn sweep(pool: Weak<Pool>) {
    while let Some(this) = pool.upgrade() {
        let Some(next) = this.close_idle() else {
            this.sweeping.store(false, Ordering::Release);
            // What came in between found a sweep that was about to end.
            if this.close_idle().is_none() || this.sweeping.swap(true, Ordering::AcqRel) {
                return;
            }
            continue;
        };
        drop(this);
        tokio::time::sleep_until(clock::instant(next)).await;
    }
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

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pool() -> (Arc<Pool>, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        (Arc::new(Pool::new(address)), listener)
    }

    fn request(version: http::Version) -> Request<Body> {
        let request = Request::get("http://x/")
            .version(version)
            .header("host", "x");
        request.body(Body::empty()).unwrap()
    }

    /// Answers one request, and says how long the connection stays open after it.
    async fn answers_and_waits(listener: TcpListener) -> Duration {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = [0; 1_024];
        assert!(stream.read(&mut read).await.unwrap() > 0);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        let began = clock::now();
        assert_eq!(stream.read(&mut read).await.unwrap(), 0);
        clock::now().since(began)
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connection_is_closed_when_its_time_is_over_and_not_at_the_next_call() {
        let (pool, listener) = pool().await;
        let open = tokio::spawn(answers_and_waits(listener));
        let (answer, conn) = pool.send_h1(request(http::Version::HTTP_11)).await.unwrap();
        answer.into_body().collect().await.unwrap();
        conn.reuse();
        let open = open.await.unwrap();
        assert!(open >= MAX_IDLE_FOR && open < MAX_IDLE_FOR * 2, "{open:?}");
        assert!(!pool.sweeping.load(Ordering::Acquire));
    }

    #[tokio::test(start_paused = true)]
    async fn shared_connection_is_closed_when_nobody_uses_it() {
        let (pool, listener) = pool().await;
        let closed = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper::service::service_fn(async |_| {
                Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
            });
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            serving
                .serve_connection(TokioIo::new(stream), service)
                .await
        });
        for _ in 0..3 {
            let answer = pool.send_h2(request(http::Version::HTTP_2)).await.unwrap();
            answer.into_body().collect().await.unwrap();
            tokio::time::sleep(MAX_IDLE_FOR / 2).await;
        }
        closed.await.unwrap().unwrap();
        assert!(pool.h2.lock().await.is_none());
        assert!(!pool.sweeping.load(Ordering::Acquire));
    }
}
