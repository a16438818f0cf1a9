//! Mutual TLS 1.3, both ends known: where connections between parts are made and taken, and cut again.
//!
//! No session is resumed: every connection proves both ends anew, so who was revoked is out. What cannot be said
//! during the handshake, whether it is the peer that was meant, is asked before the first byte of ours.

mod own;
mod stream;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use gateless_common::io::unix_now;
use gateless_proto::v1;
use parking_lot::Mutex;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use self::own::{Check, Own};
use self::stream::Cut;
pub use self::stream::Stream;
use crate::spiffe::{Id, Role};
use crate::trust::Trust;
use crate::verify::{self, Peer, Refused};
use crate::{Credentials, Error};

/// A server that is back for so long has renewed the certificate of every sidecar that wanted it.
const RENEWING: Duration = Duration::from_secs(60);
/// No server looks at it: whom a connection is to is asked of the certificate.
const NAME: &str = "gateless.invalid";

/// Who must be at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// A server of this cluster.
    Server,
    /// The sidecar with this node id.
    Node(String),
    /// A sidecar of this cluster.
    Sidecar,
}

impl Expect {
    fn check(&self, peer: &Peer) -> Result<(), Refused> {
        let (is, what) = match self {
            Self::Server => (peer.id.role == Role::Server, "a server"),
            Self::Sidecar => (peer.id.role == Role::Sidecar, "a sidecar"),
            Self::Node(node) => (peer.id.sidecar() == Some(node), node.as_str()),
        };
        match is {
            true => Ok(()),
            false => Err(Refused::Another(peer.id.to_string(), what.to_owned())),
        }
    }
}

/// Who this part is and whom it trusts. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    own: Arc<Own>,
    trust: Arc<Trusted>,
    client: TlsConnector,
    asked: TlsAcceptor,
    optional: TlsAcceptor,
    /// Connections that are open, to be cut when their other end is revoked.
    live: Mutex<Live>,
    /// Connections to a server that began when a new certificate was due.
    outdated: Mutex<Vec<Weak<Cut>>>,
}

#[derive(Default)]
struct Live {
    connections: Vec<(Peer, Weak<Cut>)>,
    sweep_at: usize,
}

/// What is trusted at present.
struct Trusted {
    now: ArcSwap<Trust>,
    /// What others are told of: the same, but for the moment in which connections are cut.
    announced: ArcSwap<Trust>,
    changes: watch::Sender<u64>,
    /// Since when the server can be reached.
    server_since: Mutex<Option<Instant>>,
    /// Certificates that were let pass though they had ended.
    expired: AtomicU64,
}

impl Trusted {
    /// Whether a certificate that ended may do.
    fn grace(&self) -> bool {
        let since = *self.server_since.lock();
        since.is_none_or(|since| since.elapsed() < RENEWING)
    }
}

