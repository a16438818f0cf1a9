//! This sidecar's identity: saved, got by joining, or its own where there is nobody else; and kept from ending.
//!
//! Which connections it opens is the identity's own business, and who may do what is the edge's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gateless_common::backoff::{Backoff, Reconnect};
use gateless_common::io::unix_now;
use gateless_core::name::NodeId;
use gateless_identity::{
    Authority, CERTIFICATE_LIFE, Credentials, Expect, Folder, GRACE, Id, Identity, JoinToken,
    NewKey, Role, Trust, TrustDomain, channel, join_channel,
};
use gateless_proto::v1;
use gateless_proto::v1::identity_service_client::IdentityServiceClient;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Of a request for a certificate.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(100),
    max: Duration::from_secs(2),
};
/// A renewal that fails is tried again, at most so long after.
const RENEW_BACKOFF: Backoff = Backoff {
    base: Duration::from_secs(1),
    max: Duration::from_secs(5),
};
/// The renewal is looked at so often at least: the wall clock may be set.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// In the error of who is refused because its certificate was taken back, as rustls names the alert of RFC 8446, 6.2.
const REVOKED: &str = "CertificateRevoked";

/// What a sidecar joins with at its first start.
#[derive(Debug, Clone)]
pub enum Join {
    /// It has joined already.
    No,
    /// With this token.
    Token(JoinToken),
    /// With the token in this file, read again at every attempt.
    File(PathBuf),
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It has never joined, and was not told how.
    #[error(
        "this sidecar has no identity yet: give it a join token with --join-token-file (gateless sidecar join-token create makes one)"
    )]
    NotJoined,
    /// It is to join and does not know where.
    #[error("to join, a sidecar needs the server's address")]
    NoServer,
    /// What is saved is another's, or cannot be used.
    #[error("the identity in {}: {cause}", folder.display())]
    Saved {
        /// The data folder.
        folder: PathBuf,
        /// What is wrong.
        cause: gateless_identity::Error,
    },
    /// The server's address is none.
    #[error("{address:?} is no server address such as https://10.0.0.1:7781")]
    Address {
        /// As configured.
        address: String,
    },
    /// The server does not let it join.
    #[error("the server does not let this sidecar join: {0}")]
    Refused(String),
}

/// The server's address; only `https` is spoken there.
///
/// # Errors
/// [`Error::Address`].
pub fn endpoint(address: &str) -> Result<Endpoint, Error> {
    let wrong = || Error::Address {
        address: address.to_owned(),
    };
    if !address.starts_with("https://") {
        return Err(wrong());
    }
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|_| wrong())?;
    Ok(endpoint.connect_timeout(CONNECT_TIMEOUT))
}

/// The identity of this node: the saved one, or one got by joining, however long the server takes to be there.
///
/// # Errors
/// [`Error`].
pub async fn open(
    data: &Path,
    node: &NodeId,
    server: Option<&str>,
    alone: bool,
    join: &Join,
) -> Result<Identity, Error> {
    let folder = Folder::new(data);
    let failed = |cause| Error::Saved {
        folder: data.to_owned(),
        cause,
    };
    if let Some((credentials, trust)) = load(&folder).await.map_err(failed)? {
        if credentials.id.sidecar() != Some(node.as_str()) {
            let cause = gateless_identity::Error::Malformed("it is that of another node");
            return Err(failed(cause));
        }
        let over = unix_now().since(credentials.expires) > trust.grace;
        let joins_again = match join {
            Join::No => false,
            Join::File(_) => over,
            // Its server has lost what it had, and is another now.
            Join::Token(token) => over || !trust.has_authority(&token.fingerprint),
        };
        if !joins_again {
            return Identity::new(credentials, trust).map_err(failed);
        }
    }
    let (credentials, trust) = match (join, server) {
        // Nobody else knows it, so nothing is lost with it.
        (Join::No, _) if alone => {
            let (credentials, trust) = own(node).map_err(failed)?;
            return Identity::new(credentials, trust).map_err(failed);
        }
        (Join::No, _) => return Err(Error::NotJoined),
        (_, None) => return Err(Error::NoServer),
        (join, Some(server)) => joined(server, node, join).await?,
    };
    let saved = (folder, credentials, trust);
    let saved = blocking(move || {
        let (folder, credentials, trust) = saved;
        folder.save(&credentials, &trust)?;
        Ok((credentials, trust))
    });
    let (credentials, trust) = saved.await.map_err(failed)?;
    tracing::info!(id = %credentials.id, "this sidecar has an identity");
    Identity::new(credentials, trust).map_err(failed)
}

