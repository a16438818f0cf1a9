//! Gossip's datagrams over UDP, each sealed with an HMAC keyed with the cluster secret.
//!
//! chitchat keeps its codec to itself, so its own socket is put behind ours: it sends and
//! receives on loopback, and this relay adds the tag on the way out and checks it on the
//! way in. What is not sealed with our secret never reaches chitchat. No encryption and no
//! replay protection: gossip carries addresses, and its versions make old news harmless.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chitchat::ChitchatEnvelope;
use chitchat::transport::{
    RecvOutcome, SendOutcome, Socket, Transport, UdpSocket as ChitchatSocket,
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::clock;
use crate::cluster::auth::ClusterSecret;

const TAG_BYTES: usize = 32;
const MAX_DATAGRAM_BYTES: usize = 65_507;
/// Hand-over on loopback is a memory copy; past this the datagram was lost or not readable.
const HAND_OVER: Duration = Duration::from_millis(50);

/// Keeps gossip's tags apart from any other use of the secret.
const PURPOSE: &[u8] = b"gateless gossip 1\0";

/// Seals and opens datagrams.
#[derive(Clone)]
struct Seal(Hmac<Sha256>);

impl Seal {
    fn new(secret: &ClusterSecret) -> anyhow::Result<Self> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())?;
        mac.update(PURPOSE);
        Ok(Self(mac))
    }

    fn tag(&self, payload: &[u8]) -> [u8; TAG_BYTES] {
        let mut mac = self.0.clone();
        mac.update(payload);
        mac.finalize().into_bytes().into()
    }

    /// The payload, when the tag in front of it is right.
    fn open<'a>(&self, datagram: &'a [u8]) -> Option<&'a [u8]> {
        let (tag, payload) = datagram.split_at_checked(TAG_BYTES)?;
        let mut mac = self.0.clone();
        mac.update(payload);
        mac.verify_slice(tag).ok().map(|()| payload)
    }
}

/// Hands chitchat a socket on an already bound public one.
pub(super) struct Sealed {
    public: Arc<UdpSocket>,
    seal: Seal,
}

impl Sealed {
    pub(super) fn new(public: Arc<UdpSocket>, secret: &ClusterSecret) -> anyhow::Result<Self> {
        let seal = Seal::new(secret)?;
        Ok(Self { public, seal })
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
            seal: self.seal.clone(),
            shim_address: shim.local_addr()?,
            inner,
            shim,
            incoming: Incoming::None,
            receive_buffer: vec![0; MAX_DATAGRAM_BYTES],
            send_buffer: vec![0; TAG_BYTES + MAX_DATAGRAM_BYTES],
        }))
    }
}

/// Where the datagram being received is; kept outside the future because chitchat drops
/// and restarts `recv` at every gossip round.
enum Incoming {
    None,
    /// In `receive_buffer`, this long, tag and all, and known to be ours.
    Verified(SocketAddr, usize),
    /// On its way through the shim.
    HandedOver(SocketAddr, Instant),
}

struct SealedSocket {
    public: Arc<UdpSocket>,
    seal: Seal,
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
        let received = self.shim.recv(&mut self.send_buffer[TAG_BYTES..]);
        let Ok(Ok(length)) = tokio::time::timeout(HAND_OVER, received).await else {
            return nothing;
        };
        let (tag, payload) = self.send_buffer.split_at_mut(TAG_BYTES);
        tag.copy_from_slice(&self.seal.tag(&payload[..length]));
        let datagram = &self.send_buffer[..TAG_BYTES + length];
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
                Incoming::None => self.receive_verified().await,
                Incoming::Verified(from, length) => {
                    let payload = &self.receive_buffer[TAG_BYTES..length];
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
    async fn receive_verified(&mut self) {
        match self.public.recv_from(&mut self.receive_buffer).await {
            Ok((length, from)) => {
                if self.seal.open(&self.receive_buffer[..length]).is_some() {
                    self.incoming = Incoming::Verified(from, length);
                } else {
                    tracing::debug!(%from, bytes = length, "gossip without our seal dropped");
                }
            }
            Err(error) => {
                tracing::debug!(%error, "gossip not received");
                // An error that stays must not become a busy loop.
                tokio::time::sleep(HAND_OVER).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_untouched_datagrams_with_our_secret_open() {
        let seal = Seal::new(&ClusterSecret::new("0123456789abcdef").unwrap()).unwrap();
        let other = Seal::new(&ClusterSecret::new("0123456789abcdeF").unwrap()).unwrap();
        let mut datagram = seal.tag(b"news").to_vec();
        datagram.extend(b"news");
        assert_eq!(seal.open(&datagram), Some(&b"news"[..]));
        assert_eq!(other.open(&datagram), None);
        assert_eq!(seal.open(&datagram[..20]), None);
        datagram[33] ^= 1;
        assert_eq!(seal.open(&datagram), None);
    }
}
