//! Triggers from the wire: what fires them, and the call each makes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use gateless_core::name::FunctionName;
use gateless_core::time::Time;
use gateless_core::trigger::{CatchUp, Cron, Overlap, Schedule, TriggerName, Uid};
use gateless_proto::v1;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method};

use super::schedule::CronSchedule;
use super::{Error, ensure, label, millis, required};

#[derive(Debug, Clone)]
pub struct Trigger {
    /// Namespace and name.
    pub name: TriggerName,
    /// Changes when it is deleted and created again under the same name.
    pub uid: Uid,
    /// Whom to call; it may be missing.
    pub function: FunctionName,
    /// What fires it.
    pub source: Source,
    /// Of the call.
    pub method: Method,
    /// Path and query of the call.
    pub path: String,
    /// Of the call, by lower-case name.
    pub headers: BTreeMap<String, Bytes>,
    /// Nothing fires it.
    pub paused: bool,
    /// Since when its times are what they are.
    pub since: Time,
}

/// What fires a trigger.
#[derive(Debug, Clone)]
pub enum Source {
    Cron {
        schedule: Arc<dyn Schedule>,
        /// What of times that were missed.
        catch_up: CatchUp,
        /// What while the last call is not over.
        overlap: Overlap,
        /// Of the call.
        body: Bytes,
        content_type: Option<Bytes>,
    },
    /// Events that have these attributes with these values.
    Events(BTreeMap<String, String>),
    /// Messages on this topic.
    Topic(String),
}

impl Trigger {
    /// The part the core decides about, of one with a schedule.
    #[must_use]
    pub fn cron(&self) -> Option<Cron> {
        let Source::Cron {
            schedule,
            catch_up,
            overlap,
            ..
        } = &self.source
        else {
            return None;
        };
        Some(Cron {
            uid: self.uid.clone(),
            name: self.name.clone(),
            schedule: schedule.clone(),
            catch_up: *catch_up,
            overlap: *overlap,
            since: self.since,
            paused: self.paused,
        })
    }
}

/// Converts a trigger.
///
/// # Errors
/// Says which field of it is wrong, and why.
pub fn trigger(wire: &v1::Trigger) -> Result<Trigger, Error> {
    let name = TriggerName::new(&wire.namespace, &wire.name)
        .map_err(|e| Error::new("name", e.to_string()))?;
    ensure(!wire.uid.is_empty(), "uid", || "is empty".into())?;
    let function = FunctionName::new(&wire.namespace, &wire.function)
        .map_err(|e| Error::new("function", e.to_string()))?;
    let source = match required(wire.source.as_ref(), "source")? {
        v1::trigger::Source::Cron(cron) => source_cron(cron).map_err(|e| e.within("cron"))?,
        v1::trigger::Source::Cloudevents(events) => {
            Source::Events(events.attributes.clone().into_iter().collect())
        }
        v1::trigger::Source::Queue(queue) => {
            label(&queue.topic, "queue.topic")?;
            Source::Topic(queue.topic.clone())
        }
    };
    let method = Method::from_bytes(wire.method.as_bytes())
        .map_err(|e| Error::new("method", e.to_string()))?;
    let path = wire.path.parse::<PathAndQuery>();
    ensure(wire.path.starts_with('/') && path.is_ok(), "path", || {
        "is no path".into()
    })?;
    let mut headers = BTreeMap::new();
    for (name, value) in &wire.headers {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|e| Error::new("headers", format!("{name:?}: {e}")))?;
        ensure(HeaderValue::from_str(value).is_ok(), "headers", || {
            format!("the value of {name} is none")
        })?;
        headers.insert(name.as_str().to_owned(), Bytes::from(value.clone()));
    }
    Ok(Trigger {
        name,
        uid: wire.uid.as_str().into(),
        function,
        source,
        method,
        path: wire.path.clone(),
        headers,
        paused: wire.paused,
        since: Time::from_millis(wire.since_ms),
    })
}

