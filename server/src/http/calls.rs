//! Calls on record, sync ones and the attempts of asynchronous ones: list, get. They live on the sidecars, which are asked.

use axum::Json;
use axum::extract::State;
use gateless_proto::v1::{CallRecord, ListRecordsRequest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::extract::{CallPath, NamespacePath, Query};
use super::instances::time;
use super::invocations::status;
use super::openapi::Problems;
use super::page::{self, list};
use super::problem::Problem;

const STATES: [&str; 3] = ["answered", "failed", "refused"];
const KEPT: [&str; 4] = ["error", "cold", "slow", "sample"];
const CAUSES: [&str; 4] = ["direct", "parent", "trigger", "replay"];
const CALLERS: [&str; 4] = ["outside", "key", "function", "trigger"];
/// Longest cause or caller that is asked for.
const MAX_TEXT: usize = 512;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list_calls))
        .routes(routes!(get_call))
}

/// Which calls.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct RecordQuery {
    /// Calls per page, 1 to 1000; default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// From the page before.
    page_token: Option<String>,
    /// Only those of this function.
    function: Option<String>,
    /// Only those that were `answered`, `failed` or `refused`; several separated by commas.
    #[param(example = "failed,refused")]
    state: Option<String>,
    /// Only those on record for being an `error`, `cold`, `slow` or a `sample`; several separated by commas.
    #[param(example = "cold,slow")]
    kept: Option<String>,
    /// Only those answered with this status, or one of a hundred: `503`, `5xx`.
    #[param(example = "5xx", pattern = "^([1-5]xx|[1-5][0-9][0-9])$")]
    status: Option<String>,
    /// Only those made `direct`ly, by a `parent` call, by any `trigger`, by the one called `trigger:NAME`, or by a `replay`.
    #[param(example = "trigger:nightly", max_length = 512)]
    cause: Option<String>,
    /// Only those of callers from `outside`, with any `key` or the one called `key:NAME`, of any `function` or the one called
    /// `function:NAME.NAMESPACE`, or of a `trigger`.
    #[param(example = "key:shop", max_length = 512)]
    caller: Option<String>,
    /// Only those that took so long at least, in milliseconds.
    min_duration_ms: Option<u64>,
    /// Only those that waited for an instance, or only the others.
    cold: Option<bool>,
    /// Only those that came then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Only those that came before.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Only those of this trace: 32 hexadecimal digits.
    #[param(
        pattern = "^[0-9a-f]{32}$",
        example = "4bf92f3577b34da6a3ce929d0e0e4736"
    )]
    trace: Option<String>,
    /// Only the attempts of this asynchronous call.
    #[param(max_length = 512)]
    call: Option<String>,
}

impl RecordQuery {
    fn asked(&self, namespace: String) -> Result<ListRecordsRequest, Problem> {
        let millis = |time: Option<Timestamp>| {
            let millis = time.map_or(0, Timestamp::as_millisecond);
            u64::try_from(millis).unwrap_or(0)
        };
        let trace = self.trace.clone().unwrap_or_default();
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_trace = trace.len() == 32 && trace.bytes().all(digit);
        if !trace.is_empty() && !is_trace {
            return Err(Problem::parameter("trace", "must be 32 hexadecimal digits"));
        }
        Ok(ListRecordsRequest {
            namespace,
            function: self.function.clone().unwrap_or_default(),
            states: several("state", self.state.as_deref(), &STATES)?,
            kept: several("kept", self.kept.as_deref(), &KEPT)?,
            status: self.status.as_deref().map_or(Ok(0), status)?.into(),
            cause: kind("cause", self.cause.as_deref(), &CAUSES)?,
            caller: kind("caller", self.caller.as_deref(), &CALLERS)?,
            min_duration_us: self.min_duration_ms.unwrap_or(0).saturating_mul(1_000),
            cold: self.cold,
            since_ms: millis(self.since),
            until_ms: millis(self.until),
            trace_id: trace,
            call_id: self.call.clone().unwrap_or_default(),
            before: page::decode(self.page_token.as_deref())?.unwrap_or_default(),
            ..ListRecordsRequest::default()
        })
    }
}

