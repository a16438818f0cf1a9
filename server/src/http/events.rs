//! The event stream (server-sent events), from which the dashboard lives.
//!
//! Comments in between keep proxies from ending it. That it ends with its token is seen to in `access.rs`.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event as Message, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use gateless_common::problem::Code;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{NamespacePath, Query};
use super::openapi::Problems;
use super::problem::Problem;
use crate::auth::Principal;
use crate::clock;
use crate::events::ring::Item;
use crate::events::{Event, Heard, Listener, Start, What};

/// A comment is sent after so long without an event.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After so long a browser whose stream has ended tries again; its own choice would be some seconds.
const RETRY: Duration = Duration::from_millis(500);
const TYPES: [&str; 9] = [
    "hello", "reset", "function", "sample", "decision", "instance", "call", "sidecar", "trigger",
];

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(stream_events))
        .routes(routes!(stream_namespace_events))
}

/// One event: the `data` of a server-sent event, whose `event` is the type. Fields that the type does not have
/// are left out.
#[derive(ToSchema)]
#[schema(as = Event)]
#[expect(dead_code, reason = "describes what events::Event is written as")]
struct EventBody {
    /// `hello`, `reset`, `function`, `sample`, `decision`, `instance`, `call`, `sidecar` or `trigger`; there may be
    /// more with time.
    #[schema(example = "decision")]
    r#type: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// Null: it is of no one namespace.
    #[schema(required)]
    namespace: Option<String>,
    /// Null: it is of no one function.
    #[schema(required)]
    function: Option<String>,
    /// hello: the newest event before.
    event_id: Option<String>,
    /// function, sidecar: a MarkKind. trigger: `applied`, `deleted`, `fired`, `duplicate` (its call was there already), `failed`, `missed`, `skipped`.
    action: Option<String>,
    /// function, decision, instance: which revision.
    revision: Option<String>,
    /// function, instance, reset: for people. trigger: its call's id, the error, or the time that was missed or skipped.
    message: Option<String>,
    /// instance: its id.
    instance: Option<String>,
    /// instance, sidecar: which sidecar.
    sidecar: Option<String>,
    /// instance: `starting`, `ready`, `draining`, `stopped`, `failed`. call: as an invocation's.
    state: Option<String>,
    /// call: its id.
    id: Option<String>,
    /// call: the attempt under way or the last one, from 1; 0: none yet.
    attempt: Option<u32>,
    /// call: the function's status; null: it has not answered.
    status: Option<u32>,
    /// sidecar: how many catalogue versions it is behind.
    lag: Option<u64>,
    /// trigger: its name.
    trigger: Option<String>,
    /// decision, sample: instances wanted.
    desired: Option<u32>,
    /// decision: instances wanted before.
    previous: Option<u32>,
    /// decision: for programs.
    reason: Option<String>,
    /// decision: for people.
    explanation: Option<String>,
    /// sample: as in Sample.
    rps: Option<f64>,
    /// sample: as in Sample.
    errors_per_second: Option<f64>,
    /// sample: as in Sample.
    p50_ms: Option<f64>,
    /// sample: as in Sample.
    p95_ms: Option<f64>,
    /// sample: as in Sample.
    in_flight: Option<f64>,
    /// sample: as in Sample.
    held: Option<u64>,
    /// sample: as in Sample.
    ready: Option<u32>,
    /// sample: as in Sample.
    starting: Option<u32>,
    /// sample: as in Sample.
    queued: Option<u64>,
    /// sample: as in Sample.
    dead: Option<u64>,
}

/// Which events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct EventQuery {
    /// Only these types, separated by commas; hello and reset come always.
    types: Option<String>,
    /// Only those of functions with this name.
    function: Option<String>,
}

/// The header a browser sends when it connects again.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "only describes the header for the OpenAPI document"
)]
struct LastEventId {
    /// Go on after this event; a `reset` comes first when that is too long ago.
    #[param(rename = "Last-Event-ID", required = false, nullable = false)]
    last_event_id: Option<String>,
}

