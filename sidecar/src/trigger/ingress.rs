//! What is sent to `/_gateless/events` and `/_gateless/topics`: parsed, matched, queued.
//!
//! 202 means that every call it leads to is on disk, in one commit; when one cannot be taken, none
//! is, and the sender tries again. That nobody wants an event is no error: its sender cannot know.

use std::sync::Arc;

use bytes::Bytes;
use gateless_common::header::IDEMPOTENCY_KEY;
use gateless_core::config::AsyncPolicy;
use gateless_core::name::check_label;
use gateless_core::policy::Admitted;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;

use super::event::{self, Bad, Event};
use super::table::Table;
use super::{Handle, call, now_ms};
use crate::call::bodies::Account;
use crate::call::error::{Error, Own};
use crate::call::{Payload, origin};
use crate::catalogue::config::{Source, Trigger};
use crate::endpoint::body::{Body, Inbound};
use crate::queue;
use crate::queue::types::Record;

const METHODS: &str = "OPTIONS, POST";
/// Events in one batch.
const MAX_EVENTS: usize = 1_000;
/// Calls one request may lead to, and bytes of their bodies.
const MAX_CALLS: usize = 1_000;
const MAX_BYTES: usize = 64 << 20;

/// A path of this module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Events of a namespace.
    Events(String),
    /// Messages for a topic of a namespace.
    Topic { namespace: String, topic: String },
}

impl Route {
    /// What a path asks for; `None`: it is none of these.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let default = || "default".to_owned();
        if let Some(rest) = path.strip_prefix("/_gateless/events") {
            let namespace = match rest {
                "" | "/" => default(),
                rest => rest.strip_prefix('/')?.to_owned(),
            };
            return check_label(&namespace)
                .is_ok()
                .then_some(Self::Events(namespace));
        }
        let rest = path.strip_prefix("/_gateless/topics/")?;
        let (topic, namespace) = match rest.split_once('.') {
            Some((topic, namespace)) => (topic.to_owned(), namespace.to_owned()),
            None => (rest.to_owned(), default()),
        };
        let known = check_label(&topic).is_ok() && check_label(&namespace).is_ok();
        known.then_some(Self::Topic { namespace, topic })
    }
}

/// A call to be queued, and on whose behalf.
struct Due {
    trigger: Arc<Trigger>,
    record: Admitted<Record>,
    policy: AsyncPolicy,
}

impl Handle {
    /// Answers a request; `caller` is a hash of its address, where that is one caller's.
    pub async fn ingest(
        &self,
        route: Route,
        request: Request<Incoming>,
        caller: Option<u64>,
    ) -> Response<Body> {
        if request.method() == Method::OPTIONS {
            return options(&route, request.headers());
        }
        if request.method() != Method::POST {
            let mut response = Error::from(Own::OnlyPost).into_response();
            let allow = HeaderValue::from_static(METHODS);
            response.headers_mut().insert(header::ALLOW, allow);
            return response;
        }
        let (mut parts, incoming) = Inbound::request(request).into_parts();
        let mut payload = Payload::new(incoming);
        let keyed = parts.headers.contains_key(IDEMPOTENCY_KEY);
        let account = match self.account(&route, caller, keyed) {
            Ok(Some(account)) => account,
            // Nobody waits for it, whatever it says.
            Ok(None) => return self.queue_all(Vec::new()).await,
            Err(error) => return Error::from(error).into_response(),
        };
        // Held until its calls are on disk.
        let _memory = match payload.make_whole(self.inner.max_body, account).await {
            Ok(memory) => memory,
            Err(error) => return error.into_response(),
        };
        origin::ensure_traceparent(&mut parts.headers);
        self.take(&route, &parts.headers, payload.whole()).await
    }

    /// Memory for what comes, before any of it is read: `None` when nobody waits for it. What is `keyed` may have been
    /// taken in already, and then needs no room.
    ///
    /// # Errors
    /// When the functions it would be for have no room, any of them: none is called unless all are.
    fn account(
        &self,
        route: &Route,
        caller: Option<u64>,
        keyed: bool,
    ) -> Result<Option<Account>, queue::Error> {
        let table = self.inner.table.load();
        let bodies = &self.inner.bodies;
        match route {
            // Whether an event is well-formed is told to its sender in any case.
            Route::Events(namespace) if table.events(namespace).is_empty() => {
                Ok(Some(bodies.of_nobody()))
            }
            // Which functions want it, only the event says.
            Route::Events(namespace) => Ok(Some(bodies.of_ingress(namespace, caller))),
            Route::Topic { namespace, topic } => {
                let triggers = table.topic(namespace, topic).iter();
                let functions: Vec<_> = triggers.filter_map(|t| table.function(t)).collect();
                for function in functions.iter().filter(|_| !keyed) {
                    let policy = &function.async_policy;
                    self.inner.queue.has_room(&function.name, policy)?;
                }
                let account = || bodies.of_ingress(namespace, caller);
                Ok((!functions.is_empty()).then(account))
            }
        }
    }

