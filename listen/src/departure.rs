//! Whether a caller that has said all it will say is still there to hear the answer.
//!
//! A caller may end its side of a connection after its request and read the answer (RFC 9293, 3.6), and one that has
//! left looks the same from here: both have sent a FIN. Only what is written shows the difference, as a host resets
//! what comes for a connection it has closed. So one whose answer does not begin soon is sent an interim response, which
//! every client of HTTP/1.1 must be able to read (RFC 9110, 15.2), once. One that ends its side in the middle of an
//! answer is taken to have left when nothing goes on for a while. Its end is seen behind what nobody has read of it yet, as
//! of a body that stays unread while its call waits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::deadlines::Seen;
use crate::handshake::Transport;

/// Without a byte of the answer for so long after its FIN, a caller is asked whether it is there, or taken to have left.
const SILENCE: Duration = Duration::from_secs(1);
/// A reset comes within a round trip; looked for after these.
const LOOKS: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
];
/// What a caller said and nobody reads hides its end from who waits for it: then it is looked for so often.
const UNREAD: Duration = Duration::from_millis(250);
const INTERIM: &[u8] = b"HTTP/1.1 102 Processing\r\n\r\n";

/// Of one connection with HTTP/1.
#[derive(Debug, Default)]
pub(crate) struct Departure {
    /// The call all this is about, by its number.
    call: u32,
    /// Bytes of its answer were written.
    answering: bool,
    /// A caller never ends its side before it has its answer.
    at_once: bool,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// It has not ended its side.
    #[default]
    Open,
    /// It is known to be there, or the HTTP library looks itself.
    Unknown,
    /// It said more than was read.
    Unread(Pin<Box<Sleep>>),
    /// It ended its side before its answer began.
    Ended(Pin<Box<Sleep>>),
    /// It was sent an interim response; how often has been looked since.
    Asked(Pin<Box<Sleep>>, usize),
    /// It ended its side when its answer had begun; whether anything was written since.
    Leaving(Pin<Box<Sleep>>, bool),
}

fn sleep(duration: Duration) -> Pin<Box<Sleep>> {
    Box::pin(tokio::time::sleep(duration))
}

/// Whether a caller has ended its side, whatever of what it said is unread.
fn has_ended(tcp: &TcpStream) -> io::Result<bool> {
    let mut seen = [PollFd::new(tcp, PollFlags::RDHUP)];
    rustix::event::poll(&mut seen, Some(&Timespec::default()))?;
    let seen = seen[0].revents();
    if seen.intersects(PollFlags::ERR | PollFlags::HUP) {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    Ok(seen.contains(PollFlags::RDHUP))
}

impl Departure {
    /// `at_once`: one that has ended its side has left.
    pub(crate) fn new(at_once: bool) -> Self {
        Self {
            at_once,
            ..Self::default()
        }
    }

    /// Bytes were written.
    pub(crate) fn wrote(&mut self, seen: Seen) {
        self.see(seen);
        self.answering = true;
        match &mut self.state {
            State::Ended(_) | State::Asked(..) => self.state = State::Unknown,
            State::Leaving(_, moved) => *moved = true,
            State::Open | State::Unknown | State::Unread(_) => {}
        }
    }

    fn see(&mut self, seen: Seen) {
        if self.call != seen.begun {
            *self = Self {
                call: seen.begun,
                ..Self::new(self.at_once)
            };
        }
    }

    /// Looks whenever the connection is polled; an error when the caller of the call under way is gone. `may_ask` is
    /// whether it can read an interim response.
    pub(crate) fn poll<T: Transport>(
        &mut self,
        cx: &mut Context<'_>,
        inner: &mut T,
        seen: Seen,
        may_ask: bool,
    ) -> io::Result<()> {
        self.see(seen);
        if seen.under_way == 0 {
            return Ok(());
        }
        loop {
            match &mut self.state {
                State::Unknown => return Ok(()),
                State::Open => {
                    let mut byte = [0; 1];
                    match inner.tcp().poll_peek(cx, &mut ReadBuf::new(&mut byte))? {
                        Poll::Pending => return Ok(()),
                        Poll::Ready(1..) => self.state = State::Unread(sleep(UNREAD)),
                        Poll::Ready(0) if self.at_once => self.state = State::Unknown,
                        Poll::Ready(0) if self.answering => {
                            self.state = State::Leaving(sleep(SILENCE), false);
                        }
                        Poll::Ready(0) => self.state = State::Ended(sleep(SILENCE)),
                    }
                }
                State::Unread(alarm) => {
                    if alarm.as_mut().poll(cx).is_pending() {
                        return Ok(());
                    }
                    self.state = match has_ended(inner.tcp())? {
                        false => State::Open,
                        true if self.at_once => {
                            return Err(io::ErrorKind::ConnectionAborted.into());
                        }
                        true if self.answering => State::Leaving(sleep(SILENCE), false),
                        true => State::Ended(sleep(SILENCE)),
                    };
                }
                State::Ended(alarm) => {
                    if alarm.as_mut().poll(cx).is_pending() {
                        return Ok(());
                    }
                    let asked = may_ask && ask(cx, inner)?;
                    self.state = match asked {
                        true => State::Asked(sleep(LOOKS[0]), 0),
                        false => State::Unknown,
                    };
                }
                State::Asked(alarm, looks) => {
                    if alarm.as_mut().poll(cx).is_pending() {
                        return Ok(());
                    }
                    if let Some(reset) = inner.tcp().take_error()? {
                        return Err(reset);
                    }
                    *looks += 1;
                    self.state = match LOOKS.get(*looks) {
                        Some(next) => State::Asked(sleep(*next), *looks),
                        None => State::Unknown,
                    };
                }
                State::Leaving(alarm, moved) => {
                    if alarm.as_mut().poll(cx).is_pending() {
                        return Ok(());
                    }
                    if !*moved {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                    self.state = State::Leaving(sleep(SILENCE), false);
                }
            }
        }
    }
}

/// Whether all of the interim response was written: there is room for it, as nothing was before.
fn ask<T: Transport>(cx: &mut Context<'_>, inner: &mut T) -> io::Result<bool> {
    match Pin::new(&mut *inner).poll_write(cx, INTERIM)? {
        Poll::Ready(written) if written == INTERIM.len() => {
            // What is left of it goes out with the next flush.
            let _ = Pin::new(inner).poll_flush(cx)?;
            Ok(true)
        }
        // Half of one would break the answer.
        Poll::Ready(_) => Err(io::ErrorKind::WriteZero.into()),
        Poll::Pending => Ok(false),
    }
}