fn several(name: &str, text: Option<&str>, known: &[&str]) -> Result<Vec<String>, Problem> {
    let parts = text.into_iter().flat_map(|text| text.split(','));
    let one = |part: &str| match known.contains(&part) {
        true => Ok(part.to_owned()),
        false => {
            let detail = format!("must be of {}", known.join(", "));
            Err(Problem::parameter(name, detail))
        }
    };
    parts.map(one).collect()
}

/// One of a kind, or `KIND:NAME`.
fn kind(name: &str, text: Option<&str>, known: &[&str]) -> Result<String, Problem> {
    let Some(text) = text else {
        return Ok(String::new());
    };
    let kind = text.split(':').next().unwrap_or_default();
    match known.contains(&kind) && text.len() <= MAX_TEXT {
        true => Ok(text.to_owned()),
        false => {
            let detail = format!("must begin with {}", known.join(", "));
            Err(Problem::parameter(name, detail))
        }
    }
}

/// A call that is over, or one attempt of an asynchronous call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallRecord)]
pub(super) struct RecordBody {
    /// Its id; ends in its sidecar's.
    id: String,
    /// The function's namespace.
    namespace: String,
    /// The function.
    function: String,
    /// The revision; null: none was chosen.
    revision: Option<String>,
    /// The instance that had it last; null: none had.
    instance: Option<String>,
    /// The sidecar on whose host that instance was.
    host: Option<String>,
    /// The sidecar that it came in at.
    sidecar: String,
    /// Who made it: `outside`, `key:NAME`, `function`, `function:NAME.NAMESPACE` or `trigger`.
    #[schema(example = "outside")]
    caller: String,
    /// What led to it: `direct`, `parent` (it came with a trace), `trigger`, `trigger:NAME` or `replay`.
    #[schema(example = "direct")]
    cause: String,
    /// Its trace (W3C Trace Context); null: it was refused before it had one.
    trace_id: Option<String>,
    /// The span of that trace that it is a child of.
    parent_span_id: Option<String>,
    /// Of the call.
    method: String,
    /// Of the call, below the function, without its query; cut at 256 bytes.
    path: String,
    /// When it came.
    #[schema(value_type = Option<String>, format = DateTime)]
    arrived_at: Option<Timestamp>,
    /// From then to the end of its answer, in milliseconds.
    duration_ms: f64,
    /// Where that time went.
    phases: PhasesBody,
    /// What it was held for: an `instance` (none was ready) or `room` (all were full); null: it was not held.
    held_for: Option<String>,
    /// `answered`, `failed` (with 5xx, or its answer broke off) or `refused` (the function never saw it).
    #[schema(example = "answered")]
    state: String,
    /// What its caller was answered.
    status: u32,
    /// The problem's code, where the sidecar answered in the function's place.
    code: Option<String>,
    /// The answer did not come to its end: it broke off, or its caller left.
    broken_off: bool,
    /// Bytes of its body; null: nobody said how many there were.
    request_bytes: Option<u64>,
    /// Bytes of its answer's body.
    response_bytes: u64,
    /// How often it was sent.
    sends: u32,
    /// The asynchronous call whose attempt it is; null: its caller waited for it.
    call_id: Option<String>,
    /// Which attempt, from 1.
    attempt: Option<u32>,
    /// Why it is on record: `error`, `cold`, `slow`, or as a `sample`.
    #[schema(example = "sample")]
    kept: String,
}

/// Where a call's time went, in milliseconds, one after the other.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallPhases)]
struct PhasesBody {
    /// Until its sidecar asked for a place in an instance.
    route_ms: f64,
    /// It waited while no instance was ready.
    hold_ms: f64,
    /// The last part of that: an instance started.
    start_ms: f64,
    /// It waited while every instance was full.
    queue_ms: f64,
    /// The first part of `run_ms`: a connection was made.
    connect_ms: f64,
    /// Until the head of its answer came.
    run_ms: f64,
    /// Until its answer was through.
    answer_ms: f64,
}

list!(
    /// Calls on record, newest first.
    CallRecordList as CallRecordList of RecordBody, warnings
);

fn text(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds of a call fit 2^52"
)]
fn millis(us: u64) -> f64 {
    us as f64 / 1e3
}

