//! The catalogue as this sidecar has it: valid resources only, and what was refused.
//!
//! Applying is pure: no stream, no disk. A resource that is refused leaves the last good
//! one of its name in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gateless_core::config::Function;
use gateless_core::lineage::{Ancestry, Mark};
use gateless_core::name::FunctionName;
use gateless_core::trigger::TriggerName;
use gateless_identity::wipe;
use gateless_proto::v1;
use gateless_proto::v1::Rejection;
use gateless_proto::v1::resource::Kind;
use imbl::{OrdMap, OrdSet};
use prost::Message;

use super::lineage;
use super::sealed::Own;
use crate::catalogue::config::{self, Secret, SecretName, Trigger};

/// Everything a sidecar may have to run, at one moment. Versions share what they have in common, so
/// that a change among ten thousand functions is not ten thousand steps.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Identity of the catalogue `version` counts in; empty before the first one came.
    pub id: String,
    /// Version applied last.
    pub version: u64,
    /// Where it comes from.
    pub ancestry: Arc<Ancestry>,
    pub functions: OrdMap<FunctionName, Arc<Function>>,
    /// By namespace and name.
    pub secrets: OrdMap<SecretName, Arc<Secret>>,
    pub triggers: OrdMap<TriggerName, Arc<Trigger>>,
    /// Functions that nobody deleted: the catalogue they were in was replaced by one that lacks them. What is queued for them
    /// waits until they come back.
    pub vanished: OrdSet<FunctionName>,
}

impl Catalogue {
    /// Which state of which catalogue it is.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            catalogue: self.id.as_str().into(),
            version: self.version,
        }
    }

    /// A value of a secret.
    #[must_use]
    pub fn secret(&self, namespace: &str, name: &str, key: &str) -> Option<&[u8]> {
        let value = self.named(namespace, name)?.data.get(key)?;
        Some(value)
    }

    /// The catalogue version of a secret's last change.
    #[must_use]
    pub fn secret_version(&self, namespace: &str, name: &str) -> Option<u64> {
        Some(self.named(namespace, name)?.generation)
    }

    fn named(&self, namespace: &str, name: &str) -> Option<&Arc<Secret>> {
        let name = SecretName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.secrets.get(&name)
    }
}

/// Changes that count in a catalogue, or from a version, this sidecar does not have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("changes to catalogue {theirs:?} do not apply to {ours:?}")]
pub(super) struct Foreign {
    ours: String,
    theirs: String,
}

/// The catalogue with what it was made of.
pub(super) struct State {
    pub(super) catalogue: Catalogue,
    /// What secrets are kept sealed to.
    own: Own,
    /// Something came plain that is kept sealed.
    came_plain: bool,
    /// Something does not open that is sealed to a key of this sidecar's, which is lost: everything is asked for again.
    unopened: bool,
    /// Good resources by name, encoded, secrets sealed: to be written to disk.
    good: OrdMap<Arc<str>, Arc<[u8]>>,
    /// Reason by resource name. Level: all that are refused now.
    rejected: BTreeMap<String, String>,
}

enum Parsed {
    Function(Box<Function>),
    Secret(Arc<Secret>),
    Trigger(Arc<Trigger>),
}

impl State {
    pub(super) fn new(own: Own) -> Self {
        Self {
            catalogue: Catalogue::default(),
            own,
            came_plain: false,
            unopened: false,
            good: OrdMap::new(),
            rejected: BTreeMap::new(),
        }
    }

    /// What secrets are kept sealed to.
    pub(super) fn own(&self) -> &Own {
        &self.own
    }

    /// Whether something came plain that is kept sealed: where it was read from, it is still plain.
    pub(super) fn came_plain(&self) -> bool {
        self.came_plain
    }

    /// Applies a snapshot or changes. Returns the accepted part of it, as it is kept.
    pub(super) fn apply(
        &mut self,
        response: v1::WatchResponse,
    ) -> Result<v1::WatchResponse, Foreign> {
        let replaces = !self.catalogue.id.is_empty() && response.catalogue_id != self.catalogue.id;
        let before = replaces.then(|| self.catalogue.functions.clone());
        if response.snapshot {
            self.unopened = false;
            let names: BTreeSet<_> = response.changes.iter().map(|c| c.name.as_str()).collect();
            let gone = self.names_not_in(&names);
            gone.iter().for_each(|name| self.remove(name));
        } else if response.catalogue_id != self.catalogue.id {
            return Err(Foreign {
                ours: self.catalogue.id.clone(),
                theirs: response.catalogue_id,
            });
        }
        if let Some(ancestry) = &response.ancestry {
            self.catalogue.ancestry = Arc::new(lineage::read(ancestry));
        } else if response.catalogue_id != self.catalogue.id {
            // Of a server, or saved by a sidecar, that knows of none.
            self.catalogue.ancestry = Arc::new(lineage::unknown(&response.catalogue_id));
        }
        let mut accepted = v1::WatchResponse {
            api_port: 0,
            trust: None,
            rejected: Vec::new(),
            vanished: Vec::new(),
            changes: Vec::with_capacity(response.changes.len()),
            ..response
        };
        for change in response.changes {
            accepted.changes.extend(self.change(change));
        }
        let had = before.into_iter().flatten().map(|(name, _)| name);
        let told = response
            .vanished
            .iter()
            .filter_map(|name| name.parse().ok());
        let vanished: Vec<FunctionName> = had.chain(told).collect();
        let gone = vanished.into_iter();
        let gone = gone.filter(|name| !self.catalogue.functions.contains_key(name));
        self.catalogue.vanished.extend(gone);
        for Rejection { resource, reason } in response.rejected {
            self.rejected.insert(resource, reason);
        }
        self.catalogue.id.clone_from(&accepted.catalogue_id);
        self.catalogue.version = accepted.version;
        Ok(accepted)
    }

