//! The catalogue back from the sidecars, which have it when the server has lost it.
//!
//! They keep the records it sent them, so what comes back is what was there: functions with the revisions that had traffic,
//! a tag or were new, secrets, triggers, and the artifacts these name. What sidecars never get does not come back: tokens,
//! quotas and revisions nobody was sent to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use gateless_identity::OpeningKey;
use gateless_proto::v1::{CatalogueMark, FetchArtifactRequest, GetCatalogueRequest};
use tonic::Status;

use super::artifacts::ArtifactRecord;
use super::commit::{keys, put};
use super::lineage::State;
use super::{Error, Kind, Result, Service};
use crate::clock;
use crate::domain::function::{Function, Revision};
use crate::sidecars::clients::{CallError, Client};
use crate::store::blobs::Digest;
use crate::store::{self, Expect, Write};

/// Prefixes of what sidecars have records of.
const PREFIXES: [&str; 4] = ["functions/", "revisions/", "secrets/", "triggers/"];
/// Between two parts of an answer.
const SILENCE: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Whose catalogue it is.
    pub sidecar: String,
    /// Which version of it.
    pub version: u64,
    /// How many functions,
    pub functions: usize,
    /// secrets,
    pub secrets: usize,
    /// triggers
    pub triggers: usize,
    /// and artifacts that were not here.
    pub artifacts: usize,
    /// Digests of artifacts that no sidecar has: what names them starts only where it is cached.
    pub missing: Vec<String>,
}

impl Service {
    /// Replaces functions, secrets and triggers with those of a connected sidecar: of the one named, or of the one with the
    /// newest catalogue. From then on every sidecar that has that catalogue, or an earlier version, takes this one.
    ///
    /// # Errors
    /// [`Error::Fleet`] when nobody has a catalogue to give or it is not clear which one counts, [`Error::Sidecar`], or the store's.
    pub async fn restore_from_fleet(&self, sidecar: Option<&str>) -> Result<Restored> {
        let (client, held) = self.holder(sidecar)?;
        let (entries, mark) = catalogue_of(&client).await?;
        let mark = mark.unwrap_or(held);
        let entries = pruned(entries)?;
        let mut restored = Restored {
            sidecar: client.sidecar.clone(),
            version: mark.version,
            ..Restored::default()
        };
        // First: what names them must find them.
        self.fetch_artifacts(&entries, &mut restored).await?;
        for prefix in PREFIXES {
            for entry in store::list(&*self.store, prefix).await?.entries {
                if !entries.contains_key(&entry.key) {
                    self.store.write(Write::delete(&entry.key)?).await?;
                }
            }
        }
        // Revisions before the functions that name them.
        let (revisions, rest): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|(key, _)| key.starts_with("revisions/"));
        for (key, value) in revisions.into_iter().chain(rest) {
            match key.split('/').next() {
                Some("functions") => restored.functions += 1,
                Some("secrets") => restored.secrets += 1,
                Some("triggers") => restored.triggers += 1,
                _ => {}
            }
            self.store.write(Write::put(key, value)?).await?;
        }
        let state = State {
            catalogue: mark.catalogue_id,
            version: mark.version,
        };
        let lineage = Some(mark.lineage.as_str()).filter(|lineage| !lineage.is_empty());
        self.count_as_past(&[state], lineage).await?;
        Ok(restored)
    }

    /// The sidecar to take it from, and what it holds.
    fn holder(&self, named: Option<&str>) -> Result<(Client, CatalogueMark)> {
        let sidecars = self.registry.list();
        let connected = sidecars.iter().filter(|s| s.connected);
        let holders = connected.filter_map(|s| Some((&s.node_id, s.holds.as_ref()?)));
        let holders: Vec<_> = holders.collect();
        let chosen = match named {
            Some(name) => holders.iter().find(|(id, _)| *id == name),
            None => {
                let catalogues: BTreeSet<_> =
                    holders.iter().map(|(_, held)| &held.catalogue_id).collect();
                if catalogues.len() > 1 {
                    return Err(Error::Fleet(
                        "the sidecars have different catalogues: name the sidecar whose is to count",
                    ));
                }
                holders.iter().max_by_key(|(_, held)| held.version)
            }
        };
        let Some((id, held)) = chosen else {
            return Err(match named {
                Some(name) => Error::not_found(Kind::Sidecar, name),
                None => Error::Fleet("no connected sidecar has a catalogue to give"),
            });
        };
        let client = self.registry.client(id);
        let client = client.ok_or_else(|| Error::not_found(Kind::Sidecar, id.as_str()))?;
        Ok((client, (*held).clone()))
    }

    async fn fetch_artifacts(
        &self,
        entries: &BTreeMap<String, Vec<u8>>,
        restored: &mut Restored,
    ) -> Result<()> {
        let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
        for (key, value) in entries
            .iter()
            .filter(|(key, _)| key.starts_with("revisions/"))
        {
            let revision: Revision = record(key, value)?;
            let namespace = key.split('/').nth(1).unwrap_or_default();
            wanted.extend(
                revision
                    .spec
                    .artifact()
                    .map(|sha| (namespace.to_owned(), sha.to_owned())),
            );
        }
        for (namespace, sha256) in wanted {
            let digest: Digest = sha256.parse()?;
            if self.artifacts.get(digest).await?.is_none() {
                match self.fetch_artifact(&namespace, &sha256).await? {
                    true => restored.artifacts += 1,
                    false => restored.missing.push(sha256.clone()),
                }
            }
            if let Some(blob) = self.artifacts.get(digest).await? {
                let claim = ArtifactRecord {
                    size: blob.size_bytes,
                    used_at: clock::now(),
                };
                let key = keys::artifact(&namespace, &sha256);
                self.store
                    .write(put(&key, &claim, Expect::Anything)?)
                    .await?;
            }
        }
        Ok(())
    }

    /// From the first sidecar that has it; its digest says whether it is right.
    async fn fetch_artifact(&self, namespace: &str, sha256: &str) -> Result<bool> {
        for sidecar in self.registry.list().into_iter().filter(|s| s.connected) {
            let Some(client) = self.registry.client(&sidecar.node_id) else {
                continue;
            };
            let request = FetchArtifactRequest {
                sha256: sha256.to_owned(),
            };
            let asked = client.ask(|mut admin| async move { admin.fetch_artifact(request).await });
            let Ok(chunks) = asked.await else {
                continue;
            };
            let chunks = chunks.map(|chunk| chunk.map(|chunk| bytes::Bytes::from(chunk.data)));
            match self
                .put_artifact(
                    namespace,
                    sha256,
                    chunks.map(|c| c.map_err(|s| s.message().to_owned())),
                )
                .await
            {
                Ok(_) => return Ok(true),
                Err(error) => {
                    tracing::warn!(%error, sidecar = sidecar.node_id, sha256, "an artifact does not come back")
                }
            }
        }
        Ok(false)
    }
}

