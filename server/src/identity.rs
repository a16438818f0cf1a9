//! Identities: who may join, who has a certificate and until when, who was revoked, and what everybody trusts.
//!
//! The authority's key is in a file of the server's data folder; everything else is in the catalogue. Whoever asks is
//! known already: HTTP has checked a token, gRPC a join token or a certificate.

mod error;
mod file;
mod millis;
mod nodes;
mod settings;
mod tokens;
mod trust;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gateless_common::io::unix_now;
use gateless_common::time::UnixMillis;
use gateless_identity::{Authority, Id, Identity, JoinToken, Peer, Role, Trust};
use gateless_proto::v1;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub use self::error::Error;
pub use self::nodes::Node;
pub use self::settings::{MAX_CERTIFICATE_LIFE, MAX_GRACE, Settings};
pub use self::tokens::{JoinTokenGrant, JoinTokenInfo, MAX_JOIN_TOKENS, MAX_USES};
pub use self::trust::Standing;
use crate::store::{self, Expect, Follow, Store, Update, Write};

/// How often what time does to identities is looked at, at the latest.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How often a change is tried again because another server changed the same.
const ATTEMPTS: usize = 8;
/// Of the file for joining: as many sidecars can join within one day of it.
const FILE_USES: u32 = MAX_USES;
const FILE_TTL: Duration = Duration::from_secs(24 * 3600);

/// The identities of one cluster.
pub struct Identities {
    store: Arc<dyn Store>,
    settings: Settings,
    data: PathBuf,
    authority: Mutex<Arc<Authority>>,
    /// When the file for joining was written last.
    written: Mutex<Option<UnixMillis>>,
    /// Held while a certificate is renewed, and while one is revoked.
    issuing: tokio::sync::Mutex<()>,
    identity: Identity,
    _follower: AbortOnDropHandle<()>,
}

impl Identities {
    /// With the authority of the data folder, made at the first start. Called in a runtime.
    ///
    /// # Errors
    /// [`Error::Settings`], [`Error::File`], [`Error::Record`] or [`Error::Store`].
    pub async fn open(
        store: Arc<dyn Store>,
        data: PathBuf,
        settings: Settings,
    ) -> Result<Arc<Self>, Error> {
        settings.check()?;
        let authority = file::open(&data, settings.trust_domain.clone())?;
        let record = trust::open(&*store, unix_now()).await?;
        let trust = signed(&authority, &record, &settings)?;
        let trust = Trust::read(trust).map_err(Error::record)?;
        let own = own(&authority, &*store, &settings)?;
        let identity = Identity::new(own, trust).map_err(Error::record)?;
        let mut follow = Follow::entries(Arc::clone(&store), trust::KEY);
        Ok(Arc::new_cyclic(|this: &std::sync::Weak<Self>| {
            let this = this.clone();
            let follower = tokio::spawn(async move {
                while let Some(update) = follow.next().await {
                    let Some(this) = this.upgrade() else { return };
                    this.follow(&update);
                }
            });
            Self {
                _follower: AbortOnDropHandle::new(follower),
                store,
                settings,
                data,
                authority: Mutex::new(Arc::new(authority)),
                written: Mutex::new(None),
                issuing: tokio::sync::Mutex::default(),
                identity,
            }
        }))
    }

    /// Who this server is, for its connections.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What is known of the authorities.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::Record`].
    pub async fn standing(&self) -> Result<Standing, Error> {
        let (record, _) = trust::load(&*self.store).await?;
        let authority = self.authority();
        Ok(Standing {
            trust_domain: authority.domain.to_string(),
            authorities: authority.signers(),
            version: record.version,
            gossip_key_made: record.newest_key(),
            revoked: record.revoked.len(),
        })
    }

    /// A new join token and its metadata; the token is nowhere kept.
    ///
    /// # Errors
    /// [`Error::TooManyTokens`] or [`Error::Store`].
    pub async fn create_token(
        &self,
        grant: JoinTokenGrant,
    ) -> Result<(JoinToken, JoinTokenInfo), Error> {
        let token = JoinToken::generate(self.authority().fingerprint());
        let info = tokens::create(&*self.store, &token, grant, unix_now()).await?;
        tracing::info!(
            join_token = info.id,
            uses = info.uses,
            "a join token was made"
        );
        Ok((token, info))
    }