async fn load(folder: &Folder) -> Result<Option<(Credentials, Trust)>, gateless_identity::Error> {
    let folder = folder.clone();
    blocking(move || folder.load()).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, gateless_identity::Error> + Send + 'static,
) -> Result<T, gateless_identity::Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(std::io::Error::other(panic).into()))
}

/// Of a sidecar that has nobody: an authority that issues once and is forgotten.
fn own(node: &NodeId) -> Result<(Credentials, Trust), gateless_identity::Error> {
    let now = unix_now();
    let authority = Authority::new(TrustDomain::random(), now)?;
    let id = Id::new(authority.domain.clone(), Role::Sidecar, node.as_str())?;
    let mut key = vec![0; 32];
    rand::fill(&mut key[..]);
    let trust = authority.sign(v1::Trust {
        version: 1,
        grace_ms: u64::try_from(GRACE.as_millis()).unwrap_or(u64::MAX),
        gossip_keys: vec![v1::GossipKey { id: 1, key }],
        ..v1::Trust::default()
    })?;
    let credentials = authority.own(&id, now, CERTIFICATE_LIFE)?;
    Ok((credentials, Trust::read(trust)?))
}

async fn joined(server: &str, node: &NodeId, join: &Join) -> Result<(Credentials, Trust), Error> {
    let endpoint = endpoint(server)?;
    let mut backoff = Reconnect::new(BACKOFF);
    let mut told = None;
    // One key for all attempts: the server knows who asks again because an answer was lost.
    let key = NewKey::generate().map_err(|error| Error::Refused(error.to_string()))?;
    loop {
        let why = match token(join).await {
            Ok(token) => match ask(&endpoint, &token, node, &key).await {
                Ok(joined) => return Ok(joined),
                Err(status) if is_final(&status, join) => {
                    return Err(Error::Refused(status.message().to_owned()));
                }
                Err(status) => reason(&status),
            },
            Err(why) => why,
        };
        if told.as_ref() != Some(&why) {
            tracing::warn!(server, why, "this sidecar cannot join yet, trying again");
            told = Some(why);
        }
        tokio::time::sleep(backoff.failed(rand::random())).await;
    }
}

/// Whether asking again is no use: a file may hold another token soon, one that was given stays what it is.
fn is_final(status: &Status, join: &Join) -> bool {
    match status.code() {
        Code::AlreadyExists | Code::InvalidArgument | Code::PermissionDenied => true,
        Code::Unauthenticated => matches!(join, Join::Token(_)),
        _ => false,
    }
}

/// With what is below it: that the server is another is said there.
pub(crate) fn reason(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut below = std::error::Error::source(status);
    while let Some(error) = below {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        below = error.source();
    }
    if text.contains(REVOKED) {
        text.push_str(
            ": this sidecar was revoked. If it was removed for good, start it on an empty data folder; \
             else remove the folder identity in its data folder, and give it a join token",
        );
    }
    text
}

async fn token(join: &Join) -> Result<JoinToken, String> {
    match join {
        Join::No => Err("there is no join token".to_owned()),
        Join::Token(token) => Ok(token.clone()),
        Join::File(path) => {
            let text = tokio::fs::read_to_string(path).await;
            let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
            let token = text.parse::<JoinToken>();
            token.map_err(|error| format!("{}: {error}", path.display()))
        }
    }
}

