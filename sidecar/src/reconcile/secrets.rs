//! Secrets of instances: their values when one starts, and who is told when they change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gateless_core::config;
use gateless_core::host;
use gateless_core::name::RevisionName;
use gateless_core::time::Time;
use imbl::ordmap::DiffItem;

use super::Reconciler;
use crate::catalogue::Catalogue;

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
        let rotated = rotated(old, new);
        // Walked once, however many have changed.
        let users = new.functions.values().filter(|_| !rotated.is_empty());
        let users = users.flat_map(|function| using(function, |secret| rotated.contains(secret)));
        let all = changed
            .iter()
            .flat_map(|function| using(function, |_| true));
        let concerned: BTreeMap<&RevisionName, &config::Revision> = all
            .chain(users)
            .map(|revision| (&revision.name, revision))
            .collect();
        for (name, revision) in concerned {
            let event = host::Event::Secrets(name.clone(), version(new, revision));
            self.machines.host(now, event);
        }
    }
}

/// Secrets by namespace and name whose values are others than before. Where nothing was before, every function is new.
fn rotated<'a>(old: &'a Catalogue, new: &'a Catalogue) -> BTreeSet<(&'a str, &'a str)> {
    if old.functions.is_empty() {
        return BTreeSet::new();
    }
    let differences = old.secrets.diff(&new.secrets).map(|difference| {
        let (DiffItem::Add(name, _)
        | DiffItem::Remove(name, _)
        | DiffItem::Update { new: (name, _), .. }) = difference;
        (name.namespace.as_str(), name.name.as_str())
    });
    differences.collect()
}

/// The revisions of a function that use one of the secrets that `is` of.
fn using(
    function: &config::Function,
    is: impl Fn(&(&str, &str)) -> bool,
) -> impl Iterator<Item = &config::Revision> {
    let namespace = function.name.namespace();
    let revisions = function.revisions.iter().map(|revision| &**revision);
    revisions.filter(move |revision| {
        let mut secrets = revision.secrets.iter();
        secrets.any(|one| is(&(namespace, one.secret.as_ref())))
    })
}
