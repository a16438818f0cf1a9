//! Puts a call on record when it is over, if it is one of those that are.
//!
//! The one place that makes a record; which calls are kept is decided by [`gateless_core::record`]. A call that another
//! sidecar forwards is on record there, where it came in.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use gateless_common::io::unix_now;
use gateless_common::time::millis;
use gateless_core::hold::Origin;
use gateless_core::name::{InstanceId, NodeId, RevisionName};
use gateless_core::policy::{Identity, Maker};
use gateless_core::record::pick::Ended;
use gateless_core::record::{
    Attempt, Caller, Cause, HeldFor, Kept, Outcome, Phases, Record, Trace, id, kept_path,
};
use gateless_core::time::Time;
use http::{HeaderValue, Response, header};
use http_body::{Body as _, Frame, SizeHint};

use super::headers::{self, TRACEPARENT};
use super::request::Call;
use super::send::Proxy;
use super::trail::Trail;
use crate::call::error::{Error, Phase};
use crate::clock;
use crate::endpoint::body::{self, Body};
use crate::runtime::{Endpoint, Function};

impl Proxy {
    /// The function's answer, whose head came `at` a time: what is to be put on record is, at its end.
    pub(super) fn answered(
        &self,
        revision: &RevisionName,
        (call, trail): (&Call, &Trail),
        at: Time,
        response: Response<Body>,
    ) -> Response<Body> {
        let timing = &trail.timing;
        let ended = Ended {
            status: response.status().as_u16(),
            cold: timing.cold,
            took: at.since(call.arrived),
            at,
        };
        match call.function.metrics().answered(&ended, timing.hold) {
            None => response,
            Some(kept) => self.record_answer(revision, (call, trail), &ended, kept, response),
        }
    }

    #[cold]
    fn record_answer(
        &self,
        revision: &RevisionName,
        (call, trail): (&Call, &Trail),
        ended: &Ended,
        kept: Kept,
        response: Response<Body>,
    ) -> Response<Body> {
        let mut record = self.draft((call, trail), Some(revision), ended, kept);
        if ended.status >= 500 {
            record.outcome = Outcome::Failed;
        }
        let ending = Ending {
            record: Some(record),
            function: call.function.clone(),
            head: ended.at,
        };
        response.map(|body| match body {
            // It is all there.
            Body::Full(bytes) => {
                ending.over(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64), false);
                Body::Full(bytes)
            }
            body if body.is_end_stream() => {
                ending.over(0, false);
                body
            }
            body => Body::Boxed(Box::pin(Watched {
                body,
                ending,
                bytes: 0,
            })),
        })
    }

    /// The error by which a call is turned away before it is sent.
    pub fn turn_away(&self, call: &Call, error: Error) -> Error {
        self.failed(call, &Trail::default(), None, &error);
        error
    }

    /// A call that its function did not answer, for what `error` says.
    #[cold]
    pub(super) fn failed(
        &self,
        call: &Call,
        trail: &Trail,
        revision: Option<&RevisionName>,
        error: &Error,
    ) {
        if call.origin() == Origin::Peer {
            return;
        }
        let (code, _) = error.row();
        let at = clock::now();
        let ended = Ended {
            status: code.status(),
            cold: trail.timing.cold,
            took: at.since(call.arrived),
            at,
        };
        let Some(kept) = call.function.metrics().watch().ended(&ended) else {
            return;
        };
        let mut record = self.draft((call, trail), revision, &ended, kept);
        record.outcome = match was_seen(error) {
            true => Outcome::Failed,
            false => Outcome::Refused,
        };
        record.code = Some(code.as_str());
        call.function.metrics().watch().records().keep(record);
    }

    fn draft(
        &self,
        (call, trail): (&Call, &Trail),
        revision: Option<&RevisionName>,
        ended: &Ended,
        kept: Kept,
    ) -> Record {
        let parts = &call.parts;
        let at_ms = unix_now().0.saturating_sub(millis(ended.took));
        let (instance, host) = self.place(trail);
        let trace = trail
            .trace
            .as_ref()
            .or_else(|| parts.headers.get(TRACEPARENT));
        let timing = &trail.timing;
        let run = match trail.sends {
            // Of an attempt without an answer: what is left of its time.
            1.. if timing.run.is_zero() => ended
                .took
                .saturating_sub(timing.route + timing.hold + timing.queue),
            _ => timing.run,
        };
        Record {
            id: id(at_ms, rand::random()),
            node: self.registry.node().clone(),
            kept,
            function: call.function.config.name.clone(),
            revision: revision.cloned(),
            instance,
            host,
            caller: caller(call),
            cause: cause(call, trail),
            trace: trace.and_then(|text| Trace::parse(text.to_str().ok()?)),
            method: parts.method.as_str().into(),
            path: kept_path(parts.uri.path()).into(),
            at_ms,
            phases: Phases {
                route: timing.route,
                hold: timing.hold,
                start: timing.start,
                queue: timing.queue,
                run,
                connect: timing.connect,
                answer: std::time::Duration::ZERO,
            },
            took: ended.took,
            held_for: match (timing.cold, timing.queue.is_zero()) {
                (true, _) => Some(HeldFor::Instance),
                (false, false) => Some(HeldFor::Room),
                (false, true) => None,
            },
            outcome: Outcome::Answered,
            status: ended.status,
            code: None,
            broken_off: false,
            bytes_in: trail
                .bytes_in
                .or_else(|| headers::number(&parts.headers, &header::CONTENT_LENGTH)),
            bytes_out: 0,
            sends: trail.sends,
            attempt: call.delivered.as_ref().map(|delivered| Attempt {
                call: delivered.call.clone(),
                number: delivered.attempt,
            }),
        }
    }

    /// Which instance had it, and where that is.
    fn place(&self, trail: &Trail) -> (Option<InstanceId>, Option<NodeId>) {
        match trail.reached.as_deref() {
            None => (None, None),
            Some(Endpoint::Local { id, .. } | Endpoint::Component { id, .. }) => {
                (Some(id.clone()), Some(self.registry.node().clone()))
            }
            Some(Endpoint::Remote { node, .. }) => {
                let told = trail.instance.as_ref().map(HeaderValue::to_str);
                let told = told.and_then(Result::ok).map(InstanceId::new);
                (told, Some(node.clone()))
            }
        }
    }
}

