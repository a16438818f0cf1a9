//! The calls on record, of all sidecars, asked for at any of them: without the server, as it may be what is away.
//!
//! At the metrics listener alone, as it names what every tenant runs. With a role, and at an address that need not be the
//! operator's own, the server's API has the same.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gateless_core::name::NodeId;
use gateless_proto::v1;
use gateless_proto::v1::sidecar_admin_client::SidecarAdminClient;
use http::{HeaderValue, Response, header};
use jiff::Timestamp;
use serde_json::{Value, json};
use tonic::Status;

use super::Edge;
use crate::call::error::Error;
use crate::endpoint::body::Body;
use crate::telemetry::records::wire::PAGE;

/// A sidecar that says nothing for so long is named as missing.
const WAIT: Duration = Duration::from_secs(2);

impl Edge {
    /// `/calls?function=...`
    ///
    /// # Errors
    /// The query asks for what cannot be.
    pub(super) async fn calls_page(self: &Arc<Self>, query: &str) -> Result<Response<Body>, Error> {
        let asked = asked(query)?;
        let limit = asked.limit as usize;
        let own = self.metrics.records().list(asked.clone());
        let own = own.map_err(|status| Error::BadRequest(status.message().to_owned()))?;
        let members = self.cluster.members();
        let others: Vec<NodeId> = {
            let members = members.borrow();
            let nodes = members.iter().map(|member| member.node.clone());
            nodes
                .filter(|node| node != self.proxy.registry.node())
                .collect()
        };
        let answers = others
            .iter()
            .map(|node| self.records_of(node, asked.clone()));
        let (mut records, mut warnings) = (own.records, Vec::new());
        for (node, answer) in others.iter().zip(join_all(answers).await) {
            match answer {
                Ok(answer) => records.extend(answer.records),
                Err(status) => warnings.push(json!({
                    "sidecar": node.as_str(),
                    "detail": status.message(),
                })),
            }
        }
        records.sort_by(|a, b| b.id.cmp(&a.id));
        records.truncate(limit);
        let document = json!({
            "items": records.iter().map(shown).collect::<Vec<_>>(),
            "warnings": warnings,
        });
        let mut response = Response::new(Body::from(document.to_string()));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        Ok(response)
    }

    async fn records_of(
        &self,
        node: &NodeId,
        asked: v1::ListRecordsRequest,
    ) -> Result<v1::ListRecordsResponse, Status> {
        let channel = self.cluster.channel(node);
        let channel = channel.ok_or_else(|| Status::unavailable("it has no connection to here"))?;
        let mut client = SidecarAdminClient::new(channel);
        let answer = tokio::time::timeout(WAIT, client.list_records(asked)).await;
        let late = |_| Status::deadline_exceeded(format!("no answer within {} s", WAIT.as_secs()));
        Ok(answer.map_err(late)??.into_inner())
    }
}

/// What a query asks for, in the words of the server's API.
fn asked(query: &str) -> Result<v1::ListRecordsRequest, Error> {
    let mut asked = v1::ListRecordsRequest {
        namespace: "default".to_owned(),
        limit: PAGE.1,
        ..v1::ListRecordsRequest::default()
    };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let wrong = |must: &str| Error::BadRequest(format!("{name}: must be {must}"));
        let list = || value.split(',').map(str::to_owned).collect();
        let time = || {
            let time: Timestamp = value
                .parse()
                .map_err(|_| wrong("a time as RFC 3339 has it"))?;
            u64::try_from(time.as_millisecond()).map_err(|_| wrong("a time after 1970"))
        };
        match &*name {
            "namespace" => asked.namespace = value.into_owned(),
            "function" => asked.function = value.into_owned(),
            "state" => asked.states = list(),
            "kept" => asked.kept = list(),
            "status" => {
                let digits = value.strip_suffix("xx").unwrap_or(&value);
                let status = digits
                    .parse()
                    .map_err(|_| wrong("100 to 599, or 1xx to 5xx"))?;
                asked.status = status;
            }
            "cause" => asked.cause = value.into_owned(),
            "caller" => asked.caller = value.into_owned(),
            "min_duration_ms" => {
                let millis: u64 = value.parse().map_err(|_| wrong("milliseconds"))?;
                asked.min_duration_us = millis.saturating_mul(1_000);
            }
            "cold" => asked.cold = Some(value.parse().map_err(|_| wrong("true or false"))?),
            "since" => asked.since_ms = time()?,
            "until" => asked.until_ms = time()?,
            "trace" => asked.trace_id = value.into_owned(),
            "call" => asked.call_id = value.into_owned(),
            "id" => asked.id = value.into_owned(),
            "limit" => {
                let limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=PAGE.0).contains(limit));
                asked.limit = limit.ok_or_else(|| wrong("1 to 1000"))?;
            }
            other => return Err(Error::BadRequest(format!("{other}: is no parameter"))),
        }
    }
    Ok(asked)
}

