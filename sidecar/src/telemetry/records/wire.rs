//! Records as sidecars tell one another and the server, and what these ask for.
//!
//! Only translation; who may ask is checked before.

use std::time::Duration;

use gateless_core::name::NodeId;
use gateless_core::record::{Filter, Kept, Outcome, Record};
use gateless_proto::v1;
use tonic::Status;

/// Records in one answer, at most and if not said.
pub const PAGE: (u32, u32) = (1_000, 100);

/// An id as it is shown.
fn shown_id(record: &Record) -> String {
    format!("{:032x}-{}", record.id, record.node)
}

fn parsed_id(text: &str) -> Option<(u128, NodeId)> {
    let (id, node) = text.split_once('-')?;
    Some((u128::from_str_radix(id, 16).ok()?, NodeId::new(node)))
}

/// A record on the wire.
#[must_use]
pub fn record(record: &Record) -> v1::CallRecord {
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let phases = &record.phases;
    let (attempt, trace) = (record.attempt.as_ref(), record.trace);
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    v1::CallRecord {
        id: shown_id(record),
        namespace: record.function.namespace().to_owned(),
        function: record.function.name().to_owned(),
        revision: text(record.revision.as_ref().map(|revision| revision.revision())),
        instance: text(record.instance.as_ref().map(|instance| instance.as_str())),
        host: text(record.host.as_ref().map(NodeId::as_str)),
        caller: record.caller.text(),
        cause: record.cause.text(),
        trace_id: trace.map_or_else(String::new, |trace| format!("{:032x}", trace.id)),
        parent_span_id: trace.map_or_else(String::new, |trace| format!("{:016x}", trace.parent)),
        method: record.method.to_string(),
        path: record.path.to_string(),
        arrived_at_ms: record.at_ms,
        duration_us: us(record.took),
        phases: Some(v1::RecordPhases {
            route_us: us(phases.route),
            hold_us: us(phases.hold),
            start_us: us(phases.start),
            queue_us: us(phases.queue),
            connect_us: us(phases.connect),
            run_us: us(phases.run),
            answer_us: us(phases.answer),
        }),
        held_for: text(record.held_for.map(|held_for| held_for.as_str())),
        state: record.outcome.as_str().to_owned(),
        status: record.status.into(),
        code: text(record.code),
        broken_off: record.broken_off,
        request_bytes: record.bytes_in,
        response_bytes: record.bytes_out,
        sends: record.sends,
        call_id: text(attempt.map(|attempt| &*attempt.call)),
        attempt: attempt.map_or(0, |attempt| attempt.number),
        kept: record.kept.as_str().to_owned(),
        node_id: record.node.to_string(),
    }
}

/// Which records the other side wants to see, and how many.
///
/// # Errors
/// A field cannot be what it says.
pub fn filter(asked: v1::ListRecordsRequest) -> Result<(Filter, usize), Status> {
    let wrong = |what: String| Status::invalid_argument(what);
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let outcome = |text: &String| {
        let found = Outcome::ALL.into_iter().find(|one| one.as_str() == text);
        found.ok_or_else(|| wrong("state: must be answered, failed or refused".to_owned()))
    };
    let kept = |text: &String| {
        let found = Kept::ALL.into_iter().find(|one| one.as_str() == text);
        found.ok_or_else(|| wrong("kept: must be error, cold, slow or sample".to_owned()))
    };
    let id = |name: &str, text: String| match text.is_empty() {
        true => Ok(None),
        false => parsed_id(&text)
            .map(Some)
            .ok_or_else(|| wrong(format!("{name}: is no record's id"))),
    };
    let filter = Filter {
        namespace: asked.namespace,
        function: some(asked.function),
        outcomes: asked.states.iter().map(outcome).collect::<Result<_, _>>()?,
        kept: asked.kept.iter().map(kept).collect::<Result<_, _>>()?,
        status: match u16::try_from(asked.status) {
            Ok(0) => None,
            Ok(status @ (1..=5 | 100..=599)) => Some(status),
            _ => {
                return Err(wrong(
                    "status: must be 100 to 599, or 1xx to 5xx".to_owned(),
                ));
            }
        },
        cause: some(asked.cause),
        caller: some(asked.caller),
        min_took: Duration::from_micros(asked.min_duration_us),
        cold: asked.cold,
        since_ms: asked.since_ms,
        until_ms: asked.until_ms,
        trace: match asked.trace_id.as_str() {
            "" => None,
            text => Some(
                u128::from_str_radix(text, 16)
                    .map_err(|_| wrong("trace: must be 32 hexadecimal digits".to_owned()))?,
            ),
        },
        call: some(asked.call_id),
        before: id("before", asked.before)?,
        is: id("id", asked.id)?,
    };
    let limit = match asked.limit {
        0 => PAGE.1,
        limit => limit.min(PAGE.0 + 1),
    };
    Ok((filter, limit as usize))
}

impl super::Records {
    /// What another asks for of this sidecar's records.
    ///
    /// # Errors
    /// As [`filter`].
    pub fn list(&self, asked: v1::ListRecordsRequest) -> Result<v1::ListRecordsResponse, Status> {
        let (filter, limit) = filter(asked)?;
        let found = self.find(&filter, limit);
        let records = found.iter().map(|found| record(found)).collect();
        Ok(v1::ListRecordsResponse { records })
    }
}
