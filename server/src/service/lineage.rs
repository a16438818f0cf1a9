//! Where the catalogue comes from: kept through restores, and told to sidecars, who take no catalogue that does not have
//! theirs in its past.
//!
//! A store that was restored from an export has a new identity; what it was before is its past then, up to where the export
//! was. A server that sees a sidecar ahead of it was restored behind its store's back, and takes a new name, so that no later
//! version of it can be taken for what the sidecar has. What counts as its past besides, an operator says.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use gateless_proto::v1::{Ancestry, CatalogueMark};

use super::commit::{ATTEMPTS, parse, put, unchanged};
use super::{Error, Result, Service};
use crate::store::Store;

/// Its record.
pub const KEY: &str = "catalogue/lineage";
/// States remembered; the oldest go first. A sidecar that has one of those is refused until an operator says otherwise.
const REMEMBERED: usize = 64;

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The store that this was written to; another one was made of an export of it.
    pub store: Uuid,
    /// What versions count in, as sidecars are told.
    pub catalogue: Uuid,
    /// The same over all restores.
    pub lineage: String,
    /// What the catalogue was, or is said to have been.
    pub past: Vec<State>,
}

/// A state of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Which catalogue.
    pub catalogue: String,
    /// Its version.
    pub version: u64,
}

impl Lineage {
    fn begin(store: Uuid) -> Self {
        Self {
            store,
            catalogue: store,
            lineage: store.to_string(),
            past: Vec::new(),
        }
    }

    /// Under another name, with what it was at `version` in its past.
    fn renamed(mut self, store: Uuid, catalogue: Uuid, version: u64) -> Self {
        let before = self.catalogue.to_string();
        self.remember(State {
            catalogue: before,
            version,
        });
        Self {
            store,
            catalogue,
            ..self
        }
    }

    fn remember(&mut self, state: State) {
        self.past
            .retain(|known| known.catalogue != state.catalogue || known.version > state.version);
        self.past.push(state);
        let surplus = self.past.len().saturating_sub(REMEMBERED);
        self.past.drain(..surplus);
    }

    /// As sidecars are told.
    pub fn told(&self) -> Ancestry {
        let mark = |state: &State| CatalogueMark {
            catalogue_id: state.catalogue.clone(),
            version: state.version,
            lineage: String::new(),
        };
        Ancestry {
            lineage: self.lineage.clone(),
            past: self.past.iter().map(mark).collect(),
        }
    }
}

/// What is to be written, if something is.
type Change<'a> = dyn Fn(Lineage, u64) -> Option<Lineage> + Send + Sync + 'a;

async fn change(store: &dyn Store, change: &Change<'_>) -> Result<Lineage> {
    for _ in 0..ATTEMPTS {
        let entry = store.get(KEY).await?;
        let known = entry.as_ref().map(parse::<Lineage>).transpose()?;
        let (at, known) = match known {
            Some(known) => (Some(known.version), known.value),
            None => (None, Lineage::begin(store.identity())),
        };
        let Some(next) = change(known.clone(), store.revision().await?) else {
            return Ok(known);
        };
        match store.write(put(KEY, &next, unchanged(at))?).await {
            Ok(_) => return Ok(next),
            Err(crate::store::Error::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::Contended("the catalogue's lineage".to_owned()))
}

/// Notes what the store is, before anything else is written to it.
///
/// # Errors
/// The store's.
pub async fn open(store: &dyn Store) -> Result<Lineage> {
    let identity = store.identity();
    if store.get(KEY).await?.is_none() {
        let write = put(KEY, &Lineage::begin(identity), unchanged(None))?;
        match store.write(write).await {
            // Of several servers one is the first.
            Ok(_) | Err(crate::store::Error::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let restored = move |known: Lineage, version| {
        (known.store != identity).then(|| known.renamed(identity, identity, version))
    };
    change(store, &restored).await
}

impl Service {
    /// Where the catalogue comes from.
    ///
    /// # Errors
    /// The store's.
    pub async fn lineage(&self) -> Result<Lineage> {
        let known = self.load::<Lineage>(KEY).await?;
        Ok(known.map_or_else(
            || Lineage::begin(self.store.identity()),
            |known| known.value,
        ))
    }

    /// A sidecar has `version` of the catalogue `name`: when that is this one and it has not come so far, it was set back and
    /// goes on under another name.
    ///
    /// # Errors
    /// The store's.
    pub async fn compare(&self, name: &str, version: u64) -> Result<Lineage> {
        let set_back = |known: Lineage, now: u64| {
            let ahead = known.catalogue.to_string() == name && version > now;
            ahead.then(|| {
                tracing::error!(version = now, seen = version, "a sidecar has a newer version of this very catalogue: it was set back, \
                    and sidecars keep what they have; gateless server catalogue shows it, accept or restore --from-fleet settles it");
                let store = known.store;
                known.renamed(store, Uuid::new_v4(), now)
            })
        };
        change(&*self.store, &set_back).await
    }

    /// From now on what connected sidecars keep instead of this catalogue counts as its past, so that they take it. Answers
    /// with these states.
    ///
    /// # Errors
    /// The store's.
    pub async fn accept_catalogue(&self) -> Result<Vec<State>> {
        let sidecars = self.registry.list().into_iter();
        let kept = sidecars.filter(|s| s.connected && s.refused.is_some());
        let kept = kept.filter_map(|sidecar| sidecar.holds).map(|held| State {
            catalogue: held.catalogue_id,
            version: held.version,
        });
        let mut kept: Vec<State> = kept.collect();
        kept.sort_by(|a, b| (&a.catalogue, a.version).cmp(&(&b.catalogue, b.version)));
        kept.dedup();
        self.count_as_past(&kept, None).await?;
        Ok(kept)
    }

    /// Puts states into the past; with `lineage` as a continuation of that one.
    pub(super) async fn count_as_past(
        &self,
        states: &[State],
        lineage: Option<&str>,
    ) -> Result<()> {
        let widened = |mut known: Lineage, _| {
            let before = known.clone();
            for state in states {
                let covers = |past: &State| {
                    past.catalogue == state.catalogue && past.version >= state.version
                };
                if !known.past.iter().any(covers) {
                    known.remember(state.clone());
                }
            }
            if let Some(lineage) = lineage {
                lineage.clone_into(&mut known.lineage);
            }
            (known != before).then_some(known)
        };
        change(&*self.store, &widened).await?;
        Ok(())
    }
}
