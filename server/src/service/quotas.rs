//! Quotas of namespaces: set by the cluster's admins, held whenever something is made.
//!
//! What counts is read when it is decided, one change at a time where there is a quota, so that nothing slips between; servers
//! that share a store may together pass a bound by as many as decide in the same moment.

use tokio::sync::{Mutex, MutexGuard};

use super::commit::{Decision, Versioned, change, keys, parse, put, unchanged};
use super::functions::How;
use super::{Result, Service};
use crate::domain;
use crate::domain::function::Function;
use crate::domain::quota::{self, Demand, Quota, QuotaUse};
use crate::domain::spec::Spec;
use crate::store::{self, Expect, Write};

/// Whoever changes what is counted in a namespace with a quota.
pub type Turns = Mutex<()>;

/// A namespace's quota, and with it the right to change what it counts.
pub struct Turn<'a> {
    /// The quota; empty where there is none.
    pub quota: Quota,
    _alone: Option<MutexGuard<'a, ()>>,
}

impl Service {
    /// A namespace's quota; empty with version 0 where none was set.
    ///
    /// # Errors
    /// The store's.
    pub async fn quota(&self, namespace: &str) -> Result<Versioned<Quota>> {
        let found = self.load(&keys::quota(namespace)).await?;
        Ok(found.unwrap_or(Versioned {
            value: Quota::default(),
            version: 0,
        }))
    }

    /// Sets a namespace's quota.
    ///
    /// # Errors
    /// [`domain::Error::Invalid`], [`super::Error::Precondition`], or the store's.
    pub async fn put_quota(
        &self,
        namespace: &str,
        quota: &Quota,
        how: &How,
    ) -> Result<Versioned<Quota>> {
        let faults = quota.faults();
        if !faults.is_empty() {
            return Err(domain::Error::Invalid(faults).into());
        }
        let key = keys::quota(namespace);
        let (committed, before) = change!(self, namespace, {
            let current: Option<Versioned<Quota>> = self.load(&key).await?;
            let version = current.as_ref().map(|current| current.version);
            how.precondition.check("quota", namespace, version)?;
            let same = current.is_some_and(|current| current.value == *quota);
            let decision = match same || how.dry_run {
                true => Decision::default(),
                false => Decision::swap(put(&key, quota, unchanged(version))?),
            };
            (decision, version)
        });
        Ok(Versioned {
            value: quota.clone(),
            version: committed.or(before).unwrap_or(0),
        })
    }

    /// Takes a namespace's quota away; one that is not there already is.
    ///
    /// # Errors
    /// [`super::Error::Precondition`], or the store's.
    pub async fn delete_quota(&self, namespace: &str, how: &How) -> Result<()> {
        let key = keys::quota(namespace);
        change!(self, namespace, {
            let current: Option<Versioned<Quota>> = self.load(&key).await?;
            let version = current.map(|current| current.version);
            how.precondition.check("quota", namespace, version)?;
            let decision = match version.filter(|_| !how.dry_run) {
                Some(version) => {
                    Decision::swap(Write::delete(&key)?.expecting(Expect::At(version)))
                }
                None => Decision::default(),
            };
            (decision, ())
        });
        Ok(())
    }

    /// What a namespace has; `tokens` are for whoever knows them.
    ///
    /// # Errors
    /// The store's.
    pub async fn quota_use(&self, namespace: &str, tokens: u64) -> Result<QuotaUse> {
        let functions = self.specs(namespace).await?;
        let demands = || functions.iter().map(|(_, spec)| quota::demand(spec));
        Ok(QuotaUse {
            functions: functions.len() as u64,
            instances: quota::sum(demands().map(|(instances, _)| instances)),
            memory_bytes: quota::sum(demands().map(|(_, memory)| memory)),
            tokens,
            secrets: self.count(&keys::secrets(namespace)).await?,
        })
    }

    /// The namespace's quota, and nobody else changes what it counts until the answer is dropped.
    ///
    /// # Errors
    /// The store's.
    pub async fn quota_turn(&self, namespace: &str) -> Result<Turn<'_>> {
        if self.quota(namespace).await?.value == Quota::default() {
            return Ok(Turn {
                quota: Quota::default(),
                _alone: None,
            });
        }
        let alone = Some(self.quota_turns.lock().await);
        Ok(Turn {
            // It may have been changed while others had their turn.
            quota: self.quota(namespace).await?.value,
            _alone: alone,
        })
    }

    /// Whether a function may be made so; `new`: it is none yet.
    pub(super) async fn check_quota(
        &self,
        quota: &Quota,
        (namespace, name): (&str, &str),
        spec: &Spec,
        new: bool,
    ) -> Result<()> {
        if *quota == Quota::default() {
            return Ok(());
        }
        let undeclared = quota.undeclared(spec);
        if !undeclared.is_empty() {
            return Err(domain::Error::Invalid(undeclared).into());
        }
        let functions = self.specs(namespace).await?;
        let has = functions.len() as u64;
        quota::check(
            namespace,
            "functions",
            quota.functions,
            (has, has + u64::from(new)),
        )?;
        let (instances, memory) = quota::demand(spec);
        let total = |part: fn(Demand) -> Option<u64>, wanted: Option<u64>| {
            // Those without a bound are older than the quota; they count once they are changed.
            let of = |spec: &Spec| part(quota::demand(spec)).unwrap_or(0);
            let others = functions.iter().filter(|(other, _)| other != name);
            let others: u64 = others
                .map(|(_, spec)| of(spec))
                .fold(0, u64::saturating_add);
            let now = functions.iter().find(|(other, _)| other == name);
            let now = now.map_or(0, |(_, spec)| of(spec));
            (
                others.saturating_add(now),
                others.saturating_add(wanted.unwrap_or(0)),
            )
        };
        quota::check(
            namespace,
            "instances",
            quota.instances,
            total(|(n, _)| n, instances),
        )?;
        quota::check(
            namespace,
            "memory_bytes",
            quota.memory_bytes,
            total(|(_, m)| m, memory),
        )?;
        Ok(())
    }

    /// Whether one more secret may be made.
    pub(super) async fn check_secret_quota(&self, quota: &Quota, namespace: &str) -> Result<()> {
        if quota.secrets.is_some() {
            let has = self.count(&keys::secrets(namespace)).await?;
            quota::check(namespace, "secrets", quota.secrets, (has, has + 1))?;
        }
        Ok(())
    }

    async fn specs(&self, namespace: &str) -> Result<Vec<(String, Spec)>> {
        let listing = store::list(&*self.store, &keys::functions(namespace)).await?;
        let functions = listing.entries.iter().map(|entry| {
            let function = parse::<Function>(entry)?.value;
            Ok((function.name, function.spec))
        });
        functions.collect()
    }

    async fn count(&self, prefix: &str) -> Result<u64> {
        Ok(store::list(&*self.store, prefix).await?.entries.len() as u64)
    }
}
