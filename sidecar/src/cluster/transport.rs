//! Gossip's datagrams over UDP, each sealed.
//!
//! chitchat keeps its codec to itself, so its own socket is put behind ours: it sends and
//! receives on loopback, and this relay seals on the way out and opens on the way in. What is
//! not sealed with a key of the cluster, or was there before, never reaches chitchat.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chitchat::ChitchatEnvelope;
use chitchat::transport::{
    RecvOutcome, SendOutcome, Socket, Transport, UdpSocket as ChitchatSocket,
};
use gateless_common::io::unix_now;
use gateless_identity::Identity;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::seal::{HEADER, Refused, Seal, TAG};
use crate::clock;

const MAX_DATAGRAM_BYTES: usize = 65_507;
/// Hand-over on loopback is a memory copy; past this the datagram was lost or not readable.
const HAND_OVER: Duration = Duration::from_millis(50);
/// That clocks differ is said so often.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Hands chitchat a socket on an already bound public one.
pub(super) struct Sealed {
    public: Arc<UdpSocket>,
    identity: Identity,
}

impl Sealed {
    pub(super) fn new(public: Arc<UdpSocket>, identity: &Identity) -> Self {
        let identity = identity.clone();
        Self { public, identity }
    }
}

#[tonic::async_trait]
impl Transport for Sealed {
    /// The address is ignored: the public socket was bound before, so that its port is known.
    async fn open(&self, _listen: SocketAddr) -> anyhow::Result<Box<dyn Socket>> {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let inner = ChitchatSocket::open(loopback).await?;
        let shim = UdpSocket::bind(loopback).await?;
        shim.connect(inner.local_addr()?).await?;
        Ok(Box::new(SealedSocket {
            public: self.public.clone(),
            seal: Seal::new(&self.identity.trust()),
            identity: self.identity.clone(),
            told: None,
            shim_address: shim.local_addr()?,
            inner,
            shim,
            incoming: Incoming::None,
            receive_buffer: vec![0; MAX_DATAGRAM_BYTES],
            send_buffer: vec![0; HEADER + MAX_DATAGRAM_BYTES + TAG],
        }))
    }
}

/// Where the datagram being received is; kept outside the future because chitchat drops
/// and restarts `recv` at every gossip round.
enum Incoming {
    None,
    /// In `receive_buffer` behind the header, opened, this long.
    Opened(SocketAddr, usize),
    /// On its way through the shim.
    HandedOver(SocketAddr, Instant),
}

struct SealedSocket {
    public: Arc<UdpSocket>,
    identity: Identity,
    seal: Seal,
    /// When it was last said that a clock is wrong.
    told: Option<Instant>,
    inner: ChitchatSocket,
    shim: UdpSocket,
    shim_address: SocketAddr,
    incoming: Incoming,
    receive_buffer: Vec<u8>,
    send_buffer: Vec<u8>,
}

#[tonic::async_trait]
impl Socket for SealedSocket {
    fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.public.local_addr()?)
    }

    /// A peer that cannot be reached is not an error: gossip tries another.
    async fn send(
        &mut self,
        to: SocketAddr,
        envelope: ChitchatEnvelope,
    ) -> anyhow::Result<SendOutcome> {
        let nothing = Ok(SendOutcome { num_bytes_sent: 0 });
        // Something left from a hand-over that timed out would be sent to the wrong peer.
        while self.shim.try_recv(&mut self.send_buffer).is_ok() {}
        self.inner.send(self.shim_address, envelope).await?;
        let received = self.shim.recv(&mut self.send_buffer[HEADER..]);
        let Ok(Ok(length)) = tokio::time::timeout(HAND_OVER, received).await else {
            return nothing;
        };
        self.seal.follow(&self.identity.trust());
        let sealed = self.seal.seal(&mut self.send_buffer, length, unix_now().0);
        let Some(length) = sealed else {
            return nothing;
        };
        let datagram = &self.send_buffer[..length];
        match self.public.send_to(datagram, to).await {
            Ok(num_bytes_sent) => Ok(SendOutcome { num_bytes_sent }),
            Err(error) => {
                tracing::debug!(%error, %to, bytes = datagram.len(), "gossip not sent");
                nothing
            }
        }
    }

    /// Never fails: errors of a UDP socket pass, and gossip must outlive them.
    async fn recv(&mut self) -> anyhow::Result<RecvOutcome> {
        loop {
            match self.incoming {
                Incoming::None => self.receive_opened().await,
                Incoming::Opened(from, length) => {
                    let payload = &self.receive_buffer[HEADER..HEADER + length];
                    // Cancelled here means not sent, and it is tried again.
                    self.incoming = match self.shim.send(payload).await {
                        Ok(_) => Incoming::HandedOver(from, clock::instant_now() + HAND_OVER),
                        Err(_) => Incoming::None,
                    };
                }
                Incoming::HandedOver(from, until) => {
                    let received = tokio::time::timeout_at(until, self.inner.recv()).await;
                    if let Ok(Ok(outcome)) = received {
                        if outcome.from_addr != self.shim_address {
                            continue; // Another process on this host, guessing at ports.
                        }
                        self.incoming = Incoming::None;
                        return Ok(RecvOutcome {
                            from_addr: from,
                            ..outcome
                        });
                    }
                    self.incoming = Incoming::None;
                }
            }
        }
    }
}

impl SealedSocket {
    async fn receive_opened(&mut self) {
        let (length, from) = match self.public.recv_from(&mut self.receive_buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(%error, "gossip not received");
                // An error that stays must not become a busy loop.
                tokio::time::sleep(HAND_OVER).await;
                return;
            }
        };
        self.seal.follow(&self.identity.trust());
        let datagram = &mut self.receive_buffer[..length];
        match self.seal.open(datagram, unix_now().0) {
            Ok(length) => self.incoming = Incoming::Opened(from, length),
            Err(Refused::Stale) => self.tell_of_clocks(from),
            Err(refused) => {
                tracing::debug!(%from, bytes = length, ?refused, "gossip dropped");
            }
        }
    }

    fn tell_of_clocks(&mut self, from: SocketAddr) {
        let now = clock::instant_now();
        if self.told.is_none_or(|at| now - at >= TELL_EVERY) {
            self.told = Some(now);
            tracing::warn!(%from, "gossip of another time is dropped: it was sent before, or a clock is wrong");
        }
    }
}