    /// The join tokens that are good.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn tokens(&self) -> Result<Vec<JoinTokenInfo>, Error> {
        tokens::list(&*self.store, unix_now()).await
    }

    /// From now on nobody joins with it.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] or [`Error::Store`].
    pub async fn revoke_token(&self, id: &str) -> Result<(), Error> {
        tokens::revoke(&*self.store, id).await?;
        tracing::info!(join_token = id, "a join token was revoked");
        Ok(())
    }

    /// A certificate for who shows a join token.
    ///
    /// # Errors
    /// [`Error::BadToken`], [`Error::Taken`], [`Error::Removed`], [`Error::Request`] and those of the store.
    pub async fn join(&self, request: v1::JoinRequest) -> Result<v1::Certificate, Error> {
        let now = unix_now();
        let token: JoinToken = request.token.parse().map_err(|_| Error::BadToken)?;
        let id = self.sidecar(&request.node_id)?;
        if self.identity.trust().is_removed(id.name()) {
            return Err(Error::Removed(id.name().to_owned()));
        }
        // Issued before anything is written down: a bad request uses nothing up.
        let issued = self.issue(&id, &request.signing_request, now)?;
        let node = id.name();
        nodes::check(&*self.store, node, &issued.key, now).await?;
        tokens::claim(&*self.store, &token, node, &issued.key, now).await?;
        nodes::joined(&*self.store, node, &issued, &token.id, now).await?;
        tracing::info!(sidecar = node, join_token = token.id, "a sidecar joined");
        Ok(self.certificate(issued.chain))
    }

    /// A new certificate for a sidecar that has proved itself with one, and so was not revoked.
    ///
    /// # Errors
    /// [`Error::UnknownNode`] when it was just now, [`Error::Request`] and those of the store.
    pub async fn renew(
        &self,
        peer: &Peer,
        request: v1::RenewRequest,
    ) -> Result<v1::Certificate, Error> {
        let unknown = || Error::UnknownNode(peer.id.name().to_owned());
        let node = peer.id.sidecar().ok_or_else(unknown)?;
        // Whoever is revoked meanwhile gets none that is younger than its revocation.
        let _alone = self.issuing.lock().await;
        self.identity.check(peer).map_err(|_| unknown())?;
        let now = unix_now();
        let issued = self.issue(&self.sidecar(node)?, &request.signing_request, now)?;
        nodes::renewed(&*self.store, node, &issued, now).await?;
        tracing::debug!(sidecar = node, "a sidecar's certificate was renewed");
        Ok(self.certificate(issued.chain))
    }

    /// Sidecars that have certificates, by node id.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn nodes(&self) -> Result<Vec<Node>, Error> {
        nodes::list(&*self.store).await
    }

    /// Takes a sidecar's identity back: what it has been issued is good for nothing from now on, and what gossip is
    /// sealed with is new.
    ///
    /// # Errors
    /// [`Error::UnknownNode`] or [`Error::Store`].
    pub async fn revoke(&self, node: &str) -> Result<(), Error> {
        nodes::known(&*self.store, node).await?;
        self.take_back(node, trust::Record::revoke).await?;
        tracing::warn!(sidecar = node, "a sidecar was revoked");
        Ok(())
    }

    /// Says that a sidecar is gone for good, with all that was on its disk; also of one whose certificates nobody remembers,
    /// as calls may be asked about for longer. It is revoked with it, and its id never joins again.
    ///
    /// # Errors
    /// [`Error::UnknownNode`] when it cannot be the id of a sidecar, or [`Error::Store`].
    pub async fn remove(&self, node: &str) -> Result<(), Error> {
        nodes::valid(node)?;
        self.take_back(node, trust::Record::remove).await?;
        tracing::warn!(sidecar = node, "a sidecar was removed for good");
        Ok(())
    }

    async fn take_back(
        &self,
        node: &str,
        how: fn(&mut trust::Record, &str, UnixMillis, Duration),
    ) -> Result<(), Error> {
        let remembered = MAX_CERTIFICATE_LIFE + self.settings.grace;
        let _alone = self.issuing.lock().await;
        self.change(|record, now| how(record, node, now, remembered))
            .await?;
        match nodes::remove(&*self.store, node).await {
            // Forgotten already.
            Ok(()) | Err(Error::UnknownNode(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A new authority, which the present one vouches for; both are trusted until [`Identities::retire`].
    ///
    /// # Errors
    /// [`Error::State`] when two are trusted already, [`Error::File`].
    pub async fn rotate(&self) -> Result<(), Error> {
        self.replace(|authority| authority.rotated(unix_now()))
            .await?;
        tracing::warn!("there is a new authority; the one before is trusted, too");
        Ok(())
    }

    /// The authority before the present one is trusted no more.
    ///
    /// # Errors
    /// [`Error::State`] when there is none, or sidecars still have certificates of it; [`Error::File`].
    pub async fn retire(&self) -> Result<(), Error> {
        let authority = self.authority();
        let signers = authority.signers();
        let made = signers.first().map(|(_, made)| *made);
        let nodes = nodes::list(&*self.store).await?;
        if nodes.iter().any(|node| Some(node.issued_at) < made) {
            return Err(Error::State(
                "sidecars still have certificates of the authority before",
            ));
        }
        self.replace(Authority::retired).await?;
        tracing::warn!("the authority before the present one is trusted no more");
        Ok(())
    }

    /// What time does to identities: renews the server's own, changes the keys for gossip, forgets what is over.
    /// Runs until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let renewal = self.identity.credentials().renew_at().since(unix_now());
            let wait = renewal.clamp(Duration::from_millis(100), LOOK_EVERY);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "identities cannot be looked after");
            }
        }
    }

    /// What [`Identities::run`] does again and again; once before anybody is told that the server is there.
    ///
    /// # Errors
    /// [`Error::File`] and those of the store.
    pub async fn look(&self) -> Result<(), Error> {
        let now = unix_now();
        if self.identity.credentials().renew_at() <= now {
            self.renew_own()?;
        }
        let (record, _) = trust::load(&*self.store).await?;
        if record.clone().age(now) {
            self.change(|record, now| {
                record.age(now);
            })
            .await?;
        }
        tokens::prune(&*self.store, now).await?;
        nodes::prune(&*self.store, now, self.settings.grace).await?;
        let written = *self.written.lock();
        let due = written.is_none_or(|at| now.since(at) > FILE_TTL / 2);
        if let Some(path) = self.settings.join_token_file.as_ref().filter(|_| due) {
            self.write_token(path).await?;
            *self.written.lock() = Some(now);
        }
        Ok(())
    }

    /// Writes a join token where those who may read it find one, and ends the one that was there.
    async fn write_token(&self, path: &Path) -> Result<(), Error> {
        let before = file::read_token(path);
        let grant = JoinTokenGrant {
            uses: FILE_USES,
            ttl: FILE_TTL,
            description: format!("in {}", path.display()),
        };
        let (token, _) = self.create_token(grant).await?;
        file::write_token(path, &token)?;
        if let Some(before) = before {
            // Of another server's, or gone already: no matter.
            drop(self.revoke_token(&before.id).await);
        }
        Ok(())
    }

    fn authority(&self) -> Arc<Authority> {
        self.authority.lock().clone()
    }

    fn sidecar(&self, node: &str) -> Result<Id, Error> {
        let domain = self.authority().domain.clone();
        Id::new(domain, Role::Sidecar, node).map_err(|error| Error::Request(error.to_string()))
    }

    fn issue(
        &self,
        id: &Id,
        request: &[u8],
        now: UnixMillis,
    ) -> Result<gateless_identity::Issued, Error> {
        let life = self.settings.certificate_life;
        let issued = self.authority().issue(id, request, now, life);
        issued.map_err(|error| Error::Request(error.to_string()))
    }

    fn certificate(&self, chain: Vec<Vec<u8>>) -> v1::Certificate {
        v1::Certificate {
            chain,
            trust: Some(self.identity.announced().signed().clone()),
        }
    }

    fn renew_own(&self) -> Result<(), Error> {
        let own = own(&self.authority(), &*self.store, &self.settings)?;
        self.identity.renewed(own);
        Ok(())
    }

    async fn replace(
        &self,
        change: impl FnOnce(&Authority) -> Result<Authority, gateless_identity::Error>,
    ) -> Result<(), Error> {
        {
            let mut authority = self.authority.lock();
            let new = change(&authority).map_err(|error| match error {
                gateless_identity::Error::Malformed(why) => Error::State(why),
                error => Error::record(error),
            })?;
            file::save(&self.data, &new)?;
            *authority = Arc::new(new);
        }
        self.renew_own()?;
        // What is trusted is another now, and so is its version.
        self.change(|_, _| ()).await
    }

    /// Changes what is trusted, here and in the catalogue.
    async fn change(
        &self,
        mut change: impl FnMut(&mut trust::Record, UnixMillis),
    ) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let (mut record, revision) = trust::load(&*self.store).await?;
            let now = unix_now();
            change(&mut record, now);
            record.newer(now);
            let write = Write::put(trust::KEY, record.to_bytes()?)?;
            let write = write.expecting(Expect::At(revision));
            match self.store.write(write).await {
                Ok(_) => return self.apply(&record),
                Err(store::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended)
    }

    fn apply(&self, record: &trust::Record) -> Result<(), Error> {
        let trust = signed(&self.authority(), record, &self.settings)?;
        let learnt = self.identity.learn(trust);
        learnt.map(|_| ()).map_err(Error::record)
    }

    fn follow(&self, update: &Update) {
        let entries = match update {
            Update::Reset(listing) => listing.entries.last().cloned(),
            Update::Changed(batch) => batch.events.iter().rev().find_map(|event| match event {
                store::Event::Put(entry) => Some(entry.clone()),
                store::Event::Delete { .. } => None,
            }),
        };
        let Some(entry) = entries else { return };
        let applied =
            trust::Record::from_bytes(&entry.value).and_then(|record| self.apply(&record));
        if let Err(error) = applied {
            tracing::error!(%error, "what is trusted cannot be read");
        }
    }
}

fn signed(
    authority: &Authority,
    record: &trust::Record,
    settings: &Settings,
) -> Result<v1::SignedTrust, Error> {
    let trust = record.trust(settings.grace);
    authority.sign(trust).map_err(Error::record)
}

fn own(
    authority: &Authority,
    store: &dyn Store,
    settings: &Settings,
) -> Result<gateless_identity::Credentials, Error> {
    let name = store.identity().simple().to_string();
    let id = Id::new(authority.domain.clone(), Role::Server, &name).map_err(Error::record)?;
    let own = authority.own(&id, unix_now(), settings.certificate_life);
    own.map_err(Error::record)
}