/// A record, as the server's API shows it.
fn shown(record: &v1::CallRecord) -> Value {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of a call fit 2^52"
    )]
    let millis = |us: u64| us as f64 / 1e3;
    let time = i64::try_from(record.arrived_at_ms).unwrap_or(i64::MAX);
    let phases = record.phases.unwrap_or_default();
    json!({
        "id": record.id,
        "namespace": record.namespace,
        "function": record.function,
        "revision": text(&record.revision),
        "instance": text(&record.instance),
        "host": text(&record.host),
        "caller": record.caller,
        "cause": record.cause,
        "trace_id": text(&record.trace_id),
        "parent_span_id": text(&record.parent_span_id),
        "method": record.method,
        "path": record.path,
        "arrived_at": Timestamp::from_millisecond(time).ok().map(|time| time.to_string()),
        "duration_ms": millis(record.duration_us),
        "phases": {
            "route_ms": millis(phases.route_us),
            "hold_ms": millis(phases.hold_us),
            "start_ms": millis(phases.start_us),
            "queue_ms": millis(phases.queue_us),
            "connect_ms": millis(phases.connect_us),
            "run_ms": millis(phases.run_us),
            "answer_ms": millis(phases.answer_us),
        },
        "held_for": text(&record.held_for),
        "state": record.state,
        "status": record.status,
        "code": text(&record.code),
        "broken_off": record.broken_off,
        "request_bytes": record.request_bytes,
        "response_bytes": record.response_bytes,
        "sends": record.sends,
        "call_id": text(&record.call_id),
        "attempt": (record.attempt > 0).then_some(record.attempt),
        "kept": record.kept,
        "sidecar": record.node_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_whole_or_refused_by_the_name_of_what_is_wrong() {
        let read = asked(
            "function=f&state=failed,refused&status=5xx&cause=trigger%3Anightly&caller=key:a&cold=true\
             &min_duration_ms=250&since=2026-01-02T03:04:05Z&trace=0a&limit=3",
        )
        .unwrap();
        assert_eq!(
            (read.namespace.as_str(), read.function.as_str()),
            ("default", "f")
        );
        assert_eq!(read.states, ["failed", "refused"]);
        assert_eq!((read.status, read.cause.as_str()), (5, "trigger:nightly"));
        assert_eq!((read.caller.as_str(), read.cold), ("key:a", Some(true)));
        assert_eq!((read.min_duration_us, read.limit), (250_000, 3));
        assert_eq!(read.since_ms, 1_767_323_045_000);
        for (query, name) in [
            ("status=new", "status"),
            ("cold=perhaps", "cold"),
            ("since=today", "since"),
            ("limit=0", "limit"),
            ("min_duration_ms=-1", "min_duration_ms"),
            ("min_duration=1", "min_duration"),
        ] {
            let refused = asked(query).unwrap_err().to_string();
            assert!(
                refused.starts_with(&format!("{name}: ")),
                "{query}: {refused}"
            );
        }
    }
}
