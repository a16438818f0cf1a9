//! Triggers: what makes calls of a function besides callers, as people write it and the catalogue
//! keeps it.
//!
//! The spec is at once the API's schema and the record's. Which specs are valid is [`check`]'s
//! business; when one fires, the sidecars'.

mod check;
mod schedule;

use std::collections::BTreeMap;

use gateless_common::schedule::Schedule;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::check::check;
use super::conditions::{Finding, Seen, Status, accepted};

/// A trigger. Its version is the store's revision of its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Changes when it is deleted and created again.
    pub uid: String,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When its schedule, or whether it is paused, last changed: no time before is ever fired.
    pub since: Timestamp,
    /// As last put.
    pub spec: Spec,
}

/// What fires, and the call that is made then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TriggerSpec)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Which of the objects below says what fires it.
    pub kind: Kind,
    /// The function to call, of the same namespace. It may be missing: then the trigger stays, and
    /// shows the condition `FunctionMissing`.
    #[schema(example = "hello")]
    pub function: String,
    /// For kind `cron`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cron: Option<Cron>,
    /// For kind `cloudevents`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cloudevents: Option<CloudEvents>,
    /// For kind `queue`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub queue: Option<Queue>,
    /// Of the call: `GET`, `HEAD`, `POST`, `PUT`, `PATCH` or `DELETE`.
    #[serde(default = "post")]
    #[schema(default = "POST")]
    pub method: String,
    /// Path and query of the call as the function sees them.
    #[serde(default = "root")]
    #[schema(default = "/")]
    pub path: String,
    /// Headers of the call besides those the platform sets; at most 64.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Nothing is fired while it is paused, and nothing of that time made up for.
    #[serde(default)]
    #[schema(default = false)]
    pub paused: bool,
}

/// What fires a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TriggerKind)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A schedule.
    Cron,
    /// Events sent to `/_gateless/events` of any sidecar.
    #[serde(rename = "cloudevents")]
    CloudEvents,
    /// Messages sent to `/_gateless/topics/TOPIC` of any sidecar.
    Queue,
}

impl Kind {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::CloudEvents => "cloudevents",
            Self::Queue => "queue",
        }
    }
}

/// A schedule, and the body of its calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CronTrigger)]
#[serde(deny_unknown_fields)]
pub struct Cron {
    /// Five fields (minute, hour, day of month, month, day of week), or six with seconds first.
    #[schema(example = "*/15 * * * *")]
    pub schedule: String,
    /// IANA name of the time zone the schedule is of.
    #[serde(default = "utc")]
    #[schema(default = "UTC", example = "Europe/Berlin")]
    pub timezone: String,
    /// At most 64 KiB.
    #[serde(default)]
    #[schema(default = "")]
    pub body: String,
    /// The body's `content-type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub content_type: Option<String>,
    /// What of times that were missed while no sidecar was up.
    #[serde(default)]
    pub catch_up: CatchUp,
    /// With `last`: how long ago, in milliseconds, a missed time may be and still be made up for;
    /// 1000 to 2592000000 (30 days).
    #[serde(default = "day")]
    #[schema(default = 86_400_000)]
    pub catch_up_window_ms: u64,
    /// What of a time that comes while the call of the one before is not over.
    #[serde(default)]
    pub overlap: Overlap,
}

/// What of a time that comes while the call of the one before is not over: neither done nor a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Its call is made all the same.
    #[default]
    Allow,
    /// It is left out.
    Skip,
    /// Its call is made as soon as that one is over. Of several times that wait only the last is made.
    Queue,
}

impl Overlap {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Skip => "skip",
            Self::Queue => "queue",
        }
    }
}

/// What of times that were missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// Nothing.
    None,
    /// One call, for the last of them.
    #[default]
    Last,
}

impl CatchUp {
    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Last => "last",
        }
    }
}

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = CloudEventsTrigger)]
#[serde(deny_unknown_fields, default)]
pub struct CloudEvents {
    /// Context attributes an event must have with exactly these values; none: every event of the
    /// namespace.
    #[schema(example = json!({"type": "order.created"}))]
    pub attributes: BTreeMap<String, String>,
}

/// Which messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = QueueTrigger)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// The topic, a DNS label. Every trigger on it gets every message.
    #[schema(example = "orders")]
    pub topic: String,
}

fn post() -> String {
    "POST".to_owned()
}

fn root() -> String {
    "/".to_owned()
}

fn utc() -> String {
    "UTC".to_owned()
}

const fn day() -> u64 {
    86_400_000
}

impl Trigger {
    /// `NAMESPACE/NAME`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// What is to be kept when `spec` is put over `old` (or nothing) at `now`.
    pub fn put(
        (namespace, name): (&str, &str),
        old: Option<&Self>,
        spec: &Spec,
        (now, uid): (Timestamp, &str),
    ) -> Self {
        let timed = |spec: &Spec| (spec.kind, spec.cron.clone(), spec.paused);
        let same_times = old.filter(|old| timed(&old.spec) == timed(spec));
        let unchanged = old.filter(|old| old.spec == *spec);
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: old.map_or_else(|| uid.to_owned(), |old| old.uid.clone()),
            created_at: old.map_or(now, |old| old.created_at),
            updated_at: unchanged.map_or(now, |old| old.updated_at),
            since: same_times.map_or(now, |old| old.since),
            spec: spec.clone(),
        }
    }

    /// When it fires next, as far as a schedule says.
    pub fn next_fire_at(&self, now: Timestamp) -> Option<Timestamp> {
        let cron = self.spec.cron.as_ref().filter(|_| !self.spec.paused)?;
        let schedule = Schedule::new(&cron.schedule, &cron.timezone).ok()?;
        schedule.next_after(now.max(self.since))
    }

    /// How it is, from whether its function is there and from what sidecars say.
    pub fn findings(&self, function_there: bool, seen: &[Seen]) -> Vec<Finding> {
        let finding = |kind, holds, reason: &str, message: String| Finding {
            kind,
            status: if holds { Status::True } else { Status::False },
            reason: reason.to_owned(),
            message,
            last_log_lines: Vec::new(),
        };
        let function = &self.spec.function;
        let missing = format!("there is no function {function} in {}", self.namespace);
        let ready = match (function_there, self.spec.paused) {
            (false, _) => finding("Ready", false, "function_missing", missing.clone()),
            (true, true) => finding("Ready", false, "paused", "it is paused".into()),
            (true, false) => finding("Ready", true, "ready", "it fires".into()),
        };
        let there = match function_there {
            false => finding("FunctionMissing", true, "function_missing", missing),
            true => {
                let message = format!("function {function} is there");
                finding("FunctionMissing", false, "function_found", message)
            }
        };
        vec![ready, there, accepted(seen)]
    }
}

#[cfg(test)]
mod tests;
