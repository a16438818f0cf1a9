//! What is sent to `/_gateless/events` and `/_gateless/topics`: parsed, matched, queued.
//!
//! 202 means that every call it leads to is on disk. Those of one event or message are taken in one commit, at the home of its
//! key: when one cannot be taken, none of them is, and the sender tries again. That nobody wants an event is no error: its
//! sender cannot know.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use gateless_common::header::IDEMPOTENCY_KEY;
use gateless_core::config::AsyncPolicy;
use gateless_core::name::check_label;
use gateless_core::policy::{Admitted, Identity};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::event::{self, Bad, Event};
use super::table::Table;
use super::{Handle, call, now_ms};
use crate::call::bodies::Account;
use crate::call::error::{Error, Own};
use crate::call::{Payload, origin};
use crate::catalogue::config::{Source, Trigger};
use crate::endpoint::body::{Body, Inbound};
use crate::queue;
use crate::queue::admit::may_call;
use crate::queue::home::{Group, Taken};
use crate::queue::types::Record;

const METHODS: &str = "OPTIONS, POST";
/// Events in one batch.
const MAX_EVENTS: usize = 1_000;
/// Calls one request may lead to, and bytes of their bodies.
const MAX_CALLS: usize = 1_000;
const MAX_BYTES: usize = 64 << 20;
/// Events of a batch whose calls are being queued.
const AT_ONCE: usize = 16;

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

/// Who sends something, and from where.
pub struct Poster {
    pub identity: Identity,
    pub source: Option<IpAddr>,
}

/// A call to be queued, and on whose behalf.
struct Due {
    /// What it comes from, for a home of all calls that come from the same; empty where they have no key.
    home: Arc<[u8]>,
    /// Whoever sent it could have called the function.
    is_shown: bool,
    trigger: Arc<Trigger>,
    record: Admitted<Record>,
    policy: AsyncPolicy,
}

