//! Sidecars that have joined: whose key each certificate is for, and until when it is good.

use std::time::Duration;

use gateless_common::time::UnixMillis;
use gateless_identity::{Id, Issued, Role, TrustDomain};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::store::{self, Expect, Revision, Store, Write, list as list_entries};

const PREFIX: &str = "identity/nodes/";
/// The most sidecars that have certificates.
pub(super) const MAX_NODES: usize = crate::sidecars::MAX_SIDECARS;

/// A sidecar that has joined.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Node {
    /// Its node id.
    pub node_id: String,
    /// SHA-256 of its present public key, hex.
    pub key: String,
    /// When its certificate was issued.
    #[serde(with = "super::millis")]
    pub issued_at: UnixMillis,
    /// When that ends.
    #[serde(with = "super::millis")]
    pub expires_at: UnixMillis,
    /// When it joined.
    #[serde(with = "super::millis")]
    pub joined_at: UnixMillis,
    /// With which join token.
    pub join_token: String,
}

async fn get(store: &dyn Store, node: &str) -> Result<Option<(Node, Revision)>, Error> {
    let Some(entry) = store.get(&format!("{PREFIX}{node}")).await? else {
        return Ok(None);
    };
    let node = serde_json::from_slice(&entry.value).map_err(Error::record)?;
    Ok(Some((node, entry.revision)))
}

pub(super) async fn list(store: &dyn Store) -> Result<Vec<Node>, Error> {
    let entries = list_entries(store, PREFIX).await?.entries;
    let nodes = entries.iter().map(|e| serde_json::from_slice(&e.value));
    nodes.collect::<Result<_, _>>().map_err(Error::record)
}

/// Whether a sidecar may get a certificate for this key by joining.
pub(super) async fn check(
    store: &dyn Store,
    node: &str,
    key: &str,
    now: UnixMillis,
) -> Result<(), Error> {
    match get(store, node).await? {
        // Else whoever has any token could take the place of any sidecar.
        Some((known, _)) if known.key != key && known.expires_at > now => {
            Err(Error::Taken(node.to_owned()))
        }
        Some(_) => Ok(()),
        None if list(store).await?.len() >= MAX_NODES => Err(Error::TooManyNodes),
        None => Ok(()),
    }
}

pub(super) async fn joined(
    store: &dyn Store,
    node: &str,
    issued: &Issued,
    token: &str,
    now: UnixMillis,
) -> Result<(), Error> {
    let before = get(store, node).await?;
    let expect = match before {
        Some((known, _)) if known.key != issued.key && known.expires_at > now => {
            return Err(Error::Taken(node.to_owned()));
        }
        Some((_, revision)) => Expect::At(revision),
        None => Expect::Absent,
    };
    let record = Node {
        node_id: node.to_owned(),
        key: issued.key.clone(),
        issued_at: now,
        expires_at: issued.expires,
        joined_at: now,
        join_token: token.to_owned(),
    };
    put(store, &record, expect).await
}

pub(super) async fn renewed(
    store: &dyn Store,
    node: &str,
    issued: &Issued,
    now: UnixMillis,
) -> Result<(), Error> {
    // A catalogue that was restored may not know it any more; its certificate says that it has joined.
    let (joined_at, join_token, expect) = match get(store, node).await? {
        Some((known, revision)) => (known.joined_at, known.join_token, Expect::At(revision)),
        None => (now, String::new(), Expect::Absent),
    };
    let record = Node {
        node_id: node.to_owned(),
        key: issued.key.clone(),
        issued_at: now,
        expires_at: issued.expires,
        joined_at,
        join_token,
    };
    put(store, &record, expect).await
}

/// Whether a sidecar has joined.
pub(super) async fn known(store: &dyn Store, node: &str) -> Result<(), Error> {
    valid(node)?;
    let found = get(store, node).await?;
    found.map(|_| ()).ok_or_else(|| unknown(node))
}

/// Whether it can be the id of a sidecar.
pub(super) fn valid(node: &str) -> Result<(), Error> {
    let id = Id::new(TrustDomain::random(), Role::Sidecar, node);
    id.map(|_| ()).map_err(|_| unknown(node))
}

fn unknown(node: &str) -> Error {
    Error::UnknownNode(node.chars().take(64).collect())
}

async fn put(store: &dyn Store, record: &Node, expect: Expect) -> Result<(), Error> {
    let value = serde_json::to_vec(record).map_err(Error::record)?;
    let write = Write::put(format!("{PREFIX}{}", record.node_id), value)?.expecting(expect);
    match store.write(write).await {
        Ok(_) => Ok(()),
        Err(store::Error::Conflict { .. }) => Err(Error::Contended),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn remove(store: &dyn Store, node: &str) -> Result<(), Error> {
    let removal = Write::delete(format!("{PREFIX}{node}"))?.expecting(Expect::Present);
    match store.write(removal).await {
        Ok(_) => Ok(()),
        Err(store::Error::Conflict { .. }) => Err(unknown(node)),
        Err(error) => Err(error.into()),
    }
}

/// Forgets those whose certificates nobody takes any more.
pub(super) async fn prune(
    store: &dyn Store,
    now: UnixMillis,
    grace: Duration,
) -> Result<(), Error> {
    for node in list(store).await? {
        if now.since(node.expires_at) > grace {
            drop(remove(store, &node.node_id).await);
        }
    }
    Ok(())
}
