//! Quotas of namespaces: set by the cluster's admins, held whenever something is made.
//!
//! What counts is read when it is decided, one change at a time where there is a quota, so that nothing slips between; servers
//! that share a store may together pass a bound by as many as decide in the same moment.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

use super::commit::{Decision, Versioned, change, keys, parse, put, unchanged};
use super::functions::How;
use super::{Result, Service};
use crate::domain::function::{Function, Revision};
use crate::domain::quota::{self, Demand, Quota, QuotaUse};
use crate::domain::spec::Spec;
use crate::domain::{self, FieldError, rollout};
use crate::store::{self, Expect, Write};

/// Namespaces whose turns are told apart; those that share one wait for each other.
const TURNS: usize = 64;

/// Whoever changes what is counted in a namespace with a quota.
#[derive(Debug)]
pub struct Turns {
    /// Nobody can choose a name that shares the turn of another's.
    hashed: RandomState,
    turns: [Mutex<()>; TURNS],
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            hashed: RandomState::new(),
            turns: std::array::from_fn(|_| Mutex::new(())),
        }
    }
}

impl Turns {
    async fn next(&self, namespace: &str) -> MutexGuard<'_, ()> {
        let at = self.hashed.hash_one(namespace) as usize % TURNS;
        self.turns[at].lock().await
    }
}

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
        let functions = self.functions_of(namespace).await?;
        let mut demands = Vec::new();
        for function in &functions {
            demands.push(demand(function, &self.specs(function).await?));
        }
        let sum = |part: fn(&Demand) -> Option<u64>| quota::sum(demands.iter().map(part));
        Ok(QuotaUse {
            functions: functions.len() as u64,
            instances: sum(|demand| demand.instances),
            memory_bytes: sum(|demand| demand.memory_bytes),
            cpu_millicores: sum(|demand| demand.cpu_millicores),
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
        let alone = Some(self.quota_turns.next(namespace).await);
        Ok(Turn {
            // It may have been changed while others had their turn.
            quota: self.quota(namespace).await?.value,
            _alone: alone,
        })
    }

    /// Whether a function may become so; `None`: it is none yet. That its newest revision declares what is counted is
    /// [`declared`]'s to say.
    pub(super) async fn check_quota(
        &self,
        quota: &Quota,
        before: Option<&Function>,
        after: &Function,
    ) -> Result<()> {
        if *quota == Quota::default() {
            return Ok(());
        }
        let namespace = &after.namespace;
        let functions = self.functions_of(namespace).await?;
        let has = functions.len() as u64;
        let wanted = has + u64::from(before.is_none());
        quota::check(namespace, "functions", quota.functions, (has, wanted))?;
        if !quota.counts_instances() {
            return Ok(());
        }
        let had = match before {
            Some(before) => self.specs(before).await?,
            None => BTreeMap::new(),
        };
        let will_have = self.specs(after).await?;
        let newest = after.latest().map(|head| head.name.as_str());
        let new = |name: &&String| newest != Some(name.as_str()) && !had.contains_key(*name);
        for (name, spec) in will_have.iter().filter(|(name, _)| new(name)) {
            let undeclared = quota.undeclared(spec).into_iter();
            let faults = undeclared.map(|fault| {
                let detail = format!("{name}: {} {}", fault.pointer, fault.detail);
                FieldError::new("/targets", detail)
            });
            refuse(faults.collect())?;
        }
        let mut others = Vec::new();
        for other in functions.iter().filter(|other| other.name != after.name) {
            others.push(demand(other, &self.specs(other).await?));
        }
        let now = before.map_or(Demand::NOTHING, |before| demand(before, &had));
        let then = demand(after, &will_have);
        let check = |of, limit, part: fn(&Demand) -> Option<u64>| {
            // Those without a bound are older than the quota; they count once they are changed.
            let counted = |demand: &Demand| part(demand).unwrap_or(0);
            let others = others.iter().map(counted);
            let others = others.fold(0_u64, u64::saturating_add);
            let totals = [&now, &then].map(|demand| others.saturating_add(counted(demand)));
            quota::check(namespace, of, limit, totals.into())
        };
        check("instances", quota.instances, |demand| demand.instances)?;
        check("memory_bytes", quota.memory_bytes, |demand| {
            demand.memory_bytes
        })?;
        check("cpu_millicores", quota.cpu_millicores, |demand| {
            demand.cpu_millicores
        })?;
        Ok(())
    }

    /// What a function's revisions are that may run.
    async fn specs(&self, function: &Function) -> Result<BTreeMap<String, Spec>> {
        let mut specs = BTreeMap::new();
        let newest = function.latest().map(|head| head.name.as_str());
        for name in rollout::may_run(function).into_iter().flatten() {
            if specs.contains_key(&name) {
                continue;
            }
            if newest == Some(name.as_str()) {
                specs.insert(name, function.spec.clone());
                continue;
            }
            let Some(head) = function.revision(&name) else {
                continue;
            };
            let key = keys::revision(&function.namespace, &function.name, &head.uid);
            if let Some(revision) = self.load::<Revision>(&key).await? {
                specs.insert(name, revision.value.spec);
            }
        }
        Ok(specs)
    }

    /// Whether one more secret may be made.
    pub(super) async fn check_secret_quota(&self, quota: &Quota, namespace: &str) -> Result<()> {
        if quota.secrets.is_some() {
            let has = self.count(&keys::secrets(namespace)).await?;
            quota::check(namespace, "secrets", quota.secrets, (has, has + 1))?;
        }
        Ok(())
    }

    async fn functions_of(&self, namespace: &str) -> Result<Vec<Function>> {
        let listing = store::list(&*self.store, &keys::functions(namespace)).await?;
        let functions = listing.entries.iter();
        functions
            .map(|entry| Ok(parse::<Function>(entry)?.value))
            .collect()
    }

    async fn count(&self, prefix: &str) -> Result<u64> {
        Ok(store::list(&*self.store, prefix).await?.entries.len() as u64)
    }
}

/// That a function's newest revision declares what the quota counts.
pub(super) fn declared(quota: &Quota, spec: &Spec) -> Result<()> {
    refuse(quota.undeclared(spec))
}

fn refuse(faults: Vec<FieldError>) -> Result<()> {
    match faults.is_empty() {
        true => Ok(()),
        false => Err(domain::Error::Invalid(faults).into()),
    }
}

fn demand(function: &Function, specs: &BTreeMap<String, Spec>) -> Demand {
    Demand::of_function(function, |name| {
        specs.get(name).map_or(Demand::NOTHING, Demand::of)
    })
}