impl Handle {
    /// Answers a request of `poster`; `caller` is a hash of its address, where that is one caller's.
    pub async fn ingest(
        &self,
        route: Route,
        request: Request<Incoming>,
        poster: Poster,
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
        self.take(&route, &parts.headers, payload.whole(), &poster)
            .await
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
        poster: &Poster,
    ) -> Response<Body> {
        let table = self.inner.table.load_full();
        let due = match route {
            Route::Events(namespace) => match event::parse(headers, body) {
                Ok(events) if events.len() > MAX_EVENTS => {
                    return too_many(format!("a batch may have {MAX_EVENTS} events"));
                }
                Ok(events) => self.of_events(&table, namespace, headers, &events, poster),
                Err(bad) => return refused(&bad),
            },
            Route::Topic { namespace, topic } => {
                match self.of_message(&table, (namespace, topic), headers, body, poster) {
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
        poster: &Poster,
    ) -> Vec<Due> {
        let mut due = Vec::new();
        for event in events {
            let home = call::key("ce", namespace, &event.source_and_id());
            let home: Arc<[u8]> = home.into_bytes().into();
            for trigger in table.events(namespace) {
                let Source::Events(wanted) = &trigger.source else {
                    continue;
                };
                if !event.matches(wanted) {
                    continue;
                }
                let key = call::key("ce", &trigger.uid, &event.source_and_id());
                let mut fired_by = event.headers();
                fired_by.extend(call::trace(headers));
                let record = call::record(trigger, fired_by, event.data(), key, None);
                due.extend(self.due(table, trigger, record, home.clone(), poster));
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
        poster: &Poster,
    ) -> Result<Vec<Due>, queue::Error> {
        let mut due = Vec::new();
        let kept = queue::http::kept(headers);
        let sent = queue::http::idempotency_key(headers)?;
        let home = sent.map(|key| call::key("topic", namespace, &[topic, key]));
        let home: Arc<[u8]> = home.unwrap_or_default().into_bytes().into();
        let digest = Some(Sha256::digest(&body).into());
        for trigger in table.topic(namespace, topic) {
            let message = match sent {
                Some(key) => call::key("topic", &trigger.uid, &[topic, key]),
                None => format!("topic:{}:{}", trigger.uid, uuid::Uuid::new_v4().simple()),
            };
            let mut record = call::record(trigger, kept.clone(), body.clone(), message, digest);
            if sent.is_none() {
                record.idempotency = None;
            }
            due.extend(self.due(table, trigger, record, home.clone(), poster));
        }
        Ok(due)
    }

    fn due(
        &self,
        table: &Table,
        trigger: &Arc<Trigger>,
        record: Record,
        home: Arc<[u8]>,
        poster: &Poster,
    ) -> Option<Due> {
        let policy = &self.inner.policy;
        let function = table.function(trigger);
        let missing = || format!("there is no function {}", trigger.function);
        let admitted = function.ok_or_else(missing).and_then(|function| {
            let record = call::admit(policy, function, record)?;
            let Poster { identity, source } = poster;
            let is_shown = may_call(policy, function, identity.clone(), *source);
            Ok((record, function.async_policy, is_shown))
        });
        match admitted {
            Ok((record, policy, is_shown)) => Some(Due {
                home,
                is_shown,
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

    /// Queues the calls, each group at its home.
    async fn queue_all(&self, due: Vec<Due>) -> Response<Body> {
        let mut groups: Vec<Vec<Due>> = Vec::new();
        for due in due {
            match groups.last_mut() {
                Some(group) if group[0].home == due.home => group.push(due),
                _ => groups.push(vec![due]),
            }
        }
        let groups = groups.into_iter().map(|group| self.queue_group(group));
        let groups: Vec<_> = stream::iter(groups).buffered(AT_ONCE).collect().await;
        let (mut accepted, mut unsure, mut ids) = (0, false, Vec::new());
        for group in groups {
            match group {
                Ok(group) => {
                    accepted += group.accepted;
                    unsure |= group.unsure;
                    ids.extend(group.shown);
                }
                // What was taken is found again under its key.
                Err(error) => return Error::from(error).into_response(),
            }
        }
        let mut document = json!({"accepted": accepted, "calls": ids});
        if unsure {
            document["idempotency"] = json!("unsure");
        }
        let mut response = Response::new(Body::from(document.to_string()));
        *response.status_mut() = StatusCode::ACCEPTED;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }

    async fn queue_group(&self, due: Vec<Due>) -> Result<Queued, queue::Error> {
        let home = due.first().map(|due| due.home.to_vec());
        let (mut triggers, mut calls) = (Vec::new(), Vec::new());
        for due in due {
            triggers.push((due.trigger, due.is_shown));
            calls.push((due.record, due.policy));
        }
        let group = Group {
            home: home.unwrap_or_default(),
            calls,
        };
        let taken = self.inner.homes.accept(group).await;
        let now = now_ms(&self.inner.clock);
        let stats = &self.inner.stats;
        let Taken { accepted, unsure } = taken.inspect_err(|error| {
            let (error, calls) = (error.to_string(), triggers.len());
            tracing::warn!(error, calls, "triggers could not fire");
            for (trigger, _) in &triggers {
                stats.failed(trigger, &error, now);
            }
        })?;
        let mut shown = Vec::new();
        for ((trigger, is_shown), accepted) in triggers.iter().zip(&accepted) {
            let (call, replayed) = (&accepted.id, accepted.replayed);
            tracing::debug!(trigger = %trigger.name, %call, replayed, "trigger fired");
            stats.fired(trigger, accepted, now);
            if *is_shown {
                shown.push(accepted.id.to_string());
            }
        }
        Ok(Queued {
            accepted: accepted.len(),
            unsure,
            shown,
        })
    }
}

/// Calls of one event or message that are on disk.
struct Queued {
    accepted: usize,
    /// As in [`Taken`].
    unsure: bool,
    /// Ids of those to functions that whoever sent it could have called.
    shown: Vec<String>,
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