impl Identity {
    /// With what the authority gave.
    ///
    /// # Errors
    /// None that are known.
    pub fn new(credentials: Credentials, trust: Trust) -> Result<Self, Error> {
        let own = Arc::new(Own::new(credentials));
        let trust = Arc::new(Trusted {
            changes: watch::Sender::new(trust.version),
            announced: ArcSwap::from_pointee(trust.clone()),
            now: ArcSwap::from_pointee(trust),
            server_since: Mutex::new(None),
            expired: AtomicU64::new(0),
        });
        let client = builder(ClientConfig::builder_with_provider(provider()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Check::of_member(&trust, true)))
            .with_client_cert_resolver(own.clone());
        let serve = |mandatory| {
            let builder = ServerConfig::builder_with_provider(provider());
            let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]);
            let mut config = builder
                .map_err(|_| Error::Malformed("no TLS 1.3"))?
                .with_client_cert_verifier(Arc::new(Check::of_member(&trust, mandatory)))
                .with_cert_resolver(own.clone());
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            Ok::<_, Error>(TlsAcceptor::from(Arc::new(config)))
        };
        let (asked, optional) = (serve(true)?, serve(false)?);
        Ok(Self(Arc::new(Inner {
            client: connector(client),
            asked,
            optional,
            own,
            trust,
            live: Mutex::default(),
            outdated: Mutex::default(),
        })))
    }

    /// Who this is.
    #[must_use]
    pub fn id(&self) -> Id {
        self.0.own.get().id.clone()
    }

    /// Its key and certificate.
    #[must_use]
    pub fn credentials(&self) -> Arc<Credentials> {
        self.0.own.get()
    }

    /// What it trusts.
    #[must_use]
    pub fn trust(&self) -> Arc<Trust> {
        self.0.trust.now.load_full()
    }

    /// What it trusts, to be handed on to whoever is at the other end of a connection: in it are keys, and whoever it
    /// revokes has no connection any more that it could be said over.
    #[must_use]
    pub fn announced(&self) -> Arc<Trust> {
        self.0.trust.announced.load_full()
    }

    /// The version of [`Identity::announced`], and each change of it.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.trust.changes.subscribe()
    }

    /// Whether somebody proven before was not revoked meanwhile.
    ///
    /// # Errors
    /// [`Refused::Revoked`].
    pub fn check(&self, peer: &Peer) -> Result<(), Refused> {
        verify::standing(&self.trust(), peer)
    }

    /// New ones, which new connections use. Connections to a server that began with old ones are cut, as it may let them do
    /// no more than this.
    pub fn renewed(&self, credentials: Credentials) {
        self.0.own.set(credentials);
        let outdated = std::mem::take(&mut *self.0.outdated.lock());
        outdated
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|cut| cut.cut());
    }

    /// Whether an authority that is no longer the first issued its certificate.
    #[must_use]
    pub fn is_of_old_authority(&self) -> bool {
        let issuer = self.credentials().issuer();
        issuer.is_some_and(|issuer| self.trust().has_other_issuer(&issuer))
    }

    /// Takes in what somebody handed on, if it is newer; whether it was. Connections to those it revokes are cut.
    ///
    /// # Errors
    /// When no authority that is trusted so far signed it.
    pub fn learn(&self, signed: v1::SignedTrust) -> Result<bool, Error> {
        let known = self.trust();
        if *known.signed() == signed {
            return Ok(false);
        }
        let new = Trust::open(signed, &known)?;
        if new.domain != known.domain {
            return Err(Error::Malformed("what to trust is of another cluster"));
        }
        let mut newer = false;
        self.0.trust.now.rcu(|now| {
            newer = new.version > now.version;
            match newer {
                true => Arc::new(new.clone()),
                false => now.clone(),
            }
        });
        if newer {
            // Cut before anybody is told: else who is revoked would get the new keys with the news.
            self.0.cut();
            self.0.trust.announced.rcu(|announced| {
                if new.version > announced.version {
                    Arc::new(new.clone())
                } else {
                    announced.clone()
                }
            });
            self.0.trust.changes.send_replace(new.version);
        }
        Ok(newer)
    }

    /// Whether the server can be reached now: while it cannot, certificates are good for [`Trust::grace`] longer.
    pub fn server_reachable(&self, reachable: bool) {
        let mut since = self.0.trust.server_since.lock();
        *since = match (reachable, *since) {
            (true, since) => since.or_else(|| Some(Instant::now())),
            (false, _) => None,
        };
    }

    /// How many connections were made with certificates that had ended.
    #[must_use]
    pub fn expired_accepted(&self) -> u64 {
        self.0.trust.expired.load(Ordering::Relaxed)
    }

    /// Takes a connection whose other end must prove who it is.
    ///
    /// # Errors
    /// When it does not, or the connection fails. The caller bounds the time.
    pub async fn accept<T: Io>(&self, io: T) -> Result<(Stream<T>, Peer), Error> {
        let accepted = self.0.asked.accept(io).await?;
        let peer = self.peer(accepted.get_ref().1.peer_certificates())?;
        let peer = peer.ok_or(Refused::Stranger)?;
        let stream = self.stream(TlsStream::Server(accepted), Some(peer.clone()))?;
        Ok((stream, peer))
    }

    /// Takes a connection whose other end may prove who it is: who joins cannot yet.
    ///
    /// # Errors
    /// As [`Identity::accept`], when a certificate is shown and it is no good.
    pub async fn accept_any<T: Io>(&self, io: T) -> Result<Stream<T>, Error> {
        let accepted = self.0.optional.accept(io).await?;
        let peer = self.peer(accepted.get_ref().1.peer_certificates())?;
        self.stream(TlsStream::Server(accepted), peer)
    }

    /// Makes a connection to somebody who must be there.
    ///
    /// # Errors
    /// When somebody else is there, or the connection fails. That the other end does not believe this one shows
    /// at the first read.
    pub async fn connect<T: Io>(&self, io: T, expect: &Expect) -> Result<Stream<T>, Error> {
        let own = self.0.own.get();
        let connected = self.0.client.connect(server_name()?, io).await?;
        let peer = self.peer(connected.get_ref().1.peer_certificates())?;
        let peer = peer.ok_or(Refused::Stranger)?;
        expect.check(&peer)?;
        let stream = self.stream(TlsStream::Client(connected), Some(peer))?;
        if *expect == Expect::Server && own.renew_at() <= unix_now() {
            self.0.outdated(&own, stream.cut());
        }
        Ok(stream)
    }

    /// The check of the certificates was part of the handshake; here it is read whose they are.
    fn peer(&self, shown: Option<&[CertificateDer<'_>]>) -> Result<Option<Peer>, Refused> {
        let Some([first, others @ ..]) = shown else {
            return Ok(None);
        };
        let (trust, grace) = (self.trust(), self.0.trust.grace());
        let now = rustls::pki_types::UnixTime::now();
        let peer = verify::verify(&trust, first, others, now, grace)?;
        if peer.expired {
            self.0.trust.expired.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(peer = %peer.id, "a certificate that has ended is let pass, as it could not be renewed: is the server down?");
        }
        Ok(Some(peer))
    }

    fn stream<T>(&self, stream: TlsStream<T>, peer: Option<Peer>) -> Result<Stream<T>, Error> {
        let stream = Stream::new(stream, peer);
        if let Some(peer) = stream.peer() {
            self.0.live.lock().add(peer.clone(), stream.cut());
            // Only now: else one revoked in between would stay.
            verify::standing(&self.trust(), peer)?;
        }
        Ok(stream)
    }
}

