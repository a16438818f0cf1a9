//! Functions: list, apply, patch, delete, traffic, rollback, and how they are.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::commit::{Decision, Precondition, Versioned, change, keys, parse, put, unchanged};
use super::{Error, Kind, Result, Service, quotas};
use crate::clock;
use crate::domain::conditions::{self, Condition, Seen};
use crate::domain::function::{Function, Revision};
use crate::domain::rollout::status::RolloutStatus;
use crate::domain::rollout::{self, Apply};
use crate::domain::traffic::{self, Target};
use crate::domain::{self, validate};
use crate::events::Action;
use crate::store::{self, Expect, Write};

/// A function and how it is.
#[derive(Debug, Clone)]
pub struct View {
    /// The function.
    pub function: Versioned<Function>,
    /// How it is.
    pub conditions: Vec<Condition>,
    /// What its last deployment has come to.
    pub rollout: RolloutStatus,
}

impl View {
    /// Whether a condition of this type is true.
    pub fn is(&self, kind: &str) -> bool {
        let found = self.conditions.iter().find(|c| c.kind == kind);
        found.is_some_and(|c| c.status == conditions::Status::True)
    }
}

/// How a change is to be made.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// What is expected of the record.
    pub precondition: Precondition,
    /// Decide, check and answer, but change nothing.
    pub dry_run: bool,
}

/// Which function: namespace and name.
pub type Name<'a> = (&'a str, &'a str);