#[utoipa::path(
    get, path = "/v1/events", tag = "events",
    operation_id = "streamEvents", summary = "Follow what happens",
    description = "Server-sent events. A token of one namespace gets those of its namespace, and of sidecars. At \
        most 64 listeners at a time.",
    params(EventQuery, LastEventId),
    responses((status = 200, description = "Events as they happen.", body = EventBody,
        content_type = "text/event-stream"), Problems),
)]
async fn stream_events(
    State(api): State<Api>,
    Extension(principal): Extension<Principal>,
    Query(query): Query<EventQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let namespace = Some(principal.token.namespace.clone()).filter(|ns| ns != "*");
    open(api, Filter::new(namespace, query)?, &principal, &headers)
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/events", tag = "events",
    operation_id = "streamNamespaceEvents", summary = "Follow what happens in a namespace",
    description = "Server-sent events, as /v1/events.",
    params(NamespacePath, EventQuery, LastEventId),
    responses((status = 200, description = "Events as they happen.", body = EventBody,
        content_type = "text/event-stream"), Problems),
)]
async fn stream_namespace_events(
    State(api): State<Api>,
    path: NamespacePath,
    Extension(principal): Extension<Principal>,
    Query(query): Query<EventQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let filter = Filter::new(Some(path.namespace), query)?;
    open(api, filter, &principal, &headers)
}

#[derive(Debug)]
struct Filter {
    namespace: Option<String>,
    types: Option<Vec<String>>,
    function: Option<String>,
}

impl Filter {
    fn new(namespace: Option<String>, query: EventQuery) -> Result<Self, Problem> {
        let types = query
            .types
            .map(|list| list.split(',').map(str::to_owned).collect());
        let types: Option<Vec<String>> = types;
        if let Some(types) = &types
            && !types.iter().all(|name| TYPES.contains(&name.as_str()))
        {
            let detail = format!("must be of {}", TYPES.join(", "));
            return Err(Problem::parameter("types", detail));
        }
        Ok(Self {
            namespace,
            types,
            function: query.function,
        })
    }

    fn passes(&self, event: &Event) -> bool {
        if matches!(event.what, What::Reset { .. }) {
            return true;
        }
        let wanted = |types: &Vec<String>| types.iter().any(|name| name == event.what.name());
        let is = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
        self.types.as_ref().is_none_or(wanted)
            && is(&self.function, &event.function)
            && (event.namespace.is_none() || is(&self.namespace, &event.namespace))
    }
}