impl Inner {
    /// Remembers a connection to a server that began with `own`, for when there is a new certificate.
    fn outdated(&self, own: &Arc<Credentials>, cut: &Arc<Cut>) {
        let mut outdated = self.outdated.lock();
        outdated.retain(|cut| cut.strong_count() > 0);
        outdated.push(Arc::downgrade(cut));
        drop(outdated);
        // There is one already.
        if !Arc::ptr_eq(own, &self.own.get()) {
            cut.cut();
        }
    }

    fn cut(&self) {
        let trust = self.trust.now.load();
        let mut live = self.live.lock();
        live.connections.retain(|(peer, cut)| {
            let Some(cut) = cut.upgrade() else {
                return false;
            };
            let stays = verify::standing(&trust, peer).is_ok();
            if !stays {
                tracing::warn!(peer = %peer.id, "a connection is cut: its other end was revoked");
                cut.cut();
            }
            stays
        });
    }
}

impl Live {
    fn add(&mut self, peer: Peer, cut: &Arc<Cut>) {
        if self.connections.len() >= self.sweep_at {
            self.connections.retain(|(_, cut)| cut.strong_count() > 0);
            self.sweep_at = (2 * self.connections.len()).max(64);
        }
        self.connections.push((peer, Arc::downgrade(cut)));
    }
}

/// What TLS runs on.
pub trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// Makes a connection to a server that is known by its authority's fingerprint alone, without a name of one's own.
pub(crate) async fn connect_pinned<T: Io>(io: T, fingerprint: &str) -> Result<Stream<T>, Error> {
    let config = builder(ClientConfig::builder_with_provider(provider()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Check::of_pinned(fingerprint)))
        .with_no_client_auth();
    let connected = connector(config).connect(server_name()?, io).await?;
    Ok(Stream::new(TlsStream::Client(connected), None))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn builder(
    builder: rustls::ConfigBuilder<ClientConfig, rustls::WantsVersions>,
) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error> {
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]);
    builder.map_err(|_| Error::Malformed("no TLS 1.3"))
}

fn connector(mut config: ClientConfig) -> TlsConnector {
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    TlsConnector::from(Arc::new(config))
}

fn server_name() -> Result<ServerName<'static>, Error> {
    ServerName::try_from(NAME).map_err(|_| Error::Malformed("a server's name"))
}

#[cfg(test)]
mod tests;