impl From<CallRecord> for RecordBody {
    fn from(record: CallRecord) -> Self {
        let phases = record.phases.unwrap_or_default();
        Self {
            id: record.id,
            namespace: record.namespace,
            function: record.function,
            revision: text(record.revision),
            instance: text(record.instance),
            host: text(record.host),
            sidecar: record.node_id,
            caller: record.caller,
            cause: record.cause,
            trace_id: text(record.trace_id),
            parent_span_id: text(record.parent_span_id),
            method: record.method,
            path: record.path,
            arrived_at: time(record.arrived_at_ms),
            duration_ms: millis(record.duration_us),
            phases: PhasesBody {
                route_ms: millis(phases.route_us),
                hold_ms: millis(phases.hold_us),
                start_ms: millis(phases.start_us),
                queue_ms: millis(phases.queue_us),
                connect_ms: millis(phases.connect_us),
                run_ms: millis(phases.run_us),
                answer_ms: millis(phases.answer_us),
            },
            held_for: text(record.held_for),
            state: record.state,
            status: record.status,
            code: text(record.code),
            broken_off: record.broken_off,
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            sends: record.sends,
            call_id: text(record.call_id),
            attempt: Some(record.attempt).filter(|number| *number > 0),
            kept: record.kept,
        }
    }
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/calls", tag = "calls",
    operation_id = "listCalls", summary = "List calls on record",
    description = "Sync calls and attempts of asynchronous ones that are over: all that failed, waited for an instance \
        or took long, and a share of the rest, for as long as sidecars have room. Every connected sidecar is asked; \
        `warnings` names those that could not be. All conditions given have to hold.",
    params(NamespacePath, RecordQuery),
    responses((status = 200, description = "A page of calls, newest first.", body = CallRecordList), Problems),
)]
async fn list_calls(
    State(api): State<Api>,
    path: NamespacePath,
    Query(query): Query<RecordQuery>,
) -> Result<Json<CallRecordList>, Problem> {
    let limit = page::limit(query.limit)?;
    let asked = query.asked(path.namespace)?;
    let found = api.service.records(asked, limit).await;
    Ok(Json(CallRecordList {
        next_page_token: found.value.next.as_deref().map(page::encode),
        items: found
            .value
            .records
            .into_iter()
            .map(RecordBody::from)
            .collect(),
        warnings: page::warnings(found.warnings),
    }))
}

#[utoipa::path(
    get, path = "/v1/namespaces/{namespace}/calls/{id}", tag = "calls",
    operation_id = "getCall", summary = "Get a call on record",
    description = "The sidecar that it came in at is asked. 404 when it is on record no more.",
    params(CallPath),
    responses((status = 200, description = "The call.", body = RecordBody), Problems),
)]
async fn get_call(State(api): State<Api>, path: CallPath) -> Result<Json<RecordBody>, Problem> {
    let record = api.service.record(&path.namespace, &path.id).await?;
    Ok(Json(record.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_whole_or_refused_by_the_name_of_what_is_wrong() {
        let read = |query: &str| {
            let uri = format!("/?{query}").parse().unwrap();
            let axum::extract::Query(query) =
                axum::extract::Query::<RecordQuery>::try_from_uri(&uri).unwrap();
            query.asked("ns".into())
        };
        let all = "function=f&state=failed,refused&kept=slow&status=5xx&cause=trigger:nightly&caller=key:a&cold=true\
            &min_duration_ms=250&since=2026-01-02T03:04:05Z&trace=0000000000000000000000000000000a&call=c";
        let asked = read(all).unwrap();
        assert_eq!(
            (asked.namespace.as_str(), asked.function.as_str()),
            ("ns", "f")
        );
        assert_eq!(
            (asked.states, asked.kept),
            (vec!["failed".into(), "refused".into()], vec!["slow".into()])
        );
        assert_eq!((asked.status, asked.min_duration_us), (5, 250_000));
        for (query, name) in [
            ("state=gone", "state"),
            ("kept=all", "kept"),
            ("status=6xx", "status"),
            ("cause=who", "cause"),
            ("caller=me", "caller"),
            ("trace=0A", "trace"),
            ("page_token=%20", "page_token"),
        ] {
            let problem = read(query).unwrap_err();
            assert!(problem.detail.contains(name), "{query}: {}", problem.detail);
        }
    }
}
