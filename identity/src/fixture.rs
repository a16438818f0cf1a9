//! A cluster's identities for tests: real certificates of an authority that is made on the spot.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test helper fails its test"
)]

use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::stream::{self, Stream as Connections};
use gateless_common::io::{private_dir, unix_now};
use gateless_common::time::UnixMillis;
use gateless_proto::v1;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::{
    Authority, Credentials, Folder, Id, Identity, NewKey, Role, Stream, Trust, TrustDomain,
};

/// How long its certificates are good.
pub const LIFE: Duration = Duration::from_secs(24 * 3600);

/// An authority, and what everybody trusts.
pub struct Cluster {
    /// Issues.
    pub authority: Authority,
    /// Of what is trusted.
    pub version: u64,
    revoked: Vec<v1::Revoked>,
    gossip: Vec<v1::GossipKey>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}

impl Cluster {
    /// A new one, which nobody else trusts.
    #[must_use]
    pub fn new() -> Self {
        let domain = TrustDomain::random();
        let mut cluster = Self {
            authority: Authority::new(domain, unix_now()).unwrap(),
            version: 1,
            revoked: Vec::new(),
            gossip: Vec::new(),
        };
        cluster.add_gossip_key(true);
        cluster
    }

    /// One more key for gossip, alone or behind the others.
    pub fn add_gossip_key(&mut self, alone: bool) {
        if alone {
            self.gossip.clear();
        }
        let mut key = vec![0; 32];
        rand::fill(&mut key[..]);
        let id = rand::random();
        self.gossip.push(v1::GossipKey { id, key });
        self.version += 1;
    }

    /// The newest key for gossip is the first.
    pub fn seal_with_newest(&mut self) {
        self.gossip.reverse();
        self.version += 1;
    }

    /// What the sidecar has been issued is good for nothing.
    pub fn revoke(&mut self, node: &str) {
        self.revoked.push(v1::Revoked {
            node_id: node.to_owned(),
            until_ms: unix_now().0,
        });
        self.add_gossip_key(true);
    }

    /// What is trusted now, signed.
    #[must_use]
    pub fn signed(&self) -> v1::SignedTrust {
        let trust = v1::Trust {
            version: self.version,
            revoked: self.revoked.clone(),
            gossip_keys: self.gossip.clone(),
            grace_ms: u64::try_from(7 * LIFE.as_millis()).unwrap(),
            ..v1::Trust::default()
        };
        self.authority.sign(trust).unwrap()
    }

    /// What is trusted now.
    #[must_use]
    pub fn trust(&self) -> Trust {
        Trust::read(self.signed()).unwrap()
    }

    /// A certificate that was issued then.
    #[must_use]
    pub fn credentials(&self, role: Role, name: &str, issued: UnixMillis) -> Credentials {
        let id = Id::new(self.authority.domain.clone(), role, name).unwrap();
        let key = NewKey::generate().unwrap();
        let request = key.request().unwrap();
        let issued = self.authority.issue(&id, &request, issued, LIFE).unwrap();
        key.certified(issued.chain).unwrap()
    }

    /// Somebody whose certificate was issued so long ago.
    #[must_use]
    pub fn made(&self, role: Role, name: &str, ago: Duration) -> Identity {
        let at = unix_now().since_epoch().saturating_sub(ago);
        let credentials = self.credentials(role, name, UnixMillis::from_epoch(at));
        Identity::new(credentials, self.trust()).unwrap()
    }

    /// A sidecar.
    #[must_use]
    pub fn sidecar(&self, name: &str) -> Identity {
        self.made(Role::Sidecar, name, Duration::ZERO)
    }

    /// Lets a sidecar find its identity in its data folder, as if it had joined. The node id has 8 hex digits.
    pub fn provision(&self, data: &Path, node: &str) {
        private_dir(data).unwrap();
        std::fs::write(data.join("node-id"), node).unwrap();
        let credentials = self.credentials(Role::Sidecar, node, unix_now());
        Folder::new(data).save(&credentials, &self.trust()).unwrap();
    }

    /// A server, which also proves itself to who knows the authority's fingerprint alone.
    #[must_use]
    pub fn server(&self) -> Identity {
        let id = Id::new(self.authority.domain.clone(), Role::Server, "server").unwrap();
        let own = self.authority.own(&id, unix_now(), LIFE).unwrap();
        Identity::new(own, self.trust()).unwrap()
    }
}

/// A listener's connections, for tonic's own server: each once its other end is proven, or shows no certificate at all.
pub fn incoming(
    listener: TcpListener,
    identity: Identity,
) -> impl Connections<Item = io::Result<Stream<TcpStream>>> + Send {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (identity, sender) = (identity.clone(), sender.clone());
            tokio::spawn(async move {
                stream.set_nodelay(true).unwrap();
                if let Ok(stream) = identity.accept_any(stream).await {
                    sender.send(stream).await.ok();
                }
            });
        }
    });
    stream::unfold(receiver, |mut receiver| async move {
        let next: Option<Stream<TcpStream>> = receiver.recv().await;
        next.map(|stream| (Ok(stream), receiver))
    })
}
