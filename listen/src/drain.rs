//! Closing a listener without losing a connection that a client believes it has.
//!
//! The kernel completes connections on its own, and resets those that nobody has accepted when the listener is
//! closed. So new ones are kept from beginning first (a client that tries finds the port closed when it tries again),
//! those that have begun are waited for, and only then is it closed.

use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::clock;

/// From the last SYN that is taken to the end of its handshake: a round trip.
const ROUND_TRIP: Duration = Duration::from_millis(250);

/// Classic BPF over a segment that comes to the listener: drop those that have SYN and not ACK, take all others.
const NO_SYN: [SockFilter; 5] = [
    SockFilter::new(0x30, 0, 0, 13),       // ld the byte of the flags
    SockFilter::new(0x54, 0, 0, 0x12),     // and SYN | ACK
    SockFilter::new(0x15, 0, 1, 0x02),     // is it SYN?
    SockFilter::new(0x06, 0, 0, 0),        // ret: nothing
    SockFilter::new(0x06, 0, 0, 0x4_0000), // ret: all of it
];

/// A listener that is being closed.
#[derive(Debug)]
pub(crate) struct Draining {
    listener: Option<TcpListener>,
    /// What the runtime has not been told of yet is in the queue, too.
    queue: Option<std::net::TcpListener>,
    end: Instant,
}

impl Draining {
    pub(crate) fn new(listener: TcpListener) -> Self {
        if let Err(error) = SockRef::from(&listener).attach_filter(&NO_SYN) {
            tracing::debug!(%error, "new connections cannot be kept from beginning");
        }
        Self {
            listener: Some(listener),
            queue: None,
            end: clock::now() + ROUND_TRIP,
        }
    }

    /// The next connection that has begun; `None` once there is none any more, and the listener is closed.
    pub(crate) async fn next(&mut self) -> Option<(TcpStream, SocketAddr)> {
        if let Some(listener) = &self.listener {
            let accepted = tokio::time::timeout_at(self.end, listener.accept()).await;
            if let Ok(Ok(accepted)) = accepted {
                return Some(accepted);
            }
        }
        if let Some(listener) = self.listener.take() {
            self.queue = listener.into_std().ok();
        }
        let (tcp, client) = self.queue.as_ref()?.accept().ok()?;
        tcp.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(tcp).ok()?, client))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn connections_a_client_believes_it_has_are_taken_and_no_new_one_begins() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let before: Vec<_> = (0..50)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        let mut taken = Vec::new();
        let mut late = None;
        let mut draining = Draining::new(listener);
        while let Some((tcp, _)) = draining.next().await {
            late.get_or_insert_with(|| tokio::spawn(TcpStream::connect(address)));
            taken.push(tcp);
        }
        drop(draining);
        assert_eq!(taken.len(), 50);
        // Its second attempt finds nobody.
        let late = late.unwrap().await.unwrap();
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        drop(before);
        for mut end in taken {
            assert_eq!(end.read(&mut [0; 1]).await.unwrap(), 0);
        }
    }
}