fn open(
    api: Api,
    filter: Filter,
    principal: &Principal,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let last = headers.get("last-event-id");
    let last = last.map(|value| value.to_str().unwrap_or_default());
    let listener = api.service.events().listen(principal.tenant(), last);
    let listener = listener.map_err(|full| {
        Problem::new(Code::TooManyListeners, full.to_string())
            .hint("close a dashboard nobody looks at, or try again later")
    })?;
    let first = match &listener.start {
        Start::Fresh(id) => Some((
            id.clone(),
            What::Hello {
                event_id: id.clone(),
            },
        )),
        Start::Resumed => None,
        Start::TooOld(id) => {
            let message = "the server no longer knows what came after that event".to_owned();
            Some((id.clone(), What::Reset { message }))
        }
    };
    let mut keep_alive = tokio::time::interval(KEEP_ALIVE);
    keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    keep_alive.reset();
    let feed = Feed {
        shutdown: api.shutdown.clone(),
        api,
        filter,
        listener,
        first: first.map(|(id, what)| message(&id, what)),
        keep_alive,
    };
    let messages = stream::unfold(feed, |mut feed| async move {
        let message = feed.next().await?;
        Some((Ok::<_, Infallible>(message), feed))
    });
    let mut response = Sse::new(messages).into_response();
    let headers = response.headers_mut();
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// An event of this connection alone.
fn message(id: &str, what: What) -> Message {
    let name = what.name();
    let event = what.of_all(clock::now());
    let json = serde_json::to_string(&event).unwrap_or_default();
    Message::default()
        .id(id)
        .event(name)
        .data(json)
        .retry(RETRY)
}

struct Feed {
    api: Api,
    filter: Filter,
    listener: Listener,
    first: Option<Message>,
    keep_alive: Interval,
    shutdown: CancellationToken,
}

impl Feed {
    async fn next(&mut self) -> Option<Message> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return None,
                _ = self.keep_alive.tick() => {
                    return Some(Message::default().comment("still here"));
                }
                heard = self.listener.next() => match heard? {
                    Heard::Item(item) if self.filter.passes(&item.event) => {
                        return Some(self.told(&item));
                    }
                    Heard::Item(_) => {}
                    Heard::Missed(missed, id) => {
                        let message_text = format!("{missed} events came faster than this connection took them");
                        return Some(message(&id, What::Reset { message: message_text }));
                    }
                },
            }
        }
    }

    fn told(&self, item: &Item) -> Message {
        let message = Message::default()
            .event(item.event.what.name())
            .data(&item.json);
        match item.id {
            Some(number) => message.id(self.api.service.events().id(number)),
            None => message,
        }
    }
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::schema::Schema;
    use utoipa::{PartialSchema, openapi::RefOr};

    use super::*;
    use crate::events::{Action, Decision, Sample};

    #[test]
    fn every_event_is_as_the_document_says() {
        let RefOr::T(Schema::Object(schema)) = EventBody::schema() else {
            unreachable!("an object")
        };
        let text = String::new;
        let all = [
            What::Hello { event_id: text() },
            What::Reset { message: text() },
            What::Function {
                action: Action::Applied,
                revision: text(),
                message: text(),
            },
            What::Sample(Sample::default()),
            What::Decision(Decision {
                revision: text(),
                desired: 0,
                previous: 0,
                reason: text(),
                explanation: text(),
            }),
            What::Instance {
                instance: text(),
                revision: text(),
                sidecar: text(),
                state: text(),
                message: text(),
            },
            What::Call {
                id: text(),
                state: text(),
                attempt: 0,
                status: None,
            },
            What::Sidecar {
                sidecar: text(),
                action: Action::Applied,
                lag: 0,
            },
            What::Trigger {
                trigger: text(),
                action: text(),
                message: text(),
            },
        ];
        let names: Vec<_> = all.iter().map(What::name).collect();
        assert_eq!(names, TYPES);
        for what in all {
            let name = what.name();
            let event = what.of("n", "f", Timestamp::UNIX_EPOCH);
            let json = serde_json::to_value(&event).unwrap();
            assert_eq!(json["type"], name);
            for key in json.as_object().unwrap().keys() {
                assert!(schema.properties.contains_key(key), "{name}: {key}");
            }
        }
    }

    #[test]
    fn a_listener_hears_what_it_asked_for_and_may_hear() {
        let check = |namespace: Option<&str>,
                     types: Option<&str>,
                     function: Option<&str>,
                     expected: [bool; 3]| {
            let query = EventQuery {
                types: types.map(str::to_owned),
                function: function.map(str::to_owned),
            };
            let filter = Filter::new(namespace.map(str::to_owned), query).unwrap();
            let sample = || What::Sample(Sample::default());
            let at = Timestamp::UNIX_EPOCH;
            let sidecar = What::Sidecar {
                sidecar: String::new(),
                action: Action::Left,
                lag: 0,
            };
            let events = [
                sample().of("a", "f", at),
                sample().of("b", "g", at),
                sidecar.of_all(at),
            ];
            assert_eq!(events.map(|event| filter.passes(&event)), expected);
        };
        check(None, None, None, [true, true, true]);
        check(Some("a"), None, None, [true, false, true]);
        check(None, None, Some("g"), [false, true, false]);
        check(None, Some("sidecar,call"), None, [false, false, true]);
        check(Some("a"), Some("sample"), Some("f"), [true, false, false]);
    }
}