/// Whether the function may have seen a call that ended so.
const fn was_seen(error: &Error) -> bool {
    matches!(
        error,
        Error::Instance { seen: true, .. }
            | Error::Peer { .. }
            | Error::HostLost(_)
            | Error::ResponseStart(_)
            | Error::Deadline(Phase::Run)
            | Error::Component(_)
            | Error::Body(_)
            | Error::BodyStalled(_)
    )
}

fn caller(call: &Call) -> Caller {
    match (&call.identity, &call.proof) {
        (_, Some(proof)) => Caller::Key(proof.key.clone()),
        (Identity::Function(name) | Identity::Queue(Maker::Function(name)), None) => {
            Caller::Function(name.clone())
        }
        (Identity::Trigger | Identity::Queue(Maker::Trigger), None) => Caller::Trigger,
        (Identity::Anonymous | Identity::Sidecar(_) | Identity::Queue(_), None) => Caller::Outside,
    }
}

fn cause(call: &Call, trail: &Trail) -> Cause {
    match (&call.delivered, &call.identity) {
        (Some(of_queue), _) if of_queue.replayed => Cause::Replay,
        (Some(of_queue), _) if of_queue.trigger.is_some() => {
            Cause::Trigger(of_queue.trigger.clone())
        }
        (_, Identity::Trigger | Identity::Queue(Maker::Trigger)) => Cause::Trigger(None),
        // Each call of the queue has a trace, whoever began it.
        (Some(_), Identity::Queue(Maker::Function(_))) => Cause::Parent,
        (None, _) if trail.has_parent => Cause::Parent,
        _ => Cause::Direct,
    }
}

/// A record that waits for the end of its answer.
struct Ending {
    /// `None` once it is kept.
    record: Option<Record>,
    function: Arc<Function>,
    /// When the head of the answer came.
    head: Time,
}

impl Ending {
    fn over(mut self, bytes: u64, broken_off: bool) {
        self.keep(bytes, broken_off);
    }

    fn keep(&mut self, bytes: u64, broken_off: bool) {
        let Some(mut record) = self.record.take() else {
            return;
        };
        record.bytes_out = bytes;
        record.phases.answer = clock::now().since(self.head);
        record.took += record.phases.answer;
        if broken_off {
            (record.broken_off, record.outcome) = (true, Outcome::Failed);
        }
        self.function.metrics().watch().records().keep(record);
    }
}

/// An answer whose record is kept when it is through, or given up.
struct Watched {
    body: Body,
    ending: Ending,
    bytes: u64,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = body::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, body::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                this.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                if this.body.is_end_stream() {
                    this.ending.keep(this.bytes, false);
                }
            }
            Poll::Ready(Some(Err(_))) => this.ending.keep(this.bytes, true),
            Poll::Ready(None) => this.ending.keep(this.bytes, false),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Its caller left before it was through.
        self.ending.keep(self.bytes, true);
    }
}