impl Service {
    /// Functions of a namespace after `after`, by name, whose labels have all of `labels`; and
    /// whether there are more.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_functions(
        &self,
        namespace: &str,
        after: Option<&str>,
        limit: usize,
        labels: &BTreeMap<String, String>,
    ) -> Result<(Vec<View>, bool)> {
        let prefix = keys::functions(namespace);
        let mut after = after.map(|name| keys::function(namespace, name));
        let mut found = Vec::new();
        loop {
            let page = self
                .store
                .scan(&prefix, after.as_deref(), limit.saturating_add(1).max(100))
                .await?;
            for entry in &page.entries {
                let function: Versioned<Function> = parse(entry)?;
                let has = &function.value.labels;
                if !labels
                    .iter()
                    .all(|(key, value)| has.get(key) == Some(value))
                {
                    continue;
                }
                if found.len() == limit {
                    return Ok((found, true));
                }
                found.push(self.view(function));
            }
            after = page.entries.last().map(|entry| entry.key.clone());
            if !page.more {
                return Ok((found, false));
            }
        }
    }

    /// One function.
    ///
    /// # Errors
    /// [`Error::NotFound`] or the store's.
    pub async fn function(&self, name: Name<'_>) -> Result<View> {
        Ok(self.view(self.function_record(name).await?))
    }

    pub(super) async fn function_record(
        &self,
        (ns, name): Name<'_>,
    ) -> Result<Versioned<Function>> {
        let found = self.load(&keys::function(ns, name)).await?;
        found.ok_or_else(|| Error::not_found(Kind::Function, format!("{ns}/{name}")))
    }

    /// The version of the function, or of a secret that it uses if that is newer.
    fn newest(&self, function: &Versioned<Function>) -> u64 {
        let record = &function.value;
        let secrets = record.spec.secrets.iter();
        let versions = secrets.filter_map(|one| {
            let key = keys::secret(&record.namespace, &one.secret);
            self.pushed.secret(&key)
        });
        versions.chain([function.version]).max().unwrap_or_default()
    }

    /// With its conditions as of now.
    pub fn view(&self, function: Versioned<Function>) -> View {
        let record = &function.value;
        let latest = record
            .latest()
            .map_or("", |revision| revision.name.as_str());
        let seen: Vec<Seen> =
            self.registry
                .seen(&record.full_name(), latest, self.newest(&function));
        let now = clock::now();
        let [ready, accepted] = conditions::find(record, &seen);
        let rollout = rollout::status::of(record, &seen, (&ready, &accepted));
        let mut transitions = self.transitions.lock();
        let conditions = transitions.date(&record.uid, vec![ready, accepted], now);
        drop(transitions);
        View {
            function,
            conditions,
            rollout,
        }
    }

    /// Makes the function what is asked, creating it if need be; `true` if it was created.
    ///
    /// # Errors
    /// [`domain::Error::Invalid`], [`Error::Precondition`], or the store's.
    pub async fn apply(&self, name: Name<'_>, apply: Apply, how: &How) -> Result<(View, bool)> {
        validate::apply(&apply.spec, &apply.labels)?;
        self.change_function(name, how, |_| Ok(apply.clone())).await
    }

    /// Applies a merge patch to `{"labels", "spec"}` as stored.
    ///
    /// # Errors
    /// Those of [`Service::apply`], and [`Error::NotFound`].
    pub async fn patch(
        &self,
        name: Name<'_>,
        change: &Value,
        parse_apply: impl Fn(Value) -> Result<Apply, domain::Error>,
        how: &How,
    ) -> Result<View> {
        let patched = |current: Option<&Function>| {
            let full = format!("{}/{}", name.0, name.1);
            let current = current.ok_or_else(|| Error::not_found(Kind::Function, full))?;
            let mut document = json!({"labels": current.labels, "spec": current.spec});
            json_patch::merge(&mut document, change);
            let apply = parse_apply(document)?;
            validate::apply(&apply.spec, &apply.labels)?;
            Ok(apply)
        };
        Ok(self.change_function(name, how, patched).await?.0)
    }

    async fn change_function(
        &self,
        (ns, name): Name<'_>,
        how: &How,
        wanted: impl Fn(Option<&Function>) -> Result<Apply>,
    ) -> Result<(View, bool)> {
        let key = keys::function(ns, name);
        let full = format!("{ns}/{name}");
        let turn = self.quota_turn(ns).await?;
        let (committed, (value, before)) = change!(self, full, {
            let current: Option<Versioned<Function>> = self.load(&key).await?;
            let version = current.as_ref().map(|c| c.version);
            how.precondition.check("function", &full, version)?;
            let current = current.map(|c| c.value);
            let mut apply = wanted(current.as_ref())?;
            let mut rests_on = self
                .check_references(ns, &mut apply.spec, how.dry_run)
                .await?;
            quotas::declared(&turn.quota, &apply.spec)?;
            if version.is_none() {
                rests_on.extend(self.check_new_name(ns, name).await?);
            }
            let uid = uuid::Uuid::now_v7().simple().to_string();
            let at = (clock::now(), uid.as_str());
            let outcome = rollout::apply(current.as_ref(), (ns, name), &apply, at);
            let function = outcome.function;
            self.check_quota(&turn.quota, current.as_ref(), &function)
                .await?;
            let mut decision = Decision::default();
            if outcome.changed && !how.dry_run {
                decision = Decision::swap(put(&key, &function, unchanged(version))?);
                decision.rests_on = rests_on;
                if let Some(revision) = outcome.revision {
                    let key = keys::revision(ns, name, &revision.uid);
                    decision.before.push(put(&key, &revision, Expect::Absent)?);
                }
                let garbage = outcome.removed.iter();
                decision.garbage = garbage.map(|uid| keys::revision(ns, name, uid)).collect();
            }
            (decision, (function, version))
        });
        drop(turn);
        let version = committed.or(before).unwrap_or(0);
        let view = self.view(Versioned { value, version });
        if committed.is_none() && before.is_none() {
            let uid = &view.function.value.uid;
            self.transitions.lock().forget(uid);
        }
        if committed.is_some() {
            let latest = view
                .function
                .value
                .latest()
                .map(|latest| latest.name.clone());
            let latest = latest.unwrap_or_default();
            let what = if before.is_none() {
                "created"
            } else {
                "changed"
            };
            let message = format!("{what}; its newest revision is {latest}");
            self.events()
                .function((ns, name), Action::Applied, &latest, message);
        }
        Ok((view, before.is_none()))
    }

    /// Deletes a function and its revisions.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Precondition`], or the store's.
    pub async fn delete_function(&self, name: Name<'_>, how: &How) -> Result<()> {
        let key = keys::function(name.0, name.1);
        let full = format!("{}/{}", name.0, name.1);
        let (committed, uid) = change!(self, full, {
            let current = self.function_record(name).await?;
            how.precondition
                .check("function", &full, Some(current.version))?;
            let mut decision = Decision::default();
            if !how.dry_run {
                let expected = Expect::At(current.version);
                decision = Decision::swap(Write::delete(&key)?.expecting(expected));
                let revisions = current.value.revisions.iter();
                decision.garbage = revisions
                    .map(|revision| keys::revision(name.0, name.1, &revision.uid))
                    .collect();
            }
            (decision, current.value.uid)
        });
        if committed.is_some() {
            self.transitions.lock().forget(&uid);
            self.events()
                .function(name, Action::Deleted, "", "deleted".to_owned());
        }
        Ok(())
    }

    /// Sets a function's traffic.
    ///
    /// # Errors
    /// [`domain::Error`], [`Error::NotFound`], [`Error::Precondition`], or the store's.
    pub async fn set_traffic(&self, name: Name<'_>, targets: &[Target], how: &How) -> Result<View> {
        let set = |function: &Function| {
            traffic::check(function, targets)?;
            Ok(targets.to_vec())
        };
        self.change_traffic(name, how, set).await
    }

    /// Gives all traffic to `revision`, or to the ready one before the one that has it now.
    ///
    /// # Errors
    /// Those of [`Service::set_traffic`].
    pub async fn rollback(
        &self,
        name: Name<'_>,
        revision: Option<&str>,
        how: &How,
    ) -> Result<View> {
        let back = |function: &Function| {
            let to = traffic::rollback_to(function, revision)?;
            Ok(traffic::pinned(&function.traffic, &to))
        };
        self.change_traffic(name, how, back).await
    }

    async fn change_traffic(
        &self,
        name: Name<'_>,
        how: &How,
        targets: impl Fn(&Function) -> Result<Vec<Target>, domain::Error>,
    ) -> Result<View> {
        let key = keys::function(name.0, name.1);
        let full = format!("{}/{}", name.0, name.1);
        let turn = self.quota_turn(name.0).await?;
        let (committed, mut function) = change!(self, full, {
            let Versioned { mut value, version } = self.function_record(name).await?;
            how.precondition.check("function", &full, Some(version))?;
            let targets = targets(&value)?;
            let mut decision = Decision::default();
            let rests_on = self.check_new_tags(&value, &targets).await?;
            if value.traffic != targets {
                let before = value.clone();
                value.traffic = targets;
                self.check_quota(&turn.quota, Some(&before), &value).await?;
                value.updated_at = clock::now();
                if !how.dry_run {
                    decision = Decision::swap(put(&key, &value, Expect::At(version))?);
                    decision.rests_on = rests_on;
                }
            }
            (decision, Versioned { value, version })
        });
        drop(turn);
        function.version = committed.unwrap_or(function.version);
        if committed.is_some() {
            let message = traffic::describe(&function.value.traffic);
            let most = function
                .value
                .traffic
                .iter()
                .max_by_key(|target| target.percent);
            let revision = most
                .and_then(|target| target.revision.clone())
                .unwrap_or_default();
            self.events()
                .function(name, Action::Traffic, &revision, message);
        }
        Ok(self.view(function))
    }

    /// A function's revisions, newest first, and when each was ready.
    ///
    /// # Errors
    /// [`Error::NotFound`] or the store's.
    pub async fn revisions(&self, name: Name<'_>) -> Result<(Function, Vec<Revision>)> {
        let function = self.function_record(name).await?.value;
        let prefix = keys::revisions(name.0, name.1);
        let entries = store::list(&*self.store, &prefix).await?.entries;
        let parsed = entries
            .iter()
            .map(|entry| Ok(parse::<Revision>(entry)?.value));
        let mut revisions: Vec<Revision> = parsed.collect::<Result<_>>()?;
        // What an apply that did not count left behind is not one of them.
        revisions.retain(|revision| function.has(&revision.uid));
        revisions.sort_by_key(|revision| std::cmp::Reverse(revision.number));
        Ok((function, revisions))
    }
}