    /// Queues what a request leads to.
    pub(super) async fn take(
        &self,
        route: &Route,
        headers: &http::HeaderMap,
        body: Bytes,
    ) -> Response<Body> {
        let table = self.inner.table.load_full();
        let due = match route {
            Route::Events(namespace) => match event::parse(headers, body) {
                Ok(events) if events.len() > MAX_EVENTS => {
                    return too_many(format!("a batch may have {MAX_EVENTS} events"));
                }
                Ok(events) => self.of_events(&table, namespace, headers, &events),
                Err(bad) => return refused(&bad),
            },
            Route::Topic { namespace, topic } => {
                match self.of_message(&table, (namespace, topic), headers, body) {
                    Ok(due) => due,
                    Err(error) => return Error::from(error).into_response(),
                }
            }
        };
        let bytes: usize = due.iter().map(|due| due.record.get().body.len()).sum();
        if due.len() > MAX_CALLS || bytes > MAX_BYTES {
            let detail = format!(
                "it leads to {} calls with {bytes} bytes; {MAX_CALLS} and {MAX_BYTES} may be",
                due.len()
            );
            return too_many(detail);
        }
        self.queue_all(due).await
    }

    fn of_events(
        &self,
        table: &Table,
        namespace: &str,
        headers: &http::HeaderMap,
        events: &[Event],
    ) -> Vec<Due> {
        let mut due = Vec::new();
        for trigger in table.events(namespace) {
            let Source::Events(wanted) = &trigger.source else {
                continue;
            };
            for event in events.iter().filter(|event| event.matches(wanted)) {
                let key = call::key("ce", &trigger.uid, &event.source_and_id());
                let mut fired_by = event.headers();
                fired_by.extend(call::trace(headers));
                let record = call::record(trigger, fired_by, event.data(), key);
                due.extend(self.due(table, trigger, record));
                if due.len() > MAX_CALLS {
                    return due;
                }
            }
        }
        due
    }

    fn of_message(
        &self,
        table: &Table,
        (namespace, topic): (&str, &str),
        headers: &http::HeaderMap,
        body: Bytes,
    ) -> Result<Vec<Due>, queue::Error> {
        let mut due = Vec::new();
        let kept = queue::http::kept(headers);
        let sent = queue::http::idempotency_key(headers)?;
        for trigger in table.topic(namespace, topic) {
            let message = match sent {
                Some(key) => call::key("topic", &trigger.uid, &[topic, key]),
                None => format!("topic:{}:{}", trigger.uid, uuid::Uuid::new_v4().simple()),
            };
            let mut record = call::record(trigger, kept.clone(), body.clone(), message);
            if sent.is_none() {
                record.idempotency = None;
            }
            due.extend(self.due(table, trigger, record));
        }
        Ok(due)
    }

    fn due(&self, table: &Table, trigger: &Arc<Trigger>, record: Record) -> Option<Due> {
        let function = table.function(trigger);
        let missing = || format!("there is no function {}", trigger.function);
        let admitted = function.ok_or_else(missing).and_then(|function| {
            let record = call::admit(&self.inner.policy, function, record)?;
            Ok((record, function.async_policy))
        });
        match admitted {
            Ok((record, policy)) => Some(Due {
                trigger: trigger.clone(),
                record,
                policy,
            }),
            Err(error) => {
                tracing::warn!(trigger = %trigger.name, error, "trigger could not fire");
                let now = now_ms(&self.inner.clock);
                self.inner.stats.failed(trigger, &error, now);
                None
            }
        }
    }

    async fn queue_all(&self, due: Vec<Due>) -> Response<Body> {
        let (mut triggers, mut calls) = (Vec::new(), Vec::new());
        for Due {
            trigger,
            record,
            policy,
        } in due
        {
            triggers.push(trigger);
            calls.push((record, policy));
        }
        let accepted = match calls.is_empty() {
            true => Ok(Vec::new()),
            false => self.inner.queue.accept_many(calls).await,
        };
        let now = now_ms(&self.inner.clock);
        let stats = &self.inner.stats;
        match accepted {
            Ok(accepted) => {
                let mut ids = Vec::with_capacity(accepted.len());
                for (trigger, accepted) in triggers.iter().zip(&accepted) {
                    let (call, replayed) = (&accepted.id, accepted.replayed);
                    tracing::debug!(trigger = %trigger.name, %call, replayed, "trigger fired");
                    stats.fired(trigger, accepted, now);
                    ids.push(accepted.id.to_string());
                }
                let document = json!({"accepted": ids.len(), "calls": ids});
                let mut response = Response::new(Body::from(document.to_string()));
                *response.status_mut() = StatusCode::ACCEPTED;
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                response
            }
            Err(error) => {
                let text = error.to_string();
                tracing::warn!(
                    error = text,
                    calls = triggers.len(),
                    "triggers could not fire"
                );
                for trigger in &triggers {
                    stats.failed(trigger, &text, now);
                }
                Error::from(error).into_response()
            }
        }
    }
}

/// What may be sent, and for events the handshake of CloudEvents' web hooks (HTTP 1.1 Web Hooks for Event
/// Delivery 1.0, 4): whoever may call functions here may send events, from any origin and at any rate.
fn options(route: &Route, headers: &http::HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let answer = response.headers_mut();
    answer.insert(header::ALLOW, HeaderValue::from_static(METHODS));
    let origin = headers.get("webhook-request-origin");
    if let (Route::Events(_), Some(origin)) = (route, origin) {
        answer.insert("webhook-allowed-origin", origin.clone());
        answer.insert("webhook-allowed-rate", HeaderValue::from_static("*"));
    }
    response
}

fn too_many(detail: String) -> Response<Body> {
    Error::from(Own::TooManyCalls(detail)).into_response()
}

fn refused(bad: &Bad) -> Response<Body> {
    let detail = bad.to_string();
    let own = match bad {
        Bad::Format(_) => Own::EventFormat(detail),
        Bad::Json(_) => Own::EventJson(detail),
        Bad::Attribute { .. } => Own::EventAttribute(detail),
    };
    Error::from(own).into_response()
}
