//! Triggers: put, get, list, delete, and how they are.
//!
//! What a trigger did is known by the sidecars that fire it, so it is asked of all of them; the rest
//! is the catalogue's.

use std::collections::BTreeMap;

use gateless_proto::v1 as proto;
use gateless_proto::v1::{ListTriggersRequest, TriggerStatus};
use jiff::Timestamp;

use super::calls::Gathered;
use super::commit::{Decision, Versioned, change, keys, parse, put, unchanged};
use super::functions::{How, Name};
use super::{Error, Kind, Result, Service};
use crate::clock;
use crate::domain::conditions::Condition;
use crate::domain::trigger::{self, Spec, Trigger};
use crate::store::{Expect, Write};

/// A trigger and how it is.
#[derive(Debug, Clone)]
pub struct View {
    /// The trigger.
    pub trigger: Versioned<Trigger>,
    /// How it is.
    pub conditions: Vec<Condition>,
    /// Summed over sidecars.
    pub status: Status,
}

/// What a trigger did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The sidecar that fires it, if it has a schedule and the sidecar is known.
    pub owner: Option<String>,
    /// When it fires next, if it has a schedule.
    pub next_fire_at: Option<Timestamp>,
    /// When it last made a call.
    pub last_fired_at: Option<Timestamp>,
    /// Why it could not, the last time it could not.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Timestamp>,
    /// Calls put into the queue.
    pub delivered: u64,
    /// Calls that could not be.
    pub failed: u64,
    /// Times of its schedule that were passed over.
    pub missed: u64,
    /// Times that were left out, as the call before was not over.
    pub skipped: u64,
}

impl Service {
    /// Creates or replaces a trigger; `true` if it was created.
    ///
    /// # Errors
    /// [`crate::domain::Error::Invalid`], [`Error::Precondition`], or the store's.
    pub async fn put_trigger(
        &self,
        (ns, name): Name<'_>,
        spec: &Spec,
        how: &How,
    ) -> Result<(Gathered<View>, bool)> {
        trigger::check(spec)?;
        let key = keys::trigger(ns, name);
        let full = format!("{ns}/{name}");
        let (committed, (value, before)) = change!(self, full, {
            let current: Option<Versioned<Trigger>> = self.load(&key).await?;
            let version = current.as_ref().map(|c| c.version);
            how.precondition.check("trigger", &full, version)?;
            let old = current.map(|c| c.value);
            let uid = uuid::Uuid::now_v7().simple().to_string();
            let at = (clock::now(), uid.as_str());
            let trigger = Trigger::put((ns, name), old.as_ref(), spec, at);
            let mut decision = Decision::default();
            if old.as_ref() != Some(&trigger) && !how.dry_run {
                decision = Decision::swap(put(&key, &trigger, unchanged(version))?);
            }
            (decision, (trigger, version))
        });
        let version = committed.or(before).unwrap_or(0);
        if committed.is_some() {
            self.events().trigger((ns, name), &spec.function, "applied");
        }
        let uid = value.uid.clone();
        let view = self.trigger_view(Versioned { value, version }).await?;
        if committed.is_none() && before.is_none() {
            self.transitions.lock().forget(&uid);
        }
        Ok((view, before.is_none()))
    }

    async fn trigger_record(&self, (ns, name): Name<'_>) -> Result<Versioned<Trigger>> {
        let found = self.load(&keys::trigger(ns, name)).await?;
        found.ok_or_else(|| Error::not_found(Kind::Trigger, format!("{ns}/{name}")))
    }

    /// One trigger.
    ///
    /// # Errors
    /// [`Error::NotFound`] or the store's.
    pub async fn trigger(&self, name: Name<'_>) -> Result<Gathered<View>> {
        let trigger = self.trigger_record(name).await?;
        self.trigger_view(trigger).await
    }

    async fn trigger_view(&self, trigger: Versioned<Trigger>) -> Result<Gathered<View>> {
        let (ns, name) = (&trigger.value.namespace, &trigger.value.name);
        let statuses = self.trigger_statuses(ns, name).await;
        let view = self.with_status(trigger, &statuses.value).await?;
        Ok(Gathered {
            value: view,
            warnings: statuses.warnings,
        })
    }

    /// Triggers of a namespace after `after`, by name, and whether there are more.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_triggers(
        &self,
        namespace: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Gathered<(Vec<View>, bool)>> {
        let prefix = keys::triggers(namespace);
        let after = after.map(|name| keys::trigger(namespace, name));
        let page = self.store.scan(&prefix, after.as_deref(), limit).await?;
        let statuses = self.trigger_statuses(namespace, "").await;
        let mut views = Vec::with_capacity(page.entries.len());
        for entry in &page.entries {
            views.push(self.with_status(parse(entry)?, &statuses.value).await?);
        }
        Ok(Gathered {
            value: (views, page.more),
            warnings: statuses.warnings,
        })
    }