async fn ask(
    endpoint: &Endpoint,
    token: &JoinToken,
    node: &NodeId,
    key: &NewKey,
) -> Result<(Credentials, Trust), Status> {
    let bad = |error: gateless_identity::Error| Status::invalid_argument(error.to_string());
    let request = v1::JoinRequest {
        token: token.expose(),
        node_id: node.to_string(),
        signing_request: key.request().map_err(bad)?,
    };
    let mut client = client(join_channel(endpoint, &token.fingerprint));
    let answer = in_time(client.join(request)).await?;
    let trust = answer.trust.unwrap_or_default();
    let trust = Trust::pinned(trust, &token.fingerprint).map_err(bad)?;
    Ok((key.certified(answer.chain).map_err(bad)?, trust))
}

async fn in_time(
    answer: impl Future<Output = Result<tonic::Response<v1::Certificate>, Status>>,
) -> Result<v1::Certificate, Status> {
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, answer).await;
    let answer = answer.map_err(|_| Status::deadline_exceeded("the server does not answer"))?;
    answer.map(tonic::Response::into_inner)
}

fn client(channel: Channel) -> IdentityServiceClient<Channel> {
    IdentityServiceClient::new(channel)
}

/// Keeps the identity from ending: renews the certificate at half of its life, and when another authority issues;
/// saves what is new. Runs until `stop`. `connected` says whether the server can be reached.
pub async fn keep(
    identity: Identity,
    data: PathBuf,
    server: Option<Endpoint>,
    mut connected: watch::Receiver<bool>,
    stop: CancellationToken,
) {
    let folder = Folder::new(&data);
    let server = server.map(|endpoint| channel(&endpoint, &identity, Expect::Server));
    let mut trust = identity.changes();
    let mut backoff = Reconnect::new(RENEW_BACKOFF);
    let mut again = Duration::ZERO;
    loop {
        identity.server_reachable(*connected.borrow_and_update());
        let left = identity.credentials().renew_at().since(unix_now());
        let due = left.is_zero() || identity.is_of_old_authority();
        let wait = if due { again } else { left.min(LOOK_EVERY) };
        let wait = if server.is_some() { wait } else { LOOK_EVERY };
        tokio::select! {
            () = stop.cancelled() => return,
            Ok(()) = connected.changed() => {
                // It is back, perhaps: no time to lose.
                again = Duration::ZERO;
                continue;
            }
            Ok(()) = trust.changed() => {
                save_trust(&folder, &identity).await;
                continue;
            }
            () = tokio::time::sleep(wait) => {}
        }
        let Some(server) = server.as_ref().filter(|_| due) else {
            continue;
        };
        match renew(server, &identity, &folder).await {
            Ok(()) => {
                backoff.succeeded();
                again = Duration::ZERO;
            }
            Err(why) => {
                again = backoff.failed(rand::random());
                let expires = identity.credentials().expires;
                let left = expires.since(unix_now()).as_secs();
                tracing::warn!(why, left_s = left, "the certificate cannot be renewed");
            }
        }
    }
}

async fn save_trust(folder: &Folder, identity: &Identity) {
    let (folder, trust) = (folder.clone(), identity.trust());
    if let Err(error) = blocking(move || folder.save_trust(&trust)).await {
        tracing::error!(%error, "what is trusted cannot be saved");
    }
}

async fn renew(server: &Channel, identity: &Identity, folder: &Folder) -> Result<(), String> {
    let key = NewKey::generate().map_err(|error| error.to_string())?;
    let signing_request = key.request().map_err(|error| error.to_string())?;
    let request = v1::RenewRequest { signing_request };
    let answer = in_time(client(server.clone()).renew(request)).await;
    let answer = answer.map_err(|status| reason(&status))?;
    if let Some(trust) = answer.trust {
        identity.learn(trust).map_err(|error| error.to_string())?;
    }
    let credentials = key.certified(answer.chain);
    let credentials = credentials.map_err(|error| error.to_string())?;
    if credentials.id != identity.id() {
        return Err(format!(
            "the server answered with one for {}",
            credentials.id
        ));
    }
    let (folder, trust) = (folder.clone(), identity.trust());
    let saved = blocking(move || {
        folder.save(&credentials, &trust)?;
        Ok(credentials)
    });
    let credentials = saved.await.map_err(|error| error.to_string())?;
    tracing::debug!(
        expires_ms = credentials.expires.0,
        "the certificate was renewed"
    );
    identity.renewed(credentials);
    Ok(())
}