/// All records a sidecar has, by key, and what it says it holds.
async fn catalogue_of(
    client: &Client,
) -> Result<(BTreeMap<String, Vec<u8>>, Option<CatalogueMark>)> {
    let failed = |status: Status| {
        Error::Sidecar(CallError {
            sidecar: client.sidecar.clone(),
            status,
        })
    };
    // For this answer alone.
    let own = OpeningKey::generate();
    let request = GetCatalogueRequest {
        holds: None,
        sealing_key: own.recipient().to_bytes(),
    };
    let asked = client.ask(|mut admin| async move { admin.get_catalogue(request).await });
    let mut parts = asked.await?;
    let (mut entries, mut mark) = (BTreeMap::new(), None);
    loop {
        let part = tokio::time::timeout(SILENCE, parts.message()).await;
        let part =
            part.map_err(|_| failed(Status::deadline_exceeded("its catalogue does not come")))?;
        let Some(part) = part.map_err(failed)? else {
            break;
        };
        if let Some(ancestry) = &part.ancestry {
            mark = Some(CatalogueMark {
                catalogue_id: part.catalogue_id.clone(),
                version: part.version,
                lineage: ancestry.lineage.clone(),
            });
        }
        for change in part.changes {
            let Some(resource) = change.resource else {
                continue;
            };
            let opened = own.open(&change.name, &resource);
            let opened =
                opened.map_err(|_| Error::Fleet("a secret of the sidecar's does not open"))?;
            let resource = opened.unwrap_or(resource);
            if resource.records.is_empty() {
                return Err(Error::Fleet(
                    "the sidecar took its catalogue from an earlier version of the server, and cannot give it back",
                ));
            }
            let records = resource.records.into_iter();
            entries.extend(records.map(|record| (record.key, record.value)));
        }
    }
    let known = |key: &String| PREFIXES.iter().any(|prefix| key.starts_with(prefix));
    entries.retain(|key, _| known(key));
    Ok((entries, mark))
}

fn record<T: serde::de::DeserializeOwned>(key: &str, value: &[u8]) -> Result<T> {
    serde_json::from_slice(value).map_err(|error| Error::Record {
        key: key.to_owned(),
        reason: error.to_string(),
    })
}

/// Functions name no revision that did not come back.
fn pruned(mut entries: BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<String, Vec<u8>>> {
    let there: BTreeSet<String> = entries.keys().cloned().collect();
    for (key, value) in entries
        .iter_mut()
        .filter(|(key, _)| key.starts_with("functions/"))
    {
        let mut function: Function = record(key, value)?;
        let (namespace, name) = (function.namespace.clone(), function.name.clone());
        let before = function.revisions.len();
        function
            .revisions
            .retain(|head| there.contains(&keys::revision(&namespace, &name, &head.uid)));
        if function.revisions.len() != before {
            *value = serde_json::to_vec(&function).map_err(|error| Error::Record {
                key: key.clone(),
                reason: error.to_string(),
            })?;
        }
    }
    Ok(entries)
}