    /// Deletes a trigger. Calls it made stay in the queue.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Precondition`], or the store's.
    pub async fn delete_trigger(&self, (ns, name): Name<'_>, how: &How) -> Result<()> {
        let key = keys::trigger(ns, name);
        let full = format!("{ns}/{name}");
        let (committed, gone) = change!(self, full, {
            let current = self.trigger_record((ns, name)).await?;
            how.precondition
                .check("trigger", &full, Some(current.version))?;
            let expected = Expect::At(current.version);
            let decision = match how.dry_run {
                true => Decision::default(),
                false => Decision::swap(Write::delete(&key)?.expecting(expected)),
            };
            (decision, current.value)
        });
        if committed.is_some() {
            self.transitions.lock().forget(&gone.uid);
            let function = &gone.spec.function;
            self.events().trigger((ns, name), function, "deleted");
        }
        Ok(())
    }

    /// What sidecars say of a namespace's triggers (or the one of this name), by uid.
    async fn trigger_statuses(
        &self,
        namespace: &str,
        name: &str,
    ) -> Gathered<BTreeMap<String, Status>> {
        let request = ListTriggersRequest {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let answers = self
            .gather(|mut admin| {
                let request = request.clone();
                async move { admin.list_triggers(request).await }
            })
            .await;
        let mut statuses: BTreeMap<String, Status> = BTreeMap::new();
        for one in answers.value.into_iter().flat_map(|a| a.triggers) {
            let sum = statuses.entry(one.uid.clone()).or_default();
            add(sum, one);
        }
        Gathered {
            value: statuses,
            warnings: answers.warnings,
        }
    }

    async fn with_status(
        &self,
        trigger: Versioned<Trigger>,
        statuses: &BTreeMap<String, Status>,
    ) -> Result<View> {
        let record = &trigger.value;
        let function = keys::function(&record.namespace, &record.spec.function);
        let there = self.store.get(&function).await?.is_some();
        let resource = keys::trigger(&record.namespace, &record.name);
        let seen = self.registry.seen_resource(&resource, "", trigger.version);
        let findings = record.findings(there, &seen);
        let now = clock::now();
        let conditions = self.transitions.lock().date(&record.uid, findings, now);
        let mut status = statuses.get(&record.uid).cloned().unwrap_or_default();
        status.next_fire_at = record.next_fire_at(now);
        Ok(View {
            trigger,
            conditions,
            status,
        })
    }
}

fn add(sum: &mut Status, one: TriggerStatus) {
    let time = |millis: u64| {
        let millis = i64::try_from(millis).ok().filter(|m| *m > 0)?;
        Timestamp::from_millisecond(millis).ok()
    };
    if one.owner {
        sum.owner = Some(one.node_id);
    }
    sum.last_fired_at = sum.last_fired_at.max(time(one.last_fired_at_ms));
    let error_at = time(one.last_error_at_ms);
    if error_at > sum.last_error_at {
        (sum.last_error_at, sum.last_error) = (error_at, Some(one.last_error));
    }
    sum.delivered += one.delivered;
    sum.failed += one.failed;
    sum.missed += one.missed;
    sum.skipped += one.skipped;
}

/// A trigger as sidecars get it.
pub(super) fn resource(record: Versioned<Trigger>) -> proto::Trigger {
    use proto::trigger::Source;
    let Trigger {
        namespace,
        name,
        uid,
        since,
        spec,
        ..
    } = record.value;
    let cron = spec.cron.map(|cron| {
        Source::Cron(proto::CronSource {
            schedule: cron.schedule,
            timezone: cron.timezone,
            body: cron.body.into_bytes(),
            content_type: cron.content_type.unwrap_or_default(),
            catch_up: cron.catch_up.as_str().to_owned(),
            catch_up_window_ms: cron.catch_up_window_ms,
            overlap: cron.overlap.as_str().to_owned(),
        })
    });
    let events = spec.cloudevents.map(|events| {
        let attributes = events.attributes.into_iter().collect();
        Source::Cloudevents(proto::CloudEventsSource { attributes })
    });
    let queue = spec
        .queue
        .map(|queue| Source::Queue(proto::QueueSource { topic: queue.topic }));
    proto::Trigger {
        namespace,
        name,
        uid,
        function: spec.function,
        source: cron.or(events).or(queue),
        method: spec.method,
        path: spec.path,
        headers: spec.headers.into_iter().collect(),
        paused: spec.paused,
        generation: record.version,
        since_ms: u64::try_from(since.as_millisecond()).unwrap_or(0),
    }
}
