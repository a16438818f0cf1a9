//! Secrets of instances: their values when one starts, and who is told when they change.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateless_core::config;
use gateless_core::host;
use gateless_core::name::RevisionName;
use gateless_core::time::Time;
use imbl::ordmap::DiffItem;

use super::Reconciler;
use crate::catalogue::Catalogue;
use crate::catalogue::config::SecretName;

/// The version of the values that a revision's secrets have: the newest of theirs.
fn version(catalogue: &Catalogue, revision: &config::Revision) -> u64 {
    let namespace = revision.name.function().namespace();
    let versions = revision.secrets.iter();
    let versions = versions.filter_map(|one| catalogue.secret_version(namespace, &one.secret));
    versions.max().unwrap_or_default()
}

/// Environment variables and the values that they have now.
pub(super) fn resolve(
    catalogue: &Catalogue,
    revision: &config::Revision,
) -> Result<BTreeMap<String, String>, String> {
    let namespace = revision.name.function().namespace();
    let resolve = |secret: &config::SecretRef| {
        let value = catalogue
            .secret(namespace, &secret.secret, &secret.key)
            .ok_or_else(|| format!("secret {} has no key {}", secret.secret, secret.key))?;
        let value = std::str::from_utf8(value)
            .map_err(|_| format!("key {} of secret {} is not text", secret.key, secret.secret))?;
        Ok((secret.env.clone(), value.to_owned()))
    };
    revision.secrets.iter().map(resolve).collect()
}

impl Reconciler {
    /// What runs with values of secrets that have changed is replaced.
    pub(super) fn tell_secrets(
        &mut self,
        now: Time,
        old: &Catalogue,
        new: &Catalogue,
        changed: &[Arc<config::Function>],
    ) {
        let mut concerned: BTreeMap<RevisionName, u64> = BTreeMap::new();
        let mut add = |function: &config::Function, rotated: Option<&SecretName>| {
            for revision in function.revisions.iter().filter(|r| !r.secrets.is_empty()) {
                let named = |secret: &SecretName| {
                    let mut all = revision.secrets.iter();
                    all.any(|one| one.secret == secret.name)
                };
                if rotated.is_none_or(named) {
                    let version = version(new, revision);
                    concerned.insert(revision.name.clone(), version);
                }
            }
        };
        changed.iter().for_each(|function| add(function, None));
        for difference in old.secrets.diff(&new.secrets) {
            let (DiffItem::Add(name, _)
            | DiffItem::Remove(name, _)
            | DiffItem::Update { new: (name, _), .. }) = difference;
            let functions = new.functions.values();
            let users = functions.filter(|f| f.name.namespace() == name.namespace);
            users.for_each(|function| add(function, Some(name)));
        }
        for (name, version) in concerned {
            self.machines.host(now, host::Event::Secrets(name, version));
        }
    }
}