    /// The change as it is kept; `None`: it is refused.
    fn change(&mut self, mut change: v1::Change) -> Option<v1::Change> {
        let Some(resource) = &mut change.resource else {
            self.remove(&change.name);
            return Some(change);
        };
        match read(&self.own, &change.name, resource) {
            Ok((parsed, kept)) => {
                if let Some(kept) = kept {
                    wipe(resource);
                    *resource = kept;
                    self.came_plain = true;
                }
                match parsed {
                    Parsed::Function(mut f) => {
                        if let Some(old) = self.catalogue.functions.get(&f.name) {
                            share_revisions(old, &mut f);
                        }
                        self.catalogue.vanished.remove(&f.name);
                        self.catalogue
                            .functions
                            .insert(f.name.clone(), Arc::new(*f));
                    }
                    Parsed::Secret(s) => {
                        self.catalogue.secrets.insert(s.name.clone(), s);
                    }
                    Parsed::Trigger(t) => {
                        self.catalogue.triggers.insert(t.name.clone(), t);
                    }
                }
                self.rejected.remove(&change.name);
                let name = change.name.as_str().into();
                self.good.insert(name, resource.encode_to_vec().into());
                Some(change)
            }
            Err(reason) => {
                self.unopened |= resource.sealed.is_some();
                tracing::warn!(resource = %change.name, %reason,
                    "resource refused, the last good one stays");
                self.rejected.insert(change.name, reason);
                None
            }
        }
    }

    fn remove(&mut self, name: &str) {
        self.rejected.remove(name);
        self.good.remove(name);
        let Some((kind, name)) = name.split_once('/') else {
            return;
        };
        let (namespace, of) = name.split_once('/').unwrap_or_default();
        match kind {
            "functions" => {
                let name = FunctionName::new(namespace, of).ok();
                name.and_then(|name| self.catalogue.functions.remove(&name));
            }
            "triggers" => {
                let name = TriggerName::new(namespace, of).ok();
                name.and_then(|name| self.catalogue.triggers.remove(&name));
            }
            _ => {
                let (namespace, name) = (namespace.to_owned(), of.to_owned());
                let name = SecretName { namespace, name };
                self.catalogue.secrets.remove(&name);
            }
        }
    }

    fn names_not_in(&self, kept: &BTreeSet<&str>) -> Vec<String> {
        let good = self.good.keys().map(|name| &**name);
        let names = good.chain(self.rejected.keys().map(String::as_str));
        let gone = names.filter(|name| !kept.contains(name));
        gone.map(str::to_owned).collect()
    }

    /// All that is refused now.
    pub(super) fn rejections(&self) -> Vec<v1::Rejection> {
        let rejection = |(resource, reason): (&String, &String)| v1::Rejection {
            resource: resource.clone(),
            reason: reason.clone(),
        };
        self.rejected.iter().map(rejection).collect()
    }

    /// Restores what was refused before a restart.
    pub(super) fn set_rejections(&mut self, rejected: Vec<v1::Rejection>) {
        let rejected = rejected.into_iter().map(|r| (r.resource, r.reason));
        self.rejected = rejected.collect();
    }

    pub(super) fn has_rejections(&self) -> bool {
        !self.rejected.is_empty() || self.unopened
    }

    /// Whether something that is kept does not open.
    pub(super) fn has_unopened(&self) -> bool {
        self.unopened
    }

    /// All good resources by name, encoded; cheap to clone and to hold while they are written.
    pub(super) fn good(&self) -> OrdMap<Arc<str>, Arc<[u8]>> {
        self.good.clone()
    }
}

/// A revision never changes, so one that is known already is not kept twice.
fn share_revisions(old: &Function, new: &mut Function) {
    for revision in &mut new.revisions {
        let known = old.revision(&revision.name);
        if let Some(known) = known.filter(|known| known == &revision) {
            *revision = known.clone();
        }
    }
}

/// A resource, and how it is kept if that is not as it came.
fn read(
    own: &Own,
    name: &str,
    came: &v1::Resource,
) -> Result<(Parsed, Option<v1::Resource>), String> {
    let text = |e: gateless_identity::Unopened| e.to_string();
    if let Some(opened) = own.open(name, came).map_err(text)? {
        return Ok((parse(name, opened.resource())?, None));
    }
    let parsed = parse(name, came)?;
    Ok((parsed, own.kept(name, came).map_err(text)?))
}

fn parse(name: &str, resource: &v1::Resource) -> Result<Parsed, String> {
    let text = |e: config::Error| e.to_string();
    let (parsed, real) = match &resource.kind {
        Some(Kind::Function(wire)) => {
            let function = config::function(wire).map_err(text)?;
            let real = format!("functions/{}", function.name);
            (Parsed::Function(Box::new(function)), real)
        }
        Some(Kind::Secret(wire)) => {
            let secret = config::secret(wire).map_err(text)?;
            let real = format!("secrets/{}/{}", secret.name.namespace, secret.name.name);
            (Parsed::Secret(Arc::new(secret)), real)
        }
        Some(Kind::Trigger(wire)) => {
            let trigger = config::trigger(wire).map_err(text)?;
            let real = format!("triggers/{}", trigger.name);
            (Parsed::Trigger(Arc::new(trigger)), real)
        }
        None => return Err("this sidecar does not know this kind of resource".into()),
    };
    if name == real {
        Ok(parsed)
    } else {
        Err(format!("it calls itself {real}"))
    }
}

#[cfg(test)]
pub(super) mod tests;
