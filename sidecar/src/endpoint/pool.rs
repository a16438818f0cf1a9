//! Connections to one instance or one peer: HTTP/1.1 one call at a time, HTTP/2 shared.
//!
//! Last in, first out, so that few connections stay warm and idle ones age out. Deliberately
//! without health or limits: those are the balancer's and the gate's.

use std::sync::Arc;
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
/// Reuse limit: Node closes idle connections after 5 s, and a call sent into that race is lost.
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
    idle: Mutex<Vec<Idle>>,
    /// Async, because only one task should dial.
    h2: tokio::sync::Mutex<Option<http2::SendRequest<Body>>>,
    /// For deadlines of calls to it.
    pub(crate) alarms: Spare,
    /// Of a peer: an instance is on this host, and cannot be cut off.
    pulse: Option<Pulse>,
}

struct Idle {
    sender: http1::SendRequest<Body>,
    since: Time,
}

/// An HTTP/1.1 connection in use; give it back with [`Conn::reuse`] once the answer is read.
pub struct Conn {
    sender: http1::SendRequest<Body>,
    pool: Arc<Pool>,
}

impl Conn {
    /// Back into the pool, for the next call.
    pub fn reuse(self) {
        if !self.sender.is_closed() {
            let mut idle = self.pool.idle.lock();
            if idle.len() < MAX_IDLE {
                idle.push(Idle {
                    sender: self.sender,
                    since: clock::now(),
                });
            }
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
    pub async fn send_h2(&self, request: Request<Body>) -> Result<Response<Incoming>, Error> {
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
        // Entries are in order of age: once the top is too old, all are.
        if idle
            .last()
            .is_some_and(|top| now.since(top.since) > MAX_IDLE_FOR)
        {
            idle.clear();
        }
        let at = idle.iter().rposition(|entry| entry.sender.is_ready());
        match at {
            Some(at) => Some(idle.remove(at).sender),
            None => {
                idle.retain(|entry| !entry.sender.is_closed());
                None
            }
        }
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

    async fn h2(&self) -> Result<http2::SendRequest<Body>, String> {
        let mut shared = self.h2.lock().await;
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