fn source_cron(wire: &v1::CronSource) -> Result<Source, Error> {
    let schedule = CronSchedule::new(&wire.schedule, &wire.timezone)
        .map_err(|(path, problem)| Error::new(path, problem))?;
    let catch_up = match wire.catch_up.as_str() {
        "none" => CatchUp::None,
        "last" => CatchUp::Last(millis(wire.catch_up_window_ms)),
        other => return Err(Error::new("catch_up", format!("{other:?} is not known"))),
    };
    let overlap = match wire.overlap.as_str() {
        "" | "allow" => Overlap::Allow,
        "skip" => Overlap::Skip,
        "queue" => Overlap::Queue,
        other => return Err(Error::new("overlap", format!("{other:?} is not known"))),
    };
    let content_type = HeaderValue::from_str(&wire.content_type)
        .map_err(|e| Error::new("content_type", e.to_string()))?;
    Ok(Source::Cron {
        schedule: Arc::new(schedule),
        catch_up,
        overlap,
        body: Bytes::copy_from_slice(&wire.body),
        content_type: (!content_type.is_empty())
            .then(|| Bytes::copy_from_slice(content_type.as_bytes())),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A trigger of this name and source, of function `hello`.
    pub(crate) fn sample(name: &str, source: v1::trigger::Source) -> v1::Trigger {
        v1::Trigger {
            namespace: "default".into(),
            name: name.into(),
            uid: format!("uid-of-{name}"),
            function: "hello".into(),
            source: Some(source),
            method: "POST".into(),
            path: "/".into(),
            ..v1::Trigger::default()
        }
    }

    /// A schedule in UTC.
    pub(crate) fn cron(schedule: &str) -> v1::trigger::Source {
        v1::trigger::Source::Cron(v1::CronSource {
            schedule: schedule.into(),
            timezone: "UTC".into(),
            catch_up: "last".into(),
            catch_up_window_ms: 1000,
            overlap: String::new(),
            ..v1::CronSource::default()
        })
    }

    pub(crate) fn topic(name: &str) -> v1::trigger::Source {
        v1::trigger::Source::Queue(v1::QueueSource { topic: name.into() })
    }

    /// Events with these attributes.
    pub(crate) fn events(attributes: &[(&str, &str)]) -> v1::trigger::Source {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let attributes = attributes.iter().map(pair).collect();
        v1::trigger::Source::Cloudevents(v1::CloudEventsSource { attributes })
    }

    #[test]
    fn whatever_is_wrong_is_refused_with_its_field() {
        let good = sample("t", cron("* * * * *"));
        assert!(trigger(&good).unwrap().cron().is_some());
        assert!(
            trigger(&sample("t", topic("orders")))
                .unwrap()
                .cron()
                .is_none()
        );
        let check = |change: &dyn Fn(&mut v1::Trigger), path: &str| {
            let mut wire = good.clone();
            change(&mut wire);
            assert_eq!(trigger(&wire).unwrap_err().path, path);
        };
        check(&|t| t.name = "A".into(), "name");
        check(&|t| t.uid.clear(), "uid");
        check(&|t| t.function.clear(), "function");
        check(&|t| t.source = None, "source");
        check(&|t| t.method = "a b".into(), "method");
        check(&|t| t.path = "x".into(), "path");
        check(
            &|t| drop(t.headers.insert("a b".into(), "x".into())),
            "headers",
        );
        check(
            &|t| drop(t.headers.insert("a".into(), "\n".into())),
            "headers",
        );
        check(&|t| t.source = Some(topic("a.b")), "queue.topic");
        check(&|t| t.source = Some(cron("soon")), "cron.schedule");
        let zone = |t: &mut v1::Trigger| {
            if let Some(v1::trigger::Source::Cron(cron)) = &mut t.source {
                cron.timezone = "Mars/Olympus".into();
            }
        };
        check(&zone, "cron.timezone");
    }
}
